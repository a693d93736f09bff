//! Sockets that several services write at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tidelock_core::{
    ConnectOptions, Endpoint, ListenOptions, Message, Net, SendError, Service, ServiceId, SocketId,
};
use tidelock_net::system::kernel::Address;
use tidelock_net::words::ports::{SERVER, SERVER_PORT};

use super::planner::{keep_calm, keep_valid, only_looks};
use crate::stage::address;
use crate::stage::options::Options;
use crate::stage::scenario::Scenario;

/// A captain owns the sockets of its host, and its hands write them. Captains read what the far
/// hands wrote, and judge the order of each.
pub(super) fn crew() -> Scenario {
    let about =
        "several services on worker threads write each socket, with both priorities, and end it";
    Scenario::new("crew", about, |stage| {
        for (name, is_client) in [("client", true), ("server", false)] {
            let options = stage.options().clone();
            stage.host(name).service(move || Captain::new(&options, is_client));
        }
    })
    .adjust(adjust)
    .plan(only_looks)
    // Hands write when their timers say so.
    .timed()
}

/// Both ends are programs, with workers; outboxes are small beside what is sent.
fn adjust(options: &mut Options) {
    options.workers = options.workers.max(2);
    options.connections = options.connections.min(6);
    options.message_bytes_max = options.message_bytes_max.clamp(64, BYTES_MAX);
    options.send_buffer_bytes = options.send_buffer_bytes.max(16);
    options.receive_buffer_bytes = options.receive_buffer_bytes.max(16);
    if options.noise.is_multiple_of(3) {
        options.outbox_bytes_max =
            (2 * options.message_bytes_max + 128).max(options.warn_bytes * 2);
        options.total_bytes_max = options.outbox_bytes_max + (options.noise >> 8) % BYTES_MAX;
    }
    options.sockets_max = options.sockets_max.max(2 * options.connections + 4);
    keep_valid(options);
    keep_calm(options);
}

/// So many services write each socket.
const HANDS: usize = 3;
/// So many messages each of them sends, at most.
const MESSAGES: u32 = 12;
/// No message is longer.
const BYTES_MAX: u64 = 1 << 11;
/// Hand, priority, number, length.
const HEAD_BYTES: usize = 8;

/// Owns the sockets of a host.
struct Captain {
    connects: u64,
    is_client: bool,
    bytes_max: u64,
    hands: Vec<ServiceId>,
    /// The bytes that each socket has read.
    logs: BTreeMap<SocketId, Log>,
}

/// The bytes that were read from one socket.
#[derive(Default)]
struct Log {
    input: BytesMut,
    /// The next number, by hand and priority.
    next: [[u32; 2]; HANDS],
    /// Hands that are done with it.
    done: usize,
    /// The sender is no crew, but what a script asked to connect: it may say anything.
    is_foreign: bool,
}

/// A hand has sent everything to a socket.
struct Done(SocketId);

impl Captain {
    fn new(options: &Options, is_client: bool) -> Self {
        let (hands, logs) = Default::default();
        // A script may ask for less than a head, and for more than its length can say.
        let bytes_max = options.message_bytes_max.clamp(HEAD_BYTES as u64 + 1, BYTES_MAX);
        let connects = options.connections;
        Self { connects, is_client, bytes_max, hands, logs }
    }

    fn share(&mut self, net: &mut Net<'_>, id: SocketId) {
        self.logs.insert(id, Log::default());
        for hand in &self.hands {
            // A hand ends only with the host.
            let _stopped = net.post(*hand, id);
        }
    }
}

impl Service for Captain {
    fn on_start(&mut self, net: &mut Net<'_>) {
        for number in 0..HANDS {
            let (captain, bytes_max) = (net.service(), self.bytes_max);
            let hand = Hand { number, captain, bytes_max, is_timed: false, tasks: Vec::new() };
            self.hands.extend(net.spawn(Box::new(hand)));
        }
        if self.is_client {
            // Servers listen when the first client comes.
            net.set_timer(Duration::from_millis(1));
        } else {
            let at = Endpoint::from(([0, 0, 0, 0], SERVER_PORT));
            let _refused = net.listen(at, ListenOptions::default().auto_start(true));
        }
    }

    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Timer { .. } => {
                let to = address::endpoint(Address { host: SERVER, port: SERVER_PORT });
                for _ in 0..self.connects {
                    let _refused = net.connect(to.clone(), ConnectOptions::default());
                }
            }
            Message::Connect { socket, .. } => self.share(net, socket),
            Message::Accept { accepted, .. } => self.share(net, accepted),
            Message::Data { socket, bytes } => {
                let log = self.logs.entry(socket).or_default();
                log.input.extend_from_slice(&bytes);
                log.judge(socket);
            }
            Message::Posted { value, .. } => {
                let Done(id) = *value.downcast::<Done>().expect("hands say that they are done");
                let Some(log) = self.logs.get_mut(&id) else { return };
                log.done += 1;
                if log.done == HANDS {
                    // It may have ended otherwise.
                    let _gone = net.shutdown(id);
                }
            }
            Message::Close { socket, .. } => {
                self.logs.remove(&socket);
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        "captain"
    }
}

