//! CORS preflights, which gates do not let pass.

use http::{Method, Request, header};

use super::first_time::FirstTime;

/// Whether a browser asks in advance what another origin may send (Fetch standard, CORS-preflight
/// fetch).
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Says once in the log that preflights come as far as a gate.
pub(super) fn warn_of_preflight() {
    static FIRST: FirstTime = FirstTime::new();
    if FIRST.take() {
        tracing::warn!(
            "a CORS preflight reached a gate and was refused: put the CORS layer outside guestbook.layer() and the gate, \
             or say .pass_preflights() where the routes behind the gate answer OPTIONS with no content"
        );
    }
}
