//! Problem details (RFC 9457): how the layers say no.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::ResponseBody;

/// One answer of `application/problem+json`. The texts are constants: nothing of the request gets into them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) detail: &'static str,
}

impl Problem {
    pub(crate) const STORE_UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "Sessions are unavailable",
        detail: "The session could not be loaded or saved. Please try again in a moment.",
    };
    pub(crate) const SESSION_TOO_LARGE: Self = Self {
        status: StatusCode::INSUFFICIENT_STORAGE,
        title: "Session is full",
        detail: "Together with what parallel requests stored, the session would exceed its size limit. Nothing of this request's session changes was stored.",
    };
    pub(crate) const CROSS_ORIGIN: Self = Self {
        status: StatusCode::FORBIDDEN,
        title: "Cross-origin request refused",
        detail: "This request would change something and comes from another origin.",
    };
    pub(crate) const LOGIN_REQUIRED: Self =
        Self { status: StatusCode::UNAUTHORIZED, title: "Login required", detail: "Nobody is logged in." };
    pub(crate) const RECENT_LOGIN_REQUIRED: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        title: "Recent login required",
        detail: "The last login is too long ago for this. Please log in again.",
    };
    pub(crate) const CONSENT_REQUIRED: Self = Self {
        status: StatusCode::FORBIDDEN,
        title: "Consent required",
        detail: "This needs a consent that was not given, or does not count any more.",
    };
    pub(crate) const CONSENT_UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
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
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "Not finished yet",
        detail: "The data could not be read or erased. An erasure that has begun goes on by itself.",
    };
    pub(crate) const BLOCKED_PLACE: Self = Self {
        status: StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
        title: "Not available here",
        detail: "The law of the place where this request comes from forbids to serve this.",
    };
    #[cfg(feature = "axum")]
    pub(crate) const CONSENT_MISSING: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Consent is not configured",
        detail: "This route asks for consent. Build the guestbook with `.consent(rules)` and add `.layer(guestbook.layer())` after the route.",
    };
    #[cfg(feature = "axum")]
    pub(crate) const PREFERENCES_MISSING: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Preferences are not configured",
        detail: "This route asks for preferences of a type that the guestbook was not built with. Build it with `.preferences(rules)` for this type.",
    };
    #[cfg(feature = "axum")]
    pub(crate) const LAYER_MISSING: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Session layer missing",
        detail: "This route does not go through the session layer. Add `.layer(guestbook.session_layer())` after the route; if it is there, two versions of tower-guestbook are in the dependency tree (`cargo tree -d`).",
    };

    #[cfg(feature = "axum")]
    pub(crate) const TRACKER_MISSING: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Activity layer missing",
        detail: "This route goes through neither the session nor the activity layer. Add `.layer(guestbook.layer())` after the route; if it is there, two versions of tower-guestbook are in the dependency tree (`cargo tree -d`).",
    };

    pub(crate) fn response<R>(self) -> Response<ResponseBody<R>> {
        self.response_with(ResponseBody::ours)
    }

    /// With members beside those that RFC 9457 names, and a type of its own.
    pub(crate) fn response_with_members<R>(self, members: Value) -> Response<ResponseBody<R>> {
        self.render(ResponseBody::ours, CONSENT_REQUIRED_TYPE, members)
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
        let mut response = Response::new(body(json.to_string().into()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
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
}

/// The status says it all.
const BLANK_TYPE: &str = "about:blank";

/// What the type of that problem is documented by.
const CONSENT_REQUIRED_TYPE: &str =
    "https://docs.rs/tower-guestbook/latest/tower_guestbook/http/struct.RequireConsent.html#consent-required";
