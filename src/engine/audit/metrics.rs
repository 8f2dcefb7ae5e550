//! The metrics of the audit trail, with feature `metrics`; nothing without it.

use crate::{
    model::privacy::{AuditHead, VerificationReport},
    time::Timestamp,
};

/// Entries have no gaps, so the number of the last one is their count.
#[cfg(feature = "metrics")]
pub(super) fn grown(head: &AuditHead) {
    metrics::counter!("guestbook_audit_entries_total").absolute(head.sequence);
}

#[cfg(feature = "metrics")]
pub(super) fn verified(report: &VerificationReport, now: Timestamp) {
    metrics::gauge!("guestbook_audit_intact").set(f64::from(u8::from(report.is_intact())));
    metrics::gauge!("guestbook_audit_verified_seconds").set(now.as_millis() as f64 / 1e3);
}

#[cfg(not(feature = "metrics"))]
pub(super) fn grown(_: &AuditHead) {}

#[cfg(not(feature = "metrics"))]
pub(super) fn verified(_: &VerificationReport, _: Timestamp) {}
