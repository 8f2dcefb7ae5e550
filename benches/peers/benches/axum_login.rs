//! axum-login's flow on our store and on theirs: `cargo bench --bench axum_login` in this directory.
//!
//! A flow is a login, 20 pages behind a permission, and a logout.

use std::{sync::Arc, time::Instant};

use axum::Router;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peers::{
    guestbook,
    login::{PAGES, Theirs, app, flow, log_in, page},
    rusqlite_store,
};
use tower_guestbook::session::tower_sessions::TowerSessionsStore;

/// The number of clients at once.
const CLIENTS: u64 = 64;

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let path = |name: &str| directory.path().join(name);
    let (book, _) = guestbook(&path("ours.db"), std::time::Duration::from_secs(1));
    let theirs = |tuned, name: &str| app(Theirs(runtime.block_on(rusqlite_store(&path(name), tuned))));
    let apps: [(&str, Router); 3] = [
        ("guestbook", app(TowerSessionsStore::new(book.sessions()))),
        ("rusqlite-store", theirs(false, "theirs.db")),
        ("rusqlite-store, WAL", theirs(true, "tuned.db")),
    ];

    let mut group = criterion.benchmark_group("axum-login, one page");
    group.throughput(Throughput::Elements(1));
    for (name, app) in &apps {
        let cookie = runtime.block_on(log_in(app, 1));
        group.bench_function(*name, |bencher| bencher.to_async(&runtime).iter(|| page(app, &cookie)));
    }
    group.finish();

    let mut group = criterion.benchmark_group("axum-login, a flow");
    group.throughput(Throughput::Elements(PAGES + 2)).sample_size(20);
    for (name, app) in &apps {
        group.bench_function(*name, |bencher| bencher.to_async(&runtime).iter(|| flow(app, 1)));
    }
    group.finish();

    let mut group = criterion.benchmark_group("axum-login, 64 flows at once");
    group.throughput(Throughput::Elements(CLIENTS * (PAGES + 2))).sample_size(10);
    for (name, app) in &apps {
        let app = Arc::new(app.clone());
        group.bench_function(*name, |bencher| {
            bencher.to_async(&runtime).iter_custom(async |iterations| {
                let begin = Instant::now();
                for _ in 0..iterations {
                    let flows = (0..CLIENTS).map(|user| {
                        let app = app.clone();
                        tokio::spawn(async move { flow(&app, user).await })
                    });
                    for flow in flows.collect::<Vec<_>>() {
                        flow.await.expect("a flow ends well");
                    }
                }
                begin.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
