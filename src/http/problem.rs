//! Problem details (RFC 9457): how the layers say no.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

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
        self.response_with(ResponseBody::problem)
    }

    pub(crate) fn response_with<R>(self, body: impl FnOnce(Bytes) -> R) -> Response<R> {
        let json = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
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
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
