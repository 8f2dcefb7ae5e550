//! The same application of axum-login on a store of tower-sessions.

use std::{collections::HashSet, convert::Infallible};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode, header},
    routing::get,
};
use axum_login::{
    AuthManagerLayerBuilder, AuthUser, AuthnBackend, AuthzBackend, permission_required,
    tower_sessions::{
        Expiry, SessionManagerLayer, SessionStore,
        cookie::time::Duration,
        session::{Id, Record},
        session_store::{Error, Result},
    },
};
use tower::ServiceExt;
use tower_sessions_rusqlite_store::RusqliteStore;

/// Knows every user without asking anybody: the store of sessions is what is measured.
#[derive(Clone)]
struct Backend;

#[derive(Clone, Debug)]
struct User(u64);

type AuthSession = axum_login::AuthSession<Backend>;

impl AuthUser for User {
    type Id = u64;

    fn id(&self) -> u64 {
        self.0
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"the hash of a password, which does not exist here"
    }
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = u64;
    type Error = Infallible;

    async fn authenticate(&self, id: u64) -> std::result::Result<Option<User>, Infallible> {
        Ok(Some(User(id)))
    }

    async fn get_user(&self, id: &u64) -> std::result::Result<Option<User>, Infallible> {
        Ok(Some(User(*id)))
    }
}

impl AuthzBackend for Backend {
    type Permission = &'static str;

    async fn get_user_permissions(&self, _: &User) -> std::result::Result<HashSet<&'static str>, Infallible> {
        Ok(["read"].into())
    }
}

async fn login(mut auth: AuthSession, Path(id): Path<u64>) -> std::result::Result<&'static str, StatusCode> {
    let user = auth.authenticate(id).await.ok().flatten().ok_or(StatusCode::UNAUTHORIZED)?;
    auth.login(&user).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("ok")
}

async fn logout(mut auth: AuthSession) -> std::result::Result<&'static str, StatusCode> {
    auth.logout().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok("ok")
}

pub fn app(store: impl SessionStore + Clone) -> Router {
    let sessions = SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::days(1)));
    Router::new()
        .route("/page", get(async || "ok"))
        .route_layer(permission_required!(Backend, "read"))
        .route("/login/{id}", get(login))
        .route("/logout", get(logout))
        .layer(AuthManagerLayerBuilder::new(Backend, sessions).build())
}

async fn ask(app: &Router, path: &str, cookie: &str) -> Option<String> {
    let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).expect("this is a request");
    let response = app.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let set = response.headers().get(header::SET_COOKIE)?;
    Some(set.to_str().ok()?.split(';').next()?.to_owned())
}

/// A login; the cookie.
pub async fn log_in(app: &Router, user: u64) -> String {
    ask(app, &format!("/login/{user}"), "a=1").await.expect("a login sets a cookie")
}

pub async fn page(app: &Router, cookie: &str) {
    ask(app, "/page", cookie).await;
}

/// The number of pages between a login and a logout.
pub const PAGES: u64 = 20;

/// A login, pages, a logout: [`PAGES`] + 2 requests.
pub async fn flow(app: &Router, user: u64) {
    let cookie = log_in(app, user).await;
    for _ in 0..PAGES {
        page(app, &cookie).await;
    }
    ask(app, "/logout", &cookie).await;
}

/// Their rusqlite store, which is one of tower-sessions 0.15, for axum-login, which wants one of 0.14. Records are
/// moved from one to the other; nothing is copied but the id, and in `create` and `save` the record, which the store
/// gets by reference.
#[derive(Clone, Debug)]
pub struct Theirs(pub RusqliteStore);

fn newer(record: &Record) -> tower_sessions::session::Record {
    let id = tower_sessions::session::Id(record.id.0);
    tower_sessions::session::Record { id, data: record.data.clone(), expiry_date: record.expiry_date }
}

fn failed(error: tower_sessions::session_store::Error) -> Error {
    Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for Theirs {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let mut new = newer(record);
        tower_sessions::SessionStore::create(&self.0, &mut new).await.map_err(failed)?;
        record.id = Id(new.id.0);
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        tower_sessions::SessionStore::save(&self.0, &newer(record)).await.map_err(failed)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let found = tower_sessions::SessionStore::load(&self.0, &tower_sessions::session::Id(id.0)).await;
        let record = found.map_err(failed)?;
        Ok(record.map(|record| Record { id: *id, data: record.data, expiry_date: record.expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        tower_sessions::SessionStore::delete(&self.0, &tower_sessions::session::Id(id.0)).await.map_err(failed)
    }
}
