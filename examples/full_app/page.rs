//! The page, which is a few files, and the headers that keep it what it is.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tower_guestbook::{
    Preferences,
    preferences::{StandardPreferences, Theme},
};

use crate::App;

pub(crate) async fn index(preferences: Preferences<StandardPreferences>) -> impl IntoResponse {
    html(include_str!("page/index.html"), &preferences)
}

/// A page in the user's theme and language from its first byte on. Not to be kept: the back button
/// after a logout must ask again.
pub(crate) fn html(template: &str, preferences: &StandardPreferences) -> impl IntoResponse + use<> {
    let theme = match preferences.theme {
        Theme::Light => "light",
        Theme::Dark => "dark",
        Theme::System => "system",
    };
    // A language tag consists of letters, digits and hyphens: the library reads no other.
    let html = format!(r#"<html lang="{}" data-theme="{theme}">"#, preferences.language);
    ([(header::CACHE_CONTROL, "no-store")], Html(template.replacen(HTML, &html, 1)))
}

/// How the templates begin.
const HTML: &str = r#"<html lang="en" data-theme="light">"#;

/// A route for each script. A browser runs them in the order in which the page names them.
pub(crate) fn scripts() -> Router<App> {
    SCRIPTS.into_iter().fold(Router::new(), |router, (path, text)| {
        router.route(path, get(async move || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text)))
    })
}

const SCRIPTS: [(&str, &str); 9] = [
    ("/app.js", include_str!("page/app.js")),
    ("/consent.js", include_str!("page/consent.js")),
    ("/preferences.js", include_str!("page/preferences.js")),
    ("/data.js", include_str!("page/data.js")),
    ("/rights.js", include_str!("page/rights.js")),
    ("/erasure.js", include_str!("page/erasure.js")),
    ("/charts.js", include_str!("page/charts.js")),
    ("/figures.js", include_str!("page/figures.js")),
    ("/dashboard.js", include_str!("page/dashboard.js")),
];

pub(crate) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/style.css"))
}

pub(crate) async fn icon() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, include_str!("page/favicon.svg"))
}

/// Whether requests can be served. The log says why not.
pub(crate) async fn health(State(app): State<App>) -> (StatusCode, Json<Value>) {
    match app.guestbook.health().await {
        Ok(()) => (StatusCode::OK, Json(json!({ "status": "healthy" }))),
        Err(error) => {
            tracing::error!(%error, "the server is not healthy");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unhealthy" })))
        }
    }
}

/// No script but ours, no frame around us, no guessing of types.
pub(crate) async fn security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
