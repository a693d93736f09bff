//! How densely the core asserts, and how long its functions and files are.
//!
//! Two assertions per function on average, no function over 70 lines, no file over 500 lines
//! before its tests: the house rules that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

const ASSERTIONS_PER_FUNCTION_MIN: f64 = 2.0;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;

/// What counts as an assertion when it stands in code. An `expect` gives a reason, so it is one;
/// a bare `unwrap` gives none.
const ASSERTIONS: [&str; 8] = [
    "assert!(",
    "assert_eq!(",
    "assert_ne!(",
    "debug_assert!(",
    "debug_assert_eq!(",
    "debug_assert_ne!(",
    "unreachable!(",
    ".expect(\"",
];

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

struct Counted {
    path: PathBuf,
    /// Lines before the tests.
    lines: usize,
    functions: Vec<Function>,
    assertions: usize,
}

impl Counted {
    fn ratio(&self) -> f64 {
        self.assertions as f64 / self.functions.len().max(1) as f64
    }
}

#[test]
fn there_are_two_assertions_per_function() {
    let mut files = count_core();
    let functions: usize = files.iter().map(|file| file.functions.len()).sum();
    let assertions: usize = files.iter().map(|file| file.assertions).sum();
    let ratio = assertions as f64 / functions as f64;
    println!(
        "{assertions} assertions in {functions} functions: {ratio:.2} each; the barest files:"
    );
    files.retain(|file| !file.functions.is_empty());
    files.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    for file in files.iter().take(10) {
        let (functions, path) = (file.functions.len(), file.path.display());
        println!("{:6.2}  {:3} of {functions:3}  {path}", file.ratio(), file.assertions);
    }
    assert!(functions > 100, "only {functions} functions were found");
    assert!(ratio >= ASSERTIONS_PER_FUNCTION_MIN, "{ratio:.2} assertions per function");
}

#[test]
fn no_function_and_no_file_is_too_long() {
    for file in count_core() {
        let path = file.path.display();
        assert!(file.lines <= FILE_LINES_MAX, "{path} has {} lines", file.lines);
        for function in &file.functions {
            let Function { name, line, lines } = function;
            assert!(*lines <= FUNCTION_LINES_MAX, "{path}:{line} {name} has {lines} lines");
        }
    }
}

#[test]
fn what_is_counted_is_code() {
    let text = r##"
        trait Shape { fn sides(&self) -> [u8; 3]; fn name(&self) -> char { '{' } }
        fn apply<'a>(call: fn(u8) -> u8, text: &'a str) {
            // assert!(in a comment)
            let words = "assert!(in a string) fn word() {";
            assert!(call(1) > 0, "a reason");
            debug_assert_eq!(text.len(), words.parse().expect("a number"));
            text.parse().expect(words);
        }
    "##;
    let code = code_of(text);
    let functions = functions_of(&code);
    let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["name", "apply"], "a declaration and a type are no functions");
    assert_eq!(functions[1].lines, 7);
    assert_eq!(assertions_of(&code), 3);
}

fn count_core() -> Vec<Counted> {
    let mut paths = Vec::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    assert!(paths.len() > 20, "only {} files were found", paths.len());
    paths.into_iter().map(count).collect()
}

fn gather(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are here") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            gather(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn count(path: PathBuf) -> Counted {
    let text = fs::read_to_string(&path).expect("the sources can be read");
    let production = text.split("]\nmod tests {").next().unwrap_or_default();
    let code = code_of(production);
    Counted {
        path,
        lines: production.lines().count(),
        functions: functions_of(&code),
        assertions: assertions_of(&code),
    }
}

/// The text with comments and the insides of literals blanked, line by line as it was.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let blank = |from: usize, to: usize, code: &mut String| {
        code.extend(chars[from..to].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    };
    let mut at = 0;
    while at < chars.len() {
        let from = at;
        match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => {
                at += chars[at..].iter().take_while(|&&c| c != '\n').count();
                blank(from, at, &mut code);
            }
            '"' => {
                at = end_of_string(&chars, at);
                code.push('"');
                blank(from + 1, at - 1, &mut code);
                code.push('"');
            }
            // A character, not a lifetime.
            '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
                at += 2;
                at += chars[at..].iter().take_while(|&&c| c != '\'').count() + 1;
                blank(from, at, &mut code);
            }
            other => {
                code.push(other);
                at += 1;
            }
        }
    }
    code
}

fn end_of_string(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Every function that has a body.
fn functions_of(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let is_word = code[..at].chars().next_back().is_none_or(|before| !is_name(before));
        let name: String = code[at + 3..].chars().take_while(|&c| is_name(c)).collect();
        if !is_word || name.is_empty() {
            continue;
        }
        let Some(body) = start_of_body(&code[at..]) else { continue };
        let length = length_of_braces(&code[at + body..]);
        let line = code[..at].lines().count();
        let lines = code[at..at + body + length].lines().count();
        functions.push(Function { name, line, lines });
    }
    functions
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the body begins; `None` for a declaration.
fn start_of_body(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

fn length_of_braces(code: &str) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    panic!("the braces of a function do not close");
}

fn assertions_of(code: &str) -> usize {
    let is_start = |at: usize, pattern: &str| {
        pattern.starts_with('.')
            || code[..at].chars().next_back().is_none_or(|before| !is_name(before))
    };
    ASSERTIONS
        .iter()
        .map(|pattern| code.match_indices(pattern).filter(|(at, _)| is_start(*at, pattern)).count())
        .sum()
}
