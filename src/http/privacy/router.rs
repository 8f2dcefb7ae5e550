//! The service as a router of axum, feature `axum`.

use axum::Router;

use super::{PrivacyService, endpoint::TEMPLATES};

impl PrivacyService {
    /// A router with a route for each path.
    pub(crate) fn router<S>(self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let add = |router: Router<S>, template: &str| router.route_service(template, self.clone());
        TEMPLATES.into_iter().fold(Router::new(), add)
    }
}
