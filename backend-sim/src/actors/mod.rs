//! Those who act in a world: hosts with a Mux and services, and scripted peers.

pub mod host;
pub(crate) mod operator;
pub(crate) mod peer;
mod player;
pub mod shared;
