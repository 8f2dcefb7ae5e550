//! Cases for [`ConsentStore::refusing_subjects`].

use std::{collections::BTreeSet, sync::Arc};

use super::{
    ConsentStore, Store, at,
    consents::{decided, history, record, user},
    erasures::{begin_erasure, erase},
    new_visitor, user_id,
};
use crate::{
    id::VisitorId,
    model::consent::{
        Decision::{self, Denied, Granted, Objected, Withdrawn},
        MergePolicy, PurposeId, Subject,
    },
};

const EVERYBODY: usize = 1_000;

async fn refusing<S: ConsentStore>(store: &S, purpose: PurposeId, denied: bool) -> BTreeSet<Subject> {
    let found = store.refusing_subjects(purpose, denied, EVERYBODY).await.expect("readable");
    let set: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(set.len(), found.len(), "each once");
    set
}

async fn decide<S: ConsentStore>(store: &S, who: &Subject, purpose: PurposeId, decision: Decision) {
    record(store, vec![decided(who, purpose, decision, at(1))]).await;
}

async fn link<S: ConsentStore>(store: &S, visitor: VisitorId, name: &str) {
    store.link_visitor(visitor, user_id(name), MergePolicy::AccountWins, at(2)).await.expect("linked");
}

pub(super) async fn refusing_subjects_includes_linked_visitors<S: ConsentStore>(store: Arc<S>) {
    let [ada, bob, cid] = ["ada", "bob", "cid"].map(user);
    let [phone, tablet, watch, stranger] = [(); 4].map(|()| new_visitor());
    for visitor in [phone, tablet, watch] {
        decide(&*store, &visitor.into(), PurposeId::ANALYTICS, Granted).await;
    }
    for who in [&ada, &bob] {
        decide(&*store, who, PurposeId::ANALYTICS, Granted).await;
    }
    // A visitor who also refuses is listed once.
    decide(&*store, &watch.into(), PurposeId::ANALYTICS, Withdrawn).await;
    link(&*store, phone, "ada").await;
    link(&*store, watch, "ada").await;
    link(&*store, tablet, "bob").await;
    decide(&*store, &ada, PurposeId::MARKETING, Objected).await;
    decide(&*store, &cid, PurposeId::ANALYTICS, Denied).await;
    decide(&*store, &stranger.into(), PurposeId::ANALYTICS, Denied).await;
    assert_eq!(refusing(&*store, PurposeId::ANALYTICS, false).await, BTreeSet::from([watch.into()]));
    let expected = BTreeSet::from([cid.clone(), stranger.into(), watch.into()]);
    assert_eq!(refusing(&*store, PurposeId::ANALYTICS, true).await, expected);
    let expected = BTreeSet::from([ada.clone(), phone.into(), watch.into()]);
    assert_eq!(refusing(&*store, PurposeId::MARKETING, false).await, expected);

    decide(&*store, &ada, PurposeId::ANALYTICS, Withdrawn).await;
    decide(&*store, &stranger.into(), PurposeId::ANALYTICS, Objected).await;
    let expected = BTreeSet::from([ada.clone(), phone.into(), watch.into(), stranger.into()]);
    assert_eq!(refusing(&*store, PurposeId::ANALYTICS, false).await, expected);
    decide(&*store, &ada, PurposeId::ANALYTICS, Granted).await;
    let expected = BTreeSet::from([watch.into(), stranger.into()]);
    assert_eq!(refusing(&*store, PurposeId::ANALYTICS, false).await, expected, "who agrees again does not refuse");
    assert_eq!(refusing(&*store, PurposeId::new("own").expect("a name"), true).await, BTreeSet::new());
}

pub(super) async fn refusing_subjects_follows_the_last_decision<S: ConsentStore>(store: Arc<S>) {
    let decisions = [Granted, Denied, Withdrawn, Objected];
    let all: Vec<Subject> = (0..64).map(|number| user(&format!("user{number}"))).collect();
    // Each sequence of three decisions.
    for (number, who) in all.iter().enumerate() {
        for step in [number % 4, number / 4 % 4, number / 16] {
            decide(&*store, who, PurposeId::ANALYTICS, decisions[step]).await;
        }
    }
    let check = async || {
        for denied in [true, false] {
            let mut expected = BTreeSet::new();
            for who in &all {
                let said: Vec<_> =
                    history(&*store, who).await.iter().map(|record| record.consent_state.decision).collect();
                if said[0] != Granted && (denied || said.iter().any(|decision| *decision != Denied)) {
                    expected.insert(who.clone());
                }
            }
            assert_eq!(refusing(&*store, PurposeId::ANALYTICS, denied).await, expected, "{denied}");
            assert_eq!(expected.len(), 48 - usize::from(!denied));
        }
    };
    check().await;
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
    check().await;
}

pub(super) async fn refusing_subjects_respects_the_limit<S: ConsentStore>(store: Arc<S>) {
    for number in 0..5 {
        let (name, visitor) = (format!("user{number}"), new_visitor());
        decide(&*store, &visitor.into(), PurposeId::ANALYTICS, Granted).await;
        link(&*store, visitor, &name).await;
        decide(&*store, &user(&name), PurposeId::ANALYTICS, Objected).await;
    }
    for limit in 0..12 {
        let found = store.refusing_subjects(PurposeId::ANALYTICS, false, limit).await.expect("readable");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), limit.min(10));
        assert_eq!(found.len(), limit.min(10));
    }
}

pub(super) async fn refusing_subjects_excludes_erased_users<S: Store>(store: Arc<S>) {
    let phone = new_visitor();
    decide(&*store, &phone.into(), PurposeId::ANALYTICS, Withdrawn).await;
    for name in ["ada", "bob"] {
        for purpose in [PurposeId::ANALYTICS, PurposeId::MARKETING] {
            decide(&*store, &user(name), purpose, Objected).await;
        }
    }
    link(&*store, phone, "ada").await;
    let begun = begin_erasure(&*store, "ada").await;
    erase(&*store, begun.id, 1).await;
    for purpose in [PurposeId::ANALYTICS, PurposeId::MARKETING] {
        assert_eq!(refusing(&*store, purpose, true).await, BTreeSet::from([user("bob")]));
    }
}
