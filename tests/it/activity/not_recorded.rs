//! Skipped events are logged: once per reason at level info, then at level debug.

use std::io;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, header},
    routing::get,
};
use serde_json::json;
use tower_guestbook::{
    Guestbook, Tracker, UserId,
    activity::{ActivityRules, Event, EventType, Tracked},
    consent::{Category, ConsentRules, Purpose, Purposes},
    http::PeerAddress,
    privacy::RestrictionReason,
    store::MemoryStore,
};
use tracing::Level;

use crate::{
    activity::{recorder::Log, requests::events},
    support::{FIREFOX, START, TestClient, builder, routes, send},
};

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// A log of this level and more severe ones.
fn log(level: Level) -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(move || -> Box<dyn io::Write> { Box::new(writer.clone()) });
    let guard = tracing::subscriber::set_default(subscriber.with_ansi(false).finish());
    (log, guard)
}

async fn ask(app: &Router, method: Method, path: &str, agent: &str) {
    let request = Request::builder().method(method).uri(path).header(header::USER_AGENT, agent).body(Body::empty());
    let mut request = request.unwrap();
    request.extensions_mut().insert(PeerAddress(([203, 0, 113, 77], 40_000).into()));
    send(app, request).await;
}

#[tokio::test]
async fn skipped_request_is_logged_once_per_reason_and_guestbook() {
    for (level, expected) in [(Level::INFO, 1), (Level::DEBUG, 3)] {
        let (log, _guard) = log(level);
        let (builder, _) = builder(MemoryStore::new());
        let guestbook = builder.activity(ActivityRules::new().health_paths(["/health"])).build().unwrap();
        // Two layers of one guestbook.
        let apps = [0, 1].map(|_| Router::new().fallback(async || "x").layer(guestbook.activity_layer()));
        for app in [&apps[0], &apps[1], &apps[0]] {
            ask(app, Method::OPTIONS, "/", FIREFOX).await;
            ask(app, Method::GET, "/logo.png", FIREFOX).await;
            ask(app, Method::GET, "/health", FIREFOX).await;
            ask(app, Method::GET, "/", "Googlebot/2.1 (+http://www.google.com/bot.html)").await;
        }
        for reason in ["options", "static_file", "health", "bot"] {
            let told = log.text().matches(&format!("reason=\"{reason}\"")).count();
            assert_eq!(told, expected, "{reason} at {level}: {}", log.text());
        }
        assert_eq!(log.text().matches("the rules of activity leave it out").count(), 4, "{}", log.text());
    }
}

#[tokio::test]
async fn withheld_event_is_logged_once_and_returned_each_time() {
    let (log, _guard) = log(Level::INFO);
    let purposes =
        Purposes::builder().purpose(Purpose::new("analytics", Category::Analytics).expiry(180 * DAY)).build().unwrap();
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.consent(ConsentRules::new(purposes)).build().unwrap();
    let track = async |tracker: Tracker| {
        let queued = tracker.track("seen", &json!({})).unwrap();
        let durable = tracker.track_durable("seen", &json!({})).await.unwrap();
        serde_json::to_string(&[queued, durable]).unwrap()
    };
    let app = routes().route("/track", get(track)).layer(guestbook.layer());
    let mut client = TestClient::new(&app);
    for _ in 0..3 {
        assert_eq!(client.ok("/track").await.body, r#"["withheld","withheld"]"#);
    }
    assert_eq!(log.text().matches("reason=\"consent\"").count(), 1, "{}", log.text());
    assert!(!log.text().contains("reason=\"restricted\""));

    client.ok("/login/ada").await;
    guestbook.rights().restrict(&UserId::try_from("ada").unwrap(), RestrictionReason::Claims).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.ok("/track").await.body, r#"["withheld","withheld"]"#);
    }
    assert_eq!(log.text().matches("reason=\"restricted\"").count(), 1, "{}", log.text());
    assert!(!log.text().contains("ada"), "no names: {}", log.text());
}

