//! Negotiation without a login, and the headers of responses.

use axum::http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};
use tower_guestbook::{
    Guestbook, Preferences,
    preferences::{PreferenceRules, StandardPreferences},
    store::MemoryStore,
};

use super::{Browser, app, negotiating, standard};
use crate::support::{Answer, builder, faulty_store::FaultyStore};

fn guestbook() -> Guestbook {
    builder(MemoryStore::new()).0.preferences(negotiating()).build().unwrap()
}

const LANGUAGE: &str = "accept-language";
const SCHEME: &str = "sec-ch-prefers-color-scheme";

#[tokio::test]
async fn negotiate_language_follows_accept_language_or_the_default() {
    let app = app(&guestbook());
    let long = format!("{}de", "fr,".repeat(500));
    let cases: [(&[&str], &str); 19] = [
        (&[], "en"),
        (&[""], "en"),
        (&["de"], "de"),
        (&["de-AT, en;q=0.5"], "de"),
        (&["fr, de;q=0.2, en;q=0.1"], "de"),
        (&["en;q=0.1, de;q=0.9"], "de"),
        (&["ZH-hant-tw"], "zh-Hant"),
        (&["zh"], "en"),
        (&["fr, es"], "en"),
        (&["*"], "en"),
        (&["de;q=0, *"], "en"),
        (&["de;q=7, en;q=x, ;;, =, -de"], "en"),
        (&["de;q=1.0000"], "en"),
        (&["d\u{e9}"], "en"),
        (&["fr", "de"], "de"),
        (&["de;q=0.1", "zh-Hant;q=0.2", "en;q=0.1"], "zh-Hant"),
        (&["de", "de;q=0"], "en"),
        (&["d\u{e9}, zh-Hant", "de"], "de"),
        (&[&long], "en"),
    ];
    for (lines, language) in cases {
        let mut stranger = Browser::new(&app);
        for line in lines {
            stranger = stranger.with(LANGUAGE, *line);
        }
        assert_eq!(stranger.value().await, standard(json!({ "language": language })), "{lines:?}");
    }
}

