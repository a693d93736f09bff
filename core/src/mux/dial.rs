//! Transitions of a stream that is to be connected.

use std::collections::VecDeque;
use std::time::Duration;

use super::Mux;
use super::desk::errand::{Errand, RacerStart};
use super::focus::Focus;
use super::sockets::dial::{Attempt, Dial};
use super::sockets::head::Latch;
use super::sockets::kind::Kind;
use super::sockets::stream::{Phase, Stream};
use super::sockets::{AnyPart, Socket};
use crate::timeouts::Timeouts;
use crate::{
    Answer, Backend, CloseHow, ConnectOptions, Connected, Endpoint, Fault, FaultKind, Operation,
    ServiceId, SocketId, Target,
};

impl Mux {
    pub(super) fn open_dial(
        &mut self,
        id: SocketId,
        owner: ServiceId,
        target: Target,
        mut options: Box<ConnectOptions>,
    ) {
        let (now, config) = (self.desk.now, self.config());
        let deadline = now + options.timeout.unwrap_or(config.connect_timeout);
        let (target, address, next_at) = match target {
            Target::Endpoint(endpoint) => (None, Some(endpoint), deadline),
            host @ Target::Host { .. } => {
                (Some(host), None, deadline.min(now + config.resolve_timeout))
            }
        };
        let times = Timeouts::extract(&mut options.options);
        let (is_reading, is_kept_open) = (!options.paused, options.half_open);
        let dial = Dial { target, next_at, ..Dial::new(address, options, deadline) };
        let mut stream = Stream::new(Phase::Dialling(Box::new(dial)));
        stream.is_kept_open = is_kept_open;
        let mut head = self.desk.new_head(id, &stream);
        head.is_reading = is_reading;
        let mut socket = Socket { head, part: AnyPart::Stream(stream) };
        socket.take_times(times);
        self.open(socket, owner);
    }
}

