//! What users may demand beside a copy and an erasure: to be left alone, to be heard, to be
//! corrected, to think better of it.

mod confirming;
mod correcting;
mod holding;
mod requests;
mod restricting;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Path, routing::get};
use serde_json::{Value, json};
use tower_guestbook::{
    Clock, Consent, Error, ErrorKind, Guestbook, GuestbookBuilder, Session, Tracker, UserId,
    activity::{ActivityFilter, Entry, Event, EventId, EventType, Tracked},
    consent::{Category, Choices, ConsentRules, DecisionMethod, Mode, Purpose, PurposeId, Purposes},
    preferences::PreferenceRules,
    privacy::{
        ExportedPage, PersonalData, PersonalDataFuture, PrivacyRequest, RequestId, RequestKind, RequestState, Rights,
    },
    store::{ActivityStore, Commit, RequestQuery, SqliteStore, Store},
};

use crate::support::{self, START};

const DAY: Duration = Duration::from_secs(86_400);

fn user(name: &str) -> UserId {
    UserId::try_from(name).unwrap()
}

fn of(name: &str) -> ActivityFilter {
    ActivityFilter::new().user(user(name))
}

/// A file that several guestbooks may open.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path()).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("guestbook.db")
    }

    /// Whether a word stands in any file.
    fn has(&self, word: &str) -> bool {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        let contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        contents.into_iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
    }
}

/// A table of the application that can be corrected.
#[derive(Clone, Default)]
struct Addresses {
    rows: Arc<Mutex<HashMap<UserId, String>>>,
    erasures: Arc<AtomicU64>,
}

impl PersonalData for Addresses {
    fn name(&self) -> &str {
        "addresses"
    }

    fn export(&self, user: UserId, _page: usize) -> PersonalDataFuture<'_, ExportedPage> {
        let rows = self.rows.lock().unwrap().get(&user).map(|address| address.as_str().into());
        Box::pin(async move { Ok(ExportedPage::last(rows.into_iter().collect())) })
    }

    fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64> {
        self.erasures.fetch_add(1, Ordering::SeqCst);
        let erased = self.rows.lock().unwrap().remove(&user).is_some();
        Box::pin(async move { Ok(u64::from(erased)) })
    }

    fn rectify(&self, user: UserId, patch: Value) -> PersonalDataFuture<'_, bool> {
        let address = patch["address"].as_str().map(str::to_owned);
        let is_corrected = address.map(|address| self.rows.lock().unwrap().insert(user, address));
        Box::pin(async move { Ok(is_corrected.is_some()) })
    }
}

/// Consent, with analytics as opt-out, and preferences.
fn with_rules<S: Store>(builder: GuestbookBuilder<S>) -> GuestbookBuilder<S> {
    let purposes = Purposes::builder()
        .purpose(Purpose::new("analytics", Category::Analytics).mode(Mode::ExemptWithObjection))
        .purpose(Purpose::new("marketing", Category::Marketing).mode(Mode::OptIn).expiry(180 * DAY));
    builder
        .consent(ConsentRules::new(purposes.build().unwrap()).accept_grants_without_notice())
        .preferences(PreferenceRules::standard().unwrap())
}

fn guestbook<S: Store>(store: S) -> (Guestbook, Clock) {
    let (builder, clock) = support::builder(store);
    (with_rules(builder).build().unwrap(), clock)
}

/// Another process on the same store, with the same clock.
fn another<S: Store>(store: S, clock: &Clock) -> Guestbook {
    with_rules(Guestbook::builder(store).clock(clock.clone())).build().unwrap()
}

fn app(guestbook: &Guestbook) -> Router {
    Router::new()
        .route("/login/{user}", get(async |session: Session, Path(user): Path<String>| session.login(user).await))
        .route(
            "/user",
            get(async |session: Session| session.user_id().map(|user| user.as_str().to_owned()).unwrap_or_default()),
        )
        .route(
            "/grant/{purpose}",
            get(async |consent: Consent, Path(purpose): Path<String>| {
                let choices = Choices::new(DecisionMethod::Custom).grant(PurposeId::new(&purpose)?);
                consent.decide(choices).await
            }),
        )
        .route(
            "/allows/{purpose}",
            get(async |consent: Consent, Path(purpose): Path<String>| {
                let verdict = consent.verdict(PurposeId::new(&purpose)?).unwrap();
                Ok::<_, Error>(format!("{} {:?}", verdict.is_allowed(), verdict.reason()))
            }),
        )
        .route(
            "/track",
            get(async |tracker: Tracker| match tracker.track_durable("seen", &json!({})).await {
                Ok(Tracked::Stored) => "stored".to_owned(),
                Ok(Tracked::Withheld) => "Restricted".to_owned(),
                Ok(other) => format!("{other:?}"),
                Err(error) => format!("{:?}", error.kind()),
            }),
        )
        .layer(guestbook.layer())
}

fn event(name: Option<&str>) -> Event {
    let mut event = Event::new(EventType::ACTION, START);
    event.user = name.map(user);
    event
}

async fn append<S: ActivityStore>(store: &S, origin: u64, events: impl IntoIterator<Item = Event>) -> usize {
    let entries = (1..).zip(events).map(|(number, event)| Entry { id: EventId { origin, number }, event });
    let sequences = store.append(entries.collect(), Commit::Durable).await.unwrap();
    sequences.into_iter().flatten().count()
}

async fn count(guestbook: &Guestbook, name: &str) -> u64 {
    guestbook.activities().count(of(name)).await.unwrap()
}

async fn request(rights: &Rights, id: RequestId) -> PrivacyRequest {
    rights.request(id).await.unwrap().unwrap()
}

/// A request that somebody files.
async fn filed(rights: &Rights, name: &str, kind: RequestKind) -> RequestId {
    let filed = rights.file_request(&user(name), kind, None).await.unwrap();
    assert!(!filed.is_duplicate);
    filed.request.id
}

async fn export(rights: &Rights, name: &str) -> Value {
    let mut export = rights.export(&user(name)).await.unwrap();
    let mut json = Vec::new();
    while let Some(part) = export.next().await {
        json.extend(part.unwrap());
    }
    serde_json::from_slice(&json).unwrap()
}
