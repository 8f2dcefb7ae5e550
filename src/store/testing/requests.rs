//! Cases for [`PrivacyRequestStore`](crate::store::PrivacyRequestStore).

use std::{sync::Arc, time::Duration};

use super::{
    Store, at,
    erasures::{begin_erasure, erase, fill, is_over},
    note,
    restrictions::restrict,
    support::at_once,
    user_id,
};
use crate::{
    error::ErrorKind,
    model::privacy::{
        AuditAction, ErasedActivities, HeldClass, LegalHold, PrivacyRequest, RequestId, RequestKind, RequestState,
        RequestStep, Restriction, RestrictionReason,
    },
    store::{RequestCounts, RequestQuery},
    time::Timestamp,
};

fn receive(name: &str, kind: RequestKind, now: Timestamp) -> PrivacyRequest {
    let request = PrivacyRequest::receive(user_id(name), kind, now).expect("the system has random bytes");
    request.message("I am who I am").expect("a short text")
}

async fn file<S: Store>(store: &S, request: PrivacyRequest) -> PrivacyRequest {
    let filed = store.file_request(request, note(AuditAction::RequestFiled, None), at(1)).await.expect("filed");
    assert!(!filed.is_duplicate);
    filed.request
}

/// Takes a step with a stored request.
async fn step<S: Store>(store: &S, id: RequestId, step: RequestStep, now: Timestamp) -> PrivacyRequest {
    let mut request = load(store, id).await;
    let before = request.version;
    request.step(step, now).expect("it can follow");
    let change = store.change_request(request.clone(), before, note(AuditAction::RequestChanged, None), now);
    assert!(change.await.expect("answered"));
    request
}

async fn load<S: Store>(store: &S, id: RequestId) -> PrivacyRequest {
    store.privacy_request(id).await.expect("readable").expect("it is there")
}

async fn ids<S: Store>(store: &S, query: RequestQuery) -> Vec<RequestId> {
    store.privacy_requests(query).await.expect("readable").iter().map(|request| request.id).collect()
}

pub(super) async fn file_request_returns_the_open_request<S: Store>(store: Arc<S>) {
    let request = receive("ada", RequestKind::Access, at(1));
    assert_eq!(store.privacy_request(request.id).await.expect("readable"), None);
    assert_eq!(file(&*store, request.clone()).await, request);
    assert_eq!(load(&*store, request.id).await, request);
    let second = receive("ada", RequestKind::Access, at(2));
    let filed = store.file_request(second, note(AuditAction::RequestFiled, None), at(2)).await.expect("answered");
    assert_eq!((filed.request, filed.is_duplicate), (request.clone(), true));
    // Another kind, another user, and an answered request.
    file(&*store, receive("ada", RequestKind::Erasure, at(3))).await;
    file(&*store, receive("bob", RequestKind::Access, at(3))).await;
    step(&*store, request.id, RequestStep::Cancel, at(4)).await;
    file(&*store, receive("ada", RequestKind::Access, at(5))).await;
    assert_eq!(ids(&*store, RequestQuery::new()).await.len(), 4);
    let erased = begin_erasure(&*store, "cid").await;
    for _ in 0..2 {
        let refused = receive("cid", RequestKind::Access, at(5));
        let refused = store.file_request(refused, note(AuditAction::RequestFiled, None), at(5)).await;
        assert_eq!(refused.expect_err("erased").kind(), ErrorKind::UserErased);
        erase(&*store, erased.id, 9).await;
    }
}

pub(super) async fn change_request_checks_the_version<S: Store>(store: Arc<S>) {
    let mut request = file(&*store, receive("ada", RequestKind::Access, at(1))).await;
    let known = request.version;
    request.step(RequestStep::Verify, at(2)).expect("it can follow");
    let change = async |request: &PrivacyRequest, expected| {
        let note = note(AuditAction::RequestChanged, None);
        store.change_request(request.clone(), expected, note, at(2)).await.expect("answered")
    };
    assert!(!change(&request, known + 1).await && !change(&request, 0).await);
    assert!(change(&request, known).await);
    assert!(!change(&request, known).await, "it is another version by now");
    assert_eq!(load(&*store, request.id).await, request);
    let unknown = receive("ada", RequestKind::Erasure, at(1));
    assert!(!change(&unknown, unknown.version).await);
    assert_eq!(store.privacy_request(unknown.id).await.expect("readable"), None);
}

