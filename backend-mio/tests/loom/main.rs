//! The inbox of the network thread under every interleaving with the threads that fill it.
//!
//! `RUSTFLAGS='--cfg loom -C debug-assertions' LOOM_MAX_PREEMPTIONS=3 \
//! cargo test --release -p tidelock-mio --test loom`
//!
//! This is the file of the library itself, compiled with loom's atomics and locks in the place of
//! the standard ones (`sync`), and with a model of the poller's waker (`sys`).
#![cfg(loom)]

#[path = "../../src/contained.rs"]
mod contained;
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

/// The number of threads that fill the inbox.
const WORKERS: usize = 2;
/// The number of batches that each of them pushes.
const BATCHES: usize = 2;

fn command(number: usize) -> Command {
    Command::KeepOpen { id: SocketId::new(number as u32, NonZeroU32::MIN) }
}

fn number(command: &Command) -> usize {
    command.socket().expect("only commands about sockets are pushed").index() as usize
}

/// Takes the commands that are there, or sleeps until there are some. Returns `true` if it slept.
fn take(inbox: &Inbox, waker: &Waker, commands: &mut Vec<Command>) -> bool {
    if inbox.is_filled() {
        inbox.take(commands);
        return false;
    }
    let sleeps = inbox.fall_asleep();
    if sleeps {
        waker.wait();
        inbox.wake_up();
        inbox.take(commands);
    }
    sleeps
}

/// Takes commands until it has all of them, and sleeps as the network thread does. A lost wake-up
/// would leave it asleep for ever, which loom reports as a deadlock. Returns the numbers in order,
/// and how often it slept.
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
                        assert!(commands.is_empty(), "the inbox left {} commands", commands.len());
                    }
                })
            })
            .collect();
        let (taken, sleeps) = take_all(&inbox, &waker);
        threads.into_iter().for_each(|thread| thread.join().expect("a panic ends the model"));
        for worker in 0..WORKERS {
            let own = worker * BATCHES..(worker + 1) * BATCHES;
            let order: Vec<usize> =
                taken.iter().copied().filter(|number| own.contains(number)).collect();
            assert_eq!(order, own.collect::<Vec<_>>(), "the order of worker {worker} in {taken:?}");
        }
        assert!(waker.wake_ups() <= sleeps, "{} wake-ups for {sleeps} sleeps", waker.wake_ups());
        assert!(!inbox.is_filled() || inbox.fall_asleep(), "commands are left in the inbox");
    });
}

/// A command that is pushed while the network thread ends is either taken or given back.
#[test]
fn a_command_pushed_at_the_end_of_the_network_thread_is_given_back() {
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
        let was_taken = thread.join().expect("a panic ends the model");
        assert!(was_taken || commands.is_empty(), "a command was taken, and also given back");
        inbox.take(&mut commands.split_off(commands.len()));
        assert!(inbox.push(command(2)).is_err(), "a closed inbox took a command");
    });
}

/// `Handled` alone does not wake the network thread until it amounts to half of a mailbox.
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
        // What comes while the thread is awake is taken, and need not wake it again.
        while taken == 0 {
            if take(&inbox, &waker, &mut commands) {
                sleeps += 1;
                assert_eq!(commands.len(), WORKERS, "commands at a wake-up");
            }
            taken += commands.drain(..).len();
        }
        threads.into_iter().for_each(|thread| thread.join().expect("a panic ends the model"));
        inbox.take(&mut commands);
        assert_eq!(taken + commands.len(), WORKERS);
        assert!(waker.wake_ups() <= sleeps, "{} wake-ups for {sleeps} sleeps", waker.wake_ups());
    });
}
