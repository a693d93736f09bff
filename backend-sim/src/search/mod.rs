//! Searches: for the least of a failure, and through every run of a small world.

pub mod explore;
pub mod shrink;
pub mod story_text;
