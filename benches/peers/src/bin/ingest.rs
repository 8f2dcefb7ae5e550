//! What storing activities costs beside a raw prepared batch insert of the same rows, and how large a row is.
//!
//! `cargo run --release --bin ingest -- 1000000 [uniform] [apart]`: this number of rows; `uniform` takes a random user for each row,
//! the worst case for an index, instead of sessions of some ten events; `apart` measures one side after the other instead of
//! in turns, so that neither has to share the disk and the caches.

use std::{sync::Arc, time::Instant};

use rusqlite::{Connection, params};
use tower_guestbook::{
    SessionId, Timestamp, UserId,
    activity::{Entry, Event, EventId, EventType, Method, Outcome, RequestTrace, ResponseTrace},
    client::Agent,
    store::{ActivityStore, Commit, SqliteStore},
};

const BATCH: usize = 1_024;
const USERS: u64 = 100_000;
const SESSIONS_AT_A_TIME: usize = 300;
const EVENTS_PER_SESSION: u64 = 10;

/// SplitMix64: the same rows in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// One row in numbers, from which both sides make theirs.
#[derive(Clone, Copy)]
struct Row {
    time: i64,
    user: u64,
    session: u64,
    route: u64,
    agent: u64,
    latency: u64,
    bytes: u64,
}

struct Rows {
    random: Random,
    time: i64,
    uniform: bool,
    open: Vec<(u64, u64, u64)>,
    sessions: u64,
}

impl Rows {
    fn new(uniform: bool) -> Self {
        Self { random: Random(7), time: 1_790_000_000_000, uniform, open: Vec::new(), sessions: 0 }
    }

    fn next(&mut self) -> Row {
        let random = &mut self.random;
        while self.open.len() < SESSIONS_AT_A_TIME {
            self.sessions += 1;
            self.open.push((random.next(USERS), self.sessions, 1 + random.next(2 * EVENTS_PER_SESSION - 1)));
        }
        let index = random.next(self.open.len() as u64) as usize;
        let (user, session, left) = &mut self.open[index];
        let (user, session) = (*user, *session);
        *left -= 1;
        if *left == 0 {
            self.open.swap_remove(index);
        }
        self.time += random.next(600) as i64;
        Row {
            time: self.time,
            user: if self.uniform { random.next(USERS) } else { user },
            session,
            route: random.next(40),
            agent: session % 60,
            latency: 200 + random.next(20_000),
            bytes: 500 + random.next(60_000),
        }
    }
}

fn event(row: Row, routes: &[Arc<str>]) -> Event {
    let mut event = Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(row.time));
    event.user = Some(UserId::from(row.user as i64));
    event.session = Some(SessionId::from(uuid::Uuid::from_u128(u128::from(row.session) << 32 | 7)));
    let mut request = RequestTrace::default();
    request.route = routes[row.route as usize].clone();
    request.method = Method::Get;
    request.agent = Agent::from_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    request.agent.browser_major = Some(100 + row.agent as u16);
    request.network = Some(std::net::IpAddr::from([198, 51, row.agent as u8, 7]).into());
    event.request = Some(request);
    event.response = Some(ResponseTrace::new(200, row.latency, row.bytes, Outcome::Completed));
    event
}

const RAW: &str = "
    INSERT INTO raw (sequence, time, type, user, session, visitor, route, agent, network, status, latency,
        bytes, outcome, client_time, referrer, campaign, data)
    VALUES (?1, ?2, 1, ?3, ?4, NULL, ?5, ?6, ?7, 200, ?8, ?9, 0, NULL, NULL, NULL, NULL)";

fn megabytes(path: &std::path::Path) -> f64 {
    std::fs::metadata(path).map_or(0.0, |file| file.len() as f64 / 1e6)
}

