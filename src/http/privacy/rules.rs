//! [`PrivacyRules`]: the limits and the checks of [`PrivacyService`](super::PrivacyService).

use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::limiter::Limits;
use crate::{
    engine::rate::RateLimit,
    error::{Error, ErrorKind, Result},
    http::CrossOriginGuardLayer,
    id::UserId,
    model::privacy::{ConfirmationToken, RequestId},
    store::dyn_store::BoxFuture,
};

/// The configuration of [`PrivacyService`](crate::http::PrivacyService): limits per user, the age
/// of a login, other origins, and how users confirm an erasure.
///
/// Defaults: 30 requests a minute, 5 of them sensitive, for 10,000 users; a login of the last 5
/// minutes for an erasure; no other origin; requests for erasure wait for a person.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Guestbook,
///     http::CrossOriginGuardLayer,
///     privacy::{PrivacyRules, RateLimit},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let rules = PrivacyRules::new()
///     .requests(RateLimit::per_minute(60))
///     .sensitive_requests(RateLimit::new(3, Duration::from_secs(600)))
///     .cross_origin(CrossOriginGuardLayer::new().allow_origin("https://app.example")?)
///     .confirm_erasures_by(async |_user, request, token| {
///         let link = format!("https://app.example/erase/{request}#{}", *token.expose_secret());
///         // … send it to the user by mail.
///         assert!(link.len() > 60);
///         Ok(())
///     });
/// let guestbook = Guestbook::builder(MemoryStore::new()).privacy(rules).build()?;
/// # let _ = guestbook.privacy_service();
///
/// let none = PrivacyRules::new().requests(RateLimit::per_minute(0));
/// assert!(Guestbook::builder(MemoryStore::new()).privacy(none).build().is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct PrivacyRules {
    pub(super) limits: Limits,
    pub(super) users: usize,
    pub(super) max_login_age: Duration,
    pub(super) guard: CrossOriginGuardLayer,
    pub(super) correctable: Vec<String>,
    pub(super) send: Option<Arc<SendToken>>,
}

pub(super) type SendToken =
    dyn Fn(UserId, RequestId, ConfirmationToken) -> BoxFuture<'static, Result<()>> + Send + Sync;

impl PrivacyRules {
    /// Creates the default rules.
    pub fn new() -> Self {
        Self {
            limits: Limits { requests: RateLimit::per_minute(30), sensitive: RateLimit::per_minute(5) },
            users: 10_000,
            max_login_age: Duration::from_secs(300),
            guard: CrossOriginGuardLayer::new(),
            correctable: Vec::new(),
            send: None,
        }
    }

    /// Sets how many requests a user may make. Default: 30 a minute.
    pub fn requests(mut self, limit: RateLimit) -> Self {
        self.limits.requests = limit;
        self
    }

    /// Sets how many exports, erasures and confirmations a user may try. They count as requests,
    /// too. Default: 5 a minute.
    pub fn sensitive_requests(mut self, limit: RateLimit) -> Self {
        self.limits.sensitive = limit;
        self
    }

    /// Sets the number of users whose requests are counted, about 100 bytes each. When there are
    /// more, the user with the oldest request is dropped and begins with the full limit. Default:
    /// 10,000.
    pub fn limited_users(mut self, users: usize) -> Self {
        self.users = users;
        self
    }

    /// Sets how long ago a user may have logged in to erase the account. Default: 5 minutes.
    pub fn max_login_age(mut self, age: Duration) -> Self {
        self.max_login_age = age;
        self
    }

    /// Sets which other origins may send requests that change something. Default: none.
    pub fn cross_origin(mut self, guard: CrossOriginGuardLayer) -> Self {
        self.guard = guard;
        self
    }

    /// Names the [sources](crate::privacy::PersonalData) that users may correct. Their
    /// [`rectify`](crate::privacy::PersonalData::rectify) receives what a user sent and must
    /// validate it. Default: none. Users may always correct preferences.
    pub fn correctable_sources<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.correctable = names.into_iter().map(Into::into).collect();
        self
    }

    /// Makes users confirm an erasure that they [request](crate::privacy::Rights::request_erasure):
    /// `send` brings the token to the user, over a channel that only they can read. Default: none;
    /// a request for erasure waits for a person, like those of other kinds.
    ///
    /// `send` has 10 seconds. If it fails or is late, the answer is 503; filing the request again
    /// sends another token.
    pub fn confirm_erasures_by<F, Sent>(mut self, send: F) -> Self
    where
        F: Fn(UserId, RequestId, ConfirmationToken) -> Sent + Send + Sync + 'static,
        Sent: Future<Output = Result<()>> + Send + 'static,
    {
        self.send = Some(Arc::new(move |user, request, token| Box::pin(send(user, request, token))));
        self
    }

    /// Checks the rules against the names of the registered sources.
    pub(crate) fn check<'a>(&self, sources: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        let wrong = |problem: &str| Err(Error::new(ErrorKind::Configuration, format!("privacy(): {problem}")));
        if ![self.limits.requests, self.limits.sensitive].into_iter().all(RateLimit::is_possible) || self.users == 0 {
            return wrong("a limit needs at least one request in a span of 1 ms to 30 days, and one user");
        }
        match self.correctable.iter().find(|name| !sources.clone().any(|known| known == **name)) {
            Some(name) => wrong(&format!("correctable_sources(): there is no source {name:?}")),
            None => Ok(()),
        }
    }
}

impl Default for PrivacyRules {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PrivacyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivacyRules")
            .field("limits", &self.limits)
            .field("users", &self.users)
            .field("max_login_age", &self.max_login_age)
            .field("correctable", &self.correctable)
            .finish_non_exhaustive()
    }
}