#[tokio::test]
async fn negotiate_color_scheme_follows_the_client_hint() {
    let app = app(&guestbook());
    for (hint, theme) in [
        (r#""dark""#, "dark"),
        (r#""light""#, "light"),
        ("dark", "dark"),
        ("light", "light"),
        ("dark;q=1", "dark"),
        (r#""Dark""#, "light"),
        (r#""system""#, "light"),
        (r#""dark"#, "light"),
        (r#""dark", "light""#, "light"),
        ("\"d\u{e4}rk\"", "light"),
        ("", "light"),
    ] {
        let mut stranger = Browser::new(&app).with(SCHEME, hint);
        assert_eq!(stranger.value().await, standard(json!({ "theme": theme })), "{hint}");
    }
}

#[tokio::test]
async fn language_and_colour_scheme_are_negotiated_together() {
    let app = app(&guestbook());
    let mut stranger = Browser::new(&app).with(LANGUAGE, "de").with(SCHEME, r#""dark""#);
    for _ in 0..2 {
        assert_eq!(stranger.value().await, standard(json!({ "language": "de", "theme": "dark" })));
    }
    // What was worked out for one is not given to another.
    assert_eq!(Browser::new(&app).with(LANGUAGE, "de").value().await, standard(json!({ "language": "de" })));
    assert_eq!(Browser::new(&app).with(SCHEME, r#""dark""#).value().await, standard(json!({ "theme": "dark" })));
    assert_eq!(Browser::new(&app).value().await, standard(json!({})));
}

#[tokio::test]
async fn cached_values_are_not_shared_between_browsers() {
    let app = app(&guestbook());
    // More of each than is remembered, in turn.
    for _ in 0..2 {
        for number in 0..40 {
            for (tag, language) in [("de", "de"), ("zh-Hant", "zh-Hant"), ("en", "en"), ("fr", "en")] {
                let mut stranger = Browser::new(&app).with(LANGUAGE, format!("x{number}, {tag}"));
                assert_eq!(stranger.value().await, standard(json!({ "language": language })));
                let mut stranger = stranger.with(SCHEME, r#""dark""#);
                assert_eq!(stranger.value().await, standard(json!({ "language": language, "theme": "dark" })));
            }
        }
    }
}

/// On which of language and colour scheme the answer says that it depends.
fn depends(answer: &Answer) -> (bool, bool) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let names = |name: HeaderName| -> Vec<String> {
        let lines = answer.headers.get_all(name).iter().flat_map(|line| line.to_str().unwrap().split(','));
        lines.map(|name| name.trim().to_ascii_lowercase()).collect()
    };
    let varies = names(header::VARY);
    let scheme = varies.iter().any(|name| name == SCHEME);
    assert_eq!(names(HeaderName::from_static("accept-ch")).iter().any(|name| name == SCHEME), scheme);
    (varies.iter().any(|name| name == LANGUAGE), scheme)
}

#[tokio::test]
async fn response_varies_by_negotiated_headers_until_a_choice() {
    let guestbook = guestbook();
    let app = app(&guestbook);
    for is_user in [false, true] {
        let mut browser = Browser::new(&app).with(LANGUAGE, "de").with(SCHEME, r#""dark""#);
        if is_user {
            browser.login("ada").await;
        }
        assert_eq!(depends(&browser.get("/preferences").await), (true, true));
        assert_eq!(depends(&browser.get("/plain").await), (false, false), "it does not ask");
        browser.set(json!({ "language": "zh-Hant", "notifications": { "sms": true } })).await;
        assert_eq!(depends(&browser.get("/preferences").await), (false, true));
        browser.set(json!({ "theme": "system" })).await;
        assert_eq!(depends(&browser.get("/preferences").await), (false, false));
        assert_eq!(depends(&browser.patch(json!({ "theme": "dark" })).await), (false, false));
        browser.reset("language").await;
        assert_eq!(depends(&browser.get("/preferences").await), (true, false));
        assert_eq!(browser.value().await["language"], json!("de"));
    }
    let quiet = builder(MemoryStore::new()).0.preferences(PreferenceRules::standard().unwrap()).build().unwrap();
    let mut stranger = Browser::new(&super::app(&quiet)).with(LANGUAGE, "de").with(SCHEME, r#""dark""#);
    let answer = stranger.get("/preferences").await;
    assert_eq!((depends(&answer), answer.json()), ((false, false), standard(json!({}))), "nothing is negotiated");
}

#[tokio::test]
async fn reading_preferences_sets_no_cookie_and_stores_nothing() {
    let store = FaultyStore::default();
    let guestbook = builder(store.clone()).0.preferences(negotiating()).build().unwrap();
    let app = app(&guestbook);
    let mut stranger = Browser::new(&app).with(LANGUAGE, "de").with(SCHEME, r#""dark""#);
    stranger.get("/preferences").await;
    let nothing = [
        json!({}),
        json!({ "theme": null }),
        json!({ "notifications": null }),
        json!({ "notifications": {} }),
        json!({ "notifications": { "sms": null } }),
        json!({ "notifications": { "sms": false } }),
    ];
    for patch in nothing {
        let answer = stranger.patch(patch.clone()).await;
        assert_eq!((answer.status, answer.set_cookie()), (StatusCode::OK, None), "{patch}");
    }
    stranger.reset("privacy").await;
    assert!(stranger.cookies.is_empty());
    assert_eq!(store.asked(), 0, "the store heard of none of it");
    let untouched: StandardPreferences =
        serde_json::from_value::<StandardPreferences>(Browser::new(&app).value().await).unwrap();
    assert_eq!(untouched, StandardPreferences::default());
    assert_eq!(stranger.value().await["theme"], Value::from("dark"));
}

#[tokio::test]
async fn critical_color_scheme_applies_to_html_only() {
    use axum::{Json, Router, response::Html, routing::get};

    use crate::support::TestClient;

    let critical = HeaderName::from_static("critical-ch");
    for (is_critical, expected) in [(true, Some(SCHEME)), (false, None)] {
        let rules =
            PreferenceRules::standard().unwrap().negotiate_color_scheme("theme").critical_color_scheme(is_critical);
        let guestbook = builder(MemoryStore::new()).0.preferences(rules).build().unwrap();
        let app = Router::new()
            .route("/page", get(async |likes: Preferences<StandardPreferences>| Html(format!("{:?}", likes.theme))))
            .route("/json", get(async |likes: Preferences<StandardPreferences>| Json(likes.value().clone())))
            .route("/plain", get(async || Html("")))
            .layer(guestbook.layer());
        let mut client = TestClient::new(&app);
        for (path, is_asked, critical_for) in
            [("/page", true, expected), ("/json", true, None), ("/plain", false, None)]
        {
            let answer = client.ok(path).await;
            assert_eq!(answer.headers.contains_key("accept-ch"), is_asked, "{path}");
            let said = answer.headers.get(&critical).map(|value| value.to_str().unwrap());
            assert_eq!(said, critical_for, "{path}, {is_critical}");
        }
    }
}
