//! What somebody agrees to or not, as it is recorded.

use super::*;

const OPTIONAL: [&str; 4] = ["analytics", "functional", "marketing", "personalisation"];

impl TestClient<'_> {
    /// Where everything stands.
    pub(super) async fn consent(&mut self) -> Value {
        let reply = self.get("/api/consent").await;
        assert_eq!(
            (reply.status, &reply.headers[header::CACHE_CONTROL]),
            (StatusCode::OK, &"no-store".parse().unwrap())
        );
        reply.json
    }

    pub(super) async fn decide(&mut self, purpose: &str, granted: bool) -> Reply {
        let reply =
            self.send(Method::POST, "/api/consent", &json!({ "consent_type": purpose, "granted": granted })).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
        assert_eq!(reply.json, json!({ "status": "success", "message": "Consent recorded" }));
        reply
    }
}

/// Whether a purpose is allowed and why.
pub(super) fn consent_state(state: &Value, purpose: &str) -> (bool, String) {
    let purposes = state["purposes"].as_array().unwrap();
    let found = purposes.iter().find(|state| state["id"] == purpose).unwrap();
    (found["allowed"].as_bool().unwrap(), found["why"].as_str().unwrap().to_owned())
}

pub(super) fn all(granted: bool) -> Value {
    OPTIONAL.map(|purpose| (purpose.to_owned(), json!(granted))).into_iter().collect()
}

#[tokio::test]
async fn full_app_records_a_decision_and_shows_consent_states() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut guest = TestClient::new(&server);
    let fresh = guest.consent().await;
    assert_eq!((&fresh["subject"], &fresh["ask"], &fresh["history"]), (&Value::Null, &json!(true), &json!([])));
    assert_eq!(fresh["signals"]["gpc"], json!({ "received": false, "honoured": false }));
    for (purpose, allowed, why) in [
        ("analytics", true, "undecided"),
        ("functional", false, "undecided"),
        ("marketing", false, "undecided"),
        ("necessary", true, "necessary"),
        ("personalisation", false, "undecided"),
    ] {
        assert_eq!(consent_state(&fresh, purpose), (allowed, why.to_owned()), "{purpose}");
    }
    let offered = fresh["offer"]["purposes"].as_array().unwrap();
    assert!(offered.len() == 5 && offered.iter().all(|purpose| purpose["notice"]["language"] == "en"), "{offered:?}");

    let reply = guest.decide("marketing", true).await;
    let visitor = guest.cookies["consent"].clone();
    let expected = format!("consent={visitor}; HttpOnly; SameSite=Lax; Path=/; Max-Age=15552000");
    assert_eq!(set_cookies(&reply), [expected]);
    assert_eq!(set_cookies(&guest.decide("analytics", false).await).len(), 1, "still the same visitor");
    assert_eq!(guest.cookies["consent"], visitor);

    let state = guest.consent().await;
    assert_eq!(state["subject"], "visitor");
    assert_eq!(consent_state(&state, "marketing"), (true, "granted".into()));
    assert_eq!(consent_state(&state, "analytics"), (false, "objected".into()));
    let history = state["history"].as_array().unwrap();
    let lines: Vec<_> = history.iter().map(|record| (&record["purpose"], &record["decision"])).collect();
    let (analytics, marketing) = (json!("analytics"), json!("marketing"));
    assert_eq!(lines, [(&analytics, &json!("objected")), (&marketing, &json!("granted"))]);
    for record in history {
        assert_eq!((&record["method"], &record["notice_version"]), (&json!("api"), &json!(1)));
        assert_eq!(record["notice"], Value::Null, "no text was shown");
    }
    let shown = state.to_string().replace('-', "");
    assert!(!shown.contains(&visitor), "the value of an HttpOnly cookie is not for scripts: {state}");
}

