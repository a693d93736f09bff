//! Tests of the parts of the bench `server` that measure nothing.
//!
//! A bench without a harness runs no tests, so `cargo test` compiles their files here once more.

#[path = "../../benches/server/arguments.rs"]
mod arguments;
mod arguments_test;
#[path = "../../benches/server/ratchet.rs"]
mod ratchet;
mod ratchet_test;
#[path = "../../benches/server/selection.rs"]
mod selection;
mod selection_test;
