//! What one client cannot take from the others: connections, time, tries, room.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::support::server::ask_from;

/// Longer than any answer takes.
const LONG: Duration = Duration::from_secs(60);

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

async fn connect(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// The first line of the answer; nothing if the connection was closed.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 4_096];
    let read = timeout(LONG, stream.read(&mut bytes)).await.expect("an answer or an end").unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn full_app_closes_connections_whose_head_does_not_come() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--head-timeout", "0.3"]);
    for head in ["", "GET /health HT", "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        assert_eq!(answer(&mut connect(&server, head).await).await, "", "{head:?}");
    }
    let mut idle = connect(&server, HEALTH).await;
    assert_eq!(answer(&mut idle).await, "HTTP/1.1 200 OK");
    assert_eq!(answer(&mut idle).await, "", "an idle connection is closed, too");
}

#[tokio::test]
async fn full_app_answers_a_body_that_does_not_come_with_408() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--body-timeout", "0.3"]);
    let user = token(&server, "user1", "user123").await;
    for path in ["/auth/login", "/auth/password", "/api/track/action", "/api/consent", "/api/session/data/note"] {
        let method = if path.ends_with("note") { "PUT" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nx-session-id: {user}\r\ncontent-type: application/json\r\n\
             content-length: 100\r\n\r\n{{\"a\":"
        );
        assert_eq!(answer(&mut connect(&server, &head).await).await, "HTTP/1.1 408 Request Timeout", "{path}");
    }
}

#[tokio::test]
async fn full_app_serves_a_bounded_number_of_connections_and_the_next_when_one_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--connections", "2"]);
    let (mut one, mut two) = (connect(&server, HEALTH).await, connect(&server, HEALTH).await);
    for served in [&mut one, &mut two] {
        assert_eq!(answer(served).await, "HTTP/1.1 200 OK");
    }
    let mut third = connect(&server, HEALTH).await;
    assert!(timeout(Duration::from_millis(200), third.readable()).await.is_err(), "it waits");
    drop(one);
    assert_eq!(answer(&mut third).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn full_app_frees_places_of_silent_connections() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--connections", "2", "--head-timeout", "0.3"]);
    let _silent = [connect(&server, "").await, connect(&server, "GET / HT").await];
    assert_eq!(answer(&mut connect(&server, HEALTH).await).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn full_app_closes_a_connection_whose_client_reads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--connections", "1", "--write-timeout", "0.3"]);
    let mut deaf = TcpStream::connect(&server.address).await.unwrap();
    // More answers than the buffers of both systems hold, so the server has to wait for its client.
    let requests = "GET /app.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2_000);
    let sending = tokio::spawn(async move {
        let sent = deaf.write_all(requests.as_bytes()).await;
        // The connection stays open on this side.
        (deaf, sent)
    });
    assert_eq!(answer(&mut connect(&server, HEALTH).await).await, "HTTP/1.1 200 OK");
    sending.abort();
}

#[tokio::test]
async fn full_app_answers_one_of_two_password_changes_at_once_and_the_other_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for round in 0..4 {
        let old = if round == 0 { "user123".to_owned() } else { format!("winner-{}", round - 1) };
        let tokens = [token(&server, "user1", &old).await, token(&server, "user1", &old).await];
        let change = async |token: &str, new: &str| {
            let body = json!({ "old_password": old, "new_password": new }).to_string();
            with(&server, token, Method::POST, "/auth/password", &body).await.status
        };
        let names = [format!("first-{round}"), format!("second-{round}")];
        let (first, second) = tokio::join!(change(&tokens[0], &names[0]), change(&tokens[1], &names[1]));
        let done: Vec<_> = [first, second].iter().map(StatusCode::is_success).collect();
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{first} {second}");
        for (name, done) in names.iter().zip(&done) {
            assert_eq!(login(&server, "user1", name).await.status.is_success(), *done, "{first} {second} {name}");
        }
        let winner = token(&server, "user1", &names[usize::from(done[1])]).await;
        let body = json!({ "old_password": names[usize::from(done[1])], "new_password": format!("winner-{round}") });
        let next = with(&server, &winner, Method::POST, "/auth/password", &body.to_string()).await;
        assert_eq!(next.status, StatusCode::OK, "{}", next.json);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn full_app_blocks_password_guessing_without_locking_the_owner() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let from = async |last: u8, password: &str| {
        let body = json!({ "username": "user1", "password": password }).to_string();
        let from = Some(IpAddr::from(Ipv4Addr::new(127, 0, 0, last)));
        ask_from(from, &server.address, Method::POST, "/auth/login", &[JSON], body).await.status
    };
    for _ in 0..10 {
        assert_eq!(from(2, "wrong").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(from(2, "user123").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(from(1, "user123").await, StatusCode::OK, "the owner is delayed at most");
}

#[tokio::test]
async fn full_app_never_confuses_names_with_user_ids() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    for name in ["password of 2", "2"] {
        for _ in 0..10 {
            assert_eq!(login(&server, name, "wrong").await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(login(&server, name, "wrong").await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    let change = json!({ "old_password": "user123", "new_password": "correct horse" }).to_string();
    assert_eq!(with(&server, &user, Method::POST, "/auth/password", &change).await.status, StatusCode::OK);
}

#[tokio::test]
async fn full_app_answers_503_when_too_many_passwords_wait_and_counts_none_as_failed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--password-queue", "0"]);
    for _ in 0..12 {
        let busy = login(&server, "user1", "user123").await;
        assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_problem(&busy, "Too many passwords are being checked", None, "login");
        assert!(busy.headers.contains_key(header::RETRY_AFTER));
    }
}

#[tokio::test]
async fn full_app_behind_a_proxy_counts_failed_logins_by_the_forwarded_address() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--proxies", "1"]);
    let from = async |forwarded: &str, password: &str| {
        let body = json!({ "username": "user1", "password": password }).to_string();
        let headers = [JSON, ("x-forwarded-for", forwarded)];
        ask(&server.address, Method::POST, "/auth/login", &headers, body).await.status
    };
    for _ in 0..10 {
        assert_eq!(from("198.51.100.9, 203.0.113.1", "wrong").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(from("203.0.113.2, 203.0.113.1", "user123").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(from("203.0.113.1, 203.0.113.2", "user123").await, StatusCode::OK, "another client of the proxy");
}

#[tokio::test]
async fn full_app_limits_the_decisions_of_a_user() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--track-quota", "3"]);
    let user = token(&server, "user1", "user123").await;
    let decide = async |granted: bool| {
        let body = json!({ "consent_type": "analytics", "granted": granted }).to_string();
        with(&server, &user, Method::POST, "/api/consent", &body).await.status
    };
    for round in 0..3 {
        assert_ne!(decide(round == 1).await, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(decide(false).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn full_app_limits_what_one_user_tracks_and_records_all_that_it_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--track-quota", "6"]);
    let (user, admin) = (token(&server, "user1", "user123").await, token(&server, "admin", "admin123").await);
    let batch = json!(vec![json!({ "event_type": "action" }); 4]).to_string();
    let action = json!({ "action": "wave" }).to_string();
    let page = json!({ "page": "/" }).to_string();
    let track = async |token: &str, path: &str, body: &str| with(&server, token, Method::POST, path, body).await;
    assert_eq!(track(&user, "/api/track", &batch).await.json["accepted"], 4);
    let refused = track(&user, "/api/track", &batch).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.json);
    let wait: u64 = refused.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && refused.json["error"] == "Too many events", "{}", refused.json);
    assert_eq!(track(&user, "/api/track/action", &action).await.status, StatusCode::OK, "there is room for two");
    assert_eq!(track(&user, "/api/track/page", &page).await.status, StatusCode::OK);
    for (path, body) in [("/api/track/action", &action), ("/api/track/page", &page), ("/api/track", &batch)] {
        assert_eq!(track(&user, path, body).await.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    assert_eq!(track(&admin, "/api/track", &batch).await.json["accepted"], 4, "another user's quota is untouched");
    for (kind, count) in [("action", 4), ("button_click", 1), ("page_view", 1)] {
        let path = format!("/api/activities?type={kind}&limit=200");
        let history = with(&server, &user, Method::GET, &path, "").await;
        assert_eq!(history.json["activities"].as_array().unwrap().len(), count, "{kind}");
    }
}

#[tokio::test]
async fn full_app_answers_no_dropped_event_as_tracked_and_stores_all_that_it_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--track-quota", "10000000"]);
    let user = token(&server, "user1", "user123").await;
    let batch = json!(vec![json!({ "event_type": "action" }); 100]).to_string();
    // While somebody else holds the lock, nothing leaves the queue.
    let lock = rusqlite::Connection::open(directory.path().join("guestbook.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (mut accepted, mut refused) = (0, None);
    for _ in 0..5_000 {
        let answer = with(&server, &user, Method::POST, "/api/track", &batch).await;
        if answer.status != StatusCode::OK {
            refused = Some(answer);
            break;
        }
        accepted += answer.json["accepted"].as_i64().unwrap();
    }
    let refused = refused.expect("the queue is bounded");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.json);
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    for (path, body) in
        [("/api/track/action", json!({ "action": "wave" })), ("/api/track/page", json!({ "page": "/" }))]
    {
        let dropped = with(&server, &user, Method::POST, path, &body.to_string()).await;
        assert_eq!(dropped.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    lock.execute_batch("ROLLBACK").unwrap();
    drop(lock);
    // A stop waits until what was accepted is stored.
    server.stop();
    let stored = rusqlite::Connection::open(directory.path().join("guestbook.db")).unwrap();
    let query = "SELECT count(*) FROM activities a JOIN event_types t ON t.id = a.type WHERE t.name = 'action'";
    assert_eq!(stored.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap(), accepted);
}

#[tokio::test]
async fn full_app_never_recreates_erased_accounts() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (name, password) in [("admin", "admin123"), ("user1", "user123")] {
        let token = token(&server, name, password).await;
        assert_eq!(with(&server, &token, Method::POST, "/api/gdpr/delete", "").await.status, StatusCode::OK, "{name}");
    }
    drop(server);
    let server = Server::start(directory.path());
    for (name, password) in [("admin", "admin123"), ("user1", "user123")] {
        let refused = login(&server, name, password).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{name}: {}", refused.json);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_secure_cookies_have_the_host_prefix() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(directory.path(), &["--addr", "0.0.0.0:0"]);
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    let mut guest = TestClient::new(&server);
    let decided =
        guest.send(Method::POST, "/api/consent", &json!({ "consent_type": "marketing", "granted": true })).await;
    assert_eq!(cookie_names(&decided), ["__Host-consent"]);
    let offers = guest.get("/offers").await;
    assert_eq!(cookie_names(&offers), ["__Host-offers"]);
    let login = guest.login("user1", "user123").await;
    assert!(cookie_names(&login).contains(&"__Host-session_id"), "{:?}", set_cookies(&login));
    for cookie in [decided, offers, login].iter().flat_map(set_cookies) {
        assert!(
            cookie.contains("; Secure")
                && cookie.split("; ").any(|part| part == "Path=/")
                && !cookie.contains("Domain"),
            "{cookie}"
        );
    }
    assert_eq!(guest.get("/api/session").await.json["user_id"], 2);
}
