//! How long a writer waits while retention deletes 200,000 of 300,000 events beside it; and while one DELETE does.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tower_guestbook::{
    Clock, Guestbook, SessionId, SessionToken, Timestamp, UserId,
    activity::{ActivityFilter, Entry, Event, EventId, EventType, Method, Outcome, RequestTrace, ResponseTrace},
    retention::RetentionRules,
    session::{Changes, Lifetime, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord},
    store::{ActivityStore, Commit, EpochRule, SessionStore, SqliteStore},
};

const OLD: u64 = 200_000;
const NEW: u64 = 100_000;
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: i64 = 86_400_000;

fn event(number: u64) -> Event {
    let age = if number < OLD { 200 } else { 10 };
    let mut event =
        Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(NOW.as_millis() - age * DAY + number as i64 * 300));
    event.user = Some(UserId::from((number * 7_919 % 5_000) as i64));
    // Ten events a session.
    let session = u128::from(number / 10).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    event.session = Some(SessionId::from(uuid::Uuid::from_u128(session)));
    let mut request = RequestTrace::default();
    request.route = format!("/section/{}", number % 40).into();
    request.method = Method::Get;
    request.network = Some(std::net::IpAddr::from([203, 0, (number % 200) as u8, 7]).into());
    event.request = Some(request);
    event.response = Some(ResponseTrace::new(200, 200 + number % 20_000, 500 + number % 60_000, Outcome::Completed));
    event
}

async fn filled(path: &Path) -> SqliteStore {
    let store = SqliteStore::open(path).expect("a new file");
    for first in (0..OLD + NEW).step_by(1_000) {
        let entry = |number| Entry { id: EventId { origin: 1, number }, event: event(number) };
        store.append((first..first + 1_000).map(entry).collect(), Commit::Relaxed).await.expect("stored");
    }
    store
}

/// Writes one event and one change of a session in turns until it is stopped. How long each took, in milliseconds.
async fn write(store: SqliteStore, stop: Arc<AtomicBool>) -> Vec<f64> {
    let id = SessionId::generate(NOW).expect("random bytes");
    let record = SessionRecord { head: SessionHead::new(id, NOW, Lifetime::default()), data: SessionData::default() };
    let key = SessionToken::generate().expect("random bytes").key();
    store.insert(key, record, SessionCap::default(), EpochRule::Keep, NOW).await.expect("stored");
    let mut times = Vec::new();
    let mut timed = |begin: Instant| times.push(begin.elapsed().as_secs_f64() * 1e3);
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let event = event(OLD + NEW + number);
        let entry = Entry { id: EventId { origin: 2, number }, event };
        let begin = Instant::now();
        store.append([entry].into(), Commit::Relaxed).await.expect("stored");
        timed(begin);
        let mut changes = Changes::default();
        changes.set("number", &number).expect("JSON");
        let begin = Instant::now();
        store.apply(id, changes, SessionLimits::default(), NOW).await.expect("stored");
        timed(begin);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times
}

async fn beside<T>(name: &str, store: &SqliteStore, work: impl Future<Output = T>) -> T {
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(store.clone(), stop.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    let result = work.await;
    let total = begin.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let mut times = writer.await.expect("no panic");
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{name:24} total {total:6.2} s   writer p50 {:6.2}  p99 {:6.2}  p99.9 {:6.2}  max {:7.2} ms  ({} writes)",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        times.len()
    );
    result
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let path = |name: &str| directory.path().join(name);
    let size = |name: &str| std::fs::metadata(path(name)).map_or(0, |data| data.len()) / 1024;
    let store = filled(&path("chunks.db")).await;
    beside("nothing", &store, tokio::time::sleep(Duration::from_secs(3))).await;
    let guestbook = Guestbook::builder(store.clone())
        .clock(Clock::manual(NOW))
        .retention(RetentionRules::new().max_fraction(1.0))
        .build()
        .expect("the settings are right");
    let before = size("chunks.db");
    let report = beside("retention", &store, guestbook.retention().run_once()).await.expect("deleted");
    assert_eq!(report.activities_deleted, OLD);
    println!(
        "{:24} {} chunks, {} pages given back, file {before} KiB -> {} KiB, log {} KiB",
        "",
        report.chunks,
        report.pages_freed,
        size("chunks.db"),
        size("chunks.db-wal")
    );
    beside("a run with nothing to do", &store, guestbook.retention().run_once()).await.expect("nothing");
    guestbook.shutdown().await;

    let until = Timestamp::from_millis(NOW.as_millis() - 90 * DAY);
    let store = filled(&path("one.db")).await;
    let all = beside("one chunk", &store, store.delete_activities(ActivityFilter::new().until(until), usize::MAX)).await;
    assert_eq!(all.expect("deleted"), OLD as usize);

    let store = filled(&path("plain.db")).await;
    let file = path("plain.db");
    let delete = async move || {
        tokio::task::spawn_blocking(move || {
            let plain = rusqlite::Connection::open(file).expect("it is there");
            plain.execute_batch("PRAGMA secure_delete = ON; PRAGMA busy_timeout = 5000").expect("set");
            plain.execute("DELETE FROM activities WHERE time < ?1", [until.as_millis()]).expect("deleted")
        })
        .await
        .expect("no panic")
    };
    assert_eq!(beside("plain DELETE", &store, delete()).await, OLD as usize);
}
