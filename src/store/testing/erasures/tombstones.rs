//! Cases for erasures that are restored from a journal.

use std::sync::Arc;

use super::*;
use crate::{
    model::privacy::{AuditAction, Pseudonym},
    store::testing::note,
};

async fn pseudonym<S: Store>(store: &S, name: &str) -> Pseudonym {
    Pseudonym::of(&user_id(name), &store.signing_secret().await.expect("there is a secret"))
}

/// An erasure as a journal has it.
async fn remembered<S: Store>(store: &S, name: &str) -> Erasure {
    Erasure::begin(user_id(name), pseudonym(store, name).await, at(1), UNTIL).expect("the system has random bytes")
}

fn finished(mut erasure: Erasure) -> Erasure {
    (erasure.user, erasure.finished_at) = (None, Some(at(2)));
    erasure
}

async fn names<S: Store>(store: &S, limit: usize) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = store.users(after, limit).await.expect("readable");
        assert!(page.len() <= limit, "no more than asked for");
        let Some(last) = page.last().cloned() else { return names };
        names.extend(page.iter().map(|user| user.as_str().to_owned()));
        after = Some(last);
    }
}

pub(in crate::store::testing) async fn users_returns_every_user_in_pages<S: Store>(store: Arc<S>) {
    assert_eq!(names(&*store, 10).await, [""; 0]);
    set_theme(&*store, "b preferences").await.expect("changed");
    decide(&*store, &user("c decision")).await;
    append(&*store, entries(1, [event(Some("a event"), None), event(None, Some(new_visitor()))])).await;
    let visitor = new_visitor();
    decide(&*store, &visitor.into()).await;
    link(&*store, visitor, "ü linked").await;
    fill(&*store, "Z all of it", 100).await;
    let expected = ["Z all of it", "a event", "b preferences", "c decision", "ü linked"];
    for limit in [1, 2, 5, 100] {
        assert_eq!(names(&*store, limit).await, expected, "{limit} at a time");
    }
    let erasure = begin_erasure(&*store, "b preferences").await;
    erase(&*store, erasure.id, 100).await;
    assert!(!names(&*store, 100).await.contains(&"b preferences".to_owned()), "an erased name is gone");
}

pub(in crate::store::testing) async fn tombstone_finds_an_erasure_by_pseudonym<S: Store>(store: Arc<S>) {
    let of_ada = pseudonym(&*store, "ada").await;
    assert_eq!(store.tombstone(of_ada).await.expect("readable"), None);
    fill(&*store, "ada", 1).await;
    let begun = begin_erasure(&*store, "ada").await;
    assert_eq!(begun.pseudonym, of_ada);
    let known = store.tombstone(of_ada).await.expect("readable").expect("it is there");
    assert_eq!((known.id, known.user), (begun.id, Some(user_id("ada"))));
    let finished = erase(&*store, begun.id, 100).await;
    assert_eq!(store.tombstone(of_ada).await.expect("readable"), Some(finished));
    assert_eq!(store.tombstone(pseudonym(&*store, "bob").await).await.expect("readable"), None);
}

pub(in crate::store::testing) async fn restore_erasure_repeats_the_erasure<S: Store>(store: Arc<S>) {
    let sessions = fill(&*store, "ada", 1).await;
    fill(&*store, "bob", 100).await;
    let before = kept(&*store, "bob").await;
    let erasure = remembered(&*store, "ada").await;
    let begun = store.restore_erasure(erasure.clone(), began("ada"), at(3)).await.expect("erased");
    assert_eq!(begun, Erasure { erased: ErasedCounts { sessions: 2, ..ErasedCounts::default() }, ..erasure.clone() });
    for session in sessions {
        assert_eq!(
            store.load(session.key, Realm::default()).await.expect("readable"),
            Loaded::Ended { logged_in: true }
        );
    }
    assert_nothing_is_stored(&*store, "ada", 200).await;
    let unfinished = store.unfinished_erasures().await.expect("readable");
    assert_eq!(unfinished.iter().map(|one| one.id).collect::<Vec<_>>(), [erasure.id]);
    let done = erase(&*store, erasure.id, 7).await;
    assert_eq!((done.id, done.began_at, done.until, &done.user), (erasure.id, at(1), UNTIL, &None));
    assert_eq!((done.erased.activities, done.erased.preferences, done.erased.consents), (10, 1, 1));
    assert!(kept(&*store, "ada").await.is_nothing());
    assert_eq!(kept(&*store, "bob").await, before, "others are as they were");
    // Another erasure of the same user changes nothing: there is a tombstone.
    let other = remembered(&*store, "ada").await;
    for again in [erasure, finished(other.clone()), other] {
        assert_eq!(store.restore_erasure(again, began("ada"), at(9)).await.expect("answered"), done);
    }
}

