//! What it records by itself, what it is told, and who gets to see it.

use std::path::Path;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::*;

/// A page of the history of whoever has this token.
async fn history(server: &Server, token: &str, query: &str) -> Value {
    let reply = with(server, token, Method::GET, &format!("/api/activities{query}"), "").await;
    assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.json);
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    reply.json
}

async fn activities(server: &Server, token: &str, query: &str) -> Vec<Value> {
    history(server, token, query).await["activities"].as_array().unwrap().clone()
}

async fn post(server: &Server, token: &str, path: &str, body: &Value) -> Reply {
    with(server, token, Method::POST, path, &body.to_string()).await
}

#[tokio::test]
async fn full_app_records_reported_pages_and_actions() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    let page = post(&server, &user, "/api/track/page", &json!({ "page": "/prices?token=hunter2#top" })).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.json, json!({ "status": "success", "message": "Page view tracked" }));
    let details = json!({ "hands": [2, null], "why": { "": "ĝojo" } });
    for body in [
        json!({ "action": "wave" }),
        json!({ "action": "wave", "details": null }),
        json!({ "action": "wave", "details": details }),
        json!({ "action": "wave", "details": "text" }),
    ] {
        let action = post(&server, &user, "/api/track/action", &body).await;
        assert_eq!(action.status, StatusCode::OK);
        assert_eq!(action.json, json!({ "status": "success", "message": "Action tracked" }));
    }
    let note = with(&server, &user, Method::PUT, "/api/session/data/note", r#""remember the milk""#).await;
    assert_eq!(note.status, StatusCode::OK);

    let views = activities(&server, &user, "?type=page_view").await;
    assert_eq!(views.len(), 1);
    assert_eq!(views[0]["event_data"], json!({ "page": "/prices" }), "neither query nor fragment");
    assert_eq!(views[0]["origin"], "client");
    assert_eq!((&views[0]["user_id"], &views[0]["request"]["route"]), (&json!("2"), &json!("/api/track/page")));
    assert!(views[0]["session_id"].is_string() && views[0]["timestamp"].is_i64() && views[0]["sequence"].is_u64());
    let actions = activities(&server, &user, "?type=button_click&order=oldest").await;
    let data: Vec<_> = actions.iter().map(|action| action["event_data"].clone()).collect();
    let expected = [json!({}), json!({}), details, json!("text")];
    assert_eq!(data, expected.map(|details| json!({ "action": "wave", "details": details })));
    assert!(actions.iter().all(|action| action["origin"] == "client"), "{actions:?}");
    let kept = activities(&server, &user, "?type=note_kept").await;
    assert!(kept.iter().all(|kept| kept.get("origin").is_none()), "the server says so itself: {kept:?}");
    assert_eq!(kept.iter().map(|kept| &kept["event_data"]).collect::<Vec<_>>(), [&json!({ "length": 17 })]);
}

#[tokio::test]
async fn full_app_records_only_valid_events_of_known_users() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (method, path) in [
        (Method::POST, "/api/track"),
        (Method::POST, "/api/track/page"),
        (Method::POST, "/api/track/action"),
        (Method::GET, "/api/activities"),
        (Method::GET, "/api/activities/live"),
        (Method::GET, "/api/admin/recorder"),
    ] {
        let refused = with(&server, "x", method, path, "no json").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_problem(&refused, "Unauthorized", Some("Valid session required"), path);
    }

    let user = token(&server, "user1", "user123").await;
    for (path, name, problem) in
        [("/api/track/page", "page", "Page required"), ("/api/track/action", "action", "Action required")]
    {
        for body in [json!({}), json!([]), json!({ name: 1 }), json!({ name: null }), json!({ name: "" })] {
            let refused = post(&server, &user, path, &body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path} {body}");
            assert_problem(&refused, problem, None, path);
        }
        assert_eq!(with(&server, &user, Method::POST, path, "{").await.status, StatusCode::BAD_REQUEST);
        assert_eq!(post(&server, &user, path, &json!({ name: "\0" })).await.status, StatusCode::BAD_REQUEST);
        for large in [9_000, 2_000_000] {
            let refused = post(&server, &user, path, &json!({ name: "x".repeat(large) })).await;
            assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{path} {large}");
            assert!(refused.json["error"].is_string(), "{path} {large}");
        }
    }
    assert_eq!(activities(&server, &user, "?type=page_view").await, [Value::Null; 0]);
    assert_eq!(activities(&server, &user, "?type=button_click").await, [Value::Null; 0]);
}

