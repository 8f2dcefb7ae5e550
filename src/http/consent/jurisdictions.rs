//! [`Jurisdictions`]: which law applies to a request.

use crate::{http::RequestHead, model::consent::Jurisdiction};

/// Determines which law applies to a request. Implemented by closures.
///
/// It runs on the async runtime for every request, so it must not block.
pub trait Jurisdictions: Send + Sync + 'static {
    /// Returns the law that applies; `None` if the place is unknown, and then the strictest regime
    /// applies.
    fn jurisdiction(&self, request: RequestHead<'_>) -> Option<Jurisdiction>;
}

impl<F> Jurisdictions for F
where
    F: Fn(RequestHead<'_>) -> Option<Jurisdiction> + Send + Sync + 'static,
{
    fn jurisdiction(&self, request: RequestHead<'_>) -> Option<Jurisdiction> {
        self(request)
    }
}
