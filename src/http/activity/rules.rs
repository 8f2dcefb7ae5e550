//! [`ActivityRules`]: which requests leave a trace, and what is in it.

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderMap, HeaderName, Method, Request, StatusCode, Uri, header};

use super::{declared::Declared, referrer::Referrers};
use crate::{
    error::{Error, ErrorKind, Result},
    model::activity::{Event, EventType},
};

/// Which requests leave a trace, and what is in it.
///
/// # Left out
///
/// Each of these can be switched on, and is counted ([`ActivityLayer::skipped`](super::ActivityLayer::skipped)):
///
/// - `OPTIONS`;
/// - static files: `GET` and `HEAD` below [`static_prefixes`](Self::static_prefixes) (`/static/`, `/assets/`), with a usual
///   file extension, or that a browser wants as an image, style, script, font, sound or film (`Sec-Fetch-Dest`);
/// - health checks: [`health_paths`](Self::health_paths) and what is below them;
/// - what a browser fetches ahead (`Sec-Purpose`, `Purpose` or `X-Moz` with `prefetch`);
/// - bots: by the `User-Agent`, or `HEAD` with neither `Accept-Language` nor a cookie. Whoever is logged in is no bot;
/// - referrer spam: requests with a referrer that is [excluded](Self::exclude_referrers), unless somebody is logged in.
///
/// # What kind of event it is
///
/// A `page_view` is a `GET` with status 2xx whose response is `text/html` and that no script asked for (`Sec-Fetch-Dest` is
/// `document` or a frame, or absent). Everything else is an `api_call`. [`classify`](Self::classify) replaces this rule.
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
    pub(super) route_capacity: usize,
    pub(super) declared: Declared,
    pub(super) referrers: Referrers,
}

type ShouldRecord = dyn Fn(RequestHead<'_>) -> bool + Send + Sync;
type Enrich = dyn Fn(RequestHead<'_>, &mut Event) + Send + Sync;
type Classify = dyn Fn(Answered<'_>) -> Option<EventType> + Send + Sync;

/// A request without its body, as hooks see it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What other layers have put there.
    pub extensions: &'a Extensions,
}

/// A request that was answered, as [`ActivityRules::classify`] sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The request's method.
    pub method: crate::model::activity::Method,
    /// The route's template or the normalised path.
    pub route: &'a str,
    /// Whether a script asked, not a person who follows a link.
    pub by_script: bool,
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: &'a HeaderMap,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl ActivityRules {
    /// The defaults.
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
            route_capacity: 10_000,
            declared: Declared::default(),
            referrers: Referrers::default(),
        }
    }

    /// Whether `OPTIONS` requests are recorded. Default: no.
    pub fn record_options(mut self, record: bool) -> Self {
        self.options = record;
        self
    }

    /// Whether static files are recorded. Default: no.
    pub fn record_static_files(mut self, record: bool) -> Self {
        self.static_files = record;
        self
    }

    /// Whether health checks and the like are recorded. Default: no.
    pub fn record_health_checks(mut self, record: bool) -> Self {
        self.health = record;
        self
    }

    /// Whether prefetches are recorded. Default: no.
    pub fn record_prefetches(mut self, record: bool) -> Self {
        self.prefetch = record;
        self
    }

    /// Whether bots are recorded, with device class `bot`. Default: no.
    pub fn record_bots(mut self, record: bool) -> Self {
        self.bots = record;
        self
    }

    /// Below which paths there are static files. Default: `/static/` and `/assets/`.
    pub fn static_prefixes<P: Into<String>>(mut self, prefixes: impl IntoIterator<Item = P>) -> Self {
        self.static_prefixes = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Which paths, and what is below them, serve machines. Default: `/health /healthz /livez /readyz /metrics
    /// /favicon.ico /robots.txt /.well-known`.
    pub fn health_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.health_paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// The keys of the query string whose values are recorded, as `query` in the data, at most 100 bytes of each.
    /// Default: none; `utm_*` are always recorded. Never list a key that may carry a secret.
    pub fn query_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.query_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// The request headers that are recorded, as `headers` in the data, at most 200 bytes of each. Default: none.
    /// `build()` refuses those that carry secrets.
    pub fn headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.header_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Asked last, for requests that nothing else leaves out. It must not block.
    pub fn should_record(mut self, hook: impl Fn(RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.should_record = Some(Arc::new(hook));
        self
    }

    /// Decides in place of the built-in detector whether a request of somebody who is not logged in is a bot's.
    pub fn bot_detector(mut self, hook: impl Fn(RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.is_bot = Some(Arc::new(hook));
        self
    }

    /// Changes the event before the handler runs: adds data, sets a visitor, removes the network. Type, user, session
    /// and response are filled in later. It must not block, and must not add secrets.
    pub fn enrich(mut self, hook: impl Fn(RequestHead<'_>, &mut Event) + Send + Sync + 'static) -> Self {
        self.enrich = Some(Arc::new(hook));
        self
    }

    /// Names the kind of event; `None` leaves it out. Runs when the head of the response is there. Without a response
    /// (the client left, the handler panicked) the event is an `api_call`.
    pub fn classify(mut self, hook: impl Fn(Answered<'_>) -> Option<EventType> + Send + Sync + 'static) -> Self {
        self.classify = Some(Arc::new(hook));
        self
    }

    /// Which share of sessions is recorded, from 0 to 1: all requests of a session or none. Where there is no session,
    /// network and agent take its place. Explicit events are always recorded. Default: 1.
    pub fn sample_rate(mut self, rate: f64) -> Self {
        self.sample_rate = rate;
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

    /// Whether a path with this answer was looked at by a person.
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
