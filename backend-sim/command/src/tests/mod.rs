//! The command against a simulator that fails on purpose.

mod artefact;
mod campaign;
mod coverage;
mod input;
mod regress;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use crate::console::Console;
use crate::fake::SIMULATOR;

struct Ran {
    code: u8,
    out: String,
    err: String,
}

fn tidelock(arguments: &[&str]) -> Ran {
    tidelock_interrupted(arguments, false)
}

fn tidelock_interrupted(arguments: &[&str], is_interrupted: bool) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let program = "tidelock".to_owned();
    let mut console = Console { program, out: &mut out, err: &mut err, is_out_taken: false };
    let words = ["tidelock"].iter().chain(arguments).map(|word| word.into()).collect();
    let listen = || Ok(Arc::new(AtomicBool::new(is_interrupted)));
    let exit = crate::execute(words, &SIMULATOR, listen, &mut console);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: exit.code(), out: text(out), err: text(err) }
}

/// A folder of its own for a test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let unique = format!("tidelock-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The names of the files in it, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: the folder of a failed test may be looked at.
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}
