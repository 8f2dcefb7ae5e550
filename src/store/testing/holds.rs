//! Cases for [`RestrictionStore`](crate::store::RestrictionStore): legal holds.

use std::sync::Arc;

use super::{
    START, Store, at,
    consents::{history, user},
    erasures::{activities, append, begin_erasure, decide, entries, erase, event, fill, is_over, link},
    new_visitor, note, user_id,
};
use crate::{
    error::ErrorKind,
    model::{
        activity::ActivityFilter,
        privacy::{AuditAction, ErasedActivities, Erasure, ErasureId, HeldClass, LegalHold, RetainedData},
    },
    store::StoredPreferences,
    time::Timestamp,
};

const CLASSES: [HeldClass; 3] = [HeldClass::Activities, HeldClass::Preferences, HeldClass::Consents];

pub(super) async fn hold<S: Store>(store: &S, name: &str, class: HeldClass) {
    let hold = LegalHold::new(class, "lawsuit 12", at(3)).expect("a reason");
    store.place_hold(user_id(name), hold, note(AuditAction::HoldPlaced, None), at(3)).await.expect("held");
}

pub(super) async fn release<S: Store>(store: &S, name: &str, class: HeldClass) -> bool {
    store.release_hold(user_id(name), class, note(AuditAction::HoldReleased, None), at(3)).await.expect("answered")
}

/// Erases until only data held at `now` is left.
async fn erase_rest<S: Store>(store: &S, id: ErasureId, now: Timestamp) -> Erasure {
    for _ in 0..1_000 {
        let erasure = store.erase_some(id, 3, ErasedActivities::Deleted, is_over(), now).await.expect("erased");
        if erasure.is_partial() || erasure.finished_at.is_some() {
            return erasure;
        }
    }
    panic!("an erasure does not finish");
}

pub(super) async fn place_hold_and_release_hold<S: Store>(store: Arc<S>) {
    let of = async |name| store.holds_of(user_id(name)).await.expect("readable");
    assert!(!release(&*store, "ada", HeldClass::Activities).await && of("ada").await.is_empty());
    for class in [HeldClass::Consents, HeldClass::Activities] {
        hold(&*store, "ada", class).await;
    }
    let second = LegalHold::new(HeldClass::Consents, "lawsuit 13", at(4)).expect("a reason").until(at(9));
    store.place_hold(user_id("ada"), second.clone(), note(AuditAction::HoldPlaced, None), at(4)).await.expect("held");
    let first = LegalHold::new(HeldClass::Activities, "lawsuit 12", at(3)).expect("a reason");
    assert_eq!(of("ada").await, [first, second.clone()], "by class, the last of each");
    assert!(of("bob").await.is_empty());
    assert!(release(&*store, "ada", HeldClass::Activities).await);
    assert!(!release(&*store, "ada", HeldClass::Activities).await);
    assert_eq!(of("ada").await, [second]);
}

pub(super) async fn erase_some_keeps_held_data_until_release<S: Store>(store: Arc<S>) {
    for (number, class) in (0u64..).zip(CLASSES) {
        let name = format!("ada {number}");
        fill(&*store, &name, number * 1_000).await;
        fill(&*store, "bob", number * 1_000 + 100).await;
        hold(&*store, &name, class).await;
        let begun = begin_erasure(&*store, &name).await;
        let part = erase_rest(&*store, begun.id, at(5)).await;
        assert_eq!(part.retained, [RetainedData { class, reason: "lawsuit 12".into() }]);
        assert_eq!((&part.user, part.finished_at, part.began_at), (&Some(user_id(&name)), None, begun.began_at));
        let left = async || {
            let preferences = store.preferences(user_id(&name)).await.expect("readable");
            [
                activities(&*store, ActivityFilter::new().user(user_id(&name))).await.len() == 10,
                preferences != StoredPreferences::default(),
                history(&*store, &user(&name)).await.len() == 1,
            ]
        };
        assert_eq!(left().await, CLASSES.map(|other| other == class), "the rest is gone");
        let again = erase_rest(&*store, begun.id, at(6)).await;
        assert_eq!(again, part, "it stays as it is");
        assert_eq!(store.erasure_of(user_id(&name)).await.expect("readable"), Some(part.clone()));
        assert!(store.unfinished_erasures().await.expect("readable").contains(&part));
        assert_eq!(append(&*store, entries(number * 1_000 + 200, [event(Some(&name), None)])).await, [None]);
        assert_eq!(
            store
                .lift_erasure(user_id(&name), note(AuditAction::Lifted, None), at(5))
                .await
                .expect_err("under way")
                .kind(),
            ErrorKind::Conflict
        );
        store.delete_tombstones(begun.until, 9).await.expect("answered");
        assert_eq!(store.erasure_of(user_id(&name)).await.expect("readable"), Some(part), "it is not forgotten");
        // The rest can still be held for longer, or in another class.
        hold(&*store, &name, class).await;

        assert!(release(&*store, &name, class).await);
        let finished = erase_rest(&*store, begun.id, at(7)).await;
        assert_eq!((finished.id, finished.began_at, &finished.user), (begun.id, begun.began_at, &None));
        assert!(finished.retained.is_empty());
        assert_eq!(finished.erased.activities + finished.erased.preferences + finished.erased.consents, 12);
        assert_eq!(left().await, [false; 3]);
        let late = LegalHold::new(class, "lawsuit 14", at(9)).expect("a reason");
        let late = store.place_hold(user_id(&name), late, note(AuditAction::HoldPlaced, None), at(9)).await;
        assert_eq!(late.expect_err("nothing is left").kind(), ErrorKind::UserErased);
        // For the next round.
        let bob = begin_erasure(&*store, "bob").await;
        erase(&*store, bob.id, 100).await;
        assert!(store.lift_erasure(user_id("bob"), note(AuditAction::Lifted, None), at(5)).await.expect("answered"));
    }
}

