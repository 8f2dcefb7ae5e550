//! [`Shared`]: what the session layer, its services and the contexts of requests share.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    engine::{consents::Consents, preferences::DynPreferences, recorder::Recorder, sessions::Sessions, users::Users},
    http::{ClientSettings, ConsentRequest, RequestHead, Transport, caching::is_private, first_time::FirstTime},
    request::{CookieChange, Outcome, RequestServices},
};

/// What a request gets when its session cannot be loaded, because the store fails or is slow.
///
/// Failing to *save* is always answered with 503: the handler's response would promise what did not
/// happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStoreError {
    /// 503 with `application/problem+json` and `Retry-After`; the handler does not run. Requests
    /// without a token are not affected. No cookie is touched.
    #[default]
    Refuse,
    /// The handler runs as if nobody were logged in; whatever it tries to write or to log in fails
    /// with [`Unavailable`](crate::ErrorKind::Unavailable). No cookie is touched.
    ContinueWithoutSession,
}

pub(crate) struct Shared {
    pub(super) sessions: Sessions,
    pub(super) recorder: Recorder,
    pub(super) transport: Transport,
    pub(super) client: ClientSettings,
    pub(super) on_store_error: OnStoreError,
    /// If consent is configured.
    pub(super) consent: Option<ConsentRequest>,
    /// If preferences are configured.
    preferences: Option<Arc<dyn DynPreferences>>,
    /// If a loader of users is configured.
    users: Option<Users>,
    /// Which requests do not count as use of their session.
    pub(super) passive: Option<Box<IsPassive>>,
    vary: Varies,
    pub(super) noticed: Noticed,
    /// Whether a gate may redirect, and needs to know where a request was going.
    pub(super) keeps_targets: AtomicBool,
}

/// What a layer has said about the layers around it.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    pub(super) twice: FirstTime,
    pub(super) shared_cookie: FirstTime,
    pub(super) activity_outside: FirstTime,
    pub(super) no_address: FirstTime,
}

/// How the session layer reads requests and answers for a store that fails.
pub(crate) struct SessionRules {
    pub(crate) transport: Transport,
    pub(crate) client: ClientSettings,
    pub(crate) on_store_error: OnStoreError,
    pub(crate) consent: Option<ConsentRequest>,
    pub(crate) users: Option<Users>,
    pub(crate) passive: Option<Box<IsPassive>>,
}

/// A rule that says which requests are passive.
pub(crate) type IsPassive = dyn Fn(RequestHead<'_>) -> bool + Send + Sync;

impl Shared {
    pub(super) fn new(
        sessions: Sessions,
        recorder: Recorder,
        preferences: Option<Arc<dyn DynPreferences>>,
        rules: SessionRules,
    ) -> Self {
        let SessionRules { transport, client, on_store_error, consent, users, passive } = rules;
        let vary = Varies::new(&transport.vary);
        let noticed = Noticed::default();
        let keeps_targets = AtomicBool::new(consent.as_ref().is_some_and(|consent| consent.has_page));
        Self {
            sessions,
            recorder,
            transport,
            client,
            on_store_error,
            consent,
            preferences,
            users,
            passive,
            vary,
            noticed,
            keeps_targets,
        }
    }
}

impl RequestServices for Shared {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn cookie_names(&self) -> [Option<&str>; 2] {
        [Some(self.transport.cookie.name()), self.consent.as_ref().map(|consent| consent.cookie.name())]
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn consents(&self) -> Option<&Consents> {
        self.consent.as_ref().map(|consent| &consent.consents)
    }

    fn preferences(&self) -> Option<&dyn DynPreferences> {
        self.preferences.as_deref()
    }

    fn users(&self) -> Option<&Users> {
        self.users.as_ref()
    }

    fn write_headers(&self, headers: &mut HeaderMap, outcome: Outcome) {
        let cookie = match outcome.cookie {
            CookieChange::Keep => None,
            CookieChange::Set(token, max_age) => Some(self.transport.cookie.set(&token, max_age)),
            CookieChange::Remove => Some(self.transport.cookie.remove()),
        };
        let visitor = self.consent.as_ref().and_then(|consent| consent.cookie(outcome.visitor));
        let depends = [
            outcome.read || cookie.is_some(),
            outcome.consent_read || visitor.is_some(),
            outcome.language,
            outcome.scheme,
            outcome.reduced_motion,
            outcome.save_data,
        ];
        if let Some(vary) = self.vary.of(depends) {
            headers.append(header::VARY, vary.clone());
        }
        if outcome.scheme {
            headers.append(ACCEPT_CH, COLOR_SCHEME);
            let is_critical = self.preferences.as_ref().is_some_and(|preferences| preferences.is_scheme_critical());
            if is_critical && is_html(headers) {
                headers.append(CRITICAL_CH, COLOR_SCHEME);
            }
        }
        if outcome.reduced_motion {
            headers.append(ACCEPT_CH, REDUCED_MOTION);
        }
        if cookie.is_some() || visitor.is_some() {
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        } else if outcome.read && outcome.identity && !headers.contains_key(header::CACHE_CONTROL) {
            // So that the back button shows nothing after a logout (OWASP ASVS 7.4.1).
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        } else if (outcome.consent_read || outcome.read && headers.contains_key(header::CACHE_CONTROL))
            && !is_private(headers)
        {
            // Where directives contradict each other, caches follow the strictest (RFC 9111,
            // section 4.2.1).
            headers.append(header::CACHE_CONTROL, PRIVATE);
        }
        for cookie in cookie.into_iter().chain(visitor) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
}

/// The `Vary` for each combination of what a response can depend on: made once.
struct Varies([Option<HeaderValue>; 64]);

impl Varies {
    fn new(session: &HeaderValue) -> Self {
        let session = session.to_str().expect("header names are text");
        Self(std::array::from_fn(|number| {
            let parts = [
                session,
                "sec-gpc, cookie",
                "accept-language",
                "sec-ch-prefers-color-scheme",
                "sec-ch-prefers-reduced-motion",
                "save-data",
            ];
            let mut names: Vec<&str> = Vec::new();
            for (_, part) in parts.iter().enumerate().filter(|(bit, _)| number & (1 << bit) != 0) {
                for name in part.split(", ").filter(|name| !name.is_empty()) {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            let names = HeaderValue::try_from(names.join(", ")).expect("names of headers are values");
            (number > 0).then_some(names)
        }))
    }

    fn of(&self, depends: [bool; 6]) -> Option<&HeaderValue> {
        let number = depends.iter().enumerate().fold(0, |number, (bit, depends)| number | usize::from(*depends) << bit);
        self.0[number].as_ref()
    }
}

/// Browsers look at critical hints where they go, not where a script asks.
fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.and_then(|kind| kind.get(..9)).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("transport", &self.transport)
            .field("client", &self.client)
            .field("on_store_error", &self.on_store_error)
            .finish_non_exhaustive()
    }
}

const COLOR_SCHEME: HeaderValue = HeaderValue::from_static("sec-ch-prefers-color-scheme");
const REDUCED_MOTION: HeaderValue = HeaderValue::from_static("sec-ch-prefers-reduced-motion");
const ACCEPT_CH: HeaderName = HeaderName::from_static("accept-ch");
const CRITICAL_CH: HeaderName = HeaderName::from_static("critical-ch");
const PRIVATE: HeaderValue = HeaderValue::from_static("private");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
