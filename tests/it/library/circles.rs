//! No two files import each other, directly or through others. A module and its submodules belong
//! together and do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::layering::{files, module_path, tree};

type Module = Vec<String>;

/// The files of the crate, by the path of their modules.
struct Source {
    code: BTreeMap<Module, String>,
    /// The names that a module imports, each with the path behind it.
    imports: BTreeMap<Module, BTreeMap<String, Module>>,
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let source = Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let edges: BTreeMap<_, _> = source.code.keys().map(|module| (module.clone(), source.used_by(module))).collect();
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 1_000, "the reader of imports finds too little");
    for module in edges.keys() {
        if let Some(circle) = circle(&edges, module) {
            panic!("files import each other in a circle: {}", circle.join(" -> "));
        }
    }
}

impl Source {
    fn read(root: &Path) -> Self {
        let rust = files(root).into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
        let code: BTreeMap<_, _> = rust.map(|file| (module_path(root, &file), code(&file))).collect();
        let mut source = Self { code, imports: BTreeMap::new() };
        for (module, code) in &source.code {
            let paths = uses(code).into_iter().filter_map(|path| source.absolute(module, &path));
            let named = paths.map(|path| (path.last().cloned().unwrap_or_default(), path));
            source.imports.insert(module.clone(), named.collect());
        }
        source
    }

    /// The files that a file imports from.
    fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let used = self.imports[module].values().filter_map(|path| self.home(path, 0));
        used.filter(|used| !used.starts_with(module) && !module.starts_with(used)).collect()
    }

    /// The path from the root of the crate; `None` for other crates.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let above = path.iter().take_while(|name| *name == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => Some([&module[..module.len().checked_sub(above)?], &path[above..]].concat()),
            child => {
                let child = [module.as_slice(), &[child.to_owned()]].concat();
                self.code.contains_key(&child).then(|| [module, path].concat())
            }
        }
    }

    /// The file that defines what a path names, followed through re-exports.
    fn home(&self, path: &[String], depth: usize) -> Option<Module> {
        let length = (0..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let Some(name) = rest.first() else { return Some(module.to_vec()) };
        let again = self.imports.get(module).and_then(|imports| imports.get(name));
        match again {
            Some(again) if depth < 8 && again != path => self.home(&[again, &rest[1..]].concat(), depth + 1),
            _ => Some(module.to_vec()),
        }
    }
}

/// The code of a file without comments and tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The paths of all `use` statements.
fn uses(code: &str) -> Vec<Module> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].rsplit('\n').next().unwrap_or_default().trim();
        if before.is_empty() || before.starts_with("pub") {
            tree(&code[at + "use ".len()..], &[], &mut found);
        }
    }
    found
}

/// A way from a module back to itself.
fn circle(edges: &BTreeMap<Module, BTreeSet<Module>>, start: &Module) -> Option<Vec<String>> {
    let mut from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut next = vec![start];
    while let Some(module) = next.pop() {
        for used in edges.get(module).into_iter().flatten() {
            if used == start {
                let mut way = vec![start.join("::"), module.join("::")];
                let mut at = module;
                while let Some(before) = from.get(at) {
                    way.push(before.join("::"));
                    at = before;
                }
                way.reverse();
                return Some(way);
            }
            if !from.contains_key(used) && used != start {
                from.insert(used, module);
                next.push(used);
            }
        }
    }
    None
}
