//! The modules of a crate, and which of them names which: read from its files with a parser.
//! What only tests compile is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token, UseTree};

/// Where a module or an item is in its crate: names from the root on.
pub(crate) type Place = Vec<String>;

/// A crate's modules by their place; that of the root is empty.
#[derive(Default)]
pub(crate) struct Modules(BTreeMap<Place, Module>);

#[derive(Default)]
struct Module {
    /// All that its code names, as written, from the root on. What is not of this crate looks
    /// like an item of the module itself.
    names: BTreeSet<Place>,
    /// What its `use` items bring into it.
    imports: BTreeMap<String, Place>,
}

impl Modules {
    /// Reads a crate from its root file.
    pub(crate) fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        let text = fs::read_to_string(root).unwrap();
        modules.add(Vec::new(), &text, Some(root.parent().unwrap()));
        modules
    }

    /// A crate of one file.
    pub(crate) fn parse(text: &str) -> Self {
        let mut modules = Self::default();
        modules.add(Vec::new(), text, None);
        modules
    }

    fn add(&mut self, place: Place, text: &str, folder: Option<&Path>) {
        let file = syn::parse_file(text).unwrap();
        if is_compiled(&file.attrs) {
            self.add_items(place, &file.items, folder);
        }
    }

    fn add_items(&mut self, place: Place, items: &[Item], folder: Option<&Path>) {
        let mut module = Module::default();
        for item in items {
            match item {
                Item::Mod(child) if is_compiled(&child.attrs) => {
                    let name = child.ident.to_string();
                    let folder = folder.map(|it| it.join(&name));
                    let place = [&place[..], &[name]].concat();
                    match (&child.content, folder) {
                        (Some((_, items)), folder) => {
                            self.add_items(place, items, folder.as_deref());
                        }
                        (None, Some(folder)) => {
                            let text = fs::read_to_string(folder.with_extension("rs")).unwrap();
                            self.add(place, &text, Some(&folder));
                        }
                        (None, None) => panic!("{place:?} is in another file"),
                    }
                }
                Item::Mod(_) => {}
                Item::Use(item) if is_compiled(&item.attrs) => {
                    for (name, target) in imports(&item.tree) {
                        module.imports.insert(name, from_root(&place, &target));
                    }
                    Reader::new(&place, &mut module).visit_item_use(item);
                }
                item => Reader::new(&place, &mut module).visit_item(item),
            }
        }
        self.0.insert(place, module);
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.keys()
    }

    /// The modules that the code of one names: those that it writes down, and those that
    /// really hold what it takes from there.
    pub(crate) fn known_to(&self, place: &Place) -> BTreeSet<Place> {
        self.followed_from(place).flatten().collect()
    }

    /// The modules that hold what the code of one names.
    pub(crate) fn needed_by(&self, place: &Place) -> BTreeSet<Place> {
        self.followed_from(place)
            .filter_map(|mut passed| passed.pop())
            .collect()
    }

    fn followed_from(&self, place: &Place) -> impl Iterator<Item = Vec<Place>> {
        let names = self.0[place].names.iter();
        names.map(|name| self.follow(name.clone()))
    }

    /// The modules that a path passes through their imports, the last of which holds what it
    /// names.
    fn follow(&self, mut path: Place) -> Vec<Place> {
        let mut passed = Vec::new();
        loop {
            let is_module = |depth: &usize| self.0.contains_key(&path[..*depth]);
            let depth = (0..=path.len()).rev().find(is_module).unwrap();
            let (module, rest) = path.split_at(depth);
            passed.push(module.to_vec());
            let imported = rest
                .first()
                .and_then(|name| self.0[module].imports.get(name));
            match imported {
                // What comes from outside of the crate is imported as itself.
                Some(target) if target != &path[..=depth] => {
                    path = [&target[..], &rest[1..]].concat();
                }
                _ => return passed,
            }
        }
    }
}

/// Whether something with these attributes may be compiled outside of tests.
fn is_compiled(attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => may_hold(&list.parse_args().unwrap()),
        _ => true,
    })
}

