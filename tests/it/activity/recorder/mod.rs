//! The recorder under overload and failures.

mod balance;
mod sharing;
mod spool;
mod subscribing;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use serde_json::json;
use tower_guestbook::{
    Clock, Error, ErrorKind, Guestbook, Result, Timestamp, UserId,
    activity::{
        ActivityFilter, Entry, Event, EventData, EventLimits, EventType, HistoryPage, HistoryQuery, Live, Order,
        Overload, Recorder, RecorderSettings, RecorderStats, Worker,
    },
    store::{ActivityStore, Commit, MemoryStore},
};

pub(crate) use crate::support::log::Log;
use crate::support::{
    START,
    faulty_store::{Fault, FaultyStore},
    until,
};

fn event(number: usize) -> Event {
    let mut event = Event::new(EventType::ACTION, START.after(Duration::from_millis(number as u64)));
    event.user = Some(UserId::from(number as i64 % 3));
    let data = json!({ "number": number });
    event.data = Some(EventData::new(&data, &EventLimits::default()).unwrap());
    event
}

fn numbers(page: &HistoryPage) -> Vec<usize> {
    let number = |event: &Event| event.data.as_ref().unwrap().read::<serde_json::Value>().unwrap()["number"].as_u64();
    page.activities.iter().map(|activity| number(&activity.event).unwrap() as usize).collect()
}

async fn stored<S: ActivityStore>(store: &S) -> Vec<usize> {
    let query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst).limit(1_000);
    numbers(&store.history(query).await.unwrap())
}

fn pair(store: &FaultyStore, settings: RecorderSettings) -> (Recorder, Worker) {
    Recorder::pair(Arc::new(store.clone()), settings, Clock::manual(START)).unwrap()
}

fn running(store: &FaultyStore, settings: RecorderSettings) -> Recorder {
    let (recorder, worker) = pair(store, settings);
    tokio::spawn(worker.run());
    recorder
}

/// Checks that every offered event is counted with its result.
fn assert_balanced(stats: &RecorderStats) {
    let RecorderStats { offered, written, duplicates, dropped, refused, lost, spooled, queued, adopted, .. } = *stats;
    assert_eq!(offered + adopted, written + duplicates + dropped + refused + lost + spooled + queued, "{stats:?}");
}

