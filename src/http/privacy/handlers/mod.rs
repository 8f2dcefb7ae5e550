//! The handlers of the endpoints: each reads a request and makes one call of `Rights`, of the audit trail or of consent.

mod audit;
mod consent;
mod objections;
mod rectification;
mod requests;
mod restriction;

use http::Method;
use http_body::Body;

use super::{answer::Answer, endpoint::Endpoint, members::Members, problems, user_request::UserRequest};

/// Calls the handler of an endpoint.
pub(super) async fn handle<B: Body>(request: &UserRequest, endpoint: &Endpoint, body: B) -> Answer {
    let method = &request.parts.method;
    if matches!(*method, Method::GET | Method::HEAD) {
        return match endpoint {
            Endpoint::Requests => requests::list(request, None).await,
            Endpoint::OfKind(kind) => requests::list(request, Some(kind.ok_or(problems::NOT_FOUND)?)).await,
            Endpoint::Request(id) => requests::one(request, *id).await,
            Endpoint::Restriction => restriction::state(request).await,
            Endpoint::Objections => objections::list(request).await,
            Endpoint::Consent => consent::state(request).await,
            Endpoint::Receipt => consent::receipt(request).await,
            Endpoint::Audit => audit::list(request).await,
            _ => Err(problems::NOT_FOUND.into()),
        };
    }
    let members = Members::read(&request.parts.headers, body).await?;
    match (endpoint, method) {
        (Endpoint::OfKind(kind), _) => requests::file(request, *kind, members).await,
        (Endpoint::Request(id), _) => requests::cancel(request, *id, members).await,
        (Endpoint::Confirmation(id), _) => requests::confirm(request, *id, members).await,
        (Endpoint::Restriction, &Method::POST) => restriction::restrict(request, members).await,
        (Endpoint::Restriction, _) => restriction::lift(request, members).await,
        (Endpoint::Objection(purpose), &Method::POST) => objections::object(request, purpose, members).await,
        (Endpoint::Objection(purpose), _) => objections::withdraw(request, purpose, members).await,
        (Endpoint::Rectification, _) => rectification::rectify(request, members).await,
        (Endpoint::Consent, _) => consent::decide(request, members).await,
        (Endpoint::Purpose(purpose), _) => consent::withdraw(request, purpose, members).await,
        _ => Err(problems::NOT_FOUND.into()),
    }
}
