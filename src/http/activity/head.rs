//! [`RequestHead`] and [`Answered`]: the requests that hooks receive.

use http::{Extensions, HeaderMap, Method, Request, StatusCode, Uri};

/// A request without its body, for hooks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The request target.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Values set by other layers.
    pub extensions: &'a Extensions,
}

/// A request with its response, for the hook
/// [`ActivityRules::classify`](super::ActivityRules::classify).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The method of the request.
    pub method: crate::model::activity::Method,
    /// The route template or the normalised path.
    pub route: &'a str,
    /// Whether a script sent the request, rather than a person following a link.
    pub by_script: bool,
    /// The status of the response.
    pub status: StatusCode,
    /// The headers of the response.
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
