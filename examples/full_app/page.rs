//! The page, which is a few files, and the headers that keep it what it is.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};
use tower_guestbook::{
    Preferences,
    preferences::{StandardPreferences, Theme},
};

pub(crate) async fn index(preferences: Preferences<StandardPreferences>) -> impl IntoResponse {
    html(include_str!("page/index.html"), &preferences)
}

/// A page in the guest's theme and language from its first byte on. Not to be kept: the back button after a logout must ask
/// again.
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

pub(crate) async fn script() -> impl IntoResponse {
    javascript(include_str!("page/app.js"))
}

pub(crate) async fn consent_script() -> impl IntoResponse {
    javascript(include_str!("page/consent.js"))
}

pub(crate) async fn preferences_script() -> impl IntoResponse {
    javascript(include_str!("page/preferences.js"))
}

pub(crate) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/style.css"))
}

fn javascript(text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text)
}

pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "healthy" }))
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
