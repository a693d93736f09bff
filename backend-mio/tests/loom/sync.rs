//! Loom's types, in the place of `backend-mio/src/sync.rs`.

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
