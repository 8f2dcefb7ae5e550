//! 64 parallel writers, each to a session of its own, each waiting until its write is durable.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::Router;
use peers::{call, cookie, guestbook, ours, request, theirs_rusqlite};

const WRITERS: usize = 64;
const TIME: Duration = Duration::from_secs(5);

async fn writes_per_second(app: Router) -> f64 {
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut cookies = Vec::new();
    for _ in 0..WRITERS {
        cookies.push(cookie(&app).await);
    }
    let begin = Instant::now();
    let writers: Vec<_> = cookies
        .into_iter()
        .map(|cookie| {
            let (mut app, stop, written) = (app.clone(), stop.clone(), written.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    call(&mut app, request("/write", Some(&cookie))).await;
                    written.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(TIME).await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    written.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let path = |name: &str| directory.path().join(name);
    let theirs = writes_per_second(theirs_rusqlite(&path("theirs.db"), false).await).await;
    let tuned = writes_per_second(theirs_rusqlite(&path("tuned.db"), true).await).await;
    let (book, _) = guestbook(&path("ours.db"), Duration::from_secs(1));
    let ours = writes_per_second(ours(&book)).await;
    println!("{WRITERS} writers, durable writes per second");
    println!("tower-sessions rusqlite             {theirs:9.0}");
    println!("tower-sessions rusqlite, WAL        {tuned:9.0}");
    println!("guestbook sqlite                    {ours:9.0}   {:.1} times, {:.1} times", ours / theirs, ours / tuned);
}
