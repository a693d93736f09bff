//! Operations and troubles in a script's words, in both directions.

use std::collections::BTreeMap;

use tidelock_net::words::cast::Cast;
use tidelock_net::words::names::{NAMES, Resolver};
use tidelock_net::words::operation::{Action, Label, Operation, Side, When};
use tidelock_net::words::payload::FRAME_HEAD_BYTES;
use tidelock_net::words::text::{parse_time, time as time_text};
use tidelock_net::words::trouble::{JUMP_NANOS_MAX, RATE_PPM_MAX, Trouble, TroubleKind};

use crate::tide::{self, ScriptFault, ScriptOperation};

/// Reads the operations of a script. A send without a number gets the next one of its side and
/// priority.
///
/// # Errors
/// The lines that mean nothing, each with what was expected.
pub fn operations(lines: &[ScriptOperation], cast: &Cast) -> (Vec<Operation>, Vec<String>) {
    let mut numbers = BTreeMap::new();
    let (mut operations, mut wrong) = (Vec::new(), Vec::new());
    for line in lines {
        match operation(line, cast, &mut numbers) {
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
pub fn troubles(
    lines: &[ScriptFault],
    cast: &Cast,
    quiet_at_nanos: u64,
) -> (Vec<Trouble>, Vec<String>) {
    let (mut troubles, mut wrong) = (Vec::new(), Vec::new());
    for line in lines {
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        let begin = match &line.when {
            tide::When::At { nanos } => Ok((*nanos, None)),
            tide::When::After(label) => label_of(label)
                .map(|label| (0, Some(label)))
                .ok_or_else(|| "`after` an operation as c2".to_owned()),
        };
        match begin.and_then(|begin| Ok((begin, trouble_kind(&words, cast)?))) {
            Ok(((at_nanos, after), kind)) => {
                let until_nanos = line.until_nanos.unwrap_or(quiet_at_nanos).max(at_nanos);
                troubles.push(Trouble { at_nanos, after, until_nanos, kind });
            }
            Err(expected) => {
                wrong.push(format!(
                    "fault {} {}: expected {expected}",
                    line.label,
                    words.join(" ")
                ));
            }
        }
    }
    (troubles, wrong)
}

/// An operation as a line of a script.
pub fn operation_line(operation: &Operation, cast: &Cast) -> ScriptOperation {
    let when = match operation.when {
        When::At { nanos } => tide::When::At { nanos },
        When::After(label) => tide::When::After(label.to_string()),
    };
    let words = operation_words(operation, cast).split(' ').map(str::to_owned).collect();
    ScriptOperation { label: operation.label.to_string(), when, words, note: String::new() }
}

/// A trouble as a line of a script: the `number`-th of its world.
pub fn trouble_line(number: usize, trouble: &Trouble, cast: &Cast) -> ScriptFault {
    let when = match trouble.after {
        Some(label) => tide::When::After(label.to_string()),
        None => tide::When::At { nanos: trouble.at_nanos },
    };
    ScriptFault {
        label: format!("p{number}"),
        when,
        words: trouble_words(&trouble.kind, cast).split(' ').map(str::to_owned).collect(),
        until_nanos: Some(trouble.until_nanos),
        note: String::new(),
    }
}

/// A label that is spelled as it is printed, so that no two spellings name one operation.
fn label_of(text: &str) -> Option<Label> {
    Label::parse(text).filter(|label| label.to_string() == text)
}

/// The number of the next message, by side and priority.
type Numbers = BTreeMap<(Side, bool), u32>;

fn operation(
    line: &ScriptOperation,
    cast: &Cast,
    numbers: &mut Numbers,
) -> Result<Operation, String> {
    let label = label_of(&line.label).ok_or("a label as c2")?;
    let when = match &line.when {
        tide::When::At { nanos } => When::At { nanos: *nanos },
        tide::When::After(label) => When::After(label_of(label).ok_or("after a label")?),
    };
    let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
    let (name, words) = words.split_first().ok_or("a host")?;
    let host =
        cast.find_host(name).ok_or_else(|| format!("a host: {}", cast.hosts.join(" or ")))?;
    let action = action(words, cast, numbers)?;
    Ok(Operation { label, when, host, action })
}

fn action(words: &[&str], cast: &Cast, numbers: &mut Numbers) -> Result<Action, &'static str> {
    const SIDE: &str = "a side as c2 or c2'";
    const PLACE: &str = "a place as server:9000";
    const NUMBER: &str = "a number";
    let on = |text: &str| side(text).ok_or(SIDE);
    let count = |text: &str| text.parse::<u32>().map_err(|_not_one| NUMBER);
    let place = |text: &str| place(text, cast);
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
        ["play", name] => {
            Ok(Action::Play { client: cast.find_client(name).ok_or("a client of the scenario")? })
        }
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
             keep-open, nodelay, hand-over, release, info, play, udp, udp-connect or send-to",
        ),
    }
}