impl Focus<'_, Stream> {
    /// The connect, while it is under way.
    pub(crate) fn dial(&mut self) -> &mut Dial {
        match &mut self.part.phase {
            Phase::Dialling(dial) => dial,
            _ => panic!("{} is connected, or ends", self.head.id),
        }
    }

    /// Moves a connect on: resolves the name, tries an address, takes the winner.
    pub(crate) fn serve_dial<B: Backend>(&mut self, backend: &mut B) {
        let (id, situation) = (self.id(), self.situation());
        backend.regard(id, situation);
        let dial = self.dial();
        if let Some(target) = dial.target.take() {
            let Target::Host { host, port } = target else {
                unreachable!("only names are resolved")
            };
            if let Answer::Ready(result) = backend.resolve(id, &host, port) {
                self.resolved(result);
            }
            return;
        }
        match dial.attempt {
            Attempt::GivenUp => match backend.close(id, CloseHow::Plain) {
                Answer::Ready(()) => self.attempt_ended(FaultKind::Cancelled.into()),
                Answer::Later => dial.attempt = Attempt::Closing,
            },
            Attempt::None if dial.winner.is_some() => self.take_winner(backend),
            Attempt::None | Attempt::UnderWay => self.try_address(backend),
            Attempt::Closing | Attempt::Won => {}
        }
    }

    fn try_address<B: Backend>(&mut self, backend: &mut B) {
        let id = self.id();
        let dial = self.dial();
        let Some(address) = &dial.address else { return };
        if let (Some(told), Attempt::None) = (dial.races_for, dial.attempt) {
            backend.beside(id, told);
        }
        match backend.connect(id, address, &dial.options) {
            Answer::Ready(Ok(connected)) => self.attempt_connected(connected),
            Answer::Ready(Err(fault)) => self.attempt_ended(fault),
            Answer::Later => {
                dial.attempt = Attempt::UnderWay;
                self.head.output = Latch::Pending;
            }
        }
    }

    /// The name is resolved, or is not.
    pub(crate) fn resolved(&mut self, result: Result<Vec<Endpoint>, Fault>) {
        let Phase::Dialling(dial) = &mut self.part.phase else { return };
        let addresses = match result {
            Ok(addresses) if addresses.is_empty() => {
                return self.fail(FaultKind::NameNotFound.into(), Operation::Resolve);
            }
            Ok(addresses) => addresses,
            Err(fault) => return self.fail(fault, Operation::Resolve),
        };
        assert!(dial.untried.is_empty(), "{} is resolved twice", self.head.id);
        dial.untried = interleaved(addresses);
        self.begin_attempt();
    }

    /// Tries the next address, if there is one; ends the connect if nothing is left to wait for.
    pub(crate) fn begin_attempt(&mut self) {
        let (id, next_at) = (self.id(), self.desk.now + self.attempt_delay());
        let dial = self.dial();
        assert!(dial.winner.is_none(), "{id} has won and tries another address");
        if dial.untried.is_empty() {
            let is_over = dial.address.is_none() && dial.racers.is_empty();
            if is_over {
                let fault = dial.last_fault.expect("the last address failed of something");
                self.fail(fault, Operation::Connect);
            }
            return;
        }
        dial.next_at = next_at;
        if dial.address.is_none() {
            dial.address = dial.untried.pop_front();
            return;
        }
        // At the limit of sockets the next look is a delay later; the first attempt goes on.
        if let Some(racer) = self.desk.directory.reserve_socket(self.desk.shard) {
            self.begin_racer(racer);
        }
    }

    fn begin_racer(&mut self, racer: SocketId) {
        let told = self.id();
        let dial = self.dial();
        let address = dial.untried.pop_front();
        let (options, deadline) = (dial.options.clone(), dial.deadline);
        dial.racers.push(racer);
        let start = Box::new(RacerStart { address, options, deadline });
        self.desk.errands.push(Errand::BeginRacer { racer, told, start });
    }

    /// The time that an attempt has before the next one begins beside it.
    fn attempt_delay(&mut self) -> Duration {
        let config_delay = self.config().connection_attempt_delay;
        let dial = self.dial();
        let local_port = dial.options.bind.as_ref().and_then(Endpoint::port);
        if local_port.is_some_and(|port| port != 0) {
            // Two attempts cannot have one port.
            return Duration::MAX;
        }
        let delay = dial.options.attempt_delay.unwrap_or(config_delay);
        delay.max(crate::config::CONNECTION_ATTEMPT_DELAY_MIN)
    }

    /// The attempt that goes under the socket's own id ended without a connection.
    pub(crate) fn attempt_ended(&mut self, fault: Fault) {
        let id = self.id();
        self.head.output = Latch::Ready;
        let dial = self.dial();
        let address = dial.address.take();
        assert!(address.is_some(), "{id} tried no address");
        dial.attempt = Attempt::None;
        if let Some(told) = dial.races_for {
            let errands = &mut self.desk.errands;
            errands.push(Errand::AbandonRacer { racer: id });
            return errands.push(Errand::RacerFailed { racer: id, told, fault });
        }
        if dial.winner.is_none() {
            assert_ne!(fault.kind, FaultKind::Cancelled, "{id}: nobody cancelled the attempt");
            dial.last_fault = Some(fault);
            self.begin_attempt();
        }
    }

    /// An attempt has come to a connection.
    pub(crate) fn attempt_connected(&mut self, connected: Connected) {
        let id = self.id();
        let dial = self.dial();
        match dial.races_for {
            Some(told) => {
                dial.attempt = Attempt::Won;
                self.head.input = Latch::Ready;
                self.head.output = Latch::Ready;
                let won = Errand::RacerConnected { racer: id, told, connected };
                self.desk.errands.push(won);
            }
            None => {
                let racers = std::mem::take(&mut dial.racers).into_iter();
                let losers = racers.map(|racer| Errand::AbandonRacer { racer });
                self.desk.errands.extend(losers);
                self.connected(connected);
            }
        }
    }

    /// A racer is the first to connect. What else is under way is given up, and when the backend
    /// holds nothing any more for the id that was told, that becomes the racer's.
    pub(crate) fn racer_connected(&mut self, racer: SocketId, connected: Connected) {
        let id = self.id();
        let dial = self.dial();
        assert!(dial.racers.contains(&racer), "{racer} is no racer of {id}");
        assert!(dial.winner.is_none(), "{id}: two win");
        dial.winner = Some((racer, connected));
        if dial.attempt == Attempt::UnderWay {
            dial.attempt = Attempt::GivenUp;
        } else {
            // It had not begun.
            dial.address = None;
        }
        let losers = std::mem::replace(&mut dial.racers, vec![racer]);
        for loser in losers.into_iter().filter(|loser| *loser != racer) {
            self.desk.errands.push(Errand::AbandonRacer { racer: loser });
        }
    }

    pub(crate) fn racer_failed(&mut self, racer: SocketId, fault: Fault) {
        let id = self.id();
        let dial = self.dial();
        let before = dial.racers.len();
        dial.racers.retain(|other| *other != racer);
        assert_eq!(dial.racers.len() + 1, before, "{racer} was no racer of {id}");
        dial.last_fault = Some(fault);
        self.begin_attempt();
    }

    /// Nothing is open under the id that was told: the winner gets it.
    fn take_winner<B: Backend>(&mut self, backend: &mut B) {
        let id = self.id();
        let dial = self.dial();
        let (racer, connected) = dial.winner.take().expect("a racer has won");
        assert_eq!(dial.racers, [racer], "{id}: a loser goes on");
        dial.racers.clear();
        match backend.rename(racer, id) {
            Ok(()) => {
                self.desk.errands.push(Errand::ForgetRacer { racer });
                self.desk.stats.connects_by_racer += 1;
                self.connected(connected);
            }
            Err(fault) => {
                self.desk.errands.push(Errand::AbandonRacer { racer });
                self.dial().last_fault = Some(fault);
                self.begin_attempt();
            }
        }
    }

    /// The time for a connect is over, or the next attempt may begin.
    pub(crate) fn dial_timed_out(&mut self) {
        let now = self.desk.now;
        let dial = self.dial();
        if dial.is_unresolved() {
            return self.fail(FaultKind::TimedOut.into(), Operation::Resolve);
        }
        if dial.deadline <= now {
            return self.fail(FaultKind::TimedOut.into(), Operation::Connect);
        }
        self.begin_attempt();
    }

    /// A completed connect.
    pub(crate) fn connect_completed(&mut self, result: Result<Connected, Fault>) {
        use super::sockets::head::CloseStep;
        self.complete_output();
        match &mut self.part.phase {
            // The attempt was given up; `Closed` follows and moves on.
            Phase::Dialling(dial) if dial.attempt == Attempt::Closing => {}
            Phase::Dialling(_) => match result {
                Ok(connected) => self.attempt_connected(connected),
                Err(fault) => self.attempt_ended(fault),
            },
            Phase::Closing(closing) => {
                // A connect that failed left nothing behind, so the backend is not asked to let go.
                if result.is_err() && matches!(closing.step, CloseStep::Asked(_)) {
                    closing.step = CloseStep::Done;
                }
            }
            _ => panic!("{} is connected twice: it is {:?}", self.head.id, self.part.state()),
        }
    }
}

