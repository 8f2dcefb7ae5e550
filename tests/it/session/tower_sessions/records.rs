//! Their store traits, called as their layer calls them.

use std::{fs, time::Duration as StdDuration};

use serde_json::json;
use time::{Duration, OffsetDateTime};
use tower_guestbook::{
    Guestbook, Timestamp, UserId,
    session::{
        AnonymousLimits, Lifetime, OnSessionLimit, Realm, SessionCap,
        tower_sessions::{RecordData, TowerSessionsStore},
    },
    store::SqliteStore,
};

use super::version::{
    ExpiredDeletion, SessionStore,
    session::{Id, Record},
    session_store::Error,
};
use crate::{
    session::tower_sessions::{Site, login_of},
    support::{
        faulty_store::{Fault, FaultyStore},
        log::Log,
    },
};

fn record(data: RecordData) -> Record {
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::now_utc() + Duration::hours(1) }
}

fn values() -> RecordData {
    let values = json!({
        "float": 0.1 + 0.2, "tiny": 5e-324, "odd": 9_007_199_254_740_993_u64, "large": u64::MAX, "negative": i64::MIN,
        "text": "ä\u{0}\"\\\n🥠", "nothing": null, "list": [1, [2.5e-7, {}]], "map": { "z": 1, "a": [true] }, "": "",
    });
    serde_json::from_value(values).unwrap()
}

async fn created(site: &Site, data: RecordData) -> Record {
    let mut record = record(data);
    site.store.create(&mut record).await.unwrap();
    record
}

#[tokio::test]
async fn load_returns_exactly_what_was_created_or_saved() {
    let site = Site::new();
    let mut record = created(&site, values()).await;
    assert_eq!(site.store.load(&record.id).await.unwrap().as_ref(), Some(&record));
    record.data.remove("list");
    record.data.insert("new".to_owned(), json!(1));
    record.expiry_date += Duration::nanoseconds(86_400_000_000_001);
    site.store.save(&record).await.unwrap();
    assert_eq!(site.store.load(&record.id).await.unwrap(), Some(record.clone()));
    let again = Guestbook::builder(SqliteStore::open(site.directory.path().join("guestbook.db")).unwrap());
    let again = TowerSessionsStore::new(again.clock(site.clock.clone()).build().unwrap().sessions());
    assert_eq!(again.load(&record.id).await.unwrap(), Some(record), "from the file, not the cache");
}

#[tokio::test]
async fn save_stores_a_record_that_was_never_created() {
    let site = Site::new();
    for data in [values(), login_of(7)] {
        let record = record(data);
        site.store.save(&record).await.unwrap();
        assert_eq!(site.store.load(&record.id).await.unwrap(), Some(record));
    }
    assert_eq!(site.count(7).await, 1);
}

