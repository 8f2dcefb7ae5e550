//! A journal outside the database: a restored backup brings nobody back.

mod files;
mod gate;
mod kills;
mod long;
mod pending;

use std::sync::Mutex;

use axum::http::StatusCode;
use tokio::sync::watch;
use tower_guestbook::{
    Result, Timestamp,
    privacy::{
        Erasure, ErasureJournal, FileJournal, JournalEntry, JournalKind, JournalPage, OnMissingJournal, Pseudonym,
        ReplayReport, StoreFingerprint,
    },
    store::{ConsentStore, ErasureStore, PreferenceStore, SessionStore},
};

use super::*;
use crate::support::faulty_store::{Fault, FaultyStore};

impl Place {
    fn journal(&self) -> FileJournal {
        FileJournal::new(self.directory.path().join("erasures"))
    }

    fn restore(&self, backup: &Path) {
        for suffix in ["-wal", "-shm"] {
            // What is not there need not be removed.
            let _ = std::fs::remove_file(self.directory.path().join(format!("guestbook.db{suffix}")));
        }
        std::fs::copy(backup, self.database()).unwrap();
    }
}

/// A guestbook with everything switched on, and a journal.
fn with_journal<S: Store>(store: S, place: &Place, journal: impl ErasureJournal) -> (Guestbook, Clock) {
    let (builder, clock) = builder(store, place, Addresses::new(place));
    (builder.erasure_journal(journal).build().unwrap(), clock)
}

/// A journal in memory that can be out of reach.
#[derive(Clone)]
struct Shelf {
    entries: Arc<Mutex<Vec<JournalEntry>>>,
    mood: watch::Sender<Fault>,
}

impl Shelf {
    fn new(mood: Fault) -> Self {
        Self { entries: Arc::default(), mood: watch::Sender::new(mood) }
    }

    fn set(&self, mood: Fault) {
        self.mood.send_replace(mood);
    }

    fn put(&self, entry: JournalEntry) {
        self.entries.lock().unwrap().push(entry);
    }

    fn entries(&self) -> Vec<JournalEntry> {
        self.entries.lock().unwrap().clone()
    }

    async fn ask(&self) -> Result<()> {
        match *self.mood.subscribe().wait_for(|mood| *mood != Fault::Stuck).await.unwrap() {
            Fault::Good => Ok(()),
            _ => Err(Error::new(ErrorKind::Unavailable, "the shelf is out of reach")),
        }
    }
}

impl ErasureJournal for Shelf {
    async fn open(&self, _: StoreFingerprint, _: OnMissingJournal) -> Result<()> {
        self.ask().await
    }

    async fn append(&self, entry: JournalEntry) -> Result<()> {
        self.ask().await?;
        self.entries.lock().unwrap().push(entry);
        Ok(())
    }

    /// One entry at a time.
    async fn read(&self, from: Option<u64>, limit: usize) -> Result<JournalPage> {
        self.ask().await?;
        assert!(limit > 0);
        let (entries, from) = (self.entries(), from.unwrap_or(0) as usize);
        let page = entries.get(from..).unwrap_or_default().first().copied().into_iter().collect();
        Ok(JournalPage::new(page, (from + 1 < entries.len()).then_some(from as u64 + 1)))
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.ask().await?;
        let mut entries = self.entries.lock().unwrap();
        let before = entries.len();
        entries.retain(|entry| entry.is_in_force(now));
        Ok((before - entries.len()) as u64)
    }
}

/// What a journal has of an erasure that the store does not know of.
async fn entry<S: ConsentStore>(store: &S, name: &str) -> JournalEntry {
    let pseudonym = Pseudonym::of(&user(name), &store.signing_secret().await.unwrap());
    let until = START.after(Duration::from_secs(1_000));
    JournalEntry::erased(&Erasure::begin(user(name), pseudonym, START, until).unwrap())
}

fn counts(report: ReplayReport) -> [u64; 4] {
    [report.checked, report.erased_again, report.tombstones_restored, report.lifted]
}

/// Logs in, decides, does something, and has an address.
async fn visit(guestbook: &Guestbook, place: &Place, name: &str) -> Browser {
    let mut browser = Browser::new(&routes(guestbook));
    browser.ok("/decide/banner/herself").await;
    browser.ok(&format!("/login/{name}")).await;
    browser.ok("/set/something").await;
    browser.ok("/track/action/something").await;
    let preferences = guestbook.preferences::<StandardPreferences>().unwrap();
    preferences.update(&user(name), &json!({ "nickname": name }), None).await.unwrap();
    Addresses::new(place).add(name, &format!("address of {name}"));
    guestbook.flush().await.unwrap();
    browser
}

async fn login(guestbook: &Guestbook, name: &str) -> StatusCode {
    Browser::new(&routes(guestbook)).get(&format!("/login/{name}")).await.status
}

