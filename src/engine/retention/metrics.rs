//! The metrics of retention, with feature `metrics`; nothing without it.

use super::RetentionReport;

/// Records a run that is over.
#[cfg(feature = "metrics")]
pub(super) fn report(report: &RetentionReport, is_success: bool) {
    let deleted = |class: &str, count: u64| {
        if count > 0 {
            metrics::counter!("guestbook_retention_deleted_total", "class" => class.to_owned()).increment(count);
        }
    };
    deleted("sessions", report.sessions_deleted);
    for class in report.classes.iter().chain([&report.audit]) {
        deleted(&class.class, class.deleted);
        if class.anonymised > 0 {
            metrics::counter!("guestbook_retention_anonymised_total", "class" => class.class.clone())
                .increment(class.anonymised);
        }
        let oldest = class.oldest_left.map_or(0.0, |oldest| report.applied_at.since(oldest).as_secs_f64());
        metrics::gauge!("guestbook_retention_oldest_seconds", "class" => class.class.clone()).set(oldest);
        if class.refused {
            metrics::counter!("guestbook_retention_refused_total").increment(1);
        }
    }
    if is_success {
        let seconds = report.applied_at.as_millis() as f64 / 1e3;
        metrics::gauge!("guestbook_retention_last_success_seconds").set(seconds);
    }
}

#[cfg(not(feature = "metrics"))]
pub(super) fn report(_: &RetentionReport, _: bool) {}
