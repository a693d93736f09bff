//! Commands on their way to the network thread.

use std::fmt;
use std::mem;
use std::sync::PoisonError;
use std::sync::mpsc::SyncSender;

use tidelock_core::{Command, Delivery, Endpoint, Fault, SocketId};

use crate::contained::{drop_commands, drop_messages};
use crate::sync::{Arc, AtomicBool, Mutex, MutexGuard, Ordering};
use crate::sys::Waker;

/// A thread that waits for a listener to open.
pub(crate) type ListenWaiter = (SocketId, SyncSender<Result<Endpoint, Fault>>);

/// Commands on their way to the network thread, a batch at a time.
///
/// # When the network thread is woken
///
/// The flag that it sleeps stands under the same lock as the queue. It declares itself asleep only
/// when it finds the queue empty under the lock, and whoever pushes looks under the lock as well.
/// So either the push came first, and the thread does not go to sleep; or the declaration came
/// first, and the one who pushes sees it, takes it back, and wakes the thread, which may at that
/// moment not even have reached its wait: the waker's event is then pending in the poller. Taking
/// the declaration back makes it at most one wake-up per sleep; a thread that is awake is never
/// woken.
///
/// *Handled*, which ends every batch, wakes nobody by itself: where a worker wrote what its service
/// sent, the network thread would be woken for that alone. It comes with the next command or event,
/// or when so much was handled that a mailbox might have room again. A mailbox that holds input
/// back has room when half of its limit is handled; so with less than that waiting here nothing is
/// held back that need not be.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    /// Handled bytes from which on the network thread is woken; at most half of a mailbox.
    quiet_bytes_max: usize,
    /// A hint that needs no lock: set under the lock with every push.
    is_filled: AtomicBool,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Queue");
        shown.field("commands", &self.commands).field("deliveries", &self.deliveries.len());
        shown.field("is_network_asleep", &self.is_network_asleep).finish_non_exhaustive()
    }
}

/// The contents of an inbox besides commands.
pub(crate) struct Taken {
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) listen_waiters: Vec<ListenWaiter>,
}

struct Queue {
    commands: Vec<Command>,
    /// For services that run on the network thread: what the Muxes of others told them.
    deliveries: Vec<Delivery>,
    listen_waiters: Vec<ListenWaiter>,
    is_network_asleep: bool,
    /// The bytes that *handled* commands in the queue give back.
    quiet_bytes: usize,
    /// `None` once the network thread has ended; nothing is taken then.
    waker: Option<Arc<Waker>>,
}

impl Inbox {
    /// An empty one, for a network thread that is awake.
    pub(crate) fn new(waker: Arc<Waker>, mailbox_bytes_max: usize) -> Self {
        let queue = Queue {
            quiet_bytes: 0,
            commands: Vec::new(),
            deliveries: Vec::new(),
            listen_waiters: Vec::new(),
            is_network_asleep: false,
            waker: Some(waker),
        };
        let quiet_bytes_max = (mailbox_bytes_max / 2).min(QUIET_BYTES_MAX);
        Self { queue: Mutex::new(queue), quiet_bytes_max, is_filled: AtomicBool::new(false) }
    }

    /// Takes all of `commands`; if the network thread has ended they are dropped, because no
    /// socket is left that they could be about.
    pub(crate) fn push_batch(&self, commands: &mut Vec<Command>) {
        if commands.is_empty() {
            return;
        }
        let quiet_bytes = quiet_bytes(commands);
        let mut queue = self.lock();
        if queue.waker.is_none() {
            drop(queue);
            return drop_commands(commands.drain(..));
        }
        if queue.commands.is_empty() {
            mem::swap(&mut queue.commands, commands);
        } else {
            queue.commands.append(commands);
        }
        queue.quiet_bytes = queue.quiet_bytes.saturating_add(quiet_bytes.unwrap_or(0));
        if quiet_bytes.is_some() && queue.quiet_bytes < self.quiet_bytes_max {
            self.is_filled.store(true, Ordering::Release);
            return;
        }
        self.filled(queue);
    }

