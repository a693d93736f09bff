//! The modules of a package, with what each defines and names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, UseTree, Visibility};

/// A path by its segments.
pub(crate) type Names = Vec<String>;

/// One `use`, of one name.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) path: Names,
    /// The name that it gets here.
    pub(crate) name: String,
}

/// A module of its own file, without its tests.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) defined: BTreeSet<String>,
    pub(crate) uses: Vec<Use>,
    /// Every path that stands outside of a `use`, also in macros; one name is one, too.
    pub(crate) paths: BTreeSet<Names>,
    /// The modules that it declares in files of their own, and whether for tests only.
    declared: Vec<(String, bool)>,
}

/// A package's modules by path (`judge/oracle`; the root is empty), and every file that is one.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) modules: BTreeMap<String, Module>,
    pub(crate) files: BTreeSet<PathBuf>,
}

impl Package {
    /// Reads a package from the file of its root.
    pub(crate) fn read(root: &Path) -> Package {
        let mut package = Package::default();
        let folder = root.parent().expect("a root lies in a folder");
        package.read_module("", root, folder, false);
        assert!(package.modules.len() > 1, "{} declares modules", root.display());
        package
    }

    fn read_module(&mut self, path: &str, file: &Path, children: &Path, is_test: bool) {
        self.files.insert(file.to_owned());
        let module = Module::of(&parse(file));
        for (name, is_for_tests) in &module.declared {
            let within = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let (flat, folder) = (children.join(format!("{name}.rs")), children.join(name));
            let file = if flat.exists() { flat } else { folder.join("mod.rs") };
            self.read_module(&within, &file, &folder, is_test || *is_for_tests);
        }
        if !is_test {
            self.modules.insert(path.to_owned(), module);
        }
    }
}

/// Reads a source.
pub(crate) fn parse(file: &Path) -> File {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

impl Module {
    /// Returns the names that a source defines and uses, without those of its tests.
    pub(crate) fn of(file: &File) -> Module {
        let mut module = Module::default();
        module.visit_file(file);
        module
    }

    fn add_uses(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
        let (path, name) = match tree {
            UseTree::Path(path) => return self.add_uses(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_uses(tree, before));
            }
            UseTree::Name(name) if name.ident == "self" => {
                (before.to_vec(), before.last().cloned().unwrap_or_default())
            }
            UseTree::Name(name) => (with(&name.ident), name.ident.to_string()),
            UseTree::Rename(rename) => (with(&rename.ident), rename.rename.to_string()),
            UseTree::Glob(_) => (before.to_vec(), "*".to_owned()),
        };
        self.uses.push(Use { path, name });
    }

    /// A path that ends where it begins names nothing: `super::$name`, in a macro's text.
    fn add_path(&mut self, path: Names) {
        let is_whole = |name: &String| !matches!(name.as_str(), "crate" | "self" | "super");
        if path.last().is_some_and(is_whole) {
            self.paths.insert(path);
        }
    }

    /// Paths in a macro's arguments, which have no grammar.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Names::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 => path.push(ident.to_string()),
                TokenTree::Ident(ident) => {
                    self.add_path(std::mem::replace(&mut path, vec![ident.to_string()]));
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.add_path(std::mem::take(&mut path));
                }
            }
            colons = 0;
        }
        self.add_path(path);
    }
}

impl<'a> Visit<'a> for Module {
    fn visit_item(&mut self, item: &'a Item) {
        let (attributes, name) = parts(item);
        let is_test = is_for_tests(attributes);
        if let Item::Mod(module) = item
            && module.content.is_none()
        {
            self.declared.push((module.ident.to_string(), is_test));
        }
        if !is_test {
            self.defined.extend(name);
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.add_uses(&item.tree, &[]);
    }

    /// `pub(super)` names nothing.
    fn visit_visibility(&mut self, _: &'a Visibility) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        self.add_path(names.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        self.visit_path(&called.path);
        self.add_tokens(called.tokens.clone());
    }
}

/// The attributes of an item, and the name that it defines.
fn parts(item: &Item) -> (&[Attribute], Option<String>) {
    let (attributes, name) = match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, None),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => panic!("an item of a kind that no source had before"),
    };
    (attributes, name.map(ToString::to_string))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let list = attribute.meta.require_list().expect("a cfg has a condition");
        let condition = list.tokens.to_string();
        condition == "test" || condition.starts_with("all (test")
    })
}

/// Returns `true` if everybody may name it.
pub(crate) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

#[test]
fn a_name_is_seen_wherever_it_stands_but_in_tests() {
    let text = "use one::{two::{self, Three as Four}, *};\n\
                #[cfg(test)]\nmod tests;\nmod inner;\n\
                fn named(at: five::Six) { eight!(crate::seven::NINE, [ten(at)]) }\n\
                #[cfg(all(test, unix))]\nmod more { use eleven::Twelve; fn f() { thirteen::f() } }";
    let module = Module::of(&syn::parse_file(text).expect("it is Rust"));
    let uses = module.uses.iter().map(|one| format!("{}={}", one.name, one.path.join("::")));
    let uses: Vec<String> = uses.collect();
    assert_eq!(uses, ["two=one::two", "Four=one::two::Three", "*=one"]);
    let paths: Vec<String> = module.paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["at", "crate::seven::NINE", "eight", "five::Six", "ten"]);
    assert_eq!(module.defined, BTreeSet::from(["named".to_owned()]));
    assert_eq!(module.declared, [("tests".to_owned(), true), ("inner".to_owned(), false)]);
}
