//! The shape of the workspace, judged from its sources: who may name whom, and what must not stay.

mod face;
mod graph;
mod leftovers;
mod papers;
mod rooms;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::Item;

use self::graph::circles;
use self::leftovers::{leftovers, sources};
use self::rooms::{CORE, NET, SIM, forbidden};
use self::source::{Module, Package, is_public, parse};

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").join(path)
}

/// The roots of all packages but those of the benches' peers.
const ROOTS: [&str; 6] = [
    "core/src/lib.rs",
    "backend-mio/src/lib.rs",
    "backend-sim/src/lib.rs",
    "backend-sim/net/src/lib.rs",
    "backend-sim/command/src/main.rs",
    "tests/src/lib.rs",
];

#[test]
fn a_room_names_only_what_it_sees() {
    for (root, rooms) in [
        ("core/src/lib.rs", CORE),
        ("backend-sim/net/src/lib.rs", NET),
        ("backend-sim/src/lib.rs", SIM),
    ] {
        let package = Package::read(&at(root));
        let count: usize = package.arrows().values().map(BTreeSet::len).sum();
        assert!(count > 50, "{root}: only {count} arrows were seen");
        assert_eq!(forbidden(&package, rooms), Vec::<String>::new(), "{root}");
    }
}

#[test]
fn no_circle_has_more_than_four_files() {
    const FILES_MAX: usize = 4;
    for root in ROOTS {
        let arrows = Package::read(&at(root)).arrows();
        for circle in circles(&arrows) {
            assert!(circle.len() <= FILES_MAX, "{root}: {circle:?}");
        }
    }
}

/// The names of the core that the judge may use: what is asked and told, and what a connect, an
/// option, a fault and a `Close` carry. So it cannot share a defect of what it judges.
const JUDGED_BY: [&str; 9] = [
    "CloseReason",
    "Command",
    "Fault",
    "Message",
    "ServiceId",
    "SocketId",
    "SocketOption",
    "Target",
    "Timeout",
];

#[test]
fn the_judge_names_of_the_core_what_is_asked_and_told() {
    let package = Package::read(&at("backend-sim/src/lib.rs"));
    let mut named = BTreeSet::new();
    for (path, module) in &package.modules {
        if path.starts_with("judge/oracle") {
            for name in of_crate(module, "tidelock_core") {
                assert!(JUDGED_BY.contains(&name.as_str()), "{path} names {name} of the core");
                named.insert(name);
            }
        }
    }
    assert_eq!(named.len(), JUDGED_BY.len(), "the list is no longer than it must be: {named:?}");
}

/// Returns the names of another crate that a module uses; `*` if all of it.
fn of_crate(module: &Module, name: &str) -> BTreeSet<String> {
    let paths = module.uses.iter().map(|one| &one.path).chain(&module.paths);
    let paths = paths.filter(|path| path.first().is_some_and(|first| first == name));
    paths.map(|path| path.get(1).map_or("*", String::as_str).to_owned()).collect()
}

#[test]
fn the_simulated_network_depends_on_no_package_of_this_workspace() {
    let manifest = fs::read_to_string(at("backend-sim/net/Cargo.toml")).expect("it is there");
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").expect("it has some");
    assert!(dependencies.starts_with("bytes"), "the list was not understood");
    assert!(!dependencies.contains("tidelock"), "the network knows nothing of what is judged");
}

#[test]
fn only_one_module_names_mio() {
    let package = Package::read(&at("backend-mio/src/lib.rs"));
    let names_it = |(_, module): &(&String, &Module)| !of_crate(module, "mio").is_empty();
    let names: Vec<_> = package.modules.iter().filter(names_it).map(|(path, _)| path).collect();
    assert_eq!(names, ["sys", "sys/open", "sys/socket"]);
}

#[test]
fn every_file_is_a_module() {
    for root in ROOTS {
        let root = at(root);
        let package = Package::read(&root);
        let found = sources(root.parent().expect("a root lies in a folder"));
        let stray: Vec<_> = found.iter().filter(|file| !package.files.contains(*file)).collect();
        assert_eq!(stray, Vec::<&PathBuf>::new(), "no module declares these");
    }
}

#[test]
fn nothing_is_unsafe_or_left_to_do() {
    for folder in ["core", "backend-mio", "backend-sim", "tests", "fuzz"] {
        let sources = sources(&at(folder));
        assert!(!sources.is_empty(), "{folder} has sources");
        for file in sources {
            let text = fs::read_to_string(&file).expect("a source is text");
            assert_eq!(leftovers(&text), Vec::<String>::new(), "{}", file.display());
        }
    }
}

#[test]
fn every_package_takes_the_lints_of_the_workspace() {
    let workspace = fs::read_to_string(at("Cargo.toml")).expect("it is there");
    let (_, members) = workspace.split_once("\nmembers = [").expect("it has members");
    let (members, _) = members.split_once(']').expect("the list ends");
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        let manifest = fs::read_to_string(at(member).join("Cargo.toml")).expect("it is there");
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{member}");
    }
}

/// The loom test compiles the library's files from a root of its own, which must declare and export
/// the same. Without this only a build with `--cfg loom` would show what is missing.
#[test]
fn the_loom_test_mounts_the_whole_library() {
    let library = mounted("core/src/lib.rs");
    assert!(library.len() > 60, "part of the library's root was not understood: {library:?}");
    let loom = mounted("core/tests/loom/main.rs");
    let missing: Vec<_> = library.difference(&loom).collect();
    assert_eq!(missing, Vec::<&String>::new(), "core/tests/loom/main.rs lacks these");
}

/// The modules and exports of a root: `mod slot`, or `time::Instant`.
fn mounted(root: &str) -> BTreeSet<String> {
    let mut file = parse(&at(root));
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(format!("mod {}", module.ident)),
        _ => None,
    });
    let mut names: BTreeSet<String> = modules.collect();
    file.items.retain(|item| matches!(item, Item::Use(used) if is_public(&used.vis)));
    names.extend(Module::of(&file).uses.iter().map(|one| one.path.join("::")));
    names
}

#[test]
fn a_scenarios_author_sees_at_most_150_items() {
    const ITEMS_MAX: usize = 150;
    let folder = at("backend-sim/src");
    let names = face::names(&folder);
    for name in ["Scenario", "Client", "Link", "Report", "KeyValue", "Options"] {
        assert!(names.contains(name), "{name} is no part of the face: {names:?}");
    }
    let methods = face::methods(&[&folder, &at("backend-sim/net/src")], &names);
    let count = names.len() + methods.len();
    assert!(count <= ITEMS_MAX, "{count} items: {names:?} {methods:?}");
}

#[test]
fn every_path_and_link_of_a_paper_leads_somewhere() {
    let (complaints, seen) = papers::complaints(&at("."));
    assert!(seen > 100, "only {seen} paths and links were seen");
    assert_eq!(complaints, Vec::<String>::new());
}
