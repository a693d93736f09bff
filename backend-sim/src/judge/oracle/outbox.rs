//! The bytes that a socket must write next, by the rules of the outbox alone.

use bytes::Bytes;
use tidelock_net::base::few::Few;

/// The unsent messages of one socket: what has begun, then high, then low, each in order.
#[derive(Clone, Debug, Default, Hash)]
pub struct OutboxModel {
    begun: Few<Bytes>,
    high: Few<Bytes>,
    low: Few<Bytes>,
    accepted_bytes: u64,
    taken_bytes: u64,
    /// Of datagrams that could not be sent.
    lost_bytes: u64,
}

impl OutboxModel {
    /// A message was accepted.
    pub fn push(&mut self, message: Bytes, is_low: bool) {
        self.accepted_bytes += message.len() as u64;
        if message.is_empty() {
            return;
        }
        if is_low { self.low.push_back(message) } else { self.high.push_back(message) }
    }

    /// The system took these bytes.
    ///
    /// # Errors
    /// If it should have been given something else; says what.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        self.taken_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.begun.is_empty() && !self.begin() {
                return Err(format!("{} B were written beyond what was accepted", bytes.len()));
            }
            let front = self.begun.front_mut().expect("something has begun");
            let count = front.len().min(bytes.len());
            if front[..count] != bytes[..count] {
                let taken = self.taken_bytes - bytes.len() as u64;
                return Err(format!("{count} B at {taken} are not those of the next message"));
            }
            bytes = &bytes[count..];
            if count == front.len() {
                self.begun.pop_front();
            } else {
                bytes::Buf::advance(front, count);
            }
        }
        Ok(())
    }

    /// These bytes were offered to a write that is pending: their messages begin.
    ///
    /// # Errors
    /// If something else should have been offered; says what.
    pub fn offer<'a>(&mut self, shares: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
        // Where in what has begun the next share must stand: which message, and which byte of it.
        let (mut message, mut at, mut offered) = (0, 0, 0);
        for share in shares {
            let mut left = share;
            while !left.is_empty() {
                if message == self.begun.len() && !self.begin() {
                    let length = offered + left.len();
                    return Err(format!("{length} B were offered and {offered} are unsent"));
                }
                let rest = &self.begun.get(message).expect("it has begun")[at..];
                let count = rest.len().min(left.len());
                if rest[..count] != left[..count] {
                    return Err(format!("{count} B offered at {offered} are not the next"));
                }
                (message, at) =
                    if count == rest.len() { (message + 1, 0) } else { (message, at + count) };
                left = &left[count..];
                offered += count;
            }
        }
        Ok(())
    }

    /// The write that was pending took this many of the offered bytes.
    ///
    /// # Errors
    /// If it took more than was offered.
    pub fn take_offered(&mut self, count: usize) -> Result<(), String> {
        self.taken_bytes += count as u64;
        let mut left = count;
        while left > 0 {
            let Some(front) = self.begun.front_mut() else {
                return Err(format!("{count} B were taken, {left} more than were offered"));
            };
            let part = left.min(front.len());
            bytes::Buf::advance(front, part);
            left -= part;
            if front.is_empty() {
                self.begun.pop_front();
            }
        }
        Ok(())
    }

    /// A datagram was accepted; it may be empty.
    pub fn push_datagram(&mut self, datagram: Bytes, is_low: bool) {
        self.accepted_bytes += datagram.len() as u64;
        if is_low { self.low.push_back(datagram) } else { self.high.push_back(datagram) }
    }

    /// The system was given this datagram and cannot take it yet: it has begun, and is the one that
    /// is given again.
    ///
    /// # Errors
    /// If it should have been given something else; says what.
    pub fn offer_datagram(&mut self, payload: &[u8]) -> Result<(), String> {
        let length = payload.len();
        if self.begun.is_empty() && !self.begin() {
            return Err(format!("a datagram of {length} B was offered beyond what was accepted"));
        }
        match self.begun.front() {
            Some(front) if front != payload => {
                let next = front.len();
                Err(format!("a datagram of {length} B was offered, and the next has {next} B"))
            }
            _ => Ok(()),
        }
    }

    /// The system was given this datagram, and took it or did not.
    ///
    /// # Errors
    /// If it should have been given something else; says what.
    pub fn take_datagram(&mut self, payload: &[u8], is_taken: bool) -> Result<(), String> {
        let length = payload.len() as u64;
        if is_taken {
            self.taken_bytes += length;
        } else {
            self.lost_bytes += length;
        }
        if self.begun.is_empty() && !self.begin() {
            return Err(format!("a datagram of {length} B was sent beyond what was accepted"));
        }
        let front = self.begun.pop_front().expect("something has begun");
        if front == payload {
            Ok(())
        } else {
            Err(format!("a datagram of {length} B was sent, and the next has {} B", front.len()))
        }
    }

    /// Bytes that wait to be taken.
    pub fn pending_bytes(&self) -> u64 {
        self.unsent_bytes().saturating_sub(self.lost_bytes)
    }

    /// Returns their charge: each message costs 64 bytes more.
    pub fn charge_bytes(&self) -> u64 {
        let messages = self.begun.len() + self.high.len() + self.low.len();
        self.pending_bytes() + 64 * messages as u64
    }

    /// Bytes that were accepted and not taken.
    pub fn unsent_bytes(&self) -> u64 {
        self.accepted_bytes.saturating_sub(self.taken_bytes)
    }

    fn begin(&mut self) -> bool {
        match self.high.pop_front().or_else(|| self.low.pop_front()) {
            Some(message) => {
                self.begun.push_back(message);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> OutboxModel {
        let mut model = OutboxModel::default();
        model.push("low".into(), true);
        model.push("high".into(), false);
        model
    }

    #[test]
    fn high_goes_first_and_what_has_begun_is_finished() {
        let mut model = two();
        model.take(b"highl").unwrap();
        model.push("more".into(), false);
        assert_eq!(model.unsent_bytes(), 6);
        model.take(b"owmore").unwrap();
        assert_eq!(model.unsent_bytes(), 0);
        assert!(model.take(b"x").is_err());
    }

    #[test]
    fn datagrams_go_whole_and_a_lost_one_is_unsent_and_does_not_wait() {
        let mut model = OutboxModel::default();
        model.push_datagram("low".into(), true);
        model.push_datagram("".into(), false);
        model.take_datagram(b"", true).unwrap();
        assert_eq!((model.pending_bytes(), model.charge_bytes()), (3, 67));
        model.take_datagram(b"low", false).unwrap();
        assert_eq!((model.pending_bytes(), model.unsent_bytes()), (0, 3));
        assert!(model.take_datagram(b"", true).is_err());
    }

    #[test]
    fn a_datagram_that_waits_for_the_system_is_not_overtaken() {
        let mut model = OutboxModel::default();
        model.push_datagram("low".into(), true);
        model.offer_datagram(b"low").unwrap();
        model.push_datagram("high".into(), false);
        assert!(model.offer_datagram(b"high").is_err());
        assert!(model.clone().take_datagram(b"high", true).is_err());
        model.take_datagram(b"low", true).unwrap();
        model.take_datagram(b"high", true).unwrap();
    }

    #[test]
    fn a_byte_sent_twice_or_a_torn_message_is_seen() {
        assert!(two().take(b"hhigh").is_err());
        assert!(two().take(b"low").is_err());
        assert!(two().take(b"hilow").is_err());
    }

    #[test]
    fn an_offer_fixes_the_order_of_whole_messages() {
        let mut model = two();
        model.offer([&b"hig"[..], b"hl"].into_iter()).unwrap();
        model.push("more".into(), false);
        model.take_offered(5).unwrap();
        assert!(model.clone().take(b"more").is_err());
        model.take(b"owmore").unwrap();
        assert!(two().offer([&b"low"[..]].into_iter()).is_err());
    }
}
