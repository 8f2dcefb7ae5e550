//! The problem documents of the endpoints, beside those of the layers.

use http::StatusCode;

use crate::{error::ErrorKind, http::problem::Problem};

pub(super) const NOT_FOUND: Problem = Problem {
    status: StatusCode::NOT_FOUND,
    title: "Not found",
    detail: "The resource does not exist, or is not yours.",
};
pub(super) const METHOD: Problem = Problem {
    status: StatusCode::METHOD_NOT_ALLOWED,
    title: "Method not allowed",
    detail: "The resource does not support this method. The header Allow lists those that it supports.",
};
pub(super) const UNKNOWN: Problem = Problem {
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Outcome unknown",
    detail: "The store did not answer in time: the change may have been made, or may still be made. Repeat the request; that is safe.",
};
pub(super) const TOO_MANY_REQUESTS: Problem = Problem {
    status: StatusCode::TOO_MANY_REQUESTS,
    title: "Too many requests",
    detail: "Wait as long as the header Retry-After says.",
};
pub(super) const PARAMETER: Problem = Problem {
    status: StatusCode::BAD_REQUEST,
    title: "Invalid parameter",
    detail: "A parameter of the URL is invalid. The member field names it.",
};
pub(super) const NOT_JSON: Problem = Problem {
    status: StatusCode::BAD_REQUEST,
    title: "Invalid JSON",
    detail: "The body must be a JSON object without duplicate names.",
};
pub(super) const INCOMPLETE: Problem =
    Problem { status: StatusCode::BAD_REQUEST, title: "Incomplete body", detail: "The body ended early." };
pub(super) const TOO_SLOW: Problem = Problem {
    status: StatusCode::REQUEST_TIMEOUT,
    title: "Request timeout",
    detail: "The body did not arrive in time.",
};
pub(super) const TOO_LARGE: Problem = Problem {
    status: ErrorKind::TooLarge.status(),
    title: "Too large",
    detail: "The body, or the data that would be stored, exceeds its limit. Nothing was changed.",
};
pub(super) const MEDIA_TYPE: Problem = Problem {
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    title: "Unsupported media type",
    detail: "The body must be application/json.",
};
pub(super) const FIELD: Problem = Problem {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "Invalid field",
    detail: "A member of the body is invalid or unknown. The member field names it.",
};
pub(super) const CONFLICT: Problem = Problem {
    status: ErrorKind::Conflict.status(),
    title: "Conflict",
    detail: "The current state does not allow this, or a parallel change came first.",
};
pub(super) const NOT_CONFIRMED: Problem = Problem {
    status: StatusCode::FORBIDDEN,
    title: "Not confirmed",
    detail: "The token is not the last one that was sent for this request, has expired, or was tried too often.",
};
