//! An erasure in two steps.

use tower_guestbook::{
    privacy::{ConfirmationToken, ErasureRequest, RestrictionReason},
    store::MemoryStore,
};

use super::*;
use crate::support::TestClient;

async fn ask(rights: &Rights, name: &str) -> (RequestId, ConfirmationToken) {
    let ErasureRequest { request, token, .. } = rights.request_erasure(&user(name)).await.unwrap();
    (request.id, token.unwrap())
}

/// She has asked and confirmed.
async fn confirmed(rights: &Rights) -> RequestId {
    let (id, token) = ask(rights, "ada").await;
    rights.confirm_erasure(id, &token).await.unwrap();
    id
}

async fn is_erased(rights: &Rights) -> bool {
    rights.erasure_of(&user("ada")).await.unwrap().is_some_and(|erasure| erasure.finished_at.is_some())
}

#[tokio::test]
async fn confirm_erasure_restricts_at_once_and_erases_after_the_grace() {
    let place = Place::new();
    let (guestbook, clock) = guestbook(place.open());
    let rights = guestbook.rights();
    let (id, token) = ask(rights, "ada").await;
    assert_eq!(rights.restriction_of(&user("ada")).await.unwrap(), None, "nothing happens yet");
    clock.advance(DAY - Duration::from_millis(1));
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    guestbook.flush().await.unwrap();
    let before = count(&guestbook, "ada").await;
    let request_now = rights.confirm_erasure(id, &token).await.unwrap();
    let grace_until = clock.now().after(7 * DAY);
    assert_eq!(request_now.state, RequestState::Confirmed { grace_until });
    assert_eq!(client.ok("/allows/analytics").await.body, "false Restricted", "here at once");
    assert_eq!(rights.lift_restriction(&user("ada")).await.unwrap_err().kind(), ErrorKind::Conflict);

    // A login does not cancel anything, and is not recorded.
    client.ok("/login/ada").await;
    guestbook.flush().await.unwrap();
    clock.advance(7 * DAY - Duration::from_millis(1));
    assert_eq!((rights.resume_erasures().await.unwrap(), is_erased(rights).await), (0, false));
    assert_eq!(count(&guestbook, "ada").await, before, "there is something to erase");
    clock.advance(Duration::from_millis(1));
    assert_eq!(rights.cancel_erasure(&user("ada"), id).await.unwrap_err().kind(), ErrorKind::Conflict, "too late");
    assert_eq!(rights.resume_erasures().await.unwrap(), 1);
    assert!(is_erased(rights).await);
    assert_eq!((request(rights, id).await.state, count(&guestbook, "ada").await), (RequestState::Done, 0));
    assert_eq!(client.ok("/user").await.body, "");
    assert_eq!(rights.resume_erasures().await.unwrap(), 0);
}

#[tokio::test]
async fn cancel_erasure_restores_the_state_before() {
    let (guestbook, clock) = guestbook(MemoryStore::new());
    let rights = guestbook.rights();
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    let id = confirmed(rights).await;
    assert_eq!(client.ok("/track").await.body, "Restricted");
    clock.advance(6 * DAY);
    client.ok("/login/ada").await;
    assert_eq!(rights.cancel_erasure(&user("ada"), id).await.unwrap().state, RequestState::Cancelled);
    assert_eq!(client.ok("/track").await.body, "stored");
    clock.advance(6 * DAY);
    assert_eq!((rights.resume_erasures().await.unwrap(), is_erased(rights).await), (0, false));
    // And may think better of that, too.
    let again = confirmed(rights).await;
    assert_ne!(again, id);
}

#[tokio::test]
async fn confirm_and_cancel_refuse_another_user() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let rights = guestbook.rights();
    let (adas, token) = ask(rights, "ada").await;
    let (bobs, his) = ask(rights, "bob").await;
    let mut answers = Vec::new();
    answers.push(rights.confirm_erasure(adas, &his).await.unwrap_err());
    answers.push(rights.confirm_erasure(RequestId::generate(START).unwrap(), &his).await.unwrap_err());
    answers.push(rights.confirm_erasure(filed(rights, "cid", RequestKind::Erasure).await, &his).await.unwrap_err());
    answers.push(rights.cancel_erasure(&user("bob"), adas).await.unwrap_err());
    answers.push(rights.cancel_erasure(&user("bob"), RequestId::generate(START).unwrap()).await.unwrap_err());
    answers
        .push(rights.cancel_erasure(&user("ada"), filed(rights, "ada", RequestKind::Access).await).await.unwrap_err());
    for answer in &answers {
        assert_eq!((answer.kind(), answer.to_string()), (ErrorKind::InvalidInput, answers[0].to_string()));
    }
    assert!(request(rights, adas).await.state == RequestState::Received);
    rights.confirm_erasure(adas, &token).await.unwrap();
    let used = rights.confirm_erasure(adas, &token).await.unwrap_err();
    assert_eq!(used.to_string(), answers[0].to_string());
    rights.confirm_erasure(bobs, &his).await.unwrap();
}