#[tokio::test]
async fn full_app_checks_each_event_of_a_batch() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    let events = json!([
        { "event_type": "form_submit", "event_data": { "form": "search" }, "client_time": 1 },
        { "event_type": "note_kept", "event_data": { "length": 3 } },
        { "event_type": "purchase" },
        { "event_type": "note_kept", "event_data": { "length": 3, "text": "abc" } },
        { "event_type": "note_kept" },
        { "event_type": "made_up" },
        { "event_type": "Two Words" },
        { "event_data": {} },
        { "event_type": "error", "event_data": [] },
        { "event_type": "error", "client_time": "yesterday" },
        { "event_type": "error", "event_data": { "text": "x".repeat(9_000) } },
        7,
    ]);
    for body in [json!({ "events": events }), events] {
        let reply = post(&server, &user, "/api/track", &body).await;
        assert_eq!((reply.status, &reply.json["status"]), (StatusCode::OK, &json!("success")));
        assert_eq!(reply.json["accepted"], 3);
        let results = reply.json["results"].as_array().unwrap();
        let (accepted, refused) = results.split_at(3);
        assert!(accepted.iter().all(|result| *result == json!({ "status": "accepted" })), "{accepted:?}");
        let words = [
            "unknown field, expected `length`",
            "missing field `length`",
            "made_up is not registered",
            "consists of a to z",
            "event_type is required",
            "JSON object",
            "client_time is",
            "8192 bytes",
            "event_type is required",
        ];
        assert_eq!(refused.len(), words.len());
        for (result, words) in refused.iter().zip(words) {
            assert_eq!(result["status"], "refused");
            assert!(result["error"].as_str().unwrap().contains(words), "{result}, not {words}");
        }
    }
    let submitted = activities(&server, &user, "?type=form_submit").await;
    assert_eq!((submitted.len(), &submitted[0]["event_data"]), (2, &json!({ "form": "search" })));
    let (said, seen) = (submitted[0]["client_time"].as_i64().unwrap(), submitted[0]["timestamp"].as_i64().unwrap());
    assert_eq!(said, seen - 86_400_000, "1970 is moved to within a day");
    assert_eq!(activities(&server, &user, "?type=purchase").await[0]["event_data"], json!({}));
    assert_eq!(activities(&server, &user, "?type=note_kept").await.len(), 2);
    assert_eq!(activities(&server, &user, "?type=error").await.len(), 0);
}

#[tokio::test]
async fn full_app_limits_batches() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    let batch = |count: usize| json!({ "events": vec![json!({ "event_type": "action" }); count] });
    for (count, accepted) in [(0, 0), (100, 100)] {
        let reply = post(&server, &user, "/api/track", &batch(count)).await;
        assert_eq!((reply.status, &reply.json["accepted"]), (StatusCode::OK, &json!(accepted)));
    }
    let many = post(&server, &user, "/api/track", &batch(101)).await;
    assert_eq!(many.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(many.json["error"].as_str().unwrap().contains("100 events"));
    let large = json!([{ "event_type": "action", "event_data": { "text": "x".repeat(1 << 20) } }]);
    let large = post(&server, &user, "/api/track", &large).await;
    assert_eq!((large.status, large.json["error"].is_string()), (StatusCode::PAYLOAD_TOO_LARGE, true));
    let deep = "[".repeat(100_000);
    for body in ["", "no json", "7", "null", "{}", r#"{"events":{}}"#, r#"{"events":null}"#, r#""events""#, &deep] {
        let refused = with(&server, &user, Method::POST, "/api/track", body).await;
        assert_eq!((refused.status, refused.json["error"].is_string()), (StatusCode::BAD_REQUEST, true), "{body:.20}");
    }
    assert_eq!(activities(&server, &user, "?type=action&limit=200").await.len(), 100);
}

