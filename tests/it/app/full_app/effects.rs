//! What follows from what somebody decided: cookies, gates, signals, records, and what becomes of
//! it at a login.

use super::{
    consent::{all, consent_state},
    *,
};

const GPC: (&str, &str) = ("sec-gpc", "1");
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml");

/// A browser that opens a page, which is when cookies that are not allowed are removed.
const OPENS: [(&str, &str); 3] = [BROWSER, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

impl TestClient<'_> {
    /// How many activities there are of the user.
    pub(super) async fn activities(&mut self) -> usize {
        self.get("/api/activities?limit=200").await.json["activities"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn full_app_sets_no_cookie_before_it_is_needed() {
    let directory = tempfile::tempdir().unwrap();
    for recording in ["on", "off"] {
        let server = Server::start_with(directory.path(), &["--recording", recording]);
        for path in [
            "/",
            "/app.js",
            "/consent.js",
            "/preferences.js",
            "/style.css",
            "/health",
            "/offers",
            "/api/offers",
            "/api/consent",
            "/api/consent/receipt",
            "/api/preferences",
            "/api/session",
            "/api/activities",
            "/api/users/2/profile",
            "/.well-known/gpc.json",
            "/nothing",
        ] {
            for header in [BROWSER, GPC, ("accept-language", "de")] {
                let reply = ask(&server.address, Method::GET, path, &[header], "").await;
                assert_eq!(set_cookies(&reply), [""; 0], "{path} {header:?}");
            }
        }
        for (method, path, body, only) in [
            (Method::POST, "/api/consent", json!({ "choices": all(false), "method": "reject_all" }), "consent"),
            (Method::POST, "/api/consent", json!({ "choices": all(true), "method": "accept_all" }), "consent"),
            (Method::DELETE, "/api/consent/analytics", Value::Null, "consent"),
            (Method::PATCH, "/api/preferences", json!({ "privacy": { "allow_analytics": false } }), "consent"),
            (Method::PATCH, "/api/preferences", json!({ "theme": "dark" }), "session_id"),
            (Method::PUT, "/api/session/data/cart", json!([1]), "session_id"),
            (Method::POST, "/auth/login", json!({ "username": "user1", "password": "user123" }), "session_id"),
        ] {
            let reply = TestClient::new(&server).send(method, path, &body).await;
            assert_eq!((reply.status, cookie_names(&reply)), (StatusCode::OK, vec![only]), "{path} {body}");
        }
    }
}

#[tokio::test]
async fn full_app_shows_offers_only_to_those_who_agreed_to_marketing() {
    let directory = tempfile::tempdir().unwrap();
    for recording in ["on", "off"] {
        let server = Server::start_with(directory.path(), &["--recording", recording]);
        let mut guest = TestClient::new(&server);
        let closed = async |guest: &mut TestClient<'_>, headers: &[(&str, &str)]| {
            let browser: Vec<_> = headers.iter().copied().chain(OPENS).collect();
            let page = guest.ask(Method::GET, "/offers?page=2", &browser, "").await;
            assert_eq!(page.status, StatusCode::SEE_OTHER);
            assert!(!set_cookies(&page).iter().any(|cookie| cookie.starts_with("offers=seen")));
            assert_eq!(page.headers[header::LOCATION], "/?purpose=marketing&return=%2Foffers%3Fpage%3D2");
            for path in ["/offers", "/api/offers"] {
                let refused = guest.ask(Method::GET, path, headers, "").await;
                assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
                assert_eq!(refused.headers[header::CONTENT_TYPE], "application/problem+json");
                assert_eq!((&refused.json["purposes"], &refused.json["version"]), (&json!(["marketing"]), &json!(1)));
                assert_eq!(refused.json["manage_url"], "/");
            }
        };
        let open = async |guest: &mut TestClient<'_>, headers: &[(&str, &str)]| {
            let page = guest.ask(Method::GET, "/offers", headers, "").await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(page.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
            assert_eq!(set_cookies(&page), ["offers=seen; Path=/; SameSite=Lax"]);
            let json = guest.ask(Method::GET, "/api/offers", headers, "").await;
            assert_eq!((json.status, json.json["offers"].as_array().unwrap().len()), (StatusCode::OK, 2));
            for reply in [page, json] {
                assert!(varies_by(&reply, "sec-gpc") && varies_by(&reply, "cookie"), "{:?}", reply.headers);
            }
        };
        closed(&mut guest, &[]).await;
        guest.decide("marketing", true).await;
        open(&mut guest, &[]).await;
        assert_eq!(guest.cookies["offers"], "seen");
        closed(&mut guest, &[GPC]).await;

        // What is withdrawn is gone from the browser too.
        assert!(!guest.cookies.contains_key("offers"), "as is what the signal forbids");
        open(&mut guest, &[]).await;
        let withdrawn = guest.ask(Method::DELETE, "/api/consent/marketing", &[], "").await;
        let removed = |reply: &Reply| set_cookies(reply).contains(&"offers=; Path=/; Max-Age=0");
        assert!(removed(&withdrawn), "{:?}", set_cookies(&withdrawn));
        closed(&mut guest, &[]).await;
        guest.cookies.insert("offers".into(), "planted".into());
        assert!(removed(&guest.ask(Method::GET, "/", &OPENS, "").await), "whoever set it");

        // Who agrees although the browser sends the signal does so knowingly.
        let body = json!({ "consent_type": "marketing", "granted": true }).to_string();
        assert_eq!(guest.ask(Method::POST, "/api/consent", &[JSON, GPC], &body).await.status, StatusCode::OK);
        open(&mut guest, &[GPC]).await;
        let state = guest.ask(Method::GET, "/api/consent", &[GPC], "").await.json;
        assert_eq!(state["signals"]["gpc"], json!({ "received": true, "honoured": false }));
        assert_eq!(guest.send(Method::POST, "/offers", &json!({})).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn full_app_honours_global_privacy_control() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let support = ask(&server.address, Method::GET, "/.well-known/gpc.json", &[], "").await;
    assert_eq!((support.status, &support.json["gpc"]), (StatusCode::OK, &json!(true)));
    assert!(support.json["lastUpdate"].is_string() && support.headers[header::CONTENT_TYPE] == "application/json");
    let head = ask(&server.address, Method::HEAD, "/.well-known/gpc.json", &[], "").await;
    assert_eq!(
        (head.status, &head.headers[header::CONTENT_TYPE]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );

    let mut guest = TestClient::new(&server);
    for (value, received) in [("1", true), ("0", false), ("true", false), ("1, 1", false), ("01", false)] {
        let state = guest.ask(Method::GET, "/api/consent", &[("sec-gpc", value)], "").await.json;
        assert_eq!(state["signals"]["gpc"], json!({ "received": received, "honoured": received }), "{value}");
        let why = if received { "global_privacy_control" } else { "undecided" };
        assert_eq!(consent_state(&state, "marketing"), (false, why.to_owned()), "{value}");
        assert!(consent_state(&state, "analytics").0, "the signal is about what is sold or shared");
    }
    assert!(guest.cookies.is_empty(), "a signal is no decision of a visitor");

    // What the browser of a user says holds for the account, on every device.
    guest.login("user1", "user123").await;
    let mut device = TestClient::new(&server);
    device.login("user1", "user123").await;
    let mut history = Vec::new();
    for _ in 0..200 {
        guest.ask(Method::GET, "/api/session", &[GPC], "").await;
        history = device.consent().await["history"].as_array().unwrap().clone();
        if !history.is_empty() {
            break;
        }
    }
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!((&history[0]["method"], &history[0]["purpose"]), (&json!("gpc"), &json!("marketing")));
    guest.ask(Method::GET, "/api/session", &[GPC], "").await;
    let state = device.consent().await;
    assert_eq!(consent_state(&state, "marketing"), (false, "objected".into()));
    assert_eq!(state["history"].as_array().unwrap().len(), 1, "once");
}

#[tokio::test]
async fn full_app_records_nothing_of_those_who_object() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut guest = TestClient::new(&server);
    guest.login("user1", "user123").await;
    let page = json!({ "page": "/#prices" });
    for path in ["/", "/api/session"] {
        guest.get(path).await;
    }
    guest.send(Method::POST, "/api/track/page", &page).await;
    assert!(guest.activities().await >= 4);

    guest.decide("analytics", false).await;
    let before = guest.activities().await;
    for path in ["/", "/api/session", "/api/preferences"] {
        guest.get(path).await;
    }
    let tracked = guest.send(Method::POST, "/api/track/page", &page).await;
    assert_eq!(tracked.status, StatusCode::OK, "the program need not know");
    let batch = json!([{ "event_type": "form_submit" }, { "event_type": "purchase" }]);
    assert_eq!(guest.send(Method::POST, "/api/track", &batch).await.status, StatusCode::OK);
    guest.send(Method::PUT, "/api/session/data/note", &json!("milk")).await;
    assert_eq!(guest.activities().await, before, "nothing new, however it came");

    guest.send(Method::POST, "/auth/logout", &Value::Null).await;
    guest.login("user1", "user123").await;
    assert_eq!(guest.activities().await, before + 2, "logins and logouts keep accounts safe");
    guest.decide("analytics", true).await;
    let again = guest.activities().await;
    guest.send(Method::POST, "/api/track/page", &page).await;
    assert!(guest.activities().await > again, "whoever agrees again is measured again");
}

#[tokio::test]
async fn full_app_merges_visitor_decisions_at_login() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut guest = TestClient::new(&server);
    for (purpose, granted) in [("functional", true), ("marketing", false), ("analytics", false)] {
        guest.decide(purpose, granted).await;
    }
    let visitor = guest.cookies["consent"].clone();
    let reply = guest.login("user1", "user123").await;
    let mut names = cookie_names(&reply);
    names.sort_unstable();
    assert_eq!(names, ["consent", "session_id"]);
    assert!(!guest.cookies.contains_key("consent"), "removed: the decisions are the account's now");

    let mut device = TestClient::new(&server);
    device.login("user1", "user123").await;
    for (guest, subject) in [(&mut guest, "user"), (&mut device, "user")] {
        let state = guest.consent().await;
        assert_eq!(state["subject"], subject);
        assert_eq!(consent_state(&state, "functional"), (false, "undecided".into()), "a yes is not carried over");
        assert_eq!(consent_state(&state, "marketing"), (false, "denied".into()));
        assert_eq!(consent_state(&state, "analytics"), (false, "objected".into()));
        let methods: Vec<_> = state["history"].as_array().unwrap().iter().map(|record| &record["method"]).collect();
        let count = |method: &str| methods.iter().filter(|other| **other == method).count();
        assert_eq!((methods.len(), count("merge"), count("api")), (5, 2, 3), "what was a visitor's stays on record");
    }

    // A no of the account is not undone by a visitor's yes.
    let mut other = TestClient::new(&server);
    other.decide("marketing", true).await;
    other.login("user1", "user123").await;
    assert_eq!(consent_state(&other.consent().await, "marketing"), (false, "denied".into()));

    // After a logout the browser is a new visitor.
    guest.send(Method::POST, "/auth/logout", &Value::Null).await;
    assert!(guest.cookies.is_empty(), "{:?}", guest.cookies);
    let state = guest.consent().await;
    assert_eq!((&state["subject"], consent_state(&state, "functional").1), (&Value::Null, "undecided".into()));
    assert_eq!(guest.decide("functional", true).await.status, StatusCode::OK);
    assert_ne!(guest.cookies["consent"], visitor);
}
