//! The charges that a batch gives back.

use crate::{Directory, MESSAGE_OVERHEAD_BYTES, Message, ServiceId};

/// The charges that a batch gives back to each Mux that told it something.
pub(crate) enum HandledBytes {
    /// There is one Mux; nothing is allocated for it, and no message is asked who told it.
    One(usize),
    Several {
        home: u32,
        sums: Box<[usize]>,
    },
}

impl HandledBytes {
    pub(crate) fn new(directory: &Directory, service: ServiceId) -> Self {
        match directory.shards() {
            1 => Self::One(0),
            shards => {
                debug_assert!(shards > 1, "a runtime without a Mux");
                let home = directory.home_of(service);
                Self::Several { home, sums: (0..shards).map(|_| 0).collect() }
            }
        }
    }

    /// The shard that tells the service of an exit.
    pub(crate) fn home(&self) -> u32 {
        match self {
            Self::One(_) => 0,
            Self::Several { home, sums } => {
                assert!((*home as usize) < sums.len(), "shard {home} is no home");
                *home
            }
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, message: &Message, charge_bytes: usize) {
        assert!(charge_bytes >= MESSAGE_OVERHEAD_BYTES, "a message was free");
        match self {
            Self::One(sum) => *sum += charge_bytes,
            Self::Several { home, sums } => sums[message.shard(*home) as usize] += charge_bytes,
        }
        debug_assert!(self.sum() >= charge_bytes, "what was handled is not counted");
    }

    pub(crate) fn sum(&self) -> usize {
        match self {
            Self::One(sum) => *sum,
            Self::Several { sums, .. } => sums.iter().sum(),
        }
    }

    /// The shards that told something, and how much.
    pub(crate) fn each(&self) -> impl Iterator<Item = (u32, usize)> {
        debug_assert!(matches!(self, Self::One(_)) || self.home() < crate::SHARDS_MAX, "no shard");
        let sums = match self {
            Self::One(sum) => std::slice::from_ref(sum),
            Self::Several { sums, .. } => sums,
        };
        (0..).zip(sums.iter().copied()).filter(|(_, sum)| *sum > 0)
    }
}
