//! Rules by which events are anonymised, and perhaps deleted later.

use tower_guestbook::{activity::Activity, privacy::RestrictionReason, store::MemoryStore};

use super::*;

fn rules() -> RetentionRules {
    let personal = |days: u32, delete_after: Option<u32>| Keep::Anonymise {
        after: DAY * days,
        delete_after: delete_after.map(|days| DAY * days),
    };
    RetentionRules::new()
        .max_fraction(1.0)
        .keep_activities(personal(10, Some(30)))
        .keep_event_type(EventType::LOGIN, Keep::anonymise_after(DAY * 20))
        .keep_event_type(EventType::ERROR, days(5))
}

async fn all<S: ActivityStore>(store: &S) -> Vec<Activity> {
    let query = HistoryQuery::new(ActivityFilter::new()).order(Order::OldestFirst).limit(1_000);
    store.history(query).await.unwrap().activities
}

/// What a rule makes of an event when it is so old.
fn expected(activity: Activity) -> Option<Activity> {
    let (time, of_type) = (activity.event.time, activity.event.event_type.clone());
    let (personal, delete_after) = match of_type.as_str() {
        "login" => (20, None),
        "error" => (5, Some(5)),
        _ => (10, Some(30)),
    };
    if delete_after.is_some_and(|days| time < ago(DAY * days)) {
        return None;
    }
    Some(if time < ago(DAY * personal) { activity.anonymised() } else { activity })
}

async fn the_rules_anonymise<S: Store + Clone>(store: S) {
    let mut events = Vec::new();
    for event_type in [EventType::LOGIN, EventType::ERROR, EventType::PAGE_VIEW] {
        for limit in [5, 10, 20, 30, 400] {
            for millis in [-1, 0, 1] {
                let time = ago(DAY * limit).as_millis() + millis;
                events.push(event(event_type.clone(), Timestamp::from_millis(time)));
            }
        }
    }
    store_all(&store, 1, events).await;
    let before = all(&store).await;
    let after: Vec<_> = before.iter().cloned().filter_map(expected).collect();
    let anonymised = after.iter().filter(|activity| activity.anonymised).count() as u64;
    assert!(anonymised > 10 && after.len() < before.len() - 10, "{anonymised}");

    let (guestbook, clock) = guestbook(store.clone(), rules());
    let would = guestbook.retention().dry_run().await.unwrap();
    assert_eq!((all(&store).await, would.activities_anonymised), (before.clone(), 0), "nothing has happened");
    let report = guestbook.retention().run_once().await.unwrap();
    assert_eq!(all(&store).await, after);
    assert_eq!(report.activities_anonymised, anonymised);
    assert_eq!(report.activities_deleted, (before.len() - after.len()) as u64);
    for (would, class) in would.classes.iter().zip(&report.classes) {
        assert_eq!(would.would_delete, Some(class.deleted), "{}", class.class);
        assert_eq!(would.would_anonymise.unwrap_or(0), class.anonymised, "{}", class.class);
    }
    let rest = &report.classes[0];
    assert_eq!(
        (rest.deleted, rest.anonymised, rest.oldest_left),
        (4, 6, Some(Timestamp::from_millis(ago(DAY * 5).as_millis() - 1)))
    );
    let trail = guestbook.audit().entries(0, 10, None).await.unwrap();
    assert_eq!(trail.last().unwrap().content().unwrap().unwrap().detail["activities_anonymised"], anonymised);

    // A day early at most, as the day is all they have.
    let again = guestbook.retention().run_once().await.unwrap();
    assert_eq!((again.activities_anonymised, again.activities_deleted), (0, 2), "each once");
    let is_left =
        |activity: &Activity| activity.event.event_type == EventType::LOGIN || activity.event.time >= ago(DAY * 30);
    let after: Vec<_> = after.into_iter().filter(is_left).collect();
    assert_eq!(all(&store).await, after);
    let again = guestbook.retention().run_once().await.unwrap();
    assert_eq!((again.activities_anonymised, again.activities_deleted), (0, 0));
    clock.advance(DAY * 10);
    let report = guestbook.retention().run_once().await.unwrap();
    assert_eq!(report.classes[0].deleted, 3, "those of 20 days");
    let stats = guestbook.retention().stats();
    assert_eq!(stats.activities_anonymised, anonymised + report.activities_anonymised);
    guestbook.shutdown().await;
}