pub(super) async fn expired_hold_does_not_stop_erasure<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let hold = LegalHold::new(HeldClass::Preferences, "lawsuit 12", START).expect("a reason").until(at(10));
    store.place_hold(user_id("ada"), hold, note(AuditAction::HoldPlaced, None), START).await.expect("held");
    let begun = begin_erasure(&*store, "ada").await;
    assert!(erase_rest(&*store, begun.id, at(9)).await.is_partial());
    assert_eq!(erase_rest(&*store, begun.id, at(10)).await.finished_at, Some(at(10)));
    assert!(store.holds_of(user_id("ada")).await.expect("readable").is_empty());
}

pub(super) async fn hold_covers_activities_of_linked_visitors<S: Store>(store: Arc<S>) {
    let visitor = new_visitor();
    decide(&*store, &visitor.into()).await;
    link(&*store, visitor, "ada").await;
    append(&*store, entries(1, [event(None, Some(visitor)), event(Some("ada"), None), event(None, None)])).await;
    hold(&*store, "ada", HeldClass::Activities).await;
    let begun = begin_erasure(&*store, "ada").await;
    let part = erase_rest(&*store, begun.id, at(5)).await;
    assert_eq!((part.erased.activities, part.erased.consents, part.is_partial()), (0, 2, true));
    assert!(store.consents(visitor.into()).await.expect("readable").is_empty());
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
    assert_eq!(activities(&*store, ActivityFilter::new()).await.len(), 3);
    assert!(release(&*store, "ada", HeldClass::Activities).await);
    let finished = erase_rest(&*store, begun.id, at(6)).await;
    assert_eq!((finished.erased.activities, activities(&*store, ActivityFilter::new()).await.len()), (2, 1));
}

pub(super) async fn erase_some_keeps_names_that_others_use<S: Store>(store: Arc<S>) {
    let visitor = new_visitor();
    decide(&*store, &visitor.into()).await;
    link(&*store, visitor, "ada").await;
    // Others have the type first and last.
    let batch = ["bob", "ada", "bob"].map(|name| event(Some(name), None));
    append(&*store, entries(1, batch)).await;
    hold(&*store, "ada", HeldClass::Activities).await;
    let begun = begin_erasure(&*store, "ada").await;
    assert!(erase_rest(&*store, begun.id, at(5)).await.is_partial());
    assert!(release(&*store, "ada", HeldClass::Activities).await);
    assert!(erase_rest(&*store, begun.id, at(6)).await.finished_at.is_some());
    let bobs = activities(&*store, ActivityFilter::new().user(user_id("bob"))).await;
    assert_eq!(bobs.iter().map(|activity| &activity.event).collect::<Vec<_>>(), [&event(Some("bob"), None); 2]);
}

pub(super) async fn except_restricted_excludes_held_activities_until_expiry<S: Store>(store: Arc<S>) {
    append(&*store, entries(1, ["ada", "bob"].map(|name| event(Some(name), None)))).await;
    let until = LegalHold::new(HeldClass::Activities, "lawsuit 12", START).expect("a reason").until(at(10));
    store.place_hold(user_id("ada"), until, note(AuditAction::HoldPlaced, None), START).await.expect("held");
    // A hold of another class is irrelevant.
    hold(&*store, "bob", HeldClass::Consents).await;
    let spared_at =
        async |millis| store.count(ActivityFilter::new().except_restricted(at(millis))).await.expect("counted");
    assert_eq!((spared_at(9).await, spared_at(10).await), (1, 2));
    assert_eq!(store.delete_activities(ActivityFilter::new().except_restricted(at(9)), 9).await.expect("discarded"), 1);
    assert_eq!(
        append(&*store, entries(9, [event(Some("ada"), None)])).await.len(),
        1,
        "a hold keeps, it does not stop"
    );
    assert_eq!(store.count(ActivityFilter::new().user(user_id("ada"))).await.expect("counted"), 2);
}