/// The spelling of each kind of trouble.
const TROUBLES: [(&str, &str); 9] = [
    ("partition", "`partition HOST>HOST` or `partition HOST<>HOST`"),
    ("hold", "`hold HOST>HOST`"),
    ("clog", "`clog HOST>HOST TIME`"),
    ("pause", "`pause HOST`"),
    ("descriptors", "`descriptors HOST`"),
    ("crash", "`crash HOST`"),
    ("drift", "`drift HOST +500ppm` (at most 100000)"),
    ("jump", "`jump HOST TIME` (at most 3600s)"),
    ("resolver", "`resolver HOST slow|wrong|empty|many`"),
];

/// Reads what is done to the world.
///
/// # Errors
/// If it is none; says what is expected: the spelling of this kind, or all kinds; for a host that
/// is not there, those that are.
fn trouble_kind(words: &[&str], cast: &Cast) -> Result<TroubleKind, String> {
    let verb = words.first().copied().unwrap_or_default();
    let spelled = || match TROUBLES.iter().find(|(known, _)| *known == verb) {
        Some((_, form)) => (*form).to_owned(),
        None => TROUBLES.map(|(_, form)| form).join(", "),
    };
    let host = |name: &str| {
        let known = cast.find_host(name);
        known.ok_or_else(|| format!("a host: {} (not '{name}')", cast.hosts.join(" or ")))
    };
    let direction = |hosts: &str| {
        let (from, to) = hosts.split_once('>').ok_or_else(spelled)?;
        Ok((host(from)?, host(to)?))
    };
    let time = |text: &str| parse_time(text).map_err(str::to_owned);
    match *words {
        ["partition", hosts] => match hosts.split_once("<>") {
            Some((one, other)) => Ok(TroubleKind::Split { one: host(one)?, other: host(other)? }),
            None => direction(hosts).map(|(from, to)| TroubleKind::Partition { from, to }),
        },
        ["hold", hosts] => direction(hosts).map(|(from, to)| TroubleKind::Hold { from, to }),
        ["clog", hosts, each] => {
            let (from, to) = direction(hosts)?;
            Ok(TroubleKind::Clog { from, to, each_nanos: time(each)? })
        }
        ["crash", name] => Ok(TroubleKind::Crash { host: host(name)? }),
        ["drift", name, rate] => {
            let host = host(name)?;
            let rate_ppm = rate.strip_suffix("ppm").and_then(|rate| rate.parse::<i32>().ok());
            let is_possible = |ppm: &i32| ppm.unsigned_abs() <= RATE_PPM_MAX.unsigned_abs();
            let rate_ppm = rate_ppm.filter(is_possible).ok_or_else(spelled)?;
            Ok(TroubleKind::Drift { host, rate_ppm })
        }
        ["jump", name, by] => {
            let (host, nanos) = (host(name)?, time(by)?);
            let kind = TroubleKind::Jump { host, nanos };
            if nanos <= JUMP_NANOS_MAX { Ok(kind) } else { Err(spelled()) }
        }
        ["resolver", name, how] => {
            let host = host(name)?;
            let how = Resolver::WRONG.into_iter().find(|known| known.name() == how);
            Ok(TroubleKind::Resolver { host, how: how.ok_or_else(spelled)? })
        }
        ["pause", name] => Ok(TroubleKind::Pause { host: host(name)? }),
        ["descriptors", name] => Ok(TroubleKind::Descriptors { host: host(name)? }),
        _ => Err(spelled()),
    }
}

