//! Registration and login with a password (argon2id), limited attempts, a login page and roles.
//!
//! `cargo run --example password`, then open <http://127.0.0.1:3000/register>.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::{
    Form, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use clap::Parser;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::Semaphore, task::spawn_blocking};
use tower_guestbook::{
    CurrentUser, Error, Guestbook, Result, Session, UserId,
    http::local_path,
    session::{CredentialEpoch, CredentialStamp, Login, Sessions, UserLoader},
    store::SqliteStore,
};

#[derive(Parser)]
struct Options {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
    /// The database file; accounts are kept beside it in FILE.accounts
    #[arg(long, default_value = "guestbook.db")]
    database: PathBuf,
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let accounts = Accounts::open(options.database.with_extension("accounts"))?;
    let guestbook = Guestbook::builder(SqliteStore::open(options.database)?).users(accounts.clone()).build()?;
    let app = Router::new()
        .route("/", get(home))
        .route("/password", post(change_password).layer(guestbook.require_login().within(Duration::from_secs(300))))
        .layer(guestbook.require_login().login_page("/login")?)
        .route("/register", get(form).post(register))
        .route("/login", get(form).post(log_in))
        .route("/logout", post(async |session: Session| session.logout().await))
        .layer(guestbook.layer().with_cross_origin_guard(Default::default()))
        .with_state(App { accounts, sessions: guestbook.sessions().clone(), attempts: Arc::default() });
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    guestbook.shutdown().await;
    Ok(())
}

#[derive(Clone)]
struct App {
    accounts: Accounts,
    sessions: Sessions,
    attempts: Arc<Attempts>,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

async fn home(CurrentUser(account): CurrentUser<Account>) -> String {
    format!("Hello, {}", account.name)
}

async fn form() -> Html<&'static str> {
    Html(
        r#"<form method="post"><input name="name" autocomplete="username"><input name="password" type="password"><button>Go</button></form>"#,
    )
}

async fn register(State(app): State<App>, session: Session, Form(new): Form<Credentials>) -> Result<Response> {
    // NIST SP 800-63B-4: at least 15 characters where the password is the only factor, and no rules beside that.
    if new.name.is_empty() || new.name.len() > 100 || !(15..=200).contains(&new.password.chars().count()) {
        return Ok((StatusCode::BAD_REQUEST, "a name, and a password of at least 15 characters").into_response());
    }
    let hash = hash(new.password).await;
    match app.accounts.insert(&new.name, &hash) {
        Some(id) => {
            session.log_in(Login::new(id).stamp(CredentialStamp::of(hash))).await?;
            Ok(Redirect::to("/").into_response())
        }
        None => Ok((StatusCode::CONFLICT, "the name is taken").into_response()),
    }
}

async fn log_in(
    State(app): State<App>,
    session: Session,
    Query(Next { next }): Query<Next>,
    Form(Credentials { name, password }): Form<Credentials>,
) -> Result<Response> {
    if !app.attempts.may_try(&name) {
        return Ok((StatusCode::TOO_MANY_REQUESTS, "too many attempts: try again in a minute").into_response());
    }
    let id = app.accounts.id_of(&name).map(UserId::from);
    let (account, epoch) = match &id {
        // The epoch is read before the hash, so that a change while it is verified is noticed.
        Some(id) => {
            let epoch = app.sessions.credential_epoch(id).await?;
            (app.accounts.load(id).await?, epoch)
        }
        None => (None, CredentialEpoch::default()),
    };
    // A name that nobody has takes as long as a wrong password.
    let hash = account.as_ref().map_or_else(|| NOBODY.clone(), |account| account.hash.clone());
    let is_right = verify(password, hash.clone()).await;
    let (Some(account), true) = (account, is_right) else {
        return Ok((StatusCode::UNAUTHORIZED, "wrong name or password").into_response());
    };
    session.log_in(Login::new(account.id).epoch(epoch).stamp(CredentialStamp::of(hash))).await?;
    app.attempts.forget(&name);
    let next = next.as_deref().and_then(local_path).unwrap_or("/");
    Ok(Redirect::to(next).into_response())
}

async fn change_password(
    State(app): State<App>,
    session: Session,
    CurrentUser(account): CurrentUser<Account>,
    password: String,
) -> Result<String> {
    app.accounts.set_hash(account.id, &hash(password).await);
    // Ends the other sessions; this one goes on with the new stamp.
    Ok(format!("{} other sessions have ended", session.credentials_changed().await?))
}

/// The application's own type of a user.
struct Account {
    id: i64,
    name: String,
    hash: String,
}

/// A table of the application's own.
#[derive(Clone)]
struct Accounts(Arc<Mutex<Connection>>);

impl UserLoader for Accounts {
    type User = Account;
    type Error = Error;

    async fn load(&self, id: &UserId) -> Result<Option<Account>> {
        let Ok(id) = id.parse::<i64>() else { return Ok(None) };
        let read = |row: &rusqlite::Row<'_>| Ok(Account { id, name: row.get(0)?, hash: row.get(1)? });
        Ok(self.query(|table| table.query_row("SELECT name, hash FROM accounts WHERE id = ?1", [id], read).optional()))
    }

    fn stamp(&self, account: &Account) -> Option<CredentialStamp> {
        Some(CredentialStamp::of(&account.hash))
    }
}

impl Accounts {
    fn open(path: PathBuf) -> rusqlite::Result<Self> {
        let table = Connection::open(path)?;
        table.execute_batch(
            "CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, hash TEXT)",
        )?;
        Ok(Self(Arc::new(Mutex::new(table))))
    }

    fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> T {
        query(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).expect("the table can be read and written")
    }

    fn insert(&self, name: &str, hash: &str) -> Option<i64> {
        const INSERT: &str = "INSERT INTO accounts (name, hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING RETURNING id";
        self.query(|table| table.query_row(INSERT, params![name, hash], |row| row.get(0)).optional())
    }

    fn id_of(&self, name: &str) -> Option<i64> {
        const FIND: &str = "SELECT id FROM accounts WHERE name = ?1";
        self.query(|table| table.query_row(FIND, [name], |row| row.get(0)).optional())
    }

    fn set_hash(&self, id: i64, hash: &str) {
        self.query(|table| table.execute("UPDATE accounts SET hash = ?2 WHERE id = ?1", params![id, hash]));
    }
}

/// Attempts of the last minute, by name.
#[derive(Default)]
struct Attempts(Mutex<HashMap<String, (u32, Instant)>>);

impl Attempts {
    /// Ten a minute for each name.
    fn may_try(&self, name: &str) -> bool {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, (_, since)| since.elapsed() < Duration::from_secs(60));
        let (count, _) = attempts.entry(name.to_owned()).or_insert((0, Instant::now()));
        *count += 1;
        *count <= 10
    }

    fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}

/// Hashing takes 19 MiB and tens of milliseconds of a core: two at a time.
static HASHING: Semaphore = Semaphore::const_new(2);

static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody's password"));

async fn hash(password: String) -> String {
    let _place = HASHING.acquire().await.expect("it is never closed");
    spawn_blocking(move || hash_now(&password)).await.expect("hashing does not panic")
}

async fn verify(password: String, hash: String) -> bool {
    let _place = HASHING.acquire().await.expect("it is never closed");
    let verify = move || {
        let hash = PasswordHash::new(&hash).expect("it was made by hash()");
        Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    };
    spawn_blocking(verify).await.expect("verifying does not panic")
}

fn hash_now(password: &str) -> String {
    Argon2::default().hash_password(password.as_bytes()).expect("argon2id with its defaults").to_string()
}