    /// Takes one command.
    ///
    /// # Errors
    /// If the network thread has ended; gives the command back.
    pub(crate) fn push(&self, command: Command) -> Result<(), Command> {
        let mut queue = self.lock();
        if queue.waker.is_none() {
            return Err(command);
        }
        queue.commands.push(command);
        self.filled(queue);
        Ok(())
    }

    /// Takes a command whose outcome is waited for.
    ///
    /// # Errors
    /// If the network thread has ended; gives the command back.
    pub(crate) fn push_listen(
        &self,
        command: Command,
        waiter: ListenWaiter,
    ) -> Result<(), Command> {
        let mut queue = self.lock();
        if queue.waker.is_none() {
            return Err(command);
        }
        queue.listen_waiters.push(waiter);
        queue.commands.push(command);
        self.filled(queue);
        Ok(())
    }

    /// Takes all of `deliveries`, for services that run on the network thread.
    pub(crate) fn push_deliveries(&self, deliveries: &mut Vec<Delivery>) {
        if deliveries.is_empty() {
            return;
        }
        let mut queue = self.lock();
        if queue.waker.is_none() {
            drop(queue);
            // What they own is the user's, whose drop must not meet the lock.
            return deliveries.drain(..).for_each(|delivery| drop_messages(|| drop(delivery)));
        }
        queue.deliveries.append(deliveries);
        self.filled(queue);
    }

