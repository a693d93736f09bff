//! Anything is asked of any socket, in any state and any order.

use std::num::NonZeroU32;
use std::time::Duration;

use tidelock_core::{
    AcceptRate, Bytes, ConnectOptions, Endpoint, Keepalive, ListenOptions, Message, Net, Service,
    ServiceId, SocketId, SocketOption, Target, Timeout, UdpOptions,
};
use tidelock_net::system::kernel::Address;
use tidelock_net::words::kinds::Family;
use tidelock_net::words::names::NAMES;
use tidelock_net::words::ports::{CLIENT, DEAD_PORT, SERVER, SERVER_PORT};

use super::planner::{keep_calm, keep_valid, only_looks};
use crate::stage::address;
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Services that make no sense: what they ask next has nothing to do with what they were told.
pub(super) fn odd_orders() -> Scenario {
    let about = "services ask anything of any socket in any state, each other's and dead ones too";
    Scenario::new("odd-orders", about, |stage| {
        for (name, far) in [("client", SERVER), ("server", CLIENT)] {
            let options = stage.options().clone();
            stage.host(name).service(move || Fidget::new(&options, far));
        }
    })
    .adjust(adjust)
    .plan(only_looks)
    // They do what random numbers say when a timer comes.
    .timed()
}

/// Small buffers and small turns, so that much is under way in every state.
fn adjust(options: &mut Options) {
    let noise = options.noise;
    let is_one_in = |shift: u32, number: u64| (noise >> shift).is_multiple_of(number);
    options.message_bytes_max = options.message_bytes_max.clamp(16, 1 << 11);
    options.send_buffer_bytes = options.send_buffer_bytes.clamp(16, 1 << 12);
    options.receive_buffer_bytes = options.receive_buffer_bytes.clamp(16, 1 << 12);
    // Mostly no longer than a few turns, so that answers meet what was asked meanwhile.
    let latency_nanos_max = if is_one_in(19, 4) { 1_000_000 } else { 5_000 };
    options.latency_nanos = options.latency_nanos.min(latency_nanos_max);
    options.jitter_nanos = options.jitter_nanos.min(2 * options.latency_nanos);
    options.sockets_max = options.sockets_max.max(16);
    if is_one_in(3, 2) {
        options.sockets_per_turn = 1;
    }
    if is_one_in(5, 2) {
        options.hand_over_max = 1;
    }
    if is_one_in(7, 4) {
        options.batch_max = 1 + (noise >> 42) % 3;
    }
    if is_one_in(17, 2) {
        // Less than what is sent fits, so that much is full where nobody reads.
        options.message_bytes_max = options.message_bytes_max.max(1 << 9);
        options.send_buffer_bytes = options.send_buffer_bytes.min(1 << 8);
        options.receive_buffer_bytes = options.receive_buffer_bytes.min(1 << 7);
    }
    if is_one_in(9, 3) {
        options.commands_per_turn = 1 + (noise >> 44) % 3;
    }
    if is_one_in(11, 2) {
        options.workers = options.workers.max(2);
    }
    // What nothing caused comes in every state, too, and so do errors.
    let often =
        [Family::Events, Family::Events, Family::Errnos, Family::Datagrams, Family::Completions];
    if let Some(family) = often.get((noise >> 15) as usize % 6)
        && !options.is_calm()
    {
        options.rates[*family as usize] = 3 + (noise >> 46) % 2;
    }
    if options.readiness == 1 && !is_one_in(21, 4) {
        // What is promised and no more has the fewest events; the others say more of each state.
        options.readiness = [0, 0, 2, 3][(noise >> 48) as usize % 4];
    }
    keep_valid(options);
    keep_calm(options);
}

/// So many ports are listened at, or asked for.
const PORTS: u64 = 3;
/// So many sockets one of them thinks of; older ones it forgets.
const KNOWN_MAX: usize = 12;
/// So much one of them asks at most, by itself …
const TICKS_MIN: u64 = 30;
const TICKS_MAX: u64 = 120;
/// … and in all, what it does because it was told something included.
const ACTS_PER_TICK: u64 = 9;

/// The frequencies of what a world's services do.
struct Mood {
    /// Weights of what is opened: a listener, a datagram socket, a stream to nobody, one by name,
    /// one by address.
    opens: [u64; 5],
    /// Weights of what is asked, in the order of `Fidget::act`.
    acts: [u64; 13],
}

