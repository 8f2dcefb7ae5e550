//! Reports figures to the `metrics` facade, with feature `metrics`.
//!
//! | name | kind | meaning |
//! |---|---|---|
//! | `guestbook_events_total{result}` | counter | events by result, see below |
//! | `guestbook_queue_depth` | gauge | queued events |
//! | `guestbook_batch_size` | histogram | events per batch |
//! | `guestbook_recorder_lag_seconds` | histogram | age of the oldest event of a batch |
//!
//! Results: `written`, `duplicate`, `dropped`, `refused`, `lost`, `spooled`, `withheld`.

use super::RecorderStats;

#[cfg(feature = "metrics")]
pub(super) fn report(before: &RecorderStats, now: &RecorderStats) {
    for (result, before, now) in [
        ("written", before.written, now.written),
        ("duplicate", before.duplicates, now.duplicates),
        ("dropped", before.dropped, now.dropped),
        ("refused", before.refused, now.refused),
        ("lost", before.lost, now.lost),
        ("withheld", before.withheld, now.withheld),
        // A gauge: only its increase is counted.
        ("spooled", before.spooled, now.spooled),
    ] {
        if now > before {
            metrics::counter!("guestbook_events_total", "result" => result).increment(now - before);
        }
    }
    metrics::gauge!("guestbook_queue_depth").set(now.queued as f64);
    if now.batches > before.batches {
        metrics::histogram!("guestbook_batch_size").record(now.last_batch as f64);
        metrics::histogram!("guestbook_recorder_lag_seconds").record(now.lag.as_secs_f64());
    }
}

#[cfg(not(feature = "metrics"))]
pub(super) fn report(_: &RecorderStats, _: &RecorderStats) {}
