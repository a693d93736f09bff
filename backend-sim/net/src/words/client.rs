//! Clients with a script: what they write, and what they expect to hear.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::ports::SERVER_PORT;

/// A client: it connects, takes its steps in turn, and then sends FIN and hears the rest. In some
/// worlds it is a service over a real Mux, in others a raw end of the simulated
/// kernel that shows what the wire shows.
#[derive(Clone, Debug)]
pub struct Client {
    /// The name in scripts.
    pub name: &'static str,
    /// The host and the port that it connects to.
    pub to: (&'static str, u16),
    /// When it begins; `None` if that is drawn.
    pub start: Option<Duration>,
    steps: Vec<Step>,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Write(Bytes),
    Expect(Bytes),
    Wait(Duration),
    /// Stop reading, or read again.
    Read(bool),
    Reset,
}

impl Client {
    /// A client of the host `server` at [`SERVER_PORT`], without steps.
    pub fn new(name: &'static str) -> Self {
        Self { name, to: ("server", SERVER_PORT), start: None, steps: Vec::new() }
    }

    /// Connects to this host and port instead.
    #[must_use]
    pub fn to(mut self, host: &'static str, port: u16) -> Self {
        self.to = (host, port);
        self
    }

    /// Begins then, and not at a time that is drawn.
    #[must_use]
    pub fn starts_at(mut self, time: Duration) -> Self {
        self.start = Some(time);
        self
    }

    /// Writes these bytes, without waiting for anything but the steps before.
    #[must_use]
    pub fn write(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Write(bytes.into()))
    }

    /// Waits until exactly these bytes have come. Bytes that come when none are expected any more
    /// are heard, and not judged.
    #[must_use]
    pub fn expect(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Expect(bytes.into()))
    }

    /// Lets this much time pass.
    #[must_use]
    pub fn wait(self, span: Duration) -> Self {
        self.step(Step::Wait(span))
    }

    /// Stops reading.
    #[must_use]
    pub fn pause(self) -> Self {
        self.step(Step::Read(false))
    }

    /// Reads again.
    #[must_use]
    pub fn resume(self) -> Self {
        self.step(Step::Read(true))
    }

    /// Breaks the connection; what is unsent is lost.
    #[must_use]
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// The bytes that a client has received, for whoever judges it.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// All of it, so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn extend(&self, bytes: &[u8]) {
        // No code panics while it holds this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}

/// A script that is being played.
#[derive(Clone, Debug)]
pub struct Part {
    left: VecDeque<Step>,
    heard: Heard,
}

/// The next step of whoever plays a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Give these bytes to the system; [`Part::put_back`] takes back what it refused.
    Write(Bytes),
    /// Nothing before something is received.
    Hear,
    /// Nothing before this much time has passed.
    Wait(Duration),
    /// Stop reading, or read again.
    Read(bool),
    /// Break the connection.
    Reset,
    /// Send FIN: the script is over.
    Finish,
}

impl Part {
    /// The script of a client from its beginning, heard there.
    pub fn new(client: &Client, heard: Heard) -> Self {
        Self { left: client.steps.iter().cloned().collect(), heard }
    }

    /// Takes the next step.
    pub fn take_step(&mut self) -> Next {
        match self.left.pop_front() {
            None => Next::Finish,
            Some(Step::Write(bytes)) => Next::Write(bytes),
            Some(expect @ Step::Expect(_)) => {
                self.left.push_front(expect);
                Next::Hear
            }
            Some(Step::Wait(span)) => Next::Wait(span),
            Some(Step::Read(is_reading)) => Next::Read(is_reading),
            Some(Step::Reset) => Next::Reset,
        }
    }

    /// These bytes could not be written yet.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.left.push_front(Step::Write(bytes));
    }

    /// Returns `true` if every step was taken.
    pub fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// These bytes were received.
    ///
    /// # Errors
    /// If something else was expected; says what.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.heard.extend(bytes);
        let mut left = bytes;
        while let Some(Step::Expect(expected)) = self.left.front_mut() {
            let count = expected.len().min(left.len());
            if expected[..count] != left[..count] {
                let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
                return Err(format!(
                    "expected '{}', received '{}'",
                    shown(expected),
                    shown(&left[..count])
                ));
            }
            left = &left[count..];
            if count < expected.len() {
                expected.advance(count);
                break;
            }
            self.left.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(client: &Client) -> (Part, Heard) {
        let heard = Heard::default();
        (Part::new(client, heard.clone()), heard)
    }

    #[test]
    fn an_expectation_is_met_however_it_is_cut() {
        let client = Client::new("c").write("a").expect("one").expect("two").write("b");
        for cut in 0..=6 {
            let (mut part, heard) = part(&client);
            assert_eq!(part.take_step(), Next::Write(Bytes::from("a")));
            assert_eq!(part.take_step(), Next::Hear);
            assert_eq!(part.receive(&b"onetwo"[..cut]), Ok(()));
            assert_eq!(part.receive(&b"onetwo"[cut..]), Ok(()));
            assert_eq!(part.take_step(), Next::Write(Bytes::from("b")));
            assert!(part.is_over());
            assert_eq!(part.take_step(), Next::Finish);
            assert_eq!(heard.bytes(), b"onetwo");
        }
    }

    #[test]
    fn a_wrong_byte_is_seen_at_once_and_what_nobody_expects_is_not_judged() {
        let (mut part, heard) = part(&Client::new("c").expect("one"));
        assert_eq!(part.receive(b"o"), Ok(()));
        let wrong = part.receive(b"x").expect_err("it is no n");
        assert_eq!(wrong, "expected 'ne', received 'x'");
        assert_eq!(heard.bytes(), b"ox");
        let (mut free, _) = self::part(&Client::new("c"));
        assert_eq!(free.receive(b"anything"), Ok(()));
    }
}
