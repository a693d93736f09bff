//! Room that a kernel leaves to the next one.

use super::{Completion, Datagram, End, Kernel, Pipe, Socket};
use crate::base::recycle::empty;
use crate::chance::choices::Choices;
use crate::system::schedule::Schedule;

/// Room for what grows in a kernel; nothing is in it.
#[derive(Default)]
pub struct Room {
    pub(super) schedule: Schedule,
    pub(super) sockets: Vec<Socket>,
    pub(super) ends: Vec<End>,
    pub(super) pipes: Vec<Pipe>,
    pub(super) datagrams: Vec<Option<Datagram>>,
    pub(super) completions: Vec<Option<(u32, Completion)>>,
}

impl<C: Choices> Kernel<C> {
    /// Gives back who decided, and room for the next one.
    pub fn into_room(self) -> (C, Room) {
        let Self { choices, mut schedule, mut sockets, mut ends, mut pipes, .. } = self;
        let (mut datagrams, mut completions) = (self.datagrams, self.completions);
        schedule.clear();
        empty(&mut sockets);
        empty(&mut ends);
        empty(&mut pipes);
        empty(&mut datagrams);
        empty(&mut completions);
        (choices, Room { schedule, sockets, ends, pipes, datagrams, completions })
    }
}
