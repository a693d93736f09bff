//! The rooms of each package, and which of them see which.

use crate::source::Package;

/// Modules that stand together.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    /// The modules below these paths, unless a longer path puts them elsewhere.
    pub(crate) below: &'static [&'static str],
    /// The rooms whose definitions they may name, besides their own.
    pub(crate) sees: &'static [&'static str],
}

const fn room(
    name: &'static str,
    below: &'static [&'static str],
    sees: &'static [&'static str],
) -> Room {
    Room { name, below, sees }
}

/// A transition of a socket sees its record and the desk, and no other socket.
pub(crate) const CORE: &[Room] = &[
    room("vocabulary", &[""], &["output"]),
    room("output", &["mux/output"], &["vocabulary"]),
    room("sockets", &["mux/sockets"], &["vocabulary"]),
    room("desk", &["mux/desk"], &["vocabulary", "output", "sockets"]),
    room("focus", &["mux/focus"], &["vocabulary", "sockets", "desk", "mux"]),
    room(
        "transitions",
        &[
            "mux/opening",
            "mux/dial",
            "mux/stream",
            "mux/listener",
            "mux/twin",
            "mux/datagram",
            "mux/waiting",
            "mux/direct",
            "mux/close",
        ],
        &["vocabulary", "sockets", "desk", "focus", "mux"],
    ),
    room(
        "steps",
        &[
            "mux/turn",
            "mux/commands",
            "mux/events",
            "mux/timers",
            "mux/errands",
            "mux/exit",
            "mux/info",
            "mux/shards",
            "mux/owner",
            "mux/invariants",
            "mux/fingerprint",
        ],
        &["vocabulary", "output", "sockets", "desk", "focus", "mux", "transitions"],
    ),
    room("mux", &["mux"], &["vocabulary", "output", "sockets", "desk", "focus"]),
];

pub(crate) const NET: &[Room] = &[
    room("root", &[""], &[]),
    room("base", &["base"], &[]),
    room("words", &["words"], &["base"]),
    room("chance", &["chance"], &["base", "words"]),
    room("system", &["system"], &["base", "words", "chance"]),
];

pub(crate) const SIM: &[Room] = &[
    room("tide", &["tide"], &[]),
    room("judge", &["judge"], &[]),
    room("stage", &["stage"], &[]),
    room("actors", &["actors"], &["judge", "stage"]),
    room("world", &["world"], &["tide", "judge", "stage", "actors"]),
    room("run", &["run"], &["tide", "judge", "stage", "world"]),
    room("scenarios", &["scenarios"], &["stage"]),
    room("campaign", &["campaign"], &["tide", "judge", "run"]),
    room("report", &["report"], &["judge", "run", "campaign"]),
    room(
        "search",
        &["search"],
        &["tide", "judge", "stage", "run", "scenarios", "campaign", "report"],
    ),
    room("trial", &["trial"], &["stage", "run", "campaign", "report", "search"]),
    room(
        "face",
        &[""],
        &["tide", "judge", "stage", "actors", "world", "run", "campaign", "report", "search"],
    ),
];

/// The room of a module.
fn room_of<'a>(rooms: &'a [Room], module: &str) -> &'a Room {
    let is_below = |path: &str| {
        path.is_empty()
            || module
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let length = |room: &&Room| {
        room.below.iter().filter(|path| is_below(path)).map(|path| 1 + path.len()).max()
    };
    let room = rooms.iter().max_by_key(length).expect("there are rooms");
    assert!(length(&room).is_some(), "{module} stands in no room");
    room
}

/// The arrows of a package that lead where a room does not see.
pub(crate) fn forbidden(package: &Package, rooms: &[Room]) -> Vec<String> {
    let mut forbidden = Vec::new();
    for (from, targets) in package.arrows() {
        let room = room_of(rooms, &from);
        for to in targets {
            let other = room_of(rooms, &to);
            if other.name != room.name && !room.sees.contains(&other.name) {
                let (name, other) = (room.name, other.name);
                forbidden.push(format!("{from} names {to}: {name} does not see {other}"));
            }
        }
    }
    forbidden
}
