//! The shapes of what is answered.

use std::time::Duration;

use axum::{
    Json,
    extract::{self, FromRequestParts, rejection::BytesRejection},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_guestbook::ErrorKind;

use crate::{hashing::Busy, server::TooSlow};

/// What a route answers when it does not do what it was asked: a problem (RFC 9457) with the
/// members `error` and, where there is more to say, `message`.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Response>);

pub(crate) type Answer<T = Json<Value>> = Result<T, Refusal>;

/// For answers that can be others the next time.
pub(crate) const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Parameters of the path. What is wrong with them is answered as everything else.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(refuse(rejection.status(), &rejection.body_text())),
        }
    }
}

pub(crate) fn success(message: &str) -> Json<Value> {
    Json(json!({ "status": "success", "message": message }))
}

pub(crate) fn refuse(status: StatusCode, error: &str) -> Refusal {
    Refusal::new(status, error, None)
}

pub(crate) fn unauthorized() -> Refusal {
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", Some("Valid session required"));
    refusal.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

pub(crate) fn wait(error: &str, left: Duration) -> Refusal {
    let seconds = left.as_secs() + 1;
    let message = format!("Try again in {seconds} seconds");
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, error, Some(&message)).retry_after(seconds)
}

pub(crate) fn busy(error: &str) -> Refusal {
    refuse(StatusCode::SERVICE_UNAVAILABLE, error).retry_after(10)
}

/// An error and what is below it, in one line.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut problem = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        problem.push_str(&format!(": {error}"));
        cause = error.source();
    }
    problem
}

fn is_caused_by<E: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<E>())
}

pub(crate) async fn not_found() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "Not found")
}

pub(crate) async fn method_not_allowed() -> Refusal {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}

impl Refusal {
    fn new(status: StatusCode, error: &str, message: Option<&str>) -> Self {
        let mut problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": message.unwrap_or(error),
            "error": error,
        });
        if let Some(message) = message {
            problem["message"] = message.into();
        }
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        Self(Box::new((status, headers, problem.to_string()).into_response()))
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.with(header::RETRY_AFTER, seconds.into())
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// A body that is too large, or did not come to its end.
impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Self {
        if is_caused_by::<TooSlow>(&rejection) {
            return refuse(StatusCode::REQUEST_TIMEOUT, "The body did not come in time");
        }
        refuse(rejection.status(), &rejection.body_text())
    }
}

/// The library's statuses, in the words of this application.
impl From<tower_guestbook::Error> for Refusal {
    fn from(error: tower_guestbook::Error) -> Self {
        let status = error.kind().status();
        let wait = error.retry_after().map_or(1, |wait| wait.as_millis().div_ceil(1_000) as u64);
        match error.kind() {
            ErrorKind::Ended => unauthorized(),
            ErrorKind::UserErased => refuse(status, "This account was deleted"),
            _ if status.is_server_error() => {
                tracing::error!(error = explain(&error), "the guestbook failed");
                let refusal = refuse(status, "The guestbook could not be read or written");
                if status == StatusCode::SERVICE_UNAVAILABLE { refusal.retry_after(wait) } else { refusal }
            }
            ErrorKind::RateLimited => refuse(status, &error.to_string()).retry_after(wait),
            _ => refuse(status, &error.to_string()),
        }
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        if error.is::<Busy>() {
            return busy("Too many passwords are being checked");
        }
        tracing::error!(%error, "the application failed");
        refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal error")
    }
}
