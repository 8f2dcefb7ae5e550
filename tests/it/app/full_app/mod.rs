//! The example server, from outside.

mod activity;
mod consent;
mod effects;
mod files;
mod limits;
mod live;
mod parts;
mod passwords;
mod preferences;
mod profile;
mod rights;
mod rights_and_figures;

use std::{collections::BTreeMap, process::Command};

use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::server::{Reply, Server, ask, full_app};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn login(server: &Server, name: &str, password: &str) -> Reply {
    let body = json!({ "username": name, "password": password }).to_string();
    ask(&server.address, Method::POST, "/auth/login", &[JSON], body).await
}

/// Logs in and gives the token.
async fn token(server: &Server, name: &str, password: &str) -> String {
    let reply = login(server, name, password).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
    reply.json["session_id"].as_str().unwrap().to_owned()
}

async fn with(server: &Server, token: &str, method: Method, path: &str, body: &str) -> Reply {
    let cookie = format!("session_id={token}");
    ask(&server.address, method, path, &[("cookie", &cookie), JSON], body.to_owned()).await
}

/// What a browser says when a person opens a page.
const PAGE: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// Somebody with a browser, which keeps cookies from answer to answer.
struct TestClient<'a> {
    server: &'a Server,
    cookies: BTreeMap<String, String>,
}

impl<'a> TestClient<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    async fn get(&mut self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[], "").await
    }

    async fn send(&mut self, method: Method, path: &str, body: &Value) -> Reply {
        self.ask(method, path, &[JSON], &body.to_string()).await
    }

    async fn ask(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = headers.to_vec();
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let reply = ask(&self.server.address, method, path, &headers, body.to_owned()).await;
        for cookie in set_cookies(&reply) {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    async fn login(&mut self, name: &str, password: &str) -> Reply {
        let reply = self.send(Method::POST, "/auth/login", &json!({ "username": name, "password": password })).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.json);
        reply
    }
}

fn set_cookies(reply: &Reply) -> Vec<&str> {
    reply.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect()
}

/// The names of the cookies that an answer sets or removes.
fn cookie_names(reply: &Reply) -> Vec<&str> {
    set_cookies(reply).into_iter().map(|cookie| cookie.split('=').next().unwrap()).collect()
}

/// Whether an answer says that it depends on this header of the request.
fn varies_by(reply: &Reply, header: &str) -> bool {
    let lines = reply.headers.get_all(header::VARY).iter().map(|line| line.to_str().unwrap());
    lines.flat_map(|line| line.split(',')).any(|name| name.trim() == header)
}

fn assert_error(reply: &Reply, status: StatusCode, what: &str) {
    assert_eq!((reply.status, reply.json["error"].is_string()), (status, true), "{what}: {}", reply.json);
}

/// A problem (RFC 9457) with the members that the first clients of this server read.
fn assert_problem(reply: &Reply, error: &str, message: Option<&str>, what: &str) {
    let mut problem = json!({
        "type": "about:blank",
        "title": reply.status.canonical_reason(),
        "status": reply.status.as_u16(),
        "detail": message.unwrap_or(error),
        "error": error,
    });
    if let Some(message) = message {
        problem["message"] = message.into();
    }
    assert_eq!(reply.json, problem, "{what}");
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
}

#[tokio::test]
async fn full_app_logs_in_has_a_session_and_logs_out() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let get = async |path, headers: &[(&str, &str)]| ask(&server.address, Method::GET, path, headers, "").await;

    let health = get("/health", &[]).await;
    assert_eq!((health.status, health.set_cookie()), (StatusCode::OK, None));
    let page = get("/", &[]).await;
    assert_eq!((page.status, page.set_cookie()), (StatusCode::OK, None));
    assert!(page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'self'"));

    let reply = login(&server, "admin", "admin123").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!((&reply.json["status"], &reply.json["user_id"]), (&json!("success"), &json!(1)));
    assert!(reply.json["message"].is_string());
    let token = reply.json["session_id"].as_str().unwrap().to_owned();
    let expected = format!("session_id={token}; HttpOnly; SameSite=Lax; Path=/");
    assert_eq!(reply.set_cookie(), Some(expected.as_str()), "on loopback not Secure");

    let cookie = format!("session_id={token}");
    let bearer = format!("Bearer {token}");
    for header in [("cookie", cookie.as_str()), ("x-session-id", &token), ("authorization", &bearer)] {
        let current = get("/api/session", &[header]).await;
        assert_eq!((current.status, &current.json["user_id"]), (StatusCode::OK, &json!(1)), "{}", header.0);
        assert_eq!(current.headers[header::CACHE_CONTROL], "no-store");
        assert_ne!(current.json["session"]["id"], json!(token), "the public id is not the token");
        assert!(current.json["session"]["expires_at"].as_i64() > current.json["session"]["created_at"].as_i64());
    }

    let out = with(&server, &token, Method::POST, "/auth/logout", "").await;
    assert_eq!((out.status, &out.json["status"]), (StatusCode::OK, &json!("success")));
    assert!(out.set_cookie().unwrap().starts_with("session_id=; ") && out.set_cookie().unwrap().contains("Max-Age=0"));
    for (method, path) in
        [(Method::GET, "/api/session"), (Method::GET, "/api/sessions"), (Method::POST, "/auth/logout")]
    {
        let refused = with(&server, &token, method, path, "").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_problem(&refused, "Unauthorized", Some("Valid session required"), path);
    }
}

