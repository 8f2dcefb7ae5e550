//! Who arrives, and what the response is to say: what the session layer and the visit tell each
//! other.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, uri::PathAndQuery};

use crate::{
    engine::{
        consents::Consents, preferences::DynPreferences, profiles::ProfileState, recorder::Recorder, sessions::Sessions,
    },
    id::{SessionKey, SessionToken, VisitorId, VisitorToken},
    model::{
        activity::RequestTrace,
        consent::{Jurisdiction, Signals},
        session::SessionRecord,
    },
    time::Timestamp,
};

/// What the activity layer saw of a request.
#[derive(Debug)]
pub(crate) struct ObservedRequest {
    pub(crate) trace: RequestTrace,
    pub(crate) visitor: Option<VisitorId>,
}

/// What a visit needs of the layer that received it: one pointer for all of it, as each costs every
/// request.
pub(crate) trait RequestServices: Send + Sync {
    /// The sessions that the visit's session is one of.
    fn sessions(&self) -> &Sessions;

    /// The names of the cookies of its session and of its visitor.
    fn cookie_names(&self) -> [Option<&str>; 2];

    /// Where the visit's events go.
    fn recorder(&self) -> &Recorder;

    /// The decisions, if consent is configured.
    fn consents(&self) -> Option<&Consents>;

    /// What users like, if preferences are configured.
    fn preferences(&self) -> Option<&dyn DynPreferences>;

    /// Writes what the client and the caches on the way must know into the head of the response.
    fn write_headers(&self, headers: &mut HeaderMap, outcome: Outcome);
}

/// The state of the session, for the head of the response.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) cookie: CookieChange,
    /// Somebody looked at the session: the response depends on it.
    pub(crate) read: bool,
    /// There is a session.
    pub(crate) identity: bool,
    pub(crate) visitor: VisitorCookie,
    /// Somebody looked at a decision, or at what the browser signals: the response depends on it.
    pub(crate) consent_read: bool,
    /// The response depends on the language that the browser asks for.
    pub(crate) language: bool,
    /// The response depends on the colour scheme that the browser asks for.
    pub(crate) scheme: bool,
}

/// Where a request comes from, as far as a session or a decision remembers it.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) signals: Signals,
    pub(crate) jurisdiction: Jurisdiction,
    pub(crate) arrived_at: Timestamp,
    /// What the client asked for, if a gate may have to send it back there.
    pub(crate) target: Option<PathAndQuery>,
}

/// How a request came to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenStatus {
    /// It presented no token, or one that is nobody's.
    Unknown,
    /// It presented a token that can never let anybody in again: an expired or a malformed one.
    Invalid,
    /// It presented a token that was valid until a moment ago, or its session ended while it ran. A
    /// parallel request may have a new token already.
    JustEnded { logged_in: bool },
    /// The store could not be asked, and the policy is to go on.
    Unavailable,
    /// It presented a live session.
    Live,
}

/// Who a request turned out to be.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) token_status: TokenStatus,
    pub(crate) session: Option<(SessionKey, Arc<SessionRecord>)>,
    /// The token that the client has, if its persistent cookie is due for a new Max-Age.
    pub(crate) renewal: Option<SessionToken>,
    /// The key of the first token that is no session's, if none is.
    pub(crate) stale: Option<Box<SessionKey>>,
    /// The response takes the session's cookie out of the browser, unless a session begins
    /// meanwhile.
    pub(crate) removal_due: bool,
    /// What is known beside the session: of its user, or else of the visitor.
    pub(crate) account: ProfileState,
    /// Which visitor the request says it is, and by what secret.
    pub(crate) visitor: Option<Visitor>,
    pub(crate) visitor_cookie: VisitorCookie,
}

impl Identity {
    pub(crate) fn nobody(token_status: TokenStatus) -> Self {
        Self {
            token_status,
            session: None,
            renewal: None,
            stale: None,
            removal_due: false,
            account: ProfileState::Nobody,
            visitor: None,
            visitor_cookie: VisitorCookie::Keep,
        }
    }
}

/// A visitor and the secret that they are known by.
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

/// What the response is to tell the client about the cookie of its visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VisitorCookie {
    Keep,
    Set(VisitorToken),
    Remove,
}

/// What the response is to tell the client about its cookie.
#[derive(Debug)]
pub(crate) enum CookieChange {
    Keep,
    Set(SessionToken, Option<Duration>),
    Remove,
}
