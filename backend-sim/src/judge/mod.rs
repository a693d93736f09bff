//! What is judged, counted and told of a run.

pub mod checkpoints;
pub mod coverage;
pub mod digest;
pub mod fairness;
pub mod oracle;
pub mod outcome;
pub mod trace;

mod mark;
