//! Names that rows share: they go with the last row that has them, and not before.

use tower_guestbook::{
    activity::{HistoryQuery, RequestTrace},
    privacy::{ErasedActivities, Erasure},
    store::SubjectStore,
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
    let erasure = store.strike_out(user(name), START, support::note(), START).await.unwrap();
    for steps in 1.. {
        let erasure = store.erase_some(erasure.id, limit, ErasedActivities::Deleted, support::note(), START).await.unwrap();
        if erasure.finished_at.is_some() {
            return (erasure, steps);
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_name_that_others_use_stays_and_one_that_nobody_uses_goes() {
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
    // Whoever is last takes them along.
    erase(&store, "bob", 500).await;
    erase(&store, "cid", 500).await;
    assert_eq!(names(&place), [""; 0]);
    let leftovers = place.raw().query_row("SELECT count(*) FROM erasure_leftovers", [], |row| row.get::<_, i64>(0));
    assert_eq!(leftovers.unwrap(), 0);
}

#[tokio::test]
async fn looking_for_names_elsewhere_takes_small_steps_and_sees_what_is_added_meanwhile() {
    let place = Place::new();
    let store = place.open();
    append(&store, entries(1, 1, [named("ada", "own.ada", "/ada"), named("ada", "own.two", "/two")])).await;
    append(&store, entries(2, 1, (0..5_000).map(|_| event("bob", "his")))).await;
    let erasure = store.strike_out(user("ada"), START, support::note(), START).await.unwrap();
    // 10 deletions are as much work as looking at 1,000 rows.
    let mut steps = 0;
    loop {
        steps += 1;
        if steps == 3 {
            append(&store, entries(2, 6_000, [named("bob", "own.two", "/ada")])).await;
        }
        // In the middle another process goes on.
        let other = if steps == 4 { place.open() } else { store.clone() };
        if other.erase_some(erasure.id, 10, ErasedActivities::Deleted, support::note(), START).await.unwrap().finished_at.is_some() {
            break;
        }
        assert_eq!(store.unfinished_erasures().await.unwrap().len(), 1);
    }
    assert!((5..=8).contains(&steps), "{steps} steps");
    assert_eq!(names(&place), ["/ada", "action", "own.two"]);
}

#[tokio::test]
async fn of_two_who_share_a_name_the_last_one_takes_it_along_whatever_the_order_of_steps() {
    for order in [[0, 1].as_slice(), &[1, 0], &[0, 0, 1], &[1, 1, 0]] {
        let place = Place::new();
        let store = place.open();
        append(&store, entries(1, 1, [named("ada", "ours", "/ours"), named("bob", "ours", "/ours")])).await;
        let mut erasures = Vec::new();
        for name in ["ada", "bob"] {
            erasures.push(store.strike_out(user(name), START, support::note(), START).await.unwrap().id);
        }
        for step in order.iter().cycle().take(40) {
            store.erase_some(erasures[*step], 1, ErasedActivities::Deleted, support::note(), START).await.unwrap();
        }
        assert_eq!(store.unfinished_erasures().await.unwrap(), []);
        assert_eq!(names(&place), [""; 0], "{order:?}");
    }
}
