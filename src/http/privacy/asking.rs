//! [`Asking`]: a request of somebody who is known, and who answers it.

use std::sync::Arc;

use http::{Method, request::Parts};
use http_body::Body;

use super::{
    answer::Answer, audit, consent, correcting, endpoint::Endpoint, limit::Weight, objecting, problems,
    reading::Members, requests, restricting, rules::PrivacyRules, throttle::Throttle,
};
use crate::{
    engine::{audit::AuditTrail, consents::Consents, rights::Rights},
    id::UserId,
    model::privacy::RequestKind,
    request::RequestContext,
};

/// What all requests need.
pub(super) struct Shared {
    pub(super) rights: Rights,
    pub(super) audit: AuditTrail,
    pub(super) consents: Option<Consents>,
    pub(super) rules: PrivacyRules,
    pub(super) throttle: Throttle,
}

/// Who asks, and what they may work with.
pub(super) struct Asking {
    pub(super) shared: Arc<Shared>,
    pub(super) context: RequestContext,
    pub(super) user: UserId,
    /// Exercised in their name.
    pub(super) rights: Rights,
    pub(super) parts: Parts,
}

impl Shared {
    /// How a request counts.
    pub(super) fn weight(&self, endpoint: &Endpoint, method: &Method) -> Weight {
        let sends_token = *endpoint == Endpoint::OfKind(Some(RequestKind::Erasure)) && self.rules.send.is_some();
        match endpoint {
            Endpoint::Export | Endpoint::Erasure | Endpoint::Confirmation(_) => Weight::Sensitive,
            _ if sends_token && *method == Method::POST => Weight::Sensitive,
            _ => Weight::Usual,
        }
    }
}

/// Does what is asked for.
pub(super) async fn answer<B: Body>(asking: &Asking, endpoint: &Endpoint, body: B) -> Answer {
    let method = &asking.parts.method;
    if matches!(*method, Method::GET | Method::HEAD) {
        return match endpoint {
            Endpoint::Requests => requests::list(asking, None).await,
            Endpoint::OfKind(kind) => requests::list(asking, Some(kind.ok_or(problems::NOT_FOUND)?)).await,
            Endpoint::Request(id) => requests::one(asking, *id).await,
            Endpoint::Restriction => restricting::state(asking).await,
            Endpoint::Objections => objecting::list(asking).await,
            Endpoint::Consent => consent::state(asking).await,
            Endpoint::Receipt => consent::receipt(asking).await,
            Endpoint::Audit => audit::list(asking).await,
            _ => Err(problems::NOT_FOUND.into()),
        };
    }
    let members = Members::read(&asking.parts.headers, body).await?;
    match (endpoint, method) {
        (Endpoint::OfKind(kind), _) => requests::file(asking, *kind, members).await,
        (Endpoint::Request(id), _) => requests::cancel(asking, *id, members).await,
        (Endpoint::Confirmation(id), _) => requests::confirm(asking, *id, members).await,
        (Endpoint::Restriction, &Method::POST) => restricting::restrict(asking, members).await,
        (Endpoint::Restriction, _) => restricting::lift(asking, members).await,
        (Endpoint::Objection(purpose), &Method::POST) => objecting::object(asking, purpose, members).await,
        (Endpoint::Objection(purpose), _) => objecting::take_back(asking, purpose, members).await,
        (Endpoint::Rectification, _) => correcting::rectify(asking, members).await,
        (Endpoint::Consent, _) => consent::decide(asking, members).await,
        (Endpoint::Purpose(purpose), _) => consent::withdraw(asking, purpose, members).await,
        _ => Err(problems::NOT_FOUND.into()),
    }
}
