//! The outbox against a model that keeps every byte by itself.

use std::sync::Arc;

use tidelock_core::{Bytes, MESSAGE_OVERHEAD_BYTES, Outbox, Priority, mix};

/// One step of an outbox's life. Sizes out of range are brought into it by [`run`], so that every
/// list of operations is legal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxOperation {
    /// Queue one message of `size` bytes.
    Push {
        /// The list.
        priority: Priority,
        /// At least one.
        size: u16,
    },
    /// Queue one message in parts of these sizes.
    PushParts {
        /// The list.
        priority: Priority,
        /// At least one, each at least one byte.
        sizes: Vec<u16>,
    },
    /// The system took `count` bytes at once, or of what was offered.
    Advance {
        /// At most what is there.
        count: u16,
    },
    /// A buffer of at most `size_max` bytes is moved out.
    TakeFront {
        /// At least one.
        size_max: u16,
    },
    /// At most `size_max` bytes are offered to a write that stays pending.
    Offer {
        /// At least one.
        size_max: u16,
    },
    /// The pending write took all that it was offered.
    AdvanceOffered,
    /// The pending write took nothing.
    Withdraw,
    /// The socket dies.
    Clear,
}

/// Unsent bytes of the model above which pushes are skipped, so that a naive model stays fast.
const PENDING_BYTES_MAX: usize = 16 << 10;

/// Longest push, likewise.
const SIZE_MAX: u16 = 2048;

/// Reads operations from arbitrary bytes: four bytes each, a torn tail is dropped.
///
/// The lowest four bits of the first byte choose the operation, the fifth the priority, the rest
/// the number of parts; the second byte scales the size that stands in the last two.
pub fn decode(bytes: &[u8]) -> Vec<OutboxOperation> {
    let (records, _torn) = bytes.as_chunks::<4>();
    records
        .iter()
        .map(|&[tag, scale, low, high]| {
            let priority = if tag & 0x10 == 0 { Priority::High } else { Priority::Low };
            let value = u16::from_le_bytes([low, high]);
            // Half of all sizes are small, where most boundaries lie.
            let size = match scale & 3 {
                0 | 1 => value % 8,
                2 => value % 256,
                _ => value % SIZE_MAX,
            } + 1;
            match tag & 0x0F {
                0..=3 => OutboxOperation::Push { priority, size },
                4..=6 => {
                    let count = u16::from(tag >> 5) % 4 + 1;
                    let sizes = (0..count).map(|part| size / (part + 1) + 1).collect();
                    OutboxOperation::PushParts { priority, sizes }
                }
                7..=9 => OutboxOperation::Advance { count: size - 1 },
                10 | 11 => OutboxOperation::TakeFront { size_max: size },
                12 => OutboxOperation::Offer { size_max: size },
                13 => OutboxOperation::AdvanceOffered,
                14 => OutboxOperation::Withdraw,
                // Clearing often would keep every run short.
                _ if scale < 32 => OutboxOperation::Clear,
                _ => OutboxOperation::Offer { size_max: size },
            }
        })
        .collect()
}

/// Runs the operations on an [`Outbox`] and on the model, and compares them after each.
///
/// # Panics
/// If the two differ, an invariant of the outbox is broken, or a rule of the specification's
/// section on outboxes is.
pub fn run(operations: &[OutboxOperation]) {
    let mut pair = Pair::default();
    for operation in operations {
        pair.apply(operation);
        pair.compare();
    }
    // What is left leaves too: nothing may be lost or stay behind.
    pair.apply(&OutboxOperation::Withdraw);
    while !pair.model.order().is_empty() {
        pair.apply(&OutboxOperation::TakeFront { size_max: SIZE_MAX });
        pair.compare();
    }
    assert!(pair.outbox.is_empty());
    assert_eq!(pair.buffers_alive(), 0, "a buffer outlived its bytes");
}

/// An outbox and its model.
#[derive(Default)]
struct Pair {
    outbox: Outbox,
    model: Model,
    /// One more reference is held by each buffer that is alive.
    alive: Arc<()>,
}

impl Pair {
    fn apply(&mut self, operation: &OutboxOperation) {
        match operation {
            OutboxOperation::Push { priority, size } => self.push(*priority, &[*size]),
            OutboxOperation::PushParts { priority, sizes } => self.push(*priority, sizes),
            OutboxOperation::Advance { count } => {
                let count_max = self.model.offered.unwrap_or_else(|| self.model.order().len());
                let count = usize::from(*count).min(count_max);
                self.outbox.advance(count);
                self.model.consume(count);
            }
            OutboxOperation::TakeFront { size_max } => self.take_front(usize::from(*size_max)),
            OutboxOperation::Offer { size_max } => {
                if self.model.offered.is_none() && !self.model.order().is_empty() {
                    let size_max = usize::from(*size_max).max(1);
                    let offered = self.outbox.offer(size_max);
                    assert_eq!(offered, self.model.offer(size_max), "offered");
                }
            }
            OutboxOperation::AdvanceOffered => {
                if let Some(count) = self.model.offered {
                    self.outbox.advance(count);
                    self.model.consume(count);
                }
            }
            OutboxOperation::Withdraw => {
                self.outbox.withdraw_offer();
                self.model.offered = None;
            }
            OutboxOperation::Clear => {
                assert_eq!(self.outbox.clear(), self.model.order().len(), "cleared");
                self.model.messages.clear();
                self.model.offered = None;
            }
        }
    }

