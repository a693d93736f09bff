//! Operations and troubles from a script's words; `Display` is the other direction.

use std::collections::BTreeMap;

use crate::clock::{JUMP_NANOS_MAX, RATE_PPM_MAX};
use crate::kernel::{NAMES, Resolver};
use crate::payload::FRAME_HEAD_BYTES;
use crate::scenario::{Action, HOST_NAMES, Label, Operation, Side, When};
use crate::script::{self, ScriptFault, ScriptOperation};
use crate::trouble::{Trouble, TroubleKind};

/// Reads the operations of a script. A send without a number gets the next one of its side and
/// priority.
///
/// # Errors
/// The lines that mean nothing, each with what was expected.
pub fn operations(lines: &[ScriptOperation]) -> (Vec<Operation>, Vec<String>) {
    let mut numbers = BTreeMap::new();
    let (mut operations, mut wrong) = (Vec::new(), Vec::new());
    for line in lines {
        match operation(line, &mut numbers) {
            Ok(operation) => operations.push(operation),
            Err(expected) => {
                let words = line.words.join(" ");
                wrong.push(format!("op {} {words}: expected {expected}", line.label));
            }
        }
    }
    (operations, wrong)
}

/// Reads the world-level faults of a script; one without an end lasts until faults stop.
///
/// # Errors
/// The lines that mean nothing, each with what was expected.
pub fn troubles(lines: &[ScriptFault], quiet_at_nanos: u64) -> (Vec<Trouble>, Vec<String>) {
    let (mut troubles, mut wrong) = (Vec::new(), Vec::new());
    for line in lines {
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        let kind = trouble_kind(&words);
        let at_nanos = match &line.when {
            script::When::At { nanos } => Some(*nanos),
            script::When::After(_) => None,
        };
        match (kind, at_nanos) {
            (Some(kind), Some(at_nanos)) => {
                let until_nanos = line.until_nanos.unwrap_or(quiet_at_nanos).max(at_nanos);
                troubles.push(Trouble { at_nanos, until_nanos, kind });
            }
            _ => wrong.push(format!(
                "fault {} {}: expected `@TIME` and `partition HOST>HOST`, `partition HOST<>HOST`, \
                 `hold HOST>HOST`, `clog HOST>HOST TIME`, `pause HOST`, `descriptors HOST`, \
                 `crash HOST`, `drift HOST ±N ppm` as `+500ppm` (at most {RATE_PPM_MAX}), \
                 `jump HOST TIME` (at most 3600s) or `resolver HOST slow|wrong|empty|many`",
                line.label,
                line.words.join(" ")
            )),
        }
    }
    (troubles, wrong)
}

/// The number of the next message, by side and priority.
type Numbers = BTreeMap<(Side, bool), u32>;

fn operation(line: &ScriptOperation, numbers: &mut Numbers) -> Result<Operation, &'static str> {
    let label = Label::parse(&line.label).ok_or("a label as c2")?;
    let when = match &line.when {
        script::When::At { nanos } => When::At { nanos: *nanos },
        script::When::After(label) => When::After(Label::parse(label).ok_or("after a label")?),
    };
    let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
    let (name, words) = words.split_first().ok_or("a host")?;
    let host = host(name).ok_or("a host: client or server")?;
    let action = action(words, numbers)?;
    Ok(Operation { label, when, host, action })
}