/// The addresses in the order in which to try them: the families take turns, that of the first one
/// goes first, and each keeps its order (RFC 8305, section 4, with a First Address Family Count of
/// one).
fn interleaved(addresses: Vec<Endpoint>) -> VecDeque<Endpoint> {
    let count = addresses.len();
    let is_v6 = |address: &Endpoint| matches!(address, Endpoint::Ip(ip) if ip.is_ipv6());
    let is_first_v6 = addresses.first().is_some_and(is_v6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| is_v6(address) == is_first_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = VecDeque::with_capacity(count);
    while all.len() < count {
        all.extend(first.next());
        all.extend(second.next());
    }
    all
}
#[cfg(all(test, not(loom)))]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(port: u16) -> Endpoint {
        Endpoint::from((Ipv4Addr::LOCALHOST, port))
    }

    fn v6(port: u16) -> Endpoint {
        Endpoint::from((Ipv6Addr::LOCALHOST, port))
    }

    #[test]
    fn families_take_turns_and_the_first_one_goes_first() {
        let all = interleaved(vec![v6(1), v6(2), v6(3), v4(4), v4(5)]);
        assert_eq!(all, [v6(1), v4(4), v6(2), v4(5), v6(3)]);
        let all = interleaved(vec![v4(1), v6(2), v6(3), v6(4)]);
        assert_eq!(all, [v4(1), v6(2), v6(3), v6(4)]);
    }

    #[test]
    fn addresses_of_one_family_keep_their_order() {
        let all = vec![v4(3), v4(1), v4(2)];
        assert_eq!(interleaved(all.clone()), all);
        assert!(interleaved(Vec::new()).is_empty());
    }
}
