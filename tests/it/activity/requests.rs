//! Requests that the activity layer records, and those it skips.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Method, Request, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_guestbook::{
    Clock, ErrorKind, Guestbook, Session, Tracker, VisitorId,
    activity::{ActivityFilter, ActivityRules, Event, EventType, HistoryQuery, Order, Outcome},
    client::DeviceClass,
    http::{ClientAddress, PeerAddress, RouteTemplate, Unrecorded},
    store::MemoryStore,
};

use crate::support::{self, FIREFOX, START, TestClient, builder, routes};

pub(crate) fn guestbook(rules: ActivityRules) -> (Guestbook, Clock) {
    let (builder, clock) = builder(MemoryStore::new());
    (builder.activity(rules).build().unwrap(), clock)
}

/// Returns everything that was recorded, the oldest first.
pub(crate) async fn events(guestbook: &Guestbook) -> Vec<Event> {
    guestbook.flush().await.unwrap();
    let query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst).limit(1_000);
    let page = guestbook.activities().history(query).await.unwrap();
    assert!(page.next.is_none());
    page.activities.into_iter().map(|activity| activity.event).collect()
}

fn request(method: Method, path: &str) -> Request<Body> {
    let mut request =
        Request::builder().method(method).uri(path).header(header::USER_AGENT, FIREFOX).body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerAddress(([203, 0, 113, 77], 40_000).into()));
    request
}

fn get_(path: &str) -> Request<Body> {
    request(Method::GET, path)
}

async fn finish(app: &Router, request: Request<Body>) -> StatusCode {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    // A body may fail on purpose.
    let _ = response.into_body().collect().await;
    status
}

/// Returns route, type, status and outcome.
fn brief(event: &Event) -> (String, String, u16, Outcome) {
    let response = event.response.unwrap();
    let route = event.request.as_ref().unwrap().route.to_string();
    (route, event.event_type.to_string(), response.status, response.outcome)
}

#[tokio::test]
async fn activity_layer_records_exactly_the_documented_fields() {
    let (guestbook, clock) = guestbook(ActivityRules::new());
    let hand = clock.clone();
    let page = async move |Path(_): Path<String>| {
        hand.advance(Duration::from_millis(7));
        Html("<p>hello")
    };
    let app = Router::new().route("/shop/{item}", get(page)).layer(guestbook.layer());
    let mut request = get_("/shop/4711?token=secret&utm_source=news&utm_campaign=May%20Day");
    request.headers_mut().insert(header::REFERER, "https://search.example/?q=private".parse().unwrap());
    request.headers_mut().insert(header::HOST, "shop.example".parse().unwrap());
    finish(&app, request).await;

    let events = events(&guestbook).await;
    assert_eq!(
        serde_json::to_value(&events).unwrap(),
        json!([{
            "event_type": "page_view",
            "timestamp": START.as_millis(),
            "request": {
                "route": "/shop/{item}",
                "method": "GET",
                "referrer": "search.example",
                "campaign": { "utm_source": "news", "utm_campaign": "May Day" },
                "agent": { "browser": "Firefox", "browser_major": 140, "system": "Linux", "device": "desktop" },
                "network": "203.0.113.0/24",
            },
            "response": { "status": 200, "latency_us": 7_000, "bytes": 8, "outcome": "completed" },
        }])
    );
    guestbook.shutdown().await;
}

