//! A process that dies in the middle of an erasure.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use tower_guestbook::store::{PreferenceStore, SubjectStore};

use super::*;

const DIRECTORY: &str = "GUESTBOOK_TEST_ERASING_DIRECTORY";

/// Part of a child: erases the user whom it is told, and says when it begins.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_erases() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let store = SqliteStore::open(Path::new(&directory).join("guestbook.db")).unwrap();
    let guestbook = Guestbook::builder(store).build().unwrap();
    let name = std::io::stdin().lines().next().unwrap().unwrap();
    std::io::stdout().write_all(b"\nbegins .\n").unwrap();
    guestbook.rights().erase(&user(&name)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_killed_is_finished_at_the_next_start_and_costs_others_nothing() {
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

        let mut child = Command::new(env::current_exe().unwrap())
            .args(["erasure::kills::child_that_erases", "--exact", "--nocapture", "--test-threads=1"])
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
        let guestbook = Guestbook::builder(store.clone()).build().unwrap();
        if begun.is_none() {
            // It was killed before it could say so to the store.
            guestbook.rights().erase(&user(&name)).await.unwrap();
        }
        let finished = super::resumed::wait_for(&guestbook, &name).await;
        assert_eq!((finished.erased.activities, finished.erased.preferences), (ROWS, 1), "each row is counted once");
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
