//! Hosts as a whole: their crash, their clock.

use super::{EndState, Kernel, Shape};
use crate::chance::choices::Choices;

impl<C: Choices> Kernel<C> {
    /// A host forgets everything and is silent until then. What was under way from it is lost;
    /// what comes for it afterwards is answered with RST, or meets its new program.
    pub fn crash_host(&mut self, host: u16, until_nanos: u64) {
        assert!(until_nanos >= self.now, "it comes back later");
        for socket in 0..self.sockets.len() {
            if self.sockets[socket].host == host {
                self.forget(socket);
            }
        }
        for end in 0..self.ends.len() {
            let near = &mut self.ends[end];
            // The far end of a connect that did not arrive yet is none of its host's.
            let is_unborn = near.socket.is_none() && near.state == EndState::Connecting;
            if near.local.host != host || is_unborn {
                continue;
            }
            (near.state, near.socket, near.error) = (EndState::Closed, None, None);
            near.is_broken = true;
            self.pipes[end].cut_off();
        }
        let table = &mut self.hosts[host as usize];
        table.ready.clear();
        table.completed.clear();
        table.closed.clear();
        table.listening.clear();
        table.bound.clear();
        table.descriptors = 0;
        table.down_until_nanos = table.down_until_nanos.max(until_nanos);
        table.paused_until_nanos = table.paused_until_nanos.max(until_nanos);
    }

    fn forget(&mut self, socket: usize) {
        let s = &mut self.sockets[socket];
        (s.is_open, s.is_closing, s.is_dead) = (false, false, true);
        s.is_queued = false;
        s.pending = None;
        if let Shape::Listener { backlog, .. } = &mut s.shape {
            backlog.clear();
        }
    }

    /// A host's own time.
    #[inline]
    pub fn local_now(&self, host: u16) -> u64 {
        self.hosts[host as usize].clock.local(self.now)
    }

    /// The first time at which a host's own time is `local` or later.
    pub fn global(&self, host: u16, local: u64) -> u64 {
        self.hosts[host as usize].clock.global(local)
    }

    /// From now on a host's clock is too fast by so many millionths. The host looks at it.
    pub fn set_clock_rate(&mut self, host: u16, rate_ppm: i32) {
        let now = self.now;
        self.hosts[host as usize].clock.set_rate(now, rate_ppm);
        self.wake(host);
    }

    /// A host's clock jumps ahead. The host looks at it.
    pub fn jump_clock(&mut self, host: u16, nanos: u64) {
        let now = self.now;
        self.hosts[host as usize].clock.jump(now, nanos);
        self.wake(host);
    }
}