fn spool_files(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

/// Waits for the spool, which is read on another thread, without a clock.
async fn until_spool_is_empty(recorder: &Recorder) {
    while recorder.stats().spooled > 0 || recorder.stats().queued > 0 {
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
        // A batch makes the worker look at the spool.
        let _ = recorder.flush().await;
    }
}

#[tokio::test]
async fn record_drops_and_counts_events_beyond_the_queue() {
    let store = FaultyStore::default();
    let (recorder, worker) = pair(&store, RecorderSettings::new().queue(4).batch(4, Duration::from_millis(50)));
    for number in 0..10 {
        recorder.record(event(number));
    }
    let stats = recorder.stats();
    assert_eq!((stats.offered, stats.dropped, stats.queued), (10, 6, 4));
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    assert_eq!(stored(&*store.store).await, [0, 1, 2, 3]);
    assert_eq!(recorder.stats().written, 4);
    assert_balanced(&recorder.stats());
}

#[tokio::test(start_paused = true)]
async fn batch_is_stored_when_full_old_or_flushed() {
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new().batch(3, Duration::from_millis(50)));
    let begin = tokio::time::Instant::now();
    for number in 0..3 {
        recorder.record(event(number));
    }
    until(async || store.store.count(ActivityFilter::new()).await.unwrap() == 3).await;
    assert!(begin.elapsed() < Duration::from_millis(5), "full");
    recorder.record(event(3));
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(recorder.stats().written, 3);
    tokio::time::sleep(Duration::from_millis(11)).await;
    until(async || recorder.stats().written == 4).await;
    assert!(begin.elapsed() < Duration::from_millis(60), "old");
    recorder.record(event(4));
    tokio::task::yield_now().await;
    recorder.record_durable(event(5)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_millis(70), "somebody waits");
    assert_eq!(stored(&*store.store).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(recorder.stats().last_batch, 2);
}

#[tokio::test(start_paused = true)]
async fn stuck_store_loses_nothing_within_ten_seconds() {
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new());
    store.set(Fault::Stuck);
    for number in 0..500 {
        recorder.record(event(number));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(stored(&*store.store).await, [] as [usize; 0]);
    store.set(Fault::Good);
    for number in 500..600 {
        recorder.record(event(number));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(stored(&*store.store).await, (0..600).collect::<Vec<_>>());
    let stats = recorder.stats();
    assert_eq!((stats.written, stats.lost, stats.dropped, stats.queued), (600, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn stuck_store_keeps_memory_bounded_and_counts_drops() {
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new().queue(100).batch(10, Duration::ZERO));
    store.set(Fault::Stuck);
    for number in 0..1_000 {
        let mut event = event(number);
        // As many users as needed to stay below each share of the queue.
        event.user = Some(UserId::from(number as i64));
        recorder.record(event);
        tokio::task::yield_now().await;
    }
    let stats = recorder.stats();
    assert!((890..=900).contains(&stats.dropped) && stats.queued <= 110, "{stats:?}");
    assert_balanced(&stats);
}

#[tokio::test(start_paused = true)]
async fn failing_store_is_retried_five_times_and_losses_are_counted_and_logged() {
    let (log, _guard) = Log::capture();
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new());
    store.set(Fault::Failing);
    for number in 0..7 {
        recorder.record(event(number));
    }
    let error = recorder.flush().await.unwrap_err();
    assert_eq!((error.kind(), store.asked()), (ErrorKind::Unavailable, 5));
    assert_eq!((recorder.stats().lost, recorder.stats().written), (7, 0));
    assert!(
        log.text().contains("ERROR") && log.text().contains("activities are lost") && log.text().contains("events=7")
    );
    // From now on a batch is tried once, until the store is back.
    recorder.record(event(7));
    assert!(recorder.flush().await.is_err());
    assert_eq!((store.asked(), recorder.stats().lost), (6, 8));
    store.set(Fault::Good);
    recorder.record(event(8));
    recorder.flush().await.unwrap();
    assert_eq!(stored(&*store.store).await, [8]);
    assert_balanced(&recorder.stats());
}

/// Stores every batch and reports an error every other time.
#[derive(Default)]
struct Ambiguous {
    store: MemoryStore,
    calls: AtomicUsize,
}

impl ActivityStore for Ambiguous {
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        let sequences = self.store.append(entries, commit).await?;
        match self.calls.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => Err(Error::new(ErrorKind::Unavailable, "the answer was lost")),
            _ => Ok(sequences),
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

#[tokio::test]
async fn lost_answer_of_the_store_duplicates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Ambiguous::default());
    for attempts in [3, 1] {
        let settings = RecorderSettings::new().retry(attempts, Duration::ZERO).spool(directory.path(), 1 << 20);
        let (recorder, worker) = Recorder::pair(store.clone(), settings, Clock::manual(START)).unwrap();
        tokio::spawn(worker.run());
        let before = stored(&*store).await.len();
        for number in 0..20 {
            recorder.record(event(number));
            let _ = recorder.flush().await;
        }
        until_spool_is_empty(&recorder).await;
        assert_eq!(stored(&*store).await.len() - before, 20);
        let stats = recorder.stats();
        assert_eq!((stats.written + stats.duplicates, stats.lost), (20, 0), "{stats:?}");
        recorder.shutdown(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn record_durable_stores_the_event_or_returns_the_error() {
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new());
    recorder.record_durable(event(1)).await.unwrap();
    assert_eq!(stored(&*store.store).await, [1]);

    store.set(Fault::Failing);
    recorder.record(event(2));
    let error = recorder.record_durable(event(3)).await.unwrap_err();
    assert_eq!((error.kind(), store.asked()), (ErrorKind::Unavailable, 2), "told after the first attempt");
    store.set(Fault::Good);
    recorder.flush().await.unwrap();
    assert_eq!(stored(&*store.store).await, [1, 2], "what was refused is not stored later");
    assert_eq!(recorder.stats().refused, 1);

    store.set(Fault::Stuck);
    let error = recorder.record_durable(event(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    store.set(Fault::Good);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stored(&*store.store).await, [1, 2, 4], "a timeout is no promise either way");
    assert_balanced(&recorder.stats());
}

#[tokio::test(start_paused = true)]
async fn overload_wait_delays_the_handler_until_a_place_is_free() {
    use axum::{Router, body::Body, http::Request, routing::get};
    use tower::ServiceExt;

    let store = FaultyStore::default();
    let settings = RecorderSettings::new()
        .queue(2)
        .batch(1, Duration::ZERO)
        .retry(100, Duration::from_millis(10))
        .overload(Overload::Wait(Duration::from_millis(500)));
    let (builder, _) = crate::support::builder(store.clone());
    let guestbook = builder.recorder(settings).build().unwrap();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let app = Router::new()
        .route("/", get(async move || count.fetch_add(1, Ordering::SeqCst).to_string()))
        .layer(guestbook.layer());
    let request = || {
        let request = Request::get("/").header("user-agent", crate::support::FIREFOX).body(Body::empty());
        app.clone().oneshot(request.unwrap())
    };
    store.set(Fault::Failing);
    // One in the worker, two in the queue.
    for number in 1..=3 {
        drop(request().await.unwrap());
        until(async || guestbook.recorder().stats().queued == number).await;
    }
    let waiting = tokio::spawn(request());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(handled.load(Ordering::SeqCst), 3, "it waits");
    store.set(Fault::Good);
    drop(waiting.await.unwrap().unwrap());
    guestbook.flush().await.unwrap();
    let stats = guestbook.recorder().stats();
    assert_eq!((handled.load(Ordering::SeqCst), stats.written, stats.dropped), (4, 4, 0));

    store.set(Fault::Failing);
    for number in 1..=3 {
        drop(request().await.unwrap());
        until(async || guestbook.recorder().stats().queued == number).await;
    }
    let begin = tokio::time::Instant::now();
    drop(request().await.unwrap());
    assert!(begin.elapsed() >= Duration::from_millis(500));
    assert_eq!((handled.load(Ordering::SeqCst), guestbook.recorder().stats().dropped), (8, 1), "served all the same");
}

#[tokio::test(start_paused = true)]
async fn shutdown_stores_queued_events_or_reports_losses() {
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new().batch(10, Duration::from_secs(60)));
    for number in 0..25 {
        recorder.record(event(number));
    }
    let report = recorder.shutdown(Duration::from_secs(5)).await;
    assert_eq!((report.written, report.lost, report.spooled), (25, 0, 0));
    assert_eq!(stored(&*store.store).await.len(), 25);
    recorder.record(event(25));
    assert_eq!(recorder.stats().dropped, 1);
    assert_eq!(recorder.record_durable(event(26)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(recorder.flush().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(recorder.shutdown(Duration::ZERO).await, report, "the same again");

    let recorder = running(&store, RecorderSettings::new().batch(10, Duration::from_secs(60)));
    store.set(Fault::Stuck);
    for number in 0..25 {
        recorder.record(event(number));
    }
    let begin = tokio::time::Instant::now();
    let report = recorder.shutdown(Duration::from_secs(3)).await;
    assert_eq!((report.written, report.lost), (0, 25));
    assert!(begin.elapsed() <= Duration::from_secs(4), "the deadline holds");
}

#[tokio::test]
async fn dropped_worker_counts_its_events_as_lost() {
    let store = FaultyStore::default();
    let (recorder, worker) = pair(&store, RecorderSettings::new());
    for number in 0..5 {
        recorder.record(event(number));
    }
    drop(worker);
    assert_eq!(recorder.stats().lost, 5);
    assert_eq!(recorder.record_durable(event(5)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    recorder.record(event(6));
    assert_eq!(recorder.shutdown(Duration::from_secs(1)).await.lost, 5);
    assert_balanced(&recorder.stats());
}

#[tokio::test]
async fn client_time_is_limited_to_a_day_from_the_server_time() {
    let event = |millis: i64| event(0).with_client_time(Timestamp::from_millis(START.as_millis() + millis));
    let day = 24 * 60 * 60 * 1_000;
    for (claimed, kept) in [(5, 5), (-day, -day), (day + 1, day), (i64::MAX / 2, day), (i64::MIN / 2, -day)] {
        let event = event(claimed);
        assert_eq!(event.client_time.unwrap().as_millis() - START.as_millis(), kept);
        assert_eq!(event.time, START);
    }
}
