//! Modes of new files.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use tower_guestbook::{
    Clock, ErrorKind, Guestbook,
    activity::{Event, EventType, Recorder, RecorderSettings},
    privacy::FileJournal,
    store::{MemoryStore, SqliteStore},
};

use crate::support::{
    START,
    faulty_store::{Fault, FaultyStore},
    log::Log,
};

/// Returns each file and directory below, with its mode, in order of names.
pub(super) fn modes(directory: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
        let name = path.file_name().unwrap().to_string_lossy();
        // A spool file has a random name.
        let name = name.split("-spool-").next().unwrap().to_owned();
        if path.is_dir() {
            found.extend(modes(&path).into_iter().map(|(below, mode)| (format!("{name}/{below}"), mode)));
        }
        found.push((name, mode));
    }
    found.sort();
    found
}

fn assert_modes(directory: &Path, file: u32, folder: u32, expected: &[(&str, bool)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, is_file)| (name.to_string(), if *is_file { file } else { folder })).collect();
    assert_eq!(modes(directory), expected);
}

fn event() -> Event {
    Event::new(EventType::PAGE_VIEW, START)
}

/// Creates a database, a journal, a spool with a file, and files of activities.
async fn make_everything(directory: &Path, mode: Option<u32>) {
    let at = |name: &str| directory.join(name);
    let store = SqliteStore::builder(at("guestbook.db"));
    let store = mode.map_or(store.clone(), |mode| store.file_mode(mode)).open().unwrap();
    let journal = FileJournal::new(at("erasures"));
    let journal = mode.map_or(journal.clone(), |mode| journal.file_mode(mode));
    let clock = Clock::manual(START);
    let guestbook = Guestbook::builder(store).clock(clock.clone()).erasure_journal(journal).build().unwrap();
    guestbook.ready().await.unwrap();
    guestbook.recorder().record_durable(event()).await.unwrap();
    #[cfg(feature = "parquet")]
    {
        use tower_guestbook::{activity::Offload, analytics::Range};
        let offload = Offload::new(Range::new(START, START.after(Duration::from_secs(1))).unwrap());
        let offload = mode.map_or(offload.clone(), |mode| offload.file_mode(mode));
        guestbook.activities().offload(offload, at("lake/activities")).await.unwrap();
    }
    let settings = RecorderSettings::new().retry(1, Duration::ZERO).spool(at("below/spool"), 1 << 20);
    let settings = mode.map_or(settings.clone(), |mode| settings.file_mode(mode));
    let failing = FaultyStore::default();
    failing.set(Fault::Failing);
    let (recorder, worker) = Recorder::pair(Arc::new(failing), settings, clock).unwrap();
    tokio::spawn(worker.run());
    recorder.record(event());
    recorder.flush().await.unwrap_err();

    let day = "lake/activities/day=2027-01-15";
    let parquet = format!("{day}/activities.parquet");
    let mut expected = vec![
        ("below", false),
        ("below/spool", false),
        ("below/spool/guestbook", true),
        ("erasures", true),
        ("erasures.lock", true),
        ("guestbook.db", true),
        ("guestbook.db-shm", true),
        ("guestbook.db-wal", true),
    ];
    if cfg!(feature = "parquet") {
        expected.extend([("lake", false), ("lake/activities", false), (day, false), (parquet.as_str(), true)]);
    }
    let (file, folder) = if mode.is_some() { (0o640, 0o750) } else { (0o600, 0o700) };
    assert_modes(directory, file, folder, &expected);
}

#[tokio::test]
async fn new_files_are_readable_by_the_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    make_everything(directory.path(), None).await;
}

#[tokio::test]
async fn file_mode_lets_a_group_read_new_files() {
    let directory = tempfile::tempdir().unwrap();
    make_everything(directory.path(), Some(0o640)).await;
}

#[tokio::test]
async fn existing_file_keeps_its_mode_with_one_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    make_everything(directory.path(), None).await;
    let made = modes(directory.path());
    for (name, mode) in &made {
        if !name.contains("spool/") {
            fs::set_permissions(
                path(name),
                fs::Permissions::from_mode(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6),
            )
            .unwrap();
        }
    }
    let (log, _guard) = Log::capture();
    let before = modes(directory.path());
    for _ in 0..2 {
        let store = SqliteStore::open(path("guestbook.db")).unwrap();
        let guestbook = Guestbook::builder(store).erasure_journal(FileJournal::new(path("erasures"))).build().unwrap();
        guestbook.ready().await.unwrap();
        Recorder::pair(
            Arc::new(MemoryStore::new()),
            RecorderSettings::new().spool(path("below/spool"), 1 << 20),
            Clock::system(),
        )
        .unwrap();
    }
    let after: Vec<_> =
        modes(directory.path()).into_iter().filter(|found| before.iter().any(|old| old.0 == found.0)).collect();
    assert!(after.iter().all(|found| before.contains(found)), "{before:?} {after:?}");
    for name in ["guestbook.db ", "erasures ", "below/spool "] {
        let line = format!("{}", path(name).display());
        assert_eq!(log.count(&line), 1, "{name}: {}", log.text());
    }
}

#[tokio::test]
async fn file_mode_refuses_invalid_modes() {
    let directory = tempfile::tempdir().unwrap();
    for mode in [0o400, 0o755, 0o1600, 0] {
        let opened = SqliteStore::builder(directory.path().join("guestbook.db")).file_mode(mode).open();
        let error = opened.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{mode:o}");
        assert!(error.to_string().contains("file_mode"), "{error}");
        let recorder = Guestbook::builder(MemoryStore::new()).recorder(RecorderSettings::new().file_mode(mode)).build();
        assert_eq!(recorder.unwrap_err().kind(), ErrorKind::Configuration, "{mode:o}");
        let journal = FileJournal::new(directory.path().join("erasures")).file_mode(mode);
        let guestbook = Guestbook::builder(MemoryStore::new()).erasure_journal(journal).build().unwrap();
        assert_eq!(guestbook.ready().await.unwrap_err().kind(), ErrorKind::Configuration, "{mode:o}");
    }
    assert_eq!(modes(directory.path()), [], "nothing was made");
}
