//! Compares the root of the loom test with that of the library.
//!
//! The loom test compiles the library's files from a root of its own, which must mount and export
//! the same. Without this test only a build with `--cfg loom` would show what is missing.

use std::collections::BTreeSet;

/// Returns the modules and exports of a root: `mod slot`, or `time::Instant`.
fn names_of(root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // An export may span several lines; a statement ends at its semicolon.
    for statement in root.split(';') {
        let code = |line: &&str| !line.starts_with("//") && !line.starts_with('#');
        let statement: String = statement.lines().map(str::trim).filter(code).collect();
        if let Some(module) = statement.trim_start_matches("pub ").strip_prefix("mod ") {
            names.insert(format!("mod {module}"));
        } else if let Some(path) = statement.strip_prefix("pub use ") {
            let (module, items) = path.rsplit_once("::").expect("an export names its module");
            let items = items.trim_matches(['{', '}']).split(',').map(str::trim);
            let items = items.filter(|item| !item.is_empty());
            names.extend(items.map(|item| format!("{module}::{item}")));
        }
    }
    names
}

#[test]
fn the_loom_test_mounts_the_whole_library() {
    let library = names_of(include_str!("../src/lib.rs"));
    let loom = names_of(include_str!("loom/main.rs"));
    assert!(library.len() > 60, "part of the library's root was not understood: {library:?}");
    let missing: Vec<_> = library.difference(&loom).collect();
    assert_eq!(missing, Vec::<&String>::new(), "core/tests/loom/main.rs lacks these");
}

#[test]
fn modules_and_exports_are_read_from_a_root() {
    let root = "//! A library.\n#![cfg(loom)]\n\nmod slot;\n#[path = \"time.rs\"]\npub mod time;\n\
                pub use slot::{\n    Slot,\n    State,\n};\npub use time::Instant;\nuse std::fmt;\n";
    let names: Vec<_> = names_of(root).into_iter().collect();
    assert_eq!(names, ["mod slot", "mod time", "slot::Slot", "slot::State", "time::Instant"]);
}