#[tokio::test]
async fn activity_layer_records_user_and_session_of_login_and_logout() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let app = routes().layer(guestbook.layer());
    let mut client = TestClient::new(&app);
    client.ok("/set/a/1").await;
    let anonymous: Value = client.ok("/session").await.json();
    client.ok("/login/ada").await;
    let ada: Value = client.ok("/session").await.json();
    client.ok("/logout").await;
    client.ok("/").await;

    let seen: Vec<_> = events(&guestbook)
        .await
        .iter()
        .map(|event| {
            let route = event.request.as_ref().unwrap().route.to_string();
            let user = event.user.as_ref().map(|user| user.as_str().to_owned());
            (event.event_type.to_string(), route, user, serde_json::to_value(event.session).unwrap())
        })
        .collect();
    let (anonymous, session) = (anonymous["id"].clone(), ada["id"].clone());
    assert_ne!(anonymous, session);
    let event = |kind: &str, route: &str, user: Option<&str>, session: &Value| {
        (kind.to_owned(), route.to_owned(), user.map(str::to_owned), session.clone())
    };
    assert_eq!(
        seen,
        [
            event("api_call", "/set/{key}/{value}", None, &anonymous),
            event("api_call", "/session", None, &anonymous),
            event("login", "/login/{user}", Some("ada"), &session),
            event("api_call", "/login/{user}", Some("ada"), &session),
            event("api_call", "/session", Some("ada"), &session),
            event("logout", "/logout", Some("ada"), &session),
            event("api_call", "/logout", Some("ada"), &session),
            event("api_call", "/", None, &Value::Null),
        ]
    );
    let login = events(&guestbook).await.remove(2);
    assert_eq!(login.data.unwrap().as_json(), r#"{"action":"user_logged_in"}"#);
}

#[tokio::test]
async fn without_the_activity_layer_requests_are_not_recorded() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let track = async |session: Session, tracker: Tracker| {
        session.login("ada").await.unwrap();
        tracker.track("own", &json!({})).unwrap();
    };
    let app = Router::new().route("/", get(track)).layer(guestbook.session_layer());
    finish(&app, get_("/")).await;
    let events = events(&guestbook).await;
    assert_eq!(events.len(), 1, "what was asked for");
    assert_eq!((events[0].event_type.as_str(), events[0].user.as_ref().unwrap().as_str()), ("own", "ada"));
}

