//! What a request costs behind each layer, on one thread: `cargo bench` in this directory.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use axum::Router;
use criterion::{Criterion, criterion_group, criterion_main};
use peers::{
    Extension, Nothing, Whole, bare, browser_request, call, cookie, guestbook, ours, request, theirs_memory,
    theirs_rusqlite,
};
use tokio::runtime::Runtime;

/// The request is made inside the loop, the same for all: what counts is the difference to the layer that does nothing.
fn measure(criterion: &mut Criterion, runtime: &Runtime, name: &str, app: &Router, path: &str, cookie: Option<&str>) {
    measure_requests(criterion, runtime, name, app, || request(path, cookie));
}

fn measure_requests(
    criterion: &mut Criterion,
    runtime: &Runtime,
    name: &str,
    app: &Router,
    request: impl Fn() -> http::Request<axum::body::Body>,
) {
    criterion.bench_function(name, |bencher| {
        bencher.to_async(runtime).iter_custom(async |iterations| {
            let mut app = app.clone();
            let begin = Instant::now();
            for _ in 0..iterations {
                black_box(call(&mut app, request()).await);
            }
            begin.elapsed()
        });
    });
}

fn benches(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let path = |name: &str| directory.path().join(name);

    measure(criterion, &runtime, "base/router", &bare(), "/", None);
    measure(criterion, &runtime, "base/layer that does nothing", &bare().layer(Nothing), "/", None);
    measure(criterion, &runtime, "base/layer with one extension", &bare().layer(Extension), "/", None);

    let (book, _) = guestbook(&path("warm.db"), Duration::from_secs(1));
    let ours_warm = ours(&book);
    let theirs = theirs_memory();
    for (name, app) in [("guestbook sqlite warm", &ours_warm), ("tower-sessions memory", &theirs)] {
        let cookie = runtime.block_on(cookie(app));
        if name.starts_with("guestbook") {
            let nothing = bare().layer(Nothing);
            measure(criterion, &runtime, "base/layer that does nothing, cookie", &nothing, "/", Some(&cookie));
        }
        measure(criterion, &runtime, &format!("no cookie/{name}"), app, "/", None);
        measure(criterion, &runtime, &format!("unused/{name}"), app, "/", Some(&cookie));
        measure(criterion, &runtime, &format!("read/{name}"), app, "/read", Some(&cookie));
        measure(criterion, &runtime, &format!("write/{name}"), app, "/write", Some(&cookie));
    }

    // Recording at full speed: what the store does not keep up with is dropped, as the layer promises.
    let (book, _) = guestbook(&path("activity.db"), Duration::from_secs(1));
    for (name, app) in [
        ("activity/layer that does nothing", bare().layer(Nothing)),
        ("activity/sessions", bare().layer(book.session_layer())),
        ("activity/recorded", bare().layer(book.activity_layer())),
        ("activity/sessions and recorded", bare().layer(book.layer())),
    ] {
        measure_requests(criterion, &runtime, name, &app, || browser_request("/"));
    }

    let whole = runtime.block_on(Whole::new(&path("whole.db")));
    let whole_cookie = Some(whole.cookie.as_str());
    measure(criterion, &runtime, "whole/nothing of it read", &whole.all, "/", whole_cookie);
    measure(criterion, &runtime, "whole/one session value read", &whole.all, "/session", whole_cookie);
    measure(criterion, &runtime, "whole/session, consent and preferences read", &whole.all, "/whole", whole_cookie);
    measure(criterion, &runtime, "whole/no gate", &whole.sessions, "/open", whole_cookie);
    measure(criterion, &runtime, "whole/gate", &whole.sessions, "/gated", whole_cookie);

    let (book, _) = guestbook(&path("cold.db"), Duration::ZERO);
    let ours_cold = ours(&book);
    let theirs = runtime.block_on(theirs_rusqlite(&path("theirs.db"), false));
    let tuned = runtime.block_on(theirs_rusqlite(&path("tuned.db"), true));
    for (name, app) in [
        ("guestbook sqlite", &ours_cold),
        ("tower-sessions rusqlite", &theirs),
        ("tower-sessions rusqlite, WAL", &tuned),
    ] {
        let cookie = runtime.block_on(cookie(app));
        measure(criterion, &runtime, &format!("cold read/{name}"), app, "/read", Some(&cookie));
        measure(criterion, &runtime, &format!("cold write/{name}"), app, "/write", Some(&cookie));
    }

    let raw = rusqlite::Connection::open(path("cold.db")).expect("the file is there");
    let key: Vec<u8> = raw.query_row("SELECT key FROM sessions", [], |row| row.get(0)).expect("one session");
    criterion.bench_function("raw/prepared point read", |bencher| {
        bencher.iter(|| {
            let mut statement = raw.prepare_cached("SELECT * FROM sessions WHERE key = ?1").expect("valid SQL");
            statement.query_row([&key], |row| row.get::<_, String>("data")).expect("it is there")
        });
    });
}

criterion_group!(group, benches);
criterion_main!(group);
