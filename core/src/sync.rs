//! The atomics of the gate, in one place.
//!
//! `core/tests/loom.rs` compiles the very files that use this module with loom's atomics in its
//! place, and walks their interleavings.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
