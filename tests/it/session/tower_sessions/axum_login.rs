//! axum-login as it comes, on our store.

use std::{collections::HashSet, convert::Infallible, sync::Arc, sync::Mutex};

use ::axum_login::{
    AuthManagerLayerBuilder, AuthUser, AuthnBackend, AuthzBackend, login_required, permission_required,
    tower_sessions::{Expiry, SessionManagerLayer},
};
use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    routing::get,
};
use time::Duration;
use tower_guestbook::UserId;

use super::{Browser, Site};

type AuthSession = ::axum_login::AuthSession<Backend>;

/// Users by number; those below 10 may do everything.
#[derive(Clone, Default)]
struct Backend {
    password: Arc<Mutex<Vec<u8>>>,
}

#[derive(Clone, Debug)]
struct User {
    id: u64,
    hash: Vec<u8>,
}

impl AuthUser for User {
    type Id = u64;

    fn id(&self) -> u64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.hash
    }
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = u64;
    type Error = Infallible;

    async fn authenticate(&self, id: u64) -> Result<Option<User>, Infallible> {
        self.get_user(&id).await
    }

    async fn get_user(&self, id: &u64) -> Result<Option<User>, Infallible> {
        Ok(Some(User { id: *id, hash: self.password.lock().unwrap().clone() }))
    }
}

impl AuthzBackend for Backend {
    type Permission = &'static str;

    async fn get_user_permissions(&self, user: &User) -> Result<HashSet<&'static str>, Infallible> {
        Ok((user.id < 10).then_some("everything").into_iter().collect())
    }
}

fn app(site: &Site, backend: &Backend) -> Router {
    let sessions = SessionManagerLayer::new(site.store.clone()).with_expiry(Expiry::OnInactivity(Duration::days(1)));
    Router::new()
        .route("/restricted", get(async || "restricted"))
        .route_layer(permission_required!(Backend, login_url = "/login", "everything"))
        .route("/", get(async |auth: AuthSession| auth.user.unwrap().id.to_string()))
        .route_layer(login_required!(Backend, login_url = "/login"))
        .route(
            "/login/{id}",
            get(async |mut auth: AuthSession, Path(id): Path<u64>| {
                let user = auth.authenticate(id).await.unwrap().unwrap();
                auth.login(&user).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
            }),
        )
        .route("/logout", get(async |mut auth: AuthSession| drop(auth.logout().await.unwrap())))
        .route("/cart", get(async |auth: AuthSession| auth.session.insert("cart", 1).await.unwrap()))
        .layer(AuthManagerLayerBuilder::new(backend.clone(), sessions).build())
}

async fn redirect(browser: &mut Browser, path: &str) -> String {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
    answer.header(header::LOCATION).unwrap().to_owned()
}

#[tokio::test]
async fn login_permission_and_logout_work_on_our_store() {
    let site = Site::new();
    let app = app(&site, &Backend::default());
    let mut browser = Browser::new(&app);
    assert_eq!(redirect(&mut browser, "/").await, "/login?next=%2F");
    assert_eq!(browser.cookie, None);
    browser.ok("/login/11").await;
    assert_eq!(browser.ok("/").await, "11");
    assert_eq!(redirect(&mut browser, "/restricted").await, "/login?next=%2Frestricted");
    browser.ok("/login/1").await;
    assert_eq!(browser.ok("/restricted").await, "restricted");
    let old = browser.cookie.clone().unwrap();
    browser.ok("/logout").await;
    assert_eq!(browser.cookie, None);
    assert_eq!(redirect(&mut Browser::with_cookie(&app, &old), "/").await, "/login?next=%2F");
}

#[tokio::test]
async fn a_login_keeps_the_data_of_the_anonymous_session_and_changes_its_id() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, &Backend::default()));
    browser.ok("/cart").await;
    let before = browser.cookie.clone().unwrap();
    browser.ok("/login/1").await;
    assert_ne!(browser.cookie.as_ref(), Some(&before));
    assert_eq!(site.count(1).await, 1);
    let id = browser.cookie.unwrap().parse::<tower_sessions::session::Id>().unwrap();
    let record = tower_sessions::SessionStore::load(&site.store, &id).await.unwrap().unwrap();
    assert_eq!(record.data["cart"], 1, "the store is one, whatever the version");
}

#[tokio::test]
async fn a_user_s_sessions_are_listed_and_revoked() {
    let site = Site::new();
    let app = app(&site, &Backend::default());
    let (mut phone, mut laptop, mut other) = (Browser::new(&app), Browser::new(&app), Browser::new(&app));
    phone.ok("/login/1").await;
    laptop.ok("/login/1").await;
    other.ok("/login/2").await;
    let (sessions, ada) = (site.guestbook.sessions(), UserId::from(1));
    let list = sessions.list(&ada).await.unwrap();
    assert_eq!(list.len(), 2);
    let id = phone.cookie.clone().unwrap().parse::<tower_sessions::session::Id>().unwrap();
    let current = site.store.session_id(id.0).await.unwrap().unwrap();
    assert!(sessions.revoke(&ada, current).await.unwrap());
    assert_eq!(redirect(&mut phone, "/").await, "/login?next=%2F");
    assert_eq!(laptop.ok("/").await, "1");
    assert_eq!(sessions.revoke_user(&ada).await.unwrap(), 1);
    assert_eq!(redirect(&mut laptop, "/").await, "/login?next=%2F");
    assert_eq!(other.ok("/").await, "2");
    laptop.ok("/login/1").await;
    assert_eq!(laptop.ok("/").await, "1", "a revoked user may log in again");
}

#[tokio::test]
async fn an_erased_user_is_logged_out_and_cannot_log_in() {
    let site = Site::new();
    let mut browser = Browser::new(&app(&site, &Backend::default()));
    browser.ok("/login/1").await;
    site.guestbook.rights().erase(&UserId::from(1)).await.unwrap();
    assert_eq!(redirect(&mut browser, "/").await, "/login?next=%2F");
    assert_eq!(browser.get("/login/1").await.status, StatusCode::INTERNAL_SERVER_ERROR, "the save fails");
    assert_eq!(site.count(1).await, 0);
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_that_were_made_with_the_old_one() {
    let (site, backend) = (Site::new(), Backend::default());
    let mut browser = Browser::new(&app(&site, &backend));
    browser.ok("/login/1").await;
    *backend.password.lock().unwrap() = b"another".to_vec();
    assert_eq!(redirect(&mut browser, "/").await, "/login?next=%2F");
    assert_eq!((browser.cookie.clone(), site.count(1).await), (None, 0));
}
