//! axum-login's flow on our store and on theirs: `cargo bench --bench axum_login` in this directory.
//!
//! A flow is a login, 20 pages behind a permission, and a logout. Requests run in tasks of the runtime, as a server's
//! do.

use std::time::{Duration, Instant};

use axum::Router;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peers::{
    guestbook,
    login::{PAGES, Theirs, app, flow, log_in, page},
    rusqlite_store,
};
use tokio::{runtime::Runtime, task::JoinSet};
use tower_guestbook::session::tower_sessions::TowerSessionsStore;

/// Runs `flows` of each client one after the other, and those of different clients at once.
async fn flows(app: &Router, clients: u64, flows: u64) {
    let mut running = JoinSet::new();
    for user in 0..clients {
        let app = app.clone();
        running.spawn(async move {
            for _ in 0..flows {
                flow(&app, user).await;
            }
        });
    }
    running.join_all().await;
}

async fn pages(app: &Router, pages: u64) -> Duration {
    let app = app.clone();
    let client = async move {
        let cookie = log_in(&app, 1).await;
        let begin = Instant::now();
        for _ in 0..pages {
            page(&app, &cookie).await;
        }
        begin.elapsed()
    };
    tokio::spawn(client).await.expect("each page is answered")
}

fn benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let path = |name: &str| directory.path().join(name);
    let (book, _) = guestbook(&path("ours.db"), Duration::from_secs(1));
    let theirs = |tuned, name: &str| app(Theirs(runtime.block_on(rusqlite_store(&path(name), tuned))));
    let apps: [(&str, Router); 3] = [
        ("guestbook", app(TowerSessionsStore::new(book.sessions()))),
        ("rusqlite-store", theirs(false, "theirs.db")),
        ("rusqlite-store, WAL", theirs(true, "tuned.db")),
    ];

    let mut group = criterion.benchmark_group("axum-login, pages");
    group.throughput(Throughput::Elements(1));
    for (name, app) in &apps {
        group.bench_function(*name, |bencher| {
            bencher.to_async(&runtime).iter_custom(async |iterations| pages(app, iterations).await)
        });
    }
    group.finish();

    for (clients, title) in [(1, "axum-login, flows of one client"), (64, "axum-login, flows of 64 clients at once")] {
        let mut group = criterion.benchmark_group(title);
        group.throughput(Throughput::Elements(clients * (PAGES + 2))).sample_size(20);
        for (name, app) in &apps {
            group.bench_function(*name, |bencher| {
                bencher.to_async(&runtime).iter_custom(async |iterations| {
                    let begin = Instant::now();
                    flows(app, clients, iterations).await;
                    begin.elapsed()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(group, benches);
criterion_main!(group);
