//! The session of the request, the sessions of the user, the sessions of everybody.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use serde_json::{Value, json};
use tower_guestbook::{CurrentUserId, Session, Tracker, UserId};

use crate::{
    App,
    answers::{Answer, Path, refuse, success, unauthorized},
    auth::parse_value,
    tracking,
};

/// The user whom the guestbook knows by this id administers the others.
const ADMIN: &str = "1";

pub(crate) async fn current(session: Session) -> Answer {
    let user = session.user_id().ok_or_else(unauthorized)?;
    Ok(Json(json!({
        "session": {
            "id": session.id(),
            "created_at": session.created_at(),
            "authenticated_at": session.authenticated_at(),
            "last_seen": session.last_seen(),
            "expires_at": session.expires_at(),
            "keys": session.keys(),
        },
        "user_id": number(&user),
        "is_admin": user.as_str() == ADMIN,
    })))
}

/// One-shot messages: `POST`, because showing them takes them away.
pub(crate) async fn messages(session: Session) -> Answer {
    Ok(Json(json!({ "messages": session.take_flashes().await? })))
}

pub(crate) async fn list(session: Session) -> Answer {
    Ok(Json(json!({ "sessions": session.list().await? })))
}

pub(crate) async fn revoke(session: Session, Path(id): Path<String>) -> Answer {
    session.user_id().ok_or_else(unauthorized)?;
    let ended = match id.parse() {
        Ok(id) => session.revoke(id).await?,
        Err(_) => false,
    };
    if ended { Ok(success("Session ended")) } else { Err(refuse(StatusCode::NOT_FOUND, "No such session")) }
}

pub(crate) async fn logout_others(session: Session) -> Answer {
    let ended = session.logout_others().await?;
    Ok(Json(json!({ "status": "success", "message": "Other sessions ended", "ended_sessions": ended })))
}

pub(crate) async fn logout_everywhere(session: Session) -> Answer {
    let ended = session.logout_everywhere().await?;
    Ok(Json(json!({ "status": "success", "message": "All sessions ended", "ended_sessions": ended })))
}

pub(crate) async fn get_data(session: Session, Path(key): Path<String>) -> Answer {
    let value: Option<Value> = session.get(&key)?;
    let value = value.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "No such key"))?;
    Ok(Json(json!({ "key": key, "value": value })))
}

pub(crate) async fn put_data(
    session: Session,
    tracker: Tracker,
    Path(key): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let value = parse_value(&body?)?;
    session.insert(&key, &value)?;
    // What is noted below must have happened.
    session.save().await?;
    if let ("note", Some(note)) = (key.as_str(), value.as_str()) {
        tracking::note_kept(&tracker, note)?;
    }
    Ok(success("Stored"))
}

pub(crate) async fn delete_data(session: Session, Path(key): Path<String>) -> Answer {
    match session.take::<Value>(&key).await? {
        Some(_) => Ok(success("Removed")),
        None => Err(refuse(StatusCode::NOT_FOUND, "No such key")),
    }
}

pub(crate) async fn admin_revoke_user(
    State(app): State<App>,
    user: Option<CurrentUserId>,
    Path(id): Path<String>,
) -> Answer {
    check_admin(user)?;
    let ended = app.guestbook.sessions().revoke_user(&UserId::try_from(id)?).await?;
    Ok(Json(json!({ "status": "success", "message": "The user's sessions ended", "ended_sessions": ended })))
}

pub(crate) async fn admin_revoke_all(State(app): State<App>, user: Option<CurrentUserId>) -> Answer {
    check_admin(user)?;
    let ended = app.guestbook.sessions().revoke_all().await?;
    Ok(Json(json!({ "status": "success", "message": "All sessions ended", "ended_sessions": ended })))
}

pub(crate) fn check_admin(user: Option<CurrentUserId>) -> Answer<()> {
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    if user.as_str() == ADMIN { Ok(()) } else { Err(refuse(StatusCode::FORBIDDEN, "Forbidden")) }
}

/// This application's ids are numbers.
fn number(user: &UserId) -> Value {
    user.as_str().parse::<i64>().map_or(Value::Null, Value::from)
}
