//! Visitors who are told apart for a day, without a cookie.

use std::{collections::HashSet, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, header},
    response::Html,
    routing::get,
};
use tower::ServiceExt;
use tower_guestbook::{
    Guestbook, Session, Tracker, VisitorId,
    activity::{ActivityRules, Event, EventType},
    analytics::{EventFilter, Range, Zone},
    http::PeerAddress,
    store::MemoryStore,
};

use super::requests::events;
use crate::{
    consent::{id, rules},
    support::{FIREFOX, builder},
};

const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15";

fn app(guestbook: &Guestbook) -> Router {
    Router::new()
        .route("/", get(async || Html("<p>hello")))
        .route(
            "/a",
            get(async |tracker: Tracker| {
                tracker.page_view("/a").unwrap();
                "a"
            }),
        )
        .route("/login", get(async |session: Session| session.login("ada").await))
        .route("/set", get(async |session: Session| session.insert("a", &1)))
        .layer(guestbook.layer())
}

async fn ask(app: &Router, path: &str, network: u8, agent: &str, host: &str) {
    ask_with(app, path, network, agent, host, None).await;
}

async fn ask_with(
    app: &Router,
    path: &str,
    network: u8,
    agent: &str,
    host: &str,
    cookie: Option<&str>,
) -> Option<String> {
    let mut request = Request::get(path)
        .header(header::USER_AGENT, agent)
        .header(header::ACCEPT_LANGUAGE, "en")
        .header(header::HOST, host)
        .header(header::COOKIE, cookie.unwrap_or("other=1"))
        .body(Body::empty())
        .unwrap();
    request.extensions_mut().insert(PeerAddress(([198, 51, network, 7], 40_000).into()));
    let response = app.clone().oneshot(request).await.unwrap();
    let cookie = response.headers().get(header::SET_COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned());
    drop(axum::body::to_bytes(response.into_body(), 1_000).await.unwrap());
    cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned())
}

fn visitors(events: &[Event]) -> Vec<Option<VisitorId>> {
    events.iter().map(|event| event.visitor).collect()
}

#[tokio::test]
async fn cookieless_visitors_are_one_for_a_day_a_network_a_browser_and_a_site() {
    let (builder, clock) = builder(MemoryStore::new());
    let guestbook = builder.activity(ActivityRules::new().cookieless_visitors(true)).build().unwrap();
    let app = app(&guestbook);
    for _ in 0..2 {
        ask(&app, "/", 1, FIREFOX, "shop.example").await;
    }
    ask(&app, "/", 2, FIREFOX, "shop.example").await;
    ask(&app, "/", 1, SAFARI, "shop.example").await;
    ask(&app, "/", 1, FIREFOX, "blog.example").await;
    ask(&app, "/a", 1, FIREFOX, "shop.example").await;
    let first_day = visitors(&events(&guestbook).await);
    assert_eq!(first_day.len(), 7, "/a is a page that a handler records, and a request");
    assert!(first_day.iter().all(Option::is_some));
    let ada = first_day[0];
    assert_eq!([first_day[1], first_day[5], first_day[6]], [ada; 3]);
    assert_eq!(first_day.iter().collect::<HashSet<_>>().len(), 4);

    // START is at 08:00 UTC: one millisecond before midnight is the same day, midnight is another.
    clock.advance(Duration::from_secs(16 * 3_600) - Duration::from_millis(1));
    ask(&app, "/", 1, FIREFOX, "shop.example").await;
    clock.advance(Duration::from_millis(1));
    ask(&app, "/", 1, FIREFOX, "shop.example").await;
    let all = visitors(&events(&guestbook).await);
    assert_eq!(all[7], ada);
    assert!(all[8].is_some() && !first_day.contains(&all[8]), "the key of the day before is gone");
}

#[tokio::test]
async fn cookieless_visitors_make_visits_with_entries_and_bounces() {
    let (builder, clock) = builder(MemoryStore::new());
    let guestbook = builder.activity(ActivityRules::new().cookieless_visitors(true)).build().unwrap();
    let app = app(&guestbook);
    let from = clock.now();
    ask(&app, "/", 1, FIREFOX, "shop.example").await;
    clock.advance(Duration::from_secs(60));
    ask(&app, "/", 1, FIREFOX, "shop.example").await;
    ask(&app, "/", 2, FIREFOX, "shop.example").await;
    guestbook.flush().await.unwrap();
    let range = Range::new(from, clock.now().after(Duration::from_secs(3_600))).unwrap();
    let overview = guestbook.analytics().overview(range, Zone::UTC, EventFilter::new(), 10).await.unwrap();
    assert_eq!((overview.visits.count, overview.visits.bounce_rate), (2, Some(0.5)));
    assert_eq!(overview.entry_pages[0].count, 2);
}

#[tokio::test]
async fn cookieless_id_never_stands_beside_a_user_or_a_session_and_is_off_by_default() {
    let (on, _clock) = builder(MemoryStore::new());
    let guestbook = on.activity(ActivityRules::new().cookieless_visitors(true)).build().unwrap();
    let app_on = app(&guestbook);
    let login = ask_with(&app_on, "/login", 1, FIREFOX, "shop.example", None).await.unwrap();
    ask_with(&app_on, "/a", 1, FIREFOX, "shop.example", Some(&login)).await;
    let anonymous = ask_with(&app_on, "/set", 1, FIREFOX, "shop.example", None).await.unwrap();
    ask_with(&app_on, "/a", 1, FIREFOX, "shop.example", Some(&anonymous)).await;
    for event in events(&guestbook).await {
        let is_known = event.user.is_some() || event.session.is_some();
        assert!(is_known && event.visitor.is_none(), "{event:?}");
    }

    let (off, _clock) = builder(MemoryStore::new());
    let guestbook = off.build().unwrap();
    ask(&app(&guestbook), "/a", 1, FIREFOX, "shop.example").await;
    assert_eq!(visitors(&events(&guestbook).await), [None, None]);
}

#[tokio::test]
async fn cookieless_visitors_obey_consent() {
    let (builder, _clock) = builder(MemoryStore::new());
    let rules = rules().activity_purpose(Some(id("analytics")));
    let guestbook = builder.activity(ActivityRules::new().cookieless_visitors(true)).consent(rules).build().unwrap();
    ask(&app(&guestbook), "/a", 1, FIREFOX, "shop.example").await;
    let recorded = events(&guestbook).await;
    assert!(
        recorded.iter().all(|event| event.visitor.is_none() && event.event_type != EventType::PAGE_VIEW),
        "{recorded:?}"
    );
}
