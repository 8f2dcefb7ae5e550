//! Cases for [`ConsentStore`]: linking a visitor at login.

use std::sync::Arc;

use super::{
    ConsentStore, START, at,
    consents::{checked, consents, decided, history, ids, proven, record, user},
    new_visitor,
    support::at_once,
    user_id,
};
use crate::{
    error::ErrorKind,
    id::VisitorId,
    model::consent::{
        ConsentRecord, ConsentStates,
        Decision::{self, Denied, Granted, Objected, Withdrawn},
        DecisionMethod,
        MergePolicy::{self, AccountWins, CarryGrants, LatestDecision, MostRestrictive},
        Proof, PurposeId, Subject,
    },
};

async fn link<S: ConsentStore>(store: &S, visitor: VisitorId, name: &str, policy: MergePolicy) -> ConsentStates {
    let consent_states = store.link_visitor(visitor, user_id(name), policy, at(1_000)).await.expect("linked");
    assert_eq!(consent_states, consents(store, &user(name)).await, "the answer is what is stored");
    consent_states
}

async fn decide<S: ConsentStore>(store: &S, who: &Subject, decision: Decision, millis: u64) -> ConsentRecord {
    let decided = decided(who, PurposeId::ANALYTICS, decision, at(millis));
    record(store, vec![decided.clone()]).await;
    decided
}

fn decision(consent_states: &ConsentStates) -> Option<Decision> {
    consent_states.get(&PurposeId::ANALYTICS).map(|consent_state| consent_state.decision)
}

pub(super) async fn link_visitor_merges_by_policy<S: ConsentStore>(store: Arc<S>) {
    for (number, (policy, account, theirs, is_merged)) in [
        (MostRestrictive, None, (Granted, 1), false),
        (MostRestrictive, None, (Denied, 1), true),
        (MostRestrictive, Some((Granted, 2)), (Denied, 1), true),
        (MostRestrictive, Some((Granted, 1)), (Withdrawn, 2), true),
        (MostRestrictive, Some((Granted, 2)), (Objected, 1), true),
        (MostRestrictive, Some((Withdrawn, 2)), (Objected, 1), true),
        (MostRestrictive, Some((Objected, 1)), (Denied, 2), false),
        (MostRestrictive, Some((Denied, 1)), (Granted, 2), false),
        (MostRestrictive, Some((Objected, 1)), (Granted, 2), false),
        (MostRestrictive, Some((Granted, 1)), (Granted, 2), false),
        (MostRestrictive, Some((Denied, 1)), (Denied, 2), false),
        (CarryGrants, None, (Granted, 1), true),
        (CarryGrants, None, (Denied, 1), true),
        (CarryGrants, Some((Granted, 2)), (Denied, 1), true),
        (CarryGrants, Some((Denied, 1)), (Granted, 2), false),
        (CarryGrants, Some((Withdrawn, 1)), (Granted, 2), false),
        (CarryGrants, Some((Denied, 1)), (Objected, 2), true),
        (LatestDecision, None, (Granted, 1), false),
        (LatestDecision, None, (Objected, 1), true),
        (LatestDecision, Some((Granted, 1)), (Denied, 2), true),
        (LatestDecision, Some((Granted, 2)), (Denied, 1), false),
        (LatestDecision, Some((Denied, 1)), (Granted, 2), false),
        (LatestDecision, Some((Denied, 2)), (Granted, 1), false),
        (LatestDecision, Some((Granted, 1)), (Granted, 2), false),
        (AccountWins, None, (Granted, 1), false),
        (AccountWins, None, (Denied, 1), true),
        (AccountWins, Some((Granted, 1)), (Denied, 2), false),
        (AccountWins, Some((Denied, 1)), (Granted, 2), false),
    ]
    .into_iter()
    .enumerate()
    {
        let row = format!("{policy:?} {account:?} {theirs:?}");
        let name = format!("user {number}");
        let (subject, visitor) = (user(&name), new_visitor());
        let mut before = ConsentStates::default();
        if let Some((decision, millis)) = account {
            decide(&*store, &subject, decision, millis).await;
            before = consents(&*store, &subject).await;
        }
        let theirs = decide(&*store, &visitor.into(), theirs.0, theirs.1).await;
        let after = link(&*store, visitor, &name, policy).await;
        let records = checked(&*store, &subject).await;
        assert_eq!(records.len(), usize::from(account.is_some()) + usize::from(is_merged), "{row}");
        if is_merged {
            assert_eq!(after.get(&theirs.purpose), Some(&theirs.consent_state), "{row}");
        } else {
            assert_eq!(after, before, "{row}");
        }
        assert_eq!(history(&*store, &visitor.into()).await, [theirs], "{row}");
        assert_eq!(consents(&*store, &visitor.into()).await, ConsentStates::default(), "{row}: the visitor is used up");
    }
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}