    fn push(&mut self, priority: Priority, sizes: &[u16]) {
        assert!(!sizes.is_empty(), "a message has at least one part");
        if self.model.order().len() > PENDING_BYTES_MAX {
            return;
        }
        let sizes: Vec<usize> =
            sizes.iter().map(|size| usize::from((*size).clamp(1, SIZE_MAX))).collect();
        let parts = self.model.push(priority, &sizes);
        let mut buffers = parts.into_iter().map(|bytes| {
            let alive = Arc::clone(&self.alive);
            Bytes::from_owner(Tracked { bytes, _alive: alive })
        });
        if sizes.len() == 1 {
            self.outbox.push(buffers.next().expect("one size, one part"), priority);
        } else {
            self.outbox.push_parts(buffers, priority);
        }
    }

    fn take_front(&mut self, size_max: usize) {
        if self.model.offered.is_some() {
            return;
        }
        let size_max = size_max.max(1);
        let expected = self.model.order();
        match self.outbox.take_front(size_max) {
            None => assert!(expected.is_empty(), "nothing was taken of {} B", expected.len()),
            Some(bytes) => {
                assert!(bytes.len() <= size_max, "took {} of {size_max} B", bytes.len());
                assert_eq!(
                    bytes[..],
                    values(&expected)[..bytes.len()],
                    "the bytes taken from the outbox"
                );
                // A buffer is never cut shorter than it must be.
                let whole = expected.iter().take_while(|byte| byte.part == expected[0].part);
                assert_eq!(bytes.len(), size_max.min(whole.count()), "one whole part");
                self.model.consume(bytes.len());
            }
        }
    }

    fn compare(&self) {
        self.outbox.check_invariants();
        let order = self.model.order();
        let messages = self.model.messages.len();
        assert_eq!(self.outbox.parts().flatten().copied().collect::<Vec<u8>>(), values(&order));
        assert_eq!(self.outbox.pending_bytes(), order.len(), "pending bytes");
        assert_eq!(self.outbox.is_empty(), order.is_empty(), "emptiness");
        assert_eq!(self.outbox.messages(), messages, "messages");
        let charge_bytes = order.len() + messages * MESSAGE_OVERHEAD_BYTES;
        assert_eq!(self.outbox.charge_bytes(), charge_bytes, "charge");
        let has_begun = self.model.messages.iter().any(|message| message.begun.is_some());
        assert_eq!(self.outbox.has_begun(), has_begun, "begun");
        let offered_bytes = self.model.offered.unwrap_or(0);
        assert_eq!(self.outbox.offered_bytes(), offered_bytes, "offered bytes");
        let offered: Vec<u8> = self.outbox.offered().flatten().collect();
        assert_eq!(offered, values(&order[..offered_bytes]), "the bytes offered to the write");
        let mut parts: Vec<_> = order.iter().map(|byte| byte.part).collect();
        parts.dedup();
        assert_eq!(
            self.buffers_alive(),
            parts.len(),
            "a buffer lives while bytes of it are unsent"
        );
    }

    fn buffers_alive(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }
}

/// A buffer whose death can be seen.
struct Tracked {
    bytes: Vec<u8>,
    _alive: Arc<()>,
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The unsent bytes, one by one.
#[derive(Default)]
struct Model {
    /// In the order in which they were pushed.
    messages: Vec<ModelMessage>,
    pushed: u64,
    begun: u64,
    /// The number of bytes that a pending write was offered; `None` if none is pending.
    offered: Option<usize>,
}

struct ModelMessage {
    /// Counts pushes.
    number: u64,
    priority: Priority,
    /// Counts beginnings: `None` until a byte left or was offered.
    begun: Option<u64>,
    /// Unsent ones.
    bytes: Vec<ModelByte>,
}

/// One byte and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ModelByte {
    /// The message, and which part of it.
    part: (u64, usize),
    value: u8,
}

