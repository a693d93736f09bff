//! The schedule of the world: virtual time, and a heap of small events.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Something that happens at a point of virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A stream's bytes up to `until` arrive.
    Segment {
        /// The pipe that carries them.
        pipe: u32,
        /// Their end.
        until: u64,
    },
    /// A FIN arrives.
    Fin {
        /// The pipe that ends.
        pipe: u32,
    },
    /// A RST arrives at an end.
    Reset {
        /// The end.
        end: u32,
    },
    /// A writer learns that the reader has read.
    Window {
        /// The writer's pipe.
        pipe: u32,
    },
    /// The system takes bytes again.
    Unclog {
        /// The writer's pipe.
        pipe: u32,
    },
    /// The writable edge of a socket comes.
    Edge {
        /// The socket.
        socket: u32,
    },
    /// The edge comes that was owed to a call which would block though it could go on.
    OwedEdge {
        /// The socket.
        socket: u32,
        /// Of input, or of output.
        is_in: bool,
    },
    /// A connect's first packet arrives.
    Syn {
        /// The connecting end.
        end: u32,
        /// The number of attempts before it.
        attempt: u8,
    },
    /// The answer to it arrives.
    SynAnswer {
        /// The connecting end.
        end: u32,
        /// Somebody listens.
        is_accepted: bool,
    },
    /// A connect fails with what a row of the table says.
    ConnectFails {
        /// The connecting end.
        end: u32,
        /// Which row.
        row: u16,
    },
    /// A datagram arrives.
    Datagram {
        /// Where it is kept.
        slot: u32,
    },
    /// The error of an earlier datagram arrives.
    DatagramError {
        /// The socket that sent it.
        socket: u32,
    },
    /// A completion reaches the host's queue.
    Completion {
        /// Where it is kept.
        slot: u32,
    },
    /// A host goes on.
    Step {
        /// The host.
        host: u16,
    },
    /// A host's deadline may have come.
    Deadline {
        /// The host.
        host: u16,
    },
    /// A worker has run its batch.
    Worker {
        /// The host.
        host: u16,
        /// The worker.
        slot: u16,
    },
    /// A worker publishes what its service let go early.
    WorkerPart {
        /// The host.
        host: u16,
        /// The worker.
        slot: u16,
    },
    /// Something is asked from outside.
    Operation {
        /// Its place in the plan.
        index: u32,
    },
    /// Something is done to the world.
    FaultBegin {
        /// Its place in the plan.
        index: u32,
    },
    /// It is undone.
    FaultEnd {
        /// Its place in the plan.
        index: u32,
    },
    /// Faults stop.
    Quiet,
    /// The hosts are asked to stop.
    Stop,
}

impl What {
    /// A word for the digest.
    pub fn code(self) -> u64 {
        let code = |tag: u64, value: u32| tag << 56 | u64::from(value);
        match self {
            What::Segment { pipe, until } => code(1, pipe) ^ until.rotate_left(32),
            What::Fin { pipe } => code(2, pipe),
            What::Reset { end } => code(3, end),
            What::Window { pipe } => code(4, pipe),
            What::Unclog { pipe } => code(5, pipe),
            What::Edge { socket } => code(6, socket),
            What::Syn { end, attempt } => code(7, end) | u64::from(attempt) << 40,
            What::SynAnswer { end, is_accepted } => code(8, end) | u64::from(is_accepted) << 40,
            What::Datagram { slot } => code(9, slot),
            What::DatagramError { socket } => code(10, socket),
            What::Completion { slot } => code(11, slot),
            What::Step { host } => code(12, u32::from(host)),
            What::Deadline { host } => code(13, u32::from(host)),
            What::Worker { host, slot } => code(14, u32::from(host)) | u64::from(slot) << 32,
            What::Operation { index } => code(15, index),
            What::FaultBegin { index } => code(16, index),
            What::FaultEnd { index } => code(17, index),
            What::Quiet => code(18, 0),
            What::Stop => code(19, 0),
            What::OwedEdge { socket, is_in } => code(21, socket) | u64::from(is_in) << 40,
            What::ConnectFails { end, row } => code(22, end) | u64::from(row) << 40,
            What::WorkerPart { host, slot } => code(20, u32::from(host)) | u64::from(slot) << 32,
        }
    }
}

/// An entry of the heap, in order of time, then of the draw for ties, then of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at_nanos: u64,
    order: u64,
    what: What,
}

impl Entry {
    /// Both parts of the order as one number: the heap compares without a branch.
    #[inline]
    fn key(&self) -> u128 {
        u128::from(self.at_nanos) << 64 | u128::from(self.order)
    }
}

impl Ord for Entry {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        other.key() < self.key()
    }

    #[inline]
    fn le(&self, other: &Self) -> bool {
        other.key() <= self.key()
    }

    #[inline]
    fn gt(&self, other: &Self) -> bool {
        other.key() > self.key()
    }

    #[inline]
    fn ge(&self, other: &Self) -> bool {
        other.key() >= self.key()
    }
}

