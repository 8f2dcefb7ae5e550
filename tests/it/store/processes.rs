//! Several processes on one file, and processes that are killed.
//!
//! A child process is this test binary again; an environment variable selects its part.

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tower_guestbook::{
    Clock, Error, ErrorKind, Guestbook, Result, UserId,
    activity::{
        ActivityFilter, Entry, Event, EventData, EventLimits, EventType, HistoryPage, HistoryQuery, Order, Recorder,
        RecorderSettings,
    },
    store::{ActivityStore, Commit, SqliteStore},
};

use crate::support::{TestClient, app, builder};

const DATABASE: &str = "GUESTBOOK_TEST_CHILD_DATABASE";

fn child(part: &str, database: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([&format!("store::processes::{part}"), "--exact", "--nocapture", "--test-threads=1"])
        .env(DATABASE, database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Child process: logs clients in as fast as it can and reports each acknowledged login.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_logs_in_clients() {
    let Some(database) = env::var_os(DATABASE) else { return };
    let guestbook = Guestbook::builder(SqliteStore::open(database).unwrap()).build().unwrap();
    let app = app(&guestbook);
    let tasks = (0..16).map(|task| {
        let app = app.clone();
        tokio::spawn(async move {
            for number in 0..100_000 {
                let mut client = TestClient::new(&app);
                let user = format!("user{task}x{number}");
                client.ok(&format!("/login/{user}")).await;
                client.ok(&format!("/set/number/{number}")).await;
                let line = format!("acknowledged {user} {number} {}\n", client.cookie.unwrap());
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

/// Child process: ends the sessions of the given user.
#[tokio::test]
async fn child_that_revokes() {
    let Some(database) = env::var_os(DATABASE) else { return };
    let guestbook = Guestbook::builder(SqliteStore::open(database).unwrap()).build().unwrap();
    let user = std::io::stdin().lines().next().unwrap().unwrap();
    let ended = guestbook.sessions().revoke_user(&UserId::try_from(user).unwrap()).await.unwrap();
    println!("\nrevoked {ended}");
}

#[tokio::test]
async fn session_revoked_by_another_process_is_refused_within_the_cache_age() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("guestbook.db");
    let (builder, clock) = builder(SqliteStore::open(&database).unwrap());
    let guestbook = builder.build().unwrap();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    assert_eq!(client.user().await.as_deref(), Some("ada"));

    let mut child = child("child_that_revokes", &database);
    writeln!(child.stdin.take().unwrap(), "ada").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("revoked 1"), "{output:?}");

    clock.advance(Duration::from_millis(1_000));
    assert_eq!(client.user().await, None);
    let mut again = TestClient::new(&app(&guestbook));
    again.ok("/login/ada").await;
    assert!(again.user().await.is_some(), "the file serves both");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_login_survives_a_kill() {
    let rounds = env::var("GUESTBOOK_KILL_ROUNDS").map_or(30, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("guestbook.db");
    for round in 0..rounds {
        let mut child = child("child_that_logs_in_clients", &database);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // A moment that differs from round to round, so that the writer is interrupted at work.
        let moment = 1 + (round * 7919) % 97;
        let acknowledged = |line: &String| line.starts_with("acknowledged ");
        let mut logins: Vec<String> = lines.by_ref().filter(acknowledged).take(moment).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // The rest in the pipe was acknowledged as well; the last line may be cut off.
        logins.extend(
            lines.filter(acknowledged).filter(|line| line.split(' ').nth(3).is_some_and(|token| token.len() == 43)),
        );
        assert!(logins.len() >= moment);

        let guestbook = Guestbook::builder(SqliteStore::open(&database).unwrap()).build().unwrap();
        let app = app(&guestbook);
        for login in &logins {
            let [_, user, number, token] = login.split(' ').collect::<Vec<_>>()[..] else { panic!("{login}") };
            let mut client = TestClient::with_cookie(&app, token);
            assert_eq!(client.user().await.as_deref(), Some(user));
            assert_eq!(client.value("number").await, json!(number));
        }
        guestbook.sessions().revoke_all().await.unwrap();
        guestbook.shutdown().await;
        let check = rusqlite::Connection::open(&database).unwrap();
        let verdict: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }
}

/// An unreliable store: of three batches one is stored and reported as failed, one is refused.
struct Unreliable {
    store: SqliteStore,
    calls: AtomicUsize,
}

impl ActivityStore for Unreliable {
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        let failure = || Error::new(ErrorKind::Unavailable, "no answer");
        match self.calls.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => self.store.append(entries, commit).await,
            1 => self.store.append(entries, commit).await.and(Err(failure())),
            _ => Err(failure()),
        }
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.store.history(query).await
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.store.count(filter).await
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.store.delete_activities(filter, limit).await
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.store.anonymise(filter, limit).await
    }
}

fn spooling(database: &Path) -> RecorderSettings {
    RecorderSettings::new().retry(1, Duration::ZERO).spool(database.with_extension("spool"), 64 << 20)
}

/// Child process: records events as fast as it can, and reports acknowledged durable ones.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_tracks() {
    let Some(database) = env::var_os(DATABASE) else { return };
    let database = Path::new(&database);
    let store = Unreliable { store: SqliteStore::open(database).unwrap(), calls: AtomicUsize::new(0) };
    let (recorder, worker) = Recorder::pair(Arc::new(store), spooling(database), Clock::system()).unwrap();
    tokio::spawn(worker.run());
    let life = tower_guestbook::SessionId::generate(Clock::system().now()).unwrap();
    let tasks = (0..8).map(|task| {
        let recorder = recorder.clone();
        tokio::spawn(async move {
            for number in 0..100_000 {
                let name = format!("{life}-{task}-{number}");
                let mut event = Event::new(EventType::ACTION, Clock::system().now());
                event.data = Some(EventData::new(&json!({ "name": name }), &EventLimits::default()).unwrap());
                if number % 4 == 0 {
                    recorder.record(event);
                } else if recorder.record_durable(event).await.is_ok() {
                    std::io::stdout().write_all(format!("acknowledged {name} .\n").as_bytes()).unwrap();
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_loses_no_acknowledged_event_and_duplicates_none() {
    let rounds = env::var("GUESTBOOK_KILL_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("guestbook.db");
    let mut acknowledged = Vec::new();
    let mut replayed = 0;
    for round in 0..rounds {
        let mut child = child("child_that_tracks", &database);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut names =
            lines.filter_map(|line| Some(line.strip_prefix("acknowledged ")?.strip_suffix(" .")?.to_owned()));
        let moment = 20 + (round * 7919) % 397;
        acknowledged.extend(names.by_ref().take(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        // The rest in the pipe was acknowledged as well.
        acknowledged.extend(names);

        // The next start stores the spool of the dead process.
        let store = Arc::new(SqliteStore::open(&database).unwrap());
        let (recorder, worker) = Recorder::pair(store.clone(), spooling(&database), Clock::system()).unwrap();
        replayed += recorder.stats().adopted;
        let worker = tokio::spawn(worker.run());
        // A flush returns after the adopted files are stored.
        recorder.flush().await.unwrap();
        let stats = recorder.stats();
        assert_eq!((stats.spooled, stats.lost), (0, 0), "{stats:?}");
        recorder.shutdown(Duration::from_secs(10)).await;
        worker.await.unwrap();
        store.close().await.unwrap();
    }
    let store = SqliteStore::open(&database).unwrap();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst).limit(1_000);
    loop {
        let page = store.history(query.clone()).await.unwrap();
        for activity in &page.activities {
            let data: Value = activity.event.data.as_ref().unwrap().read().unwrap();
            *seen.entry(data["name"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
    assert!(acknowledged.len() >= 20 * rounds && replayed > 0, "{replayed} events came from spools");
    for name in &acknowledged {
        assert_eq!(seen.get(name), Some(&1), "{name} was acknowledged");
    }
    assert!(seen.values().all(|times| *times == 1), "nothing is stored twice");
    let check = rusqlite::Connection::open(&database).unwrap();
    let verdict: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