impl Model {
    /// Adds a message and answers its parts.
    fn push(&mut self, priority: Priority, sizes: &[usize]) -> Vec<Vec<u8>> {
        let number = self.pushed;
        self.pushed += 1;
        let mut bytes = Vec::new();
        for (part, size) in sizes.iter().enumerate() {
            for _ in 0..*size {
                // Each byte depends on its place, so that a wrong order shows.
                let value = mix(number, bytes.len() as u64).to_le_bytes()[0];
                bytes.push(ModelByte { part: (number, part), value });
            }
        }
        let parts = (0..sizes.len())
            .map(|part| {
                let of_part: Vec<ModelByte> =
                    bytes.iter().filter(|byte| byte.part.1 == part).copied().collect();
                values(&of_part)
            })
            .collect();
        self.messages.push(ModelMessage { number, priority, begun: None, bytes });
        parts
    }

    /// The messages in the order in which they leave: what has begun as it began, then high ones,
    /// then low ones, each as pushed.
    fn queue(&self) -> Vec<&ModelMessage> {
        let mut queue: Vec<&ModelMessage> = self.messages.iter().collect();
        queue.sort_by_key(|message| match (message.begun, message.priority) {
            (Some(begun), _) => (0, begun),
            (None, Priority::High) => (1, message.number),
            (None, Priority::Low) => (2, message.number),
        });
        queue
    }

    /// All unsent bytes in the order in which they leave.
    fn order(&self) -> Vec<ModelByte> {
        self.queue().into_iter().flat_map(|message| message.bytes.iter().copied()).collect()
    }

    /// Begins messages until `size_max` bytes have begun; returns the number of bytes offered.
    fn offer(&mut self, size_max: usize) -> usize {
        let mut covered = 0;
        let mut numbers = Vec::new();
        for message in self.queue() {
            if covered >= size_max {
                break;
            }
            covered += message.bytes.len();
            numbers.push(message.number);
        }
        for number in numbers {
            self.begin(number);
        }
        let offered = covered.min(size_max);
        self.offered = Some(offered);
        offered
    }

    /// Removes bytes from the front; a message whose first byte leaves begins.
    fn consume(&mut self, count: usize) {
        self.offered = None;
        for _ in 0..count {
            let number = self.queue()[0].number;
            self.begin(number);
            let message = self.message_mut(number);
            message.bytes.remove(0);
            self.messages.retain(|message| !message.bytes.is_empty());
        }
    }

    /// The rules of the order, said once more and in another way than in [`queue`](Self::queue).
    fn begin(&mut self, number: u64) {
        let begun = self.begun;
        let message = self.message_mut(number);
        if message.begun.is_some() {
            return;
        }
        message.begun = Some(begun);
        self.begun += 1;
        let priority = self.message_mut(number).priority;
        for waiting in self.messages.iter().filter(|message| message.begun.is_none()) {
            let may_wait = match (priority, waiting.priority) {
                (Priority::High, Priority::High) | (Priority::Low, Priority::Low) => {
                    number < waiting.number
                }
                (Priority::High, Priority::Low) => true,
                (Priority::Low, Priority::High) => false,
            };
            assert!(may_wait, "{number} began before {}", waiting.number);
        }
    }

    fn message_mut(&mut self, number: u64) -> &mut ModelMessage {
        self.messages.iter_mut().find(|message| message.number == number).expect("it is unsent")
    }
}

fn values(bytes: &[ModelByte]) -> Vec<u8> {
    bytes.iter().map(|byte| byte.value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_can_be_decoded() {
        let bytes: Vec<u8> = (0..=u8::MAX).flat_map(|tag| [tag, tag / 5, 9, 1]).collect();
        let operations = decode(&bytes);
        assert_eq!(operations.len(), 256);
        let has = |test: fn(&OutboxOperation) -> bool| operations.iter().any(test);
        assert!(has(|it| matches!(it, OutboxOperation::Push { priority: Priority::High, .. })));
        assert!(has(|it| matches!(it, OutboxOperation::Push { priority: Priority::Low, .. })));
        assert!(has(
            |it| matches!(it, OutboxOperation::PushParts { sizes, .. } if sizes.len() > 1)
        ));
        assert!(has(|it| matches!(it, OutboxOperation::Advance { .. })));
        assert!(has(|it| matches!(it, OutboxOperation::TakeFront { .. })));
        assert!(has(|it| matches!(it, OutboxOperation::Offer { .. })));
        assert!(has(|it| matches!(it, OutboxOperation::AdvanceOffered)));
        assert!(has(|it| matches!(it, OutboxOperation::Withdraw)));
        assert!(has(|it| matches!(it, OutboxOperation::Clear)));
    }

    #[test]
    fn a_torn_tail_is_dropped() {
        assert_eq!(decode(&[0, 0, 7, 0, 1, 2, 3]).len(), 1);
        assert!(decode(&[]).is_empty());
    }

    #[test]
    #[should_panic(expected = "began before")]
    fn the_model_itself_refuses_a_low_one_before_a_high_one() {
        let mut model = Model::default();
        model.push(Priority::Low, &[3]);
        model.push(Priority::High, &[3]);
        model.begin(0);
    }
}