pub(super) async fn privacy_requests_filter_and_page<S: Store>(store: Arc<S>) {
    let mut all = Vec::new();
    for (number, (name, kind)) in [
        ("ada", RequestKind::Access),
        ("bob", RequestKind::Access),
        ("ada", RequestKind::Erasure),
        ("cid", RequestKind::Erasure),
        ("ada", RequestKind::Objection),
    ]
    .into_iter()
    .enumerate()
    {
        all.push(file(&*store, receive(name, kind, at(10 * number as u64))).await);
    }
    step(&*store, all[0].id, RequestStep::Reject("unfounded".into()), at(60)).await;
    step(&*store, all[1].id, RequestStep::Extend("much".into()), at(60)).await;
    step(&*store, all[3].id, RequestStep::Confirm { grace_until: at(100) }, at(60)).await;
    let those = |numbers: &[usize]| numbers.iter().map(|number| all[*number].id).collect::<Vec<_>>();
    let late = all[2].due_at.after(Duration::from_millis(1));
    for (query, expected) in [
        (RequestQuery::new(), &[0, 1, 2, 3, 4][..]),
        (RequestQuery::new().user(user_id("ada")), &[0, 2, 4]),
        (RequestQuery::new().user(user_id("nobody")), &[]),
        (RequestQuery::new().kind(RequestKind::Erasure), &[2, 3]),
        (RequestQuery::new().open(), &[1, 2, 3, 4]),
        (RequestQuery::new().user(user_id("ada")).open().kind(RequestKind::Access), &[]),
        // The first received is overdue first, except for extended and answered requests.
        (RequestQuery::new().overdue_at(late), &[2]),
        (RequestQuery::new().overdue_at(all[2].due_at), &[]),
        (RequestQuery::new().grace_over_at(at(99)), &[]),
        (RequestQuery::new().grace_over_at(at(100)), &[3]),
        (RequestQuery::new().limit(2), &[0, 1]),
        (RequestQuery::new().limit(2).after(all[1].id), &[2, 3]),
        (RequestQuery::new().limit(2).after(all[3].id), &[4]),
        (RequestQuery::new().open().limit(1).after(all[2].id), &[3]),
    ] {
        assert_eq!(ids(&*store, query.clone()).await, those(expected), "{query:?}");
    }
    let counts = store.count_requests(late).await.expect("counted");
    assert_eq!(counts, RequestCounts { open: 4, overdue: 1 });
}

pub(super) async fn change_request_confirming_erasure_restricts<S: Store>(store: Arc<S>) {
    let restriction = async |name| store.restriction_of(user_id(name)).await.expect("readable");
    let request = file(&*store, receive("ada", RequestKind::Erasure, at(1))).await;
    step(&*store, request.id, RequestStep::Confirm { grace_until: at(100) }, at(5)).await;
    assert_eq!(restriction("ada").await, Some(Restriction::new(at(5), RestrictionReason::ErasurePending)));
    step(&*store, request.id, RequestStep::Cancel, at(6)).await;
    assert_eq!(restriction("ada").await, None);
    // A user who is restricted for another reason stays restricted.
    let other = Some(Restriction::new(at(1), RestrictionReason::Claims));
    restrict(&*store, "ada", other).await;
    let request = file(&*store, receive("ada", RequestKind::Erasure, at(7))).await;
    step(&*store, request.id, RequestStep::Confirm { grace_until: at(100) }, at(8)).await;
    step(&*store, request.id, RequestStep::Cancel, at(9)).await;
    assert_eq!((restriction("ada").await, restriction("bob").await), (other, None));
}

