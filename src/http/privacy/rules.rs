//! [`PrivacyRules`]: how often users may ask, what they must have done before, and how they confirm.

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

/// How often users may exercise their rights over HTTP, and how. Everything has a default that is safe.
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
///         // … goes to the user by mail.
///         assert!(link.len() > 60);
///         Ok(())
///     });
/// let guestbook = Guestbook::builder(MemoryStore::new()).privacy(rules).build()?;
/// # let _ = guestbook.privacy_service();
///
/// let nobody = PrivacyRules::new().requests(RateLimit::per_minute(0));
/// assert!(Guestbook::builder(MemoryStore::new()).privacy(nobody).build().is_err());
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
    /// The defaults.
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

    /// How often a user may ask for anything. Default: 30 a minute.
    pub fn requests(mut self, limit: RateLimit) -> Self {
        self.limits.requests = limit;
        self
    }

    /// How often a user may try to get an export or to be erased, which counts above as well. Default: 5 a minute.
    pub fn sensitive_requests(mut self, limit: RateLimit) -> Self {
        self.limits.sensitive = limit;
        self
    }

    /// Of how many users it is remembered how often they have asked, some 100 bytes each. Of more of them who ask at the same time,
    /// those begin anew who asked least recently. Default: 10,000.
    pub fn limited_users(mut self, users: usize) -> Self {
        self.users = users;
        self
    }

    /// How long ago a user may have logged in who wants to be erased. Default: 5 minutes.
    pub fn max_login_age(mut self, age: Duration) -> Self {
        self.max_login_age = age;
        self
    }

    /// Which other origins may change something. Default: none.
    pub fn cross_origin(mut self, guard: CrossOriginGuardLayer) -> Self {
        self.guard = guard;
        self
    }

    /// The [sources](crate::privacy::PersonalData) that users may correct by themselves, by name: those whose
    /// [`rectify`](crate::privacy::PersonalData::rectify) checks what it is told, as it is told what a user sent. Default: none; preferences
    /// they may always correct.
    pub fn correctable_sources<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.correctable = names.into_iter().map(Into::into).collect();
        self
    }

    /// An erasure that a user files is one in [two steps](crate::privacy::Rights::request_erasure): `send` brings the token to them, on a way that
    /// only they can read, and they confirm with it. It has ten seconds. If it fails the answer is 503, and filing again sends another token.
    /// Default: none; such a request waits for a person to answer it, as those of other kinds do.
    pub fn confirm_erasures_by<F, Sent>(mut self, send: F) -> Self
    where
        F: Fn(UserId, RequestId, ConfirmationToken) -> Sent + Send + Sync + 'static,
        Sent: Future<Output = Result<()>> + Send + 'static,
    {
        self.send = Some(Arc::new(move |user, request, token| Box::pin(send(user, request, token))));
        self
    }

    /// `sources`: the names of those that there are.
    pub(crate) fn check<'a>(&self, sources: impl Iterator<Item = &'a str> + Clone) -> Result<()> {
        let wrong = |problem: &str| Err(Error::new(ErrorKind::Configuration, format!("privacy(): {problem}")));
        if ![self.limits.requests, self.limits.sensitive].into_iter().all(RateLimit::is_possible) || self.users == 0 {
            return wrong("a limit needs at least one request in 1 ms to 30 days, and one user");
        }
        match self.correctable.iter().find(|name| !sources.clone().any(|known| known == **name)) {
            Some(name) => wrong(&format!("there is no source {name:?} that users could correct")),
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
