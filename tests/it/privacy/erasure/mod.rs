//! Erasure of users: nothing of them is left in any file, and nothing of others is missing.

mod anonymised;
mod export;
mod files;
mod journal;
mod kills;
mod late;
mod names;
mod restored;
mod resumed;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Path as UrlPath,
    http::{Request, header},
    routing::get,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use tower_guestbook::{
    Clock, Consent, Error, ErrorKind, Guestbook, GuestbookBuilder, Session, Tracker, UserId,
    activity::{
        ActivityFilter, ActivityRules, Entry, Event, EventData, EventId, EventLimits, EventType, RecorderSettings,
    },
    consent::{Category, Choices, ConsentRules, DecisionMethod, Mode, Purpose, PurposeId, Purposes},
    http::{PeerAddress, RouteTemplate},
    preferences::{PreferenceRules, Schema, StandardPreferences},
    privacy::{Export, ExportedPage, PersonalData, PersonalDataFuture},
    store::{ActivityStore, Commit, SqliteStore, Store},
};

use crate::support::{self, FIREFOX, START, send};

fn user(name: &str) -> UserId {
    UserId::try_from(name).unwrap()
}

fn of(name: &str) -> ActivityFilter {
    ActivityFilter::new().user(user(name))
}

/// A word that occurs nowhere else. Letters only, so that it looks like a name and not like an id.
fn needle() -> String {
    let random = uuid::Uuid::from_bytes({
        let mut bytes = [0; 16];
        getrandom(&mut bytes);
        bytes
    });
    random.as_bytes().iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

fn getrandom(bytes: &mut [u8; 16]) {
    *bytes = *tower_guestbook::VisitorId::generate().unwrap().as_uuid().as_bytes();
}

/// A database with all that belongs to it in a directory.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("guestbook.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.database()).unwrap()
    }

    fn spool(&self) -> PathBuf {
        self.directory.path().join("spool")
    }

    /// The contents of all files, also in directories below.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn read(directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => read(&path, files),
                    false => files.push((path.clone(), std::fs::read(path).unwrap())),
                }
            }
        }
        let mut files = Vec::new();
        read(self.directory.path(), &mut files);
        files
    }

    /// Which files have a needle, and in what shape.
    fn find(&self, needle: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let shapes = shapes(needle);
        for (path, bytes) in self.files() {
            for (shape, form) in &shapes {
                if bytes.windows(form.len()).any(|window| window == form.as_slice()) {
                    found.push(format!("{} in {}", shape, path.display()));
                }
            }
        }
        found
    }

    fn raw(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }
}

/// The ways in which somebody may have written the same.
fn shapes(needle: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine};
    let text = |format: &dyn Fn(&u8) -> String| needle.iter().map(format).collect::<String>().into_bytes();
    let mut shapes = vec![
        ("plain", needle.to_vec()),
        ("UTF-16LE", needle.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("UTF-16BE", needle.iter().flat_map(|byte| [0, *byte]).collect()),
        ("hex", text(&|byte| format!("{byte:02x}"))),
        ("HEX", text(&|byte| format!("{byte:02X}"))),
        ("percent", text(&|byte| format!("%{byte:02x}"))),
        ("PERCENT", text(&|byte| format!("%{byte:02X}"))),
    ];
    for skip in 0..3 {
        // Whole groups of three, wherever they begin.
        let groups = needle[skip..].chunks_exact(3).flatten().copied().collect::<Vec<_>>();
        shapes.push(("base64", BASE64_STANDARD_NO_PAD.encode(&groups).into_bytes()));
        shapes.push(("base64url", BASE64_URL_SAFE_NO_PAD.encode(&groups).into_bytes()));
    }
    shapes
}

/// A table of the application.
#[derive(Clone)]
struct Addresses {
    path: PathBuf,
    /// Number of attempts that fail.
    failures: Arc<AtomicUsize>,
}

impl Addresses {
    fn new(place: &Place) -> Self {
        let addresses = Self { path: place.directory.path().join("addresses.db"), failures: Arc::default() };
        let table = "CREATE TABLE IF NOT EXISTS addresses (user TEXT NOT NULL, address TEXT NOT NULL)";
        addresses.connect().execute_batch(table).unwrap();
        addresses
    }

    fn connect(&self) -> Connection {
        let database = Connection::open(&self.path).unwrap();
        database.execute_batch("PRAGMA secure_delete = ON").unwrap();
        database
    }

    fn add(&self, user: &str, address: &str) {
        self.connect().execute("INSERT INTO addresses VALUES (?1, ?2)", [user, address]).unwrap();
    }
}

impl PersonalData for Addresses {
    fn name(&self) -> &str {
        "addresses"
    }

    fn export(&self, user: UserId, page: usize) -> PersonalDataFuture<'_, ExportedPage> {
        let database = self.connect();
        let mut statement = database.prepare("SELECT address FROM addresses WHERE user = ?1 ORDER BY 1").unwrap();
        let rows = statement.query_map([user.as_str()], |row| row.get::<_, String>(0)).unwrap();
        let mut rows: Vec<Value> = rows.map(|row| json!({ "address": row.unwrap() })).collect();
        let has_more = rows.len() > page + 1;
        let rows = if page < rows.len() { vec![rows.swap_remove(page)] } else { Vec::new() };
        let answer = if has_more { ExportedPage::with_more(rows) } else { ExportedPage::last(rows) };
        Box::pin(async move { Ok(answer) })
    }

    fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64> {
        Box::pin(async move {
            let fails = |left: usize| left.checked_sub(1);
            if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
                return Err(Error::new(ErrorKind::Unavailable, "the table is out of order"));
            }
            let erased = self.connect().execute("DELETE FROM addresses WHERE user = ?1", [user.as_str()]);
            Ok(erased.unwrap() as u64)
        })
    }
}