fn place(text: &str, cast: &Cast) -> Option<(u16, u16)> {
    let (name, port) = text.split_once(':')?;
    Some((cast.find_host(name)?, port.parse().ok()?))
}

fn side(text: &str) -> Option<Side> {
    let (label, is_accepted) = match text.strip_suffix('\'') {
        Some(label) => (label, true),
        None => (text, false),
    };
    Some(Side { label: Label::parse(label)?, is_accepted })
}

/// Actor, verb and arguments of an operation, as in a script.
pub fn operation_words(operation: &Operation, cast: &Cast) -> String {
    let at = |to: u16, port: u16| format!("{}:{port}", cast.host(to));
    let paused = |is_paused: bool| if is_paused { " paused" } else { "" };
    let arguments = match operation.action {
        Action::Connect { to, port, is_paused } => {
            format!(" {}{}", at(to, port), paused(is_paused))
        }
        Action::ConnectName { name, port, is_paused } => {
            format!(" {}:{port}{}", NAMES[name as usize].0, paused(is_paused))
        }
        Action::Send { on, message, bytes, .. } | Action::Frame { on, message, bytes } => {
            format!(" {on} {message} {bytes}")
        }
        Action::KeepOpen { on }
        | Action::Nodelay { on }
        | Action::HandOver { on }
        | Action::Release { on }
        | Action::Shutdown { on }
        | Action::Finish { on }
        | Action::Close { on }
        | Action::Pause { on }
        | Action::Start { on } => format!(" {on}"),
        Action::Info => String::new(),
        Action::Play { client } => format!(" {}", cast.clients[client as usize].0.name),
        Action::UdpConnect { on, to, port } => format!(" {on} {}", at(to, port)),
        Action::Udp { port } => format!(" {port}"),
        Action::SendTo { on, to, port, message, bytes } => {
            format!(" {on} {} {message} {bytes}", at(to, port))
        }
    };
    format!("{} {}{arguments}", cast.host(operation.host), operation.action.verb())
}

