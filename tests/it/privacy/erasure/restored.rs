//! A backup of before is restored, and there is no journal.

use super::*;

/// A case that this crate cannot detect: the tombstone is gone with its file.
#[tokio::test]
async fn restored_backup_without_a_journal_has_the_user_until_erased_again() {
    let (place, word) = (Place::new(), needle());
    let store = place.open();
    append(&store, entries(1, 1, [event("ada", &word), event("bob", "his")])).await;
    store.close().await.unwrap();
    let backup = std::fs::read(place.database()).unwrap();

    let store = place.open();
    let (guestbook, _clock) = whole(store.clone(), &place, Addresses::new(&place));
    let first = guestbook.rights().erase(&user("ada")).await.unwrap();
    guestbook.shutdown().await;
    store.close().await.unwrap();
    assert_eq!(place.find(word.as_bytes()), [""; 0]);

    std::fs::write(place.database(), backup).unwrap();
    let store = place.open();
    let (guestbook, _clock) = whole(store.clone(), &place, Addresses::new(&place));
    assert_eq!(guestbook.rights().erasure_of(&user("ada")).await.unwrap(), None);
    assert_eq!(count(&store, "ada").await, 1, "she is back");
    let again = guestbook.rights().erase(&user("ada")).await.unwrap();
    assert_eq!(again.erasure.erased.activities, 1);
    assert_ne!(again.erasure.id, first.erasure.id);
    assert_eq!(place.find(word.as_bytes()), [""; 0]);
}