async fn assert_out(guestbook: &Guestbook, name: &str) {
    let answer = Browser::new(&routes(guestbook)).get(&format!("/login/{name}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {}", answer.body);
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("user erased"), "{name}: {}", answer.body);
}

async fn close(guestbook: Guestbook, store: SqliteStore) {
    guestbook.shutdown().await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_erases_users_of_a_restored_backup_and_nobody_else() {
    for is_copied in [false, true] {
        let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
        let backup = elsewhere.path().join("backup.db");
        let [ada, bob, early, dan, unknown] = ["ada", "bob", "early", "dan", "unknown"].map(|name| {
            let needle = needle();
            format!("{name}{needle}")
        });
        let store = place.open();
        let (guestbook, _clock) = with_journal(store.clone(), &place, place.journal());
        guestbook.ready().await.unwrap();
        let mut browser = visit(&guestbook, &place, &ada).await;
        let mut of_bob = visit(&guestbook, &place, &bob).await;
        for name in [&early, &dan] {
            visit(&guestbook, &place, name).await;
            assert!(guestbook.rights().erase(&user(name)).await.unwrap().is_clean);
        }

        // Either of the ways in which a backup is made.
        if is_copied {
            close(guestbook, store).await;
            std::fs::copy(place.database(), &backup).unwrap();
        } else {
            place.raw().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
            close(guestbook, store).await;
        }

        let store = place.open();
        let (guestbook, _clock) = with_journal(store.clone(), &place, place.journal());
        guestbook.ready().await.unwrap();
        let first = guestbook.rights().erase(&user(&ada)).await.unwrap().erasure;
        guestbook.rights().erase(&user(&unknown)).await.unwrap();
        assert!(guestbook.rights().lift_erasure(&user(&dan)).await.unwrap());
        close(guestbook, store).await;
        assert_eq!(place.find(ada.as_bytes()), [""; 0], "no name in the journal either");

        place.restore(&backup);
        Addresses::new(&place).add(&ada, "her table was restored, too");
        assert!(!place.find(ada.as_bytes()).is_empty(), "she is in the backup");
        let store = place.open();
        let (guestbook, _clock) = with_journal(store.clone(), &place, place.journal());
        guestbook.ready().await.unwrap();
        browser.app = routes(&guestbook);
        assert_eq!(browser.ok("/user").await.body, "", "her session is over");
        for name in [&ada, &early, &unknown] {
            assert_out(&guestbook, name).await;
            let patch = Schema::<StandardPreferences>::new().unwrap().patch(&json!({ "theme": "dark" })).unwrap();
            let refused = store.change_preferences(user(name), patch, None);
            assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::UserErased);
        }
        let again = super::resumed::wait_for(&guestbook, &ada).await;
        assert_eq!((again.id, again.began_at, again.until), (first.id, first.began_at, first.until));
        assert_eq!((again.erased.sessions, again.erased.preferences), (1, 1));
        assert_eq!(again.erased.activities, first.erased.activities);
        assert_eq!(counts(guestbook.rights().replay_journal().await.unwrap()), [3, 0, 0, 0], "nothing is left to do");
        assert_eq!(login(&guestbook, &dan).await, StatusCode::OK, "he was let in again");
        of_bob.app = routes(&guestbook);
        assert_eq!(of_bob.ok("/user").await.body, bob);
        assert!(store.preferences(user(&bob)).await.unwrap().version > 0);
        // Background tasks of the guestbook may still run.
        assert!(guestbook.rights().erase(&user(&ada)).await.unwrap().is_clean);
        close(guestbook, store).await;
        assert_eq!(place.find(ada.as_bytes()), [""; 0]);
    }
}

#[tokio::test]
async fn replay_finds_users_with_only_a_session_or_only_application_data() {
    #[derive(Clone)]
    struct Names(Arc<Mutex<Vec<UserId>>>);

    impl PersonalData for Names {
        fn name(&self) -> &str {
            "names"
        }

        fn export(&self, _: UserId, _: usize) -> PersonalDataFuture<'_, ExportedPage> {
            Box::pin(async { Ok(ExportedPage::last(Vec::new())) })
        }

        fn erase(&self, user: UserId) -> PersonalDataFuture<'_, u64> {
            let mut names = self.0.lock().unwrap();
            let before = names.len();
            names.retain(|name| *name != user);
            let erased = (before - names.len()) as u64;
            Box::pin(async move { Ok(erased) })
        }

        fn users(&self, page: usize) -> PersonalDataFuture<'_, Vec<UserId>> {
            let page = self.0.lock().unwrap().get(page).cloned().into_iter().collect();
            Box::pin(async move { Ok(page) })
        }
    }

    let place = Place::new();
    let store = place.open();
    let shelf = Shelf::new(Fault::Good);
    for name in ["session", "row", "nobody"] {
        shelf.put(entry(&store, name).await);
    }
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.build().unwrap();
    for name in ["session", "other"] {
        assert_eq!(login(&guestbook, name).await, StatusCode::OK);
    }
    guestbook.shutdown().await;

    let names = Names(Arc::new(Mutex::new(["one", "row", "two"].map(user).to_vec())));
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.personal_data(names.clone()).erasure_journal(shelf).build().unwrap();
    guestbook.ready().await.unwrap();
    for name in ["session", "row", "nobody"] {
        super::resumed::wait_for(&guestbook, name).await;
        assert_out(&guestbook, name).await;
    }
    assert_eq!(*names.0.lock().unwrap(), ["one", "two"].map(user));
    assert_eq!(store.list(user("other"), None, 10, START).await.unwrap().len(), 1);
    assert_eq!(store.list(user("session"), None, 10, START).await.unwrap().len(), 0);
}