pub(super) async fn restrict_cannot_lift_a_pending_erasure<S: Store>(store: Arc<S>) {
    let because = |reason| Some(Restriction::new(at(3), reason));
    let (claims, pending) = (because(RestrictionReason::Claims), because(RestrictionReason::ErasurePending));
    let ask = async |restriction, now| {
        let note = note(AuditAction::Restricted, None);
        store.restrict(user_id("ada"), restriction, note, now).await.map_err(|error| error.kind())
    };
    let state = async || {
        let audit = store.audit_head().await.expect("readable");
        (store.restriction_of(user_id("ada")).await.expect("readable"), audit)
    };
    let before = state().await;
    assert_eq!(ask(pending, at(3)).await, Err(ErrorKind::InvalidInput), "that one comes with a confirmation");
    assert_eq!(state().await, before);
    let request = file(&*store, receive("ada", RequestKind::Erasure, at(1))).await;
    step(&*store, request.id, RequestStep::Confirm { grace_until: at(100) }, at(3)).await;
    let waits = state().await;
    assert_eq!(waits.0, pending);
    for restriction in [claims, None] {
        assert_eq!(ask(restriction, at(4)).await, Err(ErrorKind::Conflict));
        assert_eq!(ask(pending, at(4)).await, Err(ErrorKind::InvalidInput));
        assert_eq!(state().await, waits, "nor is it noted");
    }
    step(&*store, request.id, RequestStep::Cancel, at(5)).await;
    assert_eq!((ask(claims, at(6)).await, state().await.0), (Ok(None), claims));
    // The earlier restriction can be lifted: it was not the only reason.
    let request = file(&*store, receive("ada", RequestKind::Erasure, at(6))).await;
    step(&*store, request.id, RequestStep::Confirm { grace_until: at(100) }, at(7)).await;
    assert_eq!(ask(None, at(8)).await, Ok(claims));
    assert_eq!(state().await.0, Some(Restriction::new(at(8), RestrictionReason::ErasurePending)));
    step(&*store, request.id, RequestStep::Cancel, at(9)).await;
    assert_eq!((ask(None, at(9)).await, state().await.0), (Ok(None), None));
}

pub(super) async fn restrict_cannot_lift_a_pending_erasure_in_parallel<S: Store>(store: Arc<S>) {
    for round in 0..8 {
        let name = format!("user {round}");
        let request = file(&*store, receive(&name, RequestKind::Erasure, at(1))).await;
        at_once(|number| {
            let (store, name, id) = (store.clone(), name.clone(), request.id);
            async move {
                let claims = Some(Restriction::new(at(3), RestrictionReason::Claims));
                match number {
                    0 => drop(step(&*store, id, RequestStep::Confirm { grace_until: at(100) }, at(3)).await),
                    _ => {
                        let wanted = if number % 2 == 0 { claims } else { None };
                        let note = note(AuditAction::Restricted, None);
                        if let Err(refused) = store.restrict(user_id(&name), wanted, note, at(3)).await {
                            assert_eq!(refused.kind(), ErrorKind::Conflict);
                        }
                    }
                }
            }
        })
        .await;
        let restriction = store.restriction_of(user_id(&name)).await.expect("readable");
        assert!(restriction.is_some(), "{name} is to be erased");
    }
}

pub(super) async fn erase_some_answers_the_request_and_removes_the_name<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let erasure = file(&*store, receive("ada", RequestKind::Erasure, at(1))).await;
    let access = file(&*store, receive("ada", RequestKind::Access, at(1))).await;
    let rejected = file(&*store, receive("ada", RequestKind::Objection, at(1))).await;
    step(&*store, rejected.id, RequestStep::Reject("Ada is known for that".into()), at(2)).await;
    let bobs = file(&*store, receive("bob", RequestKind::Erasure, at(1))).await;
    step(&*store, erasure.id, RequestStep::Confirm { grace_until: at(2) }, at(2)).await;
    let user_erased = begin_erasure(&*store, "ada").await;
    assert!(load(&*store, erasure.id).await.is_open(), "not yet");
    let before = load(&*store, access.id).await;
    erase(&*store, user_erased.id, 100).await;
    for (id, state) in [
        (erasure.id, RequestState::Done),
        (access.id, RequestState::Cancelled),
        (rejected.id, RequestState::Rejected { reason: "".into() }),
    ] {
        let request = load(&*store, id).await;
        assert_eq!((&request.state, request.user(), &request.message), (&state, None, &None));
        assert_eq!(request.subject, crate::model::privacy::RequestSubject::Pseudonym(user_erased.pseudonym));
        assert!(request.closed_at.is_some());
    }
    let stale =
        store.change_request(before.clone(), before.version, note(AuditAction::RequestChanged, None), at(9)).await;
    assert!(!stale.expect("answered"), "who knew it before cannot bring the name back");
    assert_eq!(load(&*store, bobs.id).await, bobs);
    assert!(ids(&*store, RequestQuery::new().user(user_id("ada"))).await.is_empty());
}