/// A trouble in a script's words, without its end.
pub fn trouble_words(kind: &TroubleKind, cast: &Cast) -> String {
    match *kind {
        TroubleKind::Partition { from, to } => {
            format!("partition {}>{}", cast.host(from), cast.host(to))
        }
        TroubleKind::Split { one, other } => {
            format!("partition {}<>{}", cast.host(one), cast.host(other))
        }
        TroubleKind::Hold { from, to } => format!("hold {}>{}", cast.host(from), cast.host(to)),
        TroubleKind::Clog { from, to, each_nanos } => {
            format!("clog {}>{} {}", cast.host(from), cast.host(to), time_text(each_nanos))
        }
        TroubleKind::Pause { host } => format!("pause {}", cast.host(host)),
        TroubleKind::Descriptors { host } => format!("descriptors {}", cast.host(host)),
        TroubleKind::Crash { host } => format!("crash {}", cast.host(host)),
        TroubleKind::Drift { host, rate_ppm } => {
            format!("drift {} {rate_ppm:+}ppm", cast.host(host))
        }
        TroubleKind::Jump { host, nanos } => {
            format!("jump {} {}", cast.host(host), time_text(nanos))
        }
        TroubleKind::Resolver { host, how } => {
            format!("resolver {} {}", cast.host(host), how.name())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;
    use crate::stage::options::Options;
    use crate::stage::trouble;
    use tidelock_net::chance::streams::{Purpose, Stream};
    use tidelock_net::words::kinds::Family;

    fn two_hosts() -> Cast {
        Cast { hosts: vec!["client", "server"], ..Cast::default() }
    }

    fn line(label: &str, text: &str) -> ScriptOperation {
        let words = text.split(' ').map(str::to_owned).collect();
        let when = tide::When::At { nanos: 5 };
        ScriptOperation { label: label.to_owned(), when, words, note: String::new() }
    }

    #[test]
    fn what_plans_print_can_be_read_back() {
        for scenario in scenarios::all() {
            for seed in 0..50 {
                let options = scenario.options(seed);
                let stage = scenario.stage(&options);
                let mut stream = Stream::new(seed, scenario.name, Purpose::Operations);
                let mut plan = scenario.operations(&options, &mut stream);
                plan.extend(stage.client_operations(&mut stream));
                for operation in plan {
                    let words = operation_words(&operation, &stage.cast());
                    let line = line(&operation.label.to_string(), &words);
                    let (read, wrong) = operations(&[line], &stage.cast());
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
        let cast = Cast { hosts: vec!["client", "relay", "origin"], ..Cast::default() };
        for seed in 0..400 {
            let mut options = Options::draw(seed, "echo");
            for family in [Family::World, Family::Machines] {
                let at = Family::ALL.iter().position(|known| *known == family);
                options.rates[at.expect("it is one of them")] = 3;
            }
            options.has_crashes = 1;
            let mut stream = Stream::new(seed, "echo", Purpose::Faults);
            for trouble in trouble::draw(&options, 3, &mut stream) {
                let text = trouble_words(&trouble.kind, &cast);
                let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
                verbs.insert((words[0].clone(), text.contains("<>")));
                let line = ScriptFault {
                    label: "p1".to_owned(),
                    when: tide::When::At { nanos: trouble.at_nanos },
                    words,
                    until_nanos: Some(trouble.until_nanos),
                    note: String::new(),
                };
                let (read, wrong) = troubles(&[line], &cast, 1);
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
        let (read, _) = operations(&lines, &two_hosts());
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
    fn a_fault_that_means_nothing_says_what_is_wrong_with_it() {
        let table = [
            ("crash nobody", "expected a host: client or server (not 'nobody')"),
            ("partition client>moon", "expected a host: client or server (not 'moon')"),
            ("partition client", "expected `partition HOST>HOST` or `partition HOST<>HOST`"),
            ("clog client>server", "expected `clog HOST>HOST TIME`"),
            ("clog client>server soon", "expected a time as 40us"),
            ("drift client 500", "expected `drift HOST +500ppm` (at most 100000)"),
            ("drift client +100001ppm", "(at most 100000)"),
            ("jump client 3601s", "(at most 3600s)"),
            ("resolver client lazy", "slow|wrong|empty|many"),
            ("earthquake", "`partition HOST>HOST` or `partition HOST<>HOST`, `hold HOST>HOST`"),
        ];
        for (text, expected) in table {
            let fault = ScriptFault {
                label: "p1".to_owned(),
                when: tide::When::At { nanos: 1 },
                words: text.split(' ').map(str::to_owned).collect(),
                until_nanos: None,
                note: String::new(),
            };
            let (read, wrong) = troubles(&[fault], &two_hosts(), 1);
            assert!(read.is_empty() && wrong.len() == 1, "{text}");
            assert!(wrong[0].contains(expected), "{text}: {}", wrong[0]);
        }
        assert_eq!((RATE_PPM_MAX, JUMP_NANOS_MAX), (100_000, 3_600_000_000_000), "as they say");
    }

    #[test]
    fn a_line_that_means_nothing_says_what_was_expected() {
        let lines = ["nobody close c1", "client close", "client send c1", "client fly c1"];
        let lines: Vec<_> = lines.iter().map(|text| line("x1", text)).collect();
        let (read, wrong) = operations(&lines, &two_hosts());
        assert!(read.is_empty());
        assert_eq!(wrong.len(), 4);
        assert!(wrong[0].contains("client or server"), "{}", wrong[0]);
    }
}
