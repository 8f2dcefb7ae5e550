//! What users do: a user's own summary and journey, and for the administrator everything else.

use std::{collections::HashMap, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tower_guestbook::{
    CurrentUserId, Timestamp,
    activity::{ActivityFilter, EventType},
    analytics::{Analytics, CohortQuery, Funnel, FunnelStep, Overview, PatternQuery, Period, Range, Zone},
};

use crate::{
    App,
    answers::{Answer, Refusal, refuse, unauthorized},
    report_text,
    sessions::check_admin,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The longest range that is answered.
const MAX_HOURS: u64 = 24 * 366;

/// The longest list.
const MAX_LIMIT: usize = 100;

/// What is asked, by name.
struct Asked(HashMap<String, String>);

pub(crate) async fn user(State(app): State<App>, user: Option<CurrentUserId>) -> Answer {
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    catch_up(&app).await;
    Ok(Json(json!(app.guestbook.analytics().on_behalf_of(&user).user_summary(user).await?)))
}

pub(crate) async fn journey(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    let CurrentUserId(user) = user.ok_or_else(unauthorized)?;
    let asked = Asked::of(&uri);
    let (range, limit) = (asked.range()?, asked.limit()?);
    catch_up(&app).await;
    // One question at a time for each user.
    let journey = app.guestbook.analytics().on_behalf_of(&user).journey(user, None, range, limit).await?;
    let steps: Vec<_> = journey
        .steps
        .iter()
        .map(|step| {
            let (event_type, data) = (&step.event_type, &step.data);
            json!({ "event_type": event_type, "event_data": data, "timestamp": step.time, "new_visit": step.new_visit })
        })
        .collect();
    Ok(Json(json!({ "steps": steps.len(), "journey": steps, "is_cut": journey.is_cut })))
}

pub(crate) async fn active_users(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    let (analytics, asked) = (admin(&app, user)?, Asked::of(&uri));
    let hours = asked.hours()?;
    let window = HOUR * u32::try_from(hours).unwrap_or(u32::MAX);
    let active = analytics.active_users(now(), window).await?;
    Ok(Json(json!({ "hours": hours, "active_users": active })))
}

/// Events and active users of each `period`, an hour or a day.
pub(crate) async fn series(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    let (analytics, asked) = (admin(&app, user)?, Asked::of(&uri));
    let period = match asked.0.get("period").map(String::as_str) {
        None | Some("day") => Period::Day,
        Some("hour") => Period::Hour,
        Some(_) => return Err(wrong("period", "hour or day")),
    };
    let series = analytics.activity_series(asked.range()?, period, asked.zone()?, ActivityFilter::new()).await?;
    Ok(Json(json!(series)))
}

pub(crate) async fn pages(state: State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    overview(state, user, uri, |overview| json!({ "pages": overview.popular_pages })).await
}

pub(crate) async fn hours(state: State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    overview(state, user, uri, |overview| json!({ "hours": overview.activity_by_hour })).await
}

pub(crate) async fn top_users(state: State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    overview(state, user, uri, |overview| json!({ "users": overview.top_users })).await
}

pub(crate) async fn sessions(state: State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    overview(state, user, uri, |overview| json!({ "sessions": overview.sessions, "visits": overview.visits })).await
}

/// `types`, if they are given, are the only event types that count: a list with commas between
/// them.
pub(crate) async fn patterns(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    let (analytics, asked) = (admin(&app, user)?, Asked::of(&uri));
    let query =
        PatternQuery::new().limit(asked.limit()?).longest(asked.number("longest", 4, 2..=PatternQuery::MAX_LENGTH)?);
    let query = match asked.0.get("types") {
        Some(types) => query.types(event_types("types", types)?),
        None => query,
    };
    Ok(Json(json!(analytics.common_patterns(asked.range()?, query).await?)))
}

/// `steps` is a list of event types, with commas between them.
pub(crate) async fn funnel(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    let (analytics, asked) = (admin(&app, user)?, Asked::of(&uri));
    let steps = asked.0.get("steps").map(String::as_str).unwrap_or_default();
    let funnel = Funnel::new(event_types("steps", steps)?.into_iter().map(FunnelStep::new));
    Ok(Json(json!(analytics.funnel(asked.range()?, funnel).await?)))
}

pub(crate) async fn retention(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer {
    let (analytics, asked) = (admin(&app, user)?, Asked::of(&uri));
    let period = match asked.0.get("period").map(String::as_str) {
        None | Some("week") => Period::Week,
        Some("day") => Period::Day,
        Some("month") => Period::Month,
        Some(_) => return Err(wrong("period", "day, week or month")),
    };
    Ok(Json(json!(analytics.cohort_retention(asked.range()?, CohortQuery::new(period).zone(asked.zone()?)).await?)))
}

/// As JSON, or with `format=text` as a table.
pub(crate) async fn report(State(app): State<App>, user: Option<CurrentUserId>, uri: Uri) -> Answer<Response> {
    let report = admin(&app, user)?.system_report(now()).await?;
    match Asked::of(&uri).0.get("format").map(String::as_str) {
        None | Some("json") => Ok(Json(report).into_response()),
        Some("text") => Ok(report_text::text(&report).into_response()),
        Some(_) => Err(wrong("format", "json or text")),
    }
}

/// Compares the rollups with the events, from which everything is computed again.
pub(crate) async fn rollups(State(app): State<App>, user: Option<CurrentUserId>) -> Answer {
    Ok(Json(json!(admin(&app, user)?.check_rollups().await?)))
}

pub(crate) async fn rebuild_rollups(State(app): State<App>, user: Option<CurrentUserId>) -> Answer {
    let analytics = admin(&app, user)?;
    analytics.rebuild_rollups().await?;
    Ok(Json(json!(analytics.check_rollups().await?)))
}

async fn overview(
    State(app): State<App>,
    user: Option<CurrentUserId>,
    uri: Uri,
    answer: impl FnOnce(Overview) -> Value,
) -> Answer {
    let (analytics, asked) = (admin(&app, user)?, Asked::of(&uri));
    let range = asked.range()?;
    let overview = analytics.overview(range, asked.zone()?, ActivityFilter::new(), asked.limit()?).await?;
    let unread = overview.unread.clone();
    let mut answer = answer(overview);
    if !unread.is_empty() {
        answer["unread"] = json!(unread);
    }
    Ok(Json(answer))
}

fn admin(app: &App, user: Option<CurrentUserId>) -> Answer<&Analytics> {
    check_admin(user)?;
    Ok(app.guestbook.analytics())
}

/// So that what the user did a moment ago is there.
async fn catch_up(app: &App) {
    if let Err(error) = app.guestbook.flush().await {
        tracing::warn!(%error, "the answer may lack the last events");
    }
}

impl Asked {
    fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// From `from` to before `until`, both in milliseconds since 1970; or the last `hours`, a week
    /// by default.
    fn range(&self) -> Answer<Range> {
        let moment = |name: &str| -> Answer<Option<Timestamp>> {
            let millis = self.0.get(name).map(|text| text.parse().map_err(|_| wrong(name, "milliseconds since 1970")));
            Ok(millis.transpose()?.map(Timestamp::from_millis))
        };
        // What happened in this very moment has happened.
        let until = moment("until")?.unwrap_or_else(|| now().after(Duration::from_millis(1)));
        let hours = i64::try_from(self.hours_or(24 * 7)?).unwrap_or(i64::MAX);
        let from = moment("from")?
            .unwrap_or_else(|| Timestamp::from_millis(until.as_millis().saturating_sub(hours * 3_600_000)));
        if until.since(from) > HOUR * u32::try_from(MAX_HOURS).unwrap_or(u32::MAX) {
            return Err(wrong("from", "the range has at most 366 days"));
        }
        Range::new(from, until).map_err(|error| wrong("until", &error.to_string()))
    }

    fn hours(&self) -> Answer<u64> {
        self.hours_or(24)
    }

    fn hours_or(&self, default: u64) -> Answer<u64> {
        let max = usize::try_from(MAX_HOURS).unwrap_or(usize::MAX);
        let default = usize::try_from(default).unwrap_or(usize::MAX);
        Ok(self.number("hours", default, 1..=max)? as u64)
    }

    fn limit(&self) -> Answer<usize> {
        self.number("limit", 10, 1..=MAX_LIMIT)
    }

    fn zone(&self) -> Answer<Zone> {
        let zone = self.0.get("zone").map(|name| Zone::named(name));
        zone.transpose().map(Option::unwrap_or_default).map_err(|error| wrong("zone", &error.to_string()))
    }

    fn number(&self, name: &str, default: usize, allowed: std::ops::RangeInclusive<usize>) -> Answer<usize> {
        let Some(text) = self.0.get(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| allowed.contains(number));
        number.ok_or_else(|| wrong(name, &format!("a number from {} to {}", allowed.start(), allowed.end())))
    }
}

fn event_types(parameter: &str, list: &str) -> Answer<Vec<EventType>> {
    list.split(',').map(|name| EventType::new(name).map_err(|error| wrong(parameter, &error.to_string()))).collect()
}

fn wrong(parameter: &str, problem: &str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, &format!("{parameter}: {problem}"))
}

fn now() -> Timestamp {
    tower_guestbook::Clock::system().now()
}
