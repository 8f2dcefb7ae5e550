//! An application with axum-login whose sessions are kept by a guestbook: each user sees and ends
//! their own sessions, an administrator erases users.
//!
//! `cargo run --example axum_login`, then open <http://127.0.0.1:3000> and log in as `ferris` or
//! `admin`, both with the password `hunter42`.

use std::{
    collections::HashSet,
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::{
    Extension, Form, Router,
    extract::{Path, Query},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use axum_login::{
    AuthManagerLayerBuilder, AuthUser, AuthnBackend, AuthzBackend, login_required, permission_required,
    tower_sessions::{Expiry, SessionManagerLayer, cookie::time::Duration},
};
use clap::Parser;
use serde::Deserialize;
use tower_guestbook::{
    Guestbook, SessionId, UserId,
    session::tower_sessions::{AXUM_LOGIN_KEY, TowerSessionsStore},
    store::SqliteStore,
};

#[derive(Parser)]
struct Options {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    /// The database file
    #[arg(long, default_value = "guestbook.db")]
    database: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let guestbook =
        Guestbook::builder(SqliteStore::open(options.database)?).secret_session_keys([AXUM_LOGIN_KEY]).build()?;
    let listener = tokio::net::TcpListener::bind(options.addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = app(&guestbook, Users::example()?);
    axum::serve(listener, app).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    guestbook.shutdown().await;
    Ok(())
}

/// The routes behind axum-login, whose sessions are in the guestbook.
fn app(guestbook: &Guestbook, users: Users) -> Router {
    let store = TowerSessionsStore::new(guestbook.sessions());
    let sessions = SessionManagerLayer::new(store.clone())
        .with_secure(false) // for plain HTTP on loopback
        .with_expiry(Expiry::OnInactivity(Duration::days(1)));
    Router::new()
        .route("/restricted", get(async || "for administrators"))
        .route("/users/{id}/erase", post(erase))
        .route_layer(permission_required!(Users, login_url = "/login", Permission::Administrate))
        .route("/", get(home))
        .route("/sessions/{id}/end", post(end_session))
        .route("/logout/everywhere", post(logout_everywhere))
        .route_layer(login_required!(Users, login_url = "/login"))
        .route("/login", get(login_form).post(login))
        .route("/logout", post(logout))
        .layer(AuthManagerLayerBuilder::new(users, sessions).build())
        .layer(Extension(guestbook.clone()))
        .layer(Extension(store))
}

type AuthSession = axum_login::AuthSession<Users>;

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

async fn login_form(Query(Next { next }): Query<Next>) -> Html<String> {
    let next = next.map(|next| format!(r#"<input type="hidden" name="next" value="{}">"#, escape(&next)));
    Html(format!(
        r#"<form method="post" action="/login"><input name="username"> <input name="password" type="password">
        {} <button>Log in</button></form>"#,
        next.unwrap_or_default()
    ))
}

async fn login(mut auth: AuthSession, Form(credentials): Form<Credentials>) -> Result<Response, StatusCode> {
    let next = credentials.next.clone().filter(|next| is_local(next));
    let Some(user) = auth.authenticate(credentials).await.map_err(internal)? else {
        return Ok((StatusCode::UNAUTHORIZED, "wrong name or password").into_response());
    };
    auth.login(&user).await.map_err(internal)?;
    Ok(Redirect::to(&next.unwrap_or_else(|| "/".to_owned())).into_response())
}

async fn logout(mut auth: AuthSession) -> Result<Redirect, StatusCode> {
    auth.logout().await.map_err(internal)?;
    Ok(Redirect::to("/login"))
}

/// Greets the user and lists their sessions.
async fn home(
    auth: AuthSession,
    Extension(guestbook): Extension<Guestbook>,
    Extension(store): Extension<TowerSessionsStore>,
) -> Result<Html<String>, StatusCode> {
    let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
    let current = match auth.session.id() {
        Some(id) => store.session_id(id.0).await.map_err(internal)?,
        None => None,
    };
    let mut page = format!("<h1>Hello {}</h1>\n<ul>\n", escape(&user.name));
    for session in guestbook.sessions().list(&user.id.into()).await.map_err(internal)? {
        let mark = if Some(session.id) == current { " (this one)" } else { "" };
        let form = format!(r#"<form method="post" action="/sessions/{}/end"><button>End</button></form>"#, session.id);
        page += &format!("<li>session {}{mark} {form}</li>\n", session.id);
    }
    page += "</ul>\n<form method=\"post\" action=\"/logout/everywhere\"><button>Log out everywhere</button></form>\n";
    page += "<form method=\"post\" action=\"/logout\"><button>Log out</button></form>\n";
    Ok(Html(page))
}

async fn end_session(
    auth: AuthSession,
    Extension(guestbook): Extension<Guestbook>,
    Path(id): Path<SessionId>,
) -> Result<Redirect, StatusCode> {
    let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
    let is_ended = guestbook.sessions().revoke(&user.id.into(), id).await.map_err(internal)?;
    if is_ended { Ok(Redirect::to("/")) } else { Err(StatusCode::NOT_FOUND) }
}

async fn logout_everywhere(
    auth: AuthSession,
    Extension(guestbook): Extension<Guestbook>,
) -> Result<Redirect, StatusCode> {
    let user = auth.user.ok_or(StatusCode::UNAUTHORIZED)?;
    guestbook.sessions().revoke_user(&user.id.into()).await.map_err(internal)?;
    Ok(Redirect::to("/login"))
}

/// Ends the user's sessions, erases what the guestbook stores of them, and removes the account.
async fn erase(
    auth: AuthSession,
    Extension(guestbook): Extension<Guestbook>,
    Path(id): Path<i64>,
) -> Result<StatusCode, StatusCode> {
    guestbook.rights().erase(&UserId::from(id)).await.map_err(internal)?;
    auth.backend.remove(id);
    Ok(StatusCode::NO_CONTENT)
}

/// The accounts: in memory here, in a database elsewhere.
#[derive(Clone)]
struct Users(Arc<Mutex<Vec<User>>>);

#[derive(Clone)]
struct User {
    id: i64,
    name: String,
    password_hash: String,
    is_administrator: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Permission {
    Administrate,
}

impl Users {
    fn example() -> Result<Self, argon2::password_hash::Error> {
        let user = |id, name: &str| {
            let password_hash = Argon2::default().hash_password(b"hunter42")?.to_string();
            Ok::<_, argon2::password_hash::Error>(User {
                id,
                name: name.to_owned(),
                password_hash,
                is_administrator: name == "admin",
            })
        };
        Ok(Self(Arc::new(Mutex::new(vec![user(1, "ferris")?, user(2, "admin")?]))))
    }

    fn find(&self, is_wanted: impl Fn(&User) -> bool) -> Option<User> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.iter().find(|user| is_wanted(user)).cloned()
    }

    fn remove(&self, id: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|user| user.id != id);
    }
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    /// With another password, axum-login ends the user's sessions.
    fn session_auth_hash(&self) -> &[u8] {
        self.password_hash.as_bytes()
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = Credentials;
    type Error = Infallible;

    async fn authenticate(&self, credentials: Credentials) -> Result<Option<User>, Infallible> {
        let user = self.find(|user| user.name == credentials.username);
        // Hashing takes long: not on a thread that serves requests.
        let checked = tokio::task::spawn_blocking(move || {
            user.filter(|user| is_password(&user.password_hash, &credentials.password))
        });
        Ok(checked.await.ok().flatten())
    }

    async fn get_user(&self, id: &i64) -> Result<Option<User>, Infallible> {
        Ok(self.find(|user| user.id == *id))
    }
}

impl AuthzBackend for Users {
    type Permission = Permission;

    async fn get_user_permissions(&self, user: &User) -> Result<HashSet<Permission>, Infallible> {
        Ok(user.is_administrator.then_some(Permission::Administrate).into_iter().collect())
    }
}

/// Redacted: axum-login logs its users.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

fn is_password(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// A redirect to another site would help somebody who phishes.
fn is_local(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n'])
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn internal(error: impl std::fmt::Display) -> StatusCode {
    tracing::error!(%error, "a request failed");
    StatusCode::INTERNAL_SERVER_ERROR
}
