//! What a person reads: aligned tables, and a failure on one screen.
//!
//! Everything here is a function from values to text; who prints it, and where, is not decided.

mod story;
mod summary;
mod table;
mod text;

pub use story::{columns, story_text};
pub use summary::Summary;
pub use table::{Align, Table};
pub use text::{
    FAILURE_LINES_MAX, failure_text, grouped, per_second, percent, run_text, scaled, seconds,
};
