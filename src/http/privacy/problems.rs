//! How the endpoints say no, beside what the layers say.

use http::StatusCode;

use crate::{error::ErrorKind, http::problem::Problem};

pub(super) const NOT_FOUND: Problem = Problem {
    status: StatusCode::NOT_FOUND,
    title: "Not found",
    detail: "There is nothing here, or nothing of yours.",
};
pub(super) const METHOD: Problem = Problem {
    status: StatusCode::METHOD_NOT_ALLOWED,
    title: "Method not allowed",
    detail: "This cannot be done here. The header Allow lists what can.",
};
pub(super) const UNKNOWN: Problem = Problem {
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Not known yet",
    detail: "The answer is late: what was asked for may be done already, or yet. Ask whether it is, or ask for it again: twice is as good as once.",
};
pub(super) const TOO_OFTEN: Problem = Problem {
    status: StatusCode::TOO_MANY_REQUESTS,
    title: "Too many requests",
    detail: "Please wait as long as the header Retry-After says.",
};
pub(super) const PARAMETER: Problem = Problem {
    status: StatusCode::BAD_REQUEST,
    title: "Wrong parameter",
    detail: "A parameter of the address is not right. The member field names it.",
};
pub(super) const NOT_JSON: Problem = Problem {
    status: StatusCode::BAD_REQUEST,
    title: "Not understood",
    detail: "The body must be a JSON object in which no name stands twice.",
};
pub(super) const INCOMPLETE: Problem =
    Problem { status: StatusCode::BAD_REQUEST, title: "Incomplete body", detail: "The body did not come to its end." };
pub(super) const TOO_SLOW: Problem =
    Problem { status: StatusCode::REQUEST_TIMEOUT, title: "Too slow", detail: "The body did not come in time." };
pub(super) const TOO_LARGE: Problem = Problem {
    status: ErrorKind::TooLarge.status(),
    title: "Too large",
    detail: "The body, or what would be stored then, exceeds its limit. Nothing was changed.",
};
pub(super) const MEDIA_TYPE: Problem = Problem {
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    title: "Wrong media type",
    detail: "The body must be application/json.",
};
pub(super) const FIELD: Problem = Problem {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "Not right",
    detail: "The body was understood, and what it says cannot be done. The member field names what is wrong.",
};
pub(super) const CONFLICT: Problem = Problem {
    status: ErrorKind::Conflict.status(),
    title: "Not possible now",
    detail: "What it is about is not in a state in which this can be done, or was changed meanwhile.",
};
pub(super) const NOT_CONFIRMED: Problem = Problem {
    status: StatusCode::FORBIDDEN,
    title: "Not confirmed",
    detail: "The token is not the last that was sent for this request, is too old, or was tried too often.",
};
