//! What was recorded: a user's own history, and for the administrator how the recorder is doing.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
};
use serde_json::json;
use tower_guestbook::{
    CurrentUserId, UserId,
    activity::{ActivityFilter, EventType, HistoryPage, HistoryQuery, Order},
};

use crate::{
    App,
    answers::{Answer, Refusal, refuse, unauthorized},
    sessions::check_admin,
};

const MAX_LIMIT: usize = 200;

/// A page of the user's own history.
pub(crate) async fn own(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer<Json<HistoryPage>> {
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    let query = query(user, uri.query().unwrap_or_default())?;
    // So that what the user did a moment ago is there. An older history is better than none.
    if let Err(error) = app.guestbook.flush().await {
        tracing::warn!(%error, "the history may lack the last events");
    }
    Ok(Json(app.guestbook.activities().history(query).await?))
}

pub(crate) async fn recorder(State(app): State<App>, user: Option<CurrentUserId>) -> Answer {
    check_admin(user)?;
    let skipped = app.guestbook.activity_layer().skipped();
    Ok(Json(json!({ "recorder": app.guestbook.recorder().stats(), "skipped": skipped })))
}

/// `type`, `limit`, `order` and `after`, a cursor that goes on in the order of its page whatever
/// `order` says.
fn query(user: UserId, text: &str) -> Result<HistoryQuery, Refusal> {
    let (mut filter, mut limit, mut order, mut after) = (ActivityFilter::new().user(user), 50, Order::default(), None);
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let refuse = |problem: &str| refuse(StatusCode::BAD_REQUEST, &format!("{name}: {problem}"));
        match &*name {
            "type" => {
                filter = filter.event_type(EventType::new(&value).map_err(|error| refuse(&error.to_string()))?);
            }
            "limit" => {
                let number = value.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
                limit = number.ok_or_else(|| refuse(&format!("a number from 1 to {MAX_LIMIT}")))?;
            }
            "order" => {
                order = match &*value {
                    "newest" => Order::NewestFirst,
                    "oldest" => Order::OldestFirst,
                    _ => return Err(refuse("newest or oldest")),
                };
            }
            "after" => after = Some(value.parse().map_err(|error: tower_guestbook::Error| refuse(&error.to_string()))?),
            _ => {}
        }
    }
    let query = HistoryQuery::new(filter).limit(limit).order(order);
    Ok(match after {
        Some(cursor) => query.after(cursor),
        None => query,
    })
}
