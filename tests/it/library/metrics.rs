//! What the `metrics` facade is told.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use tower::ServiceExt;
use tower_guestbook::{
    Clock, Guestbook,
    activity::{ActivityRules, Entry, Event, EventId, EventType, Recorder, RecorderSettings},
    privacy::{Actor, AuditAction, RequestKind},
    retention::RetentionRules,
    store::{ActivityStore, Commit},
};

use crate::{
    activity::requests::guestbook,
    support::{
        START,
        faulty_store::{Fault, FaultyStore},
    },
};

/// Keeps everything by name and labels.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    numbers: Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>,
}

impl Kept {
    fn number(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect::<String>();
        self.numbers.lock().unwrap().entry(format!("{}{labels}", key.name())).or_default().clone()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.numbers.lock().unwrap().get(name).map_or(0, |number| number.load(Ordering::SeqCst))
    }

    fn value(&self, name: &str) -> f64 {
        f64::from_bits(self.count(name))
    }
}

struct Last(Arc<AtomicU64>);

impl HistogramFn for Last {
    fn record(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::SeqCst);
    }
}

impl metrics::Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Last(self.number(key))))
    }
}

#[tokio::test(start_paused = true)]
async fn counters_gauges_and_histograms_say_what_the_figures_say() {
    let kept = Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let store = FaultyStore::default();
    let clock = Clock::manual(START);
    let settings = RecorderSettings::new().queue(10).batch(10, Duration::from_millis(50)).retry(1, Duration::ZERO);
    let (recorder, worker) = Recorder::pair(Arc::new(store.clone()), settings, clock.clone()).unwrap();
    for _ in 0..12 {
        recorder.record(Event::new(EventType::ACTION, clock.now()));
    }
    clock.advance(Duration::from_millis(250));
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    store.set(Fault::Failing);
    recorder.record(Event::new(EventType::ACTION, clock.now()));
    recorder.flush().await.unwrap_err();
    recorder.shutdown(Duration::from_secs(1)).await;

    let count = |result| kept.count(&format!("guestbook_events_total result={result}"));
    assert_eq!((count("written"), count("dropped"), count("lost"), count("refused")), (10, 2, 1, 0));
    assert_eq!(kept.value("guestbook_batch_size"), 10.0);
    assert_eq!(kept.value("guestbook_recorder_lag_seconds"), 0.25);
    assert_eq!(kept.value("guestbook_queue_depth"), 0.0);
}

#[tokio::test]
async fn requests_that_are_left_out_are_counted_by_reason() {
    let kept = Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let (guestbook, _) = guestbook(ActivityRules::new());
    let app = Router::new().fallback(async || "x").layer(guestbook.layer());
    for path in ["/health", "/a.css", "/page"] {
        app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    }
    for reason in ["health", "static_file", "bot"] {
        assert_eq!(kept.count(&format!("guestbook_requests_skipped_total reason={reason}")), 1, "{reason}");
    }
}

#[tokio::test]
async fn retention_says_what_it_has_deleted_and_what_is_left() {
    let kept = Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let store = FaultyStore::default();
    let (builder, clock) = crate::support::builder(store.clone());
    let guestbook = builder.retention(RetentionRules::new()).build().unwrap();
    let day = Duration::from_secs(86_400);
    let fill = async |origin: u64, count: u64, event_type: EventType| {
        let entry =
            |number| Entry { id: EventId { origin, number }, event: Event::new(event_type.clone(), clock.now()) };
        store.append((0..count).map(entry).collect(), Commit::Relaxed).await.unwrap();
    };
    fill(1, 3, EventType::PAGE_VIEW).await;
    fill(2, 1, EventType::LOGIN).await;
    clock.advance(day * 50);
    fill(3, 1, EventType::ERROR).await;
    clock.advance(day * 50);
    guestbook.retention().run_once().await.unwrap();
    let deleted = |class: &str| kept.count(&format!("guestbook_retention_deleted_total class={class}"));
    assert_eq!((deleted("activities"), deleted("activities:login")), (3, 0));
    let oldest = |class: &str| kept.value(&format!("guestbook_retention_oldest_seconds class={class}"));
    let day = day.as_secs_f64();
    assert_eq!((oldest("activities"), oldest("activities:login")), (50.0 * day, 100.0 * day));
    let now = clock.now().as_millis() as f64 / 1e3;
    assert_eq!(kept.value("guestbook_retention_last_success_seconds"), now);
    assert_eq!(kept.count("guestbook_retention_refused_total"), 0);

    fill(4, 1_001, EventType::ACTION).await;
    clock.advance(Duration::from_secs(91 * 86_400));
    guestbook.retention().run_once().await.unwrap();
    assert_eq!((deleted("activities"), kept.count("guestbook_retention_refused_total")), (3, 1));
}

#[tokio::test]
async fn the_audit_trail_says_how_long_it_is_and_whether_it_is_intact() {
    let kept = Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let store = FaultyStore::default();
    let clock = Clock::manual(START);
    let build = |key| Guestbook::builder(store.clone()).clock(clock.clone()).audit_key(key).build().unwrap();
    let guestbook = build([1; 32]);
    for _ in 0..3 {
        guestbook.audit().record(AuditAction::Exported, Actor::System, None, serde_json::Value::Null).await.unwrap();
    }
    assert_eq!(kept.count("guestbook_audit_entries_total"), 3);
    guestbook.audit().verify(None).await.unwrap();
    assert_eq!(kept.value("guestbook_audit_intact"), 1.0);
    clock.advance(Duration::from_secs(5));
    build([2; 32]).audit().verify(None).await.unwrap();
    assert_eq!(kept.value("guestbook_audit_intact"), 0.0);
    assert_eq!(kept.value("guestbook_audit_verified_seconds"), START.as_millis() as f64 / 1e3 + 5.0);
}

#[tokio::test]
async fn requests_that_are_to_be_answered_are_counted() {
    let kept = Kept::default();
    let _guard = metrics::set_default_local_recorder(&kept);
    let store = FaultyStore::default();
    let (builder, clock) = crate::support::builder(store.clone());
    let guestbook = builder.build().unwrap();
    let file =
        async |user: i64, kind| guestbook.rights().file_request(&user.into(), kind, None).await.unwrap().request.id;
    file(1, RequestKind::Access).await;
    let answered = file(2, RequestKind::Access).await;
    guestbook.rights().reject_request(answered, "unfounded").await.unwrap();
    clock.advance(Duration::from_secs(32 * 86_400));
    file(3, RequestKind::Erasure).await;
    // The first sweep of another process.
    let other = Guestbook::builder(store).clock(clock).build().unwrap();
    // Not the first: sweeps of before found fewer.
    let found = || (kept.value("guestbook_privacy_requests_open"), kept.value("guestbook_privacy_requests_overdue"));
    crate::support::until(async || found() == (2.0, 1.0)).await;
    other.shutdown().await;
}
