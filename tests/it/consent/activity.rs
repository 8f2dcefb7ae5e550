//! Activity is recorded only while its purpose is allowed; logins and logouts always.

use axum::{Router, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tower_guestbook::{
    Guestbook, Tracker,
    activity::{ActivityRules, Event, EventType, Tracked},
    consent::{DisallowedActivity, PurposeId, Subject},
    store::MemoryStore,
};

use super::{Browser, Site, id, ok, rules};
use crate::{
    activity::requests::events,
    support::{START, builder},
};

fn withheld(site: &Site) -> u64 {
    site.guestbook.recorder().stats().withheld
}

/// Type and route, for short.
fn brief(event: &Event) -> (String, String) {
    (event.event_type.to_string(), event.request.as_ref().unwrap().route.to_string())
}

async fn recorded(site: &Site) -> Vec<(String, String)> {
    events(&site.guestbook).await.iter().map(brief).collect()
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(kind, route)| (kind.to_owned(), route.to_owned())).to_vec()
}

#[tokio::test]
async fn activity_is_recorded_only_while_the_purpose_is_granted() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    for (path, count) in [("/", 1), ("/page", 2), ("/states", 3)] {
        ok(browser.get(path).await);
        assert_eq!((events(&site.guestbook).await.len(), withheld(&site)), (0, count), "{path}");
    }
    assert_eq!(ok(browser.post("/track/own").await).body, r#""withheld""#);
    assert_eq!((events(&site.guestbook).await.len(), withheld(&site)), (0, 5), "neither the event nor its request");

    browser.grant("analytics").await;
    let Subject::Visitor(visitor) = browser.visitor() else { panic!() };
    ok(browser.get("/page").await);
    assert_eq!(ok(browser.post("/track/own").await).body, r#""queued""#);
    assert_eq!(ok(browser.post("/track-durable/durable").await).body, r#""stored""#);
    let expected = pairs([
        ("api_call", "/decide"),
        ("page_view", "/page"),
        ("own", "/track/{kind}"),
        ("api_call", "/track/{kind}"),
        ("durable", "/track-durable/{kind}"),
        ("api_call", "/track-durable/{kind}"),
    ]);
    assert_eq!(recorded(&site).await, expected);
    assert!(events(&site.guestbook).await.iter().all(|event| event.visitor == Some(visitor) && event.user.is_none()));
    assert_eq!(withheld(&site), 6, "the offer was asked for before");

    ok(browser.post("/withdraw/analytics").await);
    ok(browser.get("/page").await);
    assert_eq!(recorded(&site).await, expected, "not even the request that withdraws");
    assert_eq!(withheld(&site), 8);
    assert_eq!(site.guestbook.recorder().stats().dropped, 0, "that is no loss");
}

#[tokio::test]
async fn disallowed_activity_unlinked_records_events_without_a_person() {
    let site = Site::new(MemoryStore::new(), rules().disallowed_activity(DisallowedActivity::Unlinked));
    let mut ada = site.browser();
    ok(ada.post("/begin").await);
    ada.decline("analytics").await;
    let mut ada = ada.with("referer", "https://search.example/?q=private");
    let before = events(&site.guestbook).await.len();
    ok(ada.get("/page?utm_source=news&token=secret").await);
    ada.login("ada").await;
    ok(ada.post("/track/own").await);
    ok(ada.post("/track-durable/durable").await);
    assert_eq!(ada.get("/offers").await.status, StatusCode::FORBIDDEN);
    let all = serde_json::to_value(&events(&site.guestbook).await[before..]).unwrap();
    let plain = |kind: &str, method: &str, route: &str| {
        json!({
            "event_type": kind, "timestamp": START.as_millis(),
            "request": { "route": route, "method": method, "agent": { "device": "other" } },
        })
    };
    let call = |kind: &str, method: &str, route: &str, status: u16, event: &Value| {
        let mut call = plain(kind, method, route);
        let response = &event["response"];
        call["response"] = json!({
            "status": status, "latency_us": response["latency_us"], "bytes": response["bytes"], "outcome": "completed",
        });
        call
    };
    assert_eq!(all[0], call("page_view", "GET", "/page", 200, &all[0]));
    assert_eq!((&all[1]["event_type"], &all[1]["user_id"]), (&json!("login"), &json!("ada")));
    assert_eq!(all[2], call("api_call", "POST", "/login/{user}", 200, &all[2]));
    assert_eq!(all[3], plain("own", "POST", "/track/{kind}"));
    assert_eq!(all[4], call("api_call", "POST", "/track/{kind}", 200, &all[4]));
    assert_eq!(all[5], plain("durable", "POST", "/track-durable/{kind}"));
    assert_eq!(all[6], call("api_call", "POST", "/track-durable/{kind}", 200, &all[6]));
    assert_eq!(all[7], call("api_call", "GET", "/offers", 403, &all[7]));
    assert_eq!(all.as_array().unwrap().len(), 8);
    assert_eq!(withheld(&site), before as u64 + 7, "all but the login");
}

#[tokio::test]
async fn logins_and_logouts_are_recorded_regardless_of_consent() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    browser.decline("analytics").await;
    browser.login("ada").await;
    browser.decline("measurement").await;
    ok(browser.get("/page").await);
    ok(browser.post("/logout").await);
    assert_eq!(recorded(&site).await, pairs([("login", "/login/{user}"), ("logout", "/logout")]));
    for event in events(&site.guestbook).await {
        assert_eq!((event.user.unwrap().as_str(), event.visitor), ("ada", None));
        assert!(event.session.is_some() && event.request.unwrap().network.is_some());
    }
}

#[tokio::test]
async fn objection_holds_for_requests_that_log_in_or_out() {
    let site = Site::new(MemoryStore::new(), rules().activity_purpose(Some(id("measurement"))));
    let mut ada = site.browser();
    ada.login("ada").await;
    ok(ada.get("/page").await);
    ada.decline("measurement").await;
    ok(ada.post("/logout").await);
    let mut browser = site.browser();
    browser.login("ada").await;
    let in_and_out =
        [("api_call", "/login/{user}"), ("page_view", "/page"), ("logout", "/logout"), ("login", "/login/{user}")];
    let mut expected = pairs(in_and_out);
    expected.insert(0, ("login".to_owned(), "/login/{user}".to_owned()));
    assert_eq!(recorded(&site).await, expected, "who is out is judged as who was in");
    let mut visitor = site.browser();
    visitor.decline("measurement").await;
    visitor.login("bob").await;
    expected.extend(pairs([("login", "/login/{user}")]));
    assert_eq!(recorded(&site).await, expected);
}

#[tokio::test]
async fn track_skips_disallowed_events_and_track_durable_reports_them() {
    let site = Site::new(MemoryStore::new(), rules());
    let mut browser = site.browser();
    ok(browser.post("/track/own").await);
    let refused = browser.post("/track-durable/own").await;
    assert_eq!(ok(refused).body, r#""withheld""#);
    assert!(recorded(&site).await.is_empty());
    browser.grant("analytics").await;
    ok(browser.post("/track-durable/own").await);
    let kinds: Vec<_> = recorded(&site).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["api_call", "own", "api_call"]);
    assert_eq!(browser.post("/track/Not%20a%20name").await.status, StatusCode::BAD_REQUEST, "what is wrong is wrong");
}

#[tokio::test]
async fn event_purpose_sets_the_purpose_of_one_event_type() {
    let kind = |name: &str| EventType::new(name).unwrap();
    let rules = rules()
        .event_purpose(kind("needed"), None)
        .event_purpose(kind("sold"), Some(PurposeId::MARKETING))
        .event_purpose(EventType::LOGIN, Some(PurposeId::ANALYTICS))
        .event_purpose(kind("changed"), None)
        .event_purpose(kind("changed"), Some(PurposeId::MARKETING));
    let site = Site::new(MemoryStore::new(), rules);
    let kinds = ["needed", "sold", "changed", "other"];
    let seen = async |browser: &mut Browser| {
        let before = events(&site.guestbook).await.len();
        for kind in kinds {
            ok(browser.post(&format!("/track/{kind}")).await);
        }
        let all = recorded(&site).await;
        all[before..].iter().map(|(kind, _)| kind.clone()).filter(|kind| kind != "api_call").collect::<Vec<_>>()
    };
    let mut browser = site.browser();
    assert_eq!(seen(&mut browser).await, ["needed"]);
    browser.grant("marketing").await;
    assert_eq!(seen(&mut browser).await, ["needed", "sold", "changed"], "of two rules the last one counts");
    assert_eq!(seen(&mut browser.clone().with("sec-gpc", "1")).await, ["needed"]);
    browser.grant("analytics").await;
    assert_eq!(seen(&mut browser).await, kinds);
    let before = recorded(&site).await.len();
    site.browser().login("ada").await;
    assert_eq!(recorded(&site).await.len(), before, "this one asked for it");

    let always = Site::new(MemoryStore::new(), super::rules().activity_purpose(None));
    ok(always.browser().get("/page").await);
    assert_eq!((recorded(&always).await.len(), withheld(&always)), (1, 0));
}

#[tokio::test]
async fn activity_layer_without_session_layer_records_nothing() {
    let track = async |tracker: Tracker| {
        let queued = tracker.track("own", &json!({})).unwrap();
        let durable = tracker.track_durable("own", &json!({})).await.unwrap();
        ([queued, durable] == [Tracked::Withheld; 2]).to_string()
    };
    let routes = || Router::new().route("/track", get(track));
    let alone = |guestbook: &Guestbook| routes().layer(guestbook.activity_layer());
    let site = Site::new(MemoryStore::new(), rules());
    let mut visitor = site.browser();
    visitor.grant("analytics").await;
    let before = events(&site.guestbook).await.len();
    let counted = withheld(&site);
    visitor.app = alone(&site.guestbook);
    assert_eq!(ok(visitor.get("/track").await).body, "true", "a durable event is withheld as well");
    assert_eq!((events(&site.guestbook).await.len() - before, withheld(&site) - counted), (0, 3));

    let exempt = Site::new(MemoryStore::new(), rules().activity_purpose(Some(id("measurement"))));
    let mut browser = Browser { app: alone(&exempt.guestbook), ..exempt.browser() };
    assert_eq!(ok(browser.get("/track").await).body, "true");
    assert_eq!(events(&exempt.guestbook).await.len(), 0, "somebody may have objected");
}

#[tokio::test]
async fn requests_skipped_by_activity_rules_are_not_counted_as_withheld() {
    let (builder, clock) = crate::support::builder(MemoryStore::new());
    let site = Site::of(builder.activity(ActivityRules::new().health_paths(["/"])), clock, rules());
    ok(site.browser().get("/").await);
    assert_eq!((events(&site.guestbook).await.len(), withheld(&site)), (0, 0));
    assert_eq!(site.guestbook.activity_layer().skipped().health, 1);
}

#[tokio::test]
async fn withheld_requests_take_no_route_names() {
    let words: Vec<_> = ('a'..='z').map(|letter| format!("page-{letter}")).collect();
    let (builder, clock) = builder(MemoryStore::new());
    let capacity = ActivityRules::new().path_words(words.clone()).route_capacity(8);
    let guestbook = builder.activity(capacity).consent(rules()).build().unwrap();
    let app = super::routes().fallback(async || "found").layer(guestbook.layer());
    let site = Site { app, guestbook, clock };
    let (mut stranger, mut client) = (site.browser(), site.browser());
    for word in &words[..20] {
        ok(stranger.get(&format!("/{word}")).await);
    }
    client.grant("analytics").await;
    for path in ["/page-x", "/page-y", "/page-z"] {
        ok(client.get(path).await);
    }
    let expected = [("api_call", "/decide"), ("api_call", "/page-x"), ("api_call", "/page-y"), ("api_call", ":other")];
    assert_eq!(recorded(&site).await, pairs(expected), "a quarter of eight names is left to this network");
}
