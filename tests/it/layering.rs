//! Imports inside the crate go one way: from the guestbook down to the plain values.

use std::{fs, path::Path};

/// The modules from top to bottom; those of one row do not use each other.
const ROWS: &[&[&str]] = &[
    &["lib", "guestbook", "security"],
    &["http"],
    &["visit"],
    &["rights", "retention", "analytics"],
    &["sessions", "activities", "recorder", "user_preferences", "audit"],
    &["consents"],
    &["accounts", "journal", "pending"],
    &["store"],
    &["analysis"],
    &["session", "activity", "consent", "preferences", "privacy"],
    &["client", "tasks", "files"],
    &["id", "gate", "rate"],
    &["time", "error", "json"],
];

#[test]
fn no_module_imports_from_a_row_above_or_beside_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let row_of = |module: &str| {
        ROWS.iter().position(|row| row.contains(&module)).unwrap_or_else(|| panic!("{module} stands in no row"))
    };
    let mut checked = 0;
    for file in files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Code in docs is a user of the crate and may use everything.
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
        for used in imports(&code) {
            checked += 1;
            assert!(
                used == module || row_of(&used) > row_of(&module),
                "{} imports crate::{used}: an arrow upward",
                relative.display()
            );
        }
    }
    assert!(checked > 50, "the reader of imports finds too little");
}

/// The first names after `crate::`, with or without braces.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(list) = rest.strip_prefix('{') else {
            found.push(name(rest));
            continue;
        };
        let (mut depth, mut item) = (1, String::new());
        for character in list.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => found.push(name(std::mem::take(&mut item).trim_start())),
                _ if depth == 1 => item.push(character),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        found.push(name(item.trim_start()));
    }
    found.retain(|name| name.starts_with(|first: char| first.is_lowercase()));
    found
}

pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
