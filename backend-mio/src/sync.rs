//! The atomics and locks of the queues between threads.
//!
//! `backend-mio/tests/loom` compiles the same files over loom's types in the place of this module,
//! and explores their interleavings.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