#[tokio::test]
async fn full_app_records_logins_requests_and_pages() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let first = token(&server, "user1", "user123").await;
    assert_eq!(with(&server, &first, Method::POST, "/auth/logout", "").await.status, StatusCode::OK);
    let user = token(&server, "user1", "user123").await;
    for path in ["/", "/app.js", "/style.css", "/health", "/api/session", "/api/session/data/nothing?password=hunter2"]
    {
        with(&server, &user, Method::GET, path, "").await;
    }
    let seen = activities(&server, &user, "?order=oldest").await;
    let lines: Vec<_> = seen
        .iter()
        .map(|activity| {
            let request = |name: &str| activity["request"][name].as_str().unwrap().to_owned();
            let kind = activity["event_type"].as_str().unwrap();
            format!("{kind} {} {} {}", request("method"), request("route"), activity["response"]["status"])
        })
        .collect();
    // No request has a User-Agent, so those of strangers are a bot's; those of users are not.
    assert_eq!(
        lines,
        [
            "login POST /auth/login null",
            "logout POST /auth/logout null",
            "api_call POST /auth/logout 200",
            "login POST /auth/login null",
            "page_view GET / 200",
            "api_call GET /api/session 200",
            "api_call GET /api/session/data/{key} 404",
        ]
    );
    assert_eq!(seen[0]["event_data"], json!({ "action": "user_logged_in" }));
    assert_eq!(seen[1]["event_data"], json!({ "action": "user_logged_out" }));
    assert_ne!(seen[0]["session_id"], seen[3]["session_id"]);
    assert!(!json!(seen).to_string().contains("hunter2"));

    let again = activities(&server, &user, "?limit=1").await;
    assert_eq!(again[0]["request"]["route"], "/api/activities", "and so is the reading of it");
}

