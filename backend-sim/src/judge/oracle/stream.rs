//! The bytes that the far end of a connection must receive, judged from the bytes alone.

use std::collections::VecDeque;

use tidelock_net::words::payload::Mark;

/// A message that was accepted for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    /// Its name.
    pub mark: Mark,
    /// Its length.
    pub bytes: u32,
    /// The operation that sent it.
    pub operation: u32,
}

/// One direction of a connection as its reader sees it.
#[derive(Clone, Debug, Default, Hash)]
pub struct StreamCheck {
    /// Messages that may begin next: of high priority, of low priority.
    expected: [VecDeque<Sent>; 2],
    current: Option<(Sent, u32)>,
    received_bytes: u64,
    /// Messages come in the order of `expect`, whatever their priority: an echo.
    is_ordered: bool,
}

impl StreamCheck {
    /// A check for a stream whose messages come in the order of `expect`.
    pub fn ordered() -> Self {
        Self { is_ordered: true, ..Self::default() }
    }

    /// A message was accepted for sending.
    pub fn expect(&mut self, sent: Sent) {
        if sent.bytes > 0 {
            let queue = usize::from(sent.mark.is_low && !self.is_ordered);
            self.expected[queue].push_back(sent);
        }
    }

    /// The reader received these bytes. Tells of each message that begins, and of each that is
    /// complete.
    ///
    /// # Errors
    /// If something else should have come; says what.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        mut tell: impl FnMut(Sent, Progress),
    ) -> Result<(), String> {
        while !bytes.is_empty() {
            let (sent, offset) = match self.current {
                Some(current) => current,
                None => {
                    let sent = self.begin(bytes[0])?;
                    tell(sent, Progress::Begun);
                    (sent, 0)
                }
            };
            let count = ((sent.bytes - offset) as usize).min(bytes.len());
            if let Some(at) = sent.mark.first_difference(offset, &bytes[..count]) {
                return Err(format!(
                    "byte {} of the stream is {:#04x}, byte {at} of {:?} is {:#04x}",
                    self.received_bytes + u64::from(at - offset),
                    bytes[(at - offset) as usize],
                    sent.mark,
                    sent.mark.byte(at)
                ));
            }
            self.received_bytes += count as u64;
            bytes = &bytes[count..];
            let offset = offset + count as u32;
            self.current = (offset < sent.bytes).then_some((sent, offset));
            if self.current.is_none() {
                tell(sent, Progress::Complete);
            }
        }
        Ok(())
    }

    /// Bytes received so far.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// The message whose first byte this is.
    fn begin(&mut self, first: u8) -> Result<Sent, String> {
        let queue = &mut self.expected[usize::from(first & 1 == 1 && !self.is_ordered)];
        match queue.front() {
            Some(sent) if sent.mark.byte(0) == first => {
                Ok(queue.pop_front().expect("it was just seen"))
            }
            Some(sent) => Err(format!(
                "byte {} of the stream begins with {first:#04x}, the next message is {:?}",
                self.received_bytes, sent.mark
            )),
            None => Err(format!(
                "byte {} of the stream is {first:#04x}, and no such message was sent",
                self.received_bytes
            )),
        }
    }
}

/// The progress of a message at its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its first byte arrived.
    Begun,
    /// Its last byte arrived.
    Complete,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: u32, is_low: bool) -> Sent {
        let mark =
            Mark { connection: 1, is_accepted_side: false, is_low, message, framed_bytes: None };
        Sent { mark, bytes: 20, operation: message }
    }

    #[test]
    fn whole_messages_in_an_allowed_order_pass_however_they_are_cut() {
        let (high, low) = (sent(0, false), sent(0, true));
        let mut bytes = low.mark.payload(20).to_vec();
        bytes.extend_from_slice(&high.mark.payload(20));
        for cut in 0..40 {
            let mut check = StreamCheck::default();
            check.expect(high);
            check.expect(low);
            let mut complete = 0;
            for part in [&bytes[..cut], &bytes[cut..]] {
                let count = |_, progress| complete += u32::from(progress == Progress::Complete);
                check.receive(part, count).unwrap();
            }
            assert_eq!(complete, 2);
        }
    }

    #[test]
    fn loss_doubling_and_cross_talk_are_seen() {
        let payload = sent(0, false).mark.payload(20);
        let doubled = [&payload[..10], &payload[9..]].concat();
        let lossy = [&payload[..10], &payload[11..]].concat();
        let foreign = Mark { connection: 2, ..sent(0, false).mark }.payload(20);
        for wrong in [doubled, lossy, foreign.to_vec(), payload[1..].to_vec()] {
            let mut check = StreamCheck::default();
            check.expect(sent(0, false));
            assert!(check.receive(&wrong, |_, _| {}).is_err(), "{wrong:?}");
        }
    }
}