const MOODS: [Mood; 6] = [
    // A little of everything.
    Mood { opens: [3, 3, 1, 3, 6], acts: [8, 3, 3, 3, 4, 2, 1, 1, 1, 1, 2, 3, 1] },
    // Streams with one direction ended, that are full and not read.
    Mood { opens: [1, 0, 0, 1, 8], acts: [10, 4, 2, 6, 3, 3, 1, 3, 1, 1, 0, 0, 1] },
    // Streams that live for long.
    Mood { opens: [1, 0, 0, 2, 8], acts: [10, 6, 8, 4, 4, 4, 0, 1, 0, 1, 0, 0, 1] },
    // Datagrams.
    Mood { opens: [1, 8, 0, 0, 1], acts: [4, 2, 3, 4, 4, 1, 1, 1, 1, 1, 4, 10, 1] },
    // Attempts to connect that are ended before they are over.
    Mood { opens: [1, 1, 2, 8, 3], acts: [6, 3, 2, 4, 3, 1, 2, 2, 3, 1, 1, 1, 1] },
    // Listeners that come, pause and go.
    Mood { opens: [6, 1, 1, 1, 6], acts: [3, 1, 6, 6, 6, 1, 1, 1, 2, 1, 1, 1, 1] },
];

/// Which of the weights a random number falls upon.
fn weighed(weights: &[u64], number: u64) -> usize {
    let mut left = number % weights.iter().sum::<u64>();
    let falls = |weight: &u64| match left.checked_sub(*weight) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    };
    weights.iter().position(falls).expect("it is less than their sum")
}

/// Asks what a random number says.
struct Fidget {
    mood: &'static Mood,
    far: u16,
    bytes_max: u64,
    /// Time between two ticks, at most.
    period_nanos: u64,
    ticks: u64,
    acts: u64,
    /// Another one on the same host, which knows the same sockets.
    partner: Option<ServiceId>,
    is_second: bool,
    /// Those that it knows, alive or not.
    known: Vec<SocketId>,
}

impl Fidget {
    fn new(options: &Options, far: u16) -> Self {
        let ticks = options.operations.clamp(TICKS_MIN, TICKS_MAX);
        Self {
            mood: &MOODS[(options.noise >> 20) as usize % MOODS.len()],
            far,
            bytes_max: options.message_bytes_max,
            period_nanos: 2 * options.quiet_at_nanos.min(100_000_000) / ticks + 2,
            ticks,
            acts: ticks * ACTS_PER_TICK,
            partner: None,
            is_second: false,
            known: Vec::new(),
        }
    }

    /// Knows a socket from now on.
    fn know(&mut self, id: SocketId) {
        self.known.retain(|known| *known != id);
        if self.known.len() == KNOWN_MAX {
            self.known.remove(0);
        }
        self.known.push(id);
    }

    /// Knows a socket from now on, and tells its partner now and then.
    fn learn(&mut self, net: &mut Net<'_>, id: SocketId) {
        self.know(id);
        if let Some(partner) = self.partner
            && !net.random().is_multiple_of(3)
        {
            // It may have been released.
            let _gone = net.post(partner, id);
        }
    }

    fn some_port(net: &mut Net<'_>) -> u16 {
        SERVER_PORT + (net.random() % PORTS) as u16
    }

    /// Opens something, and most often asks something of it at once.
    fn open(&mut self, net: &mut Net<'_>) {
        let number = net.random();
        let (is_paused, is_other) = (number >> 8 & 1 == 1, number >> 9 & 1 == 1);
        let port = Self::some_port(net);
        let here = Endpoint::from(([0, 0, 0, 0], port));
        let there = address::endpoint(Address { host: self.far, port });
        let to_stream = ConnectOptions::default().paused(is_paused).half_open(is_other);
        let has_own = number >> 48 & 7 == 0;
        let own = some_timeout(number >> 51);
        let to_stream = if has_own { to_stream.option(own.clone()) } else { to_stream };
        let opened = match weighed(&self.mood.opens, number >> 16) {
            0 => {
                let options = ListenOptions::default().paused(is_paused).auto_start(is_other);
                let options = if has_own { options.accepted(own) } else { options };
                let options = match number >> 40 & 3 {
                    0 => options.accept_rate(some_rate(number >> 42)),
                    _ => options,
                };
                net.listen(here, options.backlog(1 + (number >> 10 & 7) as u32))
            }
            1 => {
                let at = if is_other { here } else { Endpoint::from(([0, 0, 0, 0], 0)) };
                let options = UdpOptions::default().bind(at).paused(is_paused);
                net.udp(if number >> 10 & 1 == 1 { options.peer(there) } else { options })
            }
            2 => {
                let nobody = address::endpoint(Address { host: self.far, port: DEAD_PORT });
                net.connect(nobody, to_stream)
            }
            3 => {
                let (name, _) = NAMES[(number >> 10) as usize % NAMES.len()];
                // An address that does not answer is given up in time for the next one.
                let patience = Duration::from_millis(1 << (number >> 13 & 15));
                net.connect(Target::host(name, port), to_stream.timeout(patience))
            }
            _ => net.connect(there, to_stream),
        };
        // Without a free id, or at the end, there is one socket less.
        let Ok(id) = opened else { return };
        self.learn(net, id);
        if !number.is_multiple_of(3) {
            self.fiddle(net, id);
        }
    }

