//! A case for [`AnalyticsStore`](super::AnalyticsStore): scans with visitors linked to users.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use super::{
    activities::{append, entry, page_view},
    at,
    consents::{decided, record},
    new_visitor, user_id,
};
use crate::{
    model::{
        analytics::Range,
        consent::{Decision, MergePolicy, PurposeId, Subject},
    },
    store::{Exclusion, Scan, ScannedEvent, Store},
};

/// The user's number, and that of the user to whom the visitor is linked.
async fn scanned<S: Store>(store: &S, scan: Scan) -> Vec<(Option<u64>, Option<u64>)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = seen.clone();
    let each = move |event: &ScannedEvent<'_>| {
        seen.lock().expect("nothing panics in it").push((event.user, event.linked_user));
        ControlFlow::Continue(())
    };
    store.scan(scan, Box::new(each)).await.expect("looked through");
    let all = all.lock().expect("nothing panics in it");
    all.clone()
}

pub(super) async fn scan_returns_linked_users_and_excludes_them_together<S: Store>(store: Arc<S>) {
    let [theirs, other] = [(); 2].map(|()| new_visitor());
    let granted = decided(&Subject::Visitor(theirs), PurposeId::ANALYTICS, Decision::Granted, at(1));
    record(&*store, vec![granted]).await;
    store.link_visitor(theirs, user_id("ada"), MergePolicy::default(), at(2)).await.expect("linked");
    let of = |user: Option<&str>, visitor| {
        let mut event = page_view("ada", at(5));
        (event.user, event.visitor) = (user.map(user_id), visitor);
        event
    };
    let events = [of(None, Some(theirs)), of(None, Some(other)), of(Some("ada"), Some(other)), of(None, None)];
    let entries = (1..).zip(events).map(|(number, event)| entry(number, event));
    append(&*store, entries.collect()).await;
    let all = Scan::new(Range::new(at(0), at(9)).expect("in order"));
    let ada = scanned(&*store, all.clone()).await[2].0;
    assert!(ada.is_some());
    assert_eq!(
        scanned(&*store, all.clone()).await,
        [(None, None), (None, None), (ada, None), (None, None)],
        "not asked"
    );
    let linked = scanned(&*store, all.clone().links()).await;
    let ada = linked[2].0;
    assert_eq!(linked, [(None, ada), (None, None), (ada, None), (None, None)]);
    let without = all.clone().links().except_users([user_id("ada")]);
    assert_eq!(scanned(&*store, without).await, [(None, None), (None, None)]);
    let without = all.links().exclusion(vec![Exclusion::new([user_id("ada").into()])]);
    assert_eq!(scanned(&*store, without).await, [(None, None), (None, None)]);
}
