//! Background tasks of a guestbook, except storing events and retention.

use std::time::Duration;

use crate::engine::{audit::AuditTrail, rights::Rights, sessions::Sessions};

/// Deletes expired sessions as long as the guestbook lives. An error is logged, and the next run
/// tries again.
pub(super) async fn sweep(sessions: Sessions, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sessions.delete_expired().await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "expired sessions are removed"),
            Err(error) => tracing::warn!(%error, "expired sessions could not be removed"),
        }
    }
}

/// Replays the journal, continues interrupted erasures, and deletes expired ones. Separate from
/// [`sweep`], because a source of the application may be slow.
pub(super) async fn go_on_erasing(rights: Rights, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = rights.make_ready().await {
            tracing::error!(error = %error.chain(), "the erasure journal could not be replayed: nobody is served");
            continue;
        }
        match rights.resume_erasures().await {
            Ok(0) => {}
            Ok(finished) => tracing::info!(finished, "erasures that were interrupted are finished"),
            Err(error) => tracing::warn!(%error, "erasures could not be finished"),
        }
        if let Err(error) = rights.delete_old().await {
            tracing::warn!(%error, "old erasures and requests could not be forgotten");
        }
        #[cfg(feature = "metrics")]
        if let Err(error) = rights.report_requests().await {
            tracing::debug!(%error, "requests could not be counted");
        }
    }
}

/// Verifies the audit trail each time that it is due, which it is looked for with each sweep but
/// the first: a start must not be slower for it.
pub(super) async fn watch_trail(audit: AuditTrail, interval: Duration, verify_interval: Duration) {
    if verify_interval == Duration::MAX {
        return;
    }
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match audit.verify_if_due(verify_interval).await {
            Ok(None) => {}
            Ok(Some(report)) => tracing::debug!(entries = report.entries, "the audit trail was verified"),
            Err(error) => tracing::warn!(error = %error.chain(), "the audit trail could not be verified"),
        }
    }
}
