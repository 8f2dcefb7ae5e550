//! What each question of `guestbook.analytics()` costs in time and memory, beside DuckDB on the same rows.
//!
//! ```text
//! cargo run --release --bin analytics -- --file /tmp/shop.db --events 10000000 --users 100000 --days 90
//! cargo run --release --bin analytics -- --file /tmp/shop.db ... --export /tmp/shop --peer python3
//! ```
//!
//! The file is made the first time (`--seed` makes another one) and taken again if it has the same size. Each question is asked
//! `--times` times (5) by a process of its own, so that its memory is its own: `MiB` is the peak above what the process had before it
//! asked anything. Before that, hours and days are rolled up; with `--raw yes` they are not, and with
//! `--rolling yes` they are rolled up while the file is made. `--only WORD` asks those whose name has that word. With `--export` the rows are written as Parquet, and with
//! `--peer PYTHON` DuckDB (the package `duckdb` of that Python, with two threads) loads them into a table and is asked the same as
//! often, in turns; the answers are compared to the last row.

mod memory;
mod peer;
mod questions;
mod rows;

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tower_guestbook::{
    Clock, Guestbook, Timestamp,
    activity::{Entry, EventId, Offload, OffloadedUsers},
    analytics::{AnalyticsRules, Range},
    retention::RetentionRules,
    store::{ActivityStore, Commit, SqliteStore, sqlite::Durability},
};

use self::{
    peer::Peer,
    questions::{NAMES, Questions},
    rows::{BEGIN, DAY, Rows, Size},
};

const BATCH: usize = 1_024;

struct Settings {
    file: PathBuf,
    size: Size,
    times: usize,
    only: String,
    export: Option<PathBuf>,
    peer: Option<String>,
    /// In the process that asks one question: which.
    ask: Option<String>,
}

impl Settings {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let find = |name: &str| arguments.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
        let number = |name, default| find(name).map_or(default, |text| text.parse().expect("a number"));
        Self {
            file: find("--file").expect("--file says where the database is").into(),
            size: Size {
                events: number("--events", 10_000_000),
                users: number("--users", 100_000),
                days: number("--days", 90),
                seed: number("--seed", 7),
            },
            times: number("--times", 5) as usize,
            only: find("--only").unwrap_or_default(),
            export: find("--export").map(PathBuf::from),
            peer: find("--peer"),
            ask: find("--ask"),
        }
    }
}

