//! Several stores on one file, and a process that dies while it writes.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use super::*;

const DATABASE: &str = "GUESTBOOK_TEST_AUDIT_DATABASE";

fn guestbook(path: &Path) -> Guestbook {
    support::builder(SqliteStore::open(path).unwrap()).0.audit_key([9; 32]).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_file_make_one_chain() {
    const NOTES: u64 = 200;
    let place = Place::new();
    let other = guestbook(&place.path());
    let writers = (0..8u64).map(|writer| {
        let trail = if writer % 2 == 0 { place.guestbook.audit().clone() } else { other.audit().clone() };
        tokio::spawn(async move {
            for number in 0..NOTES / 4 {
                let about = UserId::from(writer as i64);
                trail.record(own(), Actor::System, Some(&about), json!([writer, number])).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let rows = trail(&other).await;
    assert_eq!(rows.iter().map(|row| row.entry.sequence).collect::<Vec<_>>(), (1..=2 * NOTES).collect::<Vec<_>>());
    for audit in [place.guestbook.audit(), other.audit()] {
        let report = audit.verify(None).await.unwrap();
        assert_eq!((report.entries, report.without_payload, report.fault), (2 * NOTES, 0, None));
    }
    // Each writer's own are in its order.
    let of_three = other.audit().entries(0, 1_000, Some(&UserId::from(3))).await.unwrap();
    let said: Vec<_> = of_three.iter().map(|row| row.content().unwrap().unwrap().detail).collect();
    assert_eq!(said, (0..NOTES / 4).map(|number| json!([3, number])).collect::<Vec<_>>());
}

/// Part of a child: records as fast as it can, and says so once it is acknowledged.
#[tokio::test]
async fn child_that_records() {
    let Some(database) = env::var_os(DATABASE) else { return };
    let guestbook = guestbook(Path::new(&database));
    for number in 0..100_000u64 {
        let head = guestbook.audit().record(own(), Actor::System, None, json!(number)).await.unwrap();
        let line = format!("\nacknowledged {}\n", serde_json::to_string(&head).unwrap());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn audit_trail_keeps_acknowledged_entries_of_a_killed_process() {
    let place = Place::new();
    let mut count = 0;
    for round in 0..3 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["privacy::audit::processes::child_that_records", "--exact", "--nocapture", "--test-threads=1"])
            .env(DATABASE, place.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut heads = lines.filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned));
        let last = heads.nth(20 + 7 * round).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died may still be in the pipe.
        let last = heads.last().unwrap_or(last);
        let head: AuditHead = serde_json::from_str(&last).unwrap();
        let report = place.guestbook.audit().verify(Some(head)).await.unwrap();
        assert!(report.is_intact() && report.anchored, "{report:?}");
        assert!(report.entries >= count + 21, "{report:?}");
        count = report.entries;
    }
}