#[tokio::test]
async fn full_app_refuses_what_is_wrong_with_json() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let post = async |path, body: &'static str| ask(&server.address, Method::POST, path, &[JSON], body).await;
    for body in ["", "no json", "[]", "{}", r#"{"username":"admin"}"#, r#"{"username":1,"password":"x"}"#, "\u{0}"] {
        let reply = post("/auth/login", body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(reply.json["error"].is_string(), "{body}");
    }
    for (name, password) in [("admin", "wrong"), ("nobody", "admin123"), ("admin", ""), ("", "")] {
        let reply = login(&server, name, password).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert_problem(&reply, "Invalid credentials", None, name);
        assert_eq!(reply.set_cookie(), None);
    }
    let missing = ask(&server.address, Method::GET, "/nothing", &[], "").await;
    assert_eq!((missing.status, missing.json["error"].is_string()), (StatusCode::NOT_FOUND, true));
    let method = ask(&server.address, Method::GET, "/auth/login", &[], "").await;
    assert_eq!((method.status, method.json["error"].is_string()), (StatusCode::METHOD_NOT_ALLOWED, true));
    let foreign = [JSON, ("origin", "https://evil.example")];
    let foreign = ask(&server.address, Method::POST, "/auth/login", &foreign, "{}").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn full_app_limits_failed_logins_by_account_and_by_address() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for _ in 0..10 {
        assert_eq!(login(&server, "user1", "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    let limited = login(&server, "user1", "user123").await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = limited.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && limited.json["error"].is_string());
    for _ in 0..12 {
        assert_eq!(login(&server, "admin", "admin123").await.status, StatusCode::OK, "a success is not counted");
    }
    for number in 0..20 {
        assert_eq!(login(&server, &format!("guess{number}"), "x").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(login(&server, "admin", "admin123").await.status, StatusCode::TOO_MANY_REQUESTS, "30 from one address");
}

#[tokio::test]
async fn full_app_lists_and_ends_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (one, two) = (token(&server, "user1", "user123").await, token(&server, "user1", "user123").await);
    let admin = token(&server, "admin", "admin123").await;
    let list = with(&server, &one, Method::GET, "/api/sessions", "").await;
    let sessions = list.json["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    assert!(sessions.iter().all(|session| session["address"] == "127.0.0.0/24"));
    let other = sessions.iter().find(|session| session["current"] == false).unwrap()["id"].as_str().unwrap();

    for path in ["/api/sessions/nonsense".to_owned(), format!("/api/sessions/{other}")] {
        assert_eq!(with(&server, &admin, Method::DELETE, &path, "").await.status, StatusCode::NOT_FOUND);
    }
    let path = format!("/api/sessions/{other}");
    assert_eq!(with(&server, &one, Method::DELETE, &path, "").await.status, StatusCode::OK);
    assert_eq!(with(&server, &two, Method::GET, "/api/session", "").await.status, StatusCode::UNAUTHORIZED);

    token(&server, "user1", "user123").await;
    let others = with(&server, &one, Method::POST, "/api/sessions/logout-others", "").await;
    assert_eq!(others.json["ended_sessions"], 1);
    let path = "/api/admin/users/2/sessions";
    assert_eq!(with(&server, &one, Method::DELETE, path, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(with(&server, "x", Method::DELETE, path, "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(with(&server, &admin, Method::DELETE, path, "").await.json["ended_sessions"], 1);
    assert_eq!(with(&server, &one, Method::GET, "/api/session", "").await.status, StatusCode::UNAUTHORIZED);
    let everywhere = with(&server, &admin, Method::POST, "/api/sessions/logout-everywhere", "").await;
    assert_eq!(everywhere.json["ended_sessions"], 1);
    let admin = token(&server, "admin", "admin123").await;
    assert_eq!(with(&server, &admin, Method::DELETE, "/api/admin/sessions", "").await.json["ended_sessions"], 1);
}

#[tokio::test]
async fn full_app_keeps_session_data_with_and_without_a_login() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let path = "/api/session/data/cart";
    let put = ask(&server.address, Method::PUT, path, &[JSON], r#"{"book":2}"#).await;
    let token = put.set_cookie().unwrap().strip_prefix("session_id=").unwrap().split(';').next().unwrap().to_owned();
    let got = with(&server, &token, Method::GET, path, "").await;
    assert_eq!(got.json, json!({ "key": "cart", "value": { "book": 2 } }));
    assert_eq!(with(&server, &token, Method::PUT, path, "no json").await.status, StatusCode::BAD_REQUEST);
    let large = Value::String("x".repeat(70_000)).to_string();
    assert_eq!(with(&server, &token, Method::PUT, path, &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(with(&server, &token, Method::GET, "/api/session", "").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(with(&server, &token, Method::DELETE, path, "").await.status, StatusCode::OK);
    assert_eq!(with(&server, &token, Method::DELETE, path, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(with(&server, &token, Method::GET, path, "").await.status, StatusCode::NOT_FOUND);
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_survives_a_restart_and_logs_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (kept, other) = (token(&server, "user1", "user123").await, token(&server, "user1", "user123").await);
    let change = json!({ "old_password": "user123", "new_password": "correct horse" }).to_string();
    let changed = with(&server, &kept, Method::POST, "/auth/password", &change).await;
    assert_eq!((changed.status, &changed.json["ended_sessions"]), (StatusCode::OK, &json!(1)));
    let rotated =
        changed.set_cookie().unwrap().strip_prefix("session_id=").unwrap().split(';').next().unwrap().to_owned();
    for old in [&kept, &other] {
        assert_eq!(with(&server, old, Method::GET, "/api/session", "").await.status, StatusCode::UNAUTHORIZED);
    }
    let wrong = with(&server, &rotated, Method::POST, "/auth/password", &change).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let log = server.stop();
    assert!(log.contains("\"stopped\"") && log.contains("well-known passwords"), "{log}");
    for needle in [&kept, &other, &rotated, "user123", "correct horse", "127.0.0.1:", "user1"] {
        assert!(!log.contains(needle), "the log has {needle}: {log}");
    }

    let server = Server::start(directory.path());
    let current = with(&server, &rotated, Method::GET, "/api/session", "").await;
    assert_eq!((current.status, &current.json["user_id"]), (StatusCode::OK, &json!(2)));
    token(&server, "user1", "correct horse").await;
    assert_eq!(login(&server, "user1", "user123").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn full_app_ends_sessions_of_the_old_password_during_its_change() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let own = token(&server, "user1", "user123").await;
    let logins: Vec<_> = (0..6)
        .map(|_| {
            let address = server.address.clone();
            let body = json!({ "username": "user1", "password": "user123" }).to_string();
            tokio::spawn(async move { ask(&address, Method::POST, "/auth/login", &[JSON], body).await })
        })
        .collect();
    let change = json!({ "old_password": "user123", "new_password": "correct horse" }).to_string();
    assert_eq!(with(&server, &own, Method::POST, "/auth/password", &change).await.status, StatusCode::OK);
    for login in logins {
        let reply = login.await.unwrap();
        if let Some(token) = reply.json["session_id"].as_str() {
            assert_eq!(with(&server, token, Method::GET, "/api/session", "").await.status, StatusCode::UNAUTHORIZED);
        } else {
            let expected = [StatusCode::UNAUTHORIZED, StatusCode::CONFLICT];
            assert!(expected.contains(&reply.status), "{}: {}", reply.status, reply.json);
        }
    }
    token(&server, "user1", "correct horse").await;
}

#[test]
fn full_app_names_invalid_settings() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let junk = directory.path().join("junk.db");
    std::fs::write(&junk, "this is not a database, it is a text that is long enough to be looked at. ".repeat(20))
        .unwrap();
    let junk = junk.to_str().unwrap();
    for (arguments, code, words) in [
        (vec!["--what"], 2, "unexpected argument '--what'"),
        (vec!["--addr"], 2, "a value is required"),
        (vec!["--addr", "nowhere"], 2, "invalid socket address"),
        (vec!["--recording", "maybe"], 2, "possible values: on, off"),
        (vec!["--addr", &taken], 1, "in use"),
        (vec!["--addr", "127.0.0.1:0", "--database", junk], 1, "not a SQLite database"),
        (vec!["--addr", "127.0.0.1:0", "--database", "/nowhere/at/all.db"], 1, "unable to open"),
        (vec!["--help"], 0, ""),
    ] {
        let output = Command::new(full_app()).args(&arguments).current_dir(directory.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}
