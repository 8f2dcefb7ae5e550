//! DuckDB, in `analytics_duckdb.py`.

use std::process::Command;

use serde_json::Value;

use crate::{
    Asked, Settings,
    rows::{BEGIN, DAY},
};

/// What it is asked, too.
const NAMES: [&str; 5] = ["daily_users", "pages", "funnel", "two_grams", "paths"];

pub struct Peer(Asked);

impl Peer {
    pub fn start(python: &str, settings: &Settings) -> Self {
        let directory = settings.export.as_ref().expect("--peer needs --export");
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/analytics_duckdb.py");
        let end = BEGIN + settings.size.days as i64 * DAY;
        let mut asked = Asked::start(Command::new(python).arg(program).arg(directory).arg(end.to_string()));
        let loaded = asked.ask("load");
        println!("DuckDB {} loaded {} rows in {} s", loaded["version"], loaded["rows"], loaded["seconds"]);
        Self(asked)
    }

    pub fn ask(&mut self, name: &str) -> Option<Value> {
        NAMES.contains(&name).then(|| self.0.ask(name))
    }

    pub fn end(self) {
        self.0.end();
    }
}

/// Tells where two answers differ first.
pub fn compare(path: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{path}: another number of entries");
            let pairs = ours.iter().zip(theirs).enumerate();
            pairs.for_each(|(index, (ours, theirs))| compare(&format!("{path}[{index}]"), ours, theirs));
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{path}: another number of fields");
            ours.iter().for_each(|(name, ours)| compare(&format!("{path}.{name}"), ours, &theirs[name]));
        }
        _ => assert_eq!(ours, theirs, "{path}"),
    }
}
