//! The memory that a world leaves to the next one: room, and nothing in it.

use tidelock_net::system::kernel;

use crate::judge::oracle;

/// Room for what grows in a world. Whoever runs many of them, one after the other, hands it from
/// each to the next; what they do does not depend on it.
#[derive(Default)]
pub struct Memory {
    pub(crate) kernel: kernel::Room,
    pub(crate) oracle: oracle::Room,
}
