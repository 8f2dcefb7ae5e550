//! The routes of the test application.

use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderMap, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use tower_guestbook::{
    Consent, Error, Result, Session, Tracker,
    activity::Tracked,
    consent::{Choices, DecisionMethod, PurposeId},
};

use super::{all, id};

/// What a decision looks like on the wire: pairs of a purpose and `grant`, `decline` or a decision.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Wanted {
    made: Vec<(String, String)>,
    method: Option<DecisionMethod>,
    snapshot: Option<String>,
    source: Option<String>,
    actor: Option<String>,
}

impl Wanted {
    fn choices(self) -> Result<Choices> {
        let mut choices = Choices::new(self.method.unwrap_or(DecisionMethod::Custom));
        for (purpose, choice) in self.made {
            let purpose = PurposeId::new(&purpose)?;
            choices = match choice.as_str() {
                "grant" => choices.grant(purpose),
                "decline" => choices.decline(purpose),
                decision => choices.decide(purpose, serde_json::from_value(json!(decision)).unwrap()),
            };
        }
        choices = self.snapshot.into_iter().fold(choices, Choices::notice);
        choices = self.source.into_iter().fold(choices, Choices::source);
        Ok(self.actor.into_iter().fold(choices, Choices::actor))
    }
}

/// A route for each thing that somebody can do.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/page", get(async || Html("<p>hello")))
        .route("/allows/{purpose}", get(async |consent: Consent, Path(p): Path<String>| Json(consent.allows(id(&p)))))
        .route("/states", get(async |consent: Consent| Json(consent.states())))
        .route("/public", get(public))
        .route("/offer", get(prompt))
        .route("/decide", post(decide))
        .route("/withdraw/{purpose}", post(withdraw))
        .route("/history", get(async |consent: Consent| Ok::<_, Error>(Json(consent.history(100, None).await?))))
        .route("/receipt", get(async |consent: Consent| Ok::<_, Error>(Json(consent.receipt().await?))))
        .route("/login/{user}", post(login))
        .route("/logout", post(async |session: Session| session.logout().await))
        .route("/session", get(async |session: Session| Json(json!({ "id": session.id(), "user": session.user_id() }))))
        .route("/begin", post(async |session: Session| session.insert("seen", &true)))
        .route("/cookies", get(async |headers: HeaderMap| all(&headers, header::COOKIE).join("; ")))
        .route("/set-cookies", get(async || set_cookies()).post(withdraw_and_set_cookies))
        .route("/track/{kind}", post(track))
        .route("/track-durable/{kind}", post(track_durable))
}

/// A page that its author takes for public.
async fn public(consent: Consent) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=60")], Json(consent.allows(PurposeId::MARKETING))).into_response()
}

async fn prompt(consent: Consent, headers: HeaderMap) -> Result<impl IntoResponse> {
    let language = headers.get(header::ACCEPT_LANGUAGE).map_or("", |value| value.to_str().unwrap());
    Ok(Json(consent.prompt(language).await?))
}

/// Answers with where everything stands for the rest of this request.
async fn decide(consent: Consent, Json(wanted): Json<Wanted>) -> Result<impl IntoResponse> {
    consent.decide(wanted.choices()?).await?;
    Ok(Json(consent.states()))
}

async fn withdraw(consent: Consent, Path(purpose): Path<String>) -> Result<impl IntoResponse> {
    consent.withdraw(PurposeId::new(&purpose)?).await?;
    Ok(Json(consent.states()))
}

async fn login(session: Session, consent: Consent, Path(user): Path<String>) -> Result<impl IntoResponse> {
    session.login(user).await?;
    Ok(Json(consent.states()))
}

fn set_cookies() -> Response {
    let cookies = ["csrf=1; Path=/", "ads=2; Path=/", "ads_7=3; Path=/; Domain=example.com", "unknown=4", "adsx=5"];
    let mut response = "set".into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie.parse().unwrap());
    }
    response
}

async fn withdraw_and_set_cookies(consent: Consent) -> Result<Response> {
    consent.withdraw(PurposeId::MARKETING).await?;
    Ok(set_cookies())
}

async fn track(tracker: Tracker, Path(kind): Path<String>) -> Result<Json<Tracked>> {
    tracker.track(kind.as_str(), &json!({ "secret": 1 })).map(Json)
}

async fn track_durable(tracker: Tracker, Path(kind): Path<String>) -> Result<Json<Tracked>> {
    tracker.track_durable(kind.as_str(), &json!({ "secret": 1 })).await.map(Json)
}
