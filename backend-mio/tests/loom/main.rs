//! The inbox of the network thread under every interleaving with those who fill it.
//!
//! `RUSTFLAGS='--cfg loom -C debug-assertions' LOOM_MAX_PREEMPTIONS=3 \
//! cargo test --release -p tidelock-mio --test loom`
//!
//! This is the very file of the library, compiled with loom's atomics and locks in the place of
//! the standard ones (`sync`), and with a model of the poller's waker (`sys`).
#![cfg(loom)]

#[path = "../../src/inbox.rs"]
#[allow(dead_code, reason = "listeners are not asked for here")]
mod inbox;
mod sync;
mod sys;

use std::num::NonZeroU32;

use loom::model::Builder;
use loom::thread;
use tidelock_core::{Command, ServiceId, SocketId};

use inbox::Inbox;
use sync::Arc;
use sys::Waker;

/// So many threads fill the inbox.
const WORKERS: usize = 2;
/// So many times each.
const BATCHES: usize = 2;

fn command(number: usize) -> Command {
    Command::Flush { id: SocketId::new(number as u32, NonZeroU32::MIN) }
}

fn number(command: &Command) -> usize {
    command.socket().expect("only such commands are pushed").index() as usize
}

/// Takes what is there, or sleeps until something is; answers whether it slept.
fn take(inbox: &Inbox, waker: &Waker, commands: &mut Vec<Command>) -> bool {
    if inbox.is_filled() {
        inbox.take(commands);
        return false;
    }
    let sleeps = inbox.fall_asleep();
    if sleeps {
        waker.wait();
        inbox.take(commands);
    }
    sleeps
}

/// The network thread takes until it has all, and sleeps as the real one does. A wake-up that was
/// lost would leave it asleep for ever, which loom tells.
fn take_all(inbox: &Inbox, waker: &Waker) -> (Vec<usize>, usize) {
    let (mut taken, mut commands, mut sleeps) = (Vec::new(), Vec::new(), 0);
    while taken.len() < WORKERS * BATCHES {
        sleeps += usize::from(take(inbox, waker, &mut commands));
        taken.extend(commands.drain(..).map(|command| number(&command)));
    }
    (taken, sleeps)
}

#[test]
fn no_wake_up_is_lost_or_wasted_and_each_thread_keeps_its_order() {
    let mut model = Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(3));
    model.check(|| {
        let waker = Arc::new(Waker::default());
        let inbox = Arc::new(Inbox::new(Arc::clone(&waker), 200));
        let threads: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || {
                    for batch in 0..BATCHES {
                        let mut commands = vec![command(worker * BATCHES + batch)];
                        inbox.push_batch(&mut commands);
                        assert!(commands.is_empty(), "it takes all");
                    }
                })
            })
            .collect();
        let (taken, sleeps) = take_all(&inbox, &waker);
        threads.into_iter().for_each(|thread| thread.join().expect("it ends the model"));
        for worker in 0..WORKERS {
            let own = worker * BATCHES..(worker + 1) * BATCHES;
            let order: Vec<usize> =
                taken.iter().copied().filter(|number| own.contains(number)).collect();
            assert_eq!(order, own.collect::<Vec<_>>(), "{taken:?}");
        }
        assert!(waker.wake_ups() <= sleeps, "{} for {sleeps} sleeps", waker.wake_ups());
        assert!(!inbox.is_filled() || inbox.fall_asleep(), "something is left");
    });
}

/// A thread that ends takes nothing more, whoever pushes meanwhile.
#[test]
fn what_comes_when_the_network_thread_ends_is_given_back() {
    let mut model = Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(3));
    model.check(|| {
        let waker = Arc::new(Waker::default());
        let inbox = Arc::new(Inbox::new(waker, 200));
        let other = Arc::clone(&inbox);
        let thread = thread::spawn(move || other.push(command(1)).is_ok());
        let mut commands = Vec::new();
        inbox.take(&mut commands);
        inbox.close();
        let was_taken = thread.join().expect("it ends the model");
        assert!(was_taken || commands.is_empty(), "it was taken and given back");
        inbox.take(&mut commands.split_off(commands.len()));
        assert!(inbox.push(command(2)).is_err(), "it has ended");
    });
}

/// What was handled wakes nobody, until it is half of a mailbox: then somebody is woken for it.
#[test]
fn a_mailbox_that_may_have_room_is_heard_of() {
    const HANDLED_BYTES: usize = 64;
    let mut model = Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(3));
    model.check(|| {
        let waker = Arc::new(Waker::default());
        let inbox = Arc::new(Inbox::new(Arc::clone(&waker), 2 * WORKERS * HANDLED_BYTES));
        let threads: Vec<_> = (0..WORKERS)
            .map(|_worker| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || {
                    let service = ServiceId::from_bits(1 << 32).expect("it is not zero");
                    let charge_bytes = HANDLED_BYTES;
                    let handled = Command::Handled { service, charge_bytes, exit: false, shard: 0 };
                    inbox.push_batch(&mut vec![handled]);
                })
            })
            .collect();
        let (mut taken, mut commands, mut sleeps) = (0, Vec::new(), 0);
        // What came while it was awake is taken, and need not wake it again.
        while taken == 0 {
            if take(&inbox, &waker, &mut commands) {
                sleeps += 1;
                assert_eq!(commands.len(), WORKERS, "it was woken for less");
            }
            taken += commands.drain(..).len();
        }
        threads.into_iter().for_each(|thread| thread.join().expect("it ends the model"));
        inbox.take(&mut commands);
        assert_eq!(taken + commands.len(), WORKERS);
        assert!(waker.wake_ups() <= sleeps, "{} for {sleeps} sleeps", waker.wake_ups());
    });
}
