//! The judge must not share a defect of the core: what it may import from it. The kernel is in a
//! package that does not depend on the core.

use std::fs;
use std::path::Path;

/// What it may import: five types, and what a connect, an option, a fault and a `Close` carry.
const ALLOWED: [&str; 10] = [
    "Command",
    "Message",
    "SocketId",
    "ServiceId",
    "Target",
    "SocketOption",
    "Fault",
    "FaultKind",
    "CloseReason",
    "Timeout",
];

/// Every source of it, by path.
fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for folder in ["oracle"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/judge").join(folder);
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.extension().is_some_and(|end| end == "rs") {
                let source = fs::read_to_string(&path).expect("a source is text");
                sources.push((path.display().to_string(), source));
            }
        }
    }
    // This file names what it looks for.
    sources.retain(|(path, _)| !path.ends_with("independence.rs"));
    sources
}

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
fn the_judge_knows_of_the_core_what_is_asked_and_told() {
    let sources = sources();
    assert!(sources.len() >= 14, "{} sources", sources.len());
    let count = sources.iter().map(|(_, source)| imported(source).len()).sum::<usize>();
    assert!(count > 0, "the judge takes commands and messages");
    for (file, source) in &sources {
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