#[tokio::test]
async fn full_app_refuses_invalid_decisions() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Server::start(elsewhere.path());
    let mut guest = TestClient::new(&server);
    let path = "/api/consent";
    for body in [
        "",
        "no json",
        "{",
        "null",
        "7",
        "[]",
        "{}",
        r#"{"consent_type":"analytics"}"#,
        r#"{"granted":true}"#,
        r#"{"consent_type":null,"granted":true}"#,
        r#"{"consent_type":7,"granted":true}"#,
        r#"{"consent_type":["analytics"],"granted":true}"#,
        r#"{"consent_type":"analytics","granted":"true"}"#,
        r#"{"consent_type":"analytics","granted":1}"#,
        r#"{"consent_type":"analytics","granted":null}"#,
        r#"{"consent_type":"analytics","granted":true,"granted":false}"#,
        r#"{"consent_type":"analytics","granted":true,"notice":7}"#,
        r#"{"consent_type":"","granted":true}"#,
        r#"{"consent_type":"telepathy","granted":true}"#,
        r#"{"consent_type":"Analytics ","granted":true}"#,
        r#"{"consent_type":"necessary","granted":true}"#,
        r#"{"consent_type":"necessary","granted":false}"#,
        r#"{"choices":{"analytics":true}}"#,
        r#"{"choices":{},"method":"custom"}"#,
        r#"{"choices":{"analytics":"yes"},"method":"custom"}"#,
        r#"{"choices":["analytics"],"method":"custom"}"#,
        r#"{"choices":{"analytics":true},"method":"import"}"#,
        r#"{"choices":{"analytics":true},"method":"gpc"}"#,
        r#"{"choices":{"analytics":true,"telepathy":true},"method":"custom"}"#,
        r#"{"choices":{"analytics":true,"necessary":true},"method":"accept_all"}"#,
        r#"{"choices":{"analytics":true,"marketing":false},"method":"accept_all"}"#,
        r#"{"choices":{"analytics":true,"marketing":false},"method":"reject_all"}"#,
        r#"{"choices":{"analytics":true},"method":"dismiss"}"#,
        r#"{"choices":{"analytics":true},"method":"custom","consent_type":"marketing","granted":true}"#,
    ] {
        assert_error(&guest.ask(Method::POST, path, &[JSON], body).await, StatusCode::BAD_REQUEST, body);
    }
    let theirs = TestClient::new(&stranger).consent().await["offer"]["snapshot"].as_str().unwrap().to_owned();
    let ours = guest.consent().await["offer"]["snapshot"].as_str().unwrap().to_owned();
    let (payload, tag) = ours.split_once('.').unwrap();
    let mixed = format!("{payload}.{}", theirs.split_once('.').unwrap().1);
    for forged in ["", ".", "I read it", payload, &format!("{payload}."), &mixed, &theirs, &format!("{ours}{tag}")] {
        let body = json!({ "consent_type": "analytics", "granted": true, "notice": forged });
        assert_error(&guest.send(Method::POST, path, &body).await, StatusCode::CONFLICT, forged);
    }
    for large in [16 * 1024, 1 << 20] {
        let body = json!({ "consent_type": "analytics", "granted": true, "notice": "x".repeat(large) });
        assert_error(&guest.send(Method::POST, path, &body).await, StatusCode::PAYLOAD_TOO_LARGE, "large");
    }
    let state = guest.consent().await;
    assert_eq!((&state["history"], &state["subject"]), (&json!([]), &Value::Null));
    assert!(guest.cookies.is_empty(), "{:?}", guest.cookies);
}

#[tokio::test]
async fn full_app_records_decisions_with_the_shown_notice() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut guest = TestClient::new(&server);
    let german = [("accept-language", "de-CH, en;q=0.5")];
    let prompt = guest.ask(Method::GET, "/api/consent", &german, "").await.json["offer"].clone();
    let snapshot = &prompt["snapshot"];
    let mixed = json!({ "analytics": true, "functional": false, "marketing": true, "personalisation": false });
    // A purpose that is decided as before is no new record.
    for (method, choices, expected, new) in [
        ("accept_all", all(true), [true; 4], 4),
        ("reject_all", all(false), [false; 4], 4),
        ("custom", mixed, [true, false, true, false], 2),
        ("dismiss", all(false), [false; 4], 2),
    ] {
        let body = json!({ "choices": choices, "method": method, "notice": snapshot });
        let reply = guest.send(Method::POST, "/api/consent", &body).await;
        assert_eq!(reply.json, json!({ "status": "success", "message": "Consent recorded" }), "{method}");
        let state = guest.consent().await;
        assert_eq!(OPTIONAL.map(|purpose| consent_state(&state, purpose).0), expected, "{method}");
        assert_eq!(state["ask"], json!(false), "whoever has answered is left in peace");
        for record in &state["history"].as_array().unwrap()[..new] {
            let purpose = prompt["purposes"].as_array().unwrap().iter().find(|other| other["id"] == record["purpose"]);
            let notice = &purpose.unwrap()["notice"];
            assert_eq!((&record["method"], &record["language"]), (&json!(method), &json!("de")));
            assert_eq!((&record["notice"], &notice["language"]), (&notice["hash"], &json!("de")));
        }
    }
    assert_eq!(guest.consent().await["history"].as_array().unwrap().len(), 12, "nothing is overwritten");
}