/// A guestbook with everything switched on.
fn whole<S: Store>(store: S, place: &Place, addresses: Addresses) -> (Guestbook, Clock) {
    let (builder, clock) = builder(store, place, addresses);
    (builder.build().unwrap(), clock)
}

fn builder<S: Store>(store: S, place: &Place, addresses: Addresses) -> (GuestbookBuilder<S>, Clock) {
    let (builder, clock) = support::builder(store);
    let days = Duration::from_secs(180 * 24 * 60 * 60);
    let purposes = Purposes::builder()
        .purpose(Purpose::new("analytics", Category::Analytics).mode(Mode::OptIn).expiry(days))
        .purpose(Purpose::new("marketing", Category::Marketing).mode(Mode::OptIn).expiry(days))
        .build();
    let schema = Schema::<StandardPreferences>::new().unwrap().allow_unknown_keys();
    let builder = builder
        .activity(ActivityRules::new().headers(["x-shop"]).query_keys(["q"]))
        .consent(ConsentRules::new(purposes.unwrap()).accept_grants_without_notice())
        .preferences(PreferenceRules::new(schema))
        .recorder(RecorderSettings::new().spool(place.spool(), 64 << 20))
        .personal_data(addresses);
    (builder, clock)
}

fn routes(guestbook: &Guestbook) -> Router {
    Router::new()
        .route("/login/{user}", get(async |session: Session, UrlPath(user): UrlPath<String>| session.login(user).await))
        .route(
            "/set/{value}",
            get(async |session: Session, UrlPath(value): UrlPath<String>| session.insert("note", &value)),
        )
        .route(
            "/user",
            get(async |session: Session| session.user_id().map(|user| user.as_str().to_owned()).unwrap_or_default()),
        )
        .route(
            "/decide/{source}/{actor}",
            get(async |consent: Consent, UrlPath((source, actor)): UrlPath<(String, String)>| {
                let choices = Choices::new(DecisionMethod::Custom).grant(PurposeId::ANALYTICS);
                consent.decide(choices.source(source).actor(actor)).await
            }),
        )
        .route(
            "/track/{kind}/{value}",
            get(async |tracker: Tracker, UrlPath((kind, value)): UrlPath<(String, String)>| {
                tracker.track(kind.as_str(), &json!({ "value": value })).map(drop)
            }),
        )
        // An application that makes names of routes of what is in paths: their erasure must find
        // that, too.
        .fallback(async |uri: axum::http::Uri| (axum::Extension(RouteTemplate::new(uri.path())), "something else"))
        .layer(guestbook.layer())
}

/// A browser that keeps its cookies.
#[derive(Clone)]
struct Browser {
    app: Router,
    cookies: BTreeMap<String, String>,
    headers: Vec<(&'static str, String)>,
}

impl Browser {
    fn new(app: &Router) -> Self {
        Self { app: app.clone(), cookies: BTreeMap::new(), headers: Vec::new() }
    }

    async fn get(&mut self, path: &str) -> support::Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::get(path).header(header::HOST, "shop.example");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if !self.headers.iter().any(|(name, _)| *name == "user-agent") {
            request = request.header(header::USER_AGENT, FIREFOX);
        }
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(PeerAddress(([203, 0, 113, 77], 40_000).into()));
        let answer = send(&self.app, request).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            match rest.split(';').next().unwrap() {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    async fn ok(&mut self, path: &str) -> support::Answer {
        let answer = self.get(path).await;
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.body);
        answer
    }
}

/// All parts of an export, and the document.
async fn read(mut export: Export) -> (Vec<usize>, Value, String) {
    let (mut sizes, mut text) = (Vec::new(), Vec::new());
    while let Some(part) = export.next().await {
        let part = part.unwrap();
        sizes.push(part.len());
        text.extend_from_slice(&part);
    }
    let text = String::from_utf8(text).unwrap();
    (sizes, serde_json::from_str(&text).unwrap(), text)
}

/// Events that a store is given directly.
fn entries(origin: u64, first: u64, events: impl IntoIterator<Item = Event>) -> Vec<Entry> {
    events.into_iter().zip(first..).map(|(event, number)| Entry { id: EventId { origin, number }, event }).collect()
}

fn event(name: &str, data: &str) -> Event {
    let mut event = Event::new(EventType::ACTION, START);
    event.user = Some(user(name));
    event.data = Some(EventData::new(&json!({ "data": data }), &EventLimits::default()).unwrap());
    event
}

async fn append<S: ActivityStore>(store: &S, entries: Vec<Entry>) -> usize {
    let sequences = store.append(entries.into(), Commit::Relaxed).await.unwrap();
    sequences.into_iter().flatten().count()
}

async fn count<S: ActivityStore>(store: &S, name: &str) -> u64 {
    store.count(of(name)).await.unwrap()
}
