//! Of several processes, one runs retention in the background.

use std::sync::Arc;

use tower_guestbook::store::MaintenanceStore;
use uuid::Uuid;

use super::*;

#[tokio::test]
async fn run_once_conflicts_while_another_process_has_the_lease() {
    let store = FaultyStore::default();
    store_all(&store, 1, views(10, DAY * 91)).await;
    let (guestbook, clock) = guestbook(store.clone(), RetentionRules::new());
    let minute = Duration::from_secs(60);
    assert!(store.acquire_lease("retention", Uuid::from_u128(7), START, START.after(minute)).await.unwrap());
    assert_eq!(guestbook.retention().run_once().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(count(&store).await, 10);
    assert_eq!(guestbook.retention().dry_run().await.unwrap().classes[0].would_delete, Some(10), "looking is free");
    // The other has died.
    clock.advance(minute);
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_deleted, 10);
}

#[tokio::test(start_paused = true)]
async fn retention_runs_in_one_process_of_several() {
    let store = FaultyStore::default();
    store_all(&store, 1, [views(10, DAY * 91), views(5, DAY * 90)].concat()).await;
    let clock = Clock::manual(START);
    let start = || Guestbook::builder(store.clone()).clock(clock.clone()).build().unwrap();
    let books = [start(), start()];
    let stats = || books.each_ref().map(|book| book.retention().stats());
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(count(&store).await, 15, "not at once");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(count(&store).await, 5);
    let [one, two] = stats();
    assert_eq!((one.runs + two.runs, one.elsewhere + two.elsewhere), (1, 1), "one of them");

    // The store is out of order for some runs.
    store.set(Fault::Failing);
    let hour = Duration::from_secs(3_600);
    clock.advance(hour);
    tokio::time::sleep(hour * 3 / 2).await;
    store.set(Fault::Good);
    let [one, two] = stats();
    assert_eq!((one.runs + two.runs, one.failed + two.failed), (1, 1));
    clock.advance(hour);
    tokio::time::sleep(hour * 3 / 2).await;
    assert_eq!(count(&store).await, 0, "those are old by now");

    // With the guestbooks it ends.
    drop(books);
    tokio::time::sleep(hour).await;
    assert_eq!(Arc::strong_count(&store.store), 1);
}
