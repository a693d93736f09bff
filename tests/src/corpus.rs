//! The committed inputs of the fuzz targets, replayed without a fuzzer.

use std::path::PathBuf;

/// Feeds every file of a fuzz target's corpus to `run`, in order of name, and answers how many
/// there were.
///
/// # Panics
/// If the corpus cannot be read, or `run` panics; the file's name is printed first.
pub fn replay(target: &str, run: fn(&[u8])) -> usize {
    let folder: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target].iter().collect();
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("the corpus {}: {error}", folder.display()));
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry of the corpus").path()).collect();
    files.sort();
    for file in &files {
        // Shown only if the test fails: which input it was.
        println!("{}", file.display());
        let bytes = std::fs::read(file)
            .unwrap_or_else(|error| panic!("the input {}: {error}", file.display()));
        run(&bytes);
    }
    files.len()
}