#[tokio::test]
async fn run_once_anonymises_old_events_once_as_dry_run_predicts() {
    the_rules_anonymise(FaultyStore::default()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn run_once_anonymises_in_a_file_and_overwrites_the_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    the_rules_anonymise(tower_guestbook::store::SqliteStore::open(path).unwrap()).await;

    let path = directory.path().join("second.db");
    let store = tower_guestbook::store::SqliteStore::open(&path).unwrap();
    let mut old = views(40, DAY * 11);
    old.iter_mut().for_each(|event| event.user = Some(UserId::try_from("needle in the haystack").unwrap()));
    let data = json!({ "text": "another needle" });
    let data = tower_guestbook::activity::EventData::new(&data, &Default::default()).unwrap();
    old[7].data = Some(data);
    store_all(&store, 1, old).await;
    let found = |needle: &str| {
        let files =
            std::fs::read_dir(directory.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.filter(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_bytes())).count()
    };
    assert!(found("another needle") > 0);
    let (guestbook, _) = guestbook(store.clone(), rules());
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_anonymised, 40);
    assert_eq!(found("another needle"), 0, "the run has the store overwrite it");
    assert_eq!(store.count(ActivityFilter::new()).await.unwrap(), 40);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn run_once_does_not_scan_anonymised_events_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = tower_guestbook::store::SqliteStore::open(&path).unwrap();
    let mixed = (0..4_000).map(|number| {
        let event_type = if number % 100 == 0 { EventType::LOGIN } else { EventType::PAGE_VIEW };
        event(event_type, ago(DAY * 15))
    });
    store_all(&store, 1, mixed.collect()).await;
    let (guestbook, _) = guestbook(store.clone(), rules());
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_anonymised, 3_960);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let one = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let wide = one("SELECT count(*) FROM activity_blocks WHERE personal <>
        (SELECT 1 << id % 63 FROM event_types WHERE name = 'login')");
    assert_eq!(wide, 0, "each block says that only logins are somebody's");
    assert_eq!(one("SELECT count(*) FROM activity_blocks WHERE types = personal"), 0, "and that there are views");
    // The last block goes on.
    store_all(&store, 2, views(3, DAY * 15)).await;
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_anonymised, 3);
}

#[tokio::test]
async fn run_once_does_not_anonymise_restricted_users() {
    let store = FaultyStore::default();
    store_all(&store, 1, views(9, DAY * 12)).await;
    let (guestbook, _) = guestbook(store.clone(), rules());
    let user = views(1, DAY * 12)[0].user.clone().unwrap();
    guestbook.rights().restrict(&user, RestrictionReason::Accuracy).await.unwrap();
    assert_eq!(guestbook.retention().dry_run().await.unwrap().classes[0].would_anonymise, Some(0));
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_anonymised, 0);
    guestbook.rights().lift_restriction(&user).await.unwrap();
    assert_eq!(guestbook.retention().run_once().await.unwrap().activities_anonymised, 9);
}

#[tokio::test]
async fn max_fraction_applies_to_anonymisation() {
    for (old, new, refused) in [(600, 1_400, false), (601, 1_399, true)] {
        let store = MemoryStore::new();
        store_all(&store, 1, [views(old, DAY * 12), views(new, DAY)].concat()).await;
        let (builder, _clock) = support::builder(store);
        let guestbook = builder.retention(rules().max_fraction(0.3)).build().unwrap();
        let report = guestbook.retention().run_once().await.unwrap();
        assert_eq!((report.classes[0].refused, report.activities_anonymised == 0), (refused, refused));
        assert_eq!(report.classes[0].would_anonymise, refused.then_some(old as u64));
        let forced = guestbook.retention().run_forced().await.unwrap();
        assert_eq!(forced.activities_anonymised, if refused { old as u64 } else { 0 });
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn run_once_anonymises_in_an_older_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("guestbook.db");
    let store = tower_guestbook::store::SqliteStore::open(&path).unwrap();
    store_all(&store, 1, [views(1_500, DAY * 12), views(1_500, DAY)].concat()).await;
    store.close().await.unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    let before = "ALTER TABLE activity_user_blocks DROP COLUMN places;
        DROP TABLE erasure_journal; DROP TABLE rollups; DROP TABLE rollup_parts; DROP TABLE consent_refusals; DROP TABLE erasure_rows; ALTER TABLE erasures DROP COLUMN anonymised;
        ALTER TABLE activities DROP COLUMN anonymised; ALTER TABLE activity_blocks DROP COLUMN personal;
        PRAGMA user_version = 10";
    raw.execute_batch(crate::support::UNDO_AFTER_SCHEMA_16).unwrap();
    raw.execute_batch(before).unwrap();
    let store = tower_guestbook::store::SqliteStore::open(&path).unwrap();
    let (guestbook, _) = guestbook(store.clone(), rules());
    for expected in [1_500, 0] {
        assert_eq!(guestbook.retention().run_once().await.unwrap().activities_anonymised, expected);
    }
    assert_eq!(store.count(ActivityFilter::new().except_anonymised()).await.unwrap(), 1_500);
    let personal: i64 =
        raw.query_row("SELECT personal FROM activity_blocks ORDER BY block LIMIT 1", [], |row| row.get(0)).unwrap();
    assert_eq!(personal, 0, "the first block is looked through once");
}
