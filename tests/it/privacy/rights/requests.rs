//! Article 12: requests are answered within a month.

use tower_guestbook::{
    privacy::{Actor, AuditAction, RestrictionReason},
    store::{MemoryStore, PrivacyRequestStore},
};

use super::*;

#[tokio::test]
async fn method_completes_only_the_request_of_its_kind() {
    let place = Place::new();
    let (guestbook, _clock) = guestbook(place.open());
    let rights = guestbook.rights();
    let mut requests = HashMap::new();
    for kind in RequestKind::ALL {
        requests.insert(kind, filed(rights, "ada", kind).await);
    }
    let bobs = filed(rights, "bob", RequestKind::Access).await;
    let open = async || {
        let open = rights.requests(RequestQuery::new().user(user("ada")).open()).await.unwrap();
        let mut kinds = open.iter().map(|request| request.kind).collect::<Vec<_>>();
        kinds.sort();
        kinds
    };
    let shown = export(rights, "ada").await;
    assert_eq!(shown["requests"].as_array().unwrap().len(), 6, "they are part of the copy");
    use RequestKind as Kind;
    assert_eq!(open().await, [Kind::Rectification, Kind::Erasure, Kind::Restriction, Kind::Objection]);
    rights.rectify(&user("ada"), &json!({ "preferences": { "theme": "dark" } })).await.unwrap();
    assert_eq!(open().await, [Kind::Erasure, Kind::Restriction, Kind::Objection]);
    rights.object(&user("ada"), [PurposeId::ANALYTICS]).await.unwrap();
    assert_eq!(open().await, [Kind::Erasure, Kind::Restriction]);
    rights.restrict(&user("ada"), RestrictionReason::Claims).await.unwrap();
    assert_eq!(open().await, [Kind::Erasure]);
    rights.erase(&user("ada")).await.unwrap();
    for id in requests.values() {
        let request = request(rights, *id).await;
        assert_eq!((&request.state, request.user(), request.closed_at), (&RequestState::Done, None, Some(START)));
    }
    assert!(request(rights, bobs).await.is_open());
}

#[tokio::test]
async fn export_not_read_to_its_end_completes_no_request() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let asked = filed(guestbook.rights(), "ada", RequestKind::Portability).await;
    let mut export = guestbook.rights().export(&user("ada")).await.unwrap();
    export.next().await.unwrap().unwrap();
    drop(export);
    assert!(request(guestbook.rights(), asked).await.is_open());
}

