//! The fast paths in turns, so that a machine whose speed drifts is as unfair to one as to the other.
//!
//! Each round runs every case for a millisecond or two; printed is the median of what a case costs above the layer
//! that does nothing, round by round.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use axum::Router;
use peers::{Nothing, bare, call, cookie, guestbook, ours, request, theirs_memory, theirs_rusqlite};

const ROUNDS: usize = 400;
const REQUESTS: u32 = 1_000;

async fn nanoseconds(app: &Router, path: &str, cookie: Option<&str>, requests: u32) -> f64 {
    let mut app = app.clone();
    let begin = Instant::now();
    for _ in 0..requests {
        call(&mut app, request(path, cookie)).await;
    }
    begin.elapsed().as_nanos() as f64 / f64::from(requests)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let path = |name: &str| directory.path().join(name);
    let nothing = bare().layer(Nothing);
    let (warm, _) = guestbook(&path("warm.db"), Duration::from_secs(1));
    let (cold, _) = guestbook(&path("cold.db"), Duration::ZERO);
    let apps = [
        ("guestbook sqlite warm", ours(&warm)),
        ("tower-sessions memory", theirs_memory()),
        ("guestbook sqlite cold", ours(&cold)),
        ("tower-sessions rusqlite", theirs_rusqlite(&path("theirs.db"), true).await),
    ];
    let mut cookies = HashMap::new();
    for (name, app) in &apps {
        cookies.insert(*name, cookie(app).await);
    }
    let cases = [
        ("no cookie", "/", false, 0..2),
        ("unused cookie", "/", true, 0..2),
        ("read", "/read", true, 0..2),
        ("cold read", "/read", true, 2..4),
    ];
    let mut above: HashMap<(&str, &str), Vec<f64>> = HashMap::new();
    for _ in 0..ROUNDS {
        for (case, route, with_cookie, range) in &cases {
            for (name, app) in &apps[range.clone()] {
                let cookie = with_cookie.then(|| cookies[name].as_str());
                let requests = if range.start == 0 { REQUESTS } else { REQUESTS / 20 };
                let base = nanoseconds(&nothing, "/", cookie, REQUESTS).await;
                above.entry((*case, *name)).or_default().push(nanoseconds(app, route, cookie, requests).await - base);
            }
        }
    }
    println!("nanoseconds above a layer that does nothing, median of {ROUNDS} rounds");
    for (case, _, _, range) in &cases {
        let figures: Vec<_> =
            apps[range.clone()].iter().map(|(name, _)| median(above[&(*case, *name)].clone())).collect();
        println!(
            "{case:14} {:>24} {:7.0}   {:>24} {:7.0}   ratio {:.2}",
            apps[range.start].0,
            figures[0],
            apps[range.start + 1].0,
            figures[1],
            figures[0] / figures[1]
        );
    }
}