fn insert_raw(raw: &mut Connection, batch: &[Row], sequence: &mut i64) {
    let transaction = raw.transaction().expect("begun");
    {
        let mut insert = transaction.prepare_cached(RAW).expect("valid SQL");
        for row in batch {
            *sequence += 1;
            insert
                .execute(params![
                    *sequence,
                    row.time,
                    row.user as i64 + 1,
                    row.session as i64,
                    row.route as i64,
                    row.agent as i64,
                    0xc6_33_00 + row.agent as i64,
                    row.latency as i64,
                    row.bytes as i64
                ])
                .expect("inserted");
        }
    }
    transaction.commit().expect("committed");
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(1_000_000, |count| count.parse().expect("a number"));
    let words: Vec<String> = arguments.collect();
    let (uniform, apart) = (words.iter().any(|word| word == "uniform"), words.iter().any(|word| word == "apart"));
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let routes: Vec<Arc<str>> = (0..40).map(|route| format!("/section/{route}").into()).collect();
    let step = (count / 10 / BATCH).max(1) * BATCH;

    // What one would write by hand: the same columns, an index for users and one for sessions; the store's settings.
    let path = directory.path().join("raw.db");
    let mut raw = Connection::open(&path).expect("a new file");
    raw.execute_batch(
        "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;
         PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-32768;
         CREATE TABLE raw (
             sequence INTEGER PRIMARY KEY, time INTEGER NOT NULL, type INTEGER NOT NULL, user INTEGER, session INTEGER,
             visitor INTEGER, route INTEGER, agent INTEGER, network INTEGER, status INTEGER, latency INTEGER, bytes INTEGER,
             outcome INTEGER, client_time INTEGER, referrer TEXT, campaign TEXT, data TEXT
         ) STRICT;
         CREATE INDEX raw_by_user ON raw (user);
         CREATE INDEX raw_by_session ON raw (session);",
    )
    .expect("a schema");

    let our_path = directory.path().join("ours.db");
    let store = SqliteStore::open(&our_path).expect("a new file");

    // In turns, so that a machine whose speed drifts is as unfair to one as to the other.
    let (mut raw_rows, mut our_rows) = (Rows::new(uniform), Rows::new(uniform));
    let (mut raw_steps, mut our_steps) = (Vec::new(), Vec::new());
    // On a thread of its own as the store's writer is, with a core's cache to itself.
    let (to_raw, batches) = std::sync::mpsc::channel::<Vec<Row>>();
    let (done, from_raw) = std::sync::mpsc::channel();
    let raw = std::thread::spawn(move || {
        let mut sequence = 0;
        for batch in batches {
            insert_raw(&mut raw, &batch, &mut sequence);
            done.send(()).expect("somebody waits");
        }
    });
    let mut number = 0;
    let steps = count.div_ceil(step);
    let passes: &[(bool, bool)] = if apart { &[(true, false), (false, true)] } else { &[(true, true)] };
    for (with_raw, with_ours) in passes {
        for _ in 0..steps {
            let (mut raw_time, mut our_time) = (0, 0);
            for _ in 0..step / BATCH {
                if *with_raw {
                    let batch: Vec<Row> = (0..BATCH).map(|_| raw_rows.next()).collect();
                    let begin = Instant::now();
                    to_raw.send(batch).expect("the thread is there");
                    from_raw.recv().expect("inserted");
                    raw_time += begin.elapsed().as_nanos();
                }
                if *with_ours {
                    let entries = (0..BATCH).map(|_| {
                        number += 1;
                        Entry { id: EventId { origin: 1, number }, event: event(our_rows.next(), &routes) }
                    });
                    let entries: Arc<[Entry]> = entries.collect();
                    let begin = Instant::now();
                    store.append(entries.clone(), Commit::Relaxed).await.expect("appended");
                    our_time += begin.elapsed().as_nanos();
                }
            }
            if *with_raw {
                raw_steps.push(raw_time as f64 / step as f64);
            }
            if *with_ours {
                our_steps.push(our_time as f64 / step as f64);
            }
        }
    }
    drop(to_raw);
    raw.join().expect("no panic");
    store.close().await.expect("closed");

    println!("{number} rows, {}", if uniform { "a random user each" } else { "in sessions" });
    println!("{:>12} {:>10} {:>10} {:>7}", "rows", "raw us", "ours us", "speed");
    for (index, (raw, ours)) in raw_steps.iter().zip(&our_steps).enumerate() {
        println!("{:>12} {:>10.2} {:>10.2} {:>6.0}%", (index + 1) * step, raw / 1e3, ours / 1e3, 100.0 * raw / ours);
    }
    let (raw, ours) = (raw_steps.iter().sum::<f64>(), our_steps.iter().sum::<f64>());
    println!(
        "all: {:.0}% of the raw rate; the last tenth: {:.0}% of the raw rate at the beginning",
        100.0 * raw / ours,
        100.0 * raw_steps[0] / our_steps[our_steps.len() - 1]
    );
    let a_row = |path| megabytes(path) * 1e6 / number as f64;
    println!("bytes a row: raw {:.1}, ours {:.1}", a_row(&path), a_row(&our_path));
}
