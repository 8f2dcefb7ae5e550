//! One path in a loop, for callgrind: `valgrind --tool=callgrind target/release/profile / cookie 20000`.

use std::time::Duration;

use peers::{call, cookie, guestbook, ours, request};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "/".into());
    let with_cookie = arguments.next().is_some_and(|word| word == "cookie");
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let (book, _) = guestbook(&directory.path().join("ours.db"), Duration::from_secs(600));
    let mut app = ours(&book);
    let cookie = cookie(&app).await;
    let iterations = arguments.next().map_or(20_000, |count| count.parse().expect("a number"));
    for _ in 0..iterations {
        call(&mut app, request(&path, with_cookie.then_some(cookie.as_str()))).await;
    }
}
