//! [`ActivityRules`]: the requests that are recorded, and their data.

use std::{fmt, sync::Arc};

use http::{HeaderName, header};

use super::{Answered, RequestHead, cookieless::CookielessVisitors, declared::Declared, referrer::Referrers};
use crate::{
    error::{Error, ErrorKind, Result},
    model::activity::{Event, EventType},
};

/// Rules for the activity layer: which requests are recorded, and with which data.
///
/// # Requests that are not recorded
///
/// Each of these is counted ([`ActivityLayer::skipped`](super::ActivityLayer::skipped)), and most
/// can be switched on:
///
/// - `OPTIONS` requests.
/// - Static files: `GET` and `HEAD` below [`static_prefixes`](Self::static_prefixes) (`/static/`,
///   `/assets/`), with a usual file extension, or requested as an image, style, script, font, sound
///   or video (`Sec-Fetch-Dest`).
/// - Health checks: [`health_paths`](Self::health_paths) and everything below them.
/// - Prefetches of browsers (`Sec-Purpose`, `Purpose` or `X-Moz` with `prefetch`).
/// - Bots: by the `User-Agent`, or `HEAD` with neither `Accept-Language` nor a cookie. A logged-in
///   user is never a bot.
/// - Referrer spam: requests with an [excluded](Self::exclude_referrers) referrer, unless a user is
///   logged in.
///
/// # Event types
///
/// A `page_view` is a `GET` with status 2xx and a `text/html` response that no script requested
/// (`Sec-Fetch-Dest` is `document` or a frame, or absent). Every other request is an `api_call`.
/// [`classify`](Self::classify) replaces this rule.
///
/// # Examples
///
/// ```
/// use tower_guestbook::activity::{ActivityRules, EventType};
///
/// let rules = ActivityRules::new()
///     .record_bots(true)
///     .query_keys(["page"])
///     .should_record(|request| !request.uri.path().starts_with("/internal/"))
///     .classify(|answer| answer.status.is_success().then_some(EventType::API_CALL));
/// # let _ = rules;
/// ```
#[derive(Clone)]
#[must_use]
pub struct ActivityRules {
    pub(super) options: bool,
    pub(super) static_files: bool,
    pub(super) health: bool,
    pub(super) prefetch: bool,
    pub(super) bots: bool,
    pub(super) static_prefixes: Vec<String>,
    pub(super) health_paths: Vec<String>,
    pub(super) query_keys: Vec<String>,
    header_names: Vec<String>,
    pub(super) headers: Vec<HeaderName>,
    pub(super) should_record: Option<Arc<ShouldRecord>>,
    pub(super) is_bot: Option<Arc<ShouldRecord>>,
    pub(super) enrich: Option<Arc<Enrich>>,
    pub(super) classify: Option<Arc<Classify>>,
    pub(super) sample_rate: f64,
    pub(super) cookieless: Option<Arc<CookielessVisitors>>,
    pub(super) route_capacity: usize,
    pub(super) declared: Declared,
    pub(super) referrers: Referrers,
}

