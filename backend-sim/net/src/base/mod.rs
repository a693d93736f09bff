//! Tools that every room of the network uses, and that name nothing of it.

pub mod few;
pub mod fingerprint;
pub mod mix;
pub mod recycle;
