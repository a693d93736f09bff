//! Keys and their values, and when they expire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidelock_core::{Bytes, Instant};

/// The keys and their values. The maps are ordered, because a run must be a function of its input.
///
/// An expired key is gone at once for every reader. Its memory is freed by the first that meets it:
/// a reader, or [`expire`](Self::expire).
#[derive(Debug, Default)]
pub(crate) struct Store {
    entries: BTreeMap<Box<[u8]>, Entry>,
    /// Invariant: one for each entry that expires, and no others.
    expiries: BTreeSet<(Instant, Box<[u8]>)>,
    /// Invariant: the sum of all entries' charges.
    used_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    expires_at: Option<Instant>,
}

/// The value of a key.
#[derive(Debug)]
enum Value {
    Text(Bytes),
    List(List),
}

/// A list, and the sum of its elements' charges.
#[derive(Debug, Default)]
struct List {
    elements: VecDeque<Bytes>,
    charge_bytes: usize,
}

/// The key holds a value of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

/// The fixed charge of a key, and of each element of a list.
const OVERHEAD_BYTES: usize = 64;

impl Store {
    /// Returns the bytes of all keys and values, plus 64 for each of them.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Returns the number of keys, including expired ones that are not removed yet.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the time at which the next key expires, if one will.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Returns `true` if the key exists.
    pub(crate) fn contains(&mut self, key: &[u8], now: Instant) -> bool {
        self.find(key, now).is_some()
    }

    /// Returns the text at `key`.
    ///
    /// # Errors
    /// If the key holds a list.
    pub(crate) fn text(&mut self, key: &[u8], now: Instant) -> Result<Option<&Bytes>, WrongType> {
        match self.find(key, now).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::List(_)) => Err(WrongType),
        }
    }

    /// Returns the list at `key`.
    ///
    /// # Errors
    /// If the key holds a text.
    pub(crate) fn list(
        &mut self,
        key: &[u8],
        now: Instant,
    ) -> Result<Option<&VecDeque<Bytes>>, WrongType> {
        match self.find(key, now).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(&list.elements)),
            Some(Value::Text(_)) => Err(WrongType),
        }
    }

    /// Puts a text at `key`, whatever it held. The bytes are copied, because a slice would keep the
    /// whole read buffer alive.
    pub(crate) fn set(&mut self, key: &[u8], text: &[u8], expires_at: Option<Instant>) {
        self.remove_entry(key);
        self.insert(key, Value::Text(Bytes::copy_from_slice(text)), expires_at);
    }

    /// Puts a text at `key`, without a change to its expiry.
    ///
    /// # Errors
    /// If the key holds a list.
    pub(crate) fn replace(
        &mut self,
        key: &[u8],
        text: &[u8],
        now: Instant,
    ) -> Result<(), WrongType> {
        self.text(key, now)?;
        let expires_at = self.remove_entry(key).and_then(|entry| entry.expires_at);
        self.insert(key, Value::Text(Bytes::copy_from_slice(text)), expires_at);
        Ok(())
    }

    /// Puts an element in front of the list at `key`, and returns the new length.
    ///
    /// # Errors
    /// If the key holds a text.
    pub(crate) fn push_front(
        &mut self,
        key: &[u8],
        element: &[u8],
        now: Instant,
    ) -> Result<usize, WrongType> {
        if self.find(key, now).is_none() {
            self.insert(key, Value::List(List::default()), None);
        }
        let entry = self.entries.get_mut(key).expect("it exists, or was inserted above");
        let Value::List(list) = &mut entry.value else {
            return Err(WrongType);
        };
        let charge = element.len() + OVERHEAD_BYTES;
        list.elements.push_front(Bytes::copy_from_slice(element));
        list.charge_bytes += charge;
        self.used_bytes += charge;
        Ok(list.elements.len())
    }

    /// Removes a key. Returns `true` if it existed.
    pub(crate) fn remove(&mut self, key: &[u8], now: Instant) -> bool {
        let was_there = self.contains(key, now);
        self.remove_entry(key);
        was_there
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Removes at most `keys_max` expired keys, the earliest first, and returns their number.
    pub(crate) fn expire(&mut self, now: Instant, keys_max: usize) -> usize {
        let mut removed = 0;
        while removed < keys_max
            && let Some((at, _)) = self.expiries.first()
            && *at <= now
        {
            let (_, key) = self.expiries.first().expect("some key has expired").clone();
            self.remove_entry(&key).expect("a key that expires exists");
            removed += 1;
        }
        removed
    }

    fn find(&mut self, key: &[u8], now: Instant) -> Option<&Entry> {
        let is_due = self.entries.get(key)?.expires_at.is_some_and(|at| at <= now);
        if is_due {
            self.remove_entry(key);
        }
        self.entries.get(key)
    }

    fn insert(&mut self, key: &[u8], value: Value, expires_at: Option<Instant>) {
        let entry = Entry { value, expires_at };
        self.used_bytes += entry.charge_bytes(key);
        if let Some(at) = expires_at {
            self.expiries.insert((at, key.into()));
        }
        let before = self.entries.insert(key.into(), entry);
        assert!(before.is_none(), "an entry was inserted over another one");
    }

    fn remove_entry(&mut self, key: &[u8]) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.used_bytes -= entry.charge_bytes(&key);
        if let Some(at) = entry.expires_at {
            let was_there = self.expiries.remove(&(at, key));
            assert!(was_there, "an entry that expires is missing in the expiries");
        }
        Some(entry)
    }
}

