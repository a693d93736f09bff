//! Things that should happen now and then: probes at hand-picked places.

use std::collections::BTreeMap;

/// The probes of the simulator itself: name and what it means. A place in the source names one
/// with `sometimes!`; a name that does not stand here does not compile.
///
/// Services have probes, too, by any name: [`Net::sometimes`](tidelock_core::Net::sometimes).
pub const CATALOGUE: [(&str, &str); 26] = [
    ("event-for-a-stale-id", "an event was fetched before its socket ended, and came after"),
    ("command-for-a-stale-id", "a service asked about a socket whose end was on its way to it"),
    ("message-for-nobody", "a socket was told of whose owner had gone"),
    ("accept-aborted", "a connection was gone before it was accepted"),
    ("accept-failed", "the system was out of something when a connection waited"),
    ("batch-in-pieces", "events of one poll were handed over with turns between them"),
    ("turn-with-work-left", "a turn's budget was too small for its work"),
    ("commands-left", "more was asked than one turn takes"),
    ("sent-at-once", "a service on the network thread sent without a command"),
    ("workers-all-busy", "a service had to wait because every worker was at work"),
    ("work-parted", "a service let commands go before its batch was over"),
    ("readable-and-not-wanted", "a socket was readable at rest, and nobody wanted to read it"),
    ("write-refused", "the system took nothing of what was offered"),
    ("read-to-the-brim", "a read gave as much as it was asked for"),
    ("read-told-that-nothing-is-left", "a read said that another one would block"),
    ("fin-told-before-it-was-read", "an event told of FIN while nothing had broken"),
    ("event-of-a-failure", "an event told that a socket broke"),
    ("connected-in-vain", "a connection was made for a socket that had been closed"),
    ("closed-while-readable", "a socket was closed with something left to read"),
    ("exit-with-sockets", "the host was asked to stop while it had sockets besides a listener"),
    ("exit-by-force", "an exit came to its deadline with sockets left"),
    ("exit-with-bytes-unsent", "an exit lost bytes"),
    ("addresses-race", "an address was tried while another was under way"),
    ("racer-won", "an address that was tried beside the first one connected before it"),
    ("rename-failed", "a connection that had won could not be given the name that was told"),
    ("host-paused", "a step of a host had to wait because the host stood still"),
];

/// The place of a name in [`CATALOGUE`]; evaluated while compiling.
///
/// # Panics
/// If it is not there, which is then a compile error.
pub const fn probe(name: &str) -> usize {
    let mut at = 0;
    while at < CATALOGUE.len() {
        if is_same(CATALOGUE[at].0, name) {
            return at;
        }
        at += 1;
    }
    panic!("no probe of that name stands in the catalogue")
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Counts that a probe of the simulator was reached, if the condition holds.
macro_rules! sometimes {
    ($coverage:expr, $condition:expr, $name:literal) => {{
        const PROBE: usize = $crate::judge::coverage::probe($name);
        if $condition {
            $coverage.probes.reach(PROBE);
        }
    }};
}

pub(crate) use sometimes;

/// The number of times that each probe was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// By place in the catalogue.
    own: [u64; CATALOGUE.len()],
    /// Of services, by name; those that were passed and not reached have 0.
    services: BTreeMap<&'static str, u64>,
}

impl Probes {
    /// A probe of the catalogue was reached.
    #[inline]
    pub const fn reach(&mut self, probe: usize) {
        self.own[probe] += 1;
    }

    /// A service passed one of its own.
    pub fn pass(&mut self, name: &'static str, has_happened: bool) {
        *self.services.entry(name).or_default() += u64::from(has_happened);
    }

    /// Every name with its count: the catalogue, and then the services' by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let own = CATALOGUE.iter().map(|(name, _)| *name).zip(self.own);
        own.chain(self.services.iter().map(|(name, count)| (*name, *count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::{fs, iter};

    fn sources(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("it can be listed").path());
        let mut texts = Vec::new();
        for path in paths {
            if path.is_dir() {
                texts.extend(sources(&path));
            } else if !path.ends_with("probes.rs") {
                texts.push(fs::read_to_string(&path).expect("a source is text"));
            }
        }
        texts
    }

    #[test]
    fn every_probe_of_the_catalogue_stands_in_one_place() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        for (name, meaning) in CATALOGUE {
            let quoted = format!(", \"{name}\")");
            let places: usize = sources.iter().map(|text| text.matches(&quoted).count()).sum();
            assert_eq!(places, 1, "{name} ({meaning})");
        }
    }

    #[test]
    fn names_are_found_and_counted() {
        assert_eq!(CATALOGUE[probe("work-parted")].0, "work-parted");
        let mut probes = Probes::default();
        probes.reach(probe("accept-failed"));
        probes.pass("frame in pieces", false);
        probes.pass("frame alone", true);
        probes.pass("frame alone", true);
        let reached: Vec<_> = probes.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(reached, [("accept-failed", 1), ("frame alone", 2)]);
        let passed = probes.iter().filter(|(name, _)| name.contains(' '));
        assert!(passed.eq([("frame alone", 2), ("frame in pieces", 0)]), "by name");
        assert_eq!(probes.iter().count(), CATALOGUE.len() + 2);
        assert!(iter::zip(CATALOGUE, probes.iter()).all(|(one, (name, _))| one.0 == name));
    }
}
