//! [`Shared`]: state shared by the activity layer and its services.

use std::fmt;

use super::{
    agents::Agents,
    referrer::KnownReferrers,
    routes::Routes,
    rules::ActivityRules,
    skipped::{Reason, SkipCounters},
};
use crate::{
    engine::{consents::Consents, recorder::Recorder},
    http::{ClientSettings, first_time::FirstTime},
};

pub(crate) struct Shared {
    pub(super) recorder: Recorder,
    pub(super) consents: Option<Consents>,
    pub(super) rules: ActivityRules,
    pub(super) client: ClientSettings,
    pub(super) routes: Routes,
    pub(super) referrers: KnownReferrers,
    pub(super) agents: Agents,
    pub(super) skipped: SkipCounters,
    pub(super) twice: FirstTime,
}

impl Shared {
    /// Counts a request that is not recorded, and logs the first one of each reason.
    pub(super) fn skip(&self, reason: Reason) {
        self.skipped.count(reason);
        if self.recorder.is_first_log(1 << reason as u32) {
            tracing::info!(
                reason = reason.name(),
                "a request is not recorded: the rules of activity leave it out; further ones are logged at level debug and in \
                 ActivityLayer::skipped"
            );
        } else {
            tracing::debug!(reason = reason.name(), "a request is not recorded");
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityLayer")
            .field("rules", &self.rules)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
