//! The atomics and locks of the core.
//!
//! `core/tests/loom` compiles the same files over loom's types in the place of this module, and
//! explores their interleavings. A type that came from `std` directly would be invisible to it.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
