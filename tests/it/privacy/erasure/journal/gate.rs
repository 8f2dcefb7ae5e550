//! Before the journal is replayed nobody is served, whether or not anybody waited for that.

use tower_guestbook::{activity::Recorder, http::OnStoreError};

use super::*;

/// A restored store with a session of a user who is erased in the journal, and one of another user.
async fn restored(place: &Place) -> (SqliteStore, Shelf, Browser, Browser) {
    let store = place.open();
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.build().unwrap();
    let mut browsers = [Browser::new(&routes(&guestbook)), Browser::new(&routes(&guestbook))];
    for (browser, name) in browsers.iter_mut().zip(["ada", "bob"]) {
        browser.ok(&format!("/login/{name}")).await;
        assert_eq!(browser.ok("/user").await.body, name);
    }
    guestbook.shutdown().await;
    let shelf = Shelf::new(Fault::Stuck);
    shelf.put(entry(&store, "ada").await);
    let [ada, bob] = browsers;
    (store, shelf, ada, bob)
}

#[tokio::test]
async fn request_waits_for_the_replay_and_finds_no_erased_user() {
    let place = Place::new();
    let (store, shelf, mut ada, mut bob) = restored(&place).await;
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.erasure_journal(shelf.clone()).build().unwrap();
    (ada.app, bob.app) = (routes(&guestbook), routes(&guestbook));
    let mut again = Browser::new(&ada.app);
    let mut stranger = Browser::new(&ada.app);
    assert_eq!(stranger.ok("/user").await.body, "", "who has no session is not held up");

    let (ready, asking) =
        (guestbook.clone(), tokio::spawn(async move { (ada.get("/user").await, bob.get("/user").await) }));
    let ready = tokio::spawn(async move { ready.ready().await });
    let logging_in = tokio::spawn(async move { again.get("/login/ada").await });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!asking.is_finished() && !ready.is_finished() && !logging_in.is_finished());
    assert_eq!(store.list(user("ada"), None, 10, START).await.unwrap().len(), 1, "nothing has begun yet");

    shelf.set(Fault::Good);
    let (ada, bob) = asking.await.unwrap();
    assert_eq!((ada.status, ada.body.as_str()), (StatusCode::OK, ""), "her session is over");
    assert_eq!(bob.body, "bob");
    let login = logging_in.await.unwrap().json();
    assert!(login["detail"].as_str().unwrap().starts_with("user erased"), "and she gets no other one: {login}");
    ready.await.unwrap().unwrap();
    assert_eq!(store.list(user("ada"), None, 10, START).await.unwrap(), []);
}

#[tokio::test]
async fn requests_see_a_store_error_while_the_replay_fails() {
    for policy in [OnStoreError::Refuse, OnStoreError::ContinueWithoutSession] {
        let place = Place::new();
        let (store, shelf, mut ada, mut bob) = restored(&place).await;
        shelf.set(Fault::Failing);
        let (builder, _clock) = support::builder(store.clone());
        let builder = builder.on_store_error(policy).sweep_interval(Duration::from_millis(20));
        let guestbook = builder.erasure_journal(shelf.clone()).build().unwrap();
        let error = guestbook.ready().await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("shelf")), (ErrorKind::Unavailable, true), "{error}");
        (ada.app, bob.app) = (routes(&guestbook), routes(&guestbook));
        let expected = match policy {
            OnStoreError::Refuse => (StatusCode::SERVICE_UNAVAILABLE, None),
            _ => (StatusCode::OK, Some("")),
        };
        for browser in [&mut ada, &mut bob] {
            let answer = browser.get("/user").await;
            assert_eq!(answer.status, expected.0);
            assert!(expected.1.is_none_or(|body| answer.body == body), "as if nobody were logged in");
        }
        assert!(!login(&guestbook, "ada").await.is_success());
        let rights = guestbook.rights();
        assert_eq!(rights.erase(&user("bob")).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(rights.lift_erasure(&user("ada")).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(rights.erasure_of(&user("ada")).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(rights.resume_erasures().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(rights.export(&user("ada")).await.is_err());
        assert_eq!(guestbook.sessions().list(&user("bob")).await.unwrap_err().kind(), ErrorKind::Unavailable);

        // The next sweep tries again.
        shelf.set(Fault::Good);
        while guestbook.ready().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(ada.ok("/user").await.body, "");
        assert_eq!(bob.ok("/user").await.body, "bob", "his cookie was left alone");
        shelf.set(Fault::Failing);
        assert!(rights.replay_journal().await.is_err());
        assert_eq!(bob.ok("/user").await.body, "bob", "what was ready once stays so");
    }
}

#[tokio::test]
async fn events_wait_for_the_replay_and_those_of_erased_users_are_left_out() {
    let place = Place::new();
    let faulty_store = FaultyStore::default();
    let settings = || RecorderSettings::new().retry(1, Duration::ZERO).spool(place.spool(), 64 << 20);
    let (recorder, worker) = Recorder::pair(Arc::new(faulty_store.clone()), settings(), Clock::manual(START)).unwrap();
    let worker = tokio::spawn(worker.run());
    faulty_store.set(Fault::Failing);
    recorder.record(event("ada", "spooled"));
    recorder.record(event("bob", "spooled"));
    recorder.flush().await.unwrap_err();
    recorder.shutdown(Duration::ZERO).await;
    worker.await.unwrap();

    let store = place.open();
    let shelf = Shelf::new(Fault::Stuck);
    shelf.put(entry(&store, "ada").await);
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.recorder(settings()).erasure_journal(shelf.clone()).build().unwrap();
    guestbook.recorder().record(event("ada", "queued"));
    guestbook.recorder().record(event("bob", "queued"));
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((count(&store, "ada").await, count(&store, "bob").await), (0, 0));
    shelf.set(Fault::Good);
    guestbook.flush().await.unwrap();
    assert_eq!((count(&store, "ada").await, count(&store, "bob").await), (0, 2));
}

#[tokio::test]
async fn ready_returns_at_once_without_a_journal() {
    let faulty_store = FaultyStore::default();
    faulty_store.set(Fault::Stuck);
    let (builder, _clock) = support::builder(faulty_store);
    let guestbook = builder.build().unwrap();
    guestbook.ready().await.unwrap();
    let (builder, _clock) = support::builder(tower_guestbook::store::MemoryStore::new());
    let guestbook = builder.build().unwrap();
    assert_eq!(guestbook.rights().replay_journal().await.unwrap(), ReplayReport::default());
}
