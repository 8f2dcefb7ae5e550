//! Somebody changes the file with SQLite's own tools.

use rusqlite::types::Value as Sql;

use super::*;

/// The triggers are in the way of accidents only.
const NO_TRIGGERS: &str = "
    DROP TRIGGER audit_entries_follow; DROP TRIGGER audit_entries_stay; DROP TRIGGER audit_entries_go_with_a_checkpoint;
    DROP TRIGGER audit_payloads_stay; DROP TRIGGER audit_checkpoint_goes_forward; DROP TRIGGER audit_checkpoint_stays;";

/// A trail of nine entries, and what is found after the statements.
async fn after(statements: &str, anchored: bool) -> Option<(u64, AuditFlaw)> {
    let place = Place::new();
    let head = place.fill(9).await;
    assert_eq!(place.fault(Some(head)).await, None);
    place.raw().execute_batch(NO_TRIGGERS).unwrap();
    place.raw().execute_batch(statements).unwrap();
    place.fault(anchored.then_some(head)).await
}

#[tokio::test]
async fn verify_names_the_entry_of_a_changed_byte() {
    let place = Place::new();
    place.fill(9).await;
    let raw = place.raw();
    raw.execute_batch(NO_TRIGGERS).unwrap();
    let columns: Vec<String> = raw
        .prepare("SELECT name FROM pragma_table_info('audit_entries')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(columns.len(), 9);
    for column in columns {
        let read = format!("SELECT {column} FROM audit_entries WHERE sequence = 5");
        let original: Sql = raw.query_row(&read, [], |row| row.get(0)).unwrap();
        let length = match &original {
            Sql::Text(text) => text.len(),
            Sql::Blob(bytes) => bytes.len(),
            _ => 1,
        };
        for byte in 0..length {
            for bit in [0x01, 0x80] {
                let changed = match &original {
                    Sql::Integer(number) => Sql::Integer(number ^ (bit << 8)),
                    Sql::Blob(bytes) => {
                        let mut bytes = bytes.clone();
                        bytes[byte] ^= bit as u8;
                        Sql::Blob(bytes)
                    }
                    // SQLite keeps bytes that are no UTF-8 in a text, if it is told that they are
                    // one.
                    Sql::Text(text) => {
                        let mut bytes = text.clone().into_bytes();
                        bytes[byte] ^= bit as u8;
                        Sql::Blob(bytes)
                    }
                    other => panic!("{other:?}"),
                };
                let cast = if matches!(original, Sql::Text(_)) { "CAST(?1 AS TEXT)" } else { "?1" };
                let write = |value: &Sql, key: i64| {
                    let sql = format!("UPDATE audit_entries SET {column} = {cast} WHERE sequence = ?2");
                    assert_eq!(raw.execute(&sql, rusqlite::params![value, key]).unwrap(), 1);
                };
                write(&changed, 5);
                let flaw = if column == "sequence" { AuditFlaw::Missing } else { AuditFlaw::Altered };
                assert_eq!(place.fault(None).await, Some((5, flaw)), "{column} {byte}");
                let key =
                    if let ("sequence", Sql::Integer(number)) = (column.as_str(), &changed) { *number } else { 5 };
                write(&original, key);
            }
        }
        assert_eq!(place.fault(None).await, None, "{column} is as it was");
    }
    // Shorter, longer, or not there.
    for sql in [
        "UPDATE audit_entries SET mac = x'' WHERE sequence = 5",
        "UPDATE audit_entries SET mac = CAST(mac || x'00' AS BLOB) WHERE sequence = 5",
        "UPDATE audit_entries SET actor = NULL WHERE sequence = 5",
        "UPDATE audit_entries SET subject = x'' WHERE sequence = 5",
        "UPDATE audit_entries SET action = '' WHERE sequence = 5",
    ] {
        assert_eq!(after(sql, false).await, Some((5, AuditFlaw::Altered)), "{sql}");
    }
    assert_eq!(
        after("UPDATE audit_entries SET previous = x'' WHERE sequence = 1", false).await,
        Some((1, AuditFlaw::Altered))
    );
}

#[tokio::test]
async fn verify_finds_a_missing_or_moved_entry() {
    assert_eq!(after("DELETE FROM audit_entries WHERE sequence = 5", false).await, Some((5, AuditFlaw::Missing)));
    let swapped = "
        UPDATE audit_entries SET sequence = 99 WHERE sequence = 4;
        UPDATE audit_entries SET sequence = 4 WHERE sequence = 7;
        UPDATE audit_entries SET sequence = 7 WHERE sequence = 99;";
    assert_eq!(after(swapped, false).await, Some((4, AuditFlaw::Misplaced)));
    let closed_up = "
        DELETE FROM audit_entries WHERE sequence = 5;
        UPDATE audit_entries SET sequence = sequence - 1 WHERE sequence > 5;";
    assert_eq!(after(closed_up, false).await, Some((5, AuditFlaw::Misplaced)));
    let made_up = "
        INSERT INTO audit_entries SELECT 10, at, action, actor_kind, actor, subject, commitment, mac, mac
        FROM audit_entries WHERE sequence = 9;";
    assert_eq!(after(made_up, false).await, Some((10, AuditFlaw::Altered)));
    assert_eq!(after("DELETE FROM audit_entries WHERE sequence < 3", false).await, Some((1, AuditFlaw::Missing)));
}

#[tokio::test]
async fn verify_with_a_kept_head_finds_a_cut_off_end() {
    for cut in ["sequence = 9", "sequence > 4", "sequence > 0"] {
        let sql = format!("DELETE FROM audit_entries WHERE {cut}");
        assert_eq!(after(&sql, false).await, None, "what is left is right");
        let (sequence, flaw) = after(&sql, true).await.unwrap();
        assert_eq!(flaw, AuditFlaw::Missing);
        assert_eq!(
            sequence,
            if cut == "sequence = 9" {
                9
            } else if cut == "sequence > 4" {
                5
            } else {
                1
            }
        );
    }
    // Cut off, and others written in their place.
    let place = Place::new();
    let head = place.fill(9).await;
    place.raw().execute_batch(NO_TRIGGERS).unwrap();
    place
        .raw()
        .execute_batch("DELETE FROM audit_entries WHERE sequence > 4; DELETE FROM audit_payloads WHERE sequence > 4")
        .unwrap();
    place.fill(9).await;
    assert_eq!(place.fault(None).await, None);
    assert_eq!(place.fault(Some(head)).await, Some((9, AuditFlaw::Anchor)));
}

#[tokio::test]
async fn verify_finds_a_changed_payload_and_counts_removed_ones() {
    for sql in [
        "UPDATE audit_payloads SET payload = replace(payload, '4', '5') WHERE sequence = 5",
        "UPDATE audit_payloads SET payload = payload || ' ' WHERE sequence = 5",
        "UPDATE audit_payloads SET payload = '' WHERE sequence = 5",
        "UPDATE audit_payloads SET salt = zeroblob(16) WHERE sequence = 5",
        // Bytes that go from one to the other.
        "UPDATE audit_payloads SET salt = CAST(salt || '{' AS BLOB), payload = substr(payload, 2) WHERE sequence = 5",
        "UPDATE audit_payloads SET (salt, payload) = (SELECT salt, payload FROM audit_payloads WHERE sequence = 6) WHERE sequence = 5",
    ] {
        assert_eq!(after(sql, false).await, Some((5, AuditFlaw::Payload)), "{sql}");
    }
    let place = Place::new();
    place.fill(9).await;
    place.raw().execute_batch("DELETE FROM audit_payloads WHERE sequence IN (3, 5)").unwrap();
    let report = place.guestbook.audit().verify(None).await.unwrap();
    assert_eq!((report.entries, report.without_payload, report.fault), (9, 2, None));
}

#[tokio::test]
async fn verify_finds_a_forged_or_removed_checkpoint() {
    const FORGERIES: [(&str, (u64, AuditFlaw)); 6] = [
        (
            "UPDATE audit_checkpoint SET sequence = 5; DELETE FROM audit_entries WHERE sequence <= 5",
            (5, AuditFlaw::Checkpoint),
        ),
        ("UPDATE audit_checkpoint SET at = at + 1", (4, AuditFlaw::Checkpoint)),
        ("UPDATE audit_checkpoint SET mac = zeroblob(32)", (4, AuditFlaw::Checkpoint)),
        ("UPDATE audit_checkpoint SET signature = zeroblob(32)", (4, AuditFlaw::Checkpoint)),
        ("DELETE FROM audit_checkpoint", (1, AuditFlaw::Missing)),
        ("DELETE FROM audit_entries WHERE sequence = 5", (5, AuditFlaw::Missing)),
    ];
    for (sql, expected) in FORGERIES {
        let directory = tempfile::tempdir().unwrap();
        let (builder, clock) = support::builder(SqliteStore::open(directory.path().join("guestbook.db")).unwrap());
        let guestbook = builder.audit_key([9; 32]).build().unwrap();
        let place = Place { directory, guestbook };
        place.fill(4).await;
        clock.advance(DAY * 365 * 4);
        let head = place.fill(5).await;
        place.guestbook.retention().run_forced().await.unwrap();
        let report = place.guestbook.audit().verify(Some(head)).await.unwrap();
        assert_eq!((report.entries, report.dropped, report.anchored, report.fault), (5, 4, true, None));
        place.raw().execute_batch(NO_TRIGGERS).unwrap();
        place.raw().execute_batch(sql).unwrap();
        assert_eq!(place.fault(None).await, Some(expected), "{sql}");
    }
}

#[tokio::test]
async fn a_mistake_in_sql_cannot_change_the_trail() {
    let place = Place::new();
    place.fill(3).await;
    let raw = place.raw();
    for sql in [
        "UPDATE audit_entries SET action = 'nothing' WHERE sequence = 2",
        "DELETE FROM audit_entries WHERE sequence = 1",
        "DELETE FROM audit_entries",
        "INSERT INTO audit_entries SELECT 9, at, action, actor_kind, actor, subject, commitment, previous, mac FROM audit_entries LIMIT 1",
        "INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries WHERE sequence = 2",
        "UPDATE audit_payloads SET payload = '{}'",
    ] {
        let error = raw.execute_batch(sql).unwrap_err().to_string();
        assert!(
            ["only added to", "follows the last", "stays as it is"].iter().any(|why| error.contains(why)),
            "{sql}: {error}"
        );
    }
    raw.execute_batch("INSERT INTO audit_checkpoint VALUES (1, 0, x'', 0, x'')").unwrap();
    for sql in ["DELETE FROM audit_checkpoint", "UPDATE audit_checkpoint SET at = 1"] {
        assert!(raw.execute_batch(sql).unwrap_err().to_string().contains("a checkpoint"), "{sql}");
    }
}

#[tokio::test]
async fn retention_keeps_changed_audit_entries() {
    let (builder, clock, directory) = {
        let directory = tempfile::tempdir().unwrap();
        let (builder, clock) = support::builder(SqliteStore::open(directory.path().join("guestbook.db")).unwrap());
        (builder.audit_key([9; 32]), clock, directory)
    };
    let place = Place { directory, guestbook: builder.build().unwrap() };
    place.fill(5).await;
    place.raw().execute_batch(NO_TRIGGERS).unwrap();
    place.raw().execute_batch("UPDATE audit_entries SET at = at - 1 WHERE sequence = 3").unwrap();
    clock.advance(DAY * 365 * 4);
    let error = place.guestbook.retention().run_forced().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(trail(&place.guestbook).await.len(), 5, "the evidence is kept");
    assert_eq!(place.fault(None).await, Some((3, AuditFlaw::Altered)));
}
