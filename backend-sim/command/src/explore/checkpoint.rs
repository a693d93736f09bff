//! The work that an interrupted search has done, in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidelock_sim::internal::search::explore::{Chosen, Sums};

use crate::exit::Problem;

/// The units that are done, and what they came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) units: BTreeSet<u32>,
    #[serde(with = "StoredSums")]
    pub(crate) sums: Sums,
}

/// The form of [`Sums`] in the file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Sums")]
struct StoredSums {
    schedules: u64,
    events: u64,
    states: u64,
    signatures: BTreeMap<String, u64>,
    #[serde(serialize_with = "write_firsts", deserialize_with = "read_firsts")]
    firsts: BTreeMap<String, Vec<Chosen>>,
}

/// The form of [`Chosen`] in the file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Chosen")]
struct StoredChosen {
    point: u32,
    value: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored(#[serde(with = "StoredChosen")] Chosen);

fn write_firsts<S: Serializer>(
    firsts: &BTreeMap<String, Vec<Chosen>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let stored = |chosen: &Vec<Chosen>| chosen.iter().copied().map(Stored).collect::<Vec<_>>();
    serializer.collect_map(firsts.iter().map(|(signature, chosen)| (signature, stored(chosen))))
}

fn read_firsts<'a, D: Deserializer<'a>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<Chosen>>, D::Error> {
    let firsts = BTreeMap::<String, Vec<Stored>>::deserialize(deserializer)?;
    let chosen = |stored: Vec<Stored>| stored.into_iter().map(|Stored(chosen)| chosen).collect();
    Ok(firsts.into_iter().map(|(signature, stored)| (signature, chosen(stored))).collect())
}

/// All parts of one search, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Of this format.
    version: u32,
    /// The search, and the version of the build.
    search: String,
    pub(crate) parts: BTreeMap<String, Part>,
}

const VERSION: u32 = 1;

impl Checkpoint {
    /// Nothing is done.
    pub(crate) fn new(search: String) -> Checkpoint {
        Checkpoint { version: VERSION, search, parts: BTreeMap::new() }
    }

    /// Reads the file; nothing is done if there is none.
    pub(crate) fn open(path: &Path, search: String) -> Result<Checkpoint, Problem> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Checkpoint::new(search));
            }
            read => read.map_err(|error| {
                Problem::Usage(format!("{shown}: {error}; allowed: a checkpoint, or no such file"))
            })?,
        };
        let found: Checkpoint = serde_json::from_str(&text).map_err(|error| {
            Problem::Usage(format!("{shown}: {error}; allowed: what --checkpoint wrote"))
        })?;
        if (found.version, &found.search) == (VERSION, &search) {
            return Ok(found);
        }
        let (version, other) = (found.version, found.search);
        Err(Problem::Usage(format!(
            "{shown} is a checkpoint (version {version}) of `{other}`; allowed: version {VERSION} \
            of `{search}`, or another file"
        )))
    }

    /// Replaces the file at once: a reader sees the old or the new one.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Problem> {
        let text = serde_json::to_string(self).expect("sums and names are JSON");
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, path))
            .map_err(|error| Problem::Output(path.display().to_string(), error))
    }
}
