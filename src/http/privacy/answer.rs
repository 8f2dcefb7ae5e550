//! [`Answer`]: JSON that is not cached, or a [`Refusal`].

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::Body;
use serde::Serialize;
use serde_json::{Value, json};

use super::{PrivacyBody, problems};
use crate::{
    error::{Error, ErrorKind},
    http::problem::Problem,
};

pub(super) type Answer = Result<Response<PrivacyBody>, Refusal>;

/// Why nothing was done, or why it is not known whether something was done.
pub(super) struct Refusal {
    response: Box<Response<PrivacyBody>>,
    is_late: bool,
}

impl Refusal {
    /// Refuses a member of the body, or a parameter.
    pub(super) fn naming(problem: Problem, field: &str) -> Self {
        Self::with(problem, json!({ "field": field }))
    }

    /// Refuses a member of the body, with the error.
    pub(super) fn explaining(problem: Problem, field: &str, error: &Error) -> Self {
        Self::with(problem, json!({ "field": field, "reason": error.to_string() }))
    }

    /// The response to a request with this method. A change whose answer is late may happen all the
    /// same, so its outcome is unknown.
    pub(super) fn into_response_to(self, method: &Method) -> Response<PrivacyBody> {
        if self.is_late && !method.is_safe() {
            return problems::UNKNOWN.response_with_extensions(PrivacyBody::whole, json!({ "outcome": "unknown" }));
        }
        *self.response
    }

    fn with(problem: Problem, members: Value) -> Self {
        Self { response: Box::new(problem.response_with_extensions(PrivacyBody::whole, members)), is_late: false }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { response: Box::new(problem.response_with(PrivacyBody::whole)), is_late: false }
    }
}

/// An error of the guestbook. Invalid input is answered by the handlers, which know the field.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error.kind() {
            // The session of an erased user has ended as well.
            ErrorKind::UserErased | ErrorKind::Ended => Problem::LOGIN_REQUIRED.into(),
            ErrorKind::Conflict | ErrorKind::VersionMismatch => problems::CONFLICT.into(),
            ErrorKind::TooLarge => problems::TOO_LARGE.into(),
            kind => {
                tracing::error!(error = %error.chain(), "a privacy request failed");
                let is_late = matches!(kind, ErrorKind::Timeout | ErrorKind::Pending);
                Self { is_late, ..Problem::rights_failed(kind).into() }
            }
        }
    }
}

/// Turns an error about invalid input into a refusal of this member of the body.
pub(super) fn invalid(field: &str) -> impl FnOnce(Error) -> Refusal + '_ {
    move |error| match error.kind() {
        ErrorKind::InvalidInput => Refusal::explaining(problems::FIELD, field, &error),
        _ => error.into(),
    }
}

pub(super) fn ok(value: &impl Serialize) -> Answer {
    with_status(StatusCode::OK, value)
}

pub(super) fn with_status(status: StatusCode, value: &impl Serialize) -> Answer {
    let json = serde_json::to_vec(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "an answer could not be written").with_source(error))?;
    let mut response = Response::new(PrivacyBody::whole(json.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Removes the body of a response to `HEAD`.
pub(super) fn without_body(method: &Method, mut response: Response<PrivacyBody>) -> Response<PrivacyBody> {
    if *method == Method::HEAD {
        if let Some(length) = response.body().size_hint().exact() {
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = PrivacyBody::whole(Bytes::new());
    }
    response
}
