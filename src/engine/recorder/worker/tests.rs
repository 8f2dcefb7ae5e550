//! A spool file that becomes unreadable. This cannot be done through the public API.

use std::{fs, path::Path, sync::Arc, time::Duration};

use super::*;
use crate::{
    engine::recorder::{Recorder, RecorderSettings},
    error::{Error, ErrorKind},
    model::activity::{ActivityFilter, Entry, Event, EventType, HistoryPage, HistoryQuery},
    store::{ActivityStore, Commit, MemoryStore},
    time::Timestamp,
};

fn settings(directory: &Path) -> RecorderSettings {
    RecorderSettings::new().retry(1, Duration::ZERO).spool(directory, 1 << 20)
}

/// A store that is always unavailable.
struct OutOfReach;

impl ActivityStore for OutOfReach {
    async fn append(&self, _: Arc<[Entry]>, _: Commit) -> Result<Vec<Option<u64>>> {
        Err(out_of_reach())
    }

    async fn history(&self, _: HistoryQuery) -> Result<HistoryPage> {
        Err(out_of_reach())
    }

    async fn count(&self, _: ActivityFilter) -> Result<u64> {
        Err(out_of_reach())
    }

    async fn delete_activities(&self, _: ActivityFilter, _: usize) -> Result<usize> {
        Err(out_of_reach())
    }

    async fn anonymise(&self, _: ActivityFilter, _: usize) -> Result<usize> {
        Err(out_of_reach())
    }
}

fn out_of_reach() -> Error {
    Error::new(ErrorKind::Unavailable, "out of reach")
}

/// Two spool files of two earlier processes, with two events each.
async fn two_files(directory: &Path) {
    for _ in 0..2 {
        let (recorder, worker) = Recorder::pair(Arc::new(OutOfReach), settings(directory), Clock::system()).unwrap();
        let worker = tokio::spawn(worker.run());
        for _ in 0..2 {
            recorder.record(Event::new(EventType::LOGIN, Timestamp::from_millis(1)));
        }
        recorder.flush().await.unwrap_err();
        // Simulates a crash: a shutdown would store the adopted events.
        worker.abort();
        let _ = worker.await;
    }
}

fn files(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[tokio::test(start_paused = true)]
async fn unreadable_spool_file_is_set_aside_and_blocks_nothing() {
    let directory = tempfile::tempdir().unwrap();
    two_files(directory.path()).await;
    assert_eq!(files(directory.path()), 2);
    let store = Arc::new(MemoryStore::new());
    let (recorder, worker) = Recorder::pair(store.clone(), settings(directory.path()), Clock::system()).unwrap();
    worker.spool.as_ref().unwrap().lock().unwrap().break_first();
    tokio::spawn(worker.run());
    while recorder.stats().spooled > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ActivityStore::count(&*store, ActivityFilter::new()).await.unwrap(), 2, "those of the other file");
    let stats = recorder.stats();
    assert_eq!((stats.adopted, stats.written, stats.lost), (4, 2, 2));
    recorder.flush().await.expect("nothing waits any more");
    assert_eq!(files(directory.path()), 1, "it stays on the disk");
    recorder.shutdown(Duration::from_secs(1)).await;

    // At the next start it can be read.
    let (recorder, worker) = Recorder::pair(store.clone(), settings(directory.path()), Clock::system()).unwrap();
    tokio::spawn(worker.run());
    while recorder.stats().spooled > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((ActivityStore::count(&*store, ActivityFilter::new()).await.unwrap(), files(directory.path())), (4, 0));
}
