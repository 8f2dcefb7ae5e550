//! An erasure, or the end of one, that the journal or the store does not answer in time: it is
//! pending until it is decided.

use axum::http::{HeaderMap, Method};
use tower_guestbook::{
    privacy::{ErasureState, RestrictionReason},
    store::RestrictionStore,
};

use super::*;
use crate::support::Answer;

/// With the service that erases.
fn app(guestbook: &Guestbook) -> Router {
    let service = guestbook.erasure_service();
    let router = Router::new().route_service("/erasure", service).nest("/privacy", guestbook.privacy_router());
    router.layer(guestbook.session_layer()).merge(routes(guestbook))
}

async fn ask(app: &Router, browser: Option<&Browser>, method: Method, path: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(browser) = browser {
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header(header::COOKIE, cookies.join("; "));
    }
    send(app, request.body(Body::empty()).unwrap()).await
}

/// The answer says that the erasure is pending, and where to ask how far it is.
fn assert_pending(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    assert_eq!(answer.json()["state"], "pending");
    let text = |headers: &HeaderMap, name: header::HeaderName| headers[name].to_str().unwrap().to_owned();
    assert!(text(&answer.headers, header::HeaderName::from_static("clear-site-data")).contains("cookies"));
    assert_eq!(text(&answer.headers, header::CACHE_CONTROL), "no-store");
    let place = text(&answer.headers, header::LOCATION);
    assert_eq!(place, format!("?erasure={}", answer.json()["pseudonym"].as_str().unwrap()));
    place
}

#[tokio::test]
async fn erase_is_pending_while_the_journal_is_slow_and_then_finishes() {
    let (place, shelf) = (Place::new(), Shelf::new(Fault::Good));
    let store = place.open();
    let (builder, _clock) = builder(store.clone(), &place, Addresses::new(&place));
    let builder = builder.store_timeout(Duration::from_millis(50)).sweep_interval(Duration::from_millis(20));
    let guestbook = builder.erasure_journal(shelf.clone()).build().unwrap();
    guestbook.ready().await.unwrap();
    let mut ada = visit(&guestbook, &place, "ada").await;
    let mut bob = visit(&guestbook, &place, "bob").await;
    let app = app(&guestbook);

    shelf.set(Fault::Stuck);
    let answer = ask(&app, Some(&ada), Method::POST, "/erasure").await;
    let state = assert_pending(&answer);
    // From now on she is refused, though nothing is decided.
    assert_eq!(store.erasure_of(user("ada")).await.unwrap(), None);
    assert_eq!(ada.ok("/user").await.body, "", "her session");
    assert_out(&guestbook, "ada").await;
    let before = count(&store, "ada").await;
    guestbook.recorder().record_durable(event("ada", "late")).await.unwrap();
    assert_eq!(count(&store, "ada").await, before, "an event of hers is left out");
    assert_eq!(guestbook.rights().erase(&user("ada")).await.unwrap_err().kind(), ErrorKind::Pending);
    assert_eq!(guestbook.rights().lift_erasure(&user("ada")).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bob.ok("/user").await.body, "bob", "nobody else is");
    // As soon as the store is asked she is restricted everywhere.
    let restriction = async || store.restriction_of(user("ada")).await.unwrap().map(|restriction| restriction.reason);
    while restriction().await != Some(RestrictionReason::ErasurePending) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for path in ["/erasure", "/privacy/delete"] {
        let answer = ask(&app, None, Method::GET, &format!("{path}{state}")).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "state": "pending" })), "{path}");
        let unknown = ask(&app, None, Method::GET, &format!("{path}?erasure={}", "0".repeat(64))).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        let nothing = ask(&app, None, Method::GET, &format!("{path}?erasure=ada")).await;
        assert_eq!(nothing.status, StatusCode::METHOD_NOT_ALLOWED);
    }

    shelf.set(Fault::Good);
    let is_done =
        async || ask(&app, None, Method::GET, &format!("/erasure{state}")).await.json() == json!({ "state": "done" });
    while !is_done().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let erasure = store.erasure_of(user("ada")).await.unwrap().unwrap();
    assert!(erasure.finished_at.is_some() && shelf.entries().contains(&JournalEntry::erased(&erasure)));
    assert_eq!(count(&store, "ada").await, 0);
    assert_out(&guestbook, "ada").await;
    assert_eq!(bob.ok("/user").await.body, "bob");
}

#[tokio::test]
async fn erase_that_certainly_wrote_nothing_is_unknown_at_the_next_start() {
    let place = Place::new();
    let store = place.open();
    let (guestbook, clock) = with_journal(store.clone(), &place, place.journal());
    guestbook.ready().await.unwrap();
    let mut ada = visit(&guestbook, &place, "ada").await;
    // Another process holds the lock for longer than anybody waits for it.
    let lock = std::fs::File::open(place.directory.path().join("erasures.lock")).unwrap();
    lock.lock().unwrap();
    let answer = ask(&app(&guestbook), Some(&ada), Method::POST, "/erasure").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    assert_eq!(ada.ok("/user").await.body, "ada", "she goes on");
    drop(lock);
    close(guestbook, store).await;

    let store = place.open();
    let builder = Guestbook::builder(store.clone()).clock(clock).erasure_journal(place.journal());
    let guestbook = builder.build().unwrap();
    guestbook.ready().await.unwrap();
    assert_eq!(store.erasure_of(user("ada")).await.unwrap(), None);
    assert_eq!(login(&guestbook, "ada").await, StatusCode::OK);
}

