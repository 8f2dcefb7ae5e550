//! How long an erasure takes among millions of rows, how it affects others, and the speed and memory of an export.
//!
//! `cargo run --release --bin erasure -- 5000000 100000 1000000`: rows in all, rows of the user who is erased, spread evenly, and
//! rows of the user who is exported (0: no export). `ERASURE_DATABASE` names a file that keeps the rows for another run. With the feature `count` the export's heap is measured.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tower_guestbook::{
    Clock, Guestbook, SessionId, SessionToken, Timestamp, UserId,
    activity::{Entry, Event, EventId, EventType, Method, Outcome, RequestTrace, ResponseTrace},
    client::Agent,
    session::{Lifetime, OnSessionLimit, SessionCap, SessionData, SessionHead, SessionRecord},
    store::{ActivityStore, Commit, EpochRule, SessionStore, SqliteStore},
};

struct Counting;

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if cfg!(feature = "count") {
            let live = LIVE.fetch_add(layout.size() as u64, Ordering::Relaxed) + layout.size() as u64;
            PEAK.fetch_max(live, Ordering::Relaxed);
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

const BATCH: u64 = 1_024;
const USERS: u64 = 100_000;

/// SplitMix64: the same rows in every run.
fn random(number: u64, below: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % below
}

fn event(number: u64, user: u64, routes: &[Arc<str>]) -> Event {
    let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(1_790_000_000_000 + number as i64 * 3));
    event.user = Some(UserId::from(user as i64));
    event.session = Some(SessionId::from(uuid::Uuid::from_u128(u128::from(user) << 64 | u128::from(number / 50_000))));
    let mut request = RequestTrace::default();
    request.route = routes[random(number, 40) as usize].clone();
    request.method = Method::Get;
    request.agent = Agent::from_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    request.network = Some(std::net::IpAddr::from([198, 51, (user % 200) as u8, 7]).into());
    event.request = Some(request);
    event.response = Some(ResponseTrace::new(200, 200 + number % 20_000, 500 + number % 60_000, Outcome::Completed));
    event
}

async fn append(store: &SqliteStore, origin: u64, first: u64, count: u64, event: impl Fn(u64) -> Event) {
    let entries = (first..first + count).map(|number| Entry { id: EventId { origin, number }, event: event(number) });
    store.append(entries.collect(), Commit::Relaxed).await.expect("appended");
}

