//! The audit trail: what is recorded, what is found when somebody changed it, and what an erasure
//! leaves of it.

mod daily;
mod processes;
mod tampering;

use std::{path::PathBuf, time::Duration};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower_guestbook::{
    Clock, ErrorKind, Guestbook, UserId,
    activity::{Entry, Event, EventId, EventType},
    privacy::{Actor, ActorKind, AuditAction, AuditFlaw, AuditHead, AuditRow},
    retention::{Keep, RetentionRules},
    store::{Commit, MemoryStore, SessionStore, SqliteStore, Store},
};

use crate::support::{self, START};

const DAY: Duration = Duration::from_secs(86_400);

fn user(name: &str) -> UserId {
    UserId::try_from(name).unwrap()
}

fn own() -> AuditAction {
    AuditAction::custom("shop.corrected").unwrap()
}

/// A file, and a guestbook on it with a key of its own.
struct Place {
    directory: TempDir,
    guestbook: Guestbook,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
        let guestbook = support::builder(store).0.audit_key([9; 32]).build().unwrap();
        Self { directory, guestbook }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("guestbook.db")
    }

    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// Records this number of entries, about one user after the other.
    async fn fill(&self, entries: u64) -> AuditHead {
        let mut head = AuditHead::BEGINNING;
        for number in 0..entries {
            let name = user(["ada", "bob", "cid"][number as usize % 3]);
            let actor = if number % 2 == 0 { Actor::User(name.clone()) } else { Actor::Operator("desk 3".into()) };
            head = self.guestbook.audit().record(own(), actor, Some(&name), json!({ "number": number })).await.unwrap();
        }
        head
    }

    /// The first fault.
    async fn fault(&self, anchor: Option<AuditHead>) -> Option<(u64, AuditFlaw)> {
        let report = self.guestbook.audit().verify(anchor).await.unwrap();
        report.fault.map(|fault| (fault.sequence, fault.flaw))
    }
}

async fn trail(guestbook: &Guestbook) -> Vec<AuditRow> {
    guestbook.audit().entries(0, 1_000, None).await.unwrap()
}

async fn actions(guestbook: &Guestbook) -> Vec<String> {
    trail(guestbook).await.iter().map(|row| row.entry.action.to_string()).collect()
}

