//! The whole stack (session, consent, preferences, activity) beside tower-sessions reading one value, in turns, and a gate
//! alone. With `--features count`: heap allocations instead.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    convert::Infallible,
    time::Instant,
};

use axum::{Router, body::Body, http::StatusCode};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use peers::{Nothing, Whole, bare, call, cookie, theirs_memory, whole_request as request};
use tower::{Layer, Service, service_fn};
use tower_guestbook::consent::PurposeId;

struct Counting;

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if cfg!(feature = "count") {
            COUNT.set(COUNT.get() + 1);
        }
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = 300;
const REQUESTS: u32 = 1_000;

async fn nanoseconds<S, R>(app: &S, path: &str, cookie: &str) -> f64
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible> + Clone,
{
    let mut app = app.clone();
    let requests: Vec<_> = (0..REQUESTS).map(|_| request(path, cookie)).collect();
    let begin = Instant::now();
    for request in requests {
        let response = app.call(request).await.unwrap_or_else(|never| match never {});
        assert_eq!(response.status(), StatusCode::OK);
    }
    begin.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
}

/// A service that is no router: axum boxes the body of every layer that can respond without it.
async fn plain(_: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

async fn allocations(app: &Router, path: &str, cookie: &str) -> u64 {
    let mut fewest = u64::MAX;
    for _ in 0..200 {
        let (mut app, request) = (app.clone(), request(path, cookie));
        let before = COUNT.get();
        let response = call(&mut app, request).await;
        fewest = fewest.min(COUNT.get() - before);
        drop(response);
    }
    fewest
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let everything = Whole::new(&directory.path().join("guestbook.db")).await;
    let Whole { guestbook, all, sessions, cookie: ours } = &everything;
    let theirs_app = theirs_memory();
    let theirs = cookie(&theirs_app).await;
    let nothing = bare().layer(Nothing);

    if cfg!(feature = "count") {
        let base = allocations(&nothing, "/", ours).await;
        println!("heap allocations above {base} of the bare router");
        println!("the whole stack, all of it read: {}", allocations(all, "/whole", ours).await - base);
        println!("the whole stack, one session value read: {}", allocations(all, "/session", ours).await - base);
        println!("the whole stack, nothing of it read: {}", allocations(all, "/", ours).await - base);
        println!("tower-sessions, one value read: {}", allocations(&theirs_app, "/read", &theirs).await - base);
        return;
    }
    if let Some(path) = std::env::args().nth(1) {
        // For a profiler: one case alone.
        for _ in 0..2_000 {
            std::hint::black_box(nanoseconds(all, &path, ours).await);
        }
        return;
    }
    let plain_gate = guestbook.require_consent(PurposeId::ANALYTICS).expect("it is declared");
    let plain_open = guestbook.session_layer().layer(Nothing.layer(service_fn(plain)));
    let plain_gated = guestbook.session_layer().layer(plain_gate.layer(service_fn(plain)));
    let mut bare_gate = Vec::new();
    let (mut whole, mut one, mut unused) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peer, mut gate) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let base = nanoseconds(&nothing, "/", ours).await;
        whole.push(nanoseconds(all, "/whole", ours).await - base);
        guestbook.flush().await.expect("stored");
        one.push(nanoseconds(all, "/session", ours).await - base);
        guestbook.flush().await.expect("stored");
        unused.push(nanoseconds(all, "/", ours).await - base);
        guestbook.flush().await.expect("stored");
        peer.push(nanoseconds(&theirs_app, "/read", &theirs).await - base);
        let open = nanoseconds(sessions, "/open", ours).await;
        gate.push(nanoseconds(sessions, "/gated", ours).await - open);
        let open = nanoseconds(&plain_open, "/", ours).await;
        bare_gate.push(nanoseconds(&plain_gated, "/", ours).await - open);
    }
    println!("nanoseconds above a router with a layer that does nothing, median of {ROUNDS} rounds in turns");
    println!("the whole stack, all of it read: {:.0}", median(whole));
    println!("the whole stack, one session value read: {:.0}", median(one));
    println!("the whole stack, nothing of it read: {:.0}", median(unused));
    println!("tower-sessions with its memory store, one value read: {:.0}", median(peer));
    println!("a gate in an axum router, above a layer that does nothing: {:.0}", median(gate));
    println!("a gate around a plain service, above a layer that does nothing: {:.0}", median(bare_gate));
}
