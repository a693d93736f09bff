//! The judge: laws, coverage, digests and traces of a run.

pub mod checkpoints;
pub mod coverage;
pub mod digest;
pub mod fairness;
pub mod oracle;
pub mod outcome;
pub mod trace;

mod mark;