fn action(words: &[&str], numbers: &mut Numbers) -> Result<Action, &'static str> {
    const SIDE: &str = "a side as c2 or c2'";
    const PLACE: &str = "a place as server:9000";
    const NUMBER: &str = "a number";
    let on = |text: &str| side(text).ok_or(SIDE);
    let count = |text: &str| text.parse::<u32>().map_err(|_not_one| NUMBER);
    match *words {
        ["connect", to] | ["connect", to, "paused"] => {
            let (to, port) = place(to).ok_or(PLACE)?;
            Ok(Action::Connect { to, port, is_paused: words.len() == 3 })
        }
        ["connect-name", to] | ["connect-name", to, "paused"] => {
            let (name, port) = to.split_once(':').ok_or(PLACE)?;
            let name = NAMES.iter().position(|known| known.0 == name).ok_or("a known name")?;
            let port = port.parse().map_err(|_not_one| NUMBER)?;
            Ok(Action::ConnectName { name: name as u8, port, is_paused: words.len() == 3 })
        }
        ["frame", on_text, message, bytes] => {
            let (on, message, bytes) = (on(on_text)?, count(message)?, count(bytes)?);
            if bytes < FRAME_HEAD_BYTES {
                return Err("a frame of at least five bytes");
            }
            numbers.insert((on, false), message + 1);
            Ok(Action::Frame { on, message, bytes })
        }
        [verb @ ("send" | "send-low"), on_text, ref rest @ ..] => {
            let (on, is_low) = (on(on_text)?, verb == "send-low");
            let next = numbers.entry((on, is_low)).or_default();
            let (message, bytes) = match *rest {
                [bytes] => (*next, count(bytes)?),
                [message, bytes] => (count(message)?, count(bytes)?),
                _ => return Err("a length, or a number and a length"),
            };
            *next = message + 1;
            Ok(Action::Send { on, message, bytes, is_low })
        }
        ["shutdown", at] => Ok(Action::Shutdown { on: on(at)? }),
        ["finish", at] => Ok(Action::Finish { on: on(at)? }),
        ["close", at] => Ok(Action::Close { on: on(at)? }),
        ["pause", at] => Ok(Action::Pause { on: on(at)? }),
        ["start", at] => Ok(Action::Start { on: on(at)? }),
        ["keep-open", at] => Ok(Action::KeepOpen { on: on(at)? }),
        ["nodelay", at] => Ok(Action::Nodelay { on: on(at)? }),
        ["hand-over", at] => Ok(Action::HandOver { on: on(at)? }),
        ["release", at] => Ok(Action::Release { on: on(at)? }),
        ["info"] => Ok(Action::Info),
        ["udp-connect", at, to] => {
            let (to, port) = place(to).ok_or(PLACE)?;
            Ok(Action::UdpConnect { on: on(at)?, to, port })
        }
        ["udp", port] => Ok(Action::Udp { port: port.parse().map_err(|_not_one| NUMBER)? }),
        ["send-to", at, to, message, bytes] => {
            let (to, port) = place(to).ok_or(PLACE)?;
            let (message, bytes) = (count(message)?, count(bytes)?);
            Ok(Action::SendTo { on: on(at)?, to, port, message, bytes })
        }
        _ => Err(
            "connect, connect-name, send, send-low, frame, shutdown, finish, close, pause, start, \
             keep-open, nodelay, hand-over, release, info, udp, udp-connect or send-to",
        ),
    }
}

fn trouble_kind(words: &[&str]) -> Option<TroubleKind> {
    match *words {
        ["partition", hosts] => match hosts.split_once("<>") {
            Some((one, other)) => Some(TroubleKind::Split { one: host(one)?, other: host(other)? }),
            None => {
                let (from, to) = direction(hosts)?;
                Some(TroubleKind::Partition { from, to })
            }
        },
        ["hold", hosts] => {
            let (from, to) = direction(hosts)?;
            Some(TroubleKind::Hold { from, to })
        }
        ["clog", hosts, each] => {
            let (from, to) = direction(hosts)?;
            let each_nanos = script::parse_time(each).ok()?;
            Some(TroubleKind::Clog { from, to, each_nanos })
        }
        ["crash", name] => Some(TroubleKind::Crash { host: host(name)? }),
        ["drift", name, rate] => {
            let rate_ppm = rate.strip_suffix("ppm")?.parse::<i32>().ok()?;
            let is_possible = rate_ppm.unsigned_abs() <= RATE_PPM_MAX.unsigned_abs();
            is_possible.then_some(TroubleKind::Drift { host: host(name)?, rate_ppm })
        }
        ["jump", name, by] => {
            let nanos = script::parse_time(by).ok()?;
            let is_possible = nanos <= JUMP_NANOS_MAX;
            is_possible.then_some(TroubleKind::Jump { host: host(name)?, nanos })
        }
        ["resolver", name, how] => {
            let how = Resolver::WRONG.into_iter().find(|known| known.name() == how)?;
            Some(TroubleKind::Resolver { host: host(name)?, how })
        }
        ["pause", name] => Some(TroubleKind::Pause { host: host(name)? }),
        ["descriptors", name] => Some(TroubleKind::Descriptors { host: host(name)? }),
        _ => None,
    }
}

