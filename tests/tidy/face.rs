//! The part of the simulator that a scenario's author sees.

use std::collections::BTreeSet;
use std::path::Path;

use syn::{File, ImplItem, Item, ItemMod, Type, UseTree};

use crate::leftovers::sources;
use crate::source::{is_public, parse};

/// The names in the face: those of the public modules in the root, and of its public files.
pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in parse(&folder.join("lib.rs")).items {
        match item {
            Item::Mod(module) if is_public(&module.vis) && !is_hidden(&module) => {
                add_module(&module, folder, &mut names);
            }
            Item::Use(used) if is_public(&used.vis) => add_leaves(&used.tree, &mut names),
            _ => {}
        }
    }
    names
}

fn add_module(module: &ItemMod, folder: &Path, names: &mut BTreeSet<String>) {
    if let Some((_, items)) = &module.content {
        return add_items(items, names);
    }
    let (flat, nested) = (format!("{}.rs", module.ident), format!("{}/mod.rs", module.ident));
    let file = folder.join(flat);
    let file = if file.exists() { file } else { folder.join(nested) };
    add_items(&parse(&file).items, names);
}

fn add_items(items: &[Item], names: &mut BTreeSet<String>) {
    for item in items {
        let (vis, name) = match item {
            Item::Use(used) if is_public(&used.vis) => {
                add_leaves(&used.tree, names);
                continue;
            }
            Item::Const(item) => (&item.vis, &item.ident),
            Item::Enum(item) => (&item.vis, &item.ident),
            Item::Fn(item) => (&item.vis, &item.sig.ident),
            Item::Struct(item) => (&item.vis, &item.ident),
            Item::Trait(item) => (&item.vis, &item.ident),
            Item::Type(item) => (&item.vis, &item.ident),
            _ => continue,
        };
        if is_public(vis) {
            names.insert(name.to_string());
        }
    }
}

fn add_leaves(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => add_leaves(&path.tree, names),
        UseTree::Group(group) => group.items.iter().for_each(|tree| add_leaves(tree, names)),
        UseTree::Name(name) => drop(names.insert(name.ident.to_string())),
        UseTree::Rename(rename) => drop(names.insert(rename.rename.to_string())),
        UseTree::Glob(_) => panic!("a face names what stands in it"),
    }
}

fn is_hidden(module: &ItemMod) -> bool {
    let mut lists = module.attrs.iter().filter_map(|attribute| attribute.meta.require_list().ok());
    lists.any(|list| list.path.is_ident("doc") && list.tokens.to_string() == "hidden")
}

/// The public methods and constants of the types that are called so, in all sources of `folders`.
pub(crate) fn methods(folders: &[&Path], types: &BTreeSet<String>) -> Vec<String> {
    let files = folders.iter().flat_map(|folder| sources(folder));
    files.flat_map(|file| methods_in(&parse(&file), types)).collect()
}

fn methods_in(file: &File, types: &BTreeSet<String>) -> Vec<String> {
    let mut methods = Vec::new();
    for item in &file.items {
        let Item::Impl(block) = item else { continue };
        let Type::Path(path) = &*block.self_ty else { continue };
        let of = path.path.segments.last().expect("a type has a name").ident.to_string();
        if block.trait_.is_some() || !types.contains(&of) {
            continue;
        }
        methods.extend(
            block
                .items
                .iter()
                .filter_map(|item| match item {
                    ImplItem::Fn(method) if is_public(&method.vis) => Some(&method.sig.ident),
                    ImplItem::Const(constant) if is_public(&constant.vis) => Some(&constant.ident),
                    _ => None,
                })
                .map(|name| format!("{of}::{name}")),
        );
    }
    methods
}
