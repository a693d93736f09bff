//! The parts that tests share: models, the replay of fuzz corpora, and conformance bodies with
//! the arms that run them.

pub mod arm;
pub mod conformance;
pub mod corpus;
pub mod driver;
pub mod grammar;
pub mod mux_model;
pub mod outbox_model;
pub mod scripted;
pub mod world;
pub mod world_input;

/// The programs in the README, compiled and run as it shows them.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
