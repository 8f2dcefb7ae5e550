//! What comes in late: queued or spooled before, flushed or replayed after; a login that crosses
//! the erasure.

use axum::http::StatusCode;
use tower_guestbook::{activity::Recorder, privacy::ErasedActivities, store::ErasureStore};

use super::*;
use crate::support::faulty_store::{Fault, FaultyStore};

#[tokio::test]
async fn an_event_that_was_queued_before_and_comes_after_is_not_stored() {
    let store = FaultyStore::default();
    let (recorder, worker) =
        Recorder::pair(Arc::new(store.clone()), RecorderSettings::new(), Clock::manual(START)).unwrap();
    for number in 0..5 {
        recorder.record(event("ada", &format!("hers {number}")));
        recorder.record(event("bob", &format!("his {number}")));
    }
    // Nobody stores anything yet; another process strikes her out meanwhile, and erases what there
    // is: nothing.
    let erasure = store.store.begin_erasure(user("ada"), START, support::note(), START).await.unwrap();
    assert!(
        store
            .store
            .erase_some(erasure.id, 10, ErasedActivities::Deleted, support::note(), START)
            .await
            .unwrap()
            .finished_at
            .is_some()
    );
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    assert_eq!((count(&*store.store, "ada").await, count(&*store.store, "bob").await), (0, 5));
    let stats = recorder.stats();
    assert_eq!((stats.written, stats.duplicates, stats.lost, stats.queued), (5, 5, 0, 0), "{stats:?}");
}

#[tokio::test]
async fn spooled_event_of_an_erased_user_is_not_stored_and_its_file_is_removed() {
    let (place, word, his) = (Place::new(), needle(), needle());
    let store = place.open();
    let faulty_store = FaultyStore::default();
    let settings = || RecorderSettings::new().retry(1, Duration::ZERO).spool(place.spool(), 64 << 20);
    let (recorder, worker) = Recorder::pair(Arc::new(faulty_store.clone()), settings(), Clock::manual(START)).unwrap();
    let worker = tokio::spawn(worker.run());
    faulty_store.set(Fault::Failing);
    recorder.record(event("ada", &word));
    recorder.record(event("bob", &his));
    recorder.flush().await.unwrap_err();
    assert_eq!(recorder.stats().spooled, 2);
    // The process ends; the file waits for the next one.
    recorder.shutdown(Duration::ZERO).await;
    worker.await.unwrap();
    assert!(!place.find(word.as_bytes()).is_empty());

    let erasure = store.begin_erasure(user("ada"), START, support::note(), START).await.unwrap();
    assert!(
        store
            .erase_some(erasure.id, 10, ErasedActivities::Deleted, support::note(), START)
            .await
            .unwrap()
            .finished_at
            .is_some()
    );
    let (recorder, worker) = Recorder::pair(Arc::new(store.clone()), settings(), Clock::manual(START)).unwrap();
    assert_eq!(recorder.stats().adopted, 2);
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    assert_eq!((count(&store, "ada").await, count(&store, "bob").await), (0, 1));
    assert!(store.scrub().await.unwrap());
    assert_eq!(place.find(word.as_bytes()), [""; 0]);
    assert!(!place.find(his.as_bytes()).is_empty());
}

#[tokio::test]
async fn erase_clears_the_queue_and_the_spool_of_its_process() {
    let (place, word) = (Place::new(), needle());
    let (guestbook, _clock) = whole(place.open(), &place, Addresses::new(&place));
    guestbook.recorder().record(event("ada", &word));
    guestbook.recorder().record(event("bob", "his"));
    let receipt = guestbook.rights().erase(&user("ada")).await.unwrap();
    assert!(receipt.is_clean);
    assert_eq!(guestbook.recorder().stats().queued, 0);
    assert_eq!(place.find(word.as_bytes()), [""; 0]);
    guestbook.recorder().record(event("ada", &word));
    guestbook.flush().await.unwrap();
    assert_eq!(place.find(word.as_bytes()), [""; 0], "nor does it get in afterwards");
    assert_eq!(guestbook.activities().count(of("bob")).await.unwrap(), 1);
}

#[tokio::test]
async fn login_of_an_erased_user_is_refused_and_sets_no_cookie() {
    let place = Place::new();
    let (guestbook, _clock) = whole(place.open(), &place, Addresses::new(&place));
    let app = Router::new()
        .route(
            "/try/{user}",
            get(async |session: Session, UrlPath(user): UrlPath<String>| match session.login(user).await {
                Ok(()) => "in".to_owned(),
                Err(error) => format!("{:?} {:?}", error.kind(), session.user_id()),
            }),
        )
        .layer(guestbook.layer())
        .merge(routes(&guestbook));
    let mut browser = Browser::new(&app);
    browser.ok("/login/ada").await;
    guestbook.rights().erase(&user("ada")).await.unwrap();
    assert_eq!(browser.ok("/user").await.body, "", "the session is over in this process at once");

    let mut browser = Browser::new(&app);
    browser.ok("/set/three").await;
    let before = browser.cookies.clone();
    let sessions = || {
        let rows = "SELECT count(*), group_concat(hex(key) || data) FROM sessions ORDER BY id";
        place.raw().query_row(rows, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap()
    };
    let stored = sessions();
    let answer = browser.get("/try/ada").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "UserErased None"));
    assert_eq!((&browser.cookies, sessions()), (&before, stored), "the stranger is who they were");
    assert_eq!(browser.ok("/try/bob").await.body, "in");
    assert_eq!(browser.ok("/user").await.body, "bob");
    // A new account needs a new id, or somebody who lets them in.
    assert!(guestbook.rights().lift_erasure(&user("ada")).await.unwrap());
    assert_eq!(browser.ok("/try/ada").await.body, "in");
}

#[tokio::test]
async fn erase_ends_sessions_cached_elsewhere_within_the_cache_age() {
    let place = Place::new();
    let (one, _clock) = whole(place.open(), &place, Addresses::new(&place));
    let (builder, clock) = support::builder(place.open());
    let two = builder.build().unwrap();
    let mut browser = Browser::new(&routes(&two));
    browser.ok("/login/ada").await;
    assert_eq!(browser.ok("/user").await.body, "ada");
    one.rights().erase(&user("ada")).await.unwrap();
    clock.advance(Duration::from_millis(1_000));
    assert_eq!(browser.ok("/user").await.body, "");
    two.flush().await.unwrap();
    assert_eq!(count(&place.open(), "ada").await, 0, "what she did meanwhile is not stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn erase_with_parallel_logins_and_logouts_leaves_nothing() {
    let place = Place::new();
    let (guestbook, _clock) = whole(place.open(), &place, Addresses::new(&place));
    let app = routes(&guestbook);
    for round in 0..5 {
        let name = format!("ada{round}");
        let clients = (0..8).map(|_| {
            let (app, name) = (app.clone(), name.clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut browser = Browser::new(&app);
                    browser.get(&format!("/login/{name}")).await;
                    browser.get("/set/words").await;
                    browser.get("/track/action/words").await;
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        tokio::time::sleep(Duration::from_millis(2 * round)).await;
        let receipt = guestbook.rights().erase(&user(&name)).await.unwrap();
        assert!(receipt.erasure.finished_at.is_some());
        for client in clients {
            client.await.unwrap();
        }
        guestbook.flush().await.unwrap();
        let raw = place.raw();
        let users = raw.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0)).unwrap();
        let sessions = "SELECT count(*) FROM sessions WHERE user IS NOT NULL";
        let sessions = raw.query_row(sessions, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((users, sessions, guestbook.activities().count(of(&name)).await.unwrap()), (0, 0, 0));
    }
}
