//! What threads share on their way to each other, in one place.
//!
//! `backend-mio/tests/loom` compiles the very files that use this module with loom's in its place,
//! and walks their interleavings.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