#[tokio::test]
async fn replay_ignores_expired_and_lifted_erasures() {
    let faulty_store = FaultyStore::default();
    let store = faulty_store.store.clone();
    let shelf = Shelf::new(Fault::Good);
    let mut over = entry(&*store, "over").await;
    over.until = START;
    let lifted = entry(&*store, "lifted").await;
    let back = JournalEntry::new(lifted.id, lifted.pseudonym, START, lifted.until, JournalKind::Lifted);
    let twice = entry(&*store, "twice").await;
    let between = JournalEntry::new(twice.id, twice.pseudonym, START, twice.until, JournalKind::Lifted);
    for entry in [over, lifted, back, twice, between, entry(&*store, "twice").await] {
        shelf.put(entry);
    }
    for (number, name) in (1..).zip(["over", "lifted", "twice", "other"]) {
        append(&*store, entries(number, 1, [event(name, "data")])).await;
    }
    // A tombstone that the journal does not know of is somebody else's business.
    let foreign = store
        .begin_erasure(user("lifted"), START.after(Duration::from_secs(9)), crate::support::note(), START)
        .await
        .unwrap();
    let (builder, _clock) = support::builder(faulty_store.clone());
    let guestbook = builder.erasure_journal(shelf.clone()).build().unwrap();
    guestbook.ready().await.unwrap();
    super::resumed::wait_for(&guestbook, "twice").await;
    assert_eq!((count(&*store, "over").await, count(&*store, "twice").await, count(&*store, "other").await), (1, 0, 1));
    assert_eq!(store.erasure_of(user("lifted")).await.unwrap().unwrap().id, foreign.id);
    assert_eq!(store.erasure_of(user("over")).await.unwrap(), None);
    assert_eq!(shelf.entries().len(), 5, "what is over is forgotten");
    assert_eq!(counts(guestbook.rights().replay_journal().await.unwrap()), [1, 0, 0, 0]);
}

#[tokio::test]
async fn replay_finishes_a_half_done_erasure_before_it_lifts_it() {
    let place = Place::new();
    let store = place.open();
    let addresses = Addresses::new(&place);
    append(&store, entries(1, 1, [event("ada", "of before"), event("bob", "his")])).await;
    let erased = entry(&store, "ada").await;
    store.restore_erasure(erased.erasure(Some(user("ada")), START), crate::support::note(), START).await.unwrap();
    let shelf = Shelf::new(Fault::Good);
    let lifted = JournalEntry::new(erased.id, erased.pseudonym, START, erased.until, JournalKind::Lifted);
    [erased, lifted].into_iter().for_each(|entry| shelf.put(entry));

    addresses.failures.store(usize::MAX, Ordering::SeqCst);
    let (builder, _clock) = builder(store.clone(), &place, addresses.clone());
    let guestbook = builder.erasure_journal(shelf).build().unwrap();
    guestbook.ready().await.expect("one who stays out for now holds nobody up");
    assert_out(&guestbook, "ada").await;
    assert_eq!(login(&guestbook, "bob").await, StatusCode::OK);
    addresses.failures.store(0, Ordering::SeqCst);
    assert_eq!(counts(guestbook.rights().replay_journal().await.unwrap()), [0, 0, 0, 1]);
    assert_eq!((count(&store, "ada").await, count(&store, "bob").await), (0, 2), "his login is one");
    assert_eq!(login(&guestbook, "ada").await, StatusCode::OK);
}

