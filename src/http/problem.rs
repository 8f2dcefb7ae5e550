//! Problem details (RFC 9457): how the layers say no.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::ResponseBody;
use crate::error::{Error, ErrorKind};

/// One answer of `application/problem+json`. The texts are constants: nothing of the request gets
/// into them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) detail: &'static str,
}

impl Problem {
    pub(crate) const STORE_UNAVAILABLE: Self = Self {
        status: ErrorKind::Unavailable.status(),
        title: "Sessions are unavailable",
        detail: "The session could not be loaded or saved. Please try again in a moment.",
    };
    pub(crate) const SESSION_TOO_LARGE: Self = Self {
        status: ErrorKind::TooLarge.status(),
        title: "Session is full",
        detail: "Together with what parallel requests stored, the session would exceed its size limit. Nothing of this request's session changes was stored.",
    };
    pub(crate) const SESSION_ENDED: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        title: "Session ended",
        detail: "The session has ended meanwhile. Nothing of this request's session changes was stored. Please log in again.",
    };
    pub(crate) const TOO_MANY_SESSIONS: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "Too many new sessions",
        detail: "Too many sessions have begun on this network, or too much was stored in them. Nothing of this request's session changes was stored. Please try again later, or log in.",
    };
    pub(crate) const CROSS_ORIGIN: Self = Self {
        status: StatusCode::FORBIDDEN,
        title: "Cross-origin request refused",
        detail: "This request would change something and comes from another origin.",
    };
    pub(crate) const LOGIN_REQUIRED: Self =
        Self { status: ErrorKind::Ended.status(), title: "Login required", detail: "Nobody is logged in." };
    pub(crate) const RECENT_LOGIN_REQUIRED: Self = Self {
        status: ErrorKind::Ended.status(),
        title: "Recent login required",
        detail: "The last login is too long ago for this. Please log in again.",
    };
    pub(crate) const NOT_PERMITTED: Self = Self {
        status: StatusCode::FORBIDDEN,
        title: "Not permitted",
        detail: "The user who is logged in must not do this.",
    };
    pub(crate) const USER_UNAVAILABLE: Self = Self {
        status: ErrorKind::Unavailable.status(),
        title: "Users are unavailable",
        detail: "The user could not be loaded. Please try again in a moment.",
    };
    pub(crate) const USERS_MISSING: Self = Self {
        status: ErrorKind::Configuration.status(),
        title: "Users are not configured",
        detail: "This route asks for a user of a type that the guestbook does not load. Build it with `.users(loader)` for this type.",
    };
    pub(crate) const CONSENT_REQUIRED: Self = Self {
        status: ErrorKind::ConsentRequired.status(),
        title: "Consent required",
        detail: "This needs a consent that was not given, or does not count any more.",
    };
    pub(crate) const CONSENT_UNAVAILABLE: Self = Self {
        status: ErrorKind::Unavailable.status(),
        title: "Consent is unavailable",
        detail: "What was agreed to could not be loaded. Please try again in a moment.",
    };
    pub(crate) const EXPORT_UNDER_WAY: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "An export is under way",
        detail: "This user's data is being exported already, or too many exports are under way. Please wait until it has ended.",
    };
    pub(crate) const EXPORT_FORMAT: Self = Self {
        status: StatusCode::NOT_ACCEPTABLE,
        title: "No such format",
        detail: "The copy of the data is not available in this format.",
    };
    pub(crate) const RIGHTS_UNAVAILABLE: Self = Self {
        status: ErrorKind::Unavailable.status(),
        title: "Not possible at the moment",
        detail: "The data could not be read or changed, and nothing has happened. Please try again in a moment.",
    };
    pub(crate) const NO_SUCH_ERASURE: Self = Self {
        status: StatusCode::NOT_FOUND,
        title: "No such erasure",
        detail: "Nothing is known of an erasure under this pseudonym.",
    };
    pub(crate) const BLOCKED_PLACE: Self = Self {
        status: StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
        title: "Not available here",
        detail: "The law of the place where this request comes from forbids to serve this.",
    };
    pub(crate) const PREFLIGHT: Self = Self {
        status: StatusCode::FORBIDDEN,
        title: "CORS preflight refused",
        detail: "A CORS preflight carries no cookies, so it cannot pass a gate. The CORS layer belongs outside of it.",
    };
    #[cfg(feature = "axum")]
    pub(crate) const CONSENT_MISSING: Self = Self {
        status: ErrorKind::Configuration.status(),
        title: "Consent is not configured",
        detail: "This route asks for consent. Build the guestbook with `.consent(rules)` and add `.layer(guestbook.layer())` after the route.",
    };
    #[cfg(feature = "axum")]
    pub(crate) const PREFERENCES_MISSING: Self = Self {
        status: ErrorKind::Configuration.status(),
        title: "Preferences are not configured",
        detail: "This route asks for preferences of a type that the guestbook was not built with. Build it with `.preferences(rules)` for this type.",
    };
    pub(crate) const LAYER_MISSING: Self = Self {
        status: ErrorKind::Configuration.status(),
        title: "Session layer missing",
        detail: "This route does not go through the session layer. Add `.layer(guestbook.layer())` after the route; if it is there, two versions of tower-guestbook are in the dependency tree (`cargo tree -d`).",
    };

    #[cfg(feature = "axum")]
    pub(crate) const TRACKER_MISSING: Self = Self {
        status: ErrorKind::Configuration.status(),
        title: "Activity layer missing",
        detail: "This route goes through neither the session nor the activity layer. Add `.layer(guestbook.layer())` after the route; if it is there, two versions of tower-guestbook are in the dependency tree (`cargo tree -d`).",
    };

    /// The answer about a right whose store failed with `kind`. A store that takes a request for
    /// wrong fails as well.
    pub(crate) fn rights_failed(kind: ErrorKind) -> Self {
        let status = Some(kind.status()).filter(StatusCode::is_server_error);
        Self { status: status.unwrap_or(Self::RIGHTS_UNAVAILABLE.status), ..Self::RIGHTS_UNAVAILABLE }
    }

    pub(crate) fn response<R>(self) -> Response<ResponseBody<R>> {
        self.response_with(ResponseBody::ours)
    }

    /// With members beside those that RFC 9457 names, and a type of its own.
    pub(crate) fn response_with_members<R>(self, body: impl FnOnce(Bytes) -> R, members: Value) -> Response<R> {
        self.render(body, CONSENT_REQUIRED_TYPE, members)
    }

    /// With members beside those that RFC 9457 names, which say more about this occurrence.
    pub(crate) fn response_with_extensions<R>(self, body: impl FnOnce(Bytes) -> R, members: Value) -> Response<R> {
        self.render(body, BLANK_TYPE, members)
    }

    pub(crate) fn response_with<R>(self, body: impl FnOnce(Bytes) -> R) -> Response<R> {
        self.render(body, BLANK_TYPE, Value::Null)
    }

    fn render<R>(self, body: impl FnOnce(Bytes) -> R, kind: &str, members: Value) -> Response<R> {
        let mut json = json!({
            "type": kind,
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (Some(json), Value::Object(members)) = (json.as_object_mut(), members) {
            json.extend(members);
        }
        answer(self.status, body(json.to_string().into()))
    }
}

/// A problem of this status, which nobody keeps.
fn answer<R>(status: StatusCode, body: R) -> Response<R> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status {
        // RFC 9110, section 11.6.1: a 401 names a scheme. There is none registered for cookies.
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Session"));
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

/// The problem (RFC 9457) that an error is to a client, for any body that is made of bytes.
///
/// The status is that of the [kind](ErrorKind::status). A 4xx has the error's `Display` as
/// `detail`. A 5xx has no `detail`; the error and its sources go to `tracing`, level `ERROR`. A 429
/// and a 503 have a `Retry-After`, which is [`Error::retry_after`] where it is known; a 401 has a
/// `WWW-Authenticate`. With feature `axum` the error is an `IntoResponse` that answers the same.
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, StatusCode};
/// use http_body_util::Full;
/// use tower_guestbook::UserId;
///
/// let error = UserId::try_from("").unwrap_err();
/// let response: Response<Full<Bytes>> = error.into();
/// assert_eq!(response.status(), StatusCode::BAD_REQUEST);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
impl<B: From<Bytes>> From<Error> for Response<B> {
    fn from(error: Error) -> Self {
        let status = error.kind().status();
        // RFC 9457, section 4.2.1: this title goes with this type.
        let title = status.canonical_reason().unwrap_or_default();
        let mut json = json!({ "type": BLANK_TYPE, "title": title, "status": status.as_u16() });
        if status.is_server_error() {
            tracing::error!(error = %error.chain(), "a request failed");
        } else {
            json["detail"] = error.to_string().into();
        }
        let mut response = answer(status, Bytes::from(json.to_string()).into());
        retry_after(response.headers_mut(), &error);
        response
    }
}

/// Says when to try again, if the error knows it: in whole seconds, rounded up.
pub(crate) fn retry_after(headers: &mut HeaderMap, error: &Error) {
    if let Some(wait) = error.retry_after() {
        let seconds = u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The status says it all.
const BLANK_TYPE: &str = "about:blank";

/// What the type of that problem is documented by.
const CONSENT_REQUIRED_TYPE: &str =
    "https://docs.rs/tower-guestbook/latest/tower_guestbook/http/struct.RequireConsent.html#consent-required";
