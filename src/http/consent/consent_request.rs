//! [`ConsentRequest`]: what the session layer reads from requests for consent.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::jurisdictions::Jurisdictions;
use crate::{
    engine::consents::Consents,
    http::{RequestHead, cookie::CookieFormat},
    id::VisitorToken,
    model::consent::Signals,
    request::{Client, VisitorCookie},
};

/// What the session layer reads from requests for consent: signals, jurisdiction and the cookie of
/// the visitor.
pub(crate) struct ConsentRequest {
    pub(crate) consents: Consents,
    pub(crate) cookie: CookieFormat,
    pub(super) cookie_age: Duration,
    pub(super) jurisdictions: Option<Arc<dyn Jurisdictions>>,
    pub(super) follows_dnt: bool,
    /// Whether gates redirect browsers to a consent page.
    pub(crate) has_page: bool,
}

const SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");
const DNT: HeaderName = HeaderName::from_static("dnt");

impl ConsentRequest {
    /// Adds the signals and the jurisdiction of the request to `client`.
    pub(crate) fn read_request(&self, request: RequestHead<'_>, client: &mut Client) {
        let values = |name: HeaderName| request.headers.get_all(name).into_iter().map(|value| value.as_bytes());
        client.signals = Signals::default().with_gpc(values(SEC_GPC));
        if self.follows_dnt {
            client.signals = client.signals.with_dnt(values(DNT).any(|value| value == b"1"));
        }
        if let Some(jurisdictions) = &self.jurisdictions {
            client.jurisdiction = jurisdictions.jurisdiction(request).unwrap_or_default();
        }
    }

    /// Returns the visitor that the request claims to be, and the change of its cookie that
    /// follows.
    pub(crate) fn visitor(&self, headers: &HeaderMap) -> (Option<VisitorToken>, VisitorCookie) {
        let mut cookie = VisitorCookie::Keep;
        for value in self.cookie.values(headers) {
            match VisitorToken::parse(value) {
                Some(visitor) => return (Some(visitor), VisitorCookie::Keep),
                None => cookie = VisitorCookie::Remove,
            }
        }
        (None, cookie)
    }

    /// Returns the `Set-Cookie` header for the cookie of the visitor, if it changes.
    pub(crate) fn cookie(&self, visitor: VisitorCookie) -> Option<HeaderValue> {
        match visitor {
            VisitorCookie::Keep => None,
            VisitorCookie::Set(token) => Some(self.cookie.set_text(&token.expose_secret(), Some(self.cookie_age))),
            VisitorCookie::Remove => Some(self.cookie.remove()),
        }
    }
}

impl fmt::Debug for ConsentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentRequest").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}
