//! The names of sockets, services and timers: an index that is reused and a generation that is not.

use std::fmt;
use std::num::NonZeroU32;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name {
            index: u32,
            generation: NonZeroU32,
        }

        impl $name {
            /// Builds the id of `index` in its `generation`.
            pub const fn new(index: u32, generation: NonZeroU32) -> Self {
                Self { index, generation }
            }

            /// The place in the table; reused by later ids.
            #[inline]
            pub const fn index(self) -> u32 {
                self.index
            }

            /// How often the place had been taken when this id was issued; never zero.
            #[inline]
            pub const fn generation(self) -> NonZeroU32 {
                self.generation
            }

            /// The id as one number, never zero: the generation in the upper half, the index in
            /// the lower one. [`from_bits`](Self::from_bits) is the inverse.
            #[inline]
            pub const fn to_bits(self) -> u64 {
                let bits = ((self.generation.get() as u64) << 32) | self.index as u64;
                assert!(bits != 0, "an id is never zero");
                assert!(bits as u32 == self.index, "the generation covers the index");
                bits
            }

            /// The id whose [`to_bits`](Self::to_bits) is `bits`, or `None` if the generation
            /// half is zero. The id need not be alive; it is a legal argument everywhere.
            #[inline]
            pub const fn from_bits(bits: u64) -> Option<Self> {
                match NonZeroU32::new((bits >> 32) as u32) {
                    Some(generation) => {
                        let id = Self { index: bits as u32, generation };
                        assert!(id.to_bits() == bits, "an id is its bits");
                        Some(id)
                    }
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}.{}"), self.index, self.generation)
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
    fn an_option_of_an_id_costs_nothing() {
        assert_eq!(size_of::<Option<SocketId>>(), 8);
    }

    #[test]
    fn ids_are_shown_as_index_dot_generation() {
        let id = SocketId::new(12, NonZeroU32::new(3).unwrap());
        assert_eq!(id.to_string(), "#12.3");
    }
}
