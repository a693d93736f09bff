//! The table of rows, in the order in which they are measured.

use crate::cpu;
use crate::instructions;
use crate::rows::Bench;
use crate::servers::{Kind, Work};
use crate::syscalls::{self, Per};

/// Something that is measured, under a name of its own.
pub(crate) struct Row {
    /// The name; those of its ratios begin with it.
    pub(crate) name: &'static str,
    /// A description of what is measured, in one line.
    pub(crate) about: &'static str,
    place: Place,
    /// Servers of other libraries take part, if they could be built.
    pub(crate) has_peers: bool,
    measure: fn(&mut Bench),
}

/// The demands of a row on the process and on the processors that it is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A process that has measured nothing yet: nothing was allocated and given back that would
    /// serve the row instead of new memory.
    FreshProcess,
    /// One processor for all threads, so that a message costs what it costs, wherever the scheduler
    /// would put them.
    OneProcessor,
    /// All processors.
    AllProcessors,
}

impl Row {
    const fn new(name: &'static str, about: &'static str, measure: fn(&mut Bench)) -> Self {
        Self { name, about, place: Place::AllProcessors, has_peers: false, measure }
    }

    const fn in_fresh_process(self) -> Self {
        Self { place: Place::FreshProcess, ..self }
    }

    const fn on_one_processor(self) -> Self {
        Self { place: Place::OneProcessor, ..self }
    }

    const fn beside_peers(self) -> Self {
        Self { has_peers: true, ..self }
    }
}

/// Measures rows in their order.
pub(crate) fn measure(rows: &[&Row], bench: &mut Bench) {
    for (index, row) in rows.iter().enumerate() {
        match row.place {
            Place::FreshProcess => {
                assert_eq!(index, 0, "{} is measured after {}", row.name, rows[0].name);
                (row.measure)(bench);
            }
            Place::OneProcessor => cpu::on_one(|| (row.measure)(bench)),
            Place::AllProcessors => (row.measure)(bench),
        }
    }
}

/// A row of messages there and back, beside those of other libraries.
const fn echo(name: &'static str, about: &'static str, measure: fn(&mut Bench)) -> Row {
    Row::new(name, about, measure).on_one_processor().beside_peers()
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row::new("idle-connection-bytes", "resident memory of a silent connection", Bench::idle)
        .in_fresh_process(),
    echo("echo-64B-1", "CPU of 64 B there and back at one connection", |bench| {
        bench.echo(64, 1, 1);
    }),
    echo("echo-64B-64", "CPU of 64 B there and back at 64 connections", |bench| {
        bench.echo(64, 64, 1);
    }),
    echo("echo-64B-1000", "CPU of 64 B there and back at 1,000 connections", |bench| {
        bench.echo(64, 1000, 1);
    }),
    echo("echo-16384B-64", "CPU of 16 KiB there and back at 64 connections", |bench| {
        bench.echo(16 << 10, 64, 1);
    }),
    echo(
        "echo-64B-64x32",
        "CPU of 64 B there and back, 64 connections with 32 in flight",
        |bench| {
            bench.echo(64, 64, 32);
        },
    ),
    Row::new("churn-64", "CPU of connect, 64 B there and back, close; 64 at a time", Bench::churn)
        .on_one_processor()
        .beside_peers(),
    Row::new("timers-100000", "CPU of 64 B there and back beside 100,000 armed timers", |bench| {
        bench.beside("timers-100000", Work::EchoBesideTimers);
    })
    .on_one_processor(),
    Row::new("slow-reader", "rate of 999 connections beside one that does not read", Bench::slow)
        .on_one_processor(),
    Row::new("broadcast", "CPU of 64 B from one service to 1,000 sockets", Bench::broadcast)
        .on_one_processor()
        .beside_peers(),
    Row::new("bulk", "rate of one connection, one way, all processors", Bench::bulk),
    Row::new("syscalls-1", "calls of the system per message at one connection", |bench| {
        syscalls::measure(bench, Per::MessageOfOne);
    }),
    Row::new("syscalls-64", "calls of the system per message at 64 connections", |bench| {
        syscalls::measure(bench, Per::MessageOfMany);
    }),
    Row::new("syscalls-connection", "calls of the system from accept to close", |bench| {
        syscalls::measure(bench, Per::Connection);
    }),
    Row::new("instructions-64/raw-mio", "instructions per message, mio by hand", |bench| {
        instructions::measure(bench, Kind::Raw);
    }),
    Row::new("instructions-64/inline", "instructions per message, no worker", |bench| {
        instructions::measure(bench, Kind::Inline);
    }),
    Row::new("instructions-64/workers", "instructions per message, two workers", |bench| {
        instructions::measure(bench, Kind::Workers);
    }),
];
