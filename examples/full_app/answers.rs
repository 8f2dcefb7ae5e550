//! The shapes of what is answered.

use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tower_guestbook::ErrorKind;

/// What a route answers when it does not do what it was asked.
pub(crate) struct Refusal(Box<Response>);

pub(crate) type Answer<T = Json<Value>> = Result<T, Refusal>;

pub(crate) fn success(message: &str) -> Json<Value> {
    Json(json!({ "status": "success", "message": message }))
}

pub(crate) fn refuse(status: StatusCode, error: &str) -> Refusal {
    Refusal(Box::new((status, Json(json!({ "error": error }))).into_response()))
}

pub(crate) fn unauthorized() -> Refusal {
    let body = json!({ "error": "Unauthorized", "message": "Valid session required" });
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    Refusal(Box::new((StatusCode::UNAUTHORIZED, challenge, Json(body)).into_response()))
}

pub(crate) fn wait(seconds: u64) -> Refusal {
    let body = json!({ "error": "Too many failed logins", "message": format!("Try again in {seconds} seconds") });
    Refusal(Box::new((StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)], Json(body)).into_response()))
}

pub(crate) fn busy(error: &str) -> Refusal {
    let retry = [(header::RETRY_AFTER, "10")];
    Refusal(Box::new((StatusCode::SERVICE_UNAVAILABLE, retry, Json(json!({ "error": error }))).into_response()))
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

pub(crate) async fn not_found() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "Not found")
}

pub(crate) async fn method_not_allowed() -> Refusal {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// A body that is too large, or did not come to its end.
impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Self {
        refuse(rejection.status(), &rejection.body_text())
    }
}

impl From<tower_guestbook::Error> for Refusal {
    fn from(error: tower_guestbook::Error) -> Self {
        match error.kind() {
            ErrorKind::Ended => unauthorized(),
            ErrorKind::StruckOut => refuse(StatusCode::FORBIDDEN, "This account was deleted"),
            ErrorKind::TooLarge => refuse(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string()),
            ErrorKind::InvalidInput => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
            ErrorKind::ConsentRequired => refuse(StatusCode::FORBIDDEN, &error.to_string()),
            ErrorKind::Conflict => refuse(StatusCode::CONFLICT, &error.to_string()),
            ErrorKind::VersionMismatch => refuse(StatusCode::PRECONDITION_FAILED, &error.to_string()),
            kind => {
                tracing::error!(%error, "the guestbook failed");
                let unavailable = matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::StorageFull);
                let status =
                    if unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
                refuse(status, "The guestbook could not be read or written")
            }
        }
    }
}

impl From<crate::Error> for Refusal {
    fn from(error: crate::Error) -> Self {
        tracing::error!(%error, "the application failed");
        refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal error")
    }
}
