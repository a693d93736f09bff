//! The names of sockets, services and timers: an index that is reused and a generation that is not.

use std::cmp::Ordering;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
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
                    (Some(bits), 1..) => Some(Self { bits }),
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}.{}"), self.index(), self.generation())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

handle!(
    /// Names one socket for its whole life; shown as `#12.3` (index, generation).
    ///
    /// Any value is a legal argument of any command in any state: one that is no longer alive is
    /// answered with *stale*, and never touches the socket that has taken its place.
    SocketId,
    "#"
);
handle!(
    /// Names one service: who owns a socket and is told about it; shown as `service4.1`.
    ServiceId,
    "service"
);
handle!(
    /// Names one timer of one service; shown as `timer0.7`. It means nothing to other services.
    TimerId,
    "timer"
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
    }
}
