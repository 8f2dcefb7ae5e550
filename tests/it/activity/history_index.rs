//! The history of a user, found through the places of their rows, in a real file.

use std::path::Path;

use rusqlite::Connection;
use tower_guestbook::{
    SessionId, Timestamp, UserId,
    activity::{ActivityFilter, Entry, Event, EventId, EventType, HistoryQuery, Order},
    store::{ActivityStore, Commit, MemoryStore, SqliteStore},
};

const USERS: i64 = 5;

/// Events of several users in turns, the third one rarely; every fifth event has no user.
fn entries(from: u64, count: u64) -> Vec<Entry> {
    let entry = |number: u64| {
        let kind = if number.is_multiple_of(3) { EventType::LOGIN } else { EventType::ACTION };
        // The clock goes back now and then.
        let mut event = Event::new(kind, Timestamp::from_millis((number * 1_000 - number % 7 * 900) as i64));
        // For a while almost all events are the last user's.
        let user = if number % 4_000 > 3_000 && !number.is_multiple_of(30) {
            USERS - 1
        } else {
            (number * 7 % 11) as i64 % USERS
        };
        event.user = (!number.is_multiple_of(5) && (user != 3 || number % 1_500 < 4)).then(|| UserId::from(user));
        // Sessions of several users, too.
        event.session = (!number.is_multiple_of(4)).then(|| session(number % 9 * 10 + number / 3_000));
        Entry { id: EventId { origin: 1, number }, event }
    };
    (from..from + count).map(entry).collect()
}

fn session(number: u64) -> SessionId {
    SessionId::from(uuid::Uuid::from_u128(number.into()))
}

/// Stores the same events in both, in batches of different sizes.
async fn append(file: &SqliteStore, memory: &MemoryStore, from: u64, count: u64) {
    let (mut rest, mut size) = (entries(from, count), 1);
    while !rest.is_empty() {
        let batch: Vec<Entry> = rest.drain(..size.min(rest.len())).collect();
        file.append(batch.clone().into(), Commit::Relaxed).await.unwrap();
        memory.append(batch.into(), Commit::Relaxed).await.unwrap();
        size = size * 3 % 1_301 + 1;
    }
}

/// Returns all pages of each user's history, for each query.
async fn compare(file: &SqliteStore, memory: &MemoryStore) {
    for user in 0..=USERS {
        let of_user = ActivityFilter::new().user(UserId::from(user));
        let span = of_user.clone().from(Timestamp::from_millis(1_100_000)).until(Timestamp::from_millis(4_000_000));
        let logins = of_user.clone().event_type(EventType::LOGIN);
        let others = of_user.clone().except_types([EventType::LOGIN]);
        let of_session = of_user.clone().session(session(50 + user as u64 % 2));
        for (filter, limit) in [(of_user, 1_000), (span, 7), (logins, 100), (others, 1), (of_session, 11)] {
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let mut query = HistoryQuery::new(filter.clone()).order(order).limit(limit);
                // The exact number of pages, if each has one event.
                for _ in 0..20 {
                    let page = file.history(query.clone()).await.unwrap();
                    assert_eq!(page, memory.history(query.clone()).await.unwrap());
                    let Some(next) = page.next else { break };
                    query = query.after(next);
                }
            }
        }
    }
}

/// Counts users per block, and checks that the known places are exactly those of the rows.
fn check_places(path: &Path) -> (usize, usize) {
    let database = Connection::open(path).unwrap();
    let mut statement =
        database.prepare("SELECT user, block, places FROM activity_user_blocks ORDER BY user, block").unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<Vec<u8>>>(2)?)));
    let (mut known, mut unknown) = (0, 0);
    for row in rows.unwrap() {
        let (user, block, places) = row.unwrap();
        let Some(places) = places else {
            unknown += 1;
            continue;
        };
        let places: Vec<_> =
            places.chunks(2).map(|place| block * 1_024 + i64::from(place[0]) * 256 + i64::from(place[1])).collect();
        let sql = "SELECT sequence FROM activities WHERE user = ?1 AND sequence >> 10 = ?2 ORDER BY sequence";
        let mut rows = database.prepare_cached(sql).unwrap();
        let sequences: Vec<i64> =
            rows.query_map([user, block], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(places, sequences);
        known += 1;
    }
    (known, unknown)
}

#[tokio::test]
async fn user_history_is_complete_after_deletions_and_without_places() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let (file, memory) = (SqliteStore::open(&path).unwrap(), MemoryStore::new());
    append(&file, &memory, 0, 5_000).await;
    compare(&file, &memory).await;
    let (known, unknown) = check_places(&path);
    assert!(known > 20 && unknown == 0, "four users in five blocks each, and one in some: {known}, {unknown}");

    // As written by a version without places, with one block only begun.
    let raw = Connection::open(&path).unwrap();
    raw.execute("UPDATE activity_user_blocks SET places = NULL WHERE block IN (1, 2, 4)", []).unwrap();
    compare(&file, &memory).await;
    append(&file, &memory, 5_000, 2_500).await;
    compare(&file, &memory).await;
    let (_, unknown) = check_places(&path);
    assert!(unknown > 12, "where they are not known they stay so: {unknown}");

    // Deletion reads the blocks anyway.
    let logins = ActivityFilter::new().event_type(EventType::LOGIN).until(Timestamp::from_millis(3_000_000));
    while file.delete_activities(logins.clone(), 100).await.unwrap() > 0 {}
    while memory.delete_activities(logins.clone(), 100).await.unwrap() > 0 {}
    compare(&file, &memory).await;
    let (_, left) = check_places(&path);
    assert!(left > 0 && left < unknown, "in the blocks that were looked through they are known now: {left}");
}
