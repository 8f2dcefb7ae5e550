//! Erasures that leave rows of nobody.

use tower_guestbook::{
    Timestamp,
    activity::{Activity, HistoryQuery, Order},
    analytics::{EventFilter, Range, Zone},
    privacy::{ErasedActivities, ErasureReceipt, HeldClass},
    store::MemoryStore,
};

use super::{
    files::{TestClient, rows_of},
    *,
};

async fn everything<S: ActivityStore>(store: &S) -> Vec<Activity> {
    let query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst).limit(1_000);
    store.history(query).await.unwrap().activities
}

#[tokio::test]
async fn erase_anonymises_activities_and_leaves_no_name_in_any_file() {
    let place = Place::new();
    let (store, addresses) = (place.open(), Addresses::new(&place));
    let (builder, _clock) = builder(store.clone(), &place, addresses.clone());
    let guestbook = builder.erased_activities(ErasedActivities::Anonymised).build().unwrap();
    let bob = TestClient::of(&guestbook, &addresses).await;
    let ada = TestClient::of(&guestbook, &addresses).await;
    let before = (rows_of(&place, &bob.name), everything(&store).await);
    for (what, word) in &ada.kept {
        assert!(!place.find(word.as_bytes()).is_empty(), "{what} is kept");
    }
    let receipt = guestbook.rights().erase(&user(&ada.name)).await.unwrap();
    let erased = receipt.erasure.erased;
    assert!(receipt.is_clean && erased.anonymised >= 5 && erased.activities >= 2, "{receipt:?}");
    assert_eq!(rows_of(&place, &bob.name), before.0, "to the byte");
    let after = everything(&store).await;
    assert_eq!(after.len() as u64, before.1.len() as u64 - erased.activities);
    let anonymous: Vec<_> = after.iter().filter(|activity| activity.anonymised).collect();
    assert_eq!(anonymous.len() as u64, erased.anonymised);
    for activity in anonymous {
        let original = before.1.iter().find(|other| other.sequence == activity.sequence).unwrap();
        assert_eq!(*activity, original.clone().anonymised());
        assert!(original.event.user.is_some() || original.event.visitor.is_some());
    }

    // The receipt says so, and is signed with it; the trail says it, too.
    let json = serde_json::to_value(&receipt).unwrap();
    assert_eq!(json["activities_anonymised"], erased.anonymised);
    let handed_back: ErasureReceipt = serde_json::from_value(json).unwrap();
    assert!(guestbook.rights().verify_receipt(&handed_back).await.unwrap());
    let mut forged = handed_back;
    forged.erasure.erased.anonymised = 0;
    assert!(!guestbook.rights().verify_receipt(&forged).await.unwrap());
    let trail = guestbook.audit().entries(0, 100, None).await.unwrap();
    assert_eq!(trail.last().unwrap().content().unwrap().unwrap().detail["activities_anonymised"], erased.anonymised);

    for closed in [false, true] {
        if closed {
            guestbook.shutdown().await;
            store.close().await.unwrap();
        }
        for (what, word) in ada.kept.iter().chain(&ada.internal).chain(&ada.unkept) {
            assert_eq!(place.find(word.as_bytes()), [""; 0], "{what} is left, closed: {closed}");
        }
        for (what, word) in bob.kept.iter().chain(&bob.internal) {
            assert!(!place.find(word.as_bytes()).is_empty(), "{what} of somebody else is gone");
        }
    }
}

#[tokio::test]
async fn anonymised_activities_count_as_views_and_are_in_no_export() {
    let (builder, clock) = support::builder(MemoryStore::new());
    let guestbook = builder.erased_activities(ErasedActivities::Anonymised).build().unwrap();
    for name in ["ada", "ada", "bob"] {
        let mut view = Event::new(EventType::PAGE_VIEW, clock.now());
        view.user = Some(user(name));
        guestbook.recorder().record_durable(view).await.unwrap();
    }
    clock.advance(Duration::from_secs(1));
    let range = Range::new(START.start_of_day(), clock.now()).unwrap();
    let figures = async || {
        let analytics = guestbook.analytics();
        let overview = analytics.overview(range, Zone::UTC, EventFilter::new(), 10).await.unwrap();
        (overview.events, overview.active_users)
    };
    assert_eq!(figures().await, (3, 2));
    let receipt = guestbook.rights().erase(&user("ada")).await.unwrap();
    assert_eq!((receipt.erasure.erased.anonymised, receipt.erasure.erased.activities), (2, 0));
    assert_eq!(figures().await, (3, 1));
    let (_, document, _) = read(guestbook.rights().export(&user("ada")).await.unwrap()).await;
    assert_eq!(document["activities"], json!([]));
    let journey = guestbook.activities().history(HistoryQuery::new(of("ada"))).await.unwrap();
    assert_eq!(journey.activities, []);
}

#[tokio::test]
async fn receipt_without_anonymised_count_is_still_valid() {
    let (builder, _clock) = support::builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    guestbook.recorder().record_durable(event("ada", "hers")).await.unwrap();
    let receipt = guestbook.rights().erase(&user("ada")).await.unwrap();
    let json = serde_json::to_value(&receipt).unwrap();
    assert_eq!((json.get("activities_anonymised"), &json["activities_deleted"]), (None, &json!(1)));
    let handed_back: ErasureReceipt = serde_json::from_value(json).unwrap();
    assert!(guestbook.rights().verify_receipt(&handed_back).await.unwrap());
}

#[tokio::test]
async fn erase_anonymises_held_activities_only_after_their_release() {
    let place = Place::new();
    let (builder, _clock) = support::builder(place.open());
    let guestbook = builder.erased_activities(ErasedActivities::Anonymised).build().unwrap();
    for name in ["ada", "bob"] {
        guestbook.recorder().record_durable(event(name, "words")).await.unwrap();
    }
    let (rights, ada) = (guestbook.rights(), user("ada"));
    rights
        .place_hold(&ada, tower_guestbook::privacy::LegalHold::new(HeldClass::Activities, "a trial", START).unwrap())
        .await
        .unwrap();
    let before = everything(&place.open()).await;
    let part = rights.erase(&ada).await.unwrap().erasure;
    assert!(part.is_partial() && part.erased.anonymised == 0, "{part:?}");
    assert_eq!(everything(&place.open()).await, before);
    assert!(rights.release_hold(&ada, HeldClass::Activities).await.unwrap());
    let whole = rights.erase(&ada).await.unwrap().erasure;
    assert_eq!((whole.erased.anonymised, whole.finished_at.is_some()), (1, true));
    let after = everything(&place.open()).await;
    assert_eq!(after, [before[0].clone().anonymised(), before[1].clone()]);
    assert_eq!(after[0].event.time, Timestamp::from_millis(START.as_millis() / 86_400_000 * 86_400_000));
}
