//! The tests that need both backends.
