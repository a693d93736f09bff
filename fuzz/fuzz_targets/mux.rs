//! Any bytes, read as a style, a seed and operations, against the reference model of the Mux.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidelock_tests::mux_model;

fuzz_target!(|bytes: &[u8]| {
    let (style, seed, operations) = mux_model::decode(bytes);
    mux_model::run(style, seed, &operations);
});
