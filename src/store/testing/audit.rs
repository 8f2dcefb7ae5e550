//! Cases for [`AuditStore`]: a trail without gaps, without names of erased users, and with a
//! checkpoint.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{AuditStore, START, Store, at, audit_key, note, support::at_once, user_id};
use crate::{
    error::ErrorKind,
    model::privacy::{
        Actor::{self, Operator},
        ActorKind, AuditAction, AuditHead, AuditKey, AuditNote, AuditRow, AuditVerifier, ErasedActivities, Erasure,
        VerificationReport,
    },
};

async fn record<S: AuditStore>(store: &S, note: AuditNote, millis: u64) -> AuditHead {
    store.record_audit(note, at(millis)).await.expect("recorded")
}

async fn page<S: AuditStore>(store: &S, subject: Option<&str>) -> Vec<AuditRow> {
    store.audit_page(0, 1_000, subject.map(user_id)).await.expect("readable")
}

fn numbers(rows: &[AuditRow]) -> Vec<u64> {
    rows.iter().map(|row| row.entry.sequence).collect()
}

async fn verify<S: AuditStore>(store: &S, key: AuditKey) -> VerificationReport {
    let checkpoint = store.audit_checkpoint().await.expect("readable");
    let mut verifier = AuditVerifier::new(key, checkpoint.as_ref(), None);
    page(store, None).await.iter().for_each(|row| verifier.feed(row));
    verifier.finish()
}

/// Asserts that the trail is intact, ends where the store says, and has this number of entries.
async fn assert_intact<S: AuditStore>(store: &S, entries: u64) {
    let report = verify(store, audit_key()).await;
    assert_eq!((report.entries, report.fault), (entries, None));
    assert_eq!(store.audit_head().await.expect("readable"), report.head);
}

fn detail(row: &AuditRow) -> Value {
    row.content().expect("a payload can be read").expect("it is there").detail
}

pub(super) async fn record_audit_chains_entries_in_order<S: AuditStore>(store: Arc<S>) {
    assert_eq!(store.audit_head().await.expect("readable"), AuditHead::BEGINNING);
    assert_eq!(page(&*store, None).await, []);
    let own = AuditAction::custom("invoice.corrected").expect("a name of an action");
    let of_ada = AuditNote::new(own.clone(), Actor::User(user_id("ada")), Some(user_id("bob")), audit_key());
    let first = record(&*store, of_ada.detail(json!({ "ü": [1, null, "\"" ] })), 5).await;
    // The clock was set back.
    let of_desk = AuditNote::new(AuditAction::Exported, Operator("desk".into()), None, audit_key());
    let second = record(&*store, of_desk, 3).await;
    assert_eq!((first.sequence, second.sequence), (1, 2));
    let rows = page(&*store, None).await;
    assert_eq!(numbers(&rows), [1, 2]);
    let [one, two] = [&rows[0], &rows[1]].map(|row| &row.entry);
    assert_eq!((&one.action, one.at, &one.actor_kind), (&own, at(5), &ActorKind::User));
    assert_eq!((&two.action, two.at, &two.actor_kind), (&AuditAction::Exported, at(3), &ActorKind::Operator));
    assert_eq!((one.previous, two.previous, two.head()), (AuditHead::BEGINNING.mac, one.mac, second));
    assert!(one.actor.is_some() && one.subject.is_some() && one.actor != one.subject && two.subject.is_none());
    let said = rows[0].content().expect("readable").expect("there");
    assert_eq!((said.actor, said.subject), (Actor::User(user_id("ada")), Some(user_id("bob"))));
    assert_eq!(said.detail, json!({ "ü": [1, null, "\"" ] }));
    assert_intact(&*store, 2).await;
    let with_another = verify(&*store, AuditKey::new([8; 32])).await.fault.expect("another key is no key");
    assert_eq!(with_another.sequence, 1);
}

pub(super) async fn audit_page_filters_by_subject<S: AuditStore>(store: Arc<S>) {
    for (number, name) in (0u64..).zip(["ada", "bob", "ada", "ada", "bob"]) {
        record(&*store, note(AuditAction::Rectified, Some(name)), number).await;
    }
    let page = async |after, limit, subject: Option<&str>| {
        let rows = store.audit_page(after, limit, subject.map(user_id)).await.expect("readable");
        numbers(&rows)
    };
    assert_eq!(page(0, 2, None).await, [1, 2]);
    assert_eq!(page(2, 2, None).await, [3, 4]);
    assert_eq!(page(5, 2, None).await, [0; 0]);
    assert_eq!(page(u64::MAX, usize::MAX, None).await, [0; 0]);
    assert_eq!(page(0, 9, Some("ada")).await, [1, 3, 4]);
    assert_eq!(page(1, 1, Some("ada")).await, [3]);
    assert_eq!(page(0, 9, Some("cid")).await, [0; 0]);
}

