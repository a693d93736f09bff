//! Many short connections that end in every way.

use std::collections::BTreeSet;
use std::time::Duration;

use tidelock_core::{Endpoint, ListenOptions, Message, Net, Service, SocketId, TimerId};
use tidelock_net::chance::streams::Stream;
use tidelock_net::words::behaviour::Behaviour;
use tidelock_net::words::operation::{Action, Operation};
use tidelock_net::words::ports::{DEAD_PORT, SERVER, SERVER_PORT};

use super::echo::Echo;
use super::planner::{Planner, keep_calm};
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// Ids are used again at once, so that what comes late meets a new socket at its old place.
pub(super) fn churn() -> Scenario {
    Scenario::new(
        "churn",
        "many short connections that end in every way; the listener closes and comes back",
        |stage| {
            let options = stage.options().clone();
            stage.host("client").may_be_asking_wire();
            stage
                .host("server")
                .service(move || Churn::new(&options))
                .may_be_serving_wire(Behaviour::Echo);
            stage.answers(Behaviour::Echo);
        },
    )
    .adjust(adjust)
    .plan(plan)
    // The listener goes and comes back by a timer: who is refused depends on when they come.
    .timed()
}

fn adjust(options: &mut Options) {
    options.connections = (2 * options.connections).clamp(4, 100);
    options.message_bytes_max = options.message_bytes_max.min(1 << 10);
    options.sockets_max = 3 + options.connections;
    if !options.is_calm() && options.noise.is_multiple_of(4) {
        options.sockets_max = 3 + options.connections / 3;
    }
    keep_calm(options);
}

fn plan(options: &Options, stream: &mut Stream) -> Vec<Operation> {
    let mut plan = Planner::new(options, stream);
    for _ in 0..options.connections {
        let at = plan.early(1);
        let open = match plan.stream.below(8) {
            0 => Action::Connect { to: SERVER, port: DEAD_PORT, is_paused: false },
            1 | 2 => {
                let name = plan.stream.below(8) as u8;
                Action::ConnectName { name, port: SERVER_PORT, is_paused: false }
            }
            _ => Action::Connect { to: SERVER, port: SERVER_PORT, is_paused: false },
        };
        let line = plan.open(at, open);
        if !open.is_hopeless() {
            live(options, &mut plan, line);
        }
    }
    let at = plan.early(2);
    plan.ask_at(at, Action::Info);
    plan.finish()
}

/// Plans the life of one connection before it ends.
fn live(options: &Options, plan: &mut Planner<'_>, line: usize) {
    if plan.stream.one_in(4) {
        plan.ask(line, |on| Action::Nodelay { on });
    }
    let is_handed_over = plan.stream.one_in(4);
    if is_handed_over {
        plan.ask(line, |on| Action::HandOver { on });
    }
    if plan.stream.one_in(4) {
        plan.ask(line, |on| Action::KeepOpen { on });
    }
    for _ in 0..plan.stream.below(3) {
        wait_briefly(plan, line);
        let bytes = options.draw_message_bytes(plan.stream);
        let is_low = plan.stream.one_in(4);
        plan.send(line, bytes, is_low);
    }
    wait_briefly(plan, line);
    match plan.stream.below(if options.is_calm() { 4 } else { 6 }) {
        0 => plan.ask(line, |on| Action::Finish { on }),
        1 => plan.ask(line, |on| Action::Shutdown { on }),
        2 if is_handed_over => plan.ask(line, |on| Action::Release { on }),
        2 | 3 => {}
        _ => plan.ask(line, |on| Action::Close { on }),
    }
}

/// A few round trips at most, not a share of the whole plan.
fn wait_briefly(plan: &mut Planner<'_>, line: usize) {
    if plan.stream.one_in(2) {
        let nanos = plan.stream.log_uniform(1_000, 4_000_000);
        plan.wait_nanos(line, nanos);
    }
}

/// An echo whose listener closes and comes back, and that ends some connections itself.
struct Churn {
    echo: Echo,
    is_calm: bool,
    period_nanos: u64,
    listener: Option<SocketId>,
    /// Which timer closes the listener or opens it again.
    next: Option<TimerId>,
    /// Timers that must not come.
    cancelled: BTreeSet<TimerId>,
    /// The number of times that the listener may still close.
    cycles: u32,
}

/// The listener closes so often.
const CYCLES: u32 = 5;

impl Churn {
    fn new(options: &Options) -> Self {
        Self {
            echo: Echo::default(),
            is_calm: options.is_calm(),
            period_nanos: options.quiet_at_nanos / u64::from(CYCLES) + 1,
            listener: None,
            next: None,
            cancelled: BTreeSet::new(),
            cycles: if options.is_calm() { 0 } else { CYCLES },
        }
    }

    fn listen(&mut self, net: &mut Net<'_>) {
        let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
        // Without a free id it tries again later.
        self.listener = net.listen(at, ListenOptions::default().backlog(8)).ok();
    }

    /// Sets the next turn's timer, and two more that are cancelled.
    fn wait(&mut self, net: &mut Net<'_>) {
        let nanos = 1 + net.random() % self.period_nanos;
        let of = |share| Duration::from_nanos(nanos / share);
        if let Some(timer) = self.next.take()
            && net.cancel_timer(timer)
        {
            self.cancelled.insert(timer);
        }
        let (early, late) = (net.set_timer(of(2)), net.set_timer(of(1)));
        self.next = Some(net.set_timer(of(1)));
        for timer in [early, late] {
            assert!(net.cancel_timer(timer), "{timer} was just set");
            self.cancelled.insert(timer);
        }
    }

    /// Closes the listener, or opens it again.
    fn turn(&mut self, net: &mut Net<'_>) {
        match self.listener.take() {
            Some(listener) if self.cycles > 0 => {
                self.cycles -= 1;
                // One that could not listen is gone already.
                let _gone = net.close(listener);
            }
            Some(listener) => {
                self.listener = Some(listener);
                return;
            }
            None => self.listen(net),
        }
        self.wait(net);
    }
}

impl Service for Churn {
    fn on_start(&mut self, net: &mut Net<'_>) {
        self.listen(net);
        self.wait(net);
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Timer { timer } => {
                assert!(!self.cancelled.contains(&timer), "{timer} was cancelled and came");
                assert_eq!(self.next, Some(timer), "{timer} is nobody's");
                if !net.is_stopped() {
                    self.turn(net);
                }
            }
            Message::Accept { accepted, .. } if !self.is_calm => match net.random() % 8 {
                // An error means that it is gone already.
                0 => drop(net.close(accepted)),
                1 => drop(net.shutdown(accepted)),
                // Never started: a timeout ends it.
                2 => {}
                _ => self.echo.on_message(net, message),
            },
            Message::Data { socket, .. } if !self.is_calm && net.random().is_multiple_of(8) => {
                // What is unread or unsent is lost; one that is gone needs no end.
                let _gone = net.close(socket);
            }
            Message::Close { socket, .. } if self.listener == Some(socket) => {
                // It could not listen; the timer tries again.
                self.listener = None;
                if !net.is_stopped() {
                    self.wait(net);
                }
            }
            message => self.echo.on_message(net, message),
        }
    }

    fn name(&self) -> &'static str {
        "churn"
    }
}
