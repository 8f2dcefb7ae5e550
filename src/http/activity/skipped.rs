//! [`Skipped`]: the number of skipped requests, by reason.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// The reason why a request is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Options,
    Static,
    Health,
    Prefetch,
    Bot,
    Rule,
    Sampling,
    OptOut,
    ReferrerSpam,
}

/// Number of requests that were not recorded since the start, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Skipped {
    /// `OPTIONS` requests.
    pub options: u64,
    /// Static files.
    pub static_files: u64,
    /// Health checks and similar requests.
    pub health: u64,
    /// Prefetches of browsers.
    pub prefetch: u64,
    /// Programs without a person.
    pub bots: u64,
    /// Requests refused by the hooks `should_record` or `classify`.
    pub by_rule: u64,
    /// Requests outside the sample.
    pub sampled_out: u64,
    /// Requests whose route or response is [`Unrecorded`](super::Unrecorded).
    pub opted_out: u64,
    /// Requests with an excluded referrer.
    pub referrer_spam: u64,
}

#[derive(Debug, Default)]
pub(crate) struct SkipCounters([AtomicU64; 9]);

impl SkipCounters {
    pub(crate) fn count(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::counter!("guestbook_requests_skipped_total", "reason" => reason.name()).increment(1);
    }

    pub(crate) fn snapshot(&self) -> Skipped {
        let [options, static_files, health, prefetch, bots, by_rule, sampled_out, opted_out, referrer_spam] =
            self.0.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        Skipped { options, static_files, health, prefetch, bots, by_rule, sampled_out, opted_out, referrer_spam }
    }
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Options => "options",
            Self::Static => "static_file",
            Self::Health => "health",
            Self::Prefetch => "prefetch",
            Self::Bot => "bot",
            Self::Rule => "rule",
            Self::Sampling => "sampling",
            Self::OptOut => "opt_out",
            Self::ReferrerSpam => "referrer_spam",
        }
    }
}