#[tokio::test]
async fn erase_is_pending_when_only_the_journal_has_it_and_enters_it_once() {
    let faulty_store = FaultyStore::default();
    let shelf = Shelf::new(Fault::Good);
    let (builder, _clock) = support::builder(faulty_store.clone());
    let guestbook = builder.erasure_journal(shelf.clone()).build().unwrap();
    guestbook.ready().await.unwrap();
    let rights = guestbook.rights();
    let pseudonym = rights.pseudonym(&user("ada")).await.unwrap();
    assert_eq!(rights.erasure_state(pseudonym).await.unwrap(), ErasureState::None);

    faulty_store.set(Fault::ReadOnly);
    for _ in 0..3 {
        let error = rights.erase(&user("ada")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pending, "the next start would do it: {error}");
        assert_eq!(rights.erasure_state(pseudonym).await.unwrap(), ErasureState::Pending);
    }
    faulty_store.set(Fault::Good);
    rights.resume_erasures().await.unwrap();
    let erasure = rights.erasure_of(&user("ada")).await.unwrap().unwrap();
    assert_eq!(shelf.entries(), [JournalEntry::erased(&erasure)]);
    assert_eq!(rights.erasure_state(pseudonym).await.unwrap(), ErasureState::Done);
    assert_eq!(rights.erase(&user("ada")).await.unwrap().erasure.id, erasure.id);
}

#[tokio::test(start_paused = true)]
async fn erase_retries_a_store_that_does_not_answer() {
    let faulty_store = FaultyStore::default();
    let (builder, _clock) = support::builder(faulty_store.clone());
    let guestbook = builder.build().unwrap();
    let mut ada = Browser::new(&routes(&guestbook));
    ada.ok("/login/ada").await;
    // Her session is cached, and what is read once for all is known.
    assert_eq!(ada.ok("/user").await.body, "ada");
    guestbook.rights().erase(&user("somebody else")).await.unwrap();
    faulty_store.set(Fault::Stuck);
    let answer = ask(&app(&guestbook), Some(&ada), Method::DELETE, "/erasure").await;
    let state = assert_pending(&answer);
    faulty_store.set(Fault::Good);
    assert_eq!(ada.ok("/user").await.body, "");
    // The attempt that hangs is given up, and a sweep makes another.
    while faulty_store.store.erasure_of(user("ada")).await.unwrap().is_none_or(|erasure| erasure.finished_at.is_none())
    {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let answer = ask(&app(&guestbook), None, Method::GET, &format!("/erasure{state}")).await;
    assert_eq!(answer.json(), json!({ "state": "done" }));
}

#[tokio::test]
async fn erase_that_stops_half_way_is_pending_until_it_is_resumed() {
    let (place, shelf) = (Place::new(), Shelf::new(Fault::Good));
    let addresses = Addresses::new(&place);
    let (builder, _clock) = builder(place.open(), &place, addresses.clone());
    let guestbook = builder.erasure_journal(shelf).build().unwrap();
    guestbook.ready().await.unwrap();
    let ada = visit(&guestbook, &place, "ada").await;
    addresses.failures.store(1, Ordering::SeqCst);
    let answer = ask(&app(&guestbook), Some(&ada), Method::POST, "/erasure").await;
    let state = assert_pending(&answer);
    let asked = async || ask(&app(&guestbook), None, Method::GET, &format!("/erasure{state}")).await.json();
    assert_eq!(asked().await, json!({ "state": "pending" }));
    assert_eq!(guestbook.rights().resume_erasures().await.unwrap(), 1);
    assert_eq!(asked().await, json!({ "state": "done" }));
}

#[tokio::test]
async fn lift_erasure_is_pending_while_the_journal_is_slow_and_then_finishes() {
    let (faulty_store, shelf) = (FaultyStore::default(), Shelf::new(Fault::Good));
    let (builder, _clock) = support::builder(faulty_store.clone());
    let builder = builder.store_timeout(Duration::from_millis(50)).erasure_journal(shelf.clone());
    let guestbook = builder.build().unwrap();
    guestbook.ready().await.unwrap();
    let rights = guestbook.rights();
    let kinds = async || shelf.entries().iter().map(|entry| entry.kind).collect::<Vec<_>>();

    rights.erase(&user("ada")).await.unwrap();
    shelf.set(Fault::Stuck);
    assert_eq!(rights.lift_erasure(&user("ada")).await.unwrap_err().kind(), ErrorKind::Pending);
    assert!(rights.erasure_of(&user("ada")).await.unwrap().is_some(), "not yet");
    shelf.set(Fault::Good);
    support::until(async || rights.erasure_of(&user("ada")).await.unwrap().is_none()).await;
    assert_eq!(kinds().await, [JournalKind::Erased, JournalKind::Lifted]);
    assert_eq!(login(&guestbook, "ada").await, StatusCode::OK);

    // The journal has it and the store has not: the next start would let him in.
    rights.erase(&user("bob")).await.unwrap();
    faulty_store.set(Fault::ReadOnly);
    assert_eq!(rights.lift_erasure(&user("bob")).await.unwrap_err().kind(), ErrorKind::Pending);
    faulty_store.set(Fault::Good);
    assert!(rights.erasure_of(&user("bob")).await.unwrap().is_some());
    rights.resume_erasures().await.unwrap();
    assert_eq!(rights.erasure_of(&user("bob")).await.unwrap(), None);
    assert_eq!(login(&guestbook, "bob").await, StatusCode::OK);
}
