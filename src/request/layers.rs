//! [`Layers`]: the layers that a request has passed.

use std::sync::atomic::{AtomicU8, Ordering};

use http::Extensions;

use super::{RequestContext, TokenStatus};
use crate::engine::{consents::Consents, recorder::Recorder, sessions::Sessions};

/// The layers around the session layer that created a request context, and those found inside.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// The request context of another guestbook, whose session layer is outside.
    outer: Option<RequestContext>,
    found: AtomicU8,
}

/// This guestbook's consent layer is present.
const CONSENT: u8 = 1;
/// Another guestbook uses the same name for its session cookie.
const SHARED_SESSION_COOKIE: u8 = 2;
/// Another guestbook uses the same name for its visitor cookie.
const SHARED_VISITOR_COOKIE: u8 = 4;

impl Layers {
    /// Creates the layers of a session layer with these cookie `names` inside that of `outer`.
    pub(crate) fn inside(outer: RequestContext, names: [Option<&str>; 2]) -> Self {
        let mut shared = 0;
        let mut next = Some(&outer);
        while let Some(context) = next {
            let others = context.inner.services.cookie_names();
            for (name, other, this_one, other_one) in [
                (names[0], others[0], SHARED_SESSION_COOKIE, SHARED_SESSION_COOKIE),
                (names[1], others[1], SHARED_VISITOR_COOKIE, SHARED_VISITOR_COOKIE),
                (names[0], others[1], SHARED_SESSION_COOKIE, SHARED_VISITOR_COOKIE),
                (names[1], others[0], SHARED_VISITOR_COOKIE, SHARED_SESSION_COOKIE),
            ] {
                if name.is_some() && name == other {
                    shared |= this_one;
                    context.inner.layers.found.fetch_or(other_one, Ordering::Relaxed);
                }
            }
            next = context.inner.layers.outer.as_ref();
        }
        Self { outer: Some(outer), found: AtomicU8::new(shared) }
    }

    /// Returns whether another guestbook uses the name of one of the cookies.
    pub(crate) fn shares_cookie(&self) -> bool {
        self.found.load(Ordering::Relaxed) & (SHARED_SESSION_COOKIE | SHARED_VISITOR_COOKIE) != 0
    }
}

impl RequestContext {
    /// Returns the innermost request context that `is_wanted`, among those of all guestbooks whose
    /// session layers the request has passed.
    pub(crate) fn find(extensions: &Extensions, is_wanted: impl Fn(&Self) -> bool) -> Option<&Self> {
        let mut next = extensions.get::<Self>();
        while let Some(context) = next {
            if is_wanted(context) {
                return Some(context);
            }
            next = context.inner.layers.outer.as_ref();
        }
        None
    }

    /// Returns whether this is a request context of the guestbook with these sessions.
    pub(crate) fn is_of(&self, sessions: &Sessions) -> bool {
        self.inner.services.sessions().is(sessions)
    }

    /// Returns whether this is a request context of the guestbook with this recorder.
    pub(crate) fn records_to(&self, recorder: &Recorder) -> bool {
        self.inner.services.recorder().is(recorder)
    }

    /// Returns whether this is a request context of the guestbook with these decisions.
    pub(crate) fn decides_by(&self, consents: &Consents) -> bool {
        self.inner.services.consents().is_some_and(|own| own.is_same(consents))
    }

    /// Returns whether an activity layer has observed the request.
    pub(crate) fn is_seen(&self) -> bool {
        self.inner.observed.get().is_some()
    }

    /// Marks the consent layer as present. Returns whether it was present before.
    pub(crate) fn enters_consent_layer(&self) -> bool {
        self.inner.layers.found.fetch_or(CONSENT, Ordering::Relaxed) & CONSENT != 0
    }

    /// Returns whether this guestbook may remove the session cookie of the request. If another
    /// guestbook uses the same name, only if the token belongs to a session here.
    pub(super) fn owns_cookie(&self, token_status: TokenStatus) -> bool {
        token_status == TokenStatus::Live
            || self.inner.layers.found.load(Ordering::Relaxed) & SHARED_SESSION_COOKIE == 0
    }

    /// Returns whether another guestbook uses the name of the visitor cookie, and may know the
    /// visitor.
    pub(super) fn shares_visitor_cookie(&self) -> bool {
        self.inner.layers.found.load(Ordering::Relaxed) & SHARED_VISITOR_COOKIE != 0
    }
}
