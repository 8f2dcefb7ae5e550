//! Heap allocations per request above the bare router, counted by the allocator.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::Router;
use peers::{Nothing, bare, call, cookie, guestbook, ours, request, theirs_memory};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The fewest of many, so that a touch or a reload of the cache does not count.
async fn allocations(app: &Router, path: &str, cookie: Option<&str>) -> u64 {
    let mut fewest = u64::MAX;
    for _ in 0..200 {
        let (mut app, request) = (app.clone(), request(path, cookie));
        let before = COUNT.load(Ordering::Relaxed);
        let response = call(&mut app, request).await;
        fewest = fewest.min(COUNT.load(Ordering::Relaxed) - before);
        drop(response);
    }
    fewest
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory on disk");
    let bare = allocations(&bare().layer(Nothing), "/", None).await;
    let (book, _) = guestbook(&directory.path().join("ours.db"), Duration::from_secs(1));
    println!("allocations per request above {bare} of the bare router");
    println!("{:24} {:>10} {:>8} {:>8}", "", "no cookie", "unused", "read");
    for (name, app) in [("guestbook sqlite warm", ours(&book)), ("tower-sessions memory", theirs_memory())] {
        let cookie = cookie(&app).await;
        let none = allocations(&app, "/", None).await - bare;
        let unused = allocations(&app, "/", Some(&cookie)).await - bare;
        let read = allocations(&app, "/read", Some(&cookie)).await - bare;
        println!("{name:24} {none:>10} {unused:>8} {read:>8}");
    }
}
