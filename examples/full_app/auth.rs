//! Login, logout, change of password.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, State, rejection::BytesRejection},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_guestbook::{CurrentUserId, Guestbook, Session, UserId, session, session::Lifetime};

use crate::{
    App,
    answers::{Answer, Refusal, refuse, success, unauthorized, wait},
    attempts::Account,
    users::Users,
};

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    #[serde(default)]
    remember: bool,
}

pub(crate) async fn login(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    session: Session,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let login: Login = parse(&body?, "Username and password required")?;
    // Longer ones cannot be right; they would only fill memory.
    if login.username.len() > 255 || login.password.len() > 1_024 {
        return Err(refuse(StatusCode::UNAUTHORIZED, "Invalid credentials"));
    }
    // Before the hash is read: a login that verifies a password while it changes is refused.
    let id = UserId::from(app.users.id(&login.username)?.unwrap_or_default());
    let epoch = app.guestbook.sessions().credential_epoch(&id).await?;
    let checked = app.users.authenticate(&login.username, &login.password);
    let Some(user) = check(&app, Account::Name(login.username.clone()), peer, checked).await? else {
        return Err(refuse(StatusCode::UNAUTHORIZED, "Invalid credentials"));
    };
    let lifetime = if login.remember { Lifetime::remembered() } else { Lifetime::default() };
    session.log_in(session::Login::new(user).lifetime(lifetime).epoch(epoch)).await?;
    // A session that is full has no room for a greeting; the user is logged in all the same.
    if let Err(error) = session.flash("info", &format!("Welcome, {}.", login.username)) {
        tracing::debug!(%error, "no greeting");
    }
    // For clients without cookies, which send it as `X-Session-ID`. Browsers have their cookie, out
    // of reach of scripts.
    let token = session.issued_token().map(|token| token.expose_secret().to_string());
    Ok(Json(json!({ "status": "success", "message": "Login successful", "session_id": token, "user_id": user })))
}

pub(crate) async fn logout(session: Session) -> Answer {
    if !session.exists() {
        return Err(unauthorized());
    }
    session.logout().await?;
    Ok(success("Logged out"))
}

#[derive(Deserialize)]
struct ChangePassword {
    old_password: String,
    new_password: String,
}

/// Behind a gate for recent logins. Ends the other sessions of the user.
pub(crate) async fn change_password(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    CurrentUserId(user): CurrentUserId,
    session: Session,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let change: ChangePassword = parse(&body?, "Old and new password required")?;
    let length = change.new_password.chars().count();
    if !(8..=128).contains(&length) {
        return Err(refuse(StatusCode::BAD_REQUEST, "A password has 8 to 128 characters"));
    }
    let id = user.as_str().parse().map_err(|_| unauthorized())?;
    let changed = app.users.change_password(id, &change.old_password, &change.new_password);
    let changed = async { Ok(changed.await?.then_some(())) };
    if check(&app, Account::Id(id), peer, changed).await?.is_none() {
        return Err(refuse(StatusCode::FORBIDDEN, "The old password is not right"));
    }
    let ended = match session.credentials_changed().await {
        Ok(ended) => ended,
        Err(error) => {
            // The password has changed. Those who know the old one are logged out as soon as the store takes it.
            tokio::spawn(finish_password_change(app.guestbook.clone(), app.users.clone(), id));
            return Err(error.into());
        }
    };
    app.users.password_change_is_done(id)?;
    Ok(Json(json!({ "status": "success", "message": "Password changed", "ended_sessions": ended })))
}

/// Ends the sessions from before changes of passwords that a stop or a failing store interrupted.
pub(crate) fn finish_password_changes(guestbook: &Guestbook, users: &Arc<Users>) -> Result<(), crate::Error> {
    for id in users.password_changes()? {
        tokio::spawn(finish_password_change(guestbook.clone(), users.clone(), id));
    }
    Ok(())
}

async fn finish_password_change(guestbook: Guestbook, users: Arc<Users>, id: i64) {
    loop {
        let ended = guestbook.sessions().credentials_changed(&UserId::from(id)).await;
        let done = ended.map_err(crate::Error::from).and_then(|_| users.password_change_is_done(id));
        match done {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "sessions from before a change of password could not be ended yet"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Checks a password with `checked`, if it may be tried now. Only a wrong one, `None`, counts as a
/// failure.
async fn check<T>(
    app: &App,
    account: Account,
    peer: SocketAddr,
    checked: impl Future<Output = Result<Option<T>, crate::Error>>,
) -> Answer<Option<T>> {
    // Attempts under way count as failures until they are judged: several right ones at once wait for each other.
    let mut attempt = app.attempts.begin(account.clone(), peer.ip(), Instant::now());
    for _ in 0..MOST_WAITS {
        if attempt.is_ok() || !app.attempts.are_pending() {
            break;
        }
        tokio::time::sleep(WAIT).await;
        attempt = app.attempts.begin(account.clone(), peer.ip(), Instant::now());
    }
    let attempt = attempt.map_err(|left| wait("Too many failed logins", left))?;
    tokio::time::sleep(attempt.delay).await;
    let checked = checked.await;
    if !matches!(checked, Ok(None)) {
        app.attempts.forgive(attempt);
    }
    Ok(checked?)
}

/// How often, and how long each time, an attempt waits for others of its account or network.
const MOST_WAITS: u32 = 40;
const WAIT: Duration = Duration::from_millis(50);

/// A `T` in JSON, or `problem` if it is JSON but no `T`.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], problem: &str) -> Result<T, Refusal> {
    let value: Result<T, _> = serde_json::from_slice(body);
    value.map_err(|error| {
        let problem = if error.is_data() { problem } else { "The body must be JSON" };
        refuse(StatusCode::BAD_REQUEST, problem)
    })
}

/// JSON of any shape.
pub(crate) fn parse_value(body: &[u8]) -> Result<Value, Refusal> {
    parse(body, "The body must be JSON")
}
