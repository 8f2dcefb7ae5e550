//! Cases for callers that leave while they wait.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use super::{
    CAP, ConsentStore, START, SessionStore, changes,
    consents::{checked, decided, history, record, user},
    found, new_visitor, start, user_id, value,
};
use crate::model::{
    consent::{Decision, MergePolicy, Notice, PurposeId, Subject},
    session::SessionLimits,
};

/// Polls `future` at most `polls` times and drops it.
pub(super) async fn poll_and_leave<F: Future>(future: F, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await {
            return;
        }
        tokio::task::yield_now().await;
    }
}

pub(super) async fn dropped_session_futures_are_atomic<S: SessionStore>(store: Arc<S>) {
    for polls in 0..20 {
        let stored = start(&*store, Some("ada"), START).await;
        let both = changes(&[("a", "1"), ("b", "1")]);
        poll_and_leave(store.apply(stored.id(), both, SessionLimits::default(), START), polls).await;
        let rotation = stored.to(stored.record.head.clone(), changes(&[("c", "1"), ("d", "1")]));
        let new_key = rotation.new_key;
        poll_and_leave(store.rotate(rotation, SessionLimits::default(), CAP, START), polls).await;
        // Pending work is done once a later operation on the same session returns.
        store.touch(stored.id(), START).await.expect("touched");
        let (old, new) = (found(&*store, stored.key).await, found(&*store, new_key).await);
        assert!(old.is_some() != new.is_some(), "one key is live after {polls} polls");
        let key = if old.is_some() { stored.key } else { new_key };
        assert_eq!(value(&*store, key, "a").await, value(&*store, key, "b").await);
        assert_eq!(value(&*store, key, "c").await, value(&*store, key, "d").await);
        assert_eq!(value(&*store, key, "c").await.is_some(), new.is_some());
        poll_and_leave(store.delete(stored.id(), START), polls).await;
        store.touch(stored.id(), START).await.expect("answered");
        assert!(found(&*store, key).await.is_none_or(|record| record.head.id == stored.id()));
    }
}

pub(super) async fn dropped_consent_futures_are_atomic<S: ConsentStore>(store: Arc<S>) {
    let both = |who: &Subject| {
        let decided = |what| decided(who, what, Decision::Granted, START);
        vec![decided(PurposeId::ANALYTICS), decided(PurposeId::MARKETING)]
    };
    for polls in 0..20 {
        let (name, visitor) = (format!("user {polls}"), new_visitor());
        let (account, theirs) = (user(&name), Subject::Visitor(visitor));
        // Pending work is done once a later write returns.
        let done = async |who: &Subject, decision| {
            record(&*store, vec![decided(who, PurposeId::FUNCTIONAL, decision, START)]).await;
            checked(&*store, who).await.len() - 1
        };
        poll_and_leave(store.record_consents(both(&theirs)), polls).await;
        assert!([0, 2].contains(&done(&theirs, Decision::Denied).await), "half is stored after {polls} polls");
        record(&*store, both(&theirs)).await;
        let linking = store.link_visitor(visitor, user_id(&name), MergePolicy::CarryGrants, START);
        poll_and_leave(linking, polls).await;
        let merged = done(&account, Decision::Objected).await;
        let is_linked = history(&*store, &account).await.iter().any(|record| record.subject == theirs);
        assert_eq!(merged, if is_linked { 3 } else { 0 }, "half is linked after {polls} polls");
        let text = format!("Text {polls}.");
        let notice = Notice::new(PurposeId::ANALYTICS, polls as u32 + 1, "en", text).expect("a notice");
        poll_and_leave(store.publish_notice(notice.clone()), polls).await;
        store.publish_notice(notice.clone()).await.expect("published, the first or the second time");
        assert_eq!(store.notice(notice.hash()).await.expect("readable"), Some(notice));
        poll_and_leave(store.rebuild_consents(), polls).await;
    }
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}
