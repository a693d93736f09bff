//! A queue that mostly holds one thing, or nothing.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

/// A queue that mostly holds one thing, or nothing: that needs no memory of its own. Worlds have
/// several of them for each socket.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "where there is no more, as mostly, it is one word")]
pub struct Few<T> {
    /// Invariant: if it is `None`, there is no more.
    first: Option<T>,
    more: Option<Box<VecDeque<T>>>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, more: None }
    }
}

impl<T> Few<T> {
    /// The number of things in it.
    pub fn len(&self) -> usize {
        let more = self.more.as_ref().map_or(0, |more| more.len());
        assert!(more == 0 || self.first.is_some(), "what comes later came first");
        usize::from(self.first.is_some()) + more
    }

    /// Returns `true` if nothing is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds one at the end.
    #[inline]
    pub fn push_back(&mut self, value: T) {
        if self.first.is_none() {
            self.first = Some(value);
        } else {
            self.more.get_or_insert_default().push_back(value);
        }
    }

    /// Takes the first one.
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        let next = self.more.as_mut().and_then(|more| more.pop_front());
        std::mem::replace(&mut self.first, next)
    }

    /// The first one.
    #[inline]
    pub fn front(&self) -> Option<&T> {
        self.first.as_ref()
    }

    /// The first one, to be changed.
    #[inline]
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.first.as_mut()
    }

    /// The one at this place, counted from 0.
    pub fn get(&self, place: usize) -> Option<&T> {
        match place {
            0 => self.first.as_ref(),
            _ => self.more.as_ref()?.get(place - 1),
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.more.iter().flat_map(|more| more.iter()))
    }
}

/// By what is in it, wherever that lies.
impl<T: Hash> Hash for Few<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|value| value.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fingerprint::Fingerprint;

    fn hash(few: &Few<u32>) -> u64 {
        let mut state = Fingerprint::default();
        few.hash(&mut state);
        std::hash::Hasher::finish(&state)
    }

    #[test]
    fn it_is_a_queue_however_many_are_in_it() {
        let (mut few, mut queue) = (Few::default(), VecDeque::new());
        // Up and down, to different depths, as a number decides.
        for number in 0..1_000_u32 {
            if number.wrapping_mul(0x9E37_79B9) >> 30 < 2 {
                few.push_back(number);
                queue.push_back(number);
            } else {
                assert_eq!(few.pop_front(), queue.pop_front());
            }
            assert!(few.iter().eq(&queue));
            assert_eq!((few.len(), few.is_empty()), (queue.len(), queue.is_empty()));
            assert_eq!((few.front(), few.get(1), few.get(2)), {
                (queue.front(), queue.get(1), queue.get(2))
            });
            let mut alike = Few::default();
            queue.iter().for_each(|value| alike.push_back(*value));
            assert_eq!(hash(&few), hash(&alike), "what was in it before does not count");
        }
    }
}
