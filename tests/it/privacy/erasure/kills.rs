//! A process that dies in the middle of an erasure.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use tower_guestbook::{
    privacy::ErasedActivities,
    store::{ErasureStore, PreferenceStore},
};

use super::*;

const DIRECTORY: &str = "GUESTBOOK_TEST_ERASING_DIRECTORY";
const ANONYMISED: &str = "GUESTBOOK_TEST_ERASING_ANONYMISED";

/// Part of a child: erases the user whom it is told, and says when it begins.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_erases() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let store = SqliteStore::open(Path::new(&directory).join("guestbook.db")).unwrap();
    let activities = match env::var_os(ANONYMISED) {
        Some(_) => ErasedActivities::Anonymised,
        None => ErasedActivities::Deleted,
    };
    let guestbook = Guestbook::builder(store).erased_activities(activities).build().unwrap();
    let name = std::io::stdin().lines().next().unwrap().unwrap();
    std::io::stdout().write_all(b"\nbegins .\n").unwrap();
    guestbook.rights().erase(&user(&name)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn start_finishes_an_erasure_that_was_killed() {
    is_killed_and_finished(ErasedActivities::Deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn start_finishes_an_anonymising_erasure_and_keeps_each_row_once() {
    is_killed_and_finished(ErasedActivities::Anonymised).await;
}

async fn is_killed_and_finished(activities: ErasedActivities) {
    const ROWS: u64 = 3_000;
    let rounds = env::var("GUESTBOOK_KILL_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let place = Place::new();
    let mut interrupted = 0;
    for round in 0..rounds {
        let name = format!("ada{round}");
        let store = place.open();
        let mine = (0..2 * ROWS).map(|row| event(if row % 2 == 0 { &name } else { "bob" }, "words"));
        assert_eq!(append(&store, entries(1, round * 10_000, mine)).await as u64, 2 * ROWS);
        let patch = Schema::<StandardPreferences>::new().unwrap().patch(&json!({ "theme": "dark" })).unwrap();
        store.change_preferences(user(&name), patch, None).await.unwrap();
        store.close().await.unwrap();

        let mut command = Command::new(env::current_exe().unwrap());
        if activities == ErasedActivities::Anonymised {
            command.env(ANONYMISED, "1");
        }
        let mut child = command
            .args(["privacy::erasure::kills::child_that_erases", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, place.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{name}").unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.into_iter().any(|line| line == "begins ."));
        // A moment that differs from round to round.
        tokio::time::sleep(Duration::from_micros(500 + round * 7_919 % 83 * 1_000)).await;
        child.kill().unwrap();
        child.wait().unwrap();

        let store = place.open();
        let begun = store.erasure_of(user(&name)).await.unwrap();
        interrupted += usize::from(begun.as_ref().is_some_and(|erasure| erasure.finished_at.is_none()));
        let guestbook = Guestbook::builder(store.clone()).erased_activities(activities).build().unwrap();
        if begun.is_none() {
            // It was killed before it could say so to the store.
            guestbook.rights().erase(&user(&name)).await.unwrap();
        }
        let finished = super::resumed::wait_for(&guestbook, &name).await;
        let counts = [finished.erased.activities, finished.erased.anonymised];
        let (expected, rows_of_nobody) = match activities {
            ErasedActivities::Anonymised => ([0, ROWS], (round + 1) * ROWS),
            _ => ([ROWS, 0], 0),
        };
        assert_eq!((counts, finished.erased.preferences), (expected, 1), "each row is counted once");
        let everything = store.count(ActivityFilter::new()).await.unwrap();
        assert_eq!(everything, (round + 1) * ROWS + rows_of_nobody);
        let half = "SELECT (SELECT count(*) FROM erasure_rows) + (SELECT count(*) FROM activities
            WHERE (anonymised IS NULL) = (user IS NULL) OR (anonymised = 1 AND (data IS NOT NULL OR time % 86400000 <> 0)))";
        let half: i64 = place.raw().query_row(half, [], |row| row.get(0)).unwrap();
        assert_eq!(half, 0, "no row is half somebody's");
        assert_eq!((count(&store, &name).await, count(&store, "bob").await), (0, (round + 1) * ROWS));
        guestbook.shutdown().await;
        store.close().await.unwrap();
    }
    assert!(interrupted > 0, "some moments are in the middle");
    let verdict: String = place.raw().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let users: i64 = place.raw().query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(users, 1, "his name alone");
}
