//! The participants of a world.

use super::client::{Client, Heard};

/// The participants of a world, by number: operations and troubles are spelled with them, and those
/// who perform them look them up.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// The hosts' names.
    pub hosts: Vec<&'static str>,
    /// The clients' scripts, and where it is kept what each hears.
    pub clients: Vec<(Client, Heard)>,
}

impl Cast {
    /// A host's name.
    pub fn host(&self, number: u16) -> &'static str {
        self.hosts.get(number as usize).copied().unwrap_or("nowhere")
    }

    /// The number of the host with this name.
    pub fn find_host(&self, name: &str) -> Option<u16> {
        self.hosts.iter().position(|known| *known == name).map(|number| number as u16)
    }

    /// The number of the client with this name.
    pub fn find_client(&self, name: &str) -> Option<u16> {
        let mut names = self.clients.iter().map(|(client, _)| client.name);
        names.position(|known| known == name).map(|number| number as u16)
    }
}
