//! What it tells live: server-sent events.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use super::*;
use crate::support::server::EventStream;

async fn listen(server: &Server, token: &str) -> EventStream {
    // What was before is stored now, and so will not come.
    assert_eq!(with(server, token, Method::GET, "/api/activities", "").await.status, StatusCode::OK);
    let cookie = format!("session_id={token}");
    EventStream::open(&server.address, "/api/activities/live", &[("cookie", &cookie)]).await
}

async fn act(server: &Server, token: &str, action: &str) {
    let body = json!({ "action": action }).to_string();
    assert_eq!(with(server, token, Method::POST, "/api/track/action", &body).await.status, StatusCode::OK);
}

/// What comes next, but for the requests themselves.
async fn next_but_requests(events: &mut EventStream) -> Option<Value> {
    loop {
        let event = events.next().await?;
        assert_eq!(event.name, "activity");
        assert_eq!(event.id, event.data["sequence"].to_string());
        if event.data["event_type"] != "api_call" {
            return Some(event.data);
        }
        assert_ne!(event.data["request"]["route"], "/api/activities/live", "the stream itself leaves no trace");
    }
}

#[tokio::test]
async fn full_app_streams_only_events_of_the_user() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (user, admin) = (token(&server, "user1", "user123").await, token(&server, "admin", "admin123").await);
    let (mut of_user, mut of_admin) = (listen(&server, &user).await, listen(&server, &admin).await);
    for number in 0..3 {
        act(&server, &admin, &format!("admin's {number}")).await;
        act(&server, &user, &format!("user's {number}")).await;
    }
    token(&server, "user1", "user123").await;
    for (events, name, id) in [(&mut of_user, "user", "2"), (&mut of_admin, "admin", "1")] {
        for number in 0..3 {
            let event = next_but_requests(events).await.unwrap();
            assert_eq!((&event["user_id"], &event["event_type"]), (&json!(id), &json!("button_click")));
            assert_eq!(event["event_data"]["action"], format!("{name}'s {number}"));
        }
    }
    assert_eq!(next_but_requests(&mut of_user).await.unwrap()["event_type"], "login", "from another device");
}

#[tokio::test]
async fn full_app_streams_until_the_session_ends() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (gone, stays) = (token(&server, "user1", "user123").await, token(&server, "user1", "user123").await);
    let (mut of_gone, mut of_stays) = (listen(&server, &gone).await, listen(&server, &stays).await);
    assert_eq!(with(&server, &gone, Method::POST, "/auth/logout", "").await.status, StatusCode::OK);
    act(&server, &stays, "wave").await;
    assert_eq!(next_but_requests(&mut of_gone).await.unwrap()["event_type"], "logout");
    assert!(next_but_requests(&mut of_gone).await.is_none());
    for expected in ["logout", "button_click"] {
        assert_eq!(next_but_requests(&mut of_stays).await.unwrap()["event_type"], expected);
    }
    let refused = with(&server, &gone, Method::GET, "/api/activities/live", "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "a browser that tries again is told to stop");
}

#[tokio::test]
async fn full_app_notices_within_a_heartbeat_that_a_session_was_ended_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (gone, stays) = (token(&server, "user1", "user123").await, token(&server, "user1", "user123").await);
    let mut events = listen(&server, &gone).await;
    let ended = with(&server, &stays, Method::POST, "/api/sessions/logout-others", "").await;
    assert_eq!(ended.json["ended_sessions"], 1);
    assert!(next_but_requests(&mut events).await.is_none());
}

#[tokio::test]
async fn full_app_refuses_one_live_connection_too_many() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &["--live-connections", "3"]);
    let (user, admin) = (token(&server, "user1", "user123").await, token(&server, "admin", "admin123").await);
    let mut open = [listen(&server, &user).await, listen(&server, &user).await];
    let _of_admin = listen(&server, &admin).await;
    let refused = with(&server, &user, Method::GET, "/api/activities/live", "").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.json["error"].is_string() && refused.headers.contains_key(header::RETRY_AFTER));
    act(&server, &user, "wave").await;
    for events in &mut open {
        assert_eq!(next_but_requests(events).await.unwrap()["event_type"], "button_click");
    }
}

#[tokio::test]
async fn full_app_limits_the_live_connections_of_one_user_and_leaves_room_for_others() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (user, admin) = (token(&server, "user1", "user123").await, token(&server, "admin", "admin123").await);
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(listen(&server, &user).await);
    }
    let refused = with(&server, &user, Method::GET, "/api/activities/live", "").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.json["error"].is_string() && refused.headers.contains_key(header::RETRY_AFTER));
    listen(&server, &admin).await;
    // The server notices in its own time that one has gone.
    open.pop();
    let cookie = format!("session_id={user}");
    let again = async {
        loop {
            let opened = EventStream::try_open(&server.address, "/api/activities/live", &[("cookie", &cookie)]).await;
            match opened {
                Ok(stream) => return stream,
                Err(status) => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), again).await.expect("a place is given back");
}

#[tokio::test]
async fn full_app_reports_missed_events_to_a_slow_listener() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut listener = socket.connect(server.address.parse().unwrap()).await.unwrap();
    let request = format!("GET /api/activities/live HTTP/1.1\r\nHost: x\r\nx-session-id: {user}\r\n\r\n");
    listener.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    listener.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");

    // 32 MB, which no socket's buffers hold.
    let event = json!({ "event_type": "action", "event_data": { "text": "x".repeat(8_000) } });
    let batch = Value::from(vec![event; 100]).to_string();
    for _ in 0..40 {
        let tracked = with(&server, &user, Method::POST, "/api/track", &batch).await;
        assert_eq!(tracked.json["accepted"], 100);
    }
    assert_eq!(with(&server, &user, Method::GET, "/api/activities", "").await.status, StatusCode::OK);
    let (mut delivered, mut missed, mut text) = (0, 0, String::new());
    while delivered + missed < 4_000 {
        let mut bytes = [0; 64 * 1024];
        let read = listener.read(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "the connection goes on");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        while let Some((line, rest)) = text.split_once('\n') {
            delivered += u64::from(line == "event: activity");
            if let Some(data) = line.strip_prefix(r#"data: {"missed":"#) {
                missed += data.trim_end_matches('}').parse::<u64>().unwrap();
            }
            text = rest.to_owned();
        }
    }
    assert!(missed > 0, "{delivered} were delivered");
}

#[cfg(unix)]
#[tokio::test]
async fn full_app_stops_while_somebody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let user = token(&server, "user1", "user123").await;
    let mut events = listen(&server, &user).await;
    act(&server, &user, "wave").await;
    let log = tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
    assert!(log.contains("\"stopped\"") && !log.contains("cut off"), "{log}");
    while let Some(event) = events.next().await {
        assert_eq!(event.name, "activity");
    }
}
