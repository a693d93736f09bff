//! Options' values in words: what a `config` line says, and what it may say.

use std::ops::RangeInclusive;

use tidelock_net::system::kernel::Os;
use tidelock_net::system::link::PRESETS;
use tidelock_net::words::kinds::Family;
use tidelock_net::words::text::{parse_number, parse_time};

use crate::stage::swarm::Options;

/// What hosts are told, by number.
const READINESS: [&str; 4] = ["linux", "weakest", "completion", "kqueue"];
/// Which end is a scripted peer, by number.
const SCRIPTED: [&str; 3] = ["neither", "client", "server"];
/// How latencies vary, by number.
const LATENCY_MODELS: [&str; 3] = ["uniform", "bimodal", "exponential"];

impl Options {
    /// A value as it is written: by its name where it has one, else as a number.
    pub fn text_of(option: &str, value: u64) -> String {
        match word(option, value) {
            Some(word) => word.to_owned(),
            None => value.to_string(),
        }
    }

    /// Reads a value: a name that [`text_of`](Self::text_of) gives, a number, or for an option in
    /// nanoseconds a time as `30ms`.
    ///
    /// # Errors
    /// What is expected, if it is none of these or outside of what is
    /// [allowed](Self::allowed).
    pub fn value_of(option: &str, text: &str) -> Result<u64, String> {
        let allowed = Self::allowed(option);
        if let Some(value) = words(option).find(|value| is_called(option, *value, text)) {
            return Ok(value);
        }
        let number = match option.ends_with("_nanos") || option.ends_with("_nanos_max") {
            true => parse_number(text).or_else(|_| parse_time(text)),
            false => parse_number(text),
        };
        match number {
            // Nothing comes over a link without bandwidth; without a bound is another word.
            Ok(0) if option == "bytes_per_second" => Err(Self::expected(option)),
            Ok(number) if allowed.contains(&number) => Ok(number),
            _ => Err(Self::expected(option)),
        }
    }

    /// What an option's value may be, for people.
    pub fn expected(option: &str) -> String {
        let allowed = Self::allowed(option);
        let names: Vec<_> = words(option).filter_map(|value| word(option, value)).collect();
        if names.len() as u64 == (allowed.end() - allowed.start()).saturating_add(1) {
            return format!("one of {}", names.join(", "));
        }
        let least = match option {
            "bytes_per_second" => 1,
            _ => *allowed.start(),
        };
        let numbers = format!("a number from {least} to {}", allowed.end());
        let times = if option.contains("_nanos") { ", or a time as 30ms" } else { "" };
        let more: String = names.iter().map(|name| format!(", or {name}")).collect();
        format!("{numbers}{times}{more}")
    }

    /// The names of options that look like this one, the nearest first; for a typing error.
    pub fn near(name: &str) -> Vec<&'static str> {
        const NEAR_MAX: usize = 3;
        let mut all: Vec<(usize, &str)> = Self::default()
            .pairs()
            .iter()
            .map(|(known, _)| (strsim::damerau_levenshtein(known, name), *known))
            .collect();
        all.sort_unstable();
        all.into_iter().take(NEAR_MAX).map(|(_, known)| known).collect()
    }
}

/// The values that may have a name.
fn words(option: &str) -> RangeInclusive<u64> {
    let allowed = Options::allowed(option);
    const NAMED_MAX: u64 = 8;
    *allowed.start()..=NAMED_MAX.min(*allowed.end())
}

/// The name of a value, if it has one.
fn word(option: &str, value: u64) -> Option<&'static str> {
    let at = usize::try_from(value).ok()?;
    let named = |names: &[&'static str]| names.get(at).copied();
    let zero = |name| (value == 0).then_some(name);
    match option {
        "readiness" => named(&READINESS),
        "scripted" => named(&SCRIPTED),
        "latency_model" => named(&LATENCY_MODELS),
        "os" => (value <= 2).then(|| Os::of_number(value).name()),
        "link" if value > 0 => PRESETS.get(at - 1).copied(),
        "link" => Some("as-drawn"),
        "bytes_per_second" | "queue_bytes_max" => zero("unbounded"),
        "flush_timeout_nanos" | "idle_timeout_nanos" => zero("off"),
        "read_idle_timeout_nanos" | "write_stall_timeout_nanos" => zero("off"),
        _ if Family::ALL.iter().any(|family| family.name() == option) => zero("off"),
        _ => None,
    }
}

/// Whether a value is called this; that nobody measured a system need not be said.
fn is_called(option: &str, value: u64, text: &str) -> bool {
    word(option, value)
        .is_some_and(|word| word == text || word.strip_suffix("(unverified)") == Some(text))
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
