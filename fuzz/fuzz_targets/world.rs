//! Any bytes, read as a configuration and decisions of a simulated world, under its oracle.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidelock_tests::world_input;

fuzz_target!(|bytes: &[u8]| world_input::run(bytes));