pub(super) async fn link_visitor_keeps_the_proof<S: ConsentStore>(store: Arc<S>) {
    let (ada, visitor) = (user("ada"), new_visitor());
    let ours = decided(&ada, PurposeId::MARKETING, Denied, at(5));
    record(&*store, vec![ours.clone()]).await;
    let theirs = Subject::Visitor(visitor);
    let older = decided(&theirs, PurposeId::ANALYTICS, Denied, at(1));
    let granted = proven(decided(&theirs, PurposeId::ANALYTICS, Granted, at(2)));
    let objected = decided(&theirs, PurposeId::MARKETING, Objected, at(3));
    record(&*store, vec![older, objected.clone(), granted.clone()]).await;
    let of_visitor = history(&*store, &theirs).await;

    link(&*store, visitor, "ada", CarryGrants).await;
    let records = checked(&*store, &ada).await;
    assert_eq!(records.len(), 3);
    for (original, previous) in [(&granted, None), (&objected, Some(ours.id))] {
        let merged = records.iter().rfind(|record| record.purpose == original.purpose).expect("it is merged");
        let proof = Proof { method: DecisionMethod::Merge, ..original.proof.clone() };
        let expected = ConsentRecord { id: merged.id, subject: ada.clone(), previous, proof, ..original.clone() };
        assert_eq!(*merged, expected);
        assert!(merged.proof.method == DecisionMethod::Merge && merged.id != original.id);
    }
    assert_eq!(history(&*store, &theirs).await, of_visitor, "the visitor's own stay");
}

pub(super) async fn link_visitor_is_idempotent<S: ConsentStore>(store: Arc<S>) {
    let policies = [MostRestrictive, CarryGrants, LatestDecision, AccountWins];
    for (number, policy) in policies.into_iter().enumerate() {
        let (name, visitor) = (format!("user {number}"), new_visitor());
        let decided = |what, decision, millis| decided(&visitor.into(), what, decision, at(millis));
        let granted = decided(PurposeId::ANALYTICS, Granted, 1);
        record(&*store, vec![granted, decided(PurposeId::MARKETING, Denied, 2)]).await;
        let first = link(&*store, visitor, &name, policy).await;
        let records = history(&*store, &user(&name)).await;
        assert_eq!(records.len(), if policy == CarryGrants { 4 } else { 3 });
        for again in policies {
            assert_eq!(link(&*store, visitor, &name, again).await, first);
            assert_eq!(history(&*store, &user(&name)).await, records);
        }
    }
}

pub(super) async fn link_visitor_again_keeps_later_decisions<S: ConsentStore>(store: Arc<S>) {
    let (ada, visitor) = (user("ada"), new_visitor());
    decide(&*store, &visitor.into(), Denied, 1).await;
    assert_eq!(decision(&link(&*store, visitor, "ada", MostRestrictive).await), Some(Denied));
    decide(&*store, &ada, Granted, 2).await;
    for policy in [MostRestrictive, CarryGrants, LatestDecision, AccountWins] {
        assert_eq!(decision(&link(&*store, visitor, "ada", policy).await), Some(Granted), "{policy:?}");
    }

    // Neither does a decision that was not merged because there was a stricter one.
    let (bob, visitor) = (user("bob"), new_visitor());
    decide(&*store, &bob, Objected, 1).await;
    decide(&*store, &visitor.into(), Denied, 2).await;
    link(&*store, visitor, "bob", MostRestrictive).await;
    decide(&*store, &bob, Granted, 3).await;
    assert_eq!(decision(&link(&*store, visitor, "bob", MostRestrictive).await), Some(Granted));
}

pub(super) async fn link_visitor_ends_the_visitor<S: ConsentStore>(store: Arc<S>) {
    let (ada, visitor) = (user("ada"), new_visitor());
    let first = decide(&*store, &visitor.into(), Granted, 1).await;
    link(&*store, visitor, "ada", MostRestrictive).await;
    for decision in [Granted, Denied, Withdrawn, Objected] {
        let late = decided(&visitor.into(), PurposeId::ANALYTICS, decision, at(2));
        let error = store.record_consents(vec![late]).await.expect_err("the visitor has logged in");
        assert_eq!(error.kind(), ErrorKind::Ended, "{decision:?}");
    }
    assert_eq!(history(&*store, &ada).await, [first], "nothing was added to the history of the user");
    assert_eq!((consents(&*store, &ada).await, consents(&*store, &visitor.into()).await), Default::default());
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
    assert_eq!(consents(&*store, &visitor.into()).await, ConsentStates::default());
}

