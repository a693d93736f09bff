//! What threads share: the atomics and locks of the core, in one place.
//!
//! `core/tests/loom` compiles the very files that use this module with loom's in its place, and
//! walks their interleavings.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
