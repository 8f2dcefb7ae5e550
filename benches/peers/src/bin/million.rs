//! A cold read with 1,000 and with 1,000,000 sessions in the file, through the store.

use std::time::Instant;

use tower_guestbook::{
    SessionId, SessionKey, SessionToken, Timestamp, UserId,
    session::{Lifetime, Realm, SessionCap, SessionData, SessionHead, SessionRecord},
    store::{EpochRule, Loaded, SessionStore, SqliteStore},
};

async fn fill(store: &SqliteStore, from: usize, to: usize) -> Vec<SessionKey> {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let mut keys = Vec::new();
    for chunk in (from..to).collect::<Vec<_>>().chunks(512) {
        let inserts: Vec<_> = chunk
            .iter()
            .map(|number| {
                let key = SessionToken::generate().expect("random bytes").key();
                let id = SessionId::generate(now).expect("random bytes");
                let mut head = SessionHead::new(id, now, Lifetime::default());
                head.user = Some(UserId::from(*number as i64 / 2));
                let data = SessionData::from_json(br#"{"number":1,"theme":"dark","cart":[1,2,3]}"#).expect("an object");
                keys.push(key);
                let store = store.clone();
                tokio::spawn(async move {
                    store
                        .insert(key, SessionRecord { head, data }, SessionCap::default(), EpochRule::Keep, now)
                        .await
                        .expect("stored")
                })
            })
            .collect();
        for insert in inserts {
            insert.await.expect("no panic");
        }
    }
    keys
}

/// Median of reads of random sessions, in microseconds.
async fn read(store: &SqliteStore, keys: &[SessionKey]) -> f64 {
    let mut times = Vec::new();
    let mut index = 7;
    for _ in 0..50_000 {
        index = (index * 1_103_515_245 + 12_345) % keys.len();
        let begin = Instant::now();
        let loaded = store.load(keys[index], Realm::default()).await.expect("readable");
        times.push(begin.elapsed().as_secs_f64() * 1e6);
        assert!(matches!(loaded, Loaded::Found(_)));
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let store = SqliteStore::open(directory.path().join("million.db")).expect("a new file");
    let mut keys = fill(&store, 0, 1_000).await;
    let small = read(&store, &keys).await;
    keys.extend(fill(&store, 1_000, 1_000_000).await);
    let large = read(&store, &keys).await;
    println!("cold read: {small:.1} us of 1,000 sessions, {large:.1} us of 1,000,000, ratio {:.2}", large / small);
}
