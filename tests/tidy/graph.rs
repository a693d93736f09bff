//! The arrows between the modules of a package, and their circles.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Package;

/// By module, the modules whose definitions it names.
pub(crate) type Arrows = BTreeMap<String, BTreeSet<String>>;

impl Package {
    /// Its arrows. An export that the file itself does not use is none: a name leads to where it is
    /// defined.
    pub(crate) fn arrows(&self) -> Arrows {
        self.modules.keys().map(|from| (from.clone(), self.named_by(from))).collect()
    }

    fn named_by(&self, from: &str) -> BTreeSet<String> {
        let module = &self.modules[from];
        let used: BTreeSet<&str> =
            module.paths.iter().filter_map(|path| path.first()).map(String::as_str).collect();
        let uses = module.uses.iter().filter(|one| {
            // What a trait's name is used for shows nowhere; exports of traits are none so far.
            matches!(one.name.as_str(), "*" | "_") || used.contains(one.name.as_str())
        });
        let paths = uses.map(|one| &one.path).chain(&module.paths);
        let named = paths.filter_map(|path| self.definer(from, path, 0));
        named.filter(|to| to != from).collect()
    }

    /// The module that defines what a path names; `None` if that is not in this package.
    fn definer(&self, from: &str, path: &[String], depth: usize) -> Option<String> {
        assert!(depth < 16, "{from}: {path:?} leads in circles");
        let (mut at, mut rest) = self.beginning(from, path)?;
        while let Some((name, behind)) = rest.split_first()
            && self.modules.contains_key(&join(&at, name))
        {
            (at, rest) = (join(&at, name), behind);
        }
        let Some((name, behind)) = rest.split_first() else { return Some(at) };
        let module = &self.modules[&at];
        if module.defined.contains(name) {
            return Some(at);
        }
        match module.uses.iter().find(|one| one.name == *name) {
            Some(one) => self.definer(&at, &[&one.path, behind].concat(), depth + 1),
            None => Some(at),
        }
    }

    /// The module that a path begins in, and the rest of the path.
    fn beginning<'a>(&self, from: &str, path: &'a [String]) -> Option<(String, &'a [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((String::new(), rest)),
            "self" => Some((from.to_owned(), rest)),
            "super" => {
                let above = from.rsplit_once('/').map_or("", |(above, _)| above);
                match rest.first() {
                    Some(next) if next == "super" => self.beginning(above, rest),
                    _ => Some((above.to_owned(), rest)),
                }
            }
            child if !rest.is_empty() && self.modules.contains_key(&join(from, child)) => {
                Some((from.to_owned(), path))
            }
            // A name alone is of something here, or of a `use`, which is looked at by itself.
            _ => None,
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// Everything that an arrow, or several, lead to from there.
fn reached<'a>(arrows: &'a Arrows, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<&str> = arrows[from].iter().map(String::as_str).collect();
    while let Some(next) = left.pop() {
        if reached.insert(next) {
            left.extend(arrows[next].iter().map(String::as_str));
        }
    }
    reached
}

/// The circles: modules that lead to each other.
pub(crate) fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<&str>> {
    let reached: BTreeMap<&str, _> =
        arrows.keys().map(|from| (from.as_str(), reached(arrows, from))).collect();
    let circle = |from: &&str| {
        let back = reached[from].iter().copied().filter(|to| reached[to].contains(from));
        back.collect::<BTreeSet<&str>>()
    };
    reached.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}
