//! Imported records under our own session layer: nobody has to log in again.

use axum::{
    Router,
    http::{StatusCode, header},
    routing::get,
};
use serde_json::json;
use tower_guestbook::{
    Error, Session, Timestamp,
    http::SessionCookie,
    session::tower_sessions::{ImportRecord, axum_login_user},
};
use tower_sessions::session::Id;

use super::{Browser, Site, login_of};

fn app(site: &Site) -> Router {
    Router::new()
        .route(
            "/",
            get(async |session: Session| {
                let user = session.user_id().map(|user| user.as_str().to_owned());
                Ok::<_, Error>(format!("{user:?} {:?}", session.get::<u64>("cart")?))
            }),
        )
        .route("/set", get(async |session: Session| session.insert("cart", &4)))
        .route("/rotate", get(async |session: Session| session.rotate().await))
        .route("/logout", get(async |session: Session| session.logout().await))
        .layer(site.guestbook.session_layer())
}

fn site() -> Site {
    Site::with(|builder| builder.cookie(SessionCookie::new().name("id")).accept_tower_sessions_ids())
}

async fn imported(site: &Site) -> Id {
    let id = Id::default();
    let mut data = login_of(7);
    data.insert("cart".to_owned(), json!(3));
    assert_eq!(axum_login_user(&data), Some(7.into()));
    let tomorrow = Timestamp::from_millis(Timestamp::now().as_millis() + 86_400_000);
    let report = site.store.import([ImportRecord::new(id.0, data, tomorrow)], |_| ()).await.unwrap();
    assert_eq!(report.progress.imported, 1);
    id
}

#[tokio::test]
async fn our_session_reads_an_imported_record_by_the_cookie_that_the_browser_has() {
    let site = site();
    let id = imported(&site).await;
    let mut browser = Browser::with_cookie(&app(&site), &id.to_string());
    assert_eq!(browser.ok("/").await, r#"Some("7") Some(3)"#);
    browser.ok("/set").await;
    assert_eq!(browser.ok("/").await, r#"Some("7") Some(4)"#);
    assert_eq!(browser.cookie, Some(id.to_string()), "a read and a write change no cookie");
}

#[tokio::test]
async fn rotate_replaces_their_id_by_a_token_of_ours() {
    let site = site();
    let id = imported(&site).await.to_string();
    let mut browser = Browser::with_cookie(&app(&site), &id);
    browser.ok("/rotate").await;
    assert_eq!(browser.cookie.as_ref().unwrap().len(), 43);
    assert_eq!(browser.ok("/").await, r#"Some("7") Some(3)"#);
    assert_eq!(Browser::with_cookie(&app(&site), &id).get("/").await.body, "None None");
}

#[tokio::test]
async fn logout_ends_an_imported_session() {
    let site = site();
    let id = imported(&site).await.to_string();
    let mut browser = Browser::with_cookie(&app(&site), &id);
    browser.ok("/logout").await;
    assert_eq!((browser.cookie, site.count(7).await), (None, 0));
    assert_eq!(Browser::with_cookie(&app(&site), &id).get("/").await.body, "None None");
}

#[tokio::test]
async fn their_id_is_malformed_unless_it_is_accepted_and_has_one_spelling() {
    let strict = Site::with(|builder| builder.cookie(SessionCookie::new().name("id")));
    let id = imported(&strict).await.to_string();
    let answer = Browser::with_cookie(&app(&strict), &id).get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "None None"));
    let site = site();
    let id = imported(&site).await.to_string();
    let last = id.as_bytes()[21];
    for byte in (b'!'..=b'~').filter(|byte| *byte != last && *byte != b';' && *byte != b'"') {
        let other = format!("{}{}", &id[..21], char::from(byte));
        assert_eq!(Browser::with_cookie(&app(&site), &other).get("/").await.body, "None None", "{other}");
    }
    for other in [&id[..21], &format!("{id}A"), &format!("{id}=="), ""] {
        assert_eq!(Browser::with_cookie(&app(&site), other).get("/").await.body, "None None", "{other}");
    }
    let answer = Browser::with_cookie(&app(&site), &id).get("/").await;
    assert!(answer.headers.get(header::SET_COOKIE).is_none());
}
