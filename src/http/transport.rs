//! By what way a request presents its token.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::cookie::{CookieFormat, MAX_CANDIDATES};
use crate::{id::SessionToken, request::TokenStatus};

/// The ways that are open: the cookie always, `Authorization: Bearer` and a header of the
/// application's if asked for.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) cookie: CookieFormat,
    pub(crate) bearer: bool,
    pub(crate) header: Option<HeaderName>,
    /// Whether the cookie may hold an id of tower-sessions.
    pub(crate) accepts_tower_sessions_ids: bool,
    pub(crate) vary: HeaderValue,
}

/// What a request presented.
#[derive(Debug, Default)]
pub(crate) struct Presented {
    /// The well-formed tokens, at most four.
    pub(crate) tokens: [Option<SessionToken>; MAX_CANDIDATES],
    /// Whether a cookie of our name had a value that no token has.
    pub(crate) malformed: bool,
    /// Whether the token came in a header: the client keeps it itself and wants no cookie.
    pub(crate) by_header: bool,
}

impl Transport {
    pub(crate) fn new(cookie: CookieFormat, bearer: bool, header: Option<HeaderName>) -> Self {
        let mut names = vec!["cookie"];
        names.extend(bearer.then_some("authorization"));
        names.extend(header.as_ref().map(HeaderName::as_str));
        let vary = HeaderValue::from_str(&names.join(", ")).expect("header names are header values");
        Self { cookie, bearer, header, accepts_tower_sessions_ids: false, vary }
    }

    /// The same with cookies that hold an id of tower-sessions, or without them.
    pub(crate) fn accept_tower_sessions_ids(mut self, accept: bool) -> Self {
        self.accepts_tower_sessions_ids = accept;
        self
    }

    /// What `headers` present. A token in a header is meant for this request, a cookie comes by
    /// itself: the header wins. A header without a token of ours is somebody else's business (a
    /// JWT, say), and the cookie counts.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> Presented {
        let mut presented = Presented::default();
        if let Some(token) = self.header_token(headers) {
            presented.tokens[0] = Some(token);
            presented.by_header = true;
            return presented;
        }
        for (index, value) in self.cookie.values(headers).enumerate() {
            presented.tokens[index] = SessionToken::parse(value).or_else(|| self.tower_sessions_id(value));
            presented.malformed |= presented.tokens[index].is_none();
        }
        presented
    }

    #[cfg(any(feature = "tower-sessions", feature = "tower-sessions-0-14"))]
    fn tower_sessions_id(&self, value: &[u8]) -> Option<SessionToken> {
        self.accepts_tower_sessions_ids.then(|| SessionToken::parse_tower_sessions_id(value)).flatten()
    }

    #[cfg(not(any(feature = "tower-sessions", feature = "tower-sessions-0-14")))]
    fn tower_sessions_id(&self, _value: &[u8]) -> Option<SessionToken> {
        debug_assert!(!self.accepts_tower_sessions_ids, "only a feature can ask for it");
        None
    }

    fn header_token(&self, headers: &HeaderMap) -> Option<SessionToken> {
        let bearer = self.bearer.then(|| headers.get(header::AUTHORIZATION)).flatten().and_then(bearer_token);
        bearer.or_else(|| SessionToken::parse(headers.get(self.header.as_ref()?)?.as_bytes()))
    }
}

impl Presented {
    /// How the request comes to its session if no token is live.
    pub(crate) fn without_session(&self) -> TokenStatus {
        if self.malformed { TokenStatus::Invalid } else { TokenStatus::Unknown }
    }
}

fn bearer_token(value: &HeaderValue) -> Option<SessionToken> {
    let (scheme, token) = value.as_bytes().split_at_checked("bearer ".len())?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    SessionToken::parse(token.trim_ascii())
}