impl Log {
    /// Each far hand's messages come whole, and in order for each priority.
    fn judge(&mut self, socket: SocketId) {
        while !self.is_foreign && self.input.len() >= HEAD_BYTES {
            let length = usize::from(u16::from_le_bytes([self.input[6], self.input[7]]));
            let is_head = usize::from(self.input[0]) < HANDS
                && self.input[1] < 2
                && (HEAD_BYTES..=BYTES_MAX as usize).contains(&length);
            if !is_head {
                let is_first = self.next == [[0; 2]; HANDS];
                assert!(is_first, "{socket}: something else follows the messages of a crew");
                self.is_foreign = true;
                break;
            }
            if self.input.len() < length {
                return;
            }
            let mut message = self.input.split_to(length);
            let (hand, low) = (usize::from(message.get_u8()), usize::from(message.get_u8()));
            let number = message.get_u32_le();
            message.advance(2);
            let next = &mut self.next[hand][low];
            assert_eq!(number, *next, "{socket}: hand {hand}, priority {low}, out of order");
            *next += 1;
            let is_torn = message.iter().any(|byte| *byte != filler(hand, number));
            assert!(!is_torn, "{socket}: message {number} of hand {hand} is torn");
        }
        if self.is_foreign {
            self.input.clear();
        }
    }
}

fn filler(hand: usize, number: u32) -> u8 {
    (hand as u8) << 5 | number as u8
}

/// Writes its captain's sockets.
struct Hand {
    number: usize,
    captain: ServiceId,
    bytes_max: u64,
    /// A timer is set: it goes on then.
    is_timed: bool,
    tasks: Vec<Task>,
}

/// The task of a hand with one socket.
struct Task {
    id: SocketId,
    /// The next number, by priority.
    next: [u32; 2],
    /// Its outbox was full, and it was not said yet that there is room.
    is_waiting: bool,
}

impl Hand {
    /// Sends some messages to a socket; answers whether there are more to send.
    fn serve(&mut self, net: &mut Net<'_>, at: usize) -> bool {
        for _ in 0..1 + net.random() % 3 {
            let task = &mut self.tasks[at];
            let low = usize::from(net.random().is_multiple_of(3));
            let length =
                HEAD_BYTES + (net.random() % (self.bytes_max - HEAD_BYTES as u64)) as usize;
            let mut bytes = BytesMut::with_capacity(length);
            bytes.put_u8(self.number as u8);
            bytes.put_u8(low as u8);
            bytes.put_u32_le(task.next[low]);
            bytes.put_u16_le(length as u16);
            bytes.resize(length, filler(self.number, task.next[low]));
            let (id, bytes): (_, Bytes) = (task.id, bytes.freeze());
            match if low == 1 { net.send_low(id, bytes) } else { net.send(id, bytes) } {
                Ok(_) => task.next[low] += 1,
                // `SendReady` follows.
                Err(SendError::SocketFull(_) | SendError::TotalFull(_)) => {
                    self.tasks[at].is_waiting = true;
                    return true;
                }
                Err(_gone) => return false,
            }
            if task.next[0] + task.next[1] >= MESSAGES {
                return false;
            }
        }
        true
    }

    fn work(&mut self, net: &mut Net<'_>) {
        for at in (0..self.tasks.len()).rev() {
            if self.tasks[at].is_waiting || self.serve(net, at) {
                continue;
            }
            let task = self.tasks.remove(at);
            // Sometimes one hand ends what the others still write; they may have done so before.
            let _gone = match net.random() % 16 {
                0 => net.close(task.id),
                1 => net.shutdown(task.id),
                _ => Ok(()),
            };
            let _stopped = net.post(self.captain, Done(task.id));
        }
        // Nobody polls a full outbox.
        if self.tasks.iter().any(|task| !task.is_waiting) {
            let pause = Duration::from_nanos(net.random() % 20_000);
            net.set_timer(pause);
            self.is_timed = true;
        }
    }
}

impl Service for Hand {
    fn on_message(&mut self, net: &mut Net<'_>, message: Message) {
        match message {
            Message::Posted { value, .. } => {
                let id = *value.downcast::<SocketId>().expect("hands are given sockets");
                self.tasks.push(Task { id, next: [0; 2], is_waiting: false });
            }
            Message::SendReady { socket } => {
                let of_it = self.tasks.iter_mut().filter(|task| task.id == socket);
                of_it.for_each(|task| task.is_waiting = false);
            }
            Message::Timer { .. } => self.is_timed = false,
            _ => return,
        }
        if !self.is_timed {
            self.work(net);
        }
    }

    fn name(&self) -> &'static str {
        "hand"
    }
}
