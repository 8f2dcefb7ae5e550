//! Changes of passwords that are interrupted, and right passwords in parallel.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::*;

/// Asks until the answer is this, with a deadline.
async fn until_status(server: &Server, token: &str, status: StatusCode) {
    for _ in 0..300 {
        if with(server, token, Method::GET, "/api/session", "").await.status == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not become {status}");
}

#[tokio::test]
async fn full_app_ends_the_other_sessions_once_the_store_takes_it_after_a_password_change() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (own, thief) = (token(&server, "user1", "user123").await, token(&server, "user1", "user123").await);
    // A disk that takes no writes for longer than the store is waited for.
    let mut blocker = Connection::open(directory.path().join("guestbook.db")).unwrap();
    let lock = blocker.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let change = json!({ "old_password": "user123", "new_password": "correct horse" }).to_string();
    let answer = with(&server, &own, Method::POST, "/auth/password", &change).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.json);
    lock.commit().unwrap();
    until_status(&server, &thief, StatusCode::UNAUTHORIZED).await;
    assert_eq!(login(&server, "user1", "user123").await.status, StatusCode::UNAUTHORIZED);
    token(&server, "user1", "correct horse").await;
}

#[tokio::test]
async fn full_app_ends_the_other_sessions_at_its_start_after_a_password_change_was_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let thief = token(&server, "user1", "user123").await;
    drop(server);
    // What a kill between the two steps of a change leaves behind.
    let users = Connection::open(directory.path().join("guestbook.db.users")).unwrap();
    users.execute("INSERT INTO password_changes VALUES (2)", []).unwrap();
    drop(users);
    let server = Server::start(directory.path());
    until_status(&server, &thief, StatusCode::UNAUTHORIZED).await;
    let own = token(&server, "user1", "user123").await;
    assert_eq!(with(&server, &own, Method::GET, "/api/session", "").await.status, StatusCode::OK, "it is done once");
}

#[tokio::test]
async fn full_app_lets_many_right_passwords_in_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let logins: Vec<_> = (0..25)
        .map(|_| {
            let address = server.address.clone();
            let body = json!({ "username": "user1", "password": "user123" }).to_string();
            tokio::spawn(async move { ask(&address, Method::POST, "/auth/login", &[JSON], body).await.status })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn full_app_answers_wrong_parameters_of_a_path_as_other_errors() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let own = token(&server, "user1", "user123").await;
    let admin = token(&server, "admin", "admin123").await;
    for (method, path) in [
        (Method::GET, "/api/session/data/%ff"),
        (Method::DELETE, "/api/sessions/%ff"),
        (Method::DELETE, "/api/consent/%ff"),
        (Method::DELETE, "/api/preferences/%ff"),
        (Method::GET, "/api/users/%ff/profile"),
        (Method::DELETE, "/api/admin/users/%ff/sessions"),
    ] {
        let answer = with(&server, if path.contains("admin") { &admin } else { &own }, method, path, "").await;
        assert_error(&answer, StatusCode::BAD_REQUEST, path);
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
}
