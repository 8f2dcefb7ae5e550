//! [`UserRequest`]: a request of a logged-in user, and [`ServiceState`], which all requests share.

use std::sync::Arc;

use http::{Method, request::Parts};

use super::{endpoint::Endpoint, limiter::Weight, rules::PrivacyRules, throttle::Throttle};
use crate::{
    engine::{audit::AuditTrail, consents::Consents, rights::Rights},
    id::UserId,
    model::privacy::RequestKind,
    request::RequestContext,
};

/// The state that all requests share.
pub(super) struct ServiceState {
    pub(super) rights: Rights,
    pub(super) audit: AuditTrail,
    pub(super) consents: Option<Consents>,
    pub(super) rules: PrivacyRules,
    pub(super) throttle: Throttle,
}

/// A request of a logged-in user.
pub(super) struct UserRequest {
    pub(super) shared: Arc<ServiceState>,
    pub(super) context: RequestContext,
    pub(super) user: UserId,
    /// The rights, exercised in the name of the user.
    pub(super) rights: Rights,
    pub(super) parts: Parts,
}

impl ServiceState {
    /// The weight of a request for the limits.
    pub(super) fn weight(&self, endpoint: &Endpoint, method: &Method) -> Weight {
        let sends_token = *endpoint == Endpoint::OfKind(Some(RequestKind::Erasure)) && self.rules.send.is_some();
        match endpoint {
            Endpoint::Export | Endpoint::Erasure | Endpoint::Confirmation(_) => Weight::Sensitive,
            _ if sends_token && *method == Method::POST => Weight::Sensitive,
            _ => Weight::Usual,
        }
    }
}