fn has(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// Makes the file, unless it is there.
async fn fill(settings: &Settings) {
    let note = settings.file.with_extension("size");
    let size = format!("{:?}", settings.size);
    if std::fs::read_to_string(&note).is_ok_and(|noted| noted == size) {
        return;
    }
    assert!(!settings.file.exists(), "{} is there and of another size", settings.file.display());
    let store = SqliteStore::builder(&settings.file).durability(Durability::Normal).open().expect("a new file");
    let clock = Clock::manual(Timestamp::from_millis(BEGIN));
    let rolling = has("--rolling").then(|| {
        let rules = AnalyticsRules::new().roll_up_every(None);
        let builder = Guestbook::builder(store.clone()).clock(clock.clone()).analytics(rules);
        let guestbook = builder.retention(RetentionRules::off()).build().expect("the settings are right");
        tokio::spawn(async move {
            loop {
                guestbook.analytics().roll_up().await.expect("rolled up");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    });
    let (begin, mut rows, mut number) = (Instant::now(), Rows::new(settings.size), 0);
    loop {
        let entries: Arc<[Entry]> = rows
            .by_ref()
            .take(BATCH)
            .map(|event| {
                number += 1;
                Entry { id: EventId { origin: 1, number }, event }
            })
            .collect();
        if entries.is_empty() {
            break;
        }
        let last = entries.iter().map(|entry| entry.event.time).max().expect("not empty");
        store.append(entries, Commit::Relaxed).await.expect("appended");
        let passed = last.as_millis() - clock.now().as_millis();
        clock.advance(Duration::from_millis(passed.max(0).unsigned_abs()));
    }
    if let Some(rolling) = rolling {
        rolling.abort();
    }
    store.close().await.expect("closed");
    std::fs::write(note, size).expect("written");
    let seconds = begin.elapsed().as_secs_f64();
    println!("{number} events stored in {seconds:.1} s: {:.0} in a second", number as f64 / seconds);
}

fn guestbook(settings: &Settings) -> Guestbook {
    let store = SqliteStore::open(&settings.file).expect("the file is there");
    let rules = AnalyticsRules::new().time_limit(Duration::from_secs(600)).max_events(50_000_000).roll_up_every(None);
    let now = Timestamp::from_millis(BEGIN + settings.size.days as i64 * DAY);
    let retention = RetentionRules::off();
    Guestbook::builder(store).clock(Clock::manual(now)).analytics(rules).retention(retention).build().expect("the settings are right")
}

/// Sums up what is over.
async fn roll_up(settings: &Settings) {
    let (guestbook, begin) = (guestbook(settings), Instant::now());
    guestbook.analytics().roll_up().await.expect("rolled up");
    let size = std::fs::metadata(&settings.file).expect("it is there").len() >> 20;
    println!("rolled up in {:.1} s, the file has {size} MiB", begin.elapsed().as_secs_f64());
}

async fn export(settings: &Settings, directory: &Path) {
    if directory.exists() {
        return;
    }
    let (guestbook, begin) = (guestbook(settings), Instant::now());
    let until = Timestamp::from_millis(BEGIN + (settings.size.days as i64 + 10) * DAY);
    let range = Range::new(Timestamp::from_millis(BEGIN), until).expect("in order");
    let offload = Offload::new(range).users(OffloadedUsers::Plain);
    let days = guestbook.activities().offload(offload, directory).await.expect("written");
    let rows: u64 = days.iter().map(|day| day.rows).sum();
    println!("{rows} events exported in {:.0} s", begin.elapsed().as_secs_f64());
}

/// Asks one question, once for each line that comes in.
async fn ask(settings: &Settings, name: &str) {
    let guestbook = guestbook(settings);
    let questions = Questions::new(guestbook.analytics().clone(), settings.size);
    // Connections are open, the schema is read.
    guestbook.ready().await.expect("the file is readable");
    let idle = memory::now();
    for line in std::io::stdin().lines() {
        line.expect("text");
        memory::forget_peak();
        let begin = Instant::now();
        let answer = questions.ask(name).await;
        let millis = begin.elapsed().as_secs_f64() * 1e3;
        let peak = memory::peak().saturating_sub(idle);
        let (rows, answer, error) = match answer {
            Ok((rows, answer)) => (rows, answer, None),
            Err(error) => (0, Value::Null, Some(format!("{:?}", error.kind()))),
        };
        println!("{}", json!({ "ms": millis, "peak": peak, "rows": rows, "answer": answer, "error": error }));
    }
}

/// Another process that answers a line with a line.
struct Asked {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Asked {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, answers }
    }

    fn ask(&mut self, line: &str) -> Value {
        let question = self.child.stdin.as_mut().expect("it is piped");
        writeln!(question, "{line}").expect("it reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).expect("it answers in JSON")
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("it ends");
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn table(settings: &Settings) {
    let mut peer = settings.peer.as_ref().map(|python| Peer::start(python, settings));
    println!("{:<24} {:>10} {:>8} {:>8}  {:>10} {:>6}", "question", "median ms", "rows", "MiB", "DuckDB ms", "ratio");
    for name in NAMES.iter().filter(|name| name.contains(&settings.only)) {
        let mut command = Command::new(std::env::current_exe().expect("it has a name"));
        command.args(std::env::args().skip(1)).args(["--ask", name]);
        let mut own = Asked::start(&mut command);
        let (mut times, mut theirs, mut peak, mut last) = (Vec::new(), Vec::new(), 0, Value::Null);
        for _ in 0..settings.times {
            last = own.ask("");
            times.push(last["ms"].as_f64().expect("a number"));
            peak = peak.max(last["peak"].as_u64().expect("a number"));
            let other = peer.as_mut().and_then(|peer| peer.ask(name));
            if let Some(other) = other.filter(|_| last["error"].is_null()) {
                theirs.push(other["ms"].as_f64().expect("a number"));
                peer::compare(name, &last["answer"], &other["answer"]);
            }
        }
        own.end();
        let (time, rows, peak) = (median(times), last["rows"].as_u64().unwrap_or_default(), peak as f64 / 1024.0);
        let cells = match &last["error"] {
            Value::Null => format!("{time:>10.2} {rows:>8} {peak:>8.1}"),
            error => format!("{time:>10.2} {:>17}", error.as_str().unwrap_or_default()),
        };
        if theirs.is_empty() {
            println!("{name:<24} {cells}");
        } else {
            let theirs = median(theirs);
            println!("{name:<24} {cells}  {theirs:>10.2} {:>6.2}  equal", time / theirs);
        }
    }
    if let Some(peer) = peer {
        peer.end();
    }
}

#[tokio::main]
async fn main() {
    let settings = Settings::read();
    if let Some(name) = &settings.ask {
        return ask(&settings, name).await;
    }
    fill(&settings).await;
    if let Some(directory) = &settings.export {
        export(&settings, directory).await;
    }
    if !has("--raw") {
        roll_up(&settings).await;
    }
    table(&settings);
}
