//! The ids of sockets, services and timers: an index that is reused, and a generation that tells
//! its successive holders apart.

use std::cmp::Ordering;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $write_index:path) => {
        $(#[$doc])*
        // One number instead of two fields: every look-up compares ids, and an `Option` of one
        // takes no extra space.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name {
            bits: NonZeroU64,
        }

        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                // By index first, which is in the lower half.
                self.bits.get().rotate_left(32).cmp(&other.bits.get().rotate_left(32))
            }
        }

        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Returns the id of `index` in `generation`.
            #[inline]
            pub const fn new(index: u32, generation: NonZeroU32) -> Self {
                let bits = ((generation.get() as u64) << 32) | index as u64;
                Self::from_bits(bits).expect("a generation is not zero")
            }

            /// Returns the place in the table, which later ids use again.
            #[inline]
            pub const fn index(self) -> u32 {
                self.bits.get() as u32
            }

            /// Returns the generation: how often the place had been taken when this id was issued.
            #[inline]
            pub const fn generation(self) -> NonZeroU32 {
                NonZeroU32::new((self.bits.get() >> 32) as u32).expect("`from_bits` checked it")
            }

            /// Returns the id as one number, never zero: the generation is in the upper half, the
            /// index in the lower. [`from_bits`](Self::from_bits) is the inverse.
            #[inline]
            pub const fn to_bits(self) -> u64 {
                self.bits.get()
            }

            /// Returns the id whose [`to_bits`](Self::to_bits) is `bits`, or `None` if the half of
            /// the generation is zero. The id need not be alive to be a legal argument.
            #[inline]
            pub const fn from_bits(bits: u64) -> Option<Self> {
                match (NonZeroU64::new(bits), bits >> 32) {
                    (Some(bits), 1..) => Some(Self { bits }),
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                $write_index(self.index(), f)?;
                write!(f, ".{}", self.generation())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

/// The number of upper bits of a socket's index that name its shard.
const SHARD_BITS: u32 = 6;
const PLACE_BITS: u32 = u32::BITS - SHARD_BITS;

/// The most shards, and so network threads, that a runtime may have.
pub const SHARDS_MAX: u32 = 1 << SHARD_BITS;

/// The most sockets that one shard may have.
pub(crate) const PLACES_MAX: u32 = 1 << PLACE_BITS;

handle!(
    /// The id of one socket for its whole life. It is shown as `#12.3` (index, generation), and
    /// outside the first shard of a runtime as `#1/12.3` (shard, place, generation).
    ///
    /// Any value is a legal argument of any command in any state. An id that is no longer alive is
    /// answered with *stale*, and never reaches the socket that has taken its place.
    SocketId,
    "#",
    write_shard_and_place
);

impl SocketId {
    /// Returns the id of `place` in `shard`.
    pub(crate) const fn of_shard(shard: u32, place: u32, generation: NonZeroU32) -> Self {
        assert!(
            shard < SHARDS_MAX && place < PLACES_MAX,
            "the index has too few bits for this place"
        );
        Self::new(shard << PLACE_BITS | place, generation)
    }

    /// Returns the shard whose Mux has the socket: the upper bits of the index. It is zero in a
    /// runtime of one network thread.
    #[inline]
    pub const fn shard(self) -> u32 {
        self.index() >> PLACE_BITS
    }

    /// Returns the place in the table of the socket's shard: the lower bits of the index.
    #[inline]
    pub const fn place(self) -> u32 {
        Self::place_of(self.index())
    }

    /// Returns the place that an [`index`](Self::index) has in the table of its shard.
    #[inline]
    pub const fn place_of(index: u32) -> u32 {
        index & (PLACES_MAX - 1)
    }
}

fn write_whole(index: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{index}")
}

/// Writes the place, with the shard before it unless that is the first.
fn write_shard_and_place(index: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match index >> PLACE_BITS {
        0 => write!(f, "{}", SocketId::place_of(index)),
        shard => write!(f, "{shard}/{}", SocketId::place_of(index)),
    }
}

handle!(
    /// The id of one service, which owns sockets and gets their messages; shown as `service4.1`.
    ServiceId,
    "service",
    write_whole
);
handle!(
    /// The id of one timer of one service; shown as `timer0.7`. It means nothing to other services.
    TimerId,
    "timer",
    write_whole
);

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn bits_round_trip_and_are_never_zero() {
        for (index, generation) in [(0, 1), (u32::MAX, u32::MAX), (12, 3)] {
            let id = SocketId::new(index, NonZeroU32::new(generation).unwrap());
            assert_ne!(id.to_bits(), 0);
            assert_eq!(SocketId::from_bits(id.to_bits()), Some(id));
        }
        assert_eq!(SocketId::from_bits(0), None);
        assert_eq!(SocketId::from_bits(12), None);
    }

    #[test]
    fn ids_are_ordered_by_index_and_then_by_generation() {
        let id = |index, generation| SocketId::new(index, NonZeroU32::new(generation).unwrap());
        let ordered = [id(0, 2), id(1, 1), id(1, u32::MAX), id(2, 1), id(u32::MAX, 1)];
        assert!(ordered.is_sorted() && ordered.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(id(1, 1) == id(1, 1) && id(1, 1) != id(1, 2) && id(1, 1) != id(2, 1));
    }

    #[test]
    fn an_option_of_an_id_costs_nothing() {
        assert_eq!(size_of::<Option<SocketId>>(), 8);
    }

    #[test]
    fn ids_are_shown_as_index_dot_generation() {
        let id = SocketId::new(12, NonZeroU32::new(3).unwrap());
        assert_eq!(id.to_string(), "#12.3");
        let id = SocketId::of_shard(5, 12, NonZeroU32::new(3).unwrap());
        assert_eq!(id.to_string(), "#5/12.3");
    }

    #[test]
    fn the_shard_stands_in_the_top_bits_of_the_index() {
        for (shard, place) in [(0, 0), (0, PLACES_MAX - 1), (1, 0), (SHARDS_MAX - 1, 77)] {
            let id = SocketId::of_shard(shard, place, NonZeroU32::MIN);
            assert_eq!((id.shard(), id.place()), (shard, place));
            assert_eq!(id.index(), shard << 26 | place);
        }
    }
}
