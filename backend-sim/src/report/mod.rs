//! Output for people: aligned tables, and a failure on one screen.
//!
//! Everything here is a function from values to text; who prints it, and where, is not decided.

mod summary;
pub(crate) mod table;
pub(crate) mod text;

pub use summary::Summary;
pub use table::{Align, Table};
pub use text::{
    FAILURE_LINES_MAX, failure_text, grouped, per_second, percent, run_text, scaled, seconds,
};
