//! What the administrator may know of the processing of data: whether the audit trail is what was
//! recorded, and the record of processing. What users may do about their own data is the
//! guestbook's router.

use axum::{Json, extract::State, response::IntoResponse};
use serde_json::json;
use tower_guestbook::CurrentUserId;

use crate::{
    App,
    answers::{Answer, NO_STORE},
    sessions::check_admin,
};

/// Whether the trail is what was recorded.
pub(crate) async fn verify(State(app): State<App>, user: Option<CurrentUserId>) -> Answer<impl IntoResponse> {
    check_admin(user)?;
    Ok((NO_STORE, Json(json!({ "report": app.guestbook.audit().verify(None).await? }))))
}

/// The record of processing activities (GDPR, Article 30).
pub(crate) async fn processing(State(app): State<App>, user: Option<CurrentUserId>) -> Answer<impl IntoResponse> {
    check_admin(user)?;
    Ok(Json(app.guestbook.processing_records()))
}
