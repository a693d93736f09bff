//! Paths and links in the papers: each leads to something.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders that a build makes, so that a paper may name them before they are there.
const MADE_BY_BUILDS: [&str; 1] = ["target/"];

/// Returns what is wrong with the paths that the papers name, and the number of paths seen.
pub(crate) fn complaints(root: &Path) -> (Vec<String>, usize) {
    let mut complaints = Vec::new();
    let mut seen = 0;
    for paper in papers(root) {
        let text = std::fs::read_to_string(&paper).expect("a paper can be read");
        let folder = paper.parent().expect("a paper is in a folder");
        let name = paper.strip_prefix(root).expect("it was found there").display();
        for (number, line) in (1..).zip(text.lines()) {
            let links = links(line).map(|link| (folder.join(link), link));
            let paths = paths(line).into_iter().flat_map(|path| {
                alternatives(path).into_iter().map(move |one| (root.join(one), path))
            });
            for (path, shown) in links.chain(paths) {
                seen += 1;
                if !path.exists() {
                    complaints.push(format!("{name}:{number}: there is no {shown}"));
                }
            }
        }
    }
    (complaints, seen)
}

fn papers(root: &Path) -> BTreeSet<PathBuf> {
    let mut papers: BTreeSet<_> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root.join(name)).into();
    let mut folders = vec![root.join("core/docs"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of papers can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                papers.insert(path);
            }
        }
    }
    papers
}

/// The targets of relative links, without their anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        let is_relative = !target.is_empty() && !target.contains("://");
        is_relative.then_some(target)
    })
}

/// The paths between backticks: words with a slash that begin with a folder of the workspace.
fn paths(line: &str) -> Vec<&str> {
    const FOLDERS: [&str; 6] = ["core/", "backend-mio/", "backend-sim/", "fuzz/", "tests/", ".ci/"];
    let quoted = line.split('`').skip(1).step_by(2);
    let is_path = |text: &&str| {
        !text.contains([' ', '*', '<', '$'])
            && FOLDERS.iter().any(|folder| text.starts_with(folder))
            && !MADE_BY_BUILDS.iter().any(|folder| text.starts_with(folder))
    };
    quoted.filter(is_path).collect()
}

/// Writes a path with `{a,b}` out.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let Some((inner, after)) = rest.split_once('}') else { return vec![path.to_owned()] };
    inner.split(',').flat_map(|one| alternatives(&format!("{before}{one}{after}"))).collect()
}
