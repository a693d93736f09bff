//! The clients together.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::client::{Client, Gain, Pattern, Step};
use crate::mix::Mix;
use crate::process::allow_descriptors;
use crate::{Failure, Load};

/// The interval at which clients that wait for a time are checked.
const TICK: Duration = Duration::from_millis(10);

/// All clients, in one thread.
pub(crate) struct Crowd {
    poll: Poll,
    to: SocketAddr,
    mix: Mix,
    message_bytes: u64,
    places: Vec<Place>,
    pattern: Pattern,
    /// The number of connections begun, which also numbers them.
    begun: u64,
    totals: Totals,
    /// The totals since the last report.
    recent: Totals,
    reported_at: Instant,
}

/// A place for one client after the other.
enum Place {
    Rests(Instant),
    Lives(Box<Client>),
}

/// The totals of the clients.
#[derive(Clone)]
pub(crate) struct Totals {
    ended: u64,
    bytes: u64,
    round_trips_micros: Histogram<u64>,
    broken: u64,
    /// The reason of the first failure.
    first: Option<String>,
}

impl Crowd {
    /// Creates clients that have not connected yet.
    ///
    /// # Errors
    /// If the system does not allow that many descriptors.
    pub(crate) fn new(to: SocketAddr, load: &Load) -> Result<Self, Failure> {
        allow_descriptors(load.connections)?;
        let now = Instant::now();
        Ok(Self {
            poll: Poll::new()?,
            to,
            mix: load.mix.clone(),
            message_bytes: u64::from(load.message_bytes),
            places: (0..load.connections).map(|_| Place::Rests(now)).collect(),
            pattern: Pattern::new(),
            begun: 0,
            totals: Totals::new(),
            recent: Totals::new(),
            reported_at: now,
        })
    }

    /// Runs the clients for `time`, and calls `each_second` with the number of seconds that have
    /// passed.
    pub(crate) fn run(
        &mut self,
        time: Duration,
        mut each_second: impl FnMut(u64, &mut Self),
    ) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut events = Events::with_capacity(1024);
        let mut seconds = 0;
        let mut ticked_at = begin;
        while begin.elapsed() < time {
            self.poll.poll(&mut events, Some(TICK))?;
            let now = Instant::now();
            for event in &events {
                self.serve(event.token().0, now)?;
            }
            if now - ticked_at >= TICK {
                ticked_at = now;
                self.tick(now)?;
            }
            while begin.elapsed().as_secs() > seconds {
                seconds += 1;
                each_second(seconds, self);
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant) -> Result<(), Failure> {
        for index in 0..self.places.len() {
            match &self.places[index] {
                Place::Rests(until) if *until <= now => self.begin(index, now)?,
                Place::Lives(client) if client.is_due(now) => self.serve(index, now)?,
                Place::Rests(_) | Place::Lives(_) => {}
            }
        }
        Ok(())
    }

    fn begin(&mut self, index: usize, now: Instant) -> Result<(), Failure> {
        let role = self.mix.role(index);
        self.begun += 1;
        let mut client = Client::connect(self.to, role, self.begun, self.message_bytes)
            .map_err(|error| format!("cannot connect to {}: {error}", self.to))?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(client.stream(), Token(index), both)?;
        self.places[index] = Place::Lives(Box::new(client));
        self.serve(index, now)
    }

    fn serve(&mut self, index: usize, now: Instant) -> Result<(), Failure> {
        // An event may still come for a client that has ended.
        let Place::Lives(client) = &mut self.places[index] else { return Ok(()) };
        let mut gain = Gain::default();
        let step = client.work(&self.pattern, &mut gain, now);
        let rest = client.rest();
        for totals in [&mut self.totals, &mut self.recent] {
            totals.bytes += gain.bytes;
            for round_trip in &gain.round_trips {
                totals.round_trips_micros.saturating_record(round_trip.as_micros() as u64);
            }
        }
        match step {
            Step::GoesOn => return Ok(()),
            Step::Ended => {
                self.totals.ended += 1;
                self.recent.ended += 1;
            }
            Step::Broken(why) => {
                self.totals.broken += 1;
                self.recent.broken += 1;
                self.totals.first.get_or_insert(why);
            }
        }
        self.places[index] = Place::Rests(now + rest);
        Ok(())
    }

    /// Returns a readable report on the time since the last one.
    pub(crate) fn take_report(&mut self) -> String {
        let recent = std::mem::replace(&mut self.recent, Totals::new());
        let now = Instant::now();
        let seconds = (now - std::mem::replace(&mut self.reported_at, now)).as_secs_f64();
        let lives = self.places.iter().filter(|place| matches!(place, Place::Lives(_))).count();
        let per_second = |count: u64| count as f64 / seconds;
        format!(
            "{lives} open, {:.0} ended/s, {:.0} messages/s, {:.1} MB/s, p50 {}, p99 {}",
            per_second(recent.ended),
            per_second(recent.round_trips_micros.len()),
            per_second(recent.bytes) / 1e6,
            micros(recent.round_trips_micros.value_at_quantile(0.5)),
            micros(recent.round_trips_micros.value_at_quantile(0.99)),
        )
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Closes all connections.
    pub(crate) fn leave(&mut self) {
        self.places.clear();
    }

    /// # Errors
    /// If a connection ended as it should not.
    pub(crate) fn judge(&self) -> Result<(), Failure> {
        match &self.totals.first {
            Some(first) => Err(format!("{} broken; the first: {first}", self.totals.broken).into()),
            None if self.totals.bytes == 0 => Err("nothing came back".into()),
            None => Ok(()),
        }
    }
}

impl Totals {
    fn new() -> Self {
        // Up to an hour, with three significant digits.
        let histogram = Histogram::new_with_max(3_600_000_000, 3).expect("the bounds are sane");
        Self { ended: 0, bytes: 0, round_trips_micros: histogram, broken: 0, first: None }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ended, bytes, round_trips_micros: trips, broken, .. } = self;
        write!(f, "{ended} ended, {broken} broken, {:.1} MB back, ", *bytes as f64 / 1e6)?;
        let [p50, p99] = [0.5, 0.99].map(|quantile| micros(trips.value_at_quantile(quantile)));
        let most = micros(trips.max());
        write!(f, "{} messages there and back in p50 {p50}, p99 {p99}, most {most}", trips.len())
    }
}

fn micros(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} us"),
        _ => format!("{:.1} ms", micros as f64 / 1e3),
    }
}