impl Entry {
    fn charge_bytes(&self, key: &[u8]) -> usize {
        let value = match &self.value {
            Value::Text(text) => text.len(),
            Value::List(list) => list.charge_bytes,
        };
        OVERHEAD_BYTES + key.len() + value
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    impl Store {
        fn check_invariants(&self) {
            let used: usize = self.entries.iter().map(|(key, entry)| entry.charge_bytes(key)).sum();
            assert_eq!(used, self.used_bytes, "the charges of all entries, and their sum");
            let timed = self
                .entries
                .iter()
                .filter_map(|(key, entry)| entry.expires_at.map(|at| (at, key.clone())));
            assert_eq!(timed.collect::<BTreeSet<_>>(), self.expiries);
            for entry in self.entries.values() {
                if let Value::List(list) = &entry.value {
                    let charge = list.elements.iter().map(|element| element.len() + OVERHEAD_BYTES);
                    assert_eq!(charge.sum::<usize>(), list.charge_bytes);
                    assert!(!list.elements.is_empty(), "an empty list is kept");
                }
            }
        }
    }

    /// A key's value in the model: a text is a list with one element, and marked as a text.
    #[derive(Clone, Debug, PartialEq)]
    struct Plain {
        is_text: bool,
        parts: Vec<Vec<u8>>,
        expires_at: Option<u64>,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u8, Vec<u8>, Option<u64>),
        Replace(u8, Vec<u8>),
        Push(u8, Vec<u8>),
        Remove(u8),
        Expire(usize),
        Pass(u64),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = || vec(any::<u8>(), 0..4);
        prop_oneof![
            4 => (0..5_u8, bytes(), proptest::option::of(1..20_u64))
                .prop_map(|(key, text, life)| Step::Set(key, text, life)),
            2 => (0..5_u8, bytes()).prop_map(|(key, text)| Step::Replace(key, text)),
            3 => (0..5_u8, bytes()).prop_map(|(key, text)| Step::Push(key, text)),
            2 => (0..5_u8).prop_map(Step::Remove),
            1 => (0..3_usize).prop_map(Step::Expire),
            3 => (1..15_u64).prop_map(Step::Pass),
            1 => Just(Step::Clear),
        ]
    }

    /// Returns what a reader sees at `key`.
    fn seen(store: &mut Store, key: u8, now: Instant) -> Option<(bool, Vec<Vec<u8>>)> {
        if let Ok(text) = store.text(&[key], now) {
            return text.map(|text| (true, vec![text.to_vec()]));
        }
        let list = store.list(&[key], now).expect("the value is not a text, so it is a list")?;
        Some((false, list.iter().map(|element| element.to_vec()).collect()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_store_agrees_with_a_plain_map(steps in vec(step(), 0..60)) {
            let (mut store, mut model) = (Store::default(), BTreeMap::<u8, Plain>::new());
            let mut nanos = 1000;
            for step in steps {
                let now = Instant::from_nanos(nanos);
                model.retain(|_, plain| plain.expires_at.is_none_or(|at| at > nanos));
                match step {
                    Step::Set(key, text, life) => {
                        let expires_at = life.map(|life| nanos + life);
                        store.set(&[key], &text, expires_at.map(Instant::from_nanos));
                        model.insert(key, Plain { is_text: true, parts: vec![text], expires_at });
                    }
                    Step::Replace(key, text) => {
                        let result = store.replace(&[key], &text, now);
                        let before = model.get(&key);
                        let is_list = before.is_some_and(|plain| !plain.is_text);
                        prop_assert_eq!(result, if is_list { Err(WrongType) } else { Ok(()) });
                        if !is_list {
                            let expires_at = before.and_then(|plain| plain.expires_at);
                            let plain = Plain { is_text: true, parts: vec![text], expires_at };
                            model.insert(key, plain);
                        }
                    }
                    Step::Push(key, element) => {
                        let result = store.push_front(&[key], &element, now);
                        let fresh = Plain { is_text: false, parts: vec![], expires_at: None };
                        let plain = model.entry(key).or_insert(fresh);
                        if plain.is_text {
                            prop_assert_eq!(result, Err(WrongType));
                        } else {
                            plain.parts.insert(0, element);
                            prop_assert_eq!(result, Ok(plain.parts.len()));
                        }
                    }
                    Step::Remove(key) => {
                        let was_there = model.remove(&key).is_some();
                        prop_assert_eq!(store.remove(&[key], now), was_there);
                    }
                    Step::Expire(keys_max) => {
                        prop_assert!(store.expire(now, keys_max) <= keys_max);
                    }
                    Step::Pass(span) => nanos += span,
                    Step::Clear => {
                        store.clear();
                        model.clear();
                    }
                }
                store.check_invariants();
            }
            let now = Instant::from_nanos(nanos);
            model.retain(|_, plain| plain.expires_at.is_none_or(|at| at > nanos));
            for key in 0..5 {
                let expected = model.get(&key).map(|plain| (plain.is_text, plain.parts.clone()));
                prop_assert_eq!(seen(&mut store, key, now), expected);
            }
            store.check_invariants();
        }
    }

    #[test]
    fn expired_keys_are_freed_without_a_reader() {
        let mut store = Store::default();
        for key in 0..10_u8 {
            store.set(&[key], b"value", Some(Instant::from_nanos(u64::from(key))));
        }
        assert_eq!(store.expire(Instant::from_nanos(6), 5), 5);
        assert_eq!(store.expire(Instant::from_nanos(6), 5), 2);
        assert_eq!(store.expire(Instant::from_nanos(6), 5), 0);
        assert_eq!(store.len(), 3);
        store.check_invariants();
        assert_eq!(store.expire(Instant::MAX, usize::MAX), 3);
        assert_eq!(store.used_bytes(), 0);
        assert_eq!(store.next_expiry(), None);
    }
}
