//! Behaviour that every arm must show, written once.
//!
//! A body builds a [`World`](crate::world::World) on the arm that it is given. Those marked
//! (scripted) break things that only the kernel in memory lets one break.

pub mod closing;
pub mod flow;
pub mod limits;
pub mod list;
pub mod matrix;
pub mod opening;
pub mod racing;
pub mod services;
pub mod timeouts;