    /// Asks a few things of a socket.
    fn fiddle(&mut self, net: &mut Net<'_>, id: SocketId) {
        for _ in 0..1 + net.random() % 4 {
            let number = net.random();
            let times = if number >> 32 & 3 == 0 { 1 + (number >> 34) % 4 } else { 1 };
            for _ in 0..times {
                if self.acts == 0 {
                    return;
                }
                self.acts -= 1;
                self.act(net, id, number);
            }
        }
    }

    /// Asks one thing of a socket. Whatever it answers is right.
    fn act(&mut self, net: &mut Net<'_>, id: SocketId, number: u64) {
        let length = match number >> 8 & 7 {
            0 => self.bytes_max,
            1 => 0,
            2 | 3 => (number >> 16) % self.bytes_max,
            _ => (number >> 16) % 16,
        };
        let payload = vec![number as u8; length as usize];
        let port = if number >> 12 & 3 == 0 { DEAD_PORT } else { Self::some_port(net) };
        let there = address::endpoint(Address { host: self.far, port });
        match weighed(&self.mood.acts, number >> 40) {
            0 if number >> 11 & 1 == 1 => drop(net.send_vectored(id, halves(payload))),
            0 => drop(net.send(id, payload)),
            1 => drop(net.send_low(id, payload)),
            2 => drop(net.set_option(id, some_option(number >> 12))),
            3 => drop(net.pause(id)),
            4 => drop(net.start(id)),
            5 => drop(net.keep_open(id)),
            6 => drop(net.shutdown(id)),
            7 => drop(net.finish(id)),
            8 => drop(net.close(id)),
            9 => net.flush(id),
            10 => drop(net.udp_connect(id, there)),
            11 => drop(net.send_to(id, there, payload)),
            // What ends the output, right behind some of it.
            _ => self.end(net, id, payload),
        }
    }

    /// Sends, and ends at once in some way.
    fn end(&mut self, net: &mut Net<'_>, id: SocketId, payload: Vec<u8>) {
        let number = net.random();
        for _ in 0..number >> 8 & 3 {
            let _refused = net.send(id, payload.clone());
        }
        if number >> 12 & 1 == 1 {
            let _gone = net.set_option(id, some_option(number >> 16));
        }
        let _gone = match number & 3 {
            0 => net.close(id),
            1 => net.finish(id),
            2 => net.pause(id).and_then(|()| net.finish(id)),
            _ => net.shutdown(id),
        };
    }

    /// Asks something of every socket at once, so that most of them wait for their turn.
    fn storm(&mut self, net: &mut Net<'_>) {
        let number = net.random();
        for id in self.known.clone() {
            if number & 3 == 0 {
                self.end(net, id, vec![0; (number >> 8 & 0xFF) as usize]);
            } else {
                self.fiddle(net, id);
            }
        }
    }

    fn tick(&mut self, net: &mut Net<'_>) {
        if self.ticks == 0 || net.is_stopped() {
            return;
        }
        self.ticks -= 1;
        let number = net.random();
        match self.known.len() as u64 {
            0 => self.open(net),
            _ if number.is_multiple_of(4) => self.open(net),
            _ if number % 4 == 1 && number >> 40 & 1 == 1 => self.storm(net),
            known => {
                let id = self.known[((number >> 8) % known) as usize];
                self.fiddle(net, id);
            }
        }
        if let (0, Some(partner), false) = (self.ticks, self.partner, self.is_second) {
            // What it owns ends with it.
            let _gone = net.release(partner);
        }
        // Now at once, now after about as long as a packet takes, now later.
        let most = match number >> 4 & 3 {
            0 => 1,
            1 | 2 => self.period_nanos.min(10_000),
            _ => self.period_nanos,
        };
        net.set_timer(Duration::from_nanos((number >> 16) % most));
    }
}