#[tokio::test]
async fn request_is_due_in_a_calendar_month_and_extended_once() {
    let (guestbook, clock) = guestbook(MemoryStore::new());
    let rights = guestbook.rights();
    // 2027-01-15T08:00:00Z, a month of 31 days.
    let id = filed(rights, "ada", RequestKind::Access).await;
    assert_eq!(request(rights, id).await.due_at, START.after(31 * DAY));
    clock.advance(31 * DAY);
    let overdue = async || rights.request_counts().await.unwrap().overdue;
    assert_eq!(overdue().await, 0);
    let late = filed(rights, "bob", RequestKind::Access).await;
    clock.advance(Duration::from_millis(1));
    assert_eq!(overdue().await, 1);
    assert_eq!(
        rights.extend_request(id, "much").await.unwrap_err().kind(),
        ErrorKind::Conflict,
        "it is too late for that"
    );
    // 2027-02-15, then March and April.
    let extended = rights.extend_request(late, "he writes a lot").await.unwrap();
    assert_eq!(extended.due_at, START.after((31 + 28 + 31 + 30) * DAY));
    assert_eq!(rights.extend_request(late, "more").await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(rights.requests(RequestQuery::new().overdue_at(clock.now())).await.unwrap()[0].id, id);
}

#[tokio::test]
async fn complete_request_needs_verification_and_closed_requests_stay_closed() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let rights = guestbook.rights();
    let id = filed(rights, "ada", RequestKind::Access).await;
    assert_eq!(rights.complete_request(id).await.unwrap_err().kind(), ErrorKind::Conflict);
    rights.verify_request(id).await.unwrap();
    rights.begin_request(id).await.unwrap();
    assert_eq!(rights.complete_request(id).await.unwrap().state, RequestState::Done);
    assert_eq!(rights.reject_request(id, "unfounded").await.unwrap_err().kind(), ErrorKind::Conflict);
    let id = filed(rights, "ada", RequestKind::Access).await;
    let rejected = rights.reject_request(id, "she has had it a minute ago").await.unwrap();
    assert_eq!(rejected.state, RequestState::Rejected { reason: "she has had it a minute ago".into() });
    let unknown = RequestId::generate(START).unwrap();
    assert_eq!(rights.verify_request(unknown).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let long = "x".repeat(1_001);
    for message in ["", &long] {
        let refused = rights.file_request(&user("bob"), RequestKind::Access, Some(message)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn audit_records_each_step_of_a_request_with_its_actor() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let desk = Actor::Operator("desk 3".into());
    let by_desk = guestbook.rights().by(desk.clone());
    let noted = async || {
        let row = guestbook.audit().entries(0, 100, None).await.unwrap().pop().unwrap();
        (row.entry.action.clone(), row.content().unwrap().unwrap().actor)
    };
    let changed_by = |actor: &Actor| (AuditAction::RequestChanged, actor.clone());
    let id = filed(&by_desk, "ada", RequestKind::Access).await;
    assert_eq!(noted().await, (AuditAction::RequestFiled, desk.clone()));
    by_desk.verify_request(id).await.unwrap();
    assert_eq!(noted().await, changed_by(&desk));
    by_desk.extend_request(id, "she writes a lot").await.unwrap();
    assert_eq!(noted().await, changed_by(&desk));
    by_desk.by(Actor::Operator("desk 4".into())).begin_request(id).await.unwrap();
    assert_eq!(noted().await, changed_by(&Actor::Operator("desk 4".into())));
    by_desk.complete_request(id).await.unwrap();
    assert_eq!(noted().await, changed_by(&desk));
    let id = filed(&by_desk, "ada", RequestKind::Objection).await;
    by_desk.reject_request(id, "unfounded").await.unwrap();
    assert_eq!(noted().await, changed_by(&desk));
    let id = filed(guestbook.rights(), "ada", RequestKind::Access).await;
    guestbook.rights().verify_request(id).await.unwrap();
    assert_eq!(noted().await, changed_by(&Actor::System), "nobody was named");
    by_desk.cancel_request(&user("ada"), id).await.unwrap();
    assert_eq!(
        noted().await,
        changed_by(&Actor::User(user("ada"))),
        "the actor is the user, even if an operator types it"
    );
}

#[tokio::test]
async fn file_request_returns_the_open_request_in_any_process() {
    let place = Place::new();
    let (one, clock) = guestbook(place.open());
    let two = another(place.open(), &clock);
    let first = one.rights().file_request(&user("ada"), RequestKind::Access, Some("please")).await.unwrap();
    let second = two.rights().file_request(&user("ada"), RequestKind::Access, Some("now")).await.unwrap();
    assert_eq!((second.request, second.is_duplicate), (first.request, true));
}

#[tokio::test]
async fn answered_requests_are_kept_three_years_without_words_of_erased_users() {
    let place = Place::new();
    let (one, clock) = guestbook(place.open());
    let filed =
        one.rights().file_request(&user("adaxyzzy"), RequestKind::Access, Some("I am plughtwisty")).await.unwrap();
    one.rights().reject_request(filed.request.id, "plughtwisty is known for that").await.unwrap();
    // The first sweep may just be moving the log into the database: then each file is looked at
    // when they are in the other.
    support::until(async || place.has("adaxyzzy") && place.has("plughtwisty")).await;
    assert!(one.rights().erase(&user("adaxyzzy")).await.unwrap().is_clean);
    assert!(!place.has("adaxyzzy") && !place.has("plughtwisty"), "in no file");
    assert_eq!(request(one.rights(), filed.request.id).await.received_at, START);
    one.shutdown().await;
    let gone = START.after(3 * 365 * DAY + Duration::from_millis(1));
    assert_eq!(place.open().delete_requests(START, 9).await.unwrap(), 0, "what was closed then is not older");
    clock.advance(gone.since(START));
    // The first sweep of the next process.
    let next = another(place.open(), &clock);
    support::until(async || next.rights().request(filed.request.id).await.unwrap().is_none()).await;
}
