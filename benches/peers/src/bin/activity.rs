//! What recording costs a request and a handler: nanoseconds and heap allocations of the activity layer around a bare
//! service, and how long `track` takes while 8 tasks record at full speed.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, response::Html, routing::get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, service_fn};
use tower_guestbook::{
    Guestbook, Timestamp, UserId,
    activity::{Event, EventData, EventLimits, EventType, RequestTrace},
    http::{PeerAddress, RouteTemplate},
    store::{SqliteStore, sqlite::Durability},
};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

thread_local!(static OWN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) });

fn grow(bytes: usize) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    OWN.set(OWN.get() + 1);
    let live = LIVE.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if cfg!(feature = "count") {
            grow(layout.size());
        }
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if cfg!(feature = "count") {
            LIVE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        }
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const ROUNDS: usize = 300;
const REQUESTS: u32 = 1_000;

/// Number of calls whose time a task keeps.
const SAMPLES: usize = 4_000_000;

fn request() -> Request<Body> {
    let mut request = Request::get("/shop/{item}")
        .header("host", "shop.example")
        .header("user-agent", AGENT)
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "eo,en;q=0.5")
        .header("sec-fetch-dest", "document")
        .header("referer", "https://shop.example/")
        .body(Body::empty())
        .expect("this is a request");
    request.extensions_mut().insert(PeerAddress(([203, 0, 113, 77], 40_000).into()));
    request.extensions_mut().insert(RouteTemplate::new("/shop/{item}"));
    request
}

async fn page(_: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("<p>hello"));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/html"));
    Ok(response)
}

/// Calls and reads to the end; the request is made outside.
async fn nanoseconds<S, R>(service: &mut S) -> f64
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible>,
    R: http_body::Body,
{
    let requests: Vec<_> = (0..REQUESTS).map(|_| request()).collect();
    let begin = Instant::now();
    for request in requests {
        let response = service.call(request).await.unwrap_or_else(|never| match never {});
        let mut body = std::pin::pin!(response.into_body());
        while let Some(frame) = body.as_mut().frame().await {
            std::hint::black_box(frame.is_ok());
        }
    }
    begin.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
}

/// The fewest of many on this thread.
async fn allocations<S, R>(service: &mut S) -> u64
where
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible>,
    R: http_body::Body,
{
    let mut fewest = u64::MAX;
    for _ in 0..200 {
        let request = request();
        let before = OWN.get();
        let response = service.call(request).await.unwrap_or_else(|never| match never {});
        let mut body = std::pin::pin!(response.into_body());
        while let Some(frame) = body.as_mut().frame().await {
            std::hint::black_box(frame.is_ok());
        }
        fewest = fewest.min(OWN.get() - before);
    }
    fewest
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let store = SqliteStore::builder(directory.path().join("guestbook.db")).durability(Durability::Normal);
    let store = store.open().expect("a new file");
    let guestbook = Guestbook::builder(store.clone()).build().expect("the settings are right");

    let mut bare = service_fn(page);
    let mut recorded = guestbook.activity_layer().layer(service_fn(page));
    let router = || Router::new().route("/{page}/{item}", get(async || Html("<p>hello")));
    let mut with_sessions = router().layer(guestbook.session_layer());
    let mut with_all = router().layer(guestbook.layer());

    if std::env::args().nth(1).is_some_and(|word| word == "profile") {
        // For a profiler: only the layer, around a service that does nothing.
        let rounds = std::env::args().nth(2).map_or(2_000, |rounds| rounds.parse().expect("a number"));
        for _ in 0..rounds {
            std::hint::black_box(nanoseconds(&mut recorded).await);
            guestbook.flush().await.expect("stored");
        }
        return;
    }
    if cfg!(feature = "count") {
        let base = allocations(&mut bare).await;
        println!(
            "heap allocations of the activity layer around a bare service: {}",
            allocations(&mut recorded).await - base
        );
        let base = allocations(&mut with_sessions).await;
        println!("and in a router that has sessions already: {}", allocations(&mut with_all).await - base);
    } else {
        let (mut alone, mut inside, mut base) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let plain = nanoseconds(&mut bare).await;
            base.push(plain);
            alone.push(nanoseconds(&mut recorded).await - plain);
            guestbook.flush().await.expect("stored");
            let sessions = nanoseconds(&mut with_sessions).await;
            inside.push(nanoseconds(&mut with_all).await - sessions);
            guestbook.flush().await.expect("stored");
        }
        println!("bare service with its body: {:.0} ns", median(base));
        println!("activity layer around a bare service, recording: {:.0} ns", median(alone));
        println!("activity layer in a router that has sessions already: {:.0} ns", median(inside));
    }
    let before = guestbook.recorder().stats();

    let trace = RequestTrace::default();
    let data = EventData::new(&serde_json::json!({ "page": "/prices" }), &EventLimits::default()).expect("small");
    let deadline = Instant::now() + Duration::from_secs(5);
    let memory = LIVE.load(Ordering::Relaxed);
    PEAK.store(memory, Ordering::Relaxed);
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (recorder, trace, data) = (guestbook.recorder().clone(), trace.clone(), data.clone());
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(SAMPLES);
                let user = UserId::from(task);
                while Instant::now() < deadline {
                    for _ in 0..64 {
                        let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(1_800_000_000_000));
                        event.user = Some(user.clone());
                        event.request = Some(trace.clone());
                        event.data = Some(data.clone());
                        let begin = Instant::now();
                        recorder.record(event);
                        if times.len() < times.capacity() {
                            times.push(begin.elapsed().as_nanos() as u32);
                        }
                    }
                    tokio::task::yield_now().await;
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    let mut peak = 0;
    for task in tasks {
        let some = task.await.expect("no panic");
        if peak == 0 {
            // Before the samples are put together.
            peak = PEAK.load(Ordering::Relaxed) - memory - (8 * SAMPLES * size_of::<u32>()) as u64;
        }
        times.extend(some);
    }
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    let stats = guestbook.recorder().stats();
    println!(
        "8 tasks recording for 5 s: {:.1} million events, p50 {} ns, p99 {} ns, p99.9 {} ns; {:.0} stored a second, {:.0} % dropped",
        (stats.offered - before.offered) as f64 / 1e6,
        at(0.5),
        at(0.99),
        at(0.999),
        (stats.written - before.written) as f64 / 5.0,
        100.0 * (stats.dropped - before.dropped) as f64 / (stats.offered - before.offered) as f64,
    );
    if cfg!(feature = "count") {
        println!("heap at most {:.1} MiB above idle", peak as f64 / f64::from(1 << 20));
    }
    guestbook.shutdown().await;
}
