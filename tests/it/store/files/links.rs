//! Links and files placed by somebody else under our names.

use std::{fs, os::unix::fs::symlink, path::PathBuf, sync::Arc};

use tower_guestbook::{
    Clock, Error, ErrorKind, Result, Timestamp, UserId,
    activity::{Recorder, RecorderSettings},
    privacy::{Erasure, ErasureJournal, FileJournal, JournalEntry, OnMissingJournal, Pseudonym, StoreFingerprint},
    store::{MemoryStore, SqliteStore},
};

use super::modes::modes;

const SECRET: [u8; 32] = [7; 32];

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Creates a foreign file that must not change.
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(place.at("victim"), "theirs").unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn assert_victim_is_untouched(&self) {
        assert_eq!(fs::read_to_string(self.at("victim")).unwrap(), "theirs");
    }
}

fn entry(until: i64) -> JournalEntry {
    let (user, until) = (UserId::from(1), Timestamp::from_millis(until));
    let erasure = Erasure::begin(user.clone(), Pseudonym::of(&user, &SECRET), Timestamp::from_millis(1), until);
    JournalEntry::erased(&erasure.unwrap())
}

async fn open(journal: &FileJournal) -> Result<()> {
    journal.open(StoreFingerprint::of(&SECRET), OnMissingJournal::Begin).await
}

#[tokio::test]
async fn rewritten_journal_follows_no_link_and_leaves_no_temporary_file() {
    let place = Place::new();
    symlink(place.at("victim"), place.at("erasures.new")).unwrap();
    let journal = FileJournal::new(place.at("erasures"));
    open(&journal).await.unwrap();
    for until in [10, 20] {
        journal.append(entry(until)).await.unwrap();
    }
    // The leftover of a process that died while it rewrote the journal, and a link with such a
    // name.
    fs::write(place.at("erasures.0123456789abcdef.new"), "half").unwrap();
    symlink(place.at("victim"), place.at("erasures.0123456789abcde0.new")).unwrap();
    assert_eq!(journal.delete_expired(Timestamp::from_millis(10)).await.unwrap(), 1);
    assert_eq!(journal.read(None, 10).await.unwrap().entries.len(), 1);
    place.assert_victim_is_untouched();
    let names: Vec<_> = modes(place.directory.path()).into_iter().map(|(name, _)| name).collect();
    let expected =
        ["erasures", "erasures.0123456789abcde0.new", "erasures.lock", "erasures.new", "victim"].map(str::to_owned);
    assert_eq!(names, expected);
}

#[tokio::test]
async fn journal_behind_a_link_stays_in_place() {
    let place = Place::new();
    fs::create_dir(place.at("other disk")).unwrap();
    fs::write(place.at("other disk/real"), "").unwrap();
    symlink(place.at("other disk/real"), place.at("erasures")).unwrap();
    let journal = FileJournal::new(place.at("erasures"));
    open(&journal).await.unwrap();
    for until in [10, 20] {
        journal.append(entry(until)).await.unwrap();
    }
    assert_eq!(journal.delete_expired(Timestamp::from_millis(10)).await.unwrap(), 1);
    assert!(fs::symlink_metadata(place.at("erasures")).unwrap().is_symlink());
    let real = FileJournal::new(place.at("other disk/real"));
    open(&real).await.unwrap();
    assert_eq!(real.read(None, 10).await.unwrap().entries, journal.read(None, 10).await.unwrap().entries);
}

#[tokio::test]
async fn lock_file_that_is_a_link_is_refused() {
    let place = Place::new();
    symlink(place.at("not there"), place.at("erasures.lock")).unwrap();
    let error = open(&FileJournal::new(place.at("erasures"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert!(!place.at("not there").exists());
}

#[cfg(feature = "parquet")]
#[tokio::test]
async fn offloaded_file_follows_no_link_and_replaces_atomically() {
    use tower_guestbook::{
        Guestbook,
        activity::{Event, EventType, Offload},
        analytics::Range,
    };

    use crate::support::START;

    let place = Place::new();
    let day = place.at("day=2027-01-15");
    fs::create_dir(&day).unwrap();
    for name in ["activities.parquet.unfinished", "activities.parquet.0123456789abcdef.unfinished"] {
        symlink(place.at("victim"), day.join(name)).unwrap();
    }
    let guestbook = Guestbook::builder(MemoryStore::new()).clock(Clock::manual(START)).build().unwrap();
    guestbook.recorder().record_durable(Event::new(EventType::PAGE_VIEW, START)).await.unwrap();
    let range = Range::new(START, START.after(std::time::Duration::from_secs(1))).unwrap();
    for _ in 0..2 {
        let days = guestbook.activities().offload(Offload::new(range), place.directory.path()).await.unwrap();
        assert_eq!((days.len(), days[0].bytes), (1, fs::metadata(&days[0].path).unwrap().len()));
    }
    place.assert_victim_is_untouched();
    assert_eq!(fs::read_dir(&day).unwrap().count(), 3, "the links and the file");
}

#[test]
fn directory_named_like_a_spool_file_is_a_clear_error() {
    let open = |place: &Place, spool: &str| -> Error {
        let settings = RecorderSettings::new().spool(place.at(spool), 1 << 20);
        Recorder::pair(Arc::new(MemoryStore::new()), settings, Clock::system()).map(drop).expect_err("it is refused")
    };
    let place = Place::new();
    let error = open(&place, "victim");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("needs a directory") && error.to_string().contains("victim"), "{error}");

    let name = "spool/guestbook-spool-0000000000000001.ndjson";
    fs::create_dir_all(place.at(name)).unwrap();
    let error = open(&place, "spool");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("guestbook-spool-0000000000000001.ndjson"), "{error}");

    fs::remove_dir(place.at(name)).unwrap();
    symlink(place.at("victim"), place.at(name)).unwrap();
    assert_eq!(open(&place, "spool").kind(), ErrorKind::Configuration);
    place.assert_victim_is_untouched();
}

#[test]
fn open_creates_the_database_at_the_target_of_a_link() {
    let place = Place::new();
    fs::create_dir(place.at("disk")).unwrap();
    symlink("disk/real.db", place.at("guestbook.db")).unwrap();
    let _store = SqliteStore::open(place.at("guestbook.db")).unwrap();
    let made = modes(&place.at("disk"));
    assert!(made.contains(&("real.db".into(), 0o600)) && made.iter().all(|(_, mode)| *mode == 0o600), "{made:?}");
}
