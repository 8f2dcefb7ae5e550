//! Retention of a SQLite file.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use tower_guestbook::{
    activity::{EventData, EventLimits},
    store::{ErasureStore, MaintenanceStore, SqliteStore},
};

use super::*;

fn file() -> (PathBuf, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (directory.path().join("guestbook.db"), directory)
}

fn free_pages(path: &Path) -> u64 {
    Connection::open(path).unwrap().query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0)).unwrap() as u64
}

/// Page views; four of them fill a page.
fn large_views(count: usize, age: Duration) -> Vec<Event> {
    let data = EventData::new(&json!({ "text": "x".repeat(900) }), &EventLimits::default()).unwrap();
    let mut events = views(count, age);
    events.iter_mut().for_each(|event| event.data = Some(data.clone()));
    events
}

#[tokio::test]
async fn run_once_applies_the_rules_in_a_file() {
    let (path, _directory) = file();
    the_rules_decide(SqliteStore::open(path).unwrap()).await;
}

#[tokio::test]
async fn run_once_returns_free_pages_in_steps() {
    let (path, _directory) = file();
    let store = SqliteStore::open(&path).unwrap();
    store_all(&store, 1, large_views(1_000, DAY)).await;
    store.delete_activities(ActivityFilter::new(), 1_000).await.unwrap();
    let free = free_pages(&path);
    assert!(free > 200, "{free}");
    let look = store.reclaim_space(0).await.unwrap();
    assert_eq!((look.freed, look.left), (0, free));
    let some = store.reclaim_space(50).await.unwrap();
    assert_eq!((some.freed, some.left), (50, free - 50), "not one page only");
    assert_eq!(free_pages(&path), free - 50);
    let rest = store.reclaim_space(100_000).await.unwrap();
    assert_eq!((rest.freed, rest.left, free_pages(&path)), (free - 50, 0, 0));
    assert_eq!(store.reclaim_space(10).await.unwrap().freed, 0, "nothing is left");
}

#[tokio::test]
async fn the_free_list_and_the_file_become_shorter() {
    let (path, _directory) = file();
    let store = SqliteStore::open(&path).unwrap();
    store_all(&store, 1, [large_views(8_000, DAY * 91), large_views(500, DAY)].concat()).await;
    assert!(store.scrub().await.unwrap());
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    let (guestbook, _) = guestbook(store.clone(), RetentionRules::new());
    let report = guestbook.retention().run_forced().await.unwrap();
    assert_eq!((report.activities_deleted, count(&store).await), (8_000, 500));
    assert!(report.chunks > 3, "{report:?}");
    assert!(report.pages_freed > 900, "{report:?}");
    assert!(free_pages(&path) <= 1_000, "{}", free_pages(&path));
    assert!(size() + 4_096 * 900 < before, "{before} {}", size());
    let log = std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    assert!(log < 10_000, "the log has the end of the lease and no more: {log}");
    let pragma: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(pragma, "ok");
}

#[tokio::test]
async fn run_once_runs_in_one_of_two_guestbooks_on_a_file() {
    let (path, _directory) = file();
    let stores = [SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap()];
    store_all(&stores[0], 1, [views(3_000, DAY * 91), views(100, DAY)].concat()).await;
    let [one, two] = stores.clone().map(|store| guestbook(store, RetentionRules::new()).0);
    // As long as another has the lease on the file, nobody else runs.
    let (holder, later) = (uuid::Uuid::from_u128(7), START.after(Duration::from_secs(60)));
    assert!(stores[1].acquire_lease("retention", holder, START, later).await.unwrap());
    for guestbook in [&one, &two] {
        assert_eq!(guestbook.retention().run_forced().await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(count(&stores[1]).await, 3_100);
    assert!(stores[1].acquire_lease("retention", holder, START, START).await.unwrap());
    // Of two who begin together one runs, or one after the other.
    let (one_ran, two_ran) = tokio::join!(one.retention().run_forced(), two.retention().run_forced());
    let (refused, ran): (Vec<_>, Vec<_>) = [one_ran, two_ran].into_iter().partition(Result::is_err);
    let deleted: Vec<_> = ran.into_iter().map(|report| report.unwrap().activities_deleted).collect();
    assert_eq!(deleted.iter().sum::<u64>(), 3_000);
    assert!(deleted.contains(&3_000), "a run is never shared: {deleted:?}");
    assert!(refused.into_iter().all(|refused| refused.unwrap_err().kind() == ErrorKind::Conflict));
    // The lease is free again.
    for guestbook in [&one, &two] {
        assert_eq!(guestbook.retention().run_once().await.unwrap().activities_deleted, 0);
    }
    assert_eq!(count(&stores[1]).await, 100);
}

#[tokio::test]
async fn run_once_does_not_scan_old_rows_that_stay() {
    let (path, _directory) = file();
    let store = SqliteStore::open(&path).unwrap();
    let mixed = (0..4_000).map(|number| {
        let event_type = if number % 100 == 0 { EventType::LOGIN } else { EventType::PAGE_VIEW };
        event(event_type, ago(DAY * 100))
    });
    store_all(&store, 1, mixed.collect()).await;
    let (guestbook, _) = guestbook(store.clone(), RetentionRules::new());
    assert_eq!(guestbook.retention().run_forced().await.unwrap().activities_deleted, 3_960);
    let raw = Connection::open(&path).unwrap();
    let blocks = "SELECT count(*) FROM activity_blocks b WHERE b.types <>
        (SELECT 1 << id % 63 FROM event_types WHERE name = 'login')";
    let wide: i64 = raw.query_row(blocks, [], |row| row.get(0)).unwrap();
    assert_eq!(wide, 0, "each block says that it has logins only");
}

#[tokio::test]
async fn run_once_blocks_no_writer_while_a_reader_holds_the_log() {
    let (path, _directory) = file();
    let store = SqliteStore::builder(&path).busy_timeout(Duration::from_secs(600)).open().unwrap();
    store_all(&store, 1, [views(10, DAY * 91), views(5, DAY)].concat()).await;
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM activities").unwrap();
    let (guestbook, _) = guestbook(store.clone(), RetentionRules::new());
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_deleted, 10);
    assert!(!store.scrub().await.unwrap(), "it says that something is left");
    reader.execute_batch("COMMIT").unwrap();
    assert!(store.scrub().await.unwrap());
    store_all(&store, 2, views(1, DAY)).await;
}