type ShouldRecord = dyn Fn(RequestHead<'_>) -> bool + Send + Sync;
type Enrich = dyn Fn(RequestHead<'_>, &mut Event) + Send + Sync;
type Classify = dyn Fn(Answered<'_>) -> Option<EventType> + Send + Sync;

impl ActivityRules {
    /// Creates the default rules.
    pub fn new() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            options: false,
            static_files: false,
            health: false,
            prefetch: false,
            bots: false,
            static_prefixes: texts(&["/static/", "/assets/"]),
            health_paths: texts(&[
                "/health",
                "/healthz",
                "/livez",
                "/readyz",
                "/metrics",
                "/favicon.ico",
                "/robots.txt",
                "/.well-known",
            ]),
            query_keys: Vec::new(),
            header_names: Vec::new(),
            headers: Vec::new(),
            should_record: None,
            is_bot: None,
            enrich: None,
            classify: None,
            sample_rate: 1.0,
            cookieless: None,
            route_capacity: 10_000,
            declared: Declared::default(),
            referrers: Referrers::default(),
        }
    }

    /// Sets whether `OPTIONS` requests are recorded. Default: no.
    pub fn record_options(mut self, record: bool) -> Self {
        self.options = record;
        self
    }

    /// Sets whether static files are recorded. Default: no.
    pub fn record_static_files(mut self, record: bool) -> Self {
        self.static_files = record;
        self
    }

    /// Sets whether health checks and similar requests are recorded. Default: no.
    pub fn record_health_checks(mut self, record: bool) -> Self {
        self.health = record;
        self
    }

    /// Sets whether prefetches are recorded. Default: no.
    pub fn record_prefetches(mut self, record: bool) -> Self {
        self.prefetch = record;
        self
    }

    /// Sets whether bots are recorded, with device class `bot`. Default: no.
    pub fn record_bots(mut self, record: bool) -> Self {
        self.bots = record;
        self
    }

    /// Sets the paths below which there are static files. Default: `/static/` and `/assets/`.
    pub fn static_prefixes<P: Into<String>>(mut self, prefixes: impl IntoIterator<Item = P>) -> Self {
        self.static_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the paths that serve machines, including everything below them. Default: `/health
    /// /healthz /livez /readyz /metrics /favicon.ico /robots.txt /.well-known`.
    pub fn health_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.health_paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the keys of the query string whose values are recorded, as `query` in the data, at most
    /// 100 bytes each. Default: none; `utm_*` parameters are always recorded. Never list a key that
    /// may carry a secret.
    pub fn query_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.query_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the request headers that are recorded, as `headers` in the data, at most 200 bytes
    /// each. Default: none. `build()` refuses headers that carry secrets.
    pub fn headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.header_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a hook that decides last, for requests that no other rule skips. It must not block.
    pub fn should_record(mut self, hook: impl Fn(RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.should_record = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that decides whether a request without a login is a bot's, instead of the
    /// built-in detection.
    pub fn bot_detector(mut self, hook: impl Fn(RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.is_bot = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that changes the event before the handler runs: to add data, set a visitor, or
    /// remove the network. Type, user, session and response are set later. It must not block, and
    /// must not add secrets.
    pub fn enrich(mut self, hook: impl Fn(RequestHead<'_>, &mut Event) + Send + Sync + 'static) -> Self {
        self.enrich = Some(Arc::new(hook));
        self
    }

    /// Sets a hook that chooses the event type; `None` skips the request. It runs when the head of
    /// the response is ready. Without a response (the client disconnected, the handler panicked)
    /// the event is an `api_call`.
    pub fn classify(mut self, hook: impl Fn(Answered<'_>) -> Option<EventType> + Send + Sync + 'static) -> Self {
        self.classify = Some(Arc::new(hook));
        self
    }

    /// Sets the share of sessions that are recorded, from 0 to 1: all requests of a session or
    /// none. Without a session, network and agent take its place. Explicit events are always
    /// recorded. Default: 1.
    pub fn sample_rate(mut self, rate: f64) -> Self {
        self.sample_rate = rate;
        self
    }

    /// Sets whether visitors without a session and without a cookie are told apart, for a day.
    /// Default: no; their requests belong to nobody, and analytics know no visits of theirs.
    ///
    /// The id of such a visitor is an HMAC of the client's truncated network, the family of its
    /// browser, system and device, and the host of the site. Its key is random and in memory only:
    /// it is replaced at midnight (UTC) and never stored, so ids of two days, of two processes or of
    /// two sites cannot be compared, and nobody can compute an id later. People behind one network
    /// with the same browser count as one. An event with a user, a session or another visitor never
    /// gets such an id, so it does not lead to an account.
    ///
    /// **Law.** For the day the id is personal data (GDPR, Recital 26): it needs a legal basis, and
    /// consent rules apply to it as to all activity. Whether it also needs consent under Article 5(3)
    /// of the ePrivacy Directive is disputed: nothing is stored on the device, but the guidelines
    /// 2/2023 of the European Data Protection Board count some uses of what a browser sends as
    /// access to it. Ask your counsel; with
    /// [`activity_purpose`](crate::consent::ConsentRules::activity_purpose) it is recorded only for
    /// those who allow it.
    pub fn cookieless_visitors(mut self, are_told_apart: bool) -> Self {
        self.cookieless = are_told_apart.then(Arc::default);
        self
    }

    pub(crate) fn check(mut self, session_header: Option<&HeaderName>) -> Result<Self> {
        let wrong = |problem: String| Error::new(ErrorKind::Configuration, problem);
        if !(0.0..=1.0).contains(&self.sample_rate) {
            return Err(wrong("sample_rate() is a number from 0 to 1".into()));
        }
        for name in &self.header_names {
            let name = HeaderName::try_from(name.as_str())
                .map_err(|error| wrong("headers() needs header names of RFC 9110".into()).with_source(error))?;
            if SECRET_HEADERS.contains(&name) || Some(&name) == session_header {
                return Err(wrong(format!("headers() must not list {name}: it carries a secret")));
            }
            self.headers.push(name);
        }
        for path in self.health_paths.iter().chain(&self.static_prefixes) {
            if !path.starts_with('/') {
                return Err(wrong(format!(
                    "health_paths() and static_prefixes() begin with a slash, {path:?} does not"
                )));
            }
        }
        self.declared.check()?;
        self.referrers.check()?;
        Ok(self)
    }

    /// Returns the event type of a request with this response.
    pub(super) fn kind(&self, answer: Answered<'_>) -> Option<EventType> {
        if let Some(classify) = &self.classify {
            return classify(answer);
        }
        let content_type = answer.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
        let html = content_type.is_some_and(|kind| kind.len() >= 9 && kind[..9].eq_ignore_ascii_case(b"text/html"));
        let page = answer.method == crate::model::activity::Method::Get
            && answer.status.is_success()
            && html
            && !answer.by_script;
        Some(if page { EventType::PAGE_VIEW } else { EventType::API_CALL })
    }

    /// Declares route templates, for servers whose router the layer does not know, in axum's
    /// syntax: `/users/{id}`, `/files/{*path}`. A path that matches a template is recorded as that
    /// template. Default: none.
    ///
    /// axum's `MatchedPath` and a [`RouteTemplate`](super::RouteTemplate) take precedence and do
    /// not need this.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, activity::ActivityRules, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let rules = ActivityRules::new().routes(["/", "/users/{id}", "/reset/{token}"]);
    /// assert!(Guestbook::builder(MemoryStore::new()).activity(rules).build().is_ok());
    ///
    /// let twice = ActivityRules::new().routes(["/users/{id}", "/users/{name}"]);
    /// assert!(Guestbook::builder(MemoryStore::new()).activity(twice).build().is_err());
    /// # Ok(()) }
    /// ```
    pub fn routes<R: Into<String>>(mut self, templates: impl IntoIterator<Item = R>) -> Self {
        self.declared.route_texts = templates.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the segments that are kept of a path without a template. All other segments are
    /// recorded as `:id`, because they may be names or secrets. Literal segments of
    /// [`routes`](Self::routes) and of templates that the layer has seen are kept as well.
    /// Comparison is byte by byte. Default: none.
    pub fn path_words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.declared.word_texts = words.into_iter().map(Into::into).collect();
        self
    }

    /// Limits the number of different paths without a template that are recorded under their own
    /// name; further ones are `:other` until the next day (UTC). Default: 10,000.
    ///
    /// One network (/24, /48) may introduce at most a quarter of these names, so that a client that
    /// invents paths cannot use up all of them. Templates do not count and always keep their name.
    /// A path without a template that is answered with 401, 403, 404 or 405 is `:unmatched` and
    /// does not count either.
    pub fn route_capacity(mut self, routes: usize) -> Self {
        self.route_capacity = routes;
        self
    }

    /// Sets the hosts of the site itself, which are never recorded as referrers: `shop.example`, or
    /// `*.shop.example` for all hosts below. Default: only the `Host` of the request.
    ///
    /// A proxy that rewrites `Host` hides the host that the browser requested. Current browsers
    /// report a request from the same origin (`Sec-Fetch-Site`). Proxies that
    /// [`client_address`](crate::GuestbookBuilder::client_address) trusts may send the host in
    /// `Forwarded` or `X-Forwarded-Host`. List the hosts here for older browsers and other proxies.
    pub fn own_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.referrers.own.texts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether a leading `www.` is ignored: `www.news.example` is recorded as `news.example`,
    /// and the site's own host is recognised with and without it. Default: no.
    pub fn ignore_www(mut self, ignore: bool) -> Self {
        self.referrers.ignore_www = ignore;
        self
    }

    /// Sets hosts, each with all hosts below, whose requests are not recorded: referrer spam.
    /// Requests of logged-in users are recorded without the referrer. Default: only [known
    /// spammers](Self::exclude_known_spam).
    pub fn exclude_referrers<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.referrers.excluded.texts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether about 2,300 known spammers are excluded as well: the list of the Matomo
    /// community (`matomo-org/referrer-spam-list`, CC0) as of August 2026. Default: yes.
    pub fn exclude_known_spam(mut self, exclude: bool) -> Self {
        self.referrers.known_spam = exclude;
        self
    }
}

impl Default for ActivityRules {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ActivityRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityRules")
            .field("options", &self.options)
            .field("static_files", &self.static_files)
            .field("health", &self.health)
            .field("prefetch", &self.prefetch)
            .field("bots", &self.bots)
            .field("query_keys", &self.query_keys)
            .field("headers", &self.header_names)
            .field("sample_rate", &self.sample_rate)
            .field("declared", &self.declared)
            .field("referrers", &self.referrers)
            .finish_non_exhaustive()
    }
}

const SECRET_HEADERS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-csrf-token"),
];
