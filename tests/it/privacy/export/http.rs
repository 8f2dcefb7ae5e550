//! Exports over HTTP: formats, and readers who take their time.

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_guestbook::{
    activity::{Entry, Event, EventData, EventId, EventLimits, EventType},
    store::{ActivityStore, Commit},
};

use super::*;
use crate::support::{TestClient, faulty_store::FaultyStore};

/// An application with a logged-in user and others.
async fn app(max_idle: Option<Duration>, others: usize) -> (Router, Vec<String>, Guestbook) {
    let store = FaultyStore::default();
    let names: Vec<_> = (0..=others).map(|number| format!("user{number}")).collect();
    for (name, origin) in names.iter().zip(1..) {
        let entries = (1..=2_500).map(|number| {
            let mut event = Event::new(EventType::ACTION, START);
            event.user = Some(user(name));
            event.data = Some(EventData::new(&json!({ "number": number }), &EventLimits::default()).unwrap());
            Entry { id: EventId { origin, number }, event }
        });
        store.append(entries.collect(), Commit::Relaxed).await.unwrap();
    }
    let (builder, _clock) = rules(store);
    let guestbook = builder.build().unwrap();
    let service = guestbook.export_service();
    let service = max_idle.map_or(service.clone(), |idle| service.max_idle(idle));
    let app = support::routes().route_service("/export", service).layer(guestbook.session_layer());
    let mut cookies = Vec::new();
    for name in &names {
        let mut client = TestClient::new(&app);
        client.ok(&format!("/login/{name}")).await;
        cookies.push(client.cookie.unwrap());
    }
    (app, cookies, guestbook)
}

async fn ask(app: &Router, cookie: &str, path: &str, accept: Option<&str>) -> Response<Body> {
    let mut request = Request::get(path).header(header::COOKIE, format!("__Host-session={cookie}"));
    if let Some(accept) = accept {
        request = request.header(header::ACCEPT, accept);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn export_service_answers_json_by_default() {
    let (app, cookies, _guestbook) = app(None, 0).await;
    for (path, accept) in
        [("/export", None), ("/export", Some("*/*")), ("/export?format=json", Some("application/zip"))]
    {
        let answer = ask(&app, &cookies[0], path, accept).await;
        assert_eq!(
            (answer.status(), &answer.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &"application/json".parse().unwrap())
        );
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["user_id"], "user0");
    }
    let unknown = ask(&app, &cookies[0], "/export?format=tar", None).await;
    assert_eq!(unknown.status(), StatusCode::NOT_ACCEPTABLE);
    let nobody = ask(&app, "", "/export?format=zip", None).await;
    assert!(nobody.status().is_client_error());
}

#[cfg(feature = "zip")]
#[tokio::test]
async fn export_service_answers_zip_on_request() {
    let (app, cookies, _guestbook) = app(None, 0).await;
    for (path, accept) in [("/export?format=zip", None), ("/export", Some("application/zip"))] {
        let answer = ask(&app, &cookies[0], path, accept).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let expected = [
            (header::CONTENT_TYPE, "application/zip"),
            (header::CONTENT_DISPOSITION, "attachment; filename=\"personal-data.zip\""),
            (header::CACHE_CONTROL, "no-store"),
        ];
        for (name, value) in expected {
            assert_eq!(answer.headers()[name], value);
        }
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let names: Vec<_> = super::archive::open(&body).file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!((names.first().unwrap().as_str(), names.last().unwrap().as_str()), ("README.txt", "manifest.json"));
    }
}

#[tokio::test(start_paused = true)]
async fn export_service_frees_slots_of_idle_clients() {
    let (app, cookies, _guestbook) = app(None, 16).await;
    let mut bodies = Vec::new();
    for cookie in &cookies[..16] {
        let mut body = ask(&app, cookie, "/export", None).await.into_body();
        body.frame().await.unwrap().unwrap();
        bodies.push(body);
    }
    let refused = |answer: Response<Body>| answer.status() == StatusCode::TOO_MANY_REQUESTS;
    assert!(refused(ask(&app, &cookies[16], "/export", None).await), "all turns are taken");
    tokio::time::advance(Duration::from_secs(59)).await;
    // One of them goes on.
    bodies[0].frame().await.unwrap().unwrap();
    assert!(refused(ask(&app, &cookies[16], "/export", None).await));
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::task::yield_now().await;
    let late = ask(&app, &cookies[16], "/export", None).await;
    assert_eq!(late.status(), StatusCode::OK);
    assert!(refused(ask(&app, &cookies[0], "/export", None).await), "who goes on keeps the turn");
    assert!(late.into_body().collect().await.is_ok());

    assert!(bodies[0].frame().await.unwrap().is_ok());
    assert!(bodies.swap_remove(0).collect().await.is_ok(), "and gets all of it");
    for mut body in bodies {
        assert!(body.frame().await.unwrap().is_err(), "nobody takes it for complete");
        assert!(body.frame().await.is_none());
    }
    assert_eq!(ask(&app, &cookies[1], "/export", None).await.status(), StatusCode::OK, "they may begin again");
}

#[tokio::test(start_paused = true)]
async fn export_service_max_idle_is_configurable() {
    let (app, cookies, _guestbook) = app(Some(Duration::from_secs(5)), 0).await;
    let body = ask(&app, &cookies[0], "/export", None).await.into_body();
    tokio::time::advance(Duration::from_secs(4)).await;
    tokio::task::yield_now().await;
    assert_eq!(ask(&app, &cookies[0], "/export", None).await.status(), StatusCode::TOO_MANY_REQUESTS);
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::task::yield_now().await;
    assert_eq!(ask(&app, &cookies[0], "/export", None).await.status(), StatusCode::OK);
    let error = body.collect().await.unwrap_err();
    assert!(format!("{error:?}").contains("Timeout"), "{error:?}");
}

/// A source that takes its time.
struct Slow(Arc<tokio::sync::Notify>);

impl PersonalData for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn export(&self, _: UserId, _: usize) -> PersonalDataFuture<'_, ExportedPage> {
        Box::pin(async {
            self.0.notified().await;
            Ok(ExportedPage::last(vec![json!("at last")]))
        })
    }

    fn erase(&self, _: UserId) -> PersonalDataFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }
}

#[tokio::test(start_paused = true)]
async fn export_service_does_not_count_the_time_of_a_source_as_idle() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let (builder, _clock) = rules(MemoryStore::new());
    let guestbook = builder.personal_data(Slow(gate.clone())).build().unwrap();
    let app = support::routes().route_service("/export", guestbook.export_service()).layer(guestbook.session_layer());
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    let body = ask(&app, &client.cookie.unwrap(), "/export", None).await.into_body();
    let reading = tokio::spawn(body.collect());
    for _ in 0..10 {
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(30)).await;
    }
    gate.notify_one();
    let text = reading.await.unwrap().unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("at last"));
}
