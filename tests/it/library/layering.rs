//! Imports inside the crate go one way: from the guestbook down to the plain values.

use std::{fs, path::Path};

/// The modules from top to bottom, seven ranks, and an order inside two of them. Those of one row
/// do not use each other.
const ROWS: &[&[&str]] = &[
    &["lib", "api", "guestbook", "security"],
    &["http"],
    &["request"],
    &["engine/rights", "engine/retention", "engine/analytics", "engine/tower_sessions"],
    &["engine/sessions", "engine/activities", "engine/recorder", "engine/preferences", "engine/audit", "engine/users"],
    &["engine/consents"],
    &["engine/profiles", "engine/erasure_journal", "engine/pending"],
    &["engine/runtime"],
    &["engine/tasks", "engine/rate"],
    &["store"],
    &["model/analytics"],
    &["model/session", "model/activity", "model/consent", "model/preferences", "model/privacy"],
    &["model/client"],
    &["files"],
    &["id", "gate"],
    &["time", "error", "json", "hex", "mac"],
];

/// The ranks whose modules have an order of their own.
const DIVIDED: &[&str] = &["engine", "model"];

#[test]
fn imports_go_one_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for file in files(&source) {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let path = module_path(&source, &file);
        let module = subject(&path);
        if module == "lib" || DIVIDED.contains(&module.as_str()) {
            continue;
        }
        for used in imports(&code(&file)) {
            checked += 1;
            let used = subject(&used);
            assert!(used == module || row(&used) > row(&module), "{} imports {used}: an arrow upward", file.display());
        }
    }
    assert!(checked > 500, "the reader of imports finds too little: {checked}");
}

fn row(module: &str) -> usize {
    ROWS.iter().position(|row| row.contains(&module)).unwrap_or_else(|| panic!("{module} stands in no row"))
}

/// `engine/rights` of `engine::rights::export`, `http` of `http::consent`.
fn subject(path: &[String]) -> String {
    match path {
        [rank, module, ..] if DIVIDED.contains(&rank.as_str()) => format!("{rank}/{module}"),
        [module, ..] => module.clone(),
        [] => "lib".to_owned(),
    }
}

/// `["engine", "rights"]` of `src/engine/rights/mod.rs`.
pub(super) fn module_path(source: &Path, file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source).unwrap().with_extension("");
    let mut path: Vec<_> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|name| name == "mod" || name == "lib") {
        path.pop();
    }
    path
}

/// Without comments: code in docs is a user of the crate and may use everything.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The paths after `crate::`, with or without braces.
fn imports(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        tree(&code[at + "crate::".len()..], &[], &mut found);
    }
    found.retain(|path| path.first().is_some_and(|name| name.starts_with(|first: char| first.is_lowercase())));
    found
}

/// Reads one path, or a list of them in braces, and returns what is left of the text.
pub(super) fn tree<'a>(text: &'a str, above: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut text = text.trim_start();
    let mut path = above.to_vec();
    loop {
        if let Some(list) = text.strip_prefix('{') {
            text = list.trim_start();
            while !text.starts_with('}') {
                text = tree(text, &path, found).trim_start().trim_start_matches(',').trim_start();
                assert!(!text.is_empty(), "a brace is not closed");
            }
            return &text[1..];
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        path.push(name.to_owned());
        match rest.strip_prefix("::") {
            Some(rest) if !rest.starts_with('<') => text = rest,
            _ => {
                found.push(path);
                // An alias is no part of the path.
                let alias = rest
                    .strip_prefix(" as ")
                    .map(|alias| alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
                return alias.unwrap_or(rest);
            }
        }
    }
}

pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
