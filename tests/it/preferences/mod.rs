//! Preferences: whose value takes effect, what is kept of it, and that nobody loses a change.

mod consent_views;
mod hints;
mod languages;
mod model;
mod overrides;
mod precedence;
mod removals;
mod schemas;
mod settings;
mod stores;
mod strangers;
mod versions;

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tower_guestbook::{
    Consent, Error, Guestbook, Preferences, Session, UserId,
    consent::PurposeId,
    preferences::{EntityTags, PreferenceRules, Schema, StandardPreferences},
    store::PreferenceStore,
};

use crate::support::{Answer, send};

/// What preferences can be of.
trait Likes: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> Likes for T {}

/// The standard preferences, with what a browser may ask for.
fn negotiating() -> PreferenceRules<StandardPreferences> {
    PreferenceRules::standard()
        .unwrap()
        .negotiate_language("language", ["en", "de", "zh-Hant"])
        .negotiate_color_scheme("theme")
}

fn rules_of<T: Likes>() -> PreferenceRules<T> {
    PreferenceRules::new(Schema::new().unwrap())
}

fn app_of<T: Likes>(guestbook: &Guestbook) -> Router {
    routes::<T>().layer(guestbook.layer())
}

/// An application on the standard preferences.
fn app(guestbook: &Guestbook) -> Router {
    app_of::<StandardPreferences>(guestbook)
}

fn routes<T: Likes>() -> Router {
    Router::new()
        .route("/plain", get(async || "hello"))
        .route("/preferences", get(show::<T>).patch(change::<T>))
        .route("/preferences/{path}", delete(reset::<T>))
        .route("/ignored", get(async |preferences: Preferences<T>| Json(preferences.ignored().to_vec())))
        .route("/login/{user}", get(async |session: Session, Path(user): Path<String>| session.login(user).await))
        .route("/logout", get(async |session: Session| session.logout().await))
        .route(
            "/withdraw/{purpose}",
            get(async |consent: Consent, Path(purpose): Path<String>| {
                consent.withdraw(PurposeId::new(&purpose)?).await
            }),
        )
        .route("/decisions", get(async |consent: Consent| Ok::<_, Error>(Json(consent.history(100, None).await?))))
}

async fn show<T: Likes>(preferences: Preferences<T>) -> Response {
    ([(header::ETAG, preferences.etag())], Json(preferences.value())).into_response()
}

async fn change<T: Likes>(
    mut preferences: Preferences<T>,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> tower_guestbook::Result<Response> {
    let updated = preferences.update(&patch, EntityTags::if_match(&headers)).await;
    // Nor does a log show a value, with all that is below the error.
    updated.inspect_err(|error| assert!(!format!("{error:?}").contains("needle"), "{error:?}"))?;
    Ok(show(preferences).await)
}

async fn reset<T: Likes>(
    mut preferences: Preferences<T>,
    headers: HeaderMap,
    Path(path): Path<String>,
) -> tower_guestbook::Result<Response> {
    preferences.reset(&path, EntityTags::if_match(&headers)).await?;
    Ok(show(preferences).await)
}

/// A browser: it keeps all cookies and sends the same headers with each request.
#[derive(Clone)]
struct Browser {
    app: Router,
    cookies: BTreeMap<String, String>,
    headers: Vec<(&'static str, String)>,
}

impl Browser {
    fn new(app: &Router) -> Self {
        Self { app: app.clone(), cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// Sends `name` with each request from now on, beside others of this name.
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A browser in which `user` is logged in.
    async fn of(app: &Router, user: &str) -> Self {
        let mut browser = Self::new(app);
        browser.login(user).await;
        browser
    }

    /// The same browser on another process.
    fn at(&self, app: &Router) -> Self {
        Self { app: app.clone(), ..self.clone() }
    }

    async fn ask(&mut self, method: Method, path: &str, more: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        let ours = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in ours.chain(more.iter().copied()) {
            request = request.header(name, value);
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let answer = send(&self.app, request.unwrap()).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        let answer = self.ask(Method::GET, path, &[], None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer
    }

    async fn login(&mut self, user: &str) {
        self.get(&format!("/login/{user}")).await;
    }

    async fn patch(&mut self, patch: Value) -> Answer {
        self.ask(Method::PATCH, "/preferences", &[], Some(&patch)).await
    }

    async fn patch_if(&mut self, tag: &str, patch: Value) -> Answer {
        self.ask(Method::PATCH, "/preferences", &[("if-match", tag)], Some(&patch)).await
    }

    /// The value after a change that must go well.
    async fn set(&mut self, patch: Value) -> Value {
        let answer = self.patch(patch).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    async fn reset(&mut self, path: &str) -> Value {
        let answer = self.ask(Method::DELETE, &format!("/preferences/{path}"), &[], None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    async fn value(&mut self) -> Value {
        self.get("/preferences").await.json()
    }

    async fn etag(&mut self) -> String {
        self.get("/preferences").await.header(header::ETAG).unwrap().to_owned()
    }
}

fn user(name: &str) -> UserId {
    UserId::try_from(name).unwrap()
}

/// What is stored of a user: the overrides, and how often they changed.
async fn stored(store: &impl PreferenceStore, name: &str) -> (Value, u64) {
    let stored = store.preferences(user(name)).await.unwrap();
    (serde_json::from_str(&stored.overrides.to_json()).unwrap(), stored.version)
}

/// The defaults of the standard preferences, with `patch` in them.
fn standard(patch: Value) -> Value {
    let mut value = json!({
        "theme": "light",
        "language": "en",
        "notifications": { "email": true, "push": false, "sms": false },
        "privacy": { "profile_public": false, "show_activity": true, "allow_analytics": true },
    });
    merge(&mut value, &patch);
    value
}

/// RFC 7396, for values without null.
fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(json!({})), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}
