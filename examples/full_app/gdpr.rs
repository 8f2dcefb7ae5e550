//! What users may demand beside a copy of their data and to be struck out: requests, restriction, objection; what the audit trail has
//! about them; and for the administrator the record of processing.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use serde_json::json;
use tower_guestbook::{
    CurrentUser, Guestbook, Rights, UserId,
    consent::PurposeId,
    privacy::{Actor, RequestKind, RestrictionReason},
    store::RequestQuery,
};

use crate::{
    App,
    answers::{Answer, refuse, success, unauthorized},
    sessions::check_admin,
};

/// So many entries of the trail are shown.
const ENTRIES: usize = 200;

const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

pub(crate) async fn requests(State(app): State<App>, user: Option<CurrentUser>) -> Answer<impl IntoResponse> {
    let CurrentUser(user) = user.ok_or_else(unauthorized)?;
    let requests = app.guestbook.rights().requests(RequestQuery::new().user(user).limit(ENTRIES)).await?;
    Ok((NO_STORE, Json(json!({ "requests": requests }))))
}

/// Files a request that a person has to answer; the same again gives the one that is open.
pub(crate) async fn file(
    State(app): State<App>,
    user: Option<CurrentUser>,
    Path(kind): Path<String>,
) -> Answer<impl IntoResponse> {
    let (user, rights) = asked_by(&app.guestbook, user)?;
    let kind: RequestKind = serde_json::from_value(json!(kind)).map_err(|_| {
        refuse(StatusCode::BAD_REQUEST, "kind: access, rectification, erasure, restriction, portability or objection")
    })?;
    let filed = rights.file(&user, kind, None).await?;
    let status = if filed.is_duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, NO_STORE, Json(json!({ "request": filed.request, "duplicate": filed.is_duplicate }))))
}

/// The entries about the user: what was done with their data, never by whom by name.
pub(crate) async fn audit(State(app): State<App>, user: Option<CurrentUser>) -> Answer<impl IntoResponse> {
    let CurrentUser(user) = user.ok_or_else(unauthorized)?;
    let rows = app.guestbook.audit().entries(0, ENTRIES, Some(&user)).await?;
    let entries: Vec<_> = rows
        .iter()
        .map(|row| {
            let entry = &row.entry;
            json!({ "sequence": entry.sequence, "at": entry.at, "action": entry.action, "by": entry.actor_kind })
        })
        .collect();
    Ok((NO_STORE, Json(json!({ "entries": entries }))))
}

/// Whether the trail is what was recorded.
pub(crate) async fn verify(State(app): State<App>, user: Option<CurrentUser>) -> Answer<impl IntoResponse> {
    check_admin(user)?;
    Ok((NO_STORE, Json(json!({ "report": app.guestbook.audit().verify(None).await? }))))
}

pub(crate) async fn restrict(State(app): State<App>, user: Option<CurrentUser>) -> Answer {
    let (user, rights) = asked_by(&app.guestbook, user)?;
    rights.restrict(&user, RestrictionReason::Accuracy).await?;
    Ok(success("Processing is restricted"))
}

pub(crate) async fn lift(State(app): State<App>, user: Option<CurrentUser>) -> Answer {
    let (user, rights) = asked_by(&app.guestbook, user)?;
    if !rights.lift_restriction(&user).await? {
        return Err(refuse(StatusCode::NOT_FOUND, "Processing is not restricted"));
    }
    Ok(success("Processing is no longer restricted"))
}

pub(crate) async fn object(State(app): State<App>, user: Option<CurrentUser>, Path(purpose): Path<String>) -> Answer {
    let (user, rights) = asked_by(&app.guestbook, user)?;
    let purpose = PurposeId::new(&purpose).map_err(|_| refuse(StatusCode::NOT_FOUND, "No such purpose"))?;
    rights.object(&user, [purpose]).await?;
    Ok(success("Objection recorded"))
}

/// The record of processing activities (GDPR, Article 30).
pub(crate) async fn processing(State(app): State<App>, user: Option<CurrentUser>) -> Answer<impl IntoResponse> {
    check_admin(user)?;
    Ok(Json(app.guestbook.processing_records()))
}

/// The user, and the rights exercised in their name.
fn asked_by(guestbook: &Guestbook, user: Option<CurrentUser>) -> Answer<(UserId, Rights)> {
    let CurrentUser(user) = user.ok_or_else(unauthorized)?;
    Ok((user.clone(), guestbook.rights().by(Actor::User(user))))
}
