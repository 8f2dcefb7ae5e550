//! The tests that the docs name as proof are there.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Docs with tables whose last column names tests.
const TABLES: &[&str] = &["src/security.rs", "src/api/privacy.rs"];

#[test]
fn each_test_that_the_docs_cite_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for table in TABLES {
        let text = fs::read_to_string(root.join(table)).unwrap();
        let mut cites = false;
        for row in text.lines() {
            cites = row.ends_with("| shown by |") || cites && row.starts_with("//! |");
            if !cites {
                continue;
            }
            let shown_by = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
            let mut before = "";
            for (index, part) in shown_by.split('`').enumerate() {
                if index % 2 == 0 {
                    before = part;
                    continue;
                }
                let folder = if before.ends_with("unit: ") { "src" } else { "tests/it" };
                let path: Vec<_> = part.split("::").collect();
                assert!(is_there(&root.join(folder), &path), "{table} cites {part}, which is not in {folder}");
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "the reader of tables finds too little: {checked}");
}

/// Whether it is a module, or a test in one.
fn is_there(folder: &Path, path: &[&str]) -> bool {
    let (name, module) = path.split_last().expect("a path has a name");
    if file(folder, path).is_some() {
        return true;
    }
    let Some(file) = file(folder, module) else { return false };
    fs::read_to_string(file).unwrap().contains(&format!("fn {name}("))
}

fn file(folder: &Path, module: &[&str]) -> Option<PathBuf> {
    let path = module.iter().fold(folder.to_owned(), |path, name| path.join(name));
    [path.with_extension("rs"), path.join("mod.rs")].into_iter().find(|file| file.is_file())
}
