//! [`Asking`]: a request of somebody who is known, and who answers it.

use std::sync::Arc;

use http::{Method, request::Parts};
use http_body::Body;

use super::{
    answer::Answer, audit, consent, correcting, limit::Weight, objecting, place::Place, problems, reading::Members,
    requests, restricting, rules::PrivacyRules, throttle::Throttle,
};
use crate::{
    engine::{audit::AuditTrail, consents::Consents, rights::Rights},
    id::UserId,
    model::privacy::RequestKind,
    request::Visit,
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
    pub(super) visit: Visit,
    pub(super) user: UserId,
    /// Exercised in their name.
    pub(super) rights: Rights,
    pub(super) parts: Parts,
}

impl Shared {
    /// How a request counts.
    pub(super) fn weight(&self, place: &Place, method: &Method) -> Weight {
        let sends_token = *place == Place::OfKind(Some(RequestKind::Erasure)) && self.rules.send.is_some();
        match place {
            Place::Export | Place::Erasure | Place::Confirmation(_) => Weight::Sensitive,
            _ if sends_token && *method == Method::POST => Weight::Sensitive,
            _ => Weight::Usual,
        }
    }
}

/// Does what is asked for.
pub(super) async fn answer<B: Body>(asking: &Asking, place: &Place, body: B) -> Answer {
    let method = &asking.parts.method;
    if matches!(*method, Method::GET | Method::HEAD) {
        return match place {
            Place::Requests => requests::list(asking, None).await,
            Place::OfKind(kind) => requests::list(asking, Some(kind.ok_or(problems::NOT_FOUND)?)).await,
            Place::Request(id) => requests::one(asking, *id).await,
            Place::Restriction => restricting::state(asking).await,
            Place::Objections => objecting::list(asking).await,
            Place::Consent => consent::state(asking).await,
            Place::Receipt => consent::receipt(asking).await,
            Place::Audit => audit::list(asking).await,
            _ => Err(problems::NOT_FOUND.into()),
        };
    }
    let members = Members::read(&asking.parts.headers, body).await?;
    match (place, method) {
        (Place::OfKind(kind), _) => requests::file(asking, *kind, members).await,
        (Place::Request(id), _) => requests::cancel(asking, *id, members).await,
        (Place::Confirmation(id), _) => requests::confirm(asking, *id, members).await,
        (Place::Restriction, &Method::POST) => restricting::restrict(asking, members).await,
        (Place::Restriction, _) => restricting::lift(asking, members).await,
        (Place::Objection(purpose), &Method::POST) => objecting::object(asking, purpose, members).await,
        (Place::Objection(purpose), _) => objecting::take_back(asking, purpose, members).await,
        (Place::Rectification, _) => correcting::rectify(asking, members).await,
        (Place::Consent, _) => consent::decide(asking, members).await,
        (Place::Purpose(purpose), _) => consent::withdraw(asking, purpose, members).await,
        _ => Err(problems::NOT_FOUND.into()),
    }
}
