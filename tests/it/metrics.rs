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
    Clock,
    activity::{Event, EventType},
    http::ActivityRules,
    recorder::{Recorder, RecorderSettings},
};

use crate::{
    activity::guestbook,
    moody::{Mood, Moody},
    support::START,
};

/// Keeps everything by name and labels.
#[derive(Clone, Default)]
struct Kept {
    numbers: Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>,
}

impl Kept {
    fn number(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect::<String>();
        self.numbers.lock().unwrap().entry(format!("{}{labels}", key.name())).or_default().clone()
    }

    fn count(&self, name: &str) -> u64 {
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
    let store = Moody::default();
    let clock = Clock::manual(START);
    let settings = RecorderSettings::new().queue(10).batch(10, Duration::from_millis(50)).retry(1, Duration::ZERO);
    let (recorder, worker) = Recorder::pair(Arc::new(store.clone()), settings, clock.clone()).unwrap();
    (0..12).for_each(|_| recorder.record(Event::new(EventType::ACTION, clock.now())));
    clock.advance(Duration::from_millis(250));
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    store.set(Mood::Failing);
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
