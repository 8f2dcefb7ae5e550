//! Several processes on one file, and processes that die without a word.
//!
//! A child process is this test binary again, told by an environment variable which part to play.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tower_guestbook::{Guestbook, SqliteStore, UserId};

use crate::support::{Guest, app, builder};

const DATABASE: &str = "GUESTBOOK_TEST_CHILD_DATABASE";

fn child(part: &str, database: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([&format!("processes::{part}"), "--exact", "--nocapture", "--test-threads=1"])
        .env(DATABASE, database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Part of a child: logs guests in as fast as it can and says so once it is acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_logs_guests_in() {
    let Some(database) = env::var_os(DATABASE) else { return };
    let guestbook = Guestbook::builder(SqliteStore::open(database).unwrap()).build().unwrap();
    let app = app(&guestbook);
    let tasks = (0..16).map(|task| {
        let app = app.clone();
        tokio::spawn(async move {
            for number in 0..100_000 {
                let mut guest = Guest::new(&app);
                let user = format!("user{task}x{number}");
                guest.ok(&format!("/login/{user}")).await;
                guest.ok(&format!("/set/number/{number}")).await;
                let line = format!("acknowledged {user} {number} {}\n", guest.cookie.unwrap());
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Part of a child: ends the sessions of the user that it is told.
#[tokio::test]
async fn child_that_revokes() {
    let Some(database) = env::var_os(DATABASE) else { return };
    let guestbook = Guestbook::builder(SqliteStore::open(database).unwrap()).build().unwrap();
    let user = std::io::stdin().lines().next().unwrap().unwrap();
    let ended = guestbook.sessions().revoke_user(&UserId::try_from(user).unwrap()).await.unwrap();
    println!("\nrevoked {ended}");
}

#[tokio::test]
async fn a_session_that_another_process_revokes_is_refused_within_the_cache_age() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("guestbook.db");
    let (builder, clock) = builder(SqliteStore::open(&database).unwrap());
    let guestbook = builder.build().unwrap();
    let mut guest = Guest::new(&app(&guestbook));
    guest.ok("/login/ada").await;
    assert_eq!(guest.user().await.as_deref(), Some("ada"));

    let mut child = child("child_that_revokes", &database);
    writeln!(child.stdin.take().unwrap(), "ada").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("revoked 1"), "{output:?}");

    clock.advance(Duration::from_millis(1_000));
    assert_eq!(guest.user().await, None);
    let mut again = Guest::new(&app(&guestbook));
    again.ok("/login/ada").await;
    assert!(again.user().await.is_some(), "the file serves both");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_login_survives_a_kill() {
    let rounds = env::var("GUESTBOOK_KILL_ROUNDS").map_or(30, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("guestbook.db");
    for round in 0..rounds {
        let mut child = child("child_that_logs_guests_in", &database);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // A moment that differs from round to round and hits the writer at work, as it never pauses.
        let moment = 1 + (round * 7919) % 97;
        let acknowledged = |line: &String| line.starts_with("acknowledged ");
        let mut logins: Vec<String> = lines.by_ref().filter(acknowledged).take(moment).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // What the pipe still holds was acknowledged as well; the last line may be cut off.
        logins.extend(
            lines.filter(acknowledged).filter(|line| line.split(' ').nth(3).is_some_and(|token| token.len() == 43)),
        );
        assert!(logins.len() >= moment);

        let guestbook = Guestbook::builder(SqliteStore::open(&database).unwrap()).build().unwrap();
        let app = app(&guestbook);
        for login in &logins {
            let [_, user, number, token] = login.split(' ').collect::<Vec<_>>()[..] else { panic!("{login}") };
            let mut guest = Guest::with_cookie(&app, token);
            assert_eq!(guest.user().await.as_deref(), Some(user));
            assert_eq!(guest.value("number").await, json!(number));
        }
        guestbook.sessions().revoke_all().await.unwrap();
        guestbook.shutdown().await;
        let check = rusqlite::Connection::open(&database).unwrap();
        let verdict: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }
}