pub(in crate::store::testing) async fn restore_erasure_of_a_finished_erasure_refuses_writes<S: Store>(store: Arc<S>) {
    let erasure = finished(remembered(&*store, "ada").await);
    let answers = at_once(|_| {
        let (store, erasure) = (store.clone(), erasure.clone());
        async move { store.restore_erasure(erasure, began("ada"), at(3)).await.expect("answered") }
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == erasure), "it is kept as it is, once");
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), Some(erasure.clone()));
    assert_eq!(store.unfinished_erasures().await.expect("readable"), []);
    assert_nothing_is_stored(&*store, "ada", 1).await;
    assert_eq!(begin_erasure(&*store, "ada").await, erasure, "she is erased already");
    assert_eq!(store.delete_tombstones(UNTIL, 10).await.expect("answered"), 1);
}

pub(in crate::store::testing) async fn restore_erasure_checks_the_erasure<S: Store>(store: Arc<S>) {
    let right = remembered(&*store, "ada").await;
    let (mut named, mut nameless, mut foreign) = (right.clone(), right.clone(), right.clone());
    named.finished_at = Some(at(2));
    nameless.user = None;
    foreign.pseudonym = Pseudonym::from_bytes([7; 32]);
    for wrong in [named, nameless, foreign] {
        let error = store.restore_erasure(wrong, began("ada"), at(3)).await.expect_err("it is wrong");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(store.unfinished_erasures().await.expect("readable"), []);
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), None);
}

pub(in crate::store::testing) async fn lift_erasure_by_id_requires_a_finished_erasure<S: Store>(store: Arc<S>) {
    let unknown = ErasureId::generate(START).expect("the system has random bytes");
    assert!(!store.lift_erasure_by_id(unknown, note(AuditAction::Lifted, None), at(5)).await.expect("answered"));
    fill(&*store, "ada", 1).await;
    let erasure = begin_erasure(&*store, "ada").await;
    assert_eq!(
        store
            .lift_erasure_by_id(erasure.id, note(AuditAction::Lifted, None), at(5))
            .await
            .expect_err("under way")
            .kind(),
        ErrorKind::Conflict
    );
    erase(&*store, erasure.id, 100).await;
    assert!(store.lift_erasure_by_id(erasure.id, note(AuditAction::Lifted, None), at(5)).await.expect("answered"));
    assert!(!store.lift_erasure_by_id(erasure.id, note(AuditAction::Lifted, None), at(5)).await.expect("answered"));
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), None);
    fill(&*store, "ada", 100).await;
}

pub(in crate::store::testing) async fn journal_since_keeps_the_first_time<S: Store>(store: Arc<S>) {
    let since = async || store.journal_since().await.expect("readable");
    assert_eq!(since().await, None);
    for now in [at(5), at(9), at(2)] {
        store.begin_journal(now).await.expect("remembered");
        assert_eq!(since().await, Some(at(5)), "the first time stays");
    }
}

pub(in crate::store::testing) async fn restore_tombstones_is_atomic_and_keeps_known_ones<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let of_ada = begin_erasure(&*store, "ada").await;
    let names = ["bob", "cid", "dan"];
    let mut missing = Vec::new();
    for name in names {
        missing.push(finished(remembered(&*store, name).await));
    }
    let head = async || store.audit_head().await.expect("readable").sequence;
    let before = head().await;
    for (more, wrong) in [(0, remembered(&*store, "eve").await), (1, Erasure { user: None, ..of_ada.clone() })] {
        let mut all = missing.clone();
        all.insert(more, wrong);
        let refused = store.restore_tombstones(all, began("many"), at(3)).await.expect_err("it is not finished");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(store.tombstone(missing[0].pseudonym).await.expect("readable"), None, "nothing was restored");

    // One of them is known, and one of them occurs twice.
    assert_eq!(store.restore_tombstones(vec![missing[1].clone()], began("one"), at(3)).await.expect("answered"), 1);
    let mut all = missing.clone();
    all.extend([finished(remembered(&*store, "ada").await), finished(remembered(&*store, "bob").await)]);
    assert_eq!(store.restore_tombstones(all.clone(), began("many"), at(4)).await.expect("answered"), 2);
    assert_eq!(head().await, before + 2, "one note for each step");
    assert_eq!(store.restore_tombstones(all, began("many"), at(5)).await.expect("answered"), 0);
    assert_eq!(store.restore_tombstones(Vec::new(), began("none"), at(5)).await.expect("answered"), 0);
    assert_eq!(head().await, before + 2, "no note where nothing was missing");
    for ((name, erasure), first) in names.into_iter().zip(missing).zip((100..).step_by(100)) {
        assert_eq!(store.erasure_of(user_id(name)).await.expect("readable"), Some(erasure));
        assert_nothing_is_stored(&*store, name, first).await;
    }
    let hers = store.erasure_of(user_id("ada")).await.expect("readable").expect("it is there");
    assert_eq!((hers.id, hers.user, hers.finished_at), (of_ada.id, of_ada.user, None), "under way as before");
}