#[tokio::test]
async fn event_without_a_route_template_is_recorded_and_logged_once() {
    let (log, _guard) = log(Level::INFO);
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    // Around the router, where no template is known.
    let outside = Router::new().fallback_service(
        Router::new().route("/page/{id}", get(async || "x")).route_service("/other", get(async || "x")),
    );
    let outside = tower::Layer::layer(&guestbook.activity_layer(), outside);
    for path in ["/page/7", "/page/8", "/other"] {
        let request = Request::get(path).header(header::USER_AGENT, FIREFOX).body(Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(outside.clone(), request).await.unwrap();
        let _ = axum::body::to_bytes(Body::new(response.into_body()), 100).await.unwrap();
    }
    assert_eq!(events(&guestbook).await.len(), 3);
    assert_eq!(log.text().matches("reason=\"template\"").count(), 1, "{}", log.text());

    // Inside it they have one. Events of a handler outside the activity layer have none.
    let inside = Router::new().route("/page/{id}", get(async || "x")).layer(guestbook.activity_layer());
    ask(&inside, Method::GET, "/page/7", FIREFOX).await;
    let track = async |tracker: Tracker| assert_eq!(tracker.track("seen", &json!({})).unwrap(), Tracked::Queued);
    let alone = Router::new().route("/track", get(track)).layer(guestbook.session_layer());
    for _ in 0..2 {
        ask(&alone, Method::GET, "/track", FIREFOX).await;
    }
    assert_eq!(events(&guestbook).await.len(), 6);
    assert_eq!(log.text().matches("reason=\"template\"").count(), 1, "{}", log.text());
    assert_eq!(log.text().matches("reason=\"request\"").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn client_tracker_marks_events_drops_queries_and_refuses_security_events() {
    let types = tower_guestbook::activity::EventTypes::new().security(["password_changed"]).unwrap();
    let (builder, _) = builder(MemoryStore::new());
    let settings = tower_guestbook::activity::RecorderSettings::new().event_types(types);
    let guestbook: Guestbook = builder.recorder(settings).build().unwrap();
    let handler = async |tracker: Tracker| {
        let client = tracker.client();
        for refused in ["login", "logout", "password_changed"] {
            for error in [
                client.track(refused, &json!({})).unwrap_err(),
                client.prepare(EventType::new(refused).unwrap(), &json!({})).unwrap_err(),
                client.track_durable(refused, &json!({})).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), tower_guestbook::ErrorKind::InvalidInput, "{refused}");
            }
            tracker.track(refused, &json!({})).unwrap();
        }
        for page in ["/a?token=1", "/a#x", "/a?b#c?d", "https://shop.example/a?b"] {
            client.page_view(page).unwrap();
        }
        client.track("own", &json!({ "page": "/b?c", "other": "/b?c", "in": { "page": "/b?c" } })).unwrap();
        client.track("own", &json!({ "page": { "odd": "/b?c" } })).unwrap();
        client.action("press", &json!({ "button": 1 })).unwrap();
        for only in ["?q=1", "#top", "?"] {
            assert!(client.page_view(only).is_err() && tracker.page_view(only).is_err(), "{only}");
        }
        tracker.page_view("/own?q").unwrap();
    };
    let app = Router::new().route("/", get(handler)).layer(guestbook.layer());
    ask(&app, Method::GET, "/", FIREFOX).await;
    let all = events(&guestbook).await;
    let said = |event: &Event| {
        let data = event.data.as_ref().map_or("", |data| data.as_json()).to_owned();
        (event.event_type.to_string(), data, event.origin.as_str())
    };
    let expected = [
        ("login", "{}", "server"),
        ("logout", "{}", "server"),
        ("password_changed", "{}", "server"),
        ("page_view", r#"{"page":"/a"}"#, "client"),
        ("page_view", r#"{"page":"/a"}"#, "client"),
        ("page_view", r#"{"page":"/a"}"#, "client"),
        ("page_view", r#"{"page":"https://shop.example/a"}"#, "client"),
        ("own", r#"{"in":{"page":"/b?c"},"other":"/b?c","page":"/b"}"#, "client"),
        ("own", r#"{"page":{"odd":"/b?c"}}"#, "client"),
        ("button_click", r#"{"action":"press","details":{"button":1}}"#, "client"),
        ("page_view", r#"{"page":"/own"}"#, "server"),
        ("api_call", "", "server"),
    ];
    let expected = expected.map(|(kind, data, origin)| (kind.to_owned(), data.to_owned(), origin));
    assert_eq!(all.iter().map(said).collect::<Vec<_>>(), expected);
    // It is also marked on its way, for example in the spool, and in exports. Events of the server
    // have no mark.
    let json = serde_json::to_value(&all[3]).unwrap();
    assert_eq!(json["origin"], "client");
    assert_eq!(serde_json::from_value::<Event>(json).unwrap(), all[3]);
    let json = serde_json::to_value(&all[0]).unwrap();
    assert_eq!((json.get("origin"), all[0].time), (None, START));
    assert_eq!(serde_json::from_value::<Event>(json).unwrap(), all[0], "as in spools of before");
}
