//! Where numbers come from: decisions, streams of a seed, noise.

pub mod choices;
pub mod noise;
pub mod streams;