#[tokio::test]
async fn the_last_save_of_a_record_wins_whole() {
    let site = Site::new();
    let record = created(&site, values()).await;
    let (mut first, mut second) = (record.clone(), record);
    first.data = [("first".to_owned(), json!(1))].into();
    second.data = [("second".to_owned(), json!(2))].into();
    site.store.save(&first).await.unwrap();
    site.store.save(&second).await.unwrap();
    assert_eq!(site.store.load(&second.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn create_gives_another_id_where_a_session_has_or_had_it() {
    let site = Site::new();
    let first = created(&site, values()).await;
    let mut second = Record { id: first.id, ..record(login_of(7)) };
    site.store.create(&mut second).await.unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(site.store.load(&first.id).await.unwrap(), Some(first.clone()));
    site.store.delete(&first.id).await.unwrap();
    let mut third = Record { id: first.id, ..record(values()) };
    site.store.create(&mut third).await.unwrap();
    assert_ne!(third.id, first.id);
    assert_eq!(site.store.load(&first.id).await.unwrap(), None);
}

#[tokio::test]
async fn delete_of_an_unknown_id_does_nothing() {
    let site = Site::new();
    site.store.delete(&Id::default()).await.unwrap();
    assert_eq!(site.store.load(&Id::default()).await.unwrap(), None);
}

#[tokio::test]
async fn save_does_not_bring_back_a_session_that_was_deleted() {
    let site = Site::new();
    for data in [values(), login_of(7)] {
        let record = created(&site, data).await;
        site.store.delete(&record.id).await.unwrap();
        let (log, _guard) = Log::capture();
        site.store.save(&record).await.unwrap();
        assert_eq!(log.count("a session ended while a request used it"), 1);
        assert_eq!(site.store.load(&record.id).await.unwrap(), None);
    }
    assert_eq!(site.count(7).await, 0);
}

#[tokio::test]
async fn save_does_not_bring_back_a_revoked_session_however_slow_the_request_is() {
    for wait in [0, 59, 61, 3_000] {
        let site = Site::new();
        let record = created(&site, login_of(7)).await;
        let loaded = site.store.load(&record.id).await.unwrap().unwrap();
        assert_eq!(site.guestbook.sessions().revoke_user(&UserId::from(7)).await.unwrap(), 1);
        site.clock.advance(StdDuration::from_secs(wait));
        site.store.delete_expired().await.unwrap();
        site.store.save(&loaded).await.unwrap();
        assert_eq!((site.store.load(&record.id).await.unwrap(), site.count(7).await), (None, 0), "{wait} s");
    }
}

#[tokio::test]
async fn revoke_ends_one_session_of_a_user() {
    let site = Site::new();
    let (first, second) = (created(&site, login_of(7)).await, created(&site, login_of(7)).await);
    let other = created(&site, login_of(8)).await;
    let id = site.store.session_id(first.id.0).await.unwrap().unwrap();
    let sessions = site.guestbook.sessions();
    assert!(!sessions.revoke(&UserId::from(8), id).await.unwrap(), "it is not theirs");
    assert!(sessions.revoke(&UserId::from(7), id).await.unwrap());
    assert_eq!(site.store.load(&first.id).await.unwrap(), None);
    assert_eq!(site.store.session_id(first.id.0).await.unwrap(), None);
    assert!(site.store.load(&second.id).await.unwrap().is_some());
    assert!(site.store.load(&other.id).await.unwrap().is_some());
}

#[tokio::test]
async fn another_process_sees_a_revocation_when_its_cache_is_over() {
    let site = Site::new();
    let store = SqliteStore::open(site.directory.path().join("guestbook.db")).unwrap();
    let other = Guestbook::builder(store).clock(site.clock.clone()).build().unwrap();
    let others = TowerSessionsStore::new(other.sessions());
    let record = created(&site, login_of(7)).await;
    let loaded = others.load(&record.id).await.unwrap().unwrap();
    site.guestbook.sessions().revoke_user(&UserId::from(7)).await.unwrap();
    others.save(&loaded).await.unwrap();
    assert_eq!((site.store.load(&record.id).await.unwrap(), site.count(7).await), (None, 0), "a save asks the store");
    others.load(&record.id).await.unwrap();
    site.clock.advance(StdDuration::from_secs(1));
    assert_eq!(others.load(&record.id).await.unwrap(), None);
}

#[tokio::test]
async fn load_notes_when_a_session_was_last_used() {
    let site = Site::new();
    let record = created(&site, login_of(7)).await;
    let seen = async || site.guestbook.sessions().list(&UserId::from(7)).await.unwrap()[0].last_seen;
    let begin = seen().await;
    site.clock.advance(StdDuration::from_secs(61));
    assert_eq!(site.store.load(&record.id).await.unwrap().as_ref(), Some(&record));
    for _ in 0..1_000 {
        if seen().await != begin {
            break;
        }
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    assert_eq!(seen().await.since(begin), StdDuration::from_secs(61));
    assert_eq!(site.store.load(&record.id).await.unwrap(), Some(record), "its expiry is as it was");
}

#[tokio::test]
async fn an_erased_user_has_no_session_and_gets_none() {
    let site = Site::new();
    let ada = UserId::from(7);
    let record = created(&site, login_of(7)).await;
    let loaded = site.store.load(&record.id).await.unwrap().unwrap();
    let anonymous = created(&site, values()).await;
    site.guestbook.rights().erase(&ada).await.unwrap();
    assert_eq!(site.store.load(&record.id).await.unwrap(), None);
    site.store.save(&loaded).await.unwrap();
    assert_eq!(site.store.load(&record.id).await.unwrap(), None, "the write of a request under way is dropped");
    let refused = site.store.create(&mut self::record(login_of(7))).await.unwrap_err();
    assert!(matches!(&refused, Error::Backend(text) if text.contains("erased")), "{refused}");
    let login = Record { data: login_of(7), ..anonymous.clone() };
    let refused = site.store.save(&login).await.unwrap_err();
    assert!(matches!(&refused, Error::Backend(text) if text.contains("erased")), "{refused}");
    assert_eq!(site.store.load(&anonymous.id).await.unwrap(), Some(anonymous), "it stays as it was");
    assert_eq!(site.count(7).await, 0);
}

#[tokio::test]
async fn an_export_contains_the_sessions_without_secret_keys() {
    let site = Site::with(|builder| builder.secret_session_keys(["axum-login.data"]));
    let mut data = login_of(7);
    data.insert("cart".to_owned(), json!(["a red chair"]));
    created(&site, data).await;
    let mut export = site.guestbook.rights().export(&UserId::from(7)).await.unwrap();
    let mut text = String::new();
    while let Some(chunk) = export.next().await {
        text += std::str::from_utf8(&chunk.unwrap()).unwrap();
    }
    assert!(text.contains("a red chair") && !text.contains("auth_hash"), "{text}");
}

#[tokio::test]
async fn a_record_ends_at_its_expiry_date_whatever_the_lifetime_of_the_guestbook_is() {
    let short = Lifetime::new(StdDuration::from_secs(60), StdDuration::from_secs(120));
    let site = Site::with(|builder| builder.session_lifetime(short));
    let mut record = record(login_of(7));
    record.expiry_date = OffsetDateTime::now_utc() + Duration::days(400);
    site.store.create(&mut record).await.unwrap();
    site.clock.advance(StdDuration::from_secs(399 * 86_400));
    assert_eq!(site.store.load(&record.id).await.unwrap(), Some(record.clone()));
    site.clock.advance(StdDuration::from_secs(86_401));
    assert_eq!((site.store.load(&record.id).await.unwrap(), site.count(7).await), (None, 0));
}

#[tokio::test]
async fn limit_lifetime_ends_a_record_before_its_expiry_date() {
    let seconds = StdDuration::from_secs;
    let site = Site::new();
    let store = site.store.clone().limit_lifetime(Lifetime::new(seconds(600), seconds(1_500)));
    let mut record = record(login_of(7));
    store.create(&mut record).await.unwrap();
    for _ in 0..2 {
        site.clock.advance(seconds(590));
        assert!(store.load(&record.id).await.unwrap().is_some(), "each request begins the idle time anew");
        store.save(&record).await.unwrap();
    }
    site.clock.advance(seconds(319));
    assert!(store.load(&record.id).await.unwrap().is_some());
    site.clock.advance(seconds(1));
    assert_eq!(store.load(&record.id).await.unwrap(), None, "1,500 seconds after it was created");
    let mut record = self::record(login_of(7));
    record.expiry_date += Duration::days(1);
    store.create(&mut record).await.unwrap();
    site.clock.advance(seconds(600));
    assert_eq!(store.load(&record.id).await.unwrap(), None, "600 seconds without a request");
}

#[tokio::test]
async fn save_of_a_record_that_has_expired_during_the_request_makes_it_live_again() {
    let site = Site::new();
    let mut record = record(values());
    site.store.create(&mut record).await.unwrap();
    site.clock.advance(StdDuration::from_secs(3_601));
    assert_eq!(site.store.load(&record.id).await.unwrap(), None);
    record.expiry_date += Duration::hours(2);
    site.store.save(&record).await.unwrap();
    assert_eq!(site.store.load(&record.id).await.unwrap(), Some(record));
}

#[tokio::test]
async fn delete_expired_removes_the_rows_of_expired_records() {
    let site = Site::new();
    let (past, live) = (created(&site, login_of(7)).await, created(&site, values()).await);
    let mut longer = live.clone();
    longer.expiry_date += Duration::hours(5);
    site.store.save(&longer).await.unwrap();
    let mut born_expired = record(values());
    born_expired.expiry_date = OffsetDateTime::now_utc() - Duration::hours(1);
    site.store.create(&mut born_expired).await.unwrap();
    site.clock.advance(StdDuration::from_secs(3_601));
    site.store.delete_expired().await.unwrap();
    for gone in [past.id, born_expired.id] {
        assert_eq!(site.store.load(&gone).await.unwrap(), None);
    }
    assert_eq!(site.store.load(&live.id).await.unwrap(), Some(longer));
    assert_eq!(rows(&site), 1);
}

#[tokio::test]
async fn continuously_delete_expired_removes_rows_as_time_goes_by() {
    let site = Site::new();
    created(&site, values()).await;
    let task = tokio::spawn(site.store.clone().continuously_delete_expired(StdDuration::from_millis(5)));
    site.clock.advance(StdDuration::from_secs(3_601));
    for _ in 0..1_000 {
        if rows(&site) == 0 {
            break;
        }
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    task.abort();
    assert_eq!(rows(&site), 0);
}

fn rows(site: &Site) -> i64 {
    let database = rusqlite::Connection::open(site.directory.path().join("guestbook.db")).unwrap();
    database.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn the_file_holds_no_id() {
    let site = Site::new();
    let record = created(&site, login_of(7)).await;
    site.store.save(&record).await.unwrap();
    site.guestbook.shutdown().await;
    let needles = [
        record.id.to_string().into_bytes(),
        record.id.0.to_string().into_bytes(),
        record.id.0.to_le_bytes().to_vec(),
        record.id.0.to_be_bytes().to_vec(),
    ];
    let mut bytes = Vec::new();
    for entry in fs::read_dir(site.directory.path()).unwrap() {
        bytes.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(bytes.windows(15).any(|window| window == b"axum-login.data"), "the row is in it");
    for needle in needles {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
    }
    let shown = format!("{:?}", site.store);
    assert!(!shown.contains(&record.id.to_string()), "{shown}");
}

#[tokio::test]
async fn sessions_of_another_realm_are_unknown() {
    let site = Site::new();
    let store = SqliteStore::open(site.directory.path().join("guestbook.db")).unwrap();
    let builder = Guestbook::builder(store).clock(site.clock.clone()).realm(Realm::try_from("admin").unwrap());
    let admin = builder.build().unwrap();
    let admins = TowerSessionsStore::new(admin.sessions());
    let record = created(&site, login_of(7)).await;
    assert_eq!(admins.load(&record.id).await.unwrap(), None);
    assert_eq!(admins.session_id(record.id.0).await.unwrap(), None);
    admins.delete(&record.id).await.unwrap();
    assert!(matches!(admins.save(&record).await, Err(Error::Backend(text)) if text.contains("another realm")));
    let mut theirs = Record { id: record.id, ..record.clone() };
    admins.create(&mut theirs).await.unwrap();
    assert_ne!(theirs.id, record.id);
    assert_eq!(admin.sessions().revoke_all().await.unwrap(), 1);
    assert_eq!(site.store.load(&record.id).await.unwrap(), Some(record));
}

#[tokio::test]
async fn the_bound_on_sessions_per_user_holds() {
    let cap = |on_limit| SessionCap { max: 2, on_limit };
    let site = Site::with(|builder| builder.sessions_per_user(cap(OnSessionLimit::EndOldest)));
    let oldest = created(&site, login_of(7)).await;
    for _ in 0..2 {
        site.clock.advance(StdDuration::from_secs(1));
        created(&site, login_of(7)).await;
    }
    assert_eq!((site.store.load(&oldest.id).await.unwrap(), site.count(7).await), (None, 2));
    let site = Site::with(|builder| builder.sessions_per_user(cap(OnSessionLimit::Refuse)));
    let last = [created(&site, login_of(7)).await, created(&site, login_of(7)).await];
    assert!(matches!(site.store.create(&mut record(login_of(7))).await, Err(Error::Backend(_))));
    site.store.save(&last[0]).await.unwrap();
}

#[tokio::test]
async fn the_bound_on_anonymous_sessions_holds() {
    let site = Site::with(|builder| builder.anonymous_sessions(AnonymousLimits::default().sessions(64)));
    for _ in 0..200 {
        created(&site, values()).await;
        site.clock.advance(StdDuration::from_secs(1));
    }
    assert!(rows(&site) <= 64, "{}", rows(&site));
}

#[tokio::test]
async fn data_that_cannot_be_stored_is_an_encode_error_that_names_the_limit() {
    let site = Site::new();
    let stored = created(&site, values()).await;
    let mut deep = json!(1);
    for _ in 0..101 {
        deep = json!([deep]);
    }
    let many: RecordData = (0..257).map(|number| (number.to_string(), json!(number))).collect();
    let cases: [(RecordData, &str); 5] = [
        ([("much".to_owned(), json!("x".repeat(70_000)))].into(), "at most 65536 bytes"),
        (many, "at most 256 keys"),
        ([("k".repeat(129), json!(1))].into(), "at most 128 bytes"),
        ([("deep".to_owned(), deep)].into(), "at most 100 levels"),
        ([("guestbook.flash.1".to_owned(), json!(1))].into(), "reserved"),
    ];
    for (data, words) in cases {
        for attempt in [
            site.store.create(&mut record(data.clone())).await,
            site.store.save(&record(data.clone())).await,
            site.store.save(&Record { data: data.clone(), ..stored.clone() }).await,
        ] {
            assert!(matches!(&attempt, Err(Error::Encode(text)) if text.contains(words)), "{attempt:?}");
        }
    }
    assert_eq!(site.store.load(&stored.id).await.unwrap(), Some(stored));
}

#[tokio::test]
async fn what_cannot_be_read_is_a_decode_error() {
    let site = Site::new();
    let record = created(&site, values()).await;
    let database = rusqlite::Connection::open(site.directory.path().join("guestbook.db")).unwrap();
    database.execute("UPDATE sessions SET data = '[]'", []).unwrap();
    site.clock.advance(StdDuration::from_secs(2));
    assert!(matches!(site.store.load(&record.id).await, Err(Error::Decode(_))));
}

#[tokio::test]
async fn a_store_that_is_away_is_a_backend_error_and_no_missing_session() {
    let faulty = FaultyStore::default();
    let guestbook = Guestbook::builder(faulty.clone()).cache_age(StdDuration::ZERO).build().unwrap();
    let store = TowerSessionsStore::new(guestbook.sessions());
    let mut stored = record(login_of(7));
    store.create(&mut stored).await.unwrap();
    faulty.set(Fault::Failing);
    let text = |error| match error {
        Error::Backend(text) => text,
        other => panic!("{other}"),
    };
    for problem in [
        text(store.load(&stored.id).await.unwrap_err()),
        text(store.save(&stored).await.unwrap_err()),
        text(store.delete(&stored.id).await.unwrap_err()),
        text(store.create(&mut record(values())).await.unwrap_err()),
    ] {
        assert!(problem.contains("out of order"), "{problem}");
    }
    faulty.set(Fault::ReadOnly);
    text(store.delete(&stored.id).await.unwrap_err());
    faulty.set(Fault::Good);
    assert_eq!(store.load(&stored.id).await.unwrap(), Some(stored), "nothing has happened");
}

#[tokio::test]
async fn parallel_saves_and_a_logout_leave_the_session_ended() {
    let site = Site::new();
    for _ in 0..20 {
        let record = created(&site, login_of(7)).await;
        let saves = (0..8).map(|number| {
            let (store, mut record) = (site.store.clone(), record.clone());
            record.data.insert("number".to_owned(), json!(number));
            tokio::spawn(async move { store.save(&record).await })
        });
        let saves: Vec<_> = saves.collect();
        site.store.delete(&record.id).await.unwrap();
        for save in saves {
            save.await.unwrap().unwrap();
        }
        assert_eq!(site.store.load(&record.id).await.unwrap(), None);
    }
    assert_eq!(site.count(7).await, 0);
}

#[tokio::test]
async fn the_expiry_date_is_that_of_the_record_and_listed() {
    let site = Site::new();
    let record = created(&site, login_of(7)).await;
    let list = site.guestbook.sessions().list(&UserId::from(7)).await.unwrap();
    let millis = record.expiry_date.unix_timestamp_nanos().div_euclid(1_000_000);
    assert_eq!(list[0].expires_at, Timestamp::from_millis(millis.try_into().unwrap()));
    assert!(list[0].device.is_none() && list[0].address.is_none());
}
