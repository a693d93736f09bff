//! The conditions under which a count of instructions is exact. The bench of tidelock-sim has this file,
//! too.
//!
//! Three of them are not in the repository: the compiler; the C library, whose `malloc` and `memcpy`
//! are counted, too; and the processor, by whose features `memcpy` is chosen. Under valgrind a
//! program sees one processor on every machine that has the features which valgrind knows, so the
//! best of these names the kind, and not the model.

use std::process::Command;

/// The argument with which the bench calls itself under valgrind, to learn of the processor there.
pub(crate) const COMMAND: &str = "--processor";

/// Names the conditions of this run.
///
/// # Errors
/// The program that does not say.
pub(crate) fn here() -> Result<String, String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let rustc = first_line(Command::new(compiler).arg("--version"))?;
    // Another C library has no such word.
    let library = first_line(Command::new("getconf").arg("GNU_LIBC_VERSION"))
        .unwrap_or_else(|_| "no glibc".into());
    let bench = std::env::current_exe().map_err(|error| format!("the bench's path: {error}"))?;
    let mut valgrind = Command::new("valgrind");
    let processor = first_line(valgrind.args(["--tool=none", "--quiet"]).arg(bench).arg(COMMAND))?;
    Ok([rustc, library, processor].join("; "))
}

fn first_line(program: &mut Command) -> Result<String, String> {
    let output = program.output().map_err(|error| format!("{program:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.trim().to_owned()),
        _ => Err(format!("{program:?} does not say, and ends with {}", output.status)),
    }
}

/// Names the kind of processor that this process sees.
pub(crate) fn processor() -> String {
    let architecture = std::env::consts::ARCH;
    best_feature().map_or(architecture.to_owned(), |best| format!("{architecture} with {best}"))
}

/// The best of the features by which glibc chooses `memcpy`.
#[cfg(target_arch = "x86_64")]
fn best_feature() -> Option<&'static str> {
    let features = [
        (is_x86_feature_detected!("avx512vl"), "AVX-512VL"),
        (is_x86_feature_detected!("avx2"), "AVX2"),
        (is_x86_feature_detected!("avx"), "AVX"),
    ];
    features.into_iter().find_map(|(is_there, name)| is_there.then_some(name))
}

#[cfg(not(target_arch = "x86_64"))]
fn best_feature() -> Option<&'static str> {
    None
}
