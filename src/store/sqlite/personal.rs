//! Which tables hold data of persons, and what erases it. A test fails when a column that looks
//! like it stands in none of them.

/// A table, what of a person it holds, and what erases it.
const PERSONAL: &[(&str, &str, &str)] = &[
    ("users", "the application's name for a user", "erase_some, last"),
    ("sessions", "who, when, device, network, data", "strike_out; purge_expired"),
    ("credential_epochs", "how often somebody's credentials changed", "strike_out"),
    ("anonymous_total", "none: a number of sessions", "whatever ends a session"),
    ("ended_sessions", "hashes of tokens, for a minute", "purge_expired"),
    ("activities", "what happened", "erase_some; discard; anonymise"),
    ("activity_blocks", "none: counts", "discard, with the last row of a block"),
    (
        "activity_user_blocks",
        "in which blocks, and where in them, a user occurs",
        "discard, with the last row of a block",
    ),
    ("activity_session_blocks", "in which blocks a session occurs", "discard, with the last row of a block"),
    ("rollups", "which hours and days are summed up", "whatever changes a row of the hour"),
    ("rollup_parts", "numbers of users, visitors and sessions, with counts", "whatever changes a row of the hour"),
    ("activity_sessions", "public names of sessions", "discard, with the last row"),
    ("visitors", "public names of visitors", "discard, with the last row"),
    ("agents", "families of browsers and systems, of many", "kept: they name nobody"),
    ("event_types", "names that may say something of one person", "erase_some, with the last row; else kept"),
    ("routes", "paths that may say something of one person", "erase_some, with the last row; else kept"),
    ("preferences", "what somebody likes", "erase_some"),
    ("consent_subjects", "whose decisions, and where they stand", "erase_some"),
    ("consent_records", "what was decided, with its proof", "erase_some"),
    ("consent_refusals", "who refuses which purpose", "erase_some"),
    ("erasure_leftovers", "numbers of names, only while an erasure is under way", "erase_some, last"),
    ("erasure_rows", "numbers of rows, only while an erasure is under way", "erase_some, last"),
    ("audit_entries", "keyed hashes of who did what to whom", "kept: forget_audit"),
    ("audit_payloads", "who did what to whom, in clear", "erase_some; forget_audit"),
    ("restrictions", "whose data is left alone, and why", "erase_some"),
    ("legal_holds", "whose data is held, and why", "erase_some, last; until then it is held"),
    (
        "privacy_requests",
        "who exercised which right, in what words",
        "erase_some, last: a keyed hash is left; forget_requests",
    ),
    ("erasures", "a keyed hash; the name only while an erasure is under way", "erase_some; forget_erasures"),
];

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::sqlite::migrations::MIGRATIONS;

    /// Parts of names of columns that hold, or refer to, something of a person.
    const SUSPICIOUS: &[&str] = &[
        "user",
        "subject",
        "visitor",
        "session",
        "address",
        "network",
        "device",
        "agent",
        "external",
        "actor",
        "email",
        "pseudonym",
        "referrer",
        "linked",
    ];

    fn columns(database: &Connection) -> Vec<(String, String)> {
        let query = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'";
        let mut statement = database.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn each_table_with_a_column_that_looks_personal_says_what_erases_it() {
        let database = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| database.execute_batch(migration).unwrap());
        let columns = columns(&database);
        for (table, column) in &columns {
            let looks_personal = SUSPICIOUS.iter().any(|part| column.contains(part));
            let is_listed = PERSONAL.iter().any(|(known, _, _)| known == table);
            // A count of sessions is nobody's.
            assert!(!looks_personal || is_listed, "{table}.{column} is in no list of personal data");
        }
        for (table, _, _) in PERSONAL {
            assert!(columns.iter().any(|(known, _)| known == table), "there is no table {table}");
        }
    }
}
