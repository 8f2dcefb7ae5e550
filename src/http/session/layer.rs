//! [`SessionLayer`] and what it was told.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use tower_layer::Layer;

use super::{
    SessionService,
    shared::{SessionRules, Shared},
};
use crate::engine::{preferences::DynPreferences, recorder::Recorder, sessions::Sessions};

/// Gives each request its [`Session`](crate::Session). Made by
/// [`Guestbook::session_layer`](crate::Guestbook::session_layer).
///
/// It goes around any `Service<Request<B>, Response = Response<R>>` that can be cloned. The inner
/// service is called as it was polled ready; it is cloned only when the store has to be asked
/// first.
#[derive(Clone)]
pub struct SessionLayer {
    shared: Arc<Shared>,
}

impl SessionLayer {
    pub(crate) fn new(
        sessions: Sessions,
        recorder: Recorder,
        preferences: Option<Arc<dyn DynPreferences>>,
        rules: SessionRules,
    ) -> Self {
        Self { shared: Arc::new(Shared::new(sessions, recorder, preferences, rules)) }
    }
}

impl SessionLayer {
    /// Has the targets of requests kept from now on, for a gate that redirects.
    pub(crate) fn keep_targets(&self) {
        self.shared.keeps_targets.store(true, Ordering::Relaxed);
    }

    #[cfg(feature = "testing")]
    pub(crate) fn cookie_name(&self) -> &str {
        self.shared.transport.cookie.name()
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.shared.sessions
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
