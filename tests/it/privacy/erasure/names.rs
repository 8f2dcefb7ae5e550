//! Names that rows share: they go with the last row that has them, and not before.

use tower_guestbook::{
    activity::{HistoryQuery, RequestTrace},
    privacy::{ErasedActivities, Erasure},
    store::ErasureStore,
};

use super::*;

fn named(name: &str, event_type: &str, route: &str) -> Event {
    let mut event = event(name, "data");
    event.event_type = EventType::new(event_type).unwrap();
    let mut trace = RequestTrace::default();
    trace.route = route.into();
    event.request = Some(trace);
    event
}

fn names(place: &Place) -> Vec<String> {
    let raw = place.raw();
    let mut statement =
        raw.prepare("SELECT template FROM routes UNION SELECT name FROM event_types ORDER BY 1").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn erase(store: &SqliteStore, name: &str, limit: usize) -> (Erasure, usize) {
    erase_as(store, name, limit, ErasedActivities::Deleted).await
}

async fn erase_as(store: &SqliteStore, name: &str, limit: usize, activities: ErasedActivities) -> (Erasure, usize) {
    let erasure = store.begin_erasure(user(name), START, support::note(), START).await.unwrap();
    for steps in 1.. {
        let erasure = store.erase_some(erasure.id, limit, activities, support::note(), START).await.unwrap();
        if erasure.finished_at.is_some() {
            return (erasure, steps);
        }
    }
    unreachable!()
}

#[tokio::test]
async fn erase_removes_names_that_nobody_else_uses() {
    let place = Place::new();
    let store = place.open();
    let batch = [
        named("ada", "own.ada", "/ada"),
        named("ada", "shared", "/shared"),
        named("ada", "login", "/early"),
        named("bob", "shared", "/bob"),
        named("bob", "own.bob", "/shared"),
        named("bob", "own.bob", "/early"),
    ];
    append(&store, entries(1, 1, batch)).await;
    let (erasure, _) = erase(&store, "ada", 500).await;
    assert_eq!(erasure.erased.activities, 3);
    assert_eq!(names(&place), ["/bob", "/early", "/shared", "own.bob", "shared"]);
    // The store does not remember numbers that are gone.
    append(&store, entries(1, 100, [named("cid", "own.ada", "/ada"), named("cid", "login", "/new")])).await;
    let history = store.history(HistoryQuery::new(of("cid"))).await.unwrap();
    let seen: Vec<_> = history.activities.iter().map(|activity| activity.event.event_type.as_str()).collect();
    assert_eq!(seen, ["login", "own.ada"]);
    // The last erasure deletes them.
    erase(&store, "bob", 500).await;
    erase(&store, "cid", 500).await;
    assert_eq!(names(&place), [""; 0]);
    let leftovers = place.raw().query_row("SELECT count(*) FROM erasure_leftovers", [], |row| row.get::<_, i64>(0));
    assert_eq!(leftovers.unwrap(), 0);
}

#[tokio::test]
async fn erase_searches_names_in_small_steps_and_sees_new_rows() {
    let place = Place::new();
    let store = place.open();
    append(&store, entries(1, 1, [named("ada", "own.ada", "/ada"), named("ada", "own.two", "/two")])).await;
    append(&store, entries(2, 1, (0..5_000).map(|_| event("bob", "his")))).await;
    let erasure = store.begin_erasure(user("ada"), START, support::note(), START).await.unwrap();
    // 10 deletions are as much work as looking at 1,000 rows.
    let mut steps = 0;
    loop {
        steps += 1;
        if steps == 3 {
            append(&store, entries(2, 6_000, [named("bob", "own.two", "/ada")])).await;
        }
        // In the middle another process goes on.
        let other = if steps == 4 { place.open() } else { store.clone() };
        if other
            .erase_some(erasure.id, 10, ErasedActivities::Deleted, support::note(), START)
            .await
            .unwrap()
            .finished_at
            .is_some()
        {
            break;
        }
        assert_eq!(store.unfinished_erasures().await.unwrap().len(), 1);
    }
    assert!((5..=8).contains(&steps), "{steps} steps");
    assert_eq!(names(&place), ["/ada", "action", "own.two"]);
}

#[tokio::test]
async fn erase_of_the_last_user_of_a_name_removes_it() {
    for order in [[0, 1].as_slice(), &[1, 0], &[0, 0, 1], &[1, 1, 0]] {
        let place = Place::new();
        let store = place.open();
        append(&store, entries(1, 1, [named("ada", "ours", "/ours"), named("bob", "ours", "/ours")])).await;
        let mut erasures = Vec::new();
        for name in ["ada", "bob"] {
            erasures.push(store.begin_erasure(user(name), START, support::note(), START).await.unwrap().id);
        }
        for step in order.iter().cycle().take(40) {
            store.erase_some(erasures[*step], 1, ErasedActivities::Deleted, support::note(), START).await.unwrap();
        }
        assert_eq!(store.unfinished_erasures().await.unwrap(), []);
        assert_eq!(names(&place), [""; 0], "{order:?}");
    }
}

#[tokio::test]
async fn anonymised_row_has_only_names_that_other_rows_have() {
    for limit in [1, 500] {
        let place = Place::new();
        let store = place.open();
        let batch = [
            named("ada", "own.ada", "/shared"),
            named("ada", "shared", "/shared"),
            named("ada", "shared", "/ada"),
            named("ada", "shared", "/late"),
            named("bob", "shared", "/shared"),
        ];
        append(&store, entries(1, 1, batch)).await;
        append(&store, entries(2, 1, (0..150).map(|_| named("bob", "shared", "/bob")))).await;
        let (erasure, _) = erase_as(&store, "ada", limit, ErasedActivities::Anonymised).await;
        assert_eq!((erasure.erased.activities, erasure.erased.anonymised), (3, 1), "{limit} at a time");
        assert_eq!(names(&place), ["/bob", "/shared", "shared"]);
        // What is nobody's has its names for as long as it is there.
        let (erasure, _) = erase(&store, "bob", 500).await;
        assert_eq!(erasure.erased.activities, 151);
        assert_eq!(names(&place), ["/shared", "shared"]);
        let left = place.raw().query_row("SELECT count(*) FROM erasure_rows", [], |row| row.get::<_, i64>(0));
        assert_eq!((left.unwrap(), store.count(ActivityFilter::new()).await.unwrap()), (0, 1));
    }
}

#[tokio::test]
async fn erase_keeps_a_name_that_gains_a_user_meanwhile() {
    let place = Place::new();
    let store = place.open();
    append(&store, entries(1, 1, (0..8).map(|_| named("ada", "own.ada", "/ada")))).await;
    append(&store, entries(2, 1, (0..3_000).map(|_| event("bob", "his")))).await;
    let erasure = store.begin_erasure(user("ada"), START, support::note(), START).await.unwrap();
    let anonymised = ErasedActivities::Anonymised;
    for step in 1.. {
        // Three of her rows have gone already.
        if step == 42 {
            append(&store, entries(2, 5_000, [named("cid", "own.ada", "/ada")])).await;
        }
        // One row a step, and a look at 100.
        let erasure = store.erase_some(erasure.id, 1, anonymised, support::note(), START).await.unwrap();
        if erasure.finished_at.is_some() {
            assert!(step > 42, "{step} steps");
            assert_eq!(erasure.erased.activities + erasure.erased.anonymised, 8);
            assert!(erasure.erased.anonymised > 0 && erasure.erased.activities > 0, "{erasure:?}");
            break;
        }
    }
    let cid = store.history(HistoryQuery::new(of("cid"))).await.unwrap().activities;
    let request = cid[0].event.request.as_ref().unwrap();
    assert_eq!((cid[0].event.event_type.as_str(), &*request.route), ("own.ada", "/ada"));
}