#[tokio::test]
async fn activity_layer_works_without_the_session_layer() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let track = async |tracker: Tracker| {
        tracker.page_view("/inner").unwrap();
        tracker.action("wave", &json!({ "at": "you" })).unwrap();
        tracker.api_call("/other", "POST").unwrap();
        tracker.track_durable("own", &json!({ "a": 1 })).await.unwrap();
    };
    let app = Router::new().route("/x", get(track)).layer(guestbook.activity_layer());
    let mut request = get_("/x");
    let visitor = VisitorId::from(uuid::Uuid::from_u128(7));
    request.extensions_mut().insert(visitor);
    finish(&app, request).await;
    let events = events(&guestbook).await;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| (event.event_type.to_string(), event.data.as_ref().map(|data| data.as_json().to_owned())))
        .collect();
    let expected = [
        ("page_view", Some(r#"{"page":"/inner"}"#)),
        ("button_click", Some(r#"{"action":"wave","details":{"at":"you"}}"#)),
        ("api_call", Some(r#"{"endpoint":"/other","method":"POST"}"#)),
        ("own", Some(r#"{"a":1}"#)),
        ("api_call", None),
    ];
    assert_eq!(kinds, expected.map(|(kind, data)| (kind.to_owned(), data.map(str::to_owned))));
    for event in &events {
        assert_eq!((event.visitor, &*event.request.as_ref().unwrap().route), (Some(visitor), "/x"));
    }
}

#[tokio::test]
async fn missing_activity_layer_error_names_the_fix() {
    let app: Router = Router::new().route("/", get(async |_: Tracker| {}));
    let response = app.oneshot(get_("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("guestbook.layer()"));
}

#[tokio::test]
async fn track_refuses_invalid_events_with_the_reason() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let errors: Arc<Mutex<Vec<(ErrorKind, String)>>> = Arc::default();
    let told = errors.clone();
    let track = async move |tracker: Tracker| {
        let mut deep = json!([]);
        for _ in 0..10_000 {
            deep = Value::Array(vec![deep]);
        }
        let deep = json_object("deep", deep);
        let large = json!({ "large": "x".repeat(1 << 20) });
        let long = "x".repeat(65);
        let cases = [
            tracker.track("Not A Name", &json!({})),
            tracker.track("", &json!({})),
            tracker.track(long.as_str(), &json!({})),
            tracker.track("nul\0", &json!({})),
            tracker.track("ok", &json!([1])),
            tracker.track("ok", "text"),
            tracker.track("ok", &json!({ "nul": "\0" })),
            tracker.track("ok", &large),
            tracker.track("ok", &deep),
        ];
        shallow(deep);
        let cases = cases.map(Result::unwrap_err);
        *told.lock().unwrap() = cases.iter().map(|error| (error.kind(), error.to_string())).collect();
    };
    let app = Router::new().route("/", get(track)).layer(guestbook.layer());
    finish(&app, get_("/")).await;
    let errors = errors.lock().unwrap().clone();
    let words = [
        "a to z",
        "must not be empty",
        "64 bytes",
        "a to z",
        "JSON object",
        "JSON object",
        "NUL",
        "8192 bytes",
        "16 levels",
    ];
    for ((kind, error), words) in errors.iter().zip(words) {
        let expected = if words.contains("bytes") && !words.starts_with("64") || words.contains("levels") {
            ErrorKind::TooLarge
        } else {
            ErrorKind::InvalidInput
        };
        assert!(error.contains(words) && *kind == expected, "{error}");
    }
    assert_eq!((errors.len(), events(&guestbook).await.len()), (words.len(), 1), "only the request itself");
}

/// Builds the value without copying it level by level.
fn json_object(key: &str, value: Value) -> Value {
    Value::Object([(key.to_owned(), value)].into_iter().collect())
}

/// Drops a deep value without recursion.
fn shallow(mut value: Value) {
    loop {
        value = match value {
            Value::Object(mut map) => map.remove("deep").unwrap_or_default(),
            Value::Array(mut list) => list.pop().unwrap_or_default(),
            _ => return,
        };
    }
}

/// A body with this number of frames, made on demand; then an error, or the end.
struct Frames {
    left: usize,
    frame: Bytes,
    fails: bool,
    made: Arc<AtomicUsize>,
}

impl Frames {
    fn body(left: usize, frame: impl Into<Bytes>, fails: bool) -> (Body, Arc<AtomicUsize>) {
        let made = Arc::new(AtomicUsize::new(0));
        (Body::new(Self { left, frame: frame.into(), fails, made: made.clone() }), made)
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(self.fails.then(|| Err(std::io::Error::other("broken"))));
        }
        self.left -= 1;
        self.made.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(http_body::Frame::data(self.frame.clone()))))
    }
}

#[tokio::test]
async fn request_is_recorded_with_its_outcome_when_the_body_ends() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let stream = |fails| get(async move || Frames::body(3, "abc", fails).0);
    let app = Router::new()
        .route("/whole", stream(false))
        .route("/fails", stream(true))
        .route("/left", stream(false))
        .layer(guestbook.layer());

    let response = app.clone().oneshot(get_("/whole")).await.unwrap();
    assert!(events(&guestbook).await.is_empty(), "the head is not the end");
    response.into_body().collect().await.unwrap();
    finish(&app, get_("/fails")).await;
    let mut body = app.clone().oneshot(get_("/left")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);

    let events = events(&guestbook).await;
    let ends: Vec<_> =
        events.iter().map(|event| (brief(event).0, brief(event).3, event.response.unwrap().bytes)).collect();
    assert_eq!(
        ends,
        [
            ("/whole".to_owned(), Outcome::Completed, 9),
            ("/fails".to_owned(), Outcome::BodyFailed, 9),
            ("/left".to_owned(), Outcome::Abandoned, 3),
        ]
    );
}

#[tokio::test]
async fn unread_bodies_are_recorded_as_completed() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let app = Router::new()
        .route("/page", get(async || "a text"))
        .route("/nothing", get(async || StatusCode::NO_CONTENT))
        .route("/same", get(async || (StatusCode::NOT_MODIFIED, [(header::CONTENT_LENGTH, "77")])))
        .route("/upgrade", get(async || StatusCode::SWITCHING_PROTOCOLS))
        .route("/empty", get(async || ""))
        .route("/announced", get(async || ([(header::CONTENT_LENGTH, "3")], Frames::body(9, "abc", false).0)))
        .layer(guestbook.layer());
    let mut head = request(Method::HEAD, "/page");
    head.headers_mut().insert(header::ACCEPT_LANGUAGE, "eo".parse().unwrap());
    for request in [head, get_("/nothing"), get_("/same"), get_("/upgrade"), get_("/empty")] {
        drop(app.clone().oneshot(request).await.unwrap());
    }
    let mut body = app.clone().oneshot(get_("/announced")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let events = events(&guestbook).await;
    assert_eq!(events.len(), 6);
    assert!(events.iter().all(|event| event.response.unwrap().outcome == Outcome::Completed), "{events:?}");
}

#[tokio::test]
async fn client_disconnect_before_the_response_is_recorded_once() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let app = Router::new().route("/slow", get(pending::<()>)).layer(guestbook.layer());
    for polls in 0..3 {
        let mut leaving = Box::pin(app.clone().oneshot(get_("/slow")));
        for _ in 0..polls {
            poll_fn(|context| Poll::Ready(leaving.as_mut().poll(context).is_pending())).await;
        }
    }
    let seen: Vec<_> = events(&guestbook).await.iter().map(brief).collect();
    let left = ("/slow".to_owned(), "api_call".to_owned(), 0, Outcome::Abandoned);
    assert_eq!(seen, [left.clone(), left], "a request that was never polled did not arrive");
}

#[tokio::test]
async fn panic_is_recorded_once_wherever_it_is_caught() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let panic = || -> &'static str { if true { panic!("on purpose") } else { "" } };
    let app = Router::new()
        .route("/panic", get(async move || panic()))
        .route("/later", get(async move || Body::new(PanickingBody)))
        .layer(guestbook.layer());
    assert!(tokio::spawn(app.clone().oneshot(get_("/panic"))).await.unwrap_err().is_panic());

    // Like a layer that turns panics into responses: the future is dropped some time after the
    // panic.
    let mut caught = Box::pin(app.clone().oneshot(get_("/panic")));
    let mut context = Context::from_waker(Waker::noop());
    while catch_unwind(AssertUnwindSafe(|| caught.as_mut().poll(&mut context).is_ready())).is_ok() {}
    tokio::task::yield_now().await;
    drop(caught);

    let mut body = pin!(app.oneshot(get_("/later")).await.unwrap().into_body());
    let polled = catch_unwind(AssertUnwindSafe(|| http_body::Body::poll_frame(body.as_mut(), &mut context).is_ready()));
    assert!(polled.is_err());

    let seen: Vec<_> = events(&guestbook).await.iter().map(brief).collect();
    let panicked = |route: &str, status| (route.to_owned(), "api_call".to_owned(), status, Outcome::Panicked);
    assert_eq!(seen, [panicked("/panic", 0), panicked("/panic", 0), panicked("/later", 200)]);
}

struct PanickingBody;

impl http_body::Body for PanickingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn service_error_is_passed_on_and_recorded() {
    let (guestbook, _) = guestbook(ActivityRules::new().path_words(["a"]));
    let broken = service_fn(async |_: Request<Body>| Err::<Response, _>("broken"));
    let service = guestbook.layer().layer(broken);
    assert_eq!(service.oneshot(get_("/a/17")).await.unwrap_err(), "broken");
    let seen: Vec<_> = events(&guestbook).await.iter().map(brief).collect();
    assert_eq!(seen, [("/a/:id".to_owned(), "api_call".to_owned(), 0, Outcome::ServiceFailed)]);
}

#[tokio::test]
async fn body_of_a_gibibyte_is_passed_on_frame_by_frame() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let (body, made) = Frames::body(1_024, vec![7; 1 << 20], false);
    let body = Arc::new(Mutex::new(Some(body)));
    let handler = async move || body.lock().unwrap().take().unwrap();
    let app = Router::new().route("/", get(handler)).layer(guestbook.layer());
    let mut body = app.oneshot(get_("/")).await.unwrap().into_body();
    let (mut frames, mut bytes) = (0, 0u64);
    while let Some(frame) = body.frame().await {
        frames += 1;
        bytes += frame.unwrap().data_ref().unwrap().len() as u64;
        assert_eq!(made.load(Ordering::SeqCst), frames, "nothing is read ahead");
    }
    assert_eq!((bytes, events(&guestbook).await[0].response.unwrap().bytes), (1 << 30, 1 << 30));
}

#[tokio::test]
async fn activity_rules_skip_and_count_documented_requests() {
    let requests = || {
        let with = |path: &str, name: &'static str, value: &str| {
            let mut request = get_(path);
            request.headers_mut().insert(name, value.parse().unwrap());
            request
        };
        vec![
            request(Method::OPTIONS, "/page"),
            get_("/static/x"),
            get_("/logo.PNG"),
            with("/page", "sec-fetch-dest", "image"),
            get_("/health"),
            get_("/health/ready"),
            get_("/robots.txt"),
            with("/page", "sec-purpose", "prefetch;prerender"),
            with("/page", "user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
            with("/page", "user-agent", ""),
            request(Method::HEAD, "/page"),
        ]
    };
    let (default, _) = guestbook(ActivityRules::new());
    let everything = ActivityRules::new()
        .record_options(true)
        .record_static_files(true)
        .record_health_checks(true)
        .record_prefetches(true)
        .record_bots(true);
    let (all, _) = guestbook(everything);
    for (guestbook, expected) in [(&default, 0), (&all, 11)] {
        let app = Router::new().fallback(async || "x").layer(guestbook.layer());
        for request in requests() {
            finish(&app, request).await;
        }
        assert_eq!(events(guestbook).await.len(), expected);
    }
    let skipped = serde_json::to_value(default.activity_layer().skipped()).unwrap();
    assert_eq!(
        skipped,
        json!({ "options": 1, "static_files": 3, "health": 3, "prefetch": 1, "bots": 3, "by_rule": 0, "sampled_out": 0, "opted_out": 0, "referrer_spam": 0 })
    );
    let devices: Vec<_> = events(&all).await.iter().map(|event| event.request.as_ref().unwrap().agent.device).collect();
    assert_eq!(devices[8], DeviceClass::Bot);
}

#[tokio::test]
async fn logged_in_user_is_never_a_bot() {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let app = routes().layer(guestbook.layer());
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    let curl = |cookie: Option<&str>| {
        let mut request = get_("/");
        request.headers_mut().insert(header::USER_AGENT, "curl/8.5.0".parse().unwrap());
        if let Some(cookie) = cookie {
            request.headers_mut().insert(header::COOKIE, format!("__Host-session={cookie}").parse().unwrap());
        }
        request
    };
    let before = events(&guestbook).await.len();
    finish(&app, curl(None)).await;
    assert_eq!(events(&guestbook).await.len(), before);
    finish(&app, curl(client.cookie.as_deref())).await;
    let last = events(&guestbook).await.pop().unwrap();
    let agent = last.request.unwrap().agent;
    assert_eq!((agent.browser, agent.device), (Some("curl"), DeviceClass::Other));
}

#[tokio::test]
async fn classify_replaces_the_rule_for_page_views_and_api_calls() {
    let pages = || {
        Router::new()
            .route("/page", get(async || Html("")).post(async || Html("")))
            .route("/json", get(async || axum::Json(1)))
            .route("/error", get(async || (StatusCode::INTERNAL_SERVER_ERROR, Html(""))))
            .route("/moved", get(async || axum::response::Redirect::to("/page").into_response()))
    };
    let script = |mut request: Request<Body>| {
        request.headers_mut().insert("sec-fetch-dest", "empty".parse().unwrap());
        request
    };
    let requests = || {
        [
            get_("/page"),
            request(Method::POST, "/page"),
            script(get_("/page")),
            get_("/json"),
            get_("/error"),
            get_("/moved"),
            get_("/missing"),
        ]
    };
    let (default, _) = guestbook(ActivityRules::new());
    let own = ActivityRules::new().classify(|answer| {
        (answer.route != "/json").then(|| EventType::new(if answer.by_script { "scripted" } else { "seen" }).unwrap())
    });
    let (own, _) = guestbook(own);
    let mut kinds = Vec::new();
    for guestbook in [&default, &own] {
        let app = pages().layer(guestbook.layer());
        for request in requests() {
            finish(&app, request).await;
        }
        kinds.push(events(guestbook).await.iter().map(|event| event.event_type.to_string()).collect::<Vec<_>>());
    }
    let (page, call) = ("page_view", "api_call");
    assert_eq!(kinds[0], [page, call, call, call, call, call, call]);
    assert_eq!(kinds[1], ["seen", "seen", "scripted", "seen", "seen", "seen"]);
    assert_eq!(own.activity_layer().skipped().by_rule, 1);
}

#[tokio::test]
async fn unrecorded_and_route_template_work_per_route() {
    let (guestbook, _) = guestbook(ActivityRules::new().path_words(["found", "wp-admin.php"]));
    let app = Router::new()
        .route(
            "/quiet",
            get(async |tracker: Tracker| {
                tracker.track("spoken", &json!({})).unwrap();
            })
            .layer(Unrecorded),
        )
        .route("/quiet-answer", get(async || (axum::Extension(Unrecorded), "x")))
        .route("/named", get(async || (axum::Extension(RouteTemplate::new("/by/{name}")), "x")))
        .fallback(async |request: Request<Body>| match request.uri().path() {
            "/wp-admin.php" => StatusCode::NOT_FOUND.into_response(),
            path => path.to_owned().into_response(),
        })
        .layer(guestbook.layer());
    let mut unrecorded = get_("/named");
    unrecorded.extensions_mut().insert(Unrecorded);
    let mut template = get_("/free/42");
    template.extensions_mut().insert(RouteTemplate::new("/free/{number}"));
    for request in [
        get_("/quiet"),
        get_("/quiet-answer"),
        unrecorded,
        get_("/named"),
        template,
        get_("/found/12345"),
        get_("/wp-admin.php"),
    ] {
        finish(&app, request).await;
    }
    let seen: Vec<_> = events(&guestbook)
        .await
        .iter()
        .map(|event| (event.event_type.to_string(), event.request.as_ref().unwrap().route.to_string()))
        .collect();
    let call = |route: &str| ("api_call".to_owned(), route.to_owned());
    let expected = [
        ("spoken".to_owned(), "/quiet".to_owned()),
        call("/by/{name}"),
        call("/free/{number}"),
        call("/found/:id"),
        call(":unmatched"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(guestbook.activity_layer().skipped().opted_out, 3);
}

#[tokio::test]
async fn should_record_and_enrich_hooks_are_applied() {
    let rules = ActivityRules::new()
        .should_record(|request| request.uri.path() != "/internal")
        .bot_detector(|request| request.uri.path() == "/robot")
        .query_keys(["page"])
        .headers(["Accept-Language"])
        .enrich(|request, event| {
            event.visitor = Some(VisitorId::from(uuid::Uuid::from_u128(9)));
            if let Some(trace) = &mut event.request {
                trace.network = None;
            }
            assert!(request.extensions.get::<PeerAddress>().is_some());
        });
    let (guestbook, _) = guestbook(rules);
    let handler = async |tracker: Tracker, path: axum::http::Uri| {
        if path.path() == "/list" {
            tracker.track("own", &json!({})).unwrap();
        }
    };
    let app = Router::new().fallback(handler).layer(guestbook.layer());
    for path in ["/internal", "/robot"] {
        finish(&app, get_(path)).await;
    }
    let mut request = get_("/list?page=2&token=secret&page2=x");
    request.headers_mut().insert(header::ACCEPT_LANGUAGE, "eo".parse().unwrap());
    finish(&app, request).await;
    let mut events = events(&guestbook).await;
    assert_eq!(events.len(), 2);
    let own = events.remove(0);
    assert_eq!(
        (own.event_type.as_str(), own.visitor),
        ("own", events[0].visitor),
        "explicit events know the visitor, too"
    );
    let expected = r#"{"headers":{"accept-language":"eo"},"query":{"page":"2"}}"#;
    assert_eq!(events[0].data.as_ref().unwrap().as_json(), expected);
    assert_eq!((events[0].visitor.is_some(), events[0].request.as_ref().unwrap().network), (true, None));
    let skipped = guestbook.activity_layer().skipped();
    assert_eq!((skipped.by_rule, skipped.bots), (1, 1));
}

#[tokio::test]
async fn sample_rate_records_all_requests_of_a_session_or_none() {
    let (guestbook, _) = guestbook(ActivityRules::new().sample_rate(0.5));
    let app = routes().layer(guestbook.layer());
    let mut taken = 0;
    for number in 0..100 {
        let mut client = TestClient::new(&app);
        client.ok(&format!("/login/user{number}")).await;
        let before = events(&guestbook).await.len();
        for _ in 0..3 {
            client.ok("/session").await;
        }
        match events(&guestbook).await.len() - before {
            0 => {}
            3 => taken += 1,
            some => panic!("{some} of 3"),
        }
    }
    assert!((20..=80).contains(&taken), "{taken} of 100 sessions");
    let (none, _) = self::guestbook(ActivityRules::new().sample_rate(0.0));
    let app = routes().layer(none.layer());
    TestClient::new(&app).ok("/login/ada").await;
    let kinds: Vec<_> = events(&none).await.iter().map(|event| event.event_type.to_string()).collect();
    assert_eq!(kinds, ["login"], "explicit events are no sample");
}

#[tokio::test]
async fn build_refuses_invalid_activity_rules_by_name() {
    for (rules, name) in [
        (ActivityRules::new().headers(["Cookie"]), "cookie"),
        (ActivityRules::new().headers(["authorization"]), "authorization"),
        (ActivityRules::new().headers(["x-token"]), "x-token"),
        (ActivityRules::new().headers(["not a name"]), "headers()"),
        (ActivityRules::new().sample_rate(1.5), "sample_rate()"),
        (ActivityRules::new().sample_rate(f64::NAN), "sample_rate()"),
        (ActivityRules::new().health_paths(["health"]), "health_paths()"),
    ] {
        let builder = Guestbook::builder(MemoryStore::new()).accept_header("x-token").activity(rules);
        let error = builder.build().unwrap_err();
        assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn recorded_address_is_the_clients_and_truncated() {
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.client_address(ClientAddress::XForwardedFor { proxies: 1 }).build().unwrap();
    let app = Router::new().fallback(async || "x").layer(guestbook.layer());
    let mut request = get_("/");
    request.headers_mut().insert("x-forwarded-for", "6.6.6.6, 2001:db8:1:2::3".parse().unwrap());
    finish(&app, request).await;
    let network = events(&guestbook).await[0].request.as_ref().unwrap().network.unwrap();
    assert_eq!(network.to_string(), "2001:db8:1::/48");
}

#[tokio::test]
async fn client_tracker_stores_pages_and_endpoints_as_paths_without_secrets() {
    let guestbook = Guestbook::builder(MemoryStore::new()).build().unwrap();
    let track = async |tracker: Tracker| {
        let client = tracker.client();
        client.page_view("https://u:SECRET@shop.example/cart?q=SECRET#SECRET").unwrap();
        client.page_view("/basket;jsessionid=SECRET").unwrap();
        client.track("api_call", &json!({ "endpoint": "/x?token=SECRET", "method": "GET" })).unwrap();
        tracker.api_call("//u:SECRET@api.example/y?token=SECRET", "GET").unwrap();
        assert!(client.page_view("?only=query").is_err());
    };
    let app = Router::new().route("/track", get(track)).layer(guestbook.session_layer());
    support::send(&app, Request::get("/track").body(Body::empty()).unwrap()).await;
    guestbook.flush().await.unwrap();
    let query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst);
    let history = guestbook.activities().history(query).await.unwrap().activities;
    let data: Vec<_> = history.iter().map(|one| one.event.data.as_ref().unwrap().as_json().to_owned()).collect();
    assert_eq!(
        data,
        [
            r#"{"page":"https://shop.example/cart"}"#,
            r#"{"page":"/basket"}"#,
            r#"{"endpoint":"/x","method":"GET"}"#,
            r#"{"endpoint":"//api.example/y","method":"GET"}"#,
        ]
    );
}
