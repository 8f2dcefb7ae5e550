//! A session from its first write to its end.

use std::time::Duration;

use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use tower_guestbook::{
    ErrorKind, UserId,
    session::{Lifetime, OnSessionLimit, SessionCap},
    store::MemoryStore,
};

use crate::support::{START, TestClient, app, builder, memory_app, minutes, until};

#[tokio::test]
async fn request_without_a_write_creates_no_session_and_no_cookie() {
    let (app, _, _) = memory_app();
    let mut client = TestClient::new(&app);
    for path in ["/", "/session", "/get/a", "/maybe", "/clear", "/remove/a", "/logout", "/flashes"] {
        let answer = client.ok(path).await;
        if path == "/logout" {
            assert!(answer.removes_cookie(), "a logout keeps nothing");
        } else {
            assert_eq!(answer.set_cookie(), None, "{path}");
        }
    }
    assert_eq!(client.ok("/maybe").await.json(), json!(false));
}

#[tokio::test]
async fn first_write_creates_an_anonymous_session_with_a_secure_cookie() {
    let (app, _, _) = memory_app();
    let mut client = TestClient::new(&app);
    let answer = client.ok("/set/theme/dark").await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"), "{cookie}");
    assert_eq!(answer.cookie().unwrap().len(), 43);
    assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    assert_eq!(client.value("theme").await, json!("dark"));
    assert_eq!(client.ok("/maybe").await.json(), json!(true));
    assert_eq!(client.user().await, None);
    let again = client.ok("/set/theme/light").await;
    assert_eq!(again.set_cookie(), None, "the client has its cookie");
    client.ok("/remove/theme").await;
    assert_eq!(client.value("theme").await, Value::Null);
}

