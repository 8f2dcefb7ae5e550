//! Events that the store does not accept wait on disk.

use super::*;

#[tokio::test]
async fn spool_keeps_events_until_the_store_accepts_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = FaultyStore::default();
    let settings = RecorderSettings::new().retry(1, Duration::ZERO).spool(directory.path(), 1 << 20);
    let recorder = running(&store, settings);
    store.set(Fault::Failing);
    for number in 0..30 {
        recorder.record(event(number));
        if number % 10 == 9 {
            recorder.flush().await.unwrap_err();
        }
    }
    let stats = recorder.stats();
    assert_eq!((stats.spooled, stats.lost, stats.written), (30, 0, 0));
    assert_eq!(spool_files(directory.path()), 1);
    let error = recorder.flush().await.unwrap_err();
    assert!(error.to_string().contains("spool"), "nothing new, but not everything is stored: {error}");
    store.set(Fault::Good);
    recorder.record(event(30));
    until_spool_is_empty(&recorder).await;
    let mut all = stored(&*store.store).await;
    assert_eq!(all[0], 30, "new events do not wait for old ones");
    all.sort_unstable();
    assert_eq!(all, (0..=30).collect::<Vec<_>>());
    assert_eq!(spool_files(directory.path()), 0);
    assert_balanced(&recorder.stats());
    recorder.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn spool_is_bounded_and_further_events_are_counted_as_lost() {
    let directory = tempfile::tempdir().unwrap();
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new().retry(1, Duration::ZERO).spool(directory.path(), 10_000));
    store.set(Fault::Failing);
    for number in 0..200 {
        recorder.record(event(number));
        recorder.flush().await.unwrap_err();
    }
    let stats = recorder.stats();
    assert!(stats.spooled > 20 && stats.lost > 20 && stats.spooled + stats.lost == 200, "{stats:?}");
    let bytes: u64 = fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= 10_000);
}

#[tokio::test]
async fn spool_adopts_files_of_dead_processes_only() {
    let directory = tempfile::tempdir().unwrap();
    let dead = FaultyStore::default();
    let settings = || RecorderSettings::new().retry(1, Duration::ZERO).spool(directory.path(), 1 << 20);
    dead.set(Fault::Failing);
    let recorder = running(&dead, settings());
    for number in 0..5 {
        recorder.record(event(number));
    }
    recorder.flush().await.unwrap_err();
    let report = recorder.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.spooled, report.lost), (5, 0));
    drop(recorder);
    let file = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 5, "a line each");
    bytes.extend_from_slice(br#"{"id":{"origin":1,"num"#);
    bytes.extend_from_slice(b"\nnot json at all\n");
    fs::write(&file, bytes).unwrap();

    let living = FaultyStore::default();
    living.set(Fault::Failing);
    let recorder = running(&living, settings());
    recorder.record(event(77));
    recorder.flush().await.unwrap_err();
    let other = FaultyStore::default();
    let second = running(&other, settings());
    until_spool_is_empty(&second).await;
    assert_eq!(stored(&*other.store).await, [] as [usize; 0], "both files have an owner");

    living.set(Fault::Good);
    until_spool_is_empty(&recorder).await;
    let mut all = stored(&*living.store).await;
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4, 77], "damaged lines are left out");
    assert_eq!(spool_files(directory.path()), 0);
}

#[tokio::test]
async fn refused_events_are_lost_and_block_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = FaultyStore::default();
    fs::write(directory.path().join("guestbook-spool-0000000000000007.ndjson"), "").unwrap();
    let recorder = running(&store, RecorderSettings::new().retry(1, Duration::ZERO).spool(directory.path(), 1 << 20));
    assert_eq!(spool_files(directory.path()), 0, "a file without a line is removed");
    store.set(Fault::Failing);
    recorder.record(event(1));
    recorder.flush().await.unwrap_err();
    store.set(Fault::Refusing);
    recorder.record(event(2));
    assert_eq!(recorder.flush().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!((recorder.stats().lost, recorder.stats().spooled), (1, 1));
    // The events in the spool are invalid now, too.
    until_spool_is_empty(&recorder).await;
    assert_eq!((recorder.stats().lost, spool_files(directory.path())), (2, 0));
    store.set(Fault::Good);
    recorder.record(event(3));
    recorder.flush().await.unwrap();
    assert_eq!(stored(&*store.store).await, [3]);
    assert_balanced(&recorder.stats());
}

#[tokio::test]
async fn invalid_spool_is_an_error_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let settings = RecorderSettings::new().spool(&file, 1 << 20);
    let error = Guestbook::builder(MemoryStore::new()).recorder(settings).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    for settings in [
        RecorderSettings::new().queue(0),
        RecorderSettings::new().queue(10).batch(11, Duration::ZERO),
        RecorderSettings::new().retry(0, Duration::ZERO),
        RecorderSettings::new().store_timeout(Duration::ZERO),
    ] {
        let error = Guestbook::builder(MemoryStore::new()).recorder(settings).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn full_disk_fills_the_spool_and_everything_is_stored_later() {
    use tower_guestbook::{
        activity::{Campaign, RequestTrace},
        store::SqliteStore,
    };

    let directory = tempfile::tempdir().unwrap();
    let spool = directory.path().join("spool");
    let Some(disk) = crate::store::sqlite::Disk::mount(directory.path().join("disk"), "2m") else {
        eprintln!("not run: mounting needs the superuser");
        return;
    };
    let store = SqliteStore::open(disk.0.join("guestbook.db")).unwrap();
    let settings = RecorderSettings::new().retry(1, Duration::ZERO).spool(&spool, 64 << 20);
    let (recorder, worker) = Recorder::pair(Arc::new(store.clone()), settings, Clock::manual(START)).unwrap();
    tokio::spawn(worker.run());
    let big = |number: usize| {
        let mut event = event(number);
        let mut trace = RequestTrace::default();
        let mut campaign = Campaign::default();
        campaign.term = Some("x".repeat(4_000).into());
        trace.campaign = Some(Box::new(campaign));
        event.request = Some(trace);
        event
    };
    let mut number = 0;
    while recorder.stats().spooled < 100 {
        recorder.record(big(number));
        number += 1;
        if number % 50 == 0
            && let Err(error) = recorder.flush().await
        {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
        assert!(number < 2_000, "the disk is full by now");
    }
    let _ = recorder.flush().await;
    assert!(recorder.stats().written > 0);
    disk.remount("size=64m");
    until_spool_is_empty(&recorder).await;
    let count = store.count(ActivityFilter::new()).await.unwrap();
    let stats = recorder.stats();
    assert_eq!((count, stats.written, stats.lost), (number as u64, number as u64, 0));
    recorder.shutdown(Duration::from_secs(5)).await;
    store.close().await.unwrap();
}
