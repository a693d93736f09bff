//! A simulated world from arbitrary bytes.
//!
//! Eight bytes choose the scenario, the seed and the configuration; then each eight bytes are one
//! operation, one fault of the world or one decision, the last found by its key as in a `.tide`
//! file. A torn tail is dropped; what does not apply is harmless.

use tidelock_net::words::kinds::{KINDS, KeyStyle, KindInfo};
use tidelock_sim::internal::script::{
    Decision, Position, Script, ScriptFault, ScriptOperation, Value, When,
};
use tidelock_sim::internal::simulate;
use tidelock_sim::run::{Report, Source, Watch};
use tidelock_sim::scenario::Scenario;
use tidelock_sim::scenarios;

/// Connections of one world: few, so that decisions meet.
const CONNECTIONS_MAX: u8 = 3;

/// When the first operation is asked.
const START_NANOS: u64 = 2_000_000;

/// When faults stop.
const QUIET_NANOS: u64 = 500_000_000;

/// Reads a scenario and a script.
pub fn decode(bytes: &[u8]) -> (&'static Scenario, Script) {
    let mut head = [0; 8];
    let count = bytes.len().min(head.len());
    head[..count].copy_from_slice(&bytes[..count]);
    let [which, low, high, style, connections, buffer, noise, batch] = head;
    let sound: Vec<_> = scenarios::sound().collect();
    let scenario = sound[usize::from(which) % sound.len()];
    let connections = connections % CONNECTIONS_MAX + 1;
    let config = [
        ("readiness", u64::from(style % 3)),
        ("workers", u64::from(style / 3 % 3)),
        ("scripted", u64::from(style / 9 % 2) * 2),
        ("connections", connections.into()),
        ("send_buffer_bytes", 1 << (buffer % 16)),
        ("receive_buffer_bytes", 1 << (buffer / 16)),
        ("batch_max", u64::from(batch % 8) + 1),
        ("quiet_at_nanos", QUIET_NANOS),
        // A world in which something may go wrong need not complete everything.
        ("cuts", 13),
    ];
    let mut script = Script {
        scenario: scenario.name.to_owned(),
        seed: Some(u64::from(u16::from_le_bytes([low, high]))),
        config: config.map(|(name, value)| (name.to_owned(), value.to_string())).into(),
        noise: Some(noise.into()),
        operations: (0..connections).map(connect).collect(),
        ..Script::default()
    };
    let (records, _torn) = bytes[count..].as_chunks::<8>();
    let mut nanos = START_NANOS;
    for record in records {
        match record[0] {
            0..=119 => script.decisions.push(decision(record)),
            120..=127 => script.faults.push(fault(record, script.faults.len(), nanos)),
            128.. => {
                nanos += u64::from(u16::from_le_bytes([record[4], record[5]])) * 100;
                script.operations.push(operation(record, script.operations.len(), nanos));
            }
        }
    }
    (scenario, script)
}

fn connect(number: u8) -> ScriptOperation {
    let when = When::At { nanos: START_NANOS };
    let words = ["client", "connect", "server:9000"].map(str::to_owned).into();
    ScriptOperation { label: format!("c{number}"), when, words, note: String::new() }
}

/// An operation of the client, at `nanos`.
fn operation(record: &[u8; 8], number: usize, nanos: u64) -> ScriptOperation {
    let [tag, who, scale, ..] = *record;
    let on = format!("c{}", who % CONNECTIONS_MAX);
    let size = u16::from_le_bytes([record[6], record[7]]);
    let size = match scale % 4 {
        0 | 1 => size % 64,
        2 => size % 1024,
        _ => size % 16_384,
    } + 1;
    let words = match tag % 16 {
        0..=5 => vec!["send".to_owned(), on, size.to_string()],
        6..=8 => vec!["send-low".to_owned(), on, size.to_string()],
        9 | 10 => vec!["pause".to_owned(), on],
        11 | 12 => vec!["start".to_owned(), on],
        13 => vec!["shutdown".to_owned(), on],
        14 => vec!["finish".to_owned(), on],
        _ => vec!["close".to_owned(), on],
    };
    let words = std::iter::once("client".to_owned()).chain(words).collect();
    ScriptOperation {
        label: format!("s{number}"),
        when: When::At { nanos },
        words,
        note: String::new(),
    }
}