#[tokio::test]
async fn login_keeps_data_and_invalidates_a_planted_token() {
    let (app, _, _) = memory_app();
    let mut attacker = TestClient::new(&app);
    attacker.ok("/set/cart/book").await;
    let planted = attacker.cookie.clone().unwrap();

    let mut victim = TestClient::with_cookie(&app, planted.clone());
    let before = victim.ok("/session").await.json();
    victim.ok("/login/ada").await;
    let after = victim.ok("/session").await.json();
    assert_ne!(victim.cookie.as_ref(), Some(&planted));
    assert_ne!(before["id"], after["id"]);
    assert_eq!(victim.value("cart").await, json!("book"));
    assert_eq!(victim.user().await.as_deref(), Some("ada"));

    assert_eq!(attacker.user().await, None);
    assert_eq!(attacker.value("cart").await, Value::Null);
    let late = attacker.ok("/set/cart/bomb").await;
    assert_eq!(late.set_cookie(), None, "it would overwrite the cookie of the login");
    assert_eq!(attacker.get("/save/cart/bomb").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(victim.value("cart").await, json!("book"));
}

#[tokio::test]
async fn login_again_issues_a_new_token_and_another_user_gets_no_data() {
    let (app, _, _) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    client.ok("/set/secret/hers").await;
    let mut old = client.clone();
    client.ok("/login/ada").await;
    assert_eq!(client.value("secret").await, json!("hers"));
    assert_eq!(old.user().await, None);
    client.ok("/login/bob").await;
    assert_eq!(client.value("secret").await, Value::Null);
    assert_eq!(client.user().await.as_deref(), Some("bob"));
}

#[tokio::test]
async fn logout_invalidates_the_token_everywhere() {
    let (app, _, _) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    client.ok("/set/a/1").await;
    let mut replay = client.clone();
    assert!(client.ok("/logout").await.removes_cookie());
    for _ in 0..2 {
        assert_eq!(replay.user().await, None);
        assert_eq!(replay.value("a").await, Value::Null);
    }
    assert_eq!(client.user().await, None);
}

#[tokio::test]
async fn rotate_keeps_data_and_invalidates_the_old_token() {
    let (app, _, _) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    client.ok("/set/a/1").await;
    let before = client.ok("/session").await.json();
    let mut old = client.clone();
    let token = client.ok("/rotate").await.body;
    assert_eq!(client.cookie.as_ref(), Some(&token));
    assert_eq!(client.ok("/session").await.json(), before);
    let refused = old.get("/user").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.set_cookie(), None, "a removal would take the new cookie away");
    assert_eq!(old.get("/rotate").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn idle_timeout_ends_to_the_millisecond() {
    let (app, _, clock) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    clock.advance(minutes(30) - Duration::from_millis(1));
    assert_eq!(client.user().await.as_deref(), Some("ada"));
    let seen = client.ok("/session").await.json();
    assert_eq!(seen["last_seen"], json!(clock.now()));
    clock.advance(minutes(30));
    let answer = client.get("/user").await;
    assert_eq!((answer.status, answer.set_cookie()), (StatusCode::UNAUTHORIZED, None));
}

#[tokio::test]
async fn absolute_timeout_ends_an_active_session_to_the_millisecond() {
    let (app, _, clock) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    for _ in 0..35 {
        clock.advance(minutes(20));
        assert!(client.user().await.is_some());
    }
    clock.advance(minutes(20) - Duration::from_millis(1));
    assert!(client.user().await.is_some());
    clock.advance(Duration::from_millis(1));
    assert_eq!(clock.now().since(START), minutes(12 * 60));
    assert_eq!(client.user().await, None);
}

#[tokio::test]
async fn touch_is_stored_at_most_once_a_minute() {
    let (app, guestbook, clock) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    let ada = UserId::try_from("ada").unwrap();
    let stored = async || guestbook.sessions().list(&ada).await.unwrap()[0].last_seen;
    clock.advance(Duration::from_millis(59_999));
    client.ok("/user").await;
    tokio::task::yield_now().await;
    assert_eq!(stored().await, START);
    clock.advance(Duration::from_millis(1));
    client.ok("/user").await;
    until(async || stored().await == clock.now()).await;
}

#[tokio::test]
async fn login_with_remembered_lifetime_sets_a_persistent_cookie() {
    let (app, _, clock) = memory_app();
    let mut client = TestClient::new(&app);
    let answer = client.ok("/remember/ada").await;
    let days = |days: u64| days * 24 * 60 * 60;
    assert!(answer.set_cookie().unwrap().ends_with(&format!("; Max-Age={}", days(14))));
    let plain = TestClient::new(&app).ok("/login/ada").await;
    assert!(!plain.set_cookie().unwrap().contains("Max-Age"));

    clock.advance(Duration::from_secs(days(13)));
    let renewed = client.ok("/").await;
    assert!(renewed.set_cookie().unwrap().ends_with(&format!("; Max-Age={}", days(14))), "{renewed:?}");
    assert_eq!(client.ok("/").await.set_cookie(), None, "renewed once a day");
    for _ in 0..5 {
        clock.advance(Duration::from_secs(days(13)));
        assert!(client.user().await.is_some());
    }
    let last = days(90) - days(13) * 6;
    let rest = client.clone().ok("/session").await.json();
    assert_eq!(rest["expires_at"], json!(clock.now().after(Duration::from_secs(last))), "the absolute limit holds");
    clock.advance(Duration::from_secs(last));
    assert_eq!(client.user().await, None);
}

#[tokio::test]
async fn list_and_revoke_show_and_end_sessions_of_the_user() {
    let (app, _, clock) = memory_app();
    let mut laptop = TestClient::new(&app);
    let mut phone = TestClient::new(&app);
    let mut stranger = TestClient::new(&app);
    laptop.ok("/login/ada").await;
    clock.advance(Duration::from_secs(5));
    phone.ok("/login/ada").await;
    stranger.ok("/login/eve").await;

    let list = laptop.ok("/list").await.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["current"], json!(false));
    assert_eq!(list[1]["current"], json!(true));
    assert_eq!(list[0]["device"], json!("Firefox on Linux"));
    assert_eq!(list[0]["address"], json!("203.0.113.0/24"));
    assert_eq!(list[0]["created_at"], json!(clock.now()));

    let phone_id = list[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(stranger.ok(&format!("/revoke/{phone_id}")).await.json(), json!(false));
    assert!(phone.user().await.is_some());
    assert_eq!(laptop.ok(&format!("/revoke/{phone_id}")).await.json(), json!(true));
    assert_eq!(phone.user().await, None);
    let own = list[1]["id"].as_str().unwrap();
    assert!(laptop.ok(&format!("/revoke/{own}")).await.removes_cookie());
    assert_eq!(laptop.user().await, None);
    assert!(stranger.user().await.is_some());
}

#[tokio::test]
async fn logout_others_and_logout_everywhere_end_sessions() {
    let (app, guestbook, _) = memory_app();
    let mut clients: Vec<_> = (0..4).map(|_| TestClient::new(&app)).collect();
    for client in &mut clients {
        client.ok("/login/ada").await;
    }
    assert_eq!(clients[0].ok("/others").await.json(), json!(3));
    assert_eq!(clients[0].user().await.as_deref(), Some("ada"));
    for client in &mut clients[1..] {
        assert_eq!(client.user().await, None);
        client.ok("/login/ada").await;
    }
    assert!(clients[1].ok("/everywhere").await.removes_cookie());
    for client in &mut clients {
        assert_eq!(client.user().await, None);
        client.ok("/login/ada").await;
    }
    assert_eq!(guestbook.sessions().revoke_user(&UserId::try_from("ada").unwrap()).await.unwrap(), 4);
    clients[0].ok("/login/eve").await;
    clients[1].cookie = None;
    clients[1].ok("/set/a/1").await;
    assert_eq!(guestbook.sessions().revoke_all().await.unwrap(), 2);
    assert_eq!(clients[0].user().await, None);
    assert_eq!(clients[1].value("a").await, Value::Null);
}

#[tokio::test]
async fn session_cap_is_enforced() {
    let with = |on_limit| {
        let (builder, clock) = builder(MemoryStore::new());
        let guestbook = builder.sessions_per_user(SessionCap { max: 2, on_limit }).build().unwrap();
        (app(&guestbook), clock)
    };
    let (app, clock) = with(OnSessionLimit::EndOldest);
    let mut clients: Vec<_> = (0..3).map(|_| TestClient::new(&app)).collect();
    for client in &mut clients {
        clock.advance(Duration::from_secs(1));
        client.ok("/login/ada").await;
        assert!(client.user().await.is_some(), "now in the cache");
    }
    assert_eq!(clients[0].user().await, None);
    assert!(clients[1].user().await.is_some() && clients[2].user().await.is_some());

    let (app, _) = with(OnSessionLimit::Refuse);
    let mut third = TestClient::new(&app);
    TestClient::new(&app).ok("/login/ada").await;
    TestClient::new(&app).ok("/login/ada").await;
    let refused = third.get("/login/ada").await;
    assert_eq!((refused.status, refused.set_cookie()), (StatusCode::CONFLICT, None));
    assert!(refused.body.contains("at most 2 sessions"), "{}", refused.body);
}

#[tokio::test]
async fn flash_message_is_shown_once() {
    let (app, _, clock) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/flash/saved").await;
    clock.advance(Duration::from_millis(1));
    client.ok("/flash/sent").await;
    assert_eq!(client.ok("/session").await.json()["keys"], json!([]), "messages are not the application's keys");
    let shown = client.ok("/flashes").await.json();
    assert_eq!(shown, json!([{"level": "info", "text": "saved"}, {"level": "info", "text": "sent"}]));
    assert_eq!(client.ok("/flashes").await.json(), json!([]));
}

#[tokio::test]
async fn insert_beyond_the_limit_names_the_limit() {
    let (app, _, _) = memory_app();
    let mut client = TestClient::new(&app);
    client.ok("/fill/a/30000").await;
    client.ok("/fill/b/30000").await;
    let refused = client.get("/fill/c/30000").await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(refused.json()["detail"], "too large: session data has at most 65536 bytes");
    assert_eq!(client.value("c").await, Value::Null);
    let key = "k".repeat(129);
    assert_eq!(client.get(&format!("/set/{key}/1")).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(client.get("/set/guestbook.x/1").await.status, StatusCode::BAD_REQUEST);
    client.ok("/clear").await;
    client.ok("/fill/c/30000").await;
}

#[tokio::test]
async fn build_names_invalid_settings() {
    type Setting = fn(tower_guestbook::GuestbookBuilder<MemoryStore>) -> tower_guestbook::GuestbookBuilder<MemoryStore>;
    let settings: [(&str, Setting); 6] = [
        ("session_lifetime", |builder| builder.session_lifetime(Lifetime::new(minutes(2), minutes(1)))),
        ("sessions_per_user", |builder| {
            builder.sessions_per_user(SessionCap { max: 0, on_limit: OnSessionLimit::Refuse })
        }),
        ("accept_header", |builder| builder.accept_header("no header")),
        ("store_timeout", |builder| builder.store_timeout(Duration::ZERO)),
        ("client_address", |builder| {
            builder.client_address(tower_guestbook::http::ClientAddress::XForwardedFor { proxies: 0 })
        }),
        ("cookie", |builder| builder.cookie(tower_guestbook::http::SessionCookie::new().insecure_without_secure())),
    ];
    for (name, set) in settings {
        let error = set(builder(MemoryStore::new()).0).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn build_without_a_runtime_names_the_fix() {
    let error = builder(MemoryStore::new()).0.build().unwrap_err();
    assert!(error.to_string().contains("#[tokio::main]"), "{error}");
}
