//! The tables with personal data, and what erases it. A test fails if a column that looks personal
//! is in none of them.

/// A table, its personal data, and what erases it.
const PERSONAL: &[(&str, &str, &str)] = &[
    ("users", "the application's name for a user", "erase_some, last"),
    ("sessions", "user, times, device, network, data", "begin_erasure; delete_expired"),
    ("credential_epochs", "how often the credentials of a user changed", "begin_erasure"),
    ("anonymous_total", "none: a number of sessions", "whatever ends a session"),
    ("ended_sessions", "hashes of tokens, for a minute", "delete_expired"),
    ("activities", "the events", "erase_some; delete_activities; anonymise"),
    ("activity_blocks", "none: counts", "delete_activities, with the last row of a block"),
    (
        "activity_user_blocks",
        "the blocks and places of a user's rows",
        "delete_activities, with the last row of a block",
    ),
    ("activity_session_blocks", "the blocks of a session's rows", "delete_activities, with the last row of a block"),
    ("rollups", "the hours and days with a rollup", "whatever changes a row of the hour"),
    ("rollup_parts", "numbers of users, visitors and sessions, with counts", "whatever changes a row of the hour"),
    ("activity_sessions", "public ids of sessions", "delete_activities, with the last row"),
    ("visitors", "public ids of visitors", "delete_activities, with the last row"),
    ("agents", "families of browsers and systems", "kept: they identify nobody"),
    ("event_types", "names that may identify a person", "erase_some, with the last row; else kept"),
    ("routes", "paths that may identify a person", "erase_some, with the last row; else kept"),
    ("preferences", "the preferences of a user", "erase_some"),
    ("consent_subjects", "subjects and their consent states", "erase_some"),
    ("consent_records", "decisions with their proof", "erase_some"),
    ("consent_refusals", "subjects and the purposes they refuse", "erase_some"),
    ("erasure_leftovers", "numbers of names, only while an erasure is under way", "erase_some, last"),
    ("erasure_rows", "numbers of rows, only while an erasure is under way", "erase_some, last"),
    ("audit_entries", "keyed hashes of actors and subjects", "kept: delete_audit_entries"),
    ("audit_payloads", "actors and subjects in clear", "erase_some; delete_audit_entries"),
    ("restrictions", "restricted users, and the reason", "erase_some"),
    ("legal_holds", "users with legal holds, and the reason", "erase_some, last; until then it is held"),
    (
        "privacy_requests",
        "requests of users, with their words",
        "erase_some, last: a keyed hash is left; delete_requests",
    ),
    ("erasures", "a keyed hash; the name only while an erasure is under way", "erase_some; delete_tombstones"),
];

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::store::sqlite::migrations::MIGRATIONS;

    /// Parts of column names that indicate personal data.
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
    fn every_table_with_personal_columns_lists_what_erases_it() {
        let database = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| database.execute_batch(migration).unwrap());
        let columns = columns(&database);
        for (table, column) in &columns {
            let looks_personal = SUSPICIOUS.iter().any(|part| column.contains(part));
            let is_listed = PERSONAL.iter().any(|(known, _, _)| known == table);
            // A count of sessions is not personal.
            assert!(!looks_personal || is_listed, "{table}.{column} is in no list of personal data");
        }
        for (table, _, _) in PERSONAL {
            assert!(columns.iter().any(|(known, _)| known == table), "there is no table {table}");
        }
    }
}