#[tokio::test]
async fn full_app_pages_the_history_of_the_user() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (user, admin) = (token(&server, "user1", "user123").await, token(&server, "admin", "admin123").await);
    for number in 0..5 {
        for token in [&user, &admin] {
            let body = json!({ "action": format!("number {number}") });
            assert_eq!(post(&server, token, "/api/track/action", &body).await.status, StatusCode::OK);
        }
    }
    for (token, own) in [(&user, "2"), (&admin, "1")] {
        let all = activities(&server, token, "?limit=200").await;
        assert!(all.len() > 10 && all.iter().all(|activity| activity["user_id"] == own), "{all:?}");
    }
    for (order, expected) in [("newest", [4, 3, 2, 1, 0]), ("oldest", [0, 1, 2, 3, 4])] {
        let mut seen = Vec::new();
        let mut query = format!("?type=button_click&order={order}&limit=2");
        loop {
            let page = history(&server, &user, &query).await;
            let actions = page["activities"].as_array().unwrap();
            assert!((1..=2).contains(&actions.len()));
            seen.extend(actions.iter().map(|action| action["event_data"]["action"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?type=button_click&limit=2&after={next}");
        }
        assert_eq!(seen, expected.map(|number| format!("number {number}")), "{order}");
    }
    assert_eq!(activities(&server, &user, "?type=never_seen").await, [Value::Null; 0]);

    for (query, parameter) in [
        ("?type=", "type"),
        ("?type=Two%20Words", "type"),
        ("?after=", "after"),
        ("?after=nonsense", "after"),
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=-1", "limit"),
        ("?limit=many", "limit"),
        ("?order=sideways", "order"),
    ] {
        let refused = with(&server, &user, Method::GET, &format!("/api/activities{query}"), "").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(refused.json["error"].as_str().unwrap().starts_with(parameter), "{query}: {}", refused.json);
    }
}

#[tokio::test]
async fn full_app_shows_recorder_stats_to_the_administrator() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (user, admin) = (token(&server, "user1", "user123").await, token(&server, "admin", "admin123").await);
    let path = "/api/admin/recorder";
    let refused = with(&server, &user, Method::GET, path, "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_problem(&refused, "Forbidden", None, path);
    history(&server, &admin, "").await;
    let figures = with(&server, &admin, Method::GET, path, "").await;
    assert_eq!(figures.status, StatusCode::OK);
    let (recorder, skipped) = (&figures.json["recorder"], &figures.json["skipped"]);
    assert!(recorder["written"].as_u64().unwrap() >= 3, "two logins, one refusal: {recorder}");
    assert_eq!((&recorder["dropped"], &recorder["lost"], &recorder["spooled"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(skipped["bots"], 2, "the requests to log in: {skipped}");

    let firefox = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    for headers in [vec![], vec![firefox]] {
        ask(&server.address, Method::GET, "/", &headers, "").await;
    }
    let later = with(&server, &admin, Method::GET, path, "").await;
    assert_eq!(later.json["skipped"]["bots"], 3, "a stranger without a browser; not one with it");
    assert_eq!(later.json["recorder"]["offered"].as_u64(), recorder["offered"].as_u64().map(|before| before + 2));
}

#[tokio::test]
async fn full_app_without_recording_stores_only_reported_events() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--recording", "off"]);
    let user = token(&server, "user1", "user123").await;
    assert_eq!(with(&server, &user, Method::GET, "/", "").await.status, StatusCode::OK);
    assert_eq!(post(&server, &user, "/api/track/page", &json!({ "page": "/x" })).await.status, StatusCode::OK);
    let seen = activities(&server, &user, "").await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((&seen[0]["user_id"], &seen[0]["event_data"]), (&json!("2"), &json!({ "page": "/x" })));
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_stores_events_and_no_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    let note = with(&server, &user, Method::PUT, "/api/session/data/note", r#""so it is written""#).await;
    assert_eq!(note.status, StatusCode::OK);
    let change = json!({ "old_password": "user123", "new_password": "correct horse" }).to_string();
    let changed = with(&server, &user, Method::POST, "/auth/password", &change).await;
    let rotated = changed.set_cookie().unwrap().strip_prefix("session_id=").unwrap();
    let rotated = rotated.split(';').next().unwrap().to_owned();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let bearer = format!("Bearer {rotated}");
    let headers = [("authorization", bearer.as_str()), ("user-agent", agent), ("x-session-id", &rotated)];
    let path = "/api/session?access_token=hunter2&utm_source=letter";
    assert_eq!(ask(&server.address, Method::GET, path, &headers, "").await.status, StatusCode::OK);
    assert_eq!(ask(&server.address, Method::GET, "/reset/hunter2", &headers, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(activities(&server, &rotated, "?type=login").await.len(), 1);

    let mut needles = ["user123", "correct horse", "hunter2", agent, "127.0.0.1"].map(Vec::from).to_vec();
    for token in [&user, &rotated] {
        needles.push(token.clone().into_bytes());
        needles.push(BASE64_URL_SAFE_NO_PAD.decode(token).unwrap());
    }
    let check = |when: &str| {
        let files = files(directory.path());
        assert!(files.iter().any(|(name, _)| name == "guestbook.db"));
        for seen in ["user_logged_in", "/api/session", "letter", "so it is written"] {
            assert!(files.iter().any(|(_, bytes)| contains(bytes, seen.as_bytes())), "{when} no file has {seen}");
        }
        for (name, bytes) in &files {
            for needle in &needles {
                let shown = String::from_utf8_lossy(needle);
                assert!(!contains(bytes, needle), "{when} the file {name} has {shown}");
            }
        }
    };
    check("while it runs");
    let log = server.stop();
    check("after the end");
    assert!(log.contains(r#""spooled":0,"lost":0"#), "{log}");
    assert!(needles.iter().all(|needle| !contains(log.as_bytes(), needle)), "{log}");
}

/// All files below `directory`, with what is in them.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.push((name, std::fs::read(path).unwrap()));
        }
    }
    files
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn full_app_refuses_security_events_of_clients() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    let events = ["login", "logout"].map(|kind| json!({ "event_type": kind, "event_data": {} }));
    let reply = post(&server, &user, "/api/track", &json!({ "events": events })).await;
    assert_eq!(reply.json["accepted"], 0, "{}", reply.json);
    for result in reply.json["results"].as_array().unwrap() {
        assert!(result["error"].as_str().unwrap().contains("by the server, not by a client"), "{result}");
    }
    assert_eq!(activities(&server, &user, "?type=login").await.len(), 1, "the one that happened");
    assert_eq!(activities(&server, &user, "?type=logout").await.len(), 0);
}
