//! The figures that a bench has measured so far, and the simulators that it asks.

use std::path::{Path, PathBuf};

use crate::instructions::Instructions;
use crate::peer::{self, Peer};
use crate::samples::{Ratio, Target};

/// The figures that a bench has measured so far, and the simulators that it asks.
pub(crate) struct Bench {
    /// More samples are taken, and of larger worlds.
    pub(crate) is_full: bool,
    /// The counts of instructions so far.
    pub(crate) instructions: Instructions,
    /// The folder of the peers' programs, if a row asks them.
    programs: Option<PathBuf>,
    ratios: Vec<Ratio>,
}

/// The other simulators.
pub(crate) struct Peers {
    pub(crate) madsim: Peer,
    pub(crate) turmoil: Peer,
}

impl Bench {
    /// A bench whose rows may ask the peers, if there are programs.
    pub(crate) fn new(is_full: bool, programs: Option<PathBuf>) -> Self {
        let (instructions, ratios) = Default::default();
        Self { is_full, instructions, programs, ratios }
    }

    /// The folder of the peers' programs.
    ///
    /// # Panics
    /// If no row said that it asks them.
    pub(crate) fn programs(&self) -> &Path {
        self.programs.as_deref().expect("a row that asks the peers says so")
    }

    /// Starts the peers.
    pub(crate) fn peers(&self) -> Peers {
        Peers {
            madsim: Peer::start(self.programs(), peer::MADSIM),
            turmoil: Peer::start(self.programs(), peer::TURMOIL),
        }
    }

    /// Keeps a figure for the last lines.
    pub(crate) fn note(&mut self, name: impl Into<String>, value: f64, target: Target) {
        self.ratios.push(Ratio { name: name.into(), value, target });
    }

    /// The figures, in the order in which they were measured.
    pub(crate) fn into_ratios(self) -> Vec<Ratio> {
        self.ratios
    }
}