fn may_hold(condition: &Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        let parsed =
            list.parse_args_with(syn::punctuated::Punctuated::<Meta, Token![,]>::parse_terminated);
        parsed.unwrap().into_iter()
    };
    match condition {
        Meta::Path(word) => !word.is_ident("test") && !word.is_ident("fuzzing"),
        Meta::List(list) if list.path.is_ident("any") => parts(list).any(|it| may_hold(&it)),
        Meta::List(list) if list.path.is_ident("all") => parts(list).all(|it| may_hold(&it)),
        _ => true,
    }
}

/// A path as the code of a module writes it, from the root of the crate on.
fn from_root(module: &[String], path: &[String]) -> Place {
    let mut start = module.to_vec();
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        match first.as_str() {
            "crate" => start.clear(),
            "self" => {}
            "super" => drop(start.pop()),
            _ => break,
        }
        rest = behind;
    }
    [&start[..], rest].concat()
}

/// What a `use` brings: each name with its path as written.
fn imports(tree: &UseTree) -> Vec<(String, Place)> {
    fn collect(tree: &UseTree, before: &[String], found: &mut Vec<(String, Place)>) {
        let with = |last: &syn::Ident| [before, &[last.to_string()]].concat();
        match tree {
            UseTree::Path(it) => collect(&it.tree, &with(&it.ident), found),
            UseTree::Group(it) => it.items.iter().for_each(|it| collect(it, before, found)),
            // `use a::{self}`
            UseTree::Name(it) if it.ident == "self" => {
                found.extend(before.last().map(|last| (last.clone(), before.to_vec())));
            }
            UseTree::Name(it) => found.push((it.ident.to_string(), with(&it.ident))),
            UseTree::Rename(it) => found.push((it.rename.to_string(), with(&it.ident))),
            UseTree::Glob(_) => found.push(("*".to_owned(), before.to_vec())),
        }
    }
    let mut found = Vec::new();
    collect(tree, &[], &mut found);
    found
}

/// Collects what the code of a module names.
struct Reader<'a> {
    place: &'a [String],
    module: &'a mut Module,
}

impl<'a> Reader<'a> {
    fn new(place: &'a [String], module: &'a mut Module) -> Self {
        Self { place, module }
    }

    fn name(&mut self, path: &[String]) {
        self.module.names.insert(from_root(self.place, path));
    }

    /// What a macro is given is no syntax of Rust: names in it are words between `::`.
    fn name_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.name_path(&mut path);
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(it) if it.as_char() == ':' => colons += 1,
                other => {
                    self.name_path(&mut path);
                    if let TokenTree::Group(group) = other {
                        self.name_tokens(group.stream());
                    }
                }
            }
        }
        self.name_path(&mut path);
    }

    fn name_path(&mut self, path: &mut Place) {
        if path.len() > 1 {
            self.name(path);
        }
        path.clear();
    }
}

/// Passes over what only tests compile.
macro_rules! outside_of_tests {
    ($($visit:ident $node:ident,)*) => {
        $(fn $visit(&mut self, node: &'ast syn::$node) {
            if is_compiled(&node.attrs) {
                visit::$visit(self, node);
            }
        })*
    };
}

impl<'ast> Visit<'ast> for Reader<'_> {
    outside_of_tests! {
        visit_arm Arm,
        visit_expr_block ExprBlock,
        visit_expr_call ExprCall,
        visit_expr_macro ExprMacro,
        visit_expr_method_call ExprMethodCall,
        visit_field Field,
        visit_field_value FieldValue,
        visit_impl_item_const ImplItemConst,
        visit_impl_item_fn ImplItemFn,
        visit_item_const ItemConst,
        visit_item_enum ItemEnum,
        visit_item_fn ItemFn,
        visit_item_impl ItemImpl,
        visit_item_macro ItemMacro,
        visit_item_mod ItemMod,
        visit_item_static ItemStatic,
        visit_item_struct ItemStruct,
        visit_item_trait ItemTrait,
        visit_item_type ItemType,
        visit_local Local,
        visit_stmt_macro StmtMacro,
        visit_variant Variant,
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_compiled(&item.attrs) && item.leading_colon.is_none() {
            for (_, path) in imports(&item.tree) {
                self.name(&path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments: Place = path
                .segments
                .iter()
                .map(|it| it.ident.to_string())
                .collect();
            self.name(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        self.name_tokens(it.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}