/// A link that is cut, or a host without descriptors, from `nanos` on for a while.
fn fault(record: &[u8; 8], number: usize, nanos: u64) -> ScriptFault {
    let words: [&str; 2] = match record[1] % 4 {
        0 => ["partition", "client>server"],
        1 => ["partition", "server>client"],
        2 => ["descriptors", "server"],
        _ => ["descriptors", "client"],
    };
    let span = u64::from(u16::from_le_bytes([record[6], record[7]])) * 1_000;
    ScriptFault {
        label: format!("p{number}"),
        when: When::At { nanos },
        words: words.map(str::to_owned).into(),
        until_nanos: Some(nanos + span),
        note: String::new(),
    }
}

fn decision(&[tag, who, a, b, c, d, low, high]: &[u8; 8]) -> Decision {
    let info = &KINDS[usize::from(tag) % KINDS.len()];
    let place = u32::from_le_bytes([a, b, c, d]);
    let position = match info.key {
        // Half of all offsets are small, where most frames begin and end.
        KeyStyle::Offset if place & 1 == 0 => Position::Offset(u64::from(place >> 1) % 64),
        KeyStyle::Offset => Position::Offset(u64::from(place >> 1) % 16_384),
        KeyStyle::Eof => Position::Eof,
        KeyStyle::Occurrence => Position::Occurrence(u64::from(place) % 48),
    };
    let value = u64::from(u16::from_le_bytes([low, high]));
    let value =
        if info.is_time { Value::Time { nanos: value * 1_000 } } else { Value::Number(value % 16) };
    Decision::new(entity(info, who), position, info.verb, value)
}

/// The entities that a decision of this kind can concern.
fn entity(info: &KindInfo, who: u8) -> String {
    let name = match info.channel {
        "tie" => "world".to_owned(),
        "poll" | "turn" | "work" | "think" => ["client", "server"][usize::from(who % 2)].to_owned(),
        "accept" => "server/listen:9000".to_owned(),
        _ => {
            let end = if who & 1 == 0 { "" } else { "'" };
            format!("c{}{end}", (who >> 1) % (CONNECTIONS_MAX + 1))
        }
    };
    format!("{name}/{}", info.channel)
}

/// Runs the world that the bytes describe, twice.
///
/// # Panics
/// If a law is broken, or the two runs differ. The script is printed, to be kept as a `.tide`
/// file.
pub fn run(bytes: &[u8]) {
    let (scenario, script) = decode(bytes);
    let play = || -> Report {
        simulate::run(scenario, Source::Script(Box::new(script.clone())), &Watch::default())
    };
    let report = play();
    if let Some(failure) = &report.failure {
        panic!("{failure}\n{}\n{script}", failure.last_events.join("\n"));
    }
    let again = play();
    assert_eq!(report.digest, again.digest, "the same script, two digests:\n{script}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If decisions were called by names that nothing answers to, worlds would all be benign; if
    /// operations meant nothing, empty.
    #[test]
    fn bytes_become_operations_and_decisions_that_are_used() {
        let mut used = std::collections::BTreeSet::new();
        let mut completed = 0;
        for seed in 0..=255_u8 {
            let mut bytes = vec![0, seed, 0, seed, 2, 0xAA, 1, 3];
            for who in 0..6 {
                bytes.extend([128 + who, who, 2, 0, 9, 0, 200, 0]);
                for tag in 0..KINDS.len() as u8 {
                    bytes.extend([tag, who, 2, 0, 0, 0, 1 + who % 3, 0]);
                }
            }
            let (scenario, script) = decode(&bytes);
            let source = Source::Script(Box::new(script));
            let report = simulate::run(scenario, source, &Watch::default());
            let is_op = |line: &String| line.starts_with("op ");
            assert!(!report.stale.iter().any(is_op), "{:?}", report.stale);
            let injected = report.injected.iter().filter(|(_, count)| *count > 0);
            used.extend(injected.map(|(name, _)| *name));
            completed += report.completed;
        }
        assert!(used.len() >= 6, "only {used:?} were ever used");
        assert!(completed > 500, "{completed} operations completed");
    }
}
