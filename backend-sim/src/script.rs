//! The `.tide` artefact.

/// A run, written down: to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {}
