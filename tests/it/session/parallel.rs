//! Parallel requests lose nothing.

use axum::http::StatusCode;
use serde_json::json;
use tower_guestbook::store::{MemoryStore, Store};

use crate::support::{TestClient, app, builder};

async fn parallel_writers<S: Store>(store: S) {
    let guestbook = builder(store).0.build().unwrap();
    let app = app(&guestbook);
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    let writers = (0..64).map(|writer| {
        let mut client = client.clone();
        tokio::spawn(async move {
            client.ok(&format!("/set/key{writer}/{writer}")).await;
            client.ok("/count").await;
            // A client reads what it was told is stored.
            assert_eq!(client.value(&format!("key{writer}")).await, json!(writer.to_string()));
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for writer in 0..64 {
        assert_eq!(client.value(&format!("key{writer}")).await, json!(writer.to_string()));
    }
    assert_eq!(client.value("count").await, json!(64));
}

async fn writers_beside_rotations<S: Store>(store: S) {
    let guestbook = builder(store).0.build().unwrap();
    let app = app(&guestbook);
    let mut client = TestClient::new(&app);
    client.ok("/login/ada").await;
    for round in 0..20 {
        let writers = (0..4).map(|writer| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let key = format!("r{round}w{writer}");
                (client.get(&format!("/set/{key}/1")).await, key)
            })
        });
        let writers: Vec<_> = writers.collect();
        client.ok("/rotate").await;
        for writer in writers {
            let (answer, key) = writer.await.unwrap();
            assert_eq!(answer.set_cookie(), None, "the new cookie must not be overwritten");
            // A request with a token that was live is stored; one that came too late gets an error.
            match answer.status {
                StatusCode::OK => assert_eq!(client.value(&key).await, json!("1"), "{key}"),
                StatusCode::UNAUTHORIZED => assert_eq!(client.value(&key).await, json!(null), "{key}"),
                status => panic!("{status}: {}", answer.body),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_lose_no_changes_in_memory() {
    parallel_writers(MemoryStore::new()).await;
    writers_beside_rotations(MemoryStore::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_lose_no_changes_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| tower_guestbook::store::SqliteStore::open(directory.path().join(name)).unwrap();
    parallel_writers(open("writers.db")).await;
    writers_beside_rotations(open("rotations.db")).await;
}
