#![doc = include_str!("../docs/states.md")]
