//! What an interrupted search has done, in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};
use tidelock_sim::explore::Sums;

use crate::exit::Problem;

/// The units that are done, and what they came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) units: BTreeSet<u32>,
    pub(crate) sums: Sums,
}

/// All parts of one search, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Of this format.
    version: u32,
    /// What is searched, and by which build's version.
    search: String,
    pub(crate) parts: BTreeMap<String, Part>,
}

const VERSION: u32 = 1;

impl Checkpoint {
    /// Nothing is done.
    pub(crate) fn new(search: String) -> Checkpoint {
        Checkpoint { version: VERSION, search, parts: BTreeMap::new() }
    }

    /// What the file says; nothing is done if there is none.
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