pub(super) async fn erase_some_with_holds_answers_in_part<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let hold = LegalHold::new(HeldClass::Activities, "lawsuit 12", at(1)).expect("a reason");
    store.place_hold(user_id("ada"), hold, note(AuditAction::HoldPlaced, None), at(1)).await.expect("held");
    let request = file(&*store, receive("ada", RequestKind::Erasure, at(1))).await;
    let access = file(&*store, receive("ada", RequestKind::Access, at(1))).await;
    let user_erased = begin_erasure(&*store, "ada").await;
    let part =
        store.erase_some(user_erased.id, 100, ErasedActivities::Deleted, is_over(), at(4)).await.expect("erased");
    let answered = load(&*store, request.id).await;
    assert!(part.is_partial() && answered.state == RequestState::Partial && answered.closed_at == Some(at(4)));
    assert_eq!((answered.user(), load(&*store, access.id).await), (Some(&user_id("ada")), access));
    let released =
        store.release_hold(user_id("ada"), HeldClass::Activities, note(AuditAction::HoldReleased, None), at(5));
    assert!(released.await.expect("answered"));
    assert!(
        store
            .erase_some(user_erased.id, 100, ErasedActivities::Deleted, is_over(), at(6))
            .await
            .expect("erased")
            .finished_at
            .is_some()
    );
    let done = load(&*store, request.id).await;
    assert_eq!((done.state.clone(), done.closed_at, done.user()), (RequestState::Done, Some(at(4)), None));
}

pub(super) async fn delete_requests_deletes_old_closed_requests<S: Store>(store: Arc<S>) {
    let mut all = Vec::new();
    for (name, closed_at) in [("ada", Some(10)), ("bob", None), ("cid", Some(30)), ("dan", Some(20))] {
        let request = file(&*store, receive(name, RequestKind::Access, at(1))).await;
        if let Some(closed_at) = closed_at {
            step(&*store, request.id, RequestStep::Cancel, at(closed_at)).await;
        }
        all.push(request.id);
    }
    let evict = async |before, limit| store.delete_requests(at(before), limit).await.expect("answered");
    assert_eq!((evict(10, 9).await, evict(11, 9).await), (0, 1), "to the millisecond");
    assert_eq!((evict(99, 1).await, evict(99, 9).await), (1, 1));
    assert_eq!(ids(&*store, RequestQuery::new()).await, [all[1]], "what is open is kept");
}

pub(super) async fn file_request_files_one_in_parallel<S: Store>(store: Arc<S>) {
    let filed = at_once(|_| {
        let store = store.clone();
        async move {
            let request = receive("ada", RequestKind::Erasure, at(1));
            store.file_request(request, note(AuditAction::RequestFiled, None), at(1)).await.expect("answered")
        }
    })
    .await;
    assert_eq!(filed.iter().filter(|filed| !filed.is_duplicate).count(), 1);
    assert!(filed.iter().all(|one| one.request == filed[0].request));
    let changed = at_once(|number| {
        let (store, mut request) = (store.clone(), filed[0].request.clone());
        async move {
            let known = request.version;
            let reason = format!("reason {number}");
            request.step(RequestStep::Reject(reason.into()), at(2)).expect("it can follow");
            store
                .change_request(request, known, note(AuditAction::RequestChanged, None), at(2))
                .await
                .expect("answered")
        }
    })
    .await;
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);
}
