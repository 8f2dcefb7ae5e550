//! `examples/password.rs`, from outside.

use axum::http::{Method, StatusCode, header};

use crate::support::server::{Reply, Server, ask};

const PASSWORD: &str = "correct horse battery";

/// A client that keeps its cookie and follows no redirect.
struct Client<'a> {
    server: &'a Server,
    cookie: String,
}

impl Client<'_> {
    async fn send(&mut self, method: Method, path: &str, body: &str) -> Reply {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
        ];
        let reply = ask(&self.server.address, method, path, &headers, body.to_owned()).await;
        if let Some(cookie) = reply.set_cookie() {
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        reply
    }

    async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    async fn log_in(&mut self, path: &str, name: &str, password: &str) -> Reply {
        self.send(Method::POST, path, &format!("name={name}&password={}", password.replace(' ', "+"))).await
    }
}

fn location(reply: &Reply) -> &str {
    reply.headers.get(header::LOCATION).map(|location| location.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn password_example_registers_logs_in_changes_the_password_and_limits_attempts() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_example("password", directory.path());
    let client = || Client { server: &server, cookie: String::new() };
    let mut ada = client();
    let asked = ada.get("/?tab=2").await;
    assert_eq!((asked.status, location(&asked)), (StatusCode::SEE_OTHER, "/login?next=%2F%3Ftab%3D2"));
    assert!(ada.get("/login").await.text.contains("<form"));

    assert_eq!(ada.log_in("/register", "ada", "too short").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(location(&ada.log_in("/register", "ada", PASSWORD).await), "/");
    assert_eq!(ada.get("/").await.text, "Hello, ada");
    assert_eq!(client().log_in("/register", "ada", PASSWORD).await.status, StatusCode::CONFLICT);

    let mut phone = client();
    for (name, password) in [("ada", "wrong password 1"), ("nobody", PASSWORD)] {
        let refused = phone.log_in("/login", name, password).await;
        assert_eq!((refused.status, refused.set_cookie()), (StatusCode::UNAUTHORIZED, None));
    }
    for (next, goes_to) in [("%2F%3Ftab%3D2", "/?tab=2"), ("%2F%2Fevil.example", "/"), ("%2F.%2F%2Fevil.example", "/")]
    {
        let reply = phone.log_in(&format!("/login?next={next}"), "ada", PASSWORD).await;
        assert_eq!((reply.status, location(&reply)), (StatusCode::SEE_OTHER, goes_to));
    }

    let changed = ada.send(Method::POST, "/password", "a brand new password").await;
    assert_eq!((changed.status, changed.text.as_str()), (StatusCode::OK, "1 other sessions have ended"));
    assert_eq!(ada.get("/").await.text, "Hello, ada");
    assert_eq!(phone.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(phone.log_in("/login", "ada", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(location(&phone.log_in("/login", "ada", "a brand new password").await), "/");

    // A hash that somebody else replaces ends all sessions.
    let table = rusqlite::Connection::open(directory.path().join("guestbook.accounts")).unwrap();
    table.execute("UPDATE accounts SET hash = replace(hash, 'argon2id', 'argon2i')", []).unwrap();
    for client in [&mut ada, &mut phone] {
        assert_eq!(client.get("/").await.status, StatusCode::SEE_OTHER);
    }

    let mut attacker = client();
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(attacker.log_in("/login", "bob", "guess guess guess").await.status);
    }
    assert_eq!(statuses[..10], [StatusCode::UNAUTHORIZED; 10]);
    assert_eq!(statuses[10], StatusCode::TOO_MANY_REQUESTS);
}