pub(super) async fn link_visitor_merges_or_refuses_parallel_decisions<S: ConsentStore>(store: Arc<S>) {
    for round in 0..8 {
        let (visitor, name) = (new_visitor(), format!("user {round}"));
        decide(&*store, &visitor.into(), Granted, 1).await;
        let answers = at_once(|number| {
            let (store, user) = (store.clone(), user_id(&name));
            let denial = decided(&visitor.into(), PurposeId::ANALYTICS, Denied, at(2));
            async move {
                if number == 3 {
                    store.link_visitor(visitor, user, MostRestrictive, START).await.expect("linked");
                    return false;
                }
                match store.record_consents(vec![denial]).await {
                    Ok(_) => true,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Ended);
                        false
                    }
                }
            }
        })
        .await;
        let is_recorded = answers.contains(&true);
        let account = consents(&*store, &user(&name)).await;
        assert_eq!(decision(&account), is_recorded.then_some(Denied), "a no that was acknowledged is carried");
        let theirs = history(&*store, &visitor.into()).await;
        assert_eq!(theirs.len(), 1 + usize::from(is_recorded), "the same no is one record");
    }
}

pub(super) async fn link_visitor_without_decisions_changes_nothing<S: ConsentStore>(store: Arc<S>) {
    let ours = decide(&*store, &user("ada"), Granted, 1).await;
    for (name, expected) in [("ada", ConsentStates::rebuild([&ours])), ("bob", ConsentStates::default())] {
        let visitor = new_visitor();
        assert_eq!(link(&*store, visitor, name, MostRestrictive).await, expected);
        assert_eq!(history(&*store, &visitor.into()).await, []);
    }
    assert_eq!(checked(&*store, &user("ada")).await, [ours]);
    assert_eq!(checked(&*store, &user("bob")).await, []);
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}

pub(super) async fn link_visitor_keeps_the_first_user<S: ConsentStore>(store: Arc<S>) {
    let visitor = new_visitor();
    decide(&*store, &visitor.into(), Denied, 1).await;
    link(&*store, visitor, "ada", MostRestrictive).await;
    let ours = decide(&*store, &user("eve"), Granted, 2).await;
    for name in ["eve", "bob"] {
        let before = consents(&*store, &user(name)).await;
        assert_eq!(link(&*store, visitor, name, MostRestrictive).await, before);
    }
    assert_eq!(history(&*store, &user("eve")).await, [ours]);
    assert_eq!(history(&*store, &user("bob")).await, []);
    assert_eq!(history(&*store, &user("ada")).await.len(), 2, "one of the visitor, one merged");
}

pub(super) async fn consent_history_includes_linked_visitors<S: ConsentStore>(store: Arc<S>) {
    let ada = user("ada");
    let (phone, laptop, stranger) = (new_visitor(), new_visitor(), new_visitor());
    let before = decide(&*store, &phone.into(), Granted, 1).await;
    let last = decide(&*store, &phone.into(), Withdrawn, 2).await;
    decide(&*store, &stranger.into(), Granted, 2).await;
    let own = decide(&*store, &ada, Denied, 3).await;
    let other = decide(&*store, &laptop.into(), Granted, 4).await;
    link(&*store, phone, "ada", MostRestrictive).await;
    link(&*store, laptop, "ada", MostRestrictive).await;
    link(&*store, stranger, "bob", MostRestrictive).await;
    let expected = [other.id, own.id, last.id, before.id];
    let all = history(&*store, &ada).await;
    assert_eq!(ids(&all), expected);
    assert_eq!(all[2].subject, phone.into());
    let page = store.consent_history(ada, 2, Some(own.id)).await.expect("readable");
    assert_eq!(ids(&page), expected[2..]);
    assert_eq!(ids(&history(&*store, &phone.into()).await), [last.id, before.id], "theirs only");
}

pub(super) async fn link_visitor_has_one_winner_in_parallel<S: ConsentStore>(store: Arc<S>) {
    let visitor = new_visitor();
    decide(&*store, &visitor.into(), Denied, 1).await;
    let answers = at_once(|number| {
        let store = store.clone();
        // Two logins to each account.
        let name = user_id(&format!("user {}", number / 2));
        async move { store.link_visitor(visitor, name, MostRestrictive, START).await.expect("answered") }
    })
    .await;
    let winner = answers.iter().position(|consent_states| !consent_states.is_empty()).expect("one has won") / 2;
    for (number, consent_states) in answers.iter().enumerate() {
        assert_eq!(consent_states.is_empty(), number / 2 != winner);
        let records = history(&*store, &user(&format!("user {}", number / 2))).await;
        assert_eq!(records.len(), if number / 2 == winner { 2 } else { 0 });
    }
}
