//! Two realms on one store.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use tower_guestbook::{
    Clock, ErrorKind, Guestbook, Session, UserId,
    http::SessionCookie,
    session::{OnSessionLimit, Realm, SessionCap},
    store::Store,
};

use crate::support::{Answer, START, on_each_store, routes, send};

/// One guestbook for customers and one for administrators; both have a user 1.
struct Site {
    shop: Side,
    admin: Side,
    clock: Clock,
}

struct Side {
    guestbook: Guestbook,
    app: Router,
    cookie: &'static str,
    realm: Realm,
}

impl Site {
    fn new<S: Store + Clone>(store: S) -> Self {
        let clock = Clock::manual(START);
        let side = |cookie, realm: Realm| {
            let guestbook = Guestbook::builder(store.clone())
                .clock(clock.clone())
                .realm(realm.clone())
                .cookie(SessionCookie::new().name(cookie))
                .accept_bearer()
                .accept_header("x-session-id")
                .sessions_per_user(SessionCap { max: 2, on_limit: OnSessionLimit::EndOldest })
                .build()
                .unwrap();
            let changed =
                axum::routing::get(async |session: Session| session.credentials_changed().await.map(axum::Json));
            let app = routes().route("/changed", changed).layer(guestbook.session_layer());
            Side { guestbook, app, cookie, realm }
        };
        let shop = side("__Host-shop", Realm::default());
        Self { shop, admin: side("__Host-admin", Realm::try_from("admins").unwrap()), clock }
    }

    fn both(&self) -> [(&Side, &Side); 2] {
        [(&self.shop, &self.admin), (&self.admin, &self.shop)]
    }
}

impl Side {
    /// Sends a request like a browser that opens a page, with `token` where this side reads it.
    async fn get(&self, path: &str, token: &str, place: Place) -> Answer {
        let (name, value) = match place {
            Place::Cookie => (header::COOKIE, format!("{}={token}", self.cookie)),
            Place::Bearer => (header::AUTHORIZATION, format!("Bearer {token}")),
            Place::Header => (header::HeaderName::from_static("x-session-id"), token.to_owned()),
        };
        let request = Request::get(path)
            .header(name, value)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .body(Body::empty())
            .unwrap();
        let answer = send(&self.app, request).await;
        tokio::task::yield_now().await;
        answer
    }

