//! The words for what takes part in a world, and for what is asked of it and done to it.

pub mod behaviour;
pub mod cast;
pub mod client;
pub mod decision;
pub mod kinds;
pub mod names;
pub mod operation;
pub mod payload;
pub mod ports;
pub mod text;
pub mod trouble;
