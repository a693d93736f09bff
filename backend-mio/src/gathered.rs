//! Outputs of the Mux on their way to other threads.

use std::time::Duration;

use tidelock_core::{Command, Delivery, Directory, Instant, Message, Progress};

use crate::inboxes::Inboxes;
use crate::workers::Pool;

/// Outputs of the Mux that are for workers, or for other network threads.
///
/// Outputs that come at once go in few batches, because to wake a thread costs more than most
/// messages;
/// but nothing waits for turns that bring no more, nor for long.
pub(crate) struct Gathered {
    own_shard: u32,
    /// By shard, what is for services there; what is for workers lies in this one's.
    deliveries: Box<[Vec<Delivery>]>,
    /// The payload of what is for workers.
    payload_bytes: usize,
    /// Since when something waits, and when the latest of it came.
    since: Option<Instant>,
    latest: Instant,
    /// By shard, what the Mux asks of others.
    commands: Box<[Vec<Command>]>,
}

/// Workers get what waits when a turn ends with so many messages …
const MESSAGES_MAX: usize = 128;
/// … or so much payload, which is still in the cache then …
const PAYLOAD_BYTES_MAX: usize = 128 << 10;
/// … or after so long.
const WAIT_MAX: Duration = Duration::from_micros(500);

impl Gathered {
    pub(crate) fn new(own_shard: u32, shards: u32) -> Self {
        Self {
            own_shard,
            deliveries: (0..shards).map(|_| Vec::new()).collect(),
            payload_bytes: 0,
            since: None,
            latest: Instant::ZERO,
            commands: (0..shards).map(|_| Vec::new()).collect(),
        }
    }

    /// Adds an output for the workers, or a command for another network thread.
    #[inline]
    pub(crate) fn add_for_workers(&mut self, delivery: Delivery, now: Instant) {
        match delivery {
            Delivery::Command { shard, command } => self.commands[shard as usize].push(command),
            delivery => {
                self.payload_bytes += payload_bytes(&delivery);
                self.deliveries[self.own_shard as usize].push(delivery);
            }
        }
        self.came(now);
    }

    /// Adds an output for a service on another network thread, or a command for that thread.
    pub(crate) fn add_for_shard(
        &mut self,
        delivery: Delivery,
        directory: &Directory,
        now: Instant,
    ) {
        match delivery {
            Delivery::Command { shard, command } => self.commands[shard as usize].push(command),
            delivery => {
                let service = delivery.service().expect("only commands are about no service");
                self.deliveries[directory.home_of(service) as usize].push(delivery);
            }
        }
        self.came(now);
    }

    fn came(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.latest = now;
    }

    /// Returns `true` if other threads are to get what waits, after a turn from `then` to `now`.
    #[inline]
    pub(crate) fn is_due(&self, progress: Progress, then: Instant, now: Instant) -> bool {
        let Some(since) = self.since else { return false };
        progress != Progress::More
            || self.latest < then
            || self.deliveries[self.own_shard as usize].len() >= MESSAGES_MAX
            || self.payload_bytes >= PAYLOAD_BYTES_MAX
            || now.saturating_since(since) >= WAIT_MAX
    }

    /// Gives other threads what waits; answers whether workers got something.
    #[inline]
    pub(crate) fn hand_over(&mut self, pool: Option<&Pool>, inboxes: &Inboxes) -> bool {
        self.since.take().is_some() && self.hand_all_over(pool, inboxes)
    }

    fn hand_all_over(&mut self, pool: Option<&Pool>, inboxes: &Inboxes) -> bool {
        let own = &mut self.deliveries[self.own_shard as usize];
        let pool = pool.filter(|_| !own.is_empty());
        if let Some(pool) = pool {
            pool.deliver(own);
            own.clear();
            self.payload_bytes = 0;
        }
        for (shard, deliveries) in (0..).zip(&mut self.deliveries) {
            inboxes.of(shard).push_deliveries(deliveries);
        }
        // Behind the messages, which another Mux may count on.
        for (shard, commands) in (0..).zip(&mut self.commands) {
            inboxes.of(shard).push_batch(commands);
        }
        pool.is_some()
    }
}

/// The payload that a worker will read.
fn payload_bytes(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Message(_, Message::Data { bytes, .. }) => bytes.len(),
        Delivery::Message(_, Message::Udp { payload, .. }) => payload.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tidelock_core::ServiceId;

    use super::*;

    fn message() -> Delivery {
        let service = ServiceId::from_bits(u64::from(NonZeroU32::MIN.get()) << 32).unwrap();
        Delivery::Message(service, Message::Exit)
    }

    #[test]
    fn what_is_gathered_waits_only_while_more_comes_and_not_for_long() {
        let mut gathered = Gathered::new(0, 1);
        let at = |micros| Instant::ZERO + Duration::from_micros(micros);
        let due =
            |gathered: &Gathered, progress, now| gathered.is_due(progress, at(now), at(now + 10));
        assert!(!due(&gathered, Progress::Idle, 0), "nothing is there");
        gathered.add_for_workers(message(), at(100));
        assert!(!due(&gathered, Progress::More, 100), "more may come with the next turn");
        assert!(due(&gathered, Progress::Idle, 100), "the thread would sleep");
        assert!(due(&gathered, Progress::Exit, 100));
        assert!(due(&gathered, Progress::More, 120), "a turn brought no more");
        gathered.latest = at(580);
        assert!(!due(&gathered, Progress::More, 580));
        gathered.latest = at(590);
        assert!(due(&gathered, Progress::More, 590), "that is long enough");
        gathered.payload_bytes = PAYLOAD_BYTES_MAX;
        assert!(due(&gathered, Progress::More, 580), "as much as a cache holds");
        gathered.payload_bytes = 0;
        gathered.deliveries[0].extend((1..MESSAGES_MAX).map(|_| message()));
        assert!(due(&gathered, Progress::More, 580), "many");
    }
}