#[tokio::test]
async fn full_app_withdraws_with_one_call() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut guest = TestClient::new(&server);
    guest.decide("marketing", true).await;
    let gone = guest.ask(Method::DELETE, "/api/consent/marketing", &[], "").await;
    assert_eq!(gone.json, json!({ "status": "success", "message": "Consent withdrawn" }));
    assert_eq!(consent_state(&guest.consent().await, "marketing"), (false, "withdrawn".into()));
    for unknown in ["telepathy", "Two%20Words", "%00", "receipts"] {
        let refused = guest.ask(Method::DELETE, &format!("/api/consent/{unknown}"), &[], "").await;
        assert_error(&refused, StatusCode::NOT_FOUND, unknown);
    }
    let refused = guest.ask(Method::DELETE, "/api/consent/necessary", &[], "").await;
    assert_error(&refused, StatusCode::BAD_REQUEST, "necessary");

    let mut other = TestClient::new(&server);
    let first = other.ask(Method::DELETE, "/api/consent/analytics", &[], "").await;
    assert_eq!((first.status, cookie_names(&first)), (StatusCode::OK, vec!["consent"]), "an objection is a decision");
    assert_eq!(consent_state(&other.consent().await, "analytics"), (false, "objected".into()));
    assert_eq!(consent_state(&guest.consent().await, "analytics"), (true, "undecided".into()), "of one, not of others");
}

#[tokio::test]
async fn full_app_gives_a_receipt_of_what_was_decided() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (mut visitor, mut user) = (TestClient::new(&server), TestClient::new(&server));
    user.login("user1", "user123").await;
    for (guest, kind) in [(&mut visitor, "visitor"), (&mut user, "user")] {
        let path = "/api/consent/receipt";
        assert_error(&guest.get(path).await, StatusCode::NOT_FOUND, kind);
        guest.decide("marketing", true).await;
        guest.decide("marketing", false).await;
        let receipt = guest.get(path).await;
        assert_eq!(receipt.status, StatusCode::OK);
        let receipt = receipt.json;
        assert_eq!(receipt["schema_version"], "ISO/IEC TS 27560:2023");
        assert_eq!(receipt["pii_principal_id"]["kind"], kind);
        assert!(receipt["pii_controllers"][0]["contact"].as_str().unwrap().contains('@'));
        assert_eq!(receipt["pii_processing"].as_array().unwrap().len(), 1);
        let marketing = &receipt["pii_processing"][0];
        assert_eq!((&marketing["purpose"], &marketing["lawful_basis"]), (&json!("marketing"), &json!("consent")));
        let events: Vec<_> =
            marketing["events"].as_array().unwrap().iter().map(|event| &event["event_state"]).collect();
        assert_eq!(events, [&json!("withdrawn"), &json!("granted")]);
        let cookie = guest.cookies.get("consent").map_or("no cookie", String::as_str);
        assert!(!receipt.to_string().replace('-', "").contains(cookie), "{receipt}");
    }
}

#[tokio::test]
async fn full_app_removes_a_malformed_consent_cookie() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let long = "a".repeat(4_000);
    for value in ["", "x", "%00", "{\"marketing\":true}", "00000000000000000000000000000000", &long, "1,2", "\"\""] {
        let mut guest = TestClient::new(&server);
        guest.cookies.insert("consent".into(), value.into());
        assert_eq!(guest.get("/offers").await.status, StatusCode::FORBIDDEN, "{value:.20}");
        assert!(!guest.cookies.is_empty(), "{value:.20}: a late answer could take away one that was set meanwhile");
        guest.ask(Method::GET, "/", &PAGE, "").await;
        assert!(guest.cookies.is_empty(), "{value:.20} is removed");
        guest.cookies.insert("consent".into(), value.into());
        guest.decide("marketing", true).await;
        assert_eq!((guest.cookies.len(), guest.cookies["consent"].len()), (1, 32), "{value:.20}");
        assert_eq!(guest.get("/offers").await.status, StatusCode::OK, "{value:.20}");
    }
    // An id that nobody was given is nobody's: it stands nowhere, and is good for a first decision.
    let mut guest = TestClient::new(&server);
    guest.cookies.insert("consent".into(), "00000000000040008000000000000000".into());
    assert_eq!(consent_state(&guest.consent().await, "marketing"), (false, "undecided".into()));
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_keeps_decisions_over_a_restart_and_logs_no_visitor() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let mut guest = TestClient::new(&server);
    guest.decide("marketing", true).await;
    guest.decide("analytics", false).await;
    let cookies = guest.cookies.clone();
    let log = server.stop();
    assert!(!log.replace('-', "").contains(&cookies["consent"]), "{log}");

    let server = Server::start(directory.path());
    let mut guest = TestClient { server: &server, cookies };
    let state = guest.consent().await;
    assert_eq!(consent_state(&state, "marketing"), (true, "granted".into()));
    assert_eq!(consent_state(&state, "analytics"), (false, "objected".into()));
    assert_eq!(guest.get("/offers").await.status, StatusCode::OK);
}
