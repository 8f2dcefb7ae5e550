//! The parts of responses that the services share.

use bytes::Bytes;
use http::{Extensions, HeaderValue, Response, StatusCode, header};

use super::PrivacyBody;
use crate::{
    engine::rights::Rights,
    error::{Error, ErrorKind},
    http::problem::Problem,
    request::RequestContext,
};

/// The request context of the guestbook whose rights are exercised. Users of another guestbook do
/// not count.
pub(super) fn own_context<'a>(rights: &Rights, extensions: &'a Extensions) -> Option<&'a RequestContext> {
    let context = RequestContext::find(extensions, |context| context.is_of(rights.sessions()));
    if context.is_none() {
        tracing::error!("a privacy service has no session layer outside: use guestbook.layer()");
    }
    context
}

pub(super) fn problem(problem: Problem) -> Response<PrivacyBody> {
    problem.response_with(PrivacyBody::whole)
}

pub(super) fn failed(error: &Error) -> Response<PrivacyBody> {
    tracing::error!(error = %error.chain(), "a privacy request failed");
    match error.kind() {
        ErrorKind::UserErased => problem(Problem::LOGIN_REQUIRED),
        kind => problem(Problem::rights_failed(kind)),
    }
}

pub(super) fn not_allowed(methods: &'static str) -> Response<PrivacyBody> {
    let mut response = Response::new(PrivacyBody::whole(Bytes::new()));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
