//! Article 18: what there is stays, and nothing is done with it.

use tower_guestbook::{
    activity::{Recorder, RecorderSettings},
    privacy::{HeldClass, LegalHold, RestrictionReason},
    retention::{Keep, RetentionRules},
    store::{MemoryStore, RestrictionStore},
};

use super::*;
use crate::support::TestClient;

const REASON: RestrictionReason = RestrictionReason::Accuracy;

#[tokio::test]
async fn an_event_that_was_queued_before_and_is_flushed_after_is_not_stored() {
    let place = Place::new();
    let store = place.open();
    let (recorder, worker) =
        Recorder::pair(Arc::new(store.clone()), RecorderSettings::new(), Clock::manual(START)).unwrap();
    // Nobody stores anything yet.
    for _ in 0..3 {
        recorder.record(event(Some("ada")));
        recorder.record(event(Some("bob")));
    }
    let (guestbook, _clock) = guestbook(place.open());
    guestbook.rights().restrict(&user("ada"), REASON).await.unwrap();
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    assert_eq!((count(&guestbook, "ada").await, count(&guestbook, "bob").await), (0, 3));
    assert_eq!(recorder.stats().lost, 0);
}

#[tokio::test]
async fn restrict_applies_in_the_store_at_once_and_elsewhere_within_the_cache_age() {
    let place = Place::new();
    let (one, clock) = guestbook(place.open());
    let two = another(place.open(), &clock);
    let mut there = TestClient::new(&app(&two));
    there.ok("/login/ada").await;
    there.ok("/grant/marketing").await;
    two.flush().await.unwrap();
    let before = count(&one, "ada").await;
    assert!(before > 0, "she is known there by heart");
    assert_eq!(there.ok("/allows/marketing").await.body, "true Granted");

    one.rights().restrict(&user("ada"), REASON).await.unwrap();
    // That process does not know yet, but the store does, and what is not stored is not said to be.
    assert_eq!(there.ok("/track").await.body, "Restricted");
    two.flush().await.unwrap();
    assert_eq!(count(&one, "ada").await, before);
    clock.advance(Duration::from_secs(1));
    assert_eq!(there.ok("/allows/marketing").await.body, "false Restricted");
    assert_eq!(there.ok("/allows/analytics").await.body, "false Restricted");
    assert_eq!(there.ok("/track").await.body, "Restricted", "the user is told");
    assert_eq!(there.ok("/user").await.body, "ada", "she may still be logged in");
    let mut here = TestClient::new(&app(&one));
    here.ok("/login/ada").await;
    assert_eq!(here.ok("/allows/marketing").await.body, "false Restricted", "and log in");
    let preferences = one.preferences::<tower_guestbook::preferences::StandardPreferences>().unwrap();
    preferences.update(&user("ada"), &json!({ "theme": "dark" }), None).await.unwrap();
    assert_eq!(count(&one, "ada").await, before);

    assert!(one.rights().lift_restriction(&user("ada")).await.unwrap());
    assert!(!one.rights().lift_restriction(&user("ada")).await.unwrap());
    assert_eq!(here.ok("/allows/marketing").await.body, "true Granted", "what was granted counts again");
    clock.advance(Duration::from_secs(1));
    assert_eq!(there.ok("/track").await.body, "stored");
    assert!(count(&one, "ada").await > before);
}

#[tokio::test]
async fn events_of_a_restricted_user_are_left_out_and_counted() {
    let (guestbook, _clock) = guestbook(MemoryStore::new());
    let mut client = TestClient::new(&app(&guestbook));
    client.ok("/login/ada").await;
    guestbook.rights().restrict(&user("ada"), REASON).await.unwrap();
    guestbook.flush().await.unwrap();
    let before = guestbook.recorder().stats();
    client.ok("/track").await;
    guestbook.flush().await.unwrap();
    let after = guestbook.recorder().stats();
    // The event and the request.
    assert_eq!((after.withheld - before.withheld, after.written - before.written), (2, 0));
}

/// Somebody is restricted, somebody's activities are held, and somebody is like everybody.
async fn old_events_of_three<S: Store + Clone>(store: S) {
    let (builder, clock) = support::builder(store.clone());
    let rules = RetentionRules::new().keep_activities(Keep::For(10 * DAY));
    let guestbook = builder.retention(rules).build().unwrap();
    append(&store, 1, (0..6).map(|number| event(Some(["ada", "bob", "cid"][number % 3])))).await;
    let rights = guestbook.rights();
    rights.restrict(&user("ada"), REASON).await.unwrap();
    let hold = LegalHold::new(HeldClass::Activities, "lawsuit 12", START).unwrap().until(START.after(20 * DAY));
    rights.place_hold(&user("bob"), hold).await.unwrap();
    let counts =
        async || [count(&guestbook, "ada").await, count(&guestbook, "bob").await, count(&guestbook, "cid").await];

    clock.advance(11 * DAY);
    let would = guestbook.retention().dry_run().await.unwrap();
    assert_eq!((would.classes[0].would_delete, would.classes[0].oldest_left), (Some(2), Some(START)));
    let report = guestbook.retention().run_once().await.unwrap();
    assert_eq!((report.activities_deleted, report.classes[0].oldest_left), (2, None), "nothing is behind");
    assert_eq!(counts().await, [2, 2, 0]);
    clock.advance(9 * DAY);
    assert_eq!(guestbook.retention().dry_run().await.unwrap().classes[0].would_delete, Some(2), "the hold is over");
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_deleted, 2);
    assert!(rights.lift_restriction(&user("ada")).await.unwrap());
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_deleted, 2);
    assert_eq!(counts().await, [0; 3]);
}

#[tokio::test]
async fn retention_keeps_restricted_and_held_events_until_that_ends() {
    old_events_of_three(Place::new().open()).await;
    old_events_of_three(crate::support::faulty_store::FaultyStore::default()).await;
}

#[tokio::test]
async fn restriction_survives_a_restart_and_ends_with_an_erasure() {
    let place = Place::new();
    let (guestbook, clock) = guestbook(place.open());
    guestbook.rights().restrict(&user("ada"), RestrictionReason::Claims).await.unwrap();
    clock.advance(DAY);
    guestbook.shutdown().await;
    let next = another(place.open(), &clock);
    let restriction = next.rights().restriction_of(&user("ada")).await.unwrap().unwrap();
    assert_eq!((restriction.since, restriction.reason), (START, RestrictionReason::Claims));
    assert_eq!(export(next.rights(), "ada").await["restriction"], json!({ "since": START, "reason": "claims" }));
    next.rights().erase(&user("ada")).await.unwrap();
    assert_eq!(place.open().restriction_of(user("ada")).await.unwrap(), None);
    let refused = next.rights().restrict(&user("ada"), REASON).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::UserErased);
}