    async fn login(&self, user: &str) -> String {
        let answer = send(&self.app, Request::get(format!("/login/{user}")).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }

    async fn user(&self, token: &str) -> Option<String> {
        let answer = self.get("/user", token, Place::Cookie).await;
        (answer.status == StatusCode::OK).then_some(answer.body)
    }

    async fn ok(&self, path: &str, token: &str) -> Value {
        let answer = self.get(path, token, Place::Cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    async fn count(&self) -> usize {
        self.guestbook.sessions().list(&one()).await.unwrap().len()
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Cookie,
    Bearer,
    Header,
}

const PLACES: [Place; 3] = [Place::Cookie, Place::Bearer, Place::Header];

fn one() -> UserId {
    UserId::from(1)
}

on_each_store! {
    a_token_of_one_realm_is_unknown_in_another => unknown;
    a_token_that_ended_in_one_realm_is_unknown_in_another => ended;
    lists_limits_and_revocations_are_of_one_realm => revocations;
    credential_epochs_are_of_one_realm => epochs;
    an_erasure_and_an_export_cover_the_sessions_of_every_realm => erasure;
}

async fn unknown<S: Store + Clone>(store: S) {
    let site = Site::new(store);
    for (own, other) in site.both() {
        let token = own.login("1").await;
        assert_eq!(own.user(&token).await.as_deref(), Some("1"));
        for place in PLACES {
            // Once from the store, once from the cache.
            for _ in 0..2 {
                let answer = other.get("/user", &token, place).await;
                assert_eq!((answer.status, answer.set_cookie()), (StatusCode::UNAUTHORIZED, None), "{place:?}");
                let answer = other.get("/maybe", &token, place).await;
                assert_eq!((answer.body.as_str(), answer.set_cookie()), ("false", None), "{place:?}");
                let answer = other.get("/session", &token, place).await;
                assert_eq!((answer.json()["id"].clone(), answer.set_cookie()), (Value::Null, None), "{place:?}");
            }
            let answer = other.get("/others", &token, place).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "nobody is logged in");
            // A write begins a session of this realm and does not reach the other one.
            let answer = other.get("/save/planted/1", &token, place).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            let cookie = answer.set_cookie().unwrap();
            assert!(cookie.starts_with(other.cookie) && !cookie.contains(&token), "{cookie}");
            assert_eq!(own.ok("/session", &token).await["keys"], json!([]));
        }
        assert_eq!(own.user(&token).await.as_deref(), Some("1"), "as before");
        // An unknown token is still removed.
        let forged = "A".repeat(43);
        let answer = other.get("/maybe", &forged, Place::Cookie).await;
        assert!(answer.set_cookie().is_some_and(|cookie| cookie.contains("Max-Age=0")));
    }
}

async fn ended<S: Store + Clone>(store: S) {
    let site = Site::new(store);
    for (own, other) in site.both() {
        let token = own.login("1").await;
        own.ok("/logout", &token).await;
        assert_eq!(own.get("/save/a/1", &token, Place::Cookie).await.status, StatusCode::UNAUTHORIZED, "it has ended");
        for place in PLACES {
            let answer = other.get("/maybe", &token, place).await;
            assert_eq!((answer.body.as_str(), answer.set_cookie()), ("false", None), "{place:?}");
            let answer = other.get("/save/a/1", &token, place).await;
            assert_eq!(answer.status, StatusCode::OK, "a stranger may begin a session: {}", answer.body);
        }
    }
}

async fn revocations<S: Store + Clone>(store: S) {
    let site = Site::new(store);
    for (own, other) in site.both() {
        let (mine, theirs) = (own.login("1").await, other.login("1").await);
        assert_eq!((own.count().await, other.count().await), (1, 1));
        let id = own.guestbook.sessions().list(&one()).await.unwrap()[0].id;
        assert_eq!(own.guestbook.sessions().list(&one()).await.unwrap()[0].realm, own.realm);
        assert!(!other.guestbook.sessions().revoke(&one(), id).await.unwrap(), "not a session of this realm");
        assert_eq!(other.ok(&format!("/revoke/{id}"), &theirs).await, json!(false));
        assert_eq!(other.ok("/others", &theirs).await, json!(0));
        assert_eq!(own.user(&mine).await.as_deref(), Some("1"));

        // The limit is two per realm: the third ends the first of its own.
        site.clock.advance(Duration::from_millis(1));
        let (second, third) = (own.login("1").await, own.login("1").await);
        assert_eq!((own.user(&mine).await, own.count().await, other.count().await), (None, 2, 1));
        assert_eq!(own.ok("/everywhere", &second).await, json!(2));
        assert_eq!((own.user(&third).await, other.user(&theirs).await.as_deref()), (None, Some("1")));

        let mine = own.login("1").await;
        assert_eq!(own.guestbook.sessions().revoke_user(&one()).await.unwrap(), 1);
        assert_eq!((own.user(&mine).await, other.user(&theirs).await.as_deref()), (None, Some("1")));
        let mine = own.login("1").await;
        assert_eq!(own.guestbook.sessions().revoke_all().await.unwrap(), 1);
        assert_eq!((own.user(&mine).await, other.user(&theirs).await.as_deref()), (None, Some("1")));
        assert_eq!(other.guestbook.sessions().revoke_all().await.unwrap(), 1);
    }
}

async fn epochs<S: Store + Clone>(store: S) {
    let site = Site::new(store);
    for (own, other) in site.both() {
        let theirs = other.login("1").await;
        let (sessions, others) = (own.guestbook.sessions(), other.guestbook.sessions());
        let before = (sessions.credential_epoch(&one()).await.unwrap(), others.credential_epoch(&one()).await.unwrap());
        let mine = own.login("1").await;
        assert_eq!(own.ok("/changed", &mine).await, json!(0));
        sessions.credentials_changed(&one()).await.unwrap();
        sessions.revoke_all().await.unwrap();
        assert_ne!(sessions.credential_epoch(&one()).await.unwrap(), before.0);
        assert_eq!(others.credential_epoch(&one()).await.unwrap(), before.1);
        assert_eq!(other.user(&theirs).await.as_deref(), Some("1"));
        others.revoke_all().await.unwrap();
    }
}

async fn erasure<S: Store + Clone>(store: S) {
    let site = Site::new(store);
    let tokens = [site.shop.login("1").await, site.admin.login("1").await];
    let bystander = site.admin.login("2").await;
    let mut export = site.shop.guestbook.rights().export(&one()).await.unwrap();
    let mut document = Vec::new();
    while let Some(part) = export.next().await {
        document.extend(part.unwrap());
    }
    let document: Value = serde_json::from_slice(&document).unwrap();
    let mut realms: Vec<_> =
        document["sessions"].as_array().unwrap().iter().map(|session| session["realm"].clone()).collect();
    realms.sort_by_key(Value::to_string);
    assert_eq!(realms, [json!("admins"), json!("default")]);

    site.shop.guestbook.rights().erase(&one()).await.unwrap();
    assert_eq!(site.shop.user(&tokens[0]).await, None);
    // The other guestbook notices it like a change by another process.
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(site.admin.user(&tokens[1]).await, None);
    assert_eq!(site.admin.user(&bystander).await.as_deref(), Some("2"));
    let refused = send(&site.admin.app, Request::get("/login/1").body(Body::empty()).unwrap()).await;
    assert_eq!(refused.status, ErrorKind::UserErased.status(), "ids are unique in a store: both were the same person");
    assert_eq!(site.admin.count().await, 0);
}
