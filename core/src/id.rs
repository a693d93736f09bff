//! The names of sockets, services and timers: an index that is reused and a generation that is not.

use std::cmp::Ordering;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $write_index:path) => {
        $(#[$doc])*
        // One number and not two: ids are compared at every look at a table.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name {
            bits: NonZeroU64,
        }

        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                // The index first, which stands in the lower half.
                debug_assert!(self.to_bits() >> 32 != 0 && other.to_bits() >> 32 != 0);
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
            /// Builds the id of `index` in its `generation`.
            #[inline]
            pub const fn new(index: u32, generation: NonZeroU32) -> Self {
                let bits = ((generation.get() as u64) << 32) | index as u64;
                let id = Self::from_bits(bits).expect("a generation is not zero");
                debug_assert!(id.index() == index, "the generation covers the index");
                debug_assert!(id.generation().get() == generation.get(), "it lost its bits");
                id
            }

            /// The place in the table; reused by later ids.
            #[inline]
            pub const fn index(self) -> u32 {
                self.bits.get() as u32
            }

            /// How often the place had been taken when this id was issued; never zero.
            #[inline]
            pub const fn generation(self) -> NonZeroU32 {
                NonZeroU32::new((self.bits.get() >> 32) as u32).expect("no id is without one")
            }

            /// The id as one number, never zero: the generation in the upper half, the index in
            /// the lower one. [`from_bits`](Self::from_bits) is the inverse.
            #[inline]
            pub const fn to_bits(self) -> u64 {
                debug_assert!(self.bits.get() >> 32 != 0, "an id has a generation");
                self.bits.get()
            }

            /// The id whose [`to_bits`](Self::to_bits) is `bits`, or `None` if the generation
            /// half is zero. The id need not be alive; it is a legal argument everywhere.
            #[inline]
            pub const fn from_bits(bits: u64) -> Option<Self> {
                match (NonZeroU64::new(bits), bits >> 32) {
                    (Some(bits), 1..) => {
                        debug_assert!(bits.get() > u32::MAX as u64, "a generation is above it");
                        Some(Self { bits })
                    }
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

/// How many of an index's upper bits name the shard of a socket.
const SHARD_BITS: u32 = 6;
const PLACE_BITS: u32 = u32::BITS - SHARD_BITS;

/// The most shards that a runtime may have: so many network threads.
pub const SHARDS_MAX: u32 = 1 << SHARD_BITS;

/// The most sockets that one shard may have.
pub(crate) const PLACES_MAX: u32 = 1 << PLACE_BITS;

handle!(
    /// Names one socket for its whole life; shown as `#12.3` (index, generation), and in a runtime
    /// of several network threads as `#1/12.3` (shard, place, generation).
    ///
    /// Any value is a legal argument of any command in any state: one that is no longer alive is
    /// answered with *stale*, and never touches the socket that has taken its place.
    SocketId,
    "#",
    write_shard_and_place
);

impl SocketId {
    /// The id of a place of a shard.
    pub(crate) const fn of_shard(shard: u32, place: u32, generation: NonZeroU32) -> Self {
        assert!(shard < SHARDS_MAX && place < PLACES_MAX, "no id is so large");
        let id = Self::new(shard << PLACE_BITS | place, generation);
        assert!(id.shard() == shard && id.place() == place, "an id lost its bits");
        id
    }

    /// The shard whose Mux has the socket: the upper bits of the index. Zero in a runtime of one
    /// network thread.
    #[inline]
    pub const fn shard(self) -> u32 {
        let shard = self.index() >> PLACE_BITS;
        debug_assert!(shard < SHARDS_MAX, "no runtime has so many shards");
        shard
    }

    /// The place in the table of its shard: the lower bits of the index.
    #[inline]
    pub const fn place(self) -> u32 {
        Self::place_of(self.index())
    }

    /// The place in the table of its shard that an [`index`](Self::index) has.
    #[inline]
    pub const fn place_of(index: u32) -> u32 {
        let place = index & (PLACES_MAX - 1);
        debug_assert!(place < PLACES_MAX, "no shard has so many places");
        debug_assert!(place <= index, "the shard is above the place");
        place
    }
}

fn write_whole(index: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{index}")
}

/// The place, and before it the shard if that is not the first.
fn write_shard_and_place(index: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    debug_assert!(index >> PLACE_BITS < SHARDS_MAX, "no runtime has so many shards");
    match index >> PLACE_BITS {
        0 => write!(f, "{}", SocketId::place_of(index)),
        shard => write!(f, "{shard}/{}", SocketId::place_of(index)),
    }
}

handle!(
    /// Names one service: who owns a socket and is told about it; shown as `service4.1`.
    ServiceId,
    "service",
    write_whole
);
handle!(
    /// Names one timer of one service; shown as `timer0.7`. It means nothing to other services.
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
