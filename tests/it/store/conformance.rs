//! Each backend passes the conformance suite.

use tower_guestbook::store::{MemoryStore, SplitStore, testing::conformance};

#[tokio::test(flavor = "multi_thread")]
async fn memory_store_passes_the_conformance_suite() {
    conformance(async || MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn split_store_passes_the_conformance_suite() {
    conformance(async || SplitStore::new(MemoryStore::new(), MemoryStore::new())).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_passes_the_conformance_suite() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let directory = tempfile::tempdir().unwrap();
    let number = AtomicUsize::new(0);
    let make = async || {
        let file = format!("{}.db", number.fetch_add(1, Ordering::Relaxed));
        tower_guestbook::store::SqliteStore::open(directory.path().join(file)).unwrap()
    };
    conformance(&make).await;
}
