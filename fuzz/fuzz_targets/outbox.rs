//! Any bytes, read as operations on an outbox, against the byte-vector model.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidelock_tests::outbox_model;

fuzz_target!(|bytes: &[u8]| outbox_model::run(&outbox_model::decode(bytes)));