#[tokio::test]
async fn erase_fails_without_effect_when_the_journal_cannot_be_written() {
    let place = Place::new();
    let store = place.open();
    let shelf = Shelf::new(Fault::Good);
    let (guestbook, _clock) = with_journal(store.clone(), &place, shelf.clone());
    guestbook.ready().await.unwrap();
    let mut browser = visit(&guestbook, &place, "ada").await;
    let before = count(&store, "ada").await;

    shelf.set(Fault::Failing);
    let error = guestbook.rights().erase(&user("ada")).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("shelf")), (ErrorKind::Unavailable, true));
    assert_eq!(guestbook.rights().erasure_of(&user("ada")).await.unwrap(), None);
    assert_eq!(browser.ok("/user").await.body, "ada", "her session goes on");
    assert!(count(&store, "ada").await >= before);
    assert!(!place.find(b"address of ada").is_empty());

    shelf.set(Fault::Good);
    let erasure = guestbook.rights().erase(&user("ada")).await.unwrap().erasure;
    let [only] = shelf.entries()[..] else { panic!("{:?}", shelf.entries()) };
    assert_eq!(only, JournalEntry::erased(&erasure), "what the receipt says");
    assert_eq!(browser.ok("/user").await.body, "");

    shelf.set(Fault::Failing);
    assert_eq!(guestbook.rights().lift_erasure(&user("ada")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(guestbook.rights().erasure_of(&user("ada")).await.unwrap().is_some(), "she stays out");
    assert!(!guestbook.rights().lift_erasure(&user("bob")).await.unwrap(), "for him there is nothing to enter");
    shelf.set(Fault::Good);
    assert!(guestbook.rights().lift_erasure(&user("ada")).await.unwrap());
    assert_eq!(shelf.entries().len(), 2);
    assert_eq!(login(&guestbook, "ada").await, StatusCode::OK);
}

#[tokio::test]
async fn erase_enters_an_erasure_from_before_the_journal() {
    let place = Place::new();
    let store = place.open();
    let (guestbook, _clock) = whole(store.clone(), &place, Addresses::new(&place));
    let erasure = guestbook.rights().erase(&user("ada")).await.unwrap().erasure;
    guestbook.shutdown().await;
    let shelf = Shelf::new(Fault::Good);
    let (guestbook, _clock) = with_journal(store, &place, shelf.clone());
    guestbook.ready().await.unwrap();
    assert_eq!(shelf.entries(), []);
    assert_eq!(guestbook.rights().erase(&user("ada")).await.unwrap().erasure.id, erasure.id);
    assert_eq!(shelf.entries(), [JournalEntry::erased(&erasure)]);
}

#[tokio::test]
async fn replay_that_fails_can_be_repeated_and_counts_once() {
    let faulty_store = FaultyStore::default();
    let shelf = Shelf::new(Fault::Good);
    let names = ["ada", "bob", "cid"];
    for (number, name) in (1..).zip(names) {
        append(&*faulty_store.store, entries(number, 1, [event(name, "data")])).await;
        shelf.put(entry(&*faulty_store.store, name).await);
    }
    shelf.put(entry(&*faulty_store.store, "nobody").await);
    faulty_store.set(Fault::ReadOnly);
    let (builder, _clock) = support::builder(faulty_store.clone());
    let guestbook = builder.erasure_journal(shelf).build().unwrap();
    assert_eq!(guestbook.ready().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(guestbook.rights().replay_journal().await.unwrap_err().kind(), ErrorKind::Unavailable);
    // Another process has come further.
    let of_bob = entry(&*faulty_store.store, "bob").await.erasure(Some(user("bob")), START);
    faulty_store.store.restore_erasure(of_bob, crate::support::note(), START).await.unwrap();
    faulty_store.set(Fault::Good);
    assert_eq!(counts(guestbook.rights().replay_journal().await.unwrap()), [4, 2, 1, 0]);
    guestbook.ready().await.unwrap();
    for name in names {
        assert_eq!(count(&*faulty_store.store, name).await, 0);
        assert!(faulty_store.store.erasure_of(user(name)).await.unwrap().unwrap().finished_at.is_some());
    }
    assert_eq!(counts(guestbook.rights().replay_journal().await.unwrap()), [4, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guestbooks_share_a_journal() {
    let place = Place::new();
    let (one, two) = (place.open(), place.open());
    let (first, _clock) = with_journal(one.clone(), &place, place.journal());
    let (second, _clock) = with_journal(two.clone(), &place, place.journal());
    tokio::try_join!(first.ready(), second.ready()).unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let rights = if number % 2 == 0 { first.rights().clone() } else { second.rights().clone() };
            // Each is erased by both.
            tokio::spawn(async move { rights.erase(&user(&format!("client{}", number / 2))).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(counts(second.rights().replay_journal().await.unwrap()), [10, 0, 0, 0]);
    assert!(second.rights().lift_erasure(&user("client3")).await.unwrap());
    assert_eq!(counts(first.rights().replay_journal().await.unwrap()), [9, 0, 0, 0]);
    assert_eq!(login(&first, "client3").await, StatusCode::OK);
}