async fn export(guestbook: &Guestbook, name: &str) -> Value {
    let mut export = guestbook.rights().export(&user(name)).await.unwrap();
    let mut text = Vec::new();
    while let Some(part) = export.next().await {
        text.extend(part.unwrap());
    }
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn audit_trail_records_each_right_with_its_actor() {
    let Place { guestbook, .. } = &Place::new();
    let (ada, desk) = (user("ada"), Actor::Operator("desk 3".into()));
    guestbook.rights().export(&ada).await.unwrap();
    guestbook.rights().by(Actor::User(ada.clone())).erase(&ada).await.unwrap();
    guestbook.rights().erase(&ada).await.unwrap();
    assert!(guestbook.rights().by(desk.clone()).lift_erasure(&ada).await.unwrap());
    assert!(!guestbook.rights().lift_erasure(&ada).await.unwrap());
    let rows = trail(guestbook).await;
    let kinds: Vec<_> = rows.iter().map(|row| (row.entry.action.as_str(), &row.entry.actor_kind)).collect();
    let expected = [
        ("exported", &ActorKind::System),
        ("erasure_began", &ActorKind::User),
        ("erasure_finished", &ActorKind::System),
        ("readmitted", &ActorKind::Operator),
    ];
    assert_eq!(kinds, expected, "what changed nothing is not recorded");
    assert!(rows.iter().all(|row| row.entry.subject == rows[0].entry.subject && row.entry.at == START));
    assert_eq!(rows.iter().map(|row| row.payload.is_some()).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(rows[3].content().unwrap().unwrap().actor, desk);
    assert!(guestbook.audit().verify(None).await.unwrap().is_intact());
}

#[tokio::test]
async fn an_export_has_the_entries_about_the_user_and_no_others() {
    let place = Place::new();
    place.fill(6).await;
    let document = export(&place.guestbook, "bob").await;
    let entries = document["audit"].as_array().unwrap();
    let entry = |sequence: u64, action: &str, actor: &str, detail: Value| json!({ "sequence": sequence, "at": START, "action": action, "actor": actor, "detail": detail });
    let expected = [
        entry(2, "shop.corrected", "operator", json!({ "number": 1 })),
        entry(5, "shop.corrected", "user", json!({ "number": 4 })),
        entry(7, "exported", "system", json!({ "format": "json" })),
    ];
    assert_eq!(*entries, expected);
    assert!(!document.to_string().contains("desk 3"), "who works at the desk is not part of it");
}

#[tokio::test]
async fn pages_show_the_whole_trail_however_long_it_is() {
    let guestbook = Guestbook::builder(MemoryStore::new()).build().unwrap();
    for number in 0..2_500u64 {
        guestbook.audit().record(own(), Actor::System, None, json!(number)).await.unwrap();
    }
    assert_eq!(guestbook.audit().entries(0, 9_999, None).await.unwrap().len(), 1_000, "a page has a limit");
    let head = guestbook.audit().head().await.unwrap();
    let report = guestbook.audit().verify(Some(head)).await.unwrap();
    assert_eq!((report.entries, report.head, report.anchored, report.fault), (2_500, head, true, None));
    let ahead = AuditHead { sequence: 2_501, mac: head.mac };
    let report = guestbook.audit().verify(Some(ahead)).await.unwrap();
    assert_eq!(report.fault.unwrap().sequence, 2_501);
}

#[tokio::test]
async fn audit_key_finds_changes_by_those_who_know_the_secret() {
    let place = Place::new();
    place.fill(3).await;
    let with = async |key: Option<[u8; 32]>| {
        let mut builder = support::builder(SqliteStore::open(place.path()).unwrap()).0;
        if let Some(key) = key {
            builder = builder.audit_key(key);
        }
        builder.build().unwrap().audit().verify(None).await.unwrap().fault.map(|fault| (fault.sequence, fault.flaw))
    };
    assert_eq!(with(Some([9; 32])).await, None);
    assert_eq!(with(Some([8; 32])).await, Some((1, AuditFlaw::Altered)));
    assert_eq!(with(None).await, Some((1, AuditFlaw::Altered)), "the secret does not give it away");
    // Without a key of its own each process makes the same one.
    let directory = tempfile::tempdir().unwrap();
    let open =
        || Guestbook::builder(SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).build().unwrap();
    let (one, two) = (open(), open());
    for guestbook in [&one, &two, &one] {
        guestbook.audit().record(own(), Actor::System, None, Value::Null).await.unwrap();
    }
    assert_eq!(two.audit().verify(None).await.unwrap().entries, 3);
}

fn event(number: u64, clock: &Clock) -> Entry {
    Entry { id: EventId { origin: 1, number }, event: Event::new(EventType::PAGE_VIEW, clock.now()) }
}

async fn retention_is_recorded<S: Store + Clone>(store: S) {
    let (builder, clock) = support::builder(store.clone());
    let guestbook = builder.retention(RetentionRules::new().keep_audit(Keep::For(DAY * 100))).build().unwrap();
    store.append((0..3).map(|number| event(number, &clock)).collect(), Commit::Relaxed).await.unwrap();
    guestbook.retention().run_once().await.unwrap();
    assert_eq!(actions(&guestbook).await, [""; 0], "nothing was deleted");
    clock.advance(DAY * 91);
    guestbook.retention().run_once().await.unwrap();
    let rows = trail(&guestbook).await;
    assert_eq!((rows.len(), &rows[0].entry.action, &rows[0].entry.subject), (1, &AuditAction::RetentionApplied, &None));
    let detail = rows[0].content().unwrap().unwrap().detail;
    assert_eq!((&detail["activities_deleted"], &detail["classes"]), (&json!(3), &json!({ "activities": 3 })));

    // An entry that is exactly as old as the rule says stays.
    clock.advance(DAY * 100);
    let head = guestbook.audit().record(own(), Actor::System, None, Value::Null).await.unwrap();
    assert_eq!(guestbook.retention().dry_run().await.unwrap().audit.would_delete, Some(0));
    clock.advance(Duration::from_millis(1));
    let would = guestbook.retention().dry_run().await.unwrap().audit;
    assert_eq!((would.would_delete, would.refused, would.deleted), (Some(1), false, 0));
    let report = guestbook.retention().run_once().await.unwrap();
    assert_eq!((report.audit.deleted, report.audit.oldest_left), (1, Some(START.after(DAY * 191))));
    assert_eq!(actions(&guestbook).await, ["shop.corrected"], "that the trail was cut is in its checkpoint");
    let report = guestbook.audit().verify(Some(head)).await.unwrap();
    assert_eq!((report.entries, report.dropped, report.anchored, report.fault), (1, 1, true, None));
}

#[tokio::test]
async fn retention_is_recorded_and_deletes_old_audit_entries() {
    retention_is_recorded(crate::support::faulty_store::FaultyStore::default()).await;
    let directory = tempfile::tempdir().unwrap();
    retention_is_recorded(SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).await;
}

#[tokio::test]
async fn retention_refuses_to_delete_the_trail_when_the_clock_is_ahead() {
    let (builder, clock) = support::builder(MemoryStore::new());
    let guestbook = builder.retention(RetentionRules::new()).build().unwrap();
    for number in 0..1_200u64 {
        guestbook.audit().record(own(), Actor::System, None, json!(number)).await.unwrap();
    }
    clock.advance(DAY * 2_000);
    assert!(guestbook.retention().dry_run().await.unwrap().audit.refused);
    let report = guestbook.retention().run_once().await.unwrap().audit;
    assert_eq!((report.refused, report.deleted), (true, 0));
    let report = guestbook.retention().run_forced().await.unwrap().audit;
    assert_eq!((report.refused, report.deleted, report.oldest_left), (false, 1_200, None));
    let report = guestbook.audit().verify(None).await.unwrap();
    assert_eq!((report.entries, report.dropped, report.fault), (0, 1_200, None));
}

#[tokio::test]
async fn export_that_cannot_be_recorded_fails() {
    let store = crate::support::faulty_store::FaultyStore::default();
    let guestbook = support::builder(store.clone()).0.build().unwrap();
    guestbook.audit().head().await.unwrap();
    guestbook.audit().record(own(), Actor::System, None, Value::Null).await.unwrap();
    store.set(crate::support::faulty_store::Fault::ReadOnly);
    assert_eq!(guestbook.rights().export(&user("ada")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(guestbook.rights().erase(&user("ada")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(actions(&guestbook).await, ["shop.corrected"]);
    store.set(crate::support::faulty_store::Fault::Good);
    assert!(store.list(user("ada"), None, 1, START).await.unwrap().is_empty());
    export(&guestbook, "ada").await;
    assert_eq!(actions(&guestbook).await, ["shop.corrected", "exported"]);
}

#[test]
fn debug_shows_neither_key_nor_detail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let texts = runtime.block_on(async {
        let guestbook = Guestbook::builder(MemoryStore::new()).audit_key([123; 32]).build().unwrap();
        let desk = Actor::Operator("needle of the desk".into());
        let ada = user("needle of ada");
        guestbook.audit().record(own(), desk.clone(), Some(&ada), json!("needle of the detail")).await.unwrap();
        let rows = trail(&guestbook).await;
        let said = rows[0].content().unwrap().unwrap();
        let key = tower_guestbook::privacy::AuditKey::new([123; 32]);
        [format!("{:?}", guestbook.audit()), format!("{rows:?}"), format!("{said:?}"), format!("{desk:?} {key:?}")]
    });
    for text in texts {
        assert!(!text.contains("needle") && !text.contains("123, 123"), "{text}");
    }
}
