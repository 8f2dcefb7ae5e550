//! The metrics of requests, with feature `metrics`.

use super::Rights;
use crate::error::Result;

impl Rights {
    /// Sets the gauges of requests.
    pub(crate) async fn report_requests(&self) -> Result<()> {
        let counts = self.request_counts().await?;
        metrics::gauge!("guestbook_privacy_requests_open").set(counts.open as f64);
        metrics::gauge!("guestbook_privacy_requests_overdue").set(counts.overdue as f64);
        Ok(())
    }
}
