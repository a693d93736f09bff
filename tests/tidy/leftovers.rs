//! Leftovers that must not stay in a source.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

/// Every source below a folder, but for what was built.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            let name = path.file_name().expect("it has a name").to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources.push(path);
            }
        }
    }
    sources.sort();
    sources
}

/// The words of a source that must not stay: unsafe code, and macros of work that is not done.
pub(crate) fn leftovers(source: &str) -> Vec<String> {
    let tokens: TokenStream = source.parse().expect("a source is Rust");
    let mut found = Vec::new();
    add_leftovers(tokens, &mut found);
    found
}

fn add_leftovers(tokens: TokenStream, found: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => add_leftovers(group.stream(), found),
            TokenTree::Ident(ident) if ident == "unsafe" => found.push(ident.to_string()),
            TokenTree::Ident(ident) => {
                let is_called = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
                if is_called && ["dbg", "todo", "unimplemented"].iter().any(|name| ident == name) {
                    found.push(format!("{ident}!"));
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
