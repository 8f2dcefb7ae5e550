//! Preferences, with and without a login; and what others see of a user, which is one of
//! those things.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tower_guestbook::{
    Preferences, UserId,
    activity::{Activity, ActivityFilter, EventType, HistoryQuery},
    consent::PurposeId,
    preferences::{EntityTags, PreferenceRules, StandardPreferences, Viewer},
};

use crate::{
    App,
    answers::{Answer, NO_STORE, Path, Refusal, not_found, refuse, success},
    auth::parse_value,
};

/// The largest body that is read: no more than that can be stored.
pub(crate) const MAX_BODY: usize = 16 * 1024;

/// The number of page views in a profile.
const PROFILE_VIEWS: usize = 10;

/// It shows a decision: see [`rules`].
const ALLOW_ANALYTICS: (&str, &str) = ("privacy", "allow_analytics");

type Own = Preferences<StandardPreferences>;

pub(crate) fn rules() -> tower_guestbook::Result<PreferenceRules<StandardPreferences>> {
    let (category, key) = ALLOW_ANALYTICS;
    Ok(PreferenceRules::standard()?
        .negotiate_language("language", ["en", "de"])
        .negotiate_color_scheme("theme")
        .critical_color_scheme(true)
        .consent_view(format!("{category}.{key}"), PurposeId::ANALYTICS))
}

pub(crate) async fn get(own: Own, headers: HeaderMap) -> Response {
    let etag = own.etag();
    // Kept by the browser and by nobody else, and never shown without asking whether it still
    // holds.
    let kept = [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, "private, no-cache".to_owned())];
    if EntityTags::if_none_match(&headers).is_some_and(|known| known.match_weakly(&etag)) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, Json(own.value())).into_response()
}

/// Replaces the categories that the body names: what it leaves out of them goes back to its
/// default.
pub(crate) async fn put(own: Own, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Answer<Response> {
    let mut body = object(&headers, &["application/json"], body)?;
    let defaults = serde_json::to_value(StandardPreferences::default()).map_err(crate::Error::from)?;
    for (category, values) in body.as_object_mut().into_iter().flatten() {
        let (Some(values), Some(defaults)) = (values.as_object_mut(), defaults[category].as_object()) else { continue };
        // A decision can be changed, not forgotten.
        for key in defaults.keys().filter(|key| (category.as_str(), key.as_str()) != ALLOW_ANALYTICS) {
            values.entry(key).or_insert(Value::Null);
        }
    }
    change(own, &headers, &body).await
}

/// Changes what the body names (RFC 7396), and nothing else.
pub(crate) async fn patch(own: Own, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Answer<Response> {
    let body = object(&headers, &["application/merge-patch+json", "application/json"], body)?;
    change(own, &headers, &body).await
}

/// Sets `notifications` or `notifications.email` back.
pub(crate) async fn reset(mut own: Own, headers: HeaderMap, Path(path): Path<String>) -> Answer<impl IntoResponse> {
    let defaults = serde_json::to_value(StandardPreferences::default()).map_err(crate::Error::from)?;
    if path.split('.').try_fold(&defaults, |values, key| values.get(key)).is_none() {
        return Err(refuse(StatusCode::NOT_FOUND, "No such preference"));
    }
    own.reset(&path, EntityTags::if_match(&headers)).await.map_err(unprocessable)?;
    Ok((etag(&own), success("Preferences reset")))
}

/// What everybody may see of a user. Who has no public profile looks like one who does not exist.
pub(crate) async fn profile(State(app): State<App>, Path(id): Path<String>) -> Answer<impl IntoResponse> {
    let id: i64 = match id.parse() {
        Ok(id) => id,
        Err(_) => return Err(not_found().await),
    };
    let user = UserId::from(id);
    let preferences = app.guestbook.preferences::<StandardPreferences>().expect("main() configures them");
    let privacy = preferences.get(&user).await?.value.privacy;
    let name = app.users.name(id)?.filter(|_| privacy.shows_profile_to(Viewer::Other));
    let Some(name) = name else { return Err(not_found().await) };
    let mut profile = json!({ "user_id": id, "name": name });
    if privacy.shows_activity_to(Viewer::Other) {
        let views = ActivityFilter::new().user(user).event_type(EventType::PAGE_VIEW);
        // Restriction and objection count, whatever the preferences say.
        let views = HistoryQuery::new(views).limit(PROFILE_VIEWS);
        let history = app.guestbook.activities().history_for_others(views).await?;
        profile["page_views"] = history.activities.iter().map(page_view).collect();
    }
    // Preferences, restriction and objection can change what is shown at any time.
    Ok((NO_STORE, Json(profile)))
}

async fn change(mut own: Own, headers: &HeaderMap, patch: &Value) -> Answer<Response> {
    own.update(patch, EntityTags::if_match(headers)).await.map_err(unprocessable)?;
    Ok((etag(&own), success("Preferences updated")).into_response())
}

/// A JSON object that says something, in one of these media types.
fn object(headers: &HeaderMap, types: &[&str], body: Result<Bytes, BytesRejection>) -> Answer<Value> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim();
    if !types.iter().any(|known| known.eq_ignore_ascii_case(said)) {
        let problem = format!("The body must be {}", types.join(" or "));
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &problem));
    }
    match parse_value(&body?)? {
        Value::Object(body) if !body.is_empty() => Ok(body.into()),
        _ => Err(refuse(StatusCode::BAD_REQUEST, "Preferences required, a JSON object")),
    }
}

/// The body was JSON; what it says is wrong.
fn unprocessable(error: tower_guestbook::Error) -> Refusal {
    match error.kind() {
        tower_guestbook::ErrorKind::InvalidInput => refuse(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
        _ => error.into(),
    }
}

fn etag(own: &Own) -> [(HeaderName, String); 1] {
    [(header::ETAG, own.etag())]
}

/// Which page and when; not from where, with what and in which session.
fn page_view(activity: &Activity) -> Value {
    let event = &activity.event;
    let data = event.data.as_ref().and_then(|data| serde_json::to_value(data).ok()).unwrap_or_default();
    let route = event.request.as_ref().map(|request| &*request.route);
    json!({ "page": data["page"].as_str().or(route), "at": event.time })
}
