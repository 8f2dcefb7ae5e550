//! [`SessionLayer`] and what it was told.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use tower_layer::Layer;

use super::SessionService;
use crate::{
    http::{ClientSettings, Transport},
    recorder::Recorder,
    sessions::Sessions,
    visit::{CookieChange, Host, Outcome},
};

/// Gives each request its [`Session`](crate::Session). Made by [`Guestbook::session_layer`](crate::Guestbook::session_layer).
///
/// It goes around any `Service<Request<B>, Response = Response<R>>` that can be cloned. The inner service is called as
/// it was polled ready; it is cloned only when the store has to be asked first.
#[derive(Clone)]
pub struct SessionLayer {
    shared: Arc<Shared>,
}

/// What a request gets when its session cannot be loaded, because the store fails or is slow.
///
/// Failing to *save* is always answered with 503: the handler's response would promise what did not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStoreError {
    /// 503 with `application/problem+json` and `Retry-After`; the handler does not run. Requests without a token are
    /// not affected. No cookie is touched.
    #[default]
    Refuse,
    /// The handler runs as if nobody were logged in; whatever it tries to write or to log in fails with
    /// [`Unavailable`](crate::ErrorKind::Unavailable). No cookie is touched.
    ContinueWithoutSession,
}

pub(crate) struct Shared {
    pub(super) sessions: Sessions,
    recorder: Recorder,
    pub(super) transport: Transport,
    pub(super) client: ClientSettings,
    pub(super) on_store_error: OnStoreError,
}

impl SessionLayer {
    pub(crate) fn new(
        sessions: Sessions,
        recorder: Recorder,
        transport: Transport,
        client: ClientSettings,
        on_store_error: OnStoreError,
    ) -> Self {
        Self { shared: Arc::new(Shared { sessions, recorder, transport, client, on_store_error }) }
    }
}

impl Host for Shared {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn tell(&self, headers: &mut HeaderMap, outcome: Outcome) {
        let cookie = match outcome.cookie {
            CookieChange::Keep => None,
            CookieChange::Set(token, max_age) => Some(self.transport.cookie.set(&token, max_age)),
            CookieChange::Remove => Some(self.transport.cookie.remove()),
        };
        if outcome.read || cookie.is_some() {
            headers.append(header::VARY, self.transport.vary.clone());
        }
        if let Some(cookie) = cookie {
            headers.append(header::SET_COOKIE, cookie);
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        } else if outcome.read && outcome.guest && !headers.contains_key(header::CACHE_CONTROL) {
            // So that the back button shows nothing after a logout (OWASP ASVS 7.4.1).
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { inner, shared: self.shared.clone() }
    }
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
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

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
