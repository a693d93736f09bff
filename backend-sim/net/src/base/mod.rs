//! What every room of the network uses, and what names nothing of it.

pub mod few;
pub mod fingerprint;
pub mod mix;
pub mod recycle;
