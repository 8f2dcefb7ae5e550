//! Hooks for logins and logouts, and logins outside of a request.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use tower_guestbook::{
    ErrorKind, UserId,
    session::{Login, OnSessionLimit, SessionCap},
    store::MemoryStore,
    testing::login_as,
};

use crate::support::{
    TestClient, app, builder,
    faulty_store::{Fault, FaultyStore},
};

type Seen = Arc<Mutex<Vec<String>>>;

fn ada() -> UserId {
    UserId::try_from("ada").unwrap()
}

#[tokio::test]
async fn hooks_see_logins_logouts_and_new_devices() {
    let seen = Seen::default();
    let (logins, logouts) = (seen.clone(), seen.clone());
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder
        .on_login(|_| panic!("a hook with a fault"))
        .on_login(move |login| {
            let device = login.session.device.as_ref().map(|device| device.as_str().to_owned());
            let text = format!("in {} {device:?} new {:?}", login.user.as_str(), login.is_new_device);
            logins.lock().unwrap().push(text);
        })
        .on_logout(move |logout| logouts.lock().unwrap().push(format!("out {}", logout.user.as_str())))
        .build()
        .unwrap();
    let app = app(&guestbook);
    let taken = || std::mem::take(&mut *seen.lock().unwrap());
    let (mut first, mut second) = (TestClient::new(&app), TestClient::new(&app));
    first.ok("/set/a/1").await;
    first.ok("/rotate").await;
    assert_eq!(taken(), [""; 0], "no login yet");
    first.ok("/login/ada").await;
    assert_eq!(taken(), ["in ada Some(\"Firefox on Linux\") new Some(true)"]);
    second.ok("/login/ada").await;
    assert_eq!(taken(), ["in ada Some(\"Firefox on Linux\") new Some(false)"]);
    guestbook.log_in(Login::new("ada")).await.unwrap();
    assert_eq!(taken(), ["in ada None new Some(true)"], "a program, not a browser");

    second.ok("/logout").await;
    assert_eq!(taken(), ["out ada"]);
    second.ok("/logout").await;
    assert_eq!(taken(), [""; 0], "nobody was logged in");
    guestbook.sessions().revoke_user(&ada()).await.unwrap();
    first.get("/user").await;
    assert_eq!(taken(), [""; 0], "a revocation is no logout");
    first.ok("/login/ada").await;
    first.ok("/everywhere").await;
    assert_eq!(taken()[1..], ["out ada"]);
}

#[tokio::test]
async fn hooks_see_no_login_that_is_refused() {
    let seen = Seen::default();
    let logins = seen.clone();
    let store = FaultyStore::default();
    let (builder, _) = builder(store.clone());
    let guestbook = builder
        .sessions_per_user(SessionCap { max: 1, on_limit: OnSessionLimit::Refuse })
        .on_login(move |login| logins.lock().unwrap().push(login.user.as_str().to_owned()))
        .build()
        .unwrap();
    let app = app(&guestbook);
    store.set(Fault::ReadOnly);
    assert_eq!(TestClient::new(&app).get("/login/ada").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(guestbook.log_in(Login::new("ada")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    store.set(Fault::Good);
    TestClient::new(&app).ok("/login/ada").await;
    assert_eq!(TestClient::new(&app).get("/login/ada").await.status, StatusCode::CONFLICT);
    assert_eq!(guestbook.log_in(Login::new("ada")).await.unwrap_err().kind(), ErrorKind::SessionLimit);
    assert_eq!(*seen.lock().unwrap(), ["ada"]);
}

#[tokio::test]
async fn log_in_outside_of_a_request_obeys_the_epoch_and_login_as_makes_a_cookie() {
    let (builder, _) = builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    let app = app(&guestbook);
    let epoch = guestbook.sessions().credential_epoch(&ada()).await.unwrap();
    let token = guestbook.log_in(Login::new("ada").epoch(epoch)).await.unwrap();
    let mut client = TestClient::with_cookie(&app, token.expose_secret().to_string());
    assert_eq!(client.user().await.as_deref(), Some("ada"));
    client.ok("/set/a/1").await;
    guestbook.sessions().credentials_changed(&ada()).await.unwrap();
    assert_eq!(client.user().await, None);
    let late = guestbook.log_in(Login::new("ada").epoch(epoch)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::CredentialsChanged);
    assert_eq!(guestbook.log_in(Login::new("")).await.unwrap_err().kind(), ErrorKind::InvalidInput);

    let cookie = login_as(&guestbook, 42).await.unwrap();
    let token = cookie.to_str().unwrap().strip_prefix("__Host-session=").unwrap();
    assert_eq!(TestClient::with_cookie(&app, token).user().await.as_deref(), Some("42"));
}