fn direction(hosts: &str) -> Option<(u16, u16)> {
    let (from, to) = hosts.split_once('>')?;
    Some((host(from)?, host(to)?))
}

fn host(name: &str) -> Option<u16> {
    HOST_NAMES.iter().position(|known| *known == name).map(|number| number as u16)
}

fn place(text: &str) -> Option<(u16, u16)> {
    let (name, port) = text.split_once(':')?;
    Some((host(name)?, port.parse().ok()?))
}

fn side(text: &str) -> Option<Side> {
    let (label, is_accepted) = match text.strip_suffix('\'') {
        Some(label) => (label, true),
        None => (text, false),
    };
    Some(Side { label: Label::parse(label)?, is_accepted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Family;
    use crate::scenarios;
    use crate::streams::{Purpose, Stream};
    use crate::swarm::Options;

    fn line(label: &str, text: &str) -> ScriptOperation {
        let words = text.split(' ').map(str::to_owned).collect();
        let when = script::When::At { nanos: 5 };
        ScriptOperation { label: label.to_owned(), when, words, note: String::new() }
    }

    #[test]
    fn what_plans_print_can_be_read_back() {
        for scenario in scenarios::all() {
            for seed in 0..50 {
                let mut options = Options::draw(seed, scenario.name);
                (scenario.adjust)(&mut options);
                let mut stream = Stream::new(seed, scenario.name, Purpose::Operations);
                for operation in (scenario.plan)(&options, &mut stream) {
                    let line = line(&operation.label.to_string(), &operation.to_string());
                    let (read, wrong) = operations(&[line]);
                    assert_eq!(wrong, Vec::<String>::new());
                    assert_eq!(read[0].action, operation.action);
                    assert_eq!((read[0].label, read[0].host), (operation.label, operation.host));
                }
            }
        }
    }

    #[test]
    fn every_trouble_that_is_drawn_can_be_read_back() {
        let mut verbs = std::collections::BTreeSet::new();
        for seed in 0..400 {
            let mut options = Options::draw(seed, "echo");
            for family in [Family::World, Family::Machines] {
                let at = Family::ALL.iter().position(|known| *known == family);
                options.rates[at.expect("it is one of them")] = 3;
            }
            options.has_crashes = 1;
            let mut stream = Stream::new(seed, "echo", Purpose::Faults);
            for trouble in Trouble::draw(&options, &mut stream) {
                let text = trouble.kind.to_string();
                let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
                verbs.insert((words[0].clone(), text.contains("<>")));
                let line = ScriptFault {
                    label: "p1".to_owned(),
                    when: script::When::At { nanos: trouble.at_nanos },
                    words,
                    until_nanos: Some(trouble.until_nanos),
                    note: String::new(),
                };
                let (read, wrong) = troubles(&[line], 1);
                assert_eq!((read.as_slice(), wrong.len()), (&[trouble][..], 0), "{text}");
            }
        }
        assert_eq!(verbs.len(), 10, "{verbs:?}");
    }

    #[test]
    fn sends_without_a_number_count_by_side_and_priority() {
        let lines = ["send c1 10", "send-low c1 20", "send c1 30", "send c1' 40"];
        let lines: Vec<_> =
            lines.iter().map(|text| line("s1", &format!("client {text}"))).collect();
        let (read, _) = operations(&lines);
        let numbers: Vec<u32> = read
            .iter()
            .map(|operation| match operation.action {
                Action::Send { message, .. } => message,
                other => panic!("{other:?} is no send"),
            })
            .collect();
        assert_eq!(numbers, [0, 0, 1, 0]);
    }

    #[test]
    fn a_line_that_means_nothing_says_what_was_expected() {
        let lines = ["nobody close c1", "client close", "client send c1", "client fly c1"];
        let lines: Vec<_> = lines.iter().map(|text| line("x1", text)).collect();
        let (read, wrong) = operations(&lines);
        assert!(read.is_empty());
        assert_eq!(wrong.len(), 4);
        assert!(wrong[0].contains("client or server"), "{}", wrong[0]);
    }
}
