//! The judge and the kernel must not share a defect of the core: what they may import from it.

/// What they may import.
const ALLOWED: [&str; 5] = ["Command", "Message", "SocketId", "ServiceId", "Fault"];

const SOURCES: [(&str, &str); 15] = [
    ("oracle/law.rs", include_str!("law.rs")),
    ("oracle/mod.rs", include_str!("mod.rs")),
    ("oracle/outbox.rs", include_str!("outbox.rs")),
    ("oracle/socket.rs", include_str!("socket.rs")),
    ("oracle/stream.rs", include_str!("stream.rs")),
    ("kernel/connection.rs", include_str!("../kernel/connection.rs")),
    ("kernel/datagram.rs", include_str!("../kernel/datagram.rs")),
    ("kernel/errno.rs", include_str!("../kernel/errno.rs")),
    ("kernel/flow.rs", include_str!("../kernel/flow.rs")),
    ("kernel/listener.rs", include_str!("../kernel/listener.rs")),
    ("kernel/mod.rs", include_str!("../kernel/mod.rs")),
    ("kernel/names.rs", include_str!("../kernel/names.rs")),
    ("kernel/poll.rs", include_str!("../kernel/poll.rs")),
    ("kernel/stream.rs", include_str!("../kernel/stream.rs")),
    ("link.rs", include_str!("../link.rs")),
];

/// What a source takes from the core, by name.
fn imported(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for part in source.split("tidelock_core").skip(1) {
        let part = part.strip_prefix("::").expect("the core is not imported as a whole");
        let list = match part.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(""),
            None => part.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(""),
        };
        names.extend(list.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    names
}

#[test]
fn judge_and_kernel_know_five_types_of_the_core() {
    let count = SOURCES.iter().map(|(_, source)| imported(source).len()).sum::<usize>();
    assert!(count > 0, "the judge takes commands and messages");
    for (file, source) in SOURCES {
        for name in imported(source) {
            assert!(ALLOWED.contains(&name), "{file} imports {name} from the core");
        }
    }
}

#[test]
fn every_import_is_seen() {
    let source = "use tidelock_core::{Mux, SocketId};\nfn f(x: tidelock_core::Config) {}";
    assert_eq!(imported(source), ["Mux", "SocketId", "Config"]);
}
