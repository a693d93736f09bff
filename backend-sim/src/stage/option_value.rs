//! Options' values in words: what a `config` line says, and what it may say.

use tidelock_net::words::text::{parse_number, parse_time};

use super::options::{Entry, Form, Options};

impl Options {
    /// A value as it is written: by its name where it has one, else as a number.
    pub fn text_of(option: &str, value: u64) -> String {
        match Self::entry(option) {
            Some(entry) => entry.text(value),
            None => value.to_string(),
        }
    }

    /// Reads a value: a name that [`text_of`](Self::text_of) gives, a number, or for an option in
    /// nanoseconds a time as `30ms`.
    ///
    /// # Errors
    /// If it is none of these or not allowed, or if there is no such option; says what is expected.
    pub fn value_of(option: &str, text: &str) -> Result<u64, String> {
        Self::entry(option).ok_or("an option")?.read(text)
    }

    /// The names of options that look like this one, the nearest first; for a typing error.
    pub fn near(name: &str) -> Vec<&'static str> {
        const NEAR_MAX: usize = 3;
        let distance = |entry: Entry| (strsim::damerau_levenshtein(entry.name, name), entry.name);
        let mut all: Vec<(usize, &str)> = Self::entries().map(distance).collect();
        all.sort_unstable();
        all.into_iter().take(NEAR_MAX).map(|(_, known)| known).collect()
    }
}

impl Entry {
    /// A value as it is written: by its name where it has one, else as a number.
    pub fn text(&self, value: u64) -> String {
        match self.word(value) {
            Some(word) => word.to_owned(),
            None => value.to_string(),
        }
    }

    fn read(&self, text: &str) -> Result<u64, String> {
        let mut words = self.words().zip(0..);
        if let Some((_, value)) = words.find(|(word, _)| is_called(word, text)) {
            return Ok(value);
        }
        let number = match self.is_time() {
            true => parse_number(text).or_else(|_| parse_time(text)),
            false => parse_number(text),
        };
        match (number, self.form) {
            // Nothing comes over a link without bandwidth; without a bound is another word.
            (Ok(0), Form::PositiveOr(_)) => Err(self.expected()),
            (Ok(number), _) if self.allows(number) => Ok(number),
            _ => Err(self.expected()),
        }
    }

    /// Returns the values that it may have, for people.
    pub fn expected(&self) -> String {
        let names: Vec<_> = self.words().collect();
        if names.len() as u64 == (self.most - self.least).saturating_add(1) {
            return format!("one of {}", names.join(", "));
        }
        let least = match self.form {
            Form::PositiveOr(_) => 1,
            _ => self.least,
        };
        let numbers = format!("a number from {least} to {}", self.most);
        let times = if self.is_time() { ", or a time as 30ms" } else { "" };
        let more: String = names.iter().map(|name| format!(", or {name}")).collect();
        format!("{numbers}{times}{more}")
    }

    fn is_time(&self) -> bool {
        matches!(self.form, Form::Time | Form::TimeOr(_))
    }

    /// The words of its values from 0 on, as far as they have some.
    fn words(&self) -> impl Iterator<Item = &'static str> {
        let (first, all) = match self.form {
            Form::Number | Form::Time => (None, None),
            Form::NumberOr(word) | Form::PositiveOr(word) | Form::TimeOr(word) => {
                (Some(word), None)
            }
            Form::Names(names) => (None, Some(names)),
        };
        first.into_iter().chain(all.into_iter().flatten().copied())
    }

    /// The name of a value, if it has one.
    fn word(&self, value: u64) -> Option<&'static str> {
        self.words().nth(usize::try_from(value).ok()?)
    }
}

/// Returns `true` if a value with this word is called so; that nobody measured a system need not be
/// said.
fn is_called(word: &str, text: &str) -> bool {
    word == text || word.strip_suffix("(unverified)") == Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_that_is_drawn_is_read_as_it_is_written() {
        for seed in 0..500 {
            for (name, value) in Options::draw(seed, "echo").pairs() {
                let text = Options::text_of(name, value);
                assert_eq!(Options::value_of(name, &text), Ok(value), "{name}={text}");
            }
        }
    }

    #[test]
    fn values_are_read_by_name_number_and_time() {
        let table: [(&str, &str, Result<u64, &str>); 15] = [
            ("readiness", "weakest", Ok(1)),
            ("readiness", "3", Ok(3)),
            ("readiness", "epoll", Err("one of linux, weakest, completion, kqueue")),
            ("os", "macos", Ok(1)),
            ("os", "macos(unverified)", Ok(1)),
            ("link", "4g", Ok(3)),
            ("link", "6", Err("one of as-drawn, lan, wifi, 4g, satellite, lossy_burst")),
            ("latency_nanos", "30ms", Ok(30_000_000)),
            ("latency_nanos", "0", Ok(0)),
            ("connections", "30ms", Err("a number from 1 to 10000")),
            ("bytes_per_second", "unbounded", Ok(0)),
            ("bytes_per_second", "0", Err("a number from 1 to 1099511627776, or unbounded")),
            ("queue_bytes_max", "0", Ok(0)),
            ("idle_timeout_nanos", "off", Ok(0)),
            ("idle_timeout_nanos", "2h", Err("or a time as 30ms, or off")),
        ];
        for (option, text, expected) in table {
            match (Options::value_of(option, text), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{option}={text}"),
                (Err(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
                (answer, _) => panic!("{option}={text}: {answer:?}"),
            }
        }
    }

    #[test]
    fn a_typing_error_is_answered_with_what_is_near() {
        assert_eq!(Options::near("latency_nano")[0], "latency_nanos");
        assert_eq!(Options::near("conections")[0], "connections");
        assert_eq!(Options::near("hosts").len(), 3);
    }
}