/// Writes as a busy server does until it is told to stop: the times it waited, in microseconds.
fn writers(store: &SqliteStore, routes: &Arc<[Arc<str>]>, origin: u64, stop: &Arc<AtomicBool>) -> [Task; 2] {
    let (events, sessions) = (store.clone(), store.clone());
    let (routes, stops) = (routes.clone(), [stop.clone(), stop.clone()]);
    let [stop_events, stop_sessions] = stops;
    [
        tokio::spawn(async move {
            let mut times = Vec::new();
            while !stop_events.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let first = times.len() as u64 * 64;
                append(&events, origin, first, 64, |number| event(number, 1 + random(number, USERS), &routes)).await;
                times.push(begin.elapsed().as_micros() as u32);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            times
        }),
        tokio::spawn(async move {
            let mut times = Vec::new();
            while !stop_sessions.load(Ordering::Relaxed) {
                let now = Clock::system().now();
                let id = SessionId::generate(now).expect("random bytes");
                let mut head = SessionHead::new(id, now, Lifetime::default());
                head.user = Some(UserId::from(1 + random(times.len() as u64, USERS) as i64));
                let key = SessionToken::generate().expect("random bytes").key();
                let cap = SessionCap { max: 100, on_limit: OnSessionLimit::EndOldest };
                let record = SessionRecord { head, data: SessionData::default() };
                let begin = Instant::now();
                sessions.insert(key, record, cap, EpochRule::Keep, now).await.expect("stored");
                times.push(begin.elapsed().as_micros() as u32);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            times
        }),
    ]
}

type Task = tokio::task::JoinHandle<Vec<u32>>;

async fn report(what: &str, tasks: [Task; 2]) {
    for (who, task) in ["appends of 64", "sessions"].into_iter().zip(tasks) {
        let mut times = task.await.expect("no panic");
        times.sort_unstable();
        let at = |share: f64| f64::from(times[((times.len() - 1) as f64 * share) as usize]) / 1e3;
        println!(
            "{what}, {who}: {} writes, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|number| number.parse().expect("a number")).collect();
    let number = |index: usize, default: u64| numbers.get(index).copied().unwrap_or(default);
    let (rows, theirs, exported) = (number(0, 5_000_000), number(1, 100_000), number(2, 1_000_000));
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let routes: Arc<[Arc<str>]> = (0..40).map(|route| format!("/section/{route}").into()).collect();

    if theirs > 0 {
        let (path, each, begin) = (directory.path().join("erasure.db"), rows / theirs, Instant::now());
        let kept = std::env::var_os("ERASURE_DATABASE").map(std::path::PathBuf::from);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
            std::fs::copy(kept, &path).expect("copied");
        } else {
            let store = SqliteStore::open(&path).expect("a new file");
            for first in (0..rows).step_by(BATCH as usize) {
                let user = |number: u64| if number.is_multiple_of(each) { 0 } else { 1 + random(number, USERS) };
                append(&store, 1, first, BATCH, |number| event(number, user(number), &routes)).await;
            }
            store.close().await.expect("closed");
            kept.map(|kept| std::fs::copy(&path, kept).expect("copied"));
        }
        let store = SqliteStore::open(&path).expect("the file");
        println!("{rows} rows are there after {:.1} s", begin.elapsed().as_secs_f64());
        let guestbook = Guestbook::builder(store.clone()).build().expect("the settings are right");
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = writers(&store, &routes, 2, &stop);
        tokio::time::sleep(Duration::from_secs(4)).await;
        stop.store(true, Ordering::Relaxed);
        report("alone", tasks).await;

        let stop = Arc::new(AtomicBool::new(false));
        let tasks = writers(&store, &routes, 3, &stop);
        let begin = Instant::now();
        let receipt = guestbook.rights().erase(&UserId::from(0)).await.expect("erased");
        let elapsed = begin.elapsed();
        stop.store(true, Ordering::Relaxed);
        println!(
            "erased {} activities in {:.2} s, clean: {}",
            receipt.erasure.erased.activities,
            elapsed.as_secs_f64(),
            receipt.is_clean
        );
        report("during the erasure", tasks).await;
        guestbook.shutdown().await;
        store.close().await.expect("closed");
    }
    if exported > 0 {
        let store = SqliteStore::open(directory.path().join("export.db")).expect("a new file");
        for first in (0..2 * exported).step_by(BATCH as usize) {
            append(&store, 1, first, BATCH, |number| event(number, number % 2, &routes)).await;
        }
        let guestbook = Guestbook::builder(store.clone()).build().expect("the settings are right");
        guestbook.flush().await.expect("nothing waits");
        let idle = LIVE.load(Ordering::Relaxed);
        PEAK.store(idle, Ordering::Relaxed);
        let (begin, mut bytes, mut parts) = (Instant::now(), 0, 0);
        let mut export = guestbook.rights().export(&UserId::from(0)).await.expect("begun");
        while let Some(part) = export.next().await {
            bytes += part.expect("read").len();
            parts += 1;
        }
        let (elapsed, megabytes) = (begin.elapsed().as_secs_f64(), bytes as f64 / 1e6);
        println!("exported {exported} activities, {megabytes:.0} MB in {parts} parts: {:.0} MB/s", megabytes / elapsed);
        if cfg!(feature = "count") {
            let peak = PEAK.load(Ordering::Relaxed) - idle;
            println!("heap at most {:.2} MiB above idle", peak as f64 / f64::from(1 << 20));
        }
        guestbook.shutdown().await;
    }
}
