//! [`GpcSupport`]: the service for `/.well-known/gpc.json`.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tower_service::Service;

use crate::{
    error::{Error, ErrorKind, Result},
    http::body::{NoBody, ResponseBody},
};

/// A service for `/.well-known/gpc.json` (Global Privacy Control, section 4), which declares that
/// this site honours the signal.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::{Body, to_bytes}};
/// use tower::ServiceExt;
/// use tower_guestbook::consent::GpcSupport;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let app: Router = Router::new().route_service("/.well-known/gpc.json", GpcSupport::new("2026-11-25")?);
///
/// let request = http::Request::get("/.well-known/gpc.json").body(Body::empty()).unwrap();
/// let body = app.oneshot(request).await.unwrap().into_body();
/// assert_eq!(to_bytes(body, 100).await.unwrap(), r#"{"gpc":true,"lastUpdate":"2026-11-25"}"#);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct GpcSupport {
    json: Bytes,
}

impl GpcSupport {
    /// Creates the service. `last_update` is the date of the declaration, such as `2026-11-25`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if it is not a date.
    pub fn new(last_update: &str) -> Result<Self> {
        if !is_date(last_update) {
            return Err(Error::new(ErrorKind::Configuration, "the date of gpc.json has the form 2026-11-25"));
        }
        Ok(Self { json: format!(r#"{{"gpc":true,"lastUpdate":"{last_update}"}}"#).into() })
    }
}

impl<B> Service<Request<B>> for GpcSupport {
    type Response = Response<ResponseBody<NoBody>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let body = if *request.method() == Method::GET { self.json.clone() } else { Bytes::new() };
        let mut response = Response::new(ResponseBody::ours(body));
        let headers = response.headers_mut();
        if is_read {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CONTENT_LENGTH, self.json.len().into());
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
        } else {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        }
        ready(Ok(response))
    }
}

fn is_date(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
        digits.parse::<u32>().ok()
    };
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return false };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}
