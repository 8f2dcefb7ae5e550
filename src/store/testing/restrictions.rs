//! Cases for [`RestrictionStore`](crate::store::RestrictionStore): restricted users.

use std::sync::Arc;

use super::{
    START, Store, at,
    erasures::{activities, append, begin_erasure, decide, entries, erase, event, fill, link, set_theme},
    new_visitor, note, start, user_id,
};
use crate::{
    error::ErrorKind,
    model::{
        activity::{ActivityFilter, HistoryQuery},
        consent::Subject,
        privacy::{AuditAction, Restriction, RestrictionReason},
    },
};

pub(super) async fn restrict<S: Store>(store: &S, name: &str, restriction: Option<Restriction>) -> Option<Restriction> {
    store.restrict(user_id(name), restriction, note(AuditAction::Restricted, None), at(3)).await.expect("answered")
}

fn because(reason: RestrictionReason) -> Option<Restriction> {
    Some(Restriction::new(at(3), reason))
}

pub(super) async fn restrict_stores_and_lifts<S: Store>(store: Arc<S>) {
    let of = async |name| store.restriction_of(user_id(name)).await.expect("readable");
    let (accuracy, claims) = (because(RestrictionReason::Accuracy), because(RestrictionReason::Claims));
    assert_eq!((restrict(&*store, "ada", None).await, of("ada").await), (None, None), "there was nothing to lift");
    for (next, before) in [(accuracy, None), (accuracy, accuracy), (claims, accuracy), (None, claims), (claims, None)] {
        assert_eq!(restrict(&*store, "ada", next).await, before);
        assert_eq!(of("ada").await, next);
        let account = store.profile(Subject::User(user_id("ada"))).await.expect("readable");
        assert_eq!(account.restriction, next, "it comes with the account");
    }
    assert_eq!(of("bob").await, None);
    assert_eq!(store.restricted_users(9).await.expect("readable"), [user_id("ada")]);
    for name in ["bob", "abe"] {
        restrict(&*store, name, claims).await;
    }
    assert_eq!(store.restricted_users(9).await.expect("readable"), ["abe", "ada", "bob"].map(user_id));
    assert_eq!(store.restricted_users(2).await.expect("readable"), ["abe", "ada"].map(user_id), "at most the limit");
    restrict(&*store, "ada", None).await;
    assert_eq!(store.restricted_users(9).await.expect("readable"), ["abe", "bob"].map(user_id));
}

pub(super) async fn append_stores_nothing_of_restricted_users<S: Store>(store: Arc<S>) {
    // Cached before.
    fill(&*store, "ada", 1).await;
    let batch = |first| entries(first, ["ada", "bob", "ada"].map(|name| event(Some(name), None)));
    let stored = |sequences: Vec<Option<u64>>| sequences.iter().map(Option::is_some).collect::<Vec<_>>();
    restrict(&*store, "ada", because(RestrictionReason::Accuracy)).await;
    for _ in 0..2 {
        append(&*store, batch(100)).await;
    }
    assert_eq!(stored(append(&*store, batch(200)).await), [false, true, false]);
    assert_eq!(activities(&*store, ActivityFilter::new().user(user_id("ada"))).await.len(), 10, "what there was stays");
    restrict(&*store, "ada", None).await;
    assert_eq!(stored(append(&*store, batch(200)).await), [false; 3], "what was left out does not come back");
    assert_eq!(stored(append(&*store, batch(300)).await), [true; 3]);
    assert_eq!(activities(&*store, ActivityFilter::new().user(user_id("bob"))).await.len(), 3);
}

pub(super) async fn append_stores_nothing_of_linked_visitors_of_restricted_users<S: Store>(store: Arc<S>) {
    let [theirs, other] = [(); 2].map(|()| new_visitor());
    for visitor in [theirs, other] {
        decide(&*store, &visitor.into()).await;
    }
    append(&*store, entries(1, [event(None, Some(theirs)), event(None, Some(other))])).await;
    restrict(&*store, "ada", because(RestrictionReason::Unlawful)).await;
    // Linked after the cache was filled, and after the restriction.
    link(&*store, theirs, "ada").await;
    let batch =
        [event(None, Some(theirs)), event(None, Some(other)), event(Some("bob"), Some(theirs)), event(None, None)];
    let sequences = append(&*store, entries(10, batch)).await;
    assert_eq!(sequences.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, true]);
}

pub(super) async fn restricted_users_keep_sessions_and_preferences<S: Store>(store: Arc<S>) {
    restrict(&*store, "ada", because(RestrictionReason::Claims)).await;
    start(&*store, Some("ada"), START).await;
    set_theme(&*store, "ada").await.expect("they may change what they like");
    decide(&*store, &Subject::User(user_id("ada"))).await;
    assert_eq!(store.list(user_id("ada"), None, 9, START).await.expect("readable").len(), 1);
}

pub(super) async fn except_restricted_excludes_only_restricted_users<S: Store>(store: Arc<S>) {
    let [theirs, other] = [(); 2].map(|()| new_visitor());
    for visitor in [theirs, other] {
        decide(&*store, &visitor.into()).await;
    }
    link(&*store, theirs, "ada").await;
    let batch = [
        event(Some("ada"), None),
        event(Some("bob"), None),
        event(None, Some(theirs)),
        event(None, Some(other)),
        event(Some("bob"), Some(theirs)),
        event(None, None),
    ];
    append(&*store, entries(1, batch)).await;
    let all = ActivityFilter::new();
    let sparing = || ActivityFilter::new().except_restricted(at(9));
    assert_eq!(store.count(sparing()).await.expect("counted"), 6, "nobody is restricted");
    restrict(&*store, "ada", because(RestrictionReason::Accuracy)).await;
    assert_eq!(store.count(all.clone()).await.expect("counted"), 6);
    assert_eq!(store.count(sparing()).await.expect("counted"), 4);
    assert_eq!(store.count(sparing().user(user_id("ada"))).await.expect("counted"), 0);
    assert_eq!(store.count(sparing().visitor(theirs)).await.expect("counted"), 1, "he used the browser, too");
    let page = store.history(HistoryQuery::new(sparing()).limit(100)).await.expect("readable");
    assert_eq!(page.activities.len(), 4);
    let discarded = [store.delete_activities(sparing(), 3).await, store.delete_activities(sparing(), 3).await];
    assert_eq!(discarded.map(|result| result.expect("discarded")), [3, 1]);
    let left = activities(&*store, all).await;
    assert_eq!(left.len(), 2, "hers, and what she did before she logged in");
    assert!(left[0].event.user == Some(user_id("ada")) && left[1].event.visitor == Some(theirs));
    restrict(&*store, "ada", None).await;
    assert_eq!(store.delete_activities(sparing(), 9).await.expect("discarded"), 2);
}

pub(super) async fn begin_erasure_supersedes_a_restriction<S: Store>(store: Arc<S>) {
    restrict(&*store, "ada", because(RestrictionReason::Accuracy)).await;
    let erasure = begin_erasure(&*store, "ada").await;
    let refused = async || {
        let again = because(RestrictionReason::Claims);
        store.restrict(user_id("ada"), again, note(AuditAction::Restricted, None), at(4)).await.expect_err("erased")
    };
    assert_eq!(refused().await.kind(), ErrorKind::UserErased);
    assert!(erase(&*store, erasure.id, 10).await.finished_at.is_some());
    assert_eq!(store.restriction_of(user_id("ada")).await.expect("readable"), None);
    assert_eq!(refused().await.kind(), ErrorKind::UserErased);
}