pub(super) async fn record_audit_has_no_gaps_in_parallel<S: AuditStore>(store: Arc<S>) {
    let heads = at_once(|number| {
        let store = store.clone();
        async move {
            let mut heads = Vec::new();
            for step in 0..10 {
                heads.push(record(&*store, note(AuditAction::Exported, Some(&format!("user {number}"))), step).await);
            }
            heads
        }
    });
    let mut heads: Vec<_> = heads.await.into_iter().flatten().collect();
    heads.sort_by_key(|head| head.sequence);
    let rows = page(&*store, None).await;
    assert_eq!(rows.iter().map(|row| row.entry.head()).collect::<Vec<_>>(), heads, "each was told its own");
    assert_intact(&*store, heads.len() as u64).await;
}

pub(super) async fn delete_audit_entries_leaves_a_checkpoint<S: AuditStore>(store: Arc<S>) {
    for millis in [10, 20, 30, 25, 40] {
        record(&*store, note(AuditAction::RetentionApplied, Some("ada")), millis).await;
    }
    let evict = async |before, limit| {
        store.delete_audit_entries(at(before), limit, audit_key(), at(99)).await.expect("answered")
    };
    assert_eq!(store.audit_checkpoint().await.expect("readable"), None);
    assert_eq!(evict(10, 9).await, 0, "to the millisecond");
    assert_eq!(evict(11, 9).await, 1);
    assert_eq!(evict(99, 1).await, 1, "the oldest only");
    let second = store.audit_checkpoint().await.expect("readable").expect("it is there");
    assert_eq!((second.sequence, second.at), (2, at(99)));
    assert_eq!(evict(30, 9).await, 0, "only from the beginning on");
    assert_eq!(numbers(&page(&*store, Some("ada")).await), [3, 4, 5]);
    assert_intact(&*store, 3).await;
    assert_eq!(evict(99, 9).await, 3);
    assert_eq!((page(&*store, None).await, evict(99, 9).await), (vec![], 0));
    assert_intact(&*store, 0).await;
    assert_eq!(record(&*store, note(AuditAction::Exported, None), 50).await.sequence, 6, "numbers go on");
    assert_intact(&*store, 1).await;
}

pub(super) async fn delete_audit_entries_keeps_a_damaged_trail<S: AuditStore>(store: Arc<S>) {
    record(&*store, note(AuditAction::Exported, None), 1).await;
    // An entry written without the right key.
    let foreign = AuditNote::new(AuditAction::Exported, Actor::System, None, AuditKey::new([8; 32]));
    record(&*store, foreign, 2).await;
    let error = store.delete_audit_entries(at(9), 9, audit_key(), at(9)).await.expect_err("it is evidence");
    assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains("entry 2"), "{error}");
    assert_eq!(numbers(&page(&*store, None).await), [1, 2]);
    assert_eq!(store.delete_audit_entries(at(9), 1, audit_key(), at(9)).await.expect("up to there it is right"), 1);
}

pub(super) async fn record_audit_refuses_large_payloads_without_a_gap<S: AuditStore>(store: Arc<S>) {
    let long = note(AuditAction::Exported, None).detail("x".repeat(17 * 1024).into());
    assert_eq!(store.record_audit(long, START).await.expect_err("too long").kind(), ErrorKind::TooLarge);
    assert_eq!(record(&*store, note(AuditAction::Exported, None), 1).await.sequence, 1);
    assert_intact(&*store, 1).await;
}

async fn begin_erasure<S: Store>(store: &S, name: &str) -> Erasure {
    let began = note(AuditAction::ErasureBegan, Some(name));
    store.begin_erasure(user_id(name), at(900), began, at(3)).await.expect("erased")
}

async fn erase<S: Store>(store: &S, erasure: &Erasure, limit: usize) -> Erasure {
    loop {
        let finished = note(AuditAction::ErasureFinished, None).detail(json!({ "by": "the suite" }));
        let erasure =
            store.erase_some(erasure.id, limit, ErasedActivities::Deleted, finished, at(4)).await.expect("erased");
        if erasure.finished_at.is_some() {
            return erasure;
        }
    }
}

async fn actions<S: AuditStore>(store: &S) -> Vec<AuditAction> {
    page(store, None).await.into_iter().map(|row| row.entry.action).collect()
}

