//! Checks that a script can be run, before anything is built from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tidelock_net::words::cast::Cast;

use crate::stage::options::Options;
use crate::tide::{Lines, Script, When, spelling};

/// A line of a script that means nothing, or asks for what is impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which.
    pub place: Place,
    /// The line, what was expected in its place, or both.
    pub text: String,
}

/// A line of a script, by its kind and its number among those of its kind, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An option.
    Config(usize),
    /// An `op` line.
    Operation(usize),
    /// A `fault` line.
    Fault(usize),
}

impl Place {
    /// The number of its line in the text that the script was read from, from 1.
    pub fn line(self, lines: &Lines) -> usize {
        let (of, at) = match self {
            Place::Config(at) => (&lines.config, at),
            Place::Operation(at) => (&lines.operations, at),
            Place::Fault(at) => (&lines.faults, at),
        };
        // A script without any option contradicts nothing but its own defaults.
        of.get(at).copied().unwrap_or(1)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The lines that mean nothing or are impossible, each with what was expected; none if the script
/// can be run as it stands. `options` are those that hold where the script says nothing.
pub fn script(script: &Script, cast: &Cast, options: &Options) -> Vec<Wrong> {
    let mut wrong = config(script, &mut options.clone());
    for (at, line) in script.operations.iter().enumerate() {
        let (_, told) = spelling::operations(std::slice::from_ref(line), cast);
        wrong.extend(told.into_iter().map(|text| Wrong { place: Place::Operation(at), text }));
    }
    for (at, line) in script.faults.iter().enumerate() {
        let (_, told) = spelling::troubles(std::slice::from_ref(line), cast, u64::MAX);
        wrong.extend(told.into_iter().map(|text| Wrong { place: Place::Fault(at), text }));
    }
    wrong.extend(too_late(script));
    for at in circular(script) {
        let label = &script.operations[at].label;
        let text = format!("op {label}: expected a time, or `after` a line that comes to pass");
        wrong.push(Wrong { place: Place::Operation(at), text });
    }
    wrong
}

/// Lines that begin or end later than a world may last: it would not come to its end.
fn too_late(script: &Script) -> Vec<Wrong> {
    let tell = |place, text: String, nanos: u64| {
        let text = format!("{text}{nanos}ns: expected a time of at most 3600s (an hour)");
        (nanos > TIME_NANOS_MAX).then_some(Wrong { place, text })
    };
    let begin = |when: &When| match when {
        When::At { nanos } => *nanos,
        When::After(_) => 0,
    };
    let operations = script.operations.iter().enumerate().filter_map(|(at, line)| {
        tell(Place::Operation(at), format!("op {} @", line.label), begin(&line.when))
    });
    let faults = script.faults.iter().enumerate().flat_map(|(at, line)| {
        let (place, label) = (Place::Fault(at), &line.label);
        let until_nanos = line.until_nanos.unwrap_or(0);
        [
            tell(place, format!("fault {label} @"), begin(&line.when)),
            tell(place, format!("fault {label} until "), until_nanos),
        ]
    });
    operations.chain(faults.flatten()).collect()
}

/// The latest time of a line.
const TIME_NANOS_MAX: u64 = 3_600_000_000_000;

/// Where one of these options is set last; if none is, the last option.
fn last_of(script: &Script, names: &[&str]) -> Place {
    let at = script.config.iter().rposition(|(name, _)| names.contains(&name.as_str()));
    Place::Config(at.unwrap_or(script.config.len().saturating_sub(1)))
}

/// Sets what the `config` lines say; answers those that are unknown or impossible. If the options
/// contradict each other, none is set; a link that brings nothing in time stays as it was.
pub fn config(script: &Script, options: &mut Options) -> Vec<Wrong> {
    let before = options.clone();
    let mut wrong = Vec::new();
    for (at, (name, value)) in script.config.iter().enumerate() {
        let expected = if script.config[..at].iter().any(|(earlier, _)| earlier == name) {
            "each option once".to_owned()
        } else if !options.clone().set(name, 0) {
            unknown(name)
        } else {
            match Options::value_of(name, value) {
                Ok(value) => {
                    options.set(name, value);
                    continue;
                }
                Err(expected) => expected,
            }
        };
        let text = format!("config {name}={value}: expected {expected}");
        wrong.push(Wrong { place: Place::Config(at), text });
    }
    if let Err(error) = options.config().validate() {
        *options = before;
        let text = format!("config: expected options that fit each other, and {error}");
        wrong.push(Wrong { place: Place::Config(script.config.len().saturating_sub(1)), text });
    } else if let Err(fault) = options.checked_link() {
        let text = format!("config of the link: {fault}");
        let place = last_of(script, &["latency_nanos", "jitter_nanos", "bytes_per_second"]);
        (options.latency_nanos, options.jitter_nanos) = (before.latency_nanos, before.jitter_nanos);
        options.bytes_per_second = before.bytes_per_second;
        wrong.push(Wrong { place, text });
    }
    wrong
}

/// Returns what is expected in place of an option that is none.
fn unknown(name: &str) -> String {
    match name {
        "hosts" => "no such option: a scenario brings its own hosts".to_owned(),
        _ => {
            let near = Options::near(name).join(", ");
            format!("an option; near are {near}, and `tidelock scenarios --options` lists all")
        }
    }
}

/// Operations that wait for each other, so that none of them would come to pass.
pub fn circular(script: &Script) -> Vec<usize> {
    let lines = &script.operations;
    let labels: BTreeMap<&str, usize> =
        lines.iter().enumerate().map(|(at, line)| (line.label.as_str(), at)).collect();
    let mut done = BTreeSet::new();
    loop {
        let before = done.len();
        for (at, line) in lines.iter().enumerate() {
            let waits_for = match &line.when {
                When::At { .. } => None,
                When::After(label) => labels.get(label.as_str()),
            };
            if waits_for.is_none_or(|other| done.contains(other)) {
                done.insert(at);
            }
        }
        if done.len() == before {
            return (0..lines.len()).filter(|at| !done.contains(at)).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(Place, String)> {
        let read: Script = format!("tide 1\nscenario echo\n{text}").parse().unwrap();
        let cast = Cast { hosts: vec!["client", "server"], ..Cast::default() };
        let wrong = script(&read, &cast, &Options::neutral());
        wrong.into_iter().map(|wrong| (wrong.place, wrong.text)).collect()
    }

    #[test]
    fn what_is_impossible_is_told_before_anything_is_built() {
        let table = [
            ("config connections=10000000", Place::Config(0), "a number from 1 to 10000"),
            ("config batch_max=1 hosts=10000000", Place::Config(1), "brings its own hosts"),
            ("config batch=1", Place::Config(0), "an option; near are batch_max, "),
            ("config bytes_per_second=0", Place::Config(0), "or unbounded"),
            ("config workers=many", Place::Config(0), "a number from 0 to 64"),
            ("config latency_nanos=18446744073709551615", Place::Config(0), "to 3600000000000"),
            ("config workers=2 workers=3", Place::Config(1), "each option once"),
            ("config workers=-1", Place::Config(0), "a number from 0 to 64"),
            ("config outbox_bytes_max=1", Place::Config(0), "options that fit each other"),
            (
                "config latency_nanos=3600000000000 jitter_nanos=3600000000000 workers=1",
                Place::Config(1),
                "at most 3600000000000",
            ),
            ("op c1 @3601s client info", Place::Operation(0), "at most 3600s (an hour)"),
            ("fault p1 @3601s crash server until 2s", Place::Fault(0), "at most 3600s (an hour)"),
            ("fault p1 @1s crash server until 3601s", Place::Fault(0), "at most 3600s (an hour)"),
            ("op c1 @0 client fly", Place::Operation(0), "connect, connect-name"),
            ("op c01 @0 client info", Place::Operation(0), "a label as c2"),
            ("fault p1 @0 earthquake", Place::Fault(0), "partition"),
            (
                "op c1 after c2 client info\nop c2 after c1 client info",
                Place::Operation(0),
                "a time",
            ),
        ];
        for (text, place, expected) in table {
            let told = told(text);
            assert_eq!(told.first().map(|(place, _)| *place), Some(place), "{text}: {told:?}");
            assert!(told[0].1.contains(expected), "{text}: {told:?}");
        }
        assert!(told("config workers=3\nop c1 after c9 client info").is_empty());
    }
}