    /// Returns `true` if the network thread has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().waker.is_none()
    }

    /// Returns `true` if something waits; may be late by a moment.
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled.load(Ordering::Acquire)
    }

    /// Returns the number of commands that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().commands.len()
    }

    /// The network thread is awake and takes everything. `commands` is empty and is swapped
    /// in, so no command is moved.
    pub(crate) fn take(&self, commands: &mut Vec<Command>) -> Taken {
        assert!(commands.is_empty(), "commands would be out of order");
        let mut queue = self.lock();
        queue.is_network_asleep = false;
        queue.quiet_bytes = 0;
        self.is_filled.store(false, Ordering::Release);
        mem::swap(&mut queue.commands, commands);
        Taken {
            deliveries: mem::take(&mut queue.deliveries),
            listen_waiters: mem::take(&mut queue.listen_waiters),
        }
    }

    /// The network thread is going to wait; answers whether it may, because nothing is there.
    pub(crate) fn fall_asleep(&self) -> bool {
        let mut queue = self.lock();
        // Whoever waits for a listener has asked for it.
        let is_empty = queue.commands.is_empty() && queue.deliveries.is_empty();
        queue.is_network_asleep = is_empty;
        is_empty
    }

    /// The network thread has waited. What came meanwhile is for its next look at the hint.
    pub(crate) fn wake_up(&self) {
        self.lock().is_network_asleep = false;
    }

    /// The network thread ends: nothing is taken any more.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        let rest = (mem::take(&mut queue.commands), mem::take(&mut queue.deliveries));
        let waiters = mem::take(&mut queue.listen_waiters);
        queue.waker = None;
        drop(queue);
        // Commands own services and values of users, whose drop must not meet the lock.
        let (commands, deliveries) = rest;
        drop_commands(commands);
        deliveries.into_iter().for_each(|delivery| drop_messages(|| drop(delivery)));
        drop(waiters);
    }

    fn filled(&self, mut queue: MutexGuard<'_, Queue>) {
        self.is_filled.store(true, Ordering::Release);
        if !mem::take(&mut queue.is_network_asleep) {
            return;
        }
        let waker = queue.waker.clone();
        drop(queue);
        if let Some(waker) = waker {
            // An eventfd or pipe that exists takes a wake-up; without one the runtime is deaf.
            waker.wake().expect("the network thread can be woken");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics under the lock but a failed allocation.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So much is handled without a word at most: memory for the commands is bounded, too.
const QUIET_BYTES_MAX: usize = 64 << 10;

/// Returns the bytes that a batch gives back, if that is all that it does.
fn quiet_bytes(commands: &[Command]) -> Option<usize> {
    commands.iter().try_fold(0_usize, |sum, command| match command {
        Command::Handled { charge_bytes, exit: false, .. } => sum.checked_add(*charge_bytes),
        _ => None,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::backend::WAKE_TOKEN;
    use crate::sys::{Events, Poll};
    use std::thread;
    use std::time::Duration;
    use tidelock_core::ServiceId;

    fn command(number: u64) -> Command {
        let service = ServiceId::from_bits(1 << 32).unwrap();
        Command::Handled { service, charge_bytes: number as usize, exit: false, shard: 0 }
    }

    fn setup() -> (Poll, Inbox) {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), WAKE_TOKEN).unwrap());
        // Every command wakes.
        (poll, Inbox::new(waker, 0))
    }

    fn wake_ups(poll: &mut Poll) -> usize {
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        events.iter().count()
    }

    #[test]
    fn an_awake_thread_is_not_woken_and_a_sleeping_one_once() {
        let (mut poll, inbox) = setup();
        inbox.push(command(1)).unwrap();
        assert_eq!(wake_ups(&mut poll), 0);
        assert!(!inbox.fall_asleep(), "a command waits");
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 1);
        assert!(inbox.fall_asleep());
        inbox.push(command(2)).unwrap();
        assert_eq!(wake_ups(&mut poll), 1);
        inbox.push_batch(&mut vec![command(3), command(4)]);
        assert_eq!(wake_ups(&mut poll), 0, "it was woken already");
        assert!(inbox.is_filled());
    }

    #[test]
    fn no_wake_up_is_lost_between_many_threads() {
        const THREADS: u64 = 4;
        const COMMANDS: u64 = 5_000;
        let (mut poll, inbox) = setup();
        let inbox = &inbox;
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(move || {
                    for number in 0..COMMANDS {
                        inbox.push_batch(&mut vec![command(number)]);
                        if number % 64 == 0 {
                            thread::yield_now();
                        }
                    }
                });
            }
            let (mut count, mut commands) = (0, Vec::new());
            let mut events = Events::with_capacity(8);
            while count < THREADS * COMMANDS {
                if inbox.fall_asleep() {
                    poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                    assert!(!events.is_empty(), "a wake-up was lost");
                }
                inbox.take(&mut commands);
                count += commands.drain(..).count() as u64;
            }
        });
    }

    #[test]
    fn what_was_handled_wakes_when_a_mailbox_may_have_room() {
        let (mut poll, Inbox { queue, .. }) = setup();
        let waker = queue.into_inner().unwrap().waker.unwrap();
        let inbox = Inbox::new(waker, 200);
        assert!(inbox.fall_asleep());
        inbox.push_batch(&mut vec![command(64)]);
        assert_eq!(wake_ups(&mut poll), 0, "it need not know yet");
        assert!(inbox.is_filled() && !inbox.fall_asleep(), "it takes it before it sleeps again");
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.drain(..).len(), 1);
        assert!(inbox.fall_asleep());
        inbox.push_batch(&mut vec![command(64)]);
        inbox.push_batch(&mut vec![command(36)]);
        assert_eq!(wake_ups(&mut poll), 1, "half of a mailbox is handled");
        inbox.take(&mut taken);
        assert_eq!(taken.drain(..).len(), 2);
        assert!(inbox.fall_asleep());
        inbox.push_batch(&mut vec![command(64)]);
        let service = ServiceId::from_bits(1 << 32).unwrap();
        let release = Command::Release { service, abrupt: false };
        inbox.push_batch(&mut vec![command(1), release]);
        assert_eq!(wake_ups(&mut poll), 1, "the other does not wait");
        let exit = Command::Handled { service, charge_bytes: 1, exit: true, shard: 0 };
        inbox.take(&mut taken);
        assert!(inbox.fall_asleep());
        inbox.push_batch(&mut vec![exit]);
        assert_eq!(wake_ups(&mut poll), 1, "an exit goes on");
    }

    #[test]
    fn a_closed_inbox_gives_back() {
        let (_poll, inbox) = setup();
        inbox.close();
        assert!(inbox.push(command(1)).is_err());
        let mut batch = vec![command(2)];
        inbox.push_batch(&mut batch);
        assert!(batch.is_empty());
    }
}
