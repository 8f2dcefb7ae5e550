//! What the `metrics` facade is told, with feature `metrics`; nothing without.
//!
//! | name | kind | what |
//! |---|---|---|
//! | `guestbook_events_total{result}` | counter | `written`, `duplicate`, `dropped`, `refused`, `lost`, `spooled`, `withheld` |
//! | `guestbook_queue_depth` | gauge | events that wait |
//! | `guestbook_batch_size` | histogram | events per batch |
//! | `guestbook_recorder_lag_seconds` | histogram | how long the oldest event of a batch had waited |

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
        // A level, of which only the rise is a count.
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
