//! [`RequestHead`] and [`Answered`]: what hooks see of a request.

use http::{Extensions, HeaderMap, Method, Request, StatusCode, Uri};

/// A request without its body, as hooks see it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What other layers have put there.
    pub extensions: &'a Extensions,
}

/// A request that was answered, as [`ActivityRules::classify`](super::ActivityRules::classify) sees
/// it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The request's method.
    pub method: crate::model::activity::Method,
    /// The route's template or the normalised path.
    pub route: &'a str,
    /// Whether a script asked, not a person who follows a link.
    pub by_script: bool,
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: &'a HeaderMap,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}
