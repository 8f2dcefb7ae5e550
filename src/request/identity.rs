//! [`RequestServices`] and [`Identity`]: what the session layer and the request context exchange.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, uri::PathAndQuery};

use crate::{
    engine::{
        consents::Consents, preferences::DynPreferences, profiles::ProfileState, recorder::Recorder,
        sessions::Sessions, users::Users,
    },
    id::{SessionKey, SessionToken, VisitorId, VisitorToken},
    model::{
        activity::RequestTrace,
        consent::{Jurisdiction, Signals},
        session::SessionRecord,
    },
    time::Timestamp,
};

/// The visitor that the activity layer saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ObservedVisitors {
    /// The visitor that the application named.
    pub(crate) named: Option<VisitorId>,
    /// The visitor of events that have neither a user nor a session nor another visitor.
    pub(crate) cookieless: Option<VisitorId>,
}

/// The facts of a request that the activity layer has observed.
#[derive(Debug)]
pub(crate) struct ObservedRequest {
    pub(crate) trace: RequestTrace,
    pub(crate) visitors: ObservedVisitors,
}

/// The services that a request context uses. One trait object, because every pointer costs each
/// request.
pub(crate) trait RequestServices: Send + Sync {
    /// Returns the session service.
    fn sessions(&self) -> &Sessions;

    /// Returns the names of the session cookie and of the cookie of the visitor.
    fn cookie_names(&self) -> [Option<&str>; 2];

    /// Returns the recorder of events.
    fn recorder(&self) -> &Recorder;

    /// Returns the consent service, if consent is configured.
    fn consents(&self) -> Option<&Consents>;

    /// Returns the preference service, if preferences are configured.
    fn preferences(&self) -> Option<&dyn DynPreferences>;

    /// Returns the application's users, if a loader is configured.
    fn users(&self) -> Option<&Users>;

    /// Writes the headers for the client and for caches into the head of the response.
    fn write_headers(&self, headers: &mut HeaderMap, outcome: Outcome);
}

/// The state of the session, for the head of the response.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) cookie: CookieChange,
    /// Whether the session was read, so the response depends on it.
    pub(crate) read: bool,
    /// Whether there is a session.
    pub(crate) identity: bool,
    pub(crate) visitor: VisitorCookie,
    /// Whether a decision or a signal of the browser was read, so the response depends on it.
    pub(crate) consent_read: bool,
    /// Whether the response depends on `Accept-Language`.
    pub(crate) language: bool,
    /// Whether the response depends on the colour scheme that the browser asks for.
    pub(crate) scheme: bool,
    /// Whether the response depends on `Sec-CH-Prefers-Reduced-Motion`.
    pub(crate) reduced_motion: bool,
    /// Whether the response depends on `Save-Data`.
    pub(crate) save_data: bool,
}

/// The facts of a request that a session or a decision stores.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) signals: Signals,
    pub(crate) jurisdiction: Jurisdiction,
    pub(crate) arrived_at: Timestamp,
    /// The target of the request, if a gate may redirect to a consent page.
    pub(crate) target: Option<PathAndQuery>,
}

/// The status of the session token that a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenStatus {
    /// There is no token, or none of a session.
    Unknown,
    /// The token is expired or malformed, and can never be valid again.
    Invalid,
    /// The session ended during the request or just before it. A parallel request may have a new
    /// token already.
    JustEnded { logged_in: bool },
    /// The store is unavailable, and the policy is to continue.
    Unavailable,
    /// The session is active.
    Live,
}

/// The session and the person of a request.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) token_status: TokenStatus,
    pub(crate) session: Option<(SessionKey, Arc<SessionRecord>)>,
    /// The token of the client, if its persistent cookie is due for a new `Max-Age`.
    pub(crate) renewal: Option<SessionToken>,
    /// The key of the first token without a session, if no token has one.
    pub(crate) stale: Option<Box<SessionKey>>,
    /// Whether the response removes the session cookie, unless a session begins during the request.
    pub(crate) removal_due: bool,
    /// The profile of the user, or else of the visitor.
    pub(crate) profile: ProfileState,
    /// The visitor that the cookie of the request identifies, with its token.
    pub(crate) visitor: Option<Visitor>,
    pub(crate) visitor_cookie: VisitorCookie,
}

impl Identity {
    pub(crate) fn anonymous(token_status: TokenStatus) -> Self {
        Self {
            token_status,
            session: None,
            renewal: None,
            stale: None,
            removal_due: false,
            profile: ProfileState::Empty,
            visitor: None,
            visitor_cookie: VisitorCookie::Keep,
        }
    }
}

/// A visitor and the token that identifies it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    pub(crate) id: VisitorId,
    pub(crate) token: VisitorToken,
}

impl From<VisitorToken> for Visitor {
    fn from(token: VisitorToken) -> Self {
        Self { id: token.visitor(), token }
    }
}

/// The change of the cookie of the visitor by the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VisitorCookie {
    Keep,
    Set(VisitorToken),
    Remove,
}

/// The change of the session cookie by the response.
#[derive(Debug)]
pub(crate) enum CookieChange {
    Keep,
    Set(SessionToken, Option<Duration>),
    Remove,
}