/// The payload in two parts, of which the first may be empty.
fn halves(payload: Vec<u8>) -> Vec<Bytes> {
    let mut first = Bytes::from(payload);
    let second = first.split_off(first.len() / 2);
    vec![first, second]
}

/// Returns a time to wait for something, from a millisecond to for ever.
fn some_timeout(number: u64) -> SocketOption {
    let which = Timeout::ALL[number as usize % Timeout::ALL.len()];
    let span = match number / 8 % 16 {
        15 => Duration::MAX,
        doublings => Duration::from_millis(1 << doublings),
    };
    SocketOption::Timeout(which, span)
}

/// From a thousand connections in a second down to one.
fn some_rate(number: u64) -> AcceptRate {
    let per_second = 1_000_u32.div_ceil(1 << (number % 13));
    let burst = 1 + (number >> 4) as u32 % 4;
    let [per_second, burst] =
        [per_second, burst].map(|count| NonZeroU32::new(count).expect("one at least"));
    AcceptRate { per_second, burst }
}

fn some_option(number: u64) -> SocketOption {
    match number % 7 {
        0 => SocketOption::Nodelay(true),
        1 => SocketOption::Keepalive(Some(Keepalive {
            idle: Duration::from_secs(1),
            interval: Duration::from_secs(1),
            count: 3,
        })),
        2 => SocketOption::ReceiveBuffer(1 << 12),
        3 => SocketOption::SendBuffer(1 << 12),
        4 | 5 => some_timeout(number / 7),
        _ => SocketOption::Broadcast(true),
    }
}

impl Service for Fidget {
    fn on_start(&mut self, net: &mut Net<'_>) {
        if !self.is_second {
            let second = Fidget {
                partner: Some(net.service()),
                is_second: true,
                known: Vec::new(),
                ..*self
            };
            self.partner = net.spawn(Box::new(second)).ok();
            for number in 0..PORTS as u16 {
                let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT + number));
                let options = ListenOptions::default().paused(number == 1).auto_start(number == 2);
                if let Ok(id) = net.listen(at, options) {
                    self.learn(net, id);
                }
            }
        }
        let first_nanos = net.random() % self.period_nanos;
        net.set_timer(Duration::from_nanos(first_nanos));
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        let number = net.random();
        match message {
            Message::Timer { .. } => self.tick(net),
            Message::Accept { accepted, .. } => {
                self.learn(net, accepted);
                match number % 4 {
                    0 => drop(net.start(accepted)),
                    1 => {}
                    _ => self.fiddle(net, accepted),
                }
            }
            Message::Posted { value, .. } => {
                let id = *value.downcast::<SocketId>().expect("they tell each other of sockets");
                self.know(id);
                match number % 4 {
                    0 => drop(net.start(id)),
                    1 => self.fiddle(net, id),
                    _ => {}
                }
            }
            Message::Paused { socket } => match (self.partner, number % 4) {
                // The partner may start it, and then owns it.
                (Some(partner), 0) => drop(net.post(partner, socket)),
                (_, 1) => drop(net.start(socket)),
                _ => {}
            },
            Message::Eof { socket } => {
                if !number.is_multiple_of(3) {
                    let _gone = net.keep_open(socket);
                }
                if number >> 8 & 1 == 1 {
                    for _ in 0..1 + (number >> 16 & 3) {
                        let _refused = net.send(socket, vec![0; self.bytes_max as usize]);
                    }
                }
                match number >> 9 & 7 {
                    0 | 1 => self.end(net, socket, vec![1; (number >> 24 & 0xFF) as usize]),
                    2 => {
                        self.storm(net);
                        let _gone = net.close(socket);
                    }
                    3 => self.storm(net),
                    4 => {}
                    _ => self.fiddle(net, socket),
                }
            }
            Message::Udp { socket, from, payload } if number.is_multiple_of(4) && self.acts > 0 => {
                self.acts -= 1;
                let _refused = net.send_to(socket, from, payload);
            }
            Message::Data { socket, .. } | Message::Connect { socket, .. }
                if number.is_multiple_of(4) =>
            {
                self.fiddle(net, socket);
            }
            // Now and then it asks something of a dead one.
            Message::Close { socket, .. } if !number.is_multiple_of(4) => {
                self.known.retain(|known| *known != socket);
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "fidget"
    }
}