/// The events to come.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    heap: BinaryHeap<Entry>,
    /// Steps of hosts, as long as they are few: they come so soon that nearly each would pass
    /// through the whole heap. In no order.
    steps: Vec<Entry>,
    sequence: u32,
}

/// Room for so many is kept for the next world at most.
const HEAP_KEPT_MAX: usize = 4_096;

/// So many are looked through faster than the heap takes one in and gives it out.
const STEPS_MAX: usize = 8;

impl Schedule {
    /// Adds something. Of what happens at the same nanosecond, a greater `tie` comes later.
    #[inline]
    pub fn push(&mut self, at_nanos: u64, tie: u32, what: What) {
        let order = (u64::from(tie) << 32) | u64::from(self.sequence);
        self.sequence = self.sequence.wrapping_add(1);
        let entry = Entry { at_nanos, order, what };
        if matches!(what, What::Step { .. }) && self.steps.len() < STEPS_MAX {
            self.steps.push(entry);
        } else {
            self.heap.push(entry);
        }
    }

    /// Takes what happens next, and when.
    #[inline]
    pub fn pop(&mut self) -> Option<(u64, What)> {
        let next = match self.first_step() {
            Some((at, key)) if self.heap.peek().is_none_or(|entry| key < entry.key()) => {
                Some(self.steps.swap_remove(at))
            }
            _ => self.heap.pop(),
        };
        next.map(|entry| (entry.at_nanos, entry.what))
    }

    /// Which step comes first. Mostly there is one.
    #[inline]
    fn first_step(&self) -> Option<(usize, u128)> {
        if let [step] = &self.steps[..] {
            return Some((0, step.key()));
        }
        let keys = self.steps.iter().map(Entry::key).enumerate();
        keys.min_by_key(|(_, key)| *key)
    }

    /// All that is to happen, in order: when, the draw for ties, and what.
    pub fn pending(&self) -> Vec<(u64, u32, What)> {
        let mut entries: Vec<Entry> = self.heap.iter().chain(&self.steps).copied().collect();
        entries.sort_unstable_by_key(Entry::key);
        let tie = |entry: &Entry| (entry.order >> 32) as u32;
        entries.iter().map(|entry| (entry.at_nanos, tie(entry), entry.what)).collect()
    }

    /// Forgets everything, and keeps its room.
    pub fn clear(&mut self) {
        self.heap.clear();
        self.heap.shrink_to(HEAP_KEPT_MAX);
        self.steps.clear();
        self.sequence = 0;
    }

    /// When the next thing happens.
    pub fn next_nanos(&self) -> Option<u64> {
        let step = self.first_step().map(|(at, _)| self.steps[at].at_nanos);
        self.heap.peek().map(|entry| entry.at_nanos).into_iter().chain(step).min()
    }

    /// Returns the number of events to come.
    pub fn len(&self) -> usize {
        self.heap.len() + self.steps.len()
    }

    /// Returns `true` if nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

const _: () = assert!(size_of::<Entry>() <= 32, "events are small");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_stand_apart_keep_their_place() {
        // More than stand apart, and others at the same times between them.
        let mut schedule = Schedule::default();
        let mut expected = Vec::new();
        for number in 0..3 * STEPS_MAX as u32 {
            let (at, tie) = (u64::from(number * 7 % 5), number * 11 % 3);
            let step = What::Step { host: number as u16 };
            for (more, what) in [(0, step), (1, What::Fin { pipe: number })] {
                schedule.push(at, tie, what);
                expected.push((at, tie, 2 * number + more, what));
            }
        }
        expected.sort_unstable_by_key(|(at, tie, number, _)| (*at, *tie, *number));
        assert_eq!((schedule.len(), schedule.is_empty()), (expected.len(), false));
        let pending = expected.iter().map(|(at, tie, _, what)| (*at, *tie, *what));
        assert!(schedule.pending().into_iter().eq(pending));
        for (at, _, _, what) in expected {
            assert_eq!(schedule.next_nanos(), Some(at));
            assert_eq!(schedule.pop(), Some((at, what)));
        }
        assert!(schedule.is_empty() && schedule.next_nanos().is_none());
    }

    #[test]
    fn time_then_tie_then_order_of_asking() {
        let mut schedule = Schedule::default();
        schedule.push(2, 0, What::Quiet);
        schedule.push(1, 1, What::Step { host: 0 });
        schedule.push(1, 0, What::Step { host: 1 });
        schedule.push(1, 0, What::Step { host: 2 });
        let order: Vec<_> = std::iter::from_fn(|| schedule.pop()).collect();
        let step = |host| (1, What::Step { host });
        assert_eq!(order, [step(1), step(2), step(0), (2, What::Quiet)]);
    }
}
