//! Held data is not deleted.

use tower_guestbook::privacy::{HeldClass, LegalHold};

use super::*;

async fn hold(rights: &Rights, class: HeldClass) {
    rights.place_hold(&user("ada"), LegalHold::new(class, "lawsuit 12", START).unwrap()).await.unwrap();
}

/// A guestbook that knows her, with a table of the application.
async fn known(place: &Place, addresses: &Addresses) -> (Guestbook, Clock) {
    let (builder, clock) = support::builder(place.open());
    let guestbook = with_rules(builder).personal_data(addresses.clone()).build().unwrap();
    append(&place.open(), 1, (0..1_200).map(|_| event(Some("ada")))).await;
    guestbook.rights().rectify(&user("ada"), &json!({ "preferences": { "theme": "dark" } })).await.unwrap();
    addresses.rows.lock().unwrap().insert(user("ada"), "12 St James's Square".to_owned());
    (guestbook, clock)
}

#[tokio::test]
async fn erase_keeps_held_data_and_finishes_after_release_hold() {
    let (place, addresses) = (Place::new(), Addresses::default());
    let (guestbook, clock) = known(&place, &addresses).await;
    let rights = guestbook.rights();
    let asked = filed(rights, "ada", RequestKind::Erasure).await;
    hold(rights, HeldClass::Activities).await;
    let receipt = rights.erase(&user("ada")).await.unwrap();
    assert!(receipt.erasure.is_partial() && addresses.rows.lock().unwrap().is_empty());
    let shown = serde_json::to_value(&receipt).unwrap();
    assert_eq!(shown["retained"], json!([{ "class": "activities", "reason": "lawsuit 12" }]));
    assert_eq!((&shown["deleted_at"], &shown["preferences_deleted"]), (&Value::Null, &json!(1)));
    assert_eq!((count(&guestbook, "ada").await, request(rights, asked).await.state), (1_200, RequestState::Partial));
    assert_eq!(append(&place.open(), 2, [event(Some("ada"))]).await, 0, "she is out all the same");

    // It is neither gone on with nor forgotten as long as that holds.
    let asked_sources = addresses.erasures.load(Ordering::SeqCst);
    for _ in 0..3 {
        clock.advance(500 * DAY);
        assert_eq!(rights.resume_erasures().await.unwrap(), 0);
    }
    assert_eq!(addresses.erasures.load(Ordering::SeqCst), asked_sources);
    assert_eq!(rights.erase(&user("ada")).await.unwrap().erasure, receipt.erasure, "asked again it says the same");

    assert!(rights.release_hold(&user("ada"), HeldClass::Activities).await.unwrap());
    assert!(!rights.release_hold(&user("ada"), HeldClass::Activities).await.unwrap());
    support::until(async || {
        rights.resume_erasures().await.unwrap();
        rights.erasure_of(&user("ada")).await.unwrap().unwrap().finished_at.is_some()
    })
    .await;
    let finished = rights.erasure_of(&user("ada")).await.unwrap().unwrap();
    assert_eq!((finished.id, finished.began_at, finished.erased.activities), (receipt.erasure.id, START, 1_200));
    assert_eq!((finished.retained.len(), finished.user), (0, None));
    assert_eq!(request(rights, asked).await.state, RequestState::Done);
}

#[tokio::test]
async fn start_finishes_an_erasure_whose_hold_was_released() {
    let (place, addresses) = (Place::new(), Addresses::default());
    let (guestbook, clock) = known(&place, &addresses).await;
    hold(guestbook.rights(), HeldClass::Preferences).await;
    let receipt = guestbook.rights().erase(&user("ada")).await.unwrap();
    assert_eq!((receipt.erasure.erased.activities, receipt.erasure.retained.len()), (1_200, 1));
    guestbook.shutdown().await;
    let next = another(place.open(), &clock);
    assert_eq!(next.rights().resume_erasures().await.unwrap(), 0);
    assert_eq!(next.rights().holds_of(&user("ada")).await.unwrap().len(), 1);
    assert!(next.rights().release_hold(&user("ada"), HeldClass::Preferences).await.unwrap());
    let finished = next.rights().erase(&user("ada")).await.unwrap();
    assert_eq!((finished.erasure.id, finished.erasure.began_at), (receipt.erasure.id, START));
    assert_eq!((finished.erasure.erased.preferences, finished.is_clean), (1, true));
    assert!(finished.erasure.finished_at.is_some() && !place.has("lawsuit 12"));
}

#[tokio::test]
async fn expired_hold_lets_the_erasure_finish() {
    let (place, addresses) = (Place::new(), Addresses::default());
    let (guestbook, clock) = known(&place, &addresses).await;
    let rights = guestbook.rights();
    let until = LegalHold::new(HeldClass::Activities, "lawsuit 12", START).unwrap().until(START.after(2 * DAY));
    rights.place_hold(&user("ada"), until).await.unwrap();
    assert!(rights.erase(&user("ada")).await.unwrap().erasure.is_partial());
    clock.advance(DAY);
    assert_eq!(rights.resume_erasures().await.unwrap(), 0);
    clock.advance(DAY);
    assert_eq!(rights.resume_erasures().await.unwrap(), 1);
    assert_eq!(rights.erasure_of(&user("ada")).await.unwrap().unwrap().finished_at, Some(START.after(2 * DAY)));
}