pub(super) async fn methods_record_notes_only_for_changes<S: Store>(store: Arc<S>) {
    let lift_erasure = async || store.lift_erasure(user_id("ada"), note(AuditAction::Lifted, Some("ada")), at(5)).await;
    assert!(!lift_erasure().await.expect("answered"));
    assert_eq!(actions(&*store).await, [], "nobody was erased");
    let erasure = begin_erasure(&*store, "ada").await;
    begin_erasure(&*store, "ada").await;
    assert_eq!(lift_erasure().await.expect_err("it is under way").kind(), ErrorKind::Conflict);
    assert_eq!(actions(&*store).await, [AuditAction::ErasureBegan]);
    let erasure = erase(&*store, &erasure, 100).await;
    erase(&*store, &erasure, 100).await;
    assert_eq!(actions(&*store).await, [AuditAction::ErasureBegan, AuditAction::ErasureFinished]);
    assert!(lift_erasure().await.expect("answered"));
    assert!(!lift_erasure().await.expect("answered"));
    let rows = page(&*store, Some("ada")).await;
    assert_eq!(rows.len(), 3, "all are about her");
    assert_eq!(rows[2].entry.action, AuditAction::Lifted);
    assert_eq!(rows[1].entry.subject, Some(erasure.pseudonym));
    let finished = rows[1].content().expect("readable").expect("there");
    assert_eq!((finished.subject, &finished.detail["by"]), (None, &json!("the suite")), "it names nobody");
    assert_eq!(finished.detail["id"], erasure.id.as_uuid().to_string());
    assert_eq!(finished.detail["activities_deleted"], 0);
    assert_intact(&*store, 3).await;
}

pub(super) async fn erase_some_deletes_payloads_and_keeps_the_chain<S: Store>(store: Arc<S>) {
    for (limit, name) in [(1, "ada"), (3, "eve"), (100, "ida")] {
        let before = page(&*store, None).await.len() as u64;
        let by = |actor: Actor, about: &str| {
            let note = AuditNote::new(AuditAction::Rectified, actor, Some(user_id(about)), audit_key());
            note.detail(json!(name))
        };
        for _ in 0..3 {
            record(&*store, by(Actor::System, name), 1).await;
            record(&*store, by(Actor::User(user_id(name)), "bob"), 1).await;
            record(&*store, by(Actor::User(user_id("bob")), "bob"), 1).await;
            // An operator of the same name is another person.
            record(&*store, by(Operator(name.into()), "bob"), 1).await;
        }
        let erasure = begin_erasure(&*store, name).await;
        erase(&*store, &erasure, limit).await;
        let rows = page(&*store, None).await.split_off(before as usize);
        for (index, row) in rows.iter().take(12).enumerate() {
            assert_eq!(row.payload.is_some(), index % 4 >= 2, "{index}");
        }
        assert!(rows[12].payload.is_none() && rows[13].payload.is_some() && rows.len() == 14);
        assert_eq!(detail(&rows[2]), json!(name));
        assert_intact(&*store, before + 14).await;
        assert_eq!(page(&*store, Some(name)).await.len(), 5, "what was done stays");
    }
}

pub(super) async fn record_audit_stores_no_payload_of_an_erased_user<S: Store>(store: Arc<S>) {
    let erasure = begin_erasure(&*store, "ada").await;
    record(&*store, note(AuditAction::Exported, Some("ada")), 1).await;
    assert!(page(&*store, None).await[1].payload.is_some(), "while there is something left of them");
    erase(&*store, &erasure, 100).await;
    record(&*store, note(AuditAction::Exported, Some("ada")), 5).await;
    let of_ada = AuditNote::new(AuditAction::Exported, Actor::User(user_id("ada")), None, audit_key());
    record(&*store, of_ada, 5).await;
    record(&*store, note(AuditAction::Exported, Some("bob")), 5).await;
    let payloads: Vec<_> = page(&*store, None).await.iter().map(|row| row.payload.is_some()).collect();
    assert_eq!(payloads, [false, false, true, false, false, true]);
    assert_intact(&*store, 6).await;
}

pub(super) async fn methods_change_nothing_if_their_note_is_refused<S: Store>(store: Arc<S>) {
    let long = |action| note(action, Some("ada")).detail(json!({ "long": "x".repeat(17 * 1024) }));
    let is_out = async || store.erasure_of(user_id("ada")).await.expect("readable");
    let refused = store.begin_erasure(user_id("ada"), at(900), long(AuditAction::ErasureBegan), at(3)).await;
    assert_eq!(refused.expect_err("too long").kind(), ErrorKind::TooLarge);
    assert_eq!(is_out().await, None);
    let erasure = begin_erasure(&*store, "ada").await;
    let refused =
        store.erase_some(erasure.id, 100, ErasedActivities::Deleted, long(AuditAction::ErasureFinished), at(4)).await;
    assert_eq!(refused.expect_err("too long").kind(), ErrorKind::TooLarge);
    assert_eq!(is_out().await.and_then(|erasure| erasure.user), Some(user_id("ada")), "it can be continued");
    erase(&*store, &erasure, 100).await;
    let refused = store.lift_erasure(user_id("ada"), long(AuditAction::Lifted), at(5)).await;
    assert_eq!(refused.expect_err("too long").kind(), ErrorKind::TooLarge);
    assert!(is_out().await.is_some());
    assert_eq!(actions(&*store).await, [AuditAction::ErasureBegan, AuditAction::ErasureFinished]);
    assert_intact(&*store, 2).await;
}