#[tokio::test]
async fn confirm_erasure_accepts_the_last_token_for_a_day_and_five_tries() {
    let place = Place::new();
    let (guestbook, clock) = guestbook(place.open());
    let rights = guestbook.rights();
    let (id, first) = ask(rights, "ada").await;
    let again = rights.request_erasure(&user("ada")).await.unwrap();
    assert!(again.is_duplicate && again.request.id == id);
    rights.confirm_erasure(id, &first).await.unwrap_err();
    clock.advance(DAY);
    rights.confirm_erasure(id, &again.token.unwrap()).await.unwrap_err();

    let (_, third) = ask_again(rights).await;
    for _ in 0..5 {
        rights.confirm_erasure(id, &first).await.unwrap_err();
    }
    rights.confirm_erasure(id, &third).await.unwrap_err();
    assert!(request(rights, id).await.is_open(), "the attempts have not harmed her");
    let (_, fourth) = ask_again(rights).await;
    for _ in 0..4 {
        rights.confirm_erasure(id, &first).await.unwrap_err();
    }
    // Attempts are counted in the store, for all processes.
    another(place.open(), &clock).rights().confirm_erasure(id, &fourth).await.unwrap();
    let late = rights.request_erasure(&user("ada")).await.unwrap();
    assert!(late.token.is_none() && late.is_duplicate, "she has confirmed already");
    assert!(!place.has(&fourth.expose_secret()));
}

async fn ask_again(rights: &Rights) -> (RequestId, ConfirmationToken) {
    let again = rights.request_erasure(&user("ada")).await.unwrap();
    assert!(again.is_duplicate);
    (again.request.id, again.token.unwrap())
}

#[tokio::test]
async fn start_erases_users_whose_grace_is_over() {
    let place = Place::new();
    let (guestbook, clock) = guestbook(place.open());
    append(&place.open(), 1, [event(Some("ada")), event(Some("bob"))]).await;
    let id = confirmed(guestbook.rights()).await;
    guestbook.shutdown().await;
    drop(guestbook);
    clock.advance(8 * DAY);
    let next = another(place.open(), &clock);
    support::until(async || {
        next.rights().resume_erasures().await.unwrap();
        is_erased(next.rights()).await
    })
    .await;
    assert_eq!((count(&next, "ada").await, count(&next, "bob").await), (0, 1));
    assert_eq!(request(next.rights(), id).await.state, RequestState::Done);
}

#[tokio::test]
async fn grace_ends_no_later_than_the_deadline() {
    let (builder, clock) = support::builder(MemoryStore::new());
    let guestbook = with_rules(builder).erasure_grace(27 * DAY).build().unwrap();
    let rights = guestbook.rights();
    let (id, _) = ask(rights, "ada").await;
    clock.advance(20 * DAY);
    let (_, token) = ask_again(rights).await;
    let grace_until = request(rights, id).await.due_at;
    assert_eq!(rights.confirm_erasure(id, &token).await.unwrap().state, RequestState::Confirmed { grace_until });
    let refused = support::builder(MemoryStore::new()).0.erasure_grace(28 * DAY).build().unwrap_err();
    assert!(refused.kind() == ErrorKind::Configuration && refused.to_string().contains("erasure_grace()"));
}

#[tokio::test]
async fn user_erased_during_the_grace_is_not_erased_again() {
    let (guestbook, clock) = guestbook(MemoryStore::new());
    let rights = guestbook.rights();
    let id = confirmed(rights).await;
    let receipt = rights.erase(&user("ada")).await.unwrap();
    assert!(receipt.erasure.finished_at.is_some());
    assert_eq!(request(rights, id).await.state, RequestState::Done);
    clock.advance(8 * DAY);
    assert_eq!(rights.resume_erasures().await.unwrap(), 0);
    assert_eq!(rights.cancel_erasure(&user("ada"), id).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(rights.request_erasure(&user("ada")).await.unwrap_err().kind(), ErrorKind::UserErased);
}

#[tokio::test]
async fn cancel_erasure_keeps_an_earlier_restriction() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let rights = guestbook.rights();
    rights.restrict(&user("ada"), RestrictionReason::Unlawful).await.unwrap();
    let id = confirmed(rights).await;
    rights.cancel_erasure(&user("ada"), id).await.unwrap();
    let restriction = rights.restriction_of(&user("ada")).await.unwrap().unwrap();
    assert_eq!(restriction.reason, RestrictionReason::Unlawful);
}

#[tokio::test]
async fn confirmed_erasure_keeps_the_user_restricted() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let (rights, ada) = (guestbook.rights(), user("ada"));
    let reason = async || rights.restriction_of(&ada).await.unwrap().map(|restriction| restriction.reason);
    let conflict = |error: tower_guestbook::Error| assert_eq!(error.kind(), ErrorKind::Conflict);
    let asked = filed(rights, "ada", RequestKind::Restriction).await;
    let refused = rights.restrict(&ada, RestrictionReason::ErasurePending).await.unwrap_err();
    assert_eq!((refused.kind(), reason().await), (ErrorKind::InvalidInput, None));
    let id = confirmed(rights).await;
    conflict(rights.restrict(&ada, RestrictionReason::Claims).await.unwrap_err());
    conflict(rights.lift_restriction(&ada).await.unwrap_err());
    assert_eq!(reason().await, Some(RestrictionReason::ErasurePending));
    assert!(request(rights, asked).await.is_open(), "what was refused answers nothing");
    rights.cancel_erasure(&ada, id).await.unwrap();
    rights.restrict(&ada, RestrictionReason::Claims).await.unwrap();
    confirmed(rights).await;
    assert!(rights.lift_restriction(&ada).await.unwrap());
    assert_eq!(reason().await, Some(RestrictionReason::ErasurePending), "there is another reason");
}
