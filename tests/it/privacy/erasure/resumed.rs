//! An erasure that something stopped half-way.

use tower_guestbook::store::{ErasureStore, PreferenceStore};

use super::*;
use crate::support::faulty_store::{Fault, FaultyStore};

#[tokio::test]
async fn erase_is_resumed_after_a_source_failed_and_the_user_stays_erased() {
    let place = Place::new();
    let addresses = Addresses::new(&place);
    addresses.failures.store(1, Ordering::SeqCst);
    let (guestbook, _clock) = whole(place.open(), &place, addresses.clone());
    let mut browser = Browser::new(&routes(&guestbook));
    browser.ok("/login/ada").await;
    addresses.add("ada", "12 St James's Square");
    addresses.add("bob", "his own");
    let error = guestbook.rights().erase(&user("ada")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pending);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("unavailable"), "{error:?}");
    let erasure = guestbook.rights().erasure_of(&user("ada")).await.unwrap().unwrap();
    assert_eq!((erasure.finished_at, erasure.erased.sessions), (None, 1));
    assert_eq!(browser.ok("/user").await.body, "", "she is out");
    assert_eq!(guestbook.rights().lift_erasure(&user("ada")).await.unwrap_err().kind(), ErrorKind::Conflict);

    assert_eq!(guestbook.rights().resume_erasures().await.unwrap(), 1);
    let finished = guestbook.rights().erasure_of(&user("ada")).await.unwrap().unwrap();
    assert_eq!((finished.id, finished.user), (erasure.id, None));
    assert_eq!(guestbook.rights().resume_erasures().await.unwrap(), 0);
    // Done again it finds nothing and says so.
    let again = guestbook.rights().erase(&user("ada")).await.unwrap();
    assert_eq!((again.erasure.id, again.sources), (erasure.id, vec![("addresses".to_owned(), 0)]));
    let left: i64 = addresses.connect().query_row("SELECT count(*) FROM addresses", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "his own");
}

#[tokio::test]
async fn resume_erasures_continues_past_one_that_fails() {
    let place = Place::new();
    let addresses = Addresses::new(&place);
    let (guestbook, _clock) = whole(place.open(), &place, addresses.clone());
    addresses.failures.store(usize::MAX, Ordering::SeqCst);
    for name in ["ada", "bob"] {
        append(&place.open(), entries(1, name.len() as u64 + name.as_bytes()[0] as u64, [event(name, "x")])).await;
        guestbook.rights().erase(&user(name)).await.unwrap_err();
    }
    addresses.failures.store(1, Ordering::SeqCst);
    assert_eq!(guestbook.rights().resume_erasures().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(place.open().unfinished_erasures().await.unwrap().len(), 1, "the second is finished");
    assert_eq!(guestbook.rights().resume_erasures().await.unwrap(), 1);
}

#[tokio::test]
async fn start_finishes_an_erasure_that_another_guestbook_began() {
    let place = Place::new();
    let addresses = Addresses::new(&place);
    addresses.failures.store(usize::MAX, Ordering::SeqCst);
    {
        let store = place.open();
        let (guestbook, _clock) = whole(store.clone(), &place, addresses.clone());
        append(&store, entries(1, 1, (0..1_200).map(|_| event("ada", "hers")).chain([event("bob", "his")]))).await;
        guestbook.rights().erase(&user("ada")).await.unwrap_err();
        assert_eq!(count(&store, "ada").await, 1_200);
        guestbook.shutdown().await;
        store.close().await.unwrap();
    }
    addresses.failures.store(0, Ordering::SeqCst);
    let store = place.open();
    let (guestbook, _clock) = whole(store.clone(), &place, addresses);
    let finished = wait_for(&guestbook, "ada").await;
    assert_eq!((finished.erased.activities, count(&store, "bob").await), (1_200, 1));
}

/// The erasure of a user, when it is finished.
pub(super) async fn wait_for(guestbook: &Guestbook, name: &str) -> tower_guestbook::privacy::Erasure {
    for _ in 0..4_000 {
        let erasure = guestbook.rights().erasure_of(&user(name)).await.unwrap().expect("it has begun");
        if erasure.finished_at.is_some() {
            return erasure;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the erasure does not come to an end");
}

#[tokio::test]
async fn erase_is_resumed_after_a_store_failure_and_a_second_call_is_the_same_erasure() {
    let store = FaultyStore::default();
    let (builder, _clock) = support::builder(store.clone());
    let guestbook = builder.build().unwrap();
    append(&*store.store, entries(1, 1, (0..2_000).map(|_| event("ada", "hers")))).await;
    for mood in [Fault::Failing, Fault::Good] {
        let (rights, ada) = (guestbook.rights().clone(), user("ada"));
        let erasing = tokio::spawn(async move { rights.erase(&ada).await });
        support::until(async || count(&*store.store, "ada").await < 2_000).await;
        store.set(mood);
        assert_eq!(erasing.await.unwrap().is_ok(), mood == Fault::Good);
        store.set(Fault::Good);
    }
    let bob = user("bob");
    let both = tokio::join!(guestbook.rights().erase(&bob), guestbook.rights().erase(&bob));
    assert_eq!(both.0.unwrap().erasure.id, both.1.unwrap().erasure.id);
    let erasure = guestbook.rights().erasure_of(&user("ada")).await.unwrap().unwrap();
    assert_eq!((erasure.erased.activities, count(&*store.store, "ada").await), (2_000, 0));
    assert_eq!(store.store.preferences(user("ada")).await.unwrap().version, 0);
}
