//! The file of a journal, and what can happen to it.

use super::*;
use crate::store::sqlite::Disk;

const SECRET: [u8; 32] = [7; 32];

impl Place {
    /// The journal, opened for a store.
    pub(super) async fn journal_of(&self, store: &SqliteStore) -> FileJournal {
        let journal = self.journal();
        journal
            .open(StoreFingerprint::of(&store.signing_secret().await.unwrap()), OnMissingJournal::Begin)
            .await
            .unwrap();
        journal
    }

    fn journal_path(&self) -> PathBuf {
        self.directory.path().join("erasures")
    }
}

fn of_user(number: i64, until: u64) -> JournalEntry {
    let user = UserId::from(number);
    let until = START.after(Duration::from_millis(until));
    JournalEntry::erased(&Erasure::begin(user.clone(), Pseudonym::of(&user, &SECRET), START, until).unwrap())
}

async fn opened(place: &Place) -> FileJournal {
    let journal = place.journal();
    journal.open(StoreFingerprint::of(&SECRET), OnMissingJournal::Begin).await.unwrap();
    journal
}

async fn all(journal: &FileJournal) -> Vec<JournalEntry> {
    let page = journal.read(None, usize::MAX).await.unwrap();
    assert_eq!(page.next, None);
    page.entries
}

async fn filled(place: &Place, entries: &[JournalEntry]) -> FileJournal {
    let journal = opened(place).await;
    for entry in entries {
        journal.append(*entry).await.unwrap();
    }
    journal
}

#[tokio::test]
async fn file_journal_reads_entries_of_all_processes_in_order() {
    let place = Place::new();
    let entries: Vec<_> = (0..25).map(|number| of_user(number, 10)).collect();
    for (number, entry) in entries.iter().enumerate() {
        // Each time another process, as far as the lock can tell.
        let journal = opened(&place).await;
        journal.append(*entry).await.unwrap();
        assert_eq!(all(&journal).await, entries[..=number]);
    }
    let journal = opened(&place).await;
    for limit in [1, 7, 24, 25, 26] {
        let (mut read, mut from) = (Vec::new(), None);
        loop {
            let page = journal.read(from, limit).await.unwrap();
            assert!(page.entries.len() <= limit);
            read.extend(page.entries);
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        assert_eq!(read, entries, "{limit} at a time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_journal_keeps_parallel_entries_complete() {
    let place = Place::new();
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let journal = place.journal();
            tokio::spawn(async move {
                journal.open(StoreFingerprint::of(&SECRET), OnMissingJournal::Begin).await.unwrap();
                for step in 0..10 {
                    journal.append(of_user(100 * number + step, 10)).await.unwrap();
                    if step == 5 {
                        journal.delete_expired(START).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let read = all(&opened(&place).await).await;
    let mut pseudonyms: Vec<_> = read.iter().map(|entry| entry.pseudonym).collect();
    pseudonyms.sort_unstable();
    pseudonyms.dedup();
    assert_eq!((read.len(), pseudonyms.len()), (80, 80));
}

#[tokio::test]
async fn file_journal_skips_a_last_line_that_a_crash_cut_off() {
    let place = Place::new();
    let entries = [of_user(1, 10), of_user(2, 10), of_user(3, 10)];
    filled(&place, &entries[..1]).await;
    let whole = std::fs::read(place.journal_path()).unwrap();
    filled(&place, &entries[1..2]).await;
    let longer = std::fs::read(place.journal_path()).unwrap();
    for cut in whole.len()..longer.len() {
        std::fs::write(place.journal_path(), &longer[..cut]).unwrap();
        let journal = opened(&place).await;
        assert_eq!(all(&journal).await, entries[..1], "cut off after {cut} bytes");
        journal.append(entries[2]).await.unwrap();
        assert_eq!(all(&journal).await, [entries[0], entries[2]]);
    }
}

#[tokio::test]
async fn file_journal_names_a_damaged_line_and_nobody_is_served() {
    let place = Place::new();
    let store = place.open();
    append(&store, super::super::entries(1, 1, [event("ada", "hers")])).await;
    let journal = place.journal_of(&store).await;
    for number in 0..4 {
        journal.append(of_user(number, 1_000_000)).await.unwrap();
    }
    let text = std::fs::read_to_string(place.journal_path()).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 5);
    for damaged in 1..5 {
        let mut bytes = text.clone().into_bytes();
        let position = lines[..damaged].concat().len() + lines[damaged].find("until").unwrap() + 9;
        bytes[position] ^= 1;
        std::fs::write(place.journal_path(), bytes).unwrap();
        let (builder, _clock) = support::builder(store.clone());
        let guestbook = builder.erasure_journal(place.journal()).build().unwrap();
        let error = guestbook.ready().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(&format!("line {} of the erasure journal", damaged + 1)), "{error}");
        assert!(!login(&guestbook, "bob").await.is_success());
        guestbook.shutdown().await;
    }
    // Also on a page that does not begin at the beginning.
    std::fs::write(place.journal_path(), &text).unwrap();
    let next = journal.read(None, 2).await.unwrap().next;
    std::fs::write(place.journal_path(), text.replacen(lines[3], "{}\n", 1)).unwrap();
    let error = journal.read(next, 2).await.unwrap_err();
    assert!(error.to_string().contains("line 4 "), "{error}");
    // Without the line, as the error says, it is a journal again.
    std::fs::write(place.journal_path(), text.replacen(lines[3], "", 1)).unwrap();
    assert_eq!(all(&journal).await.len(), 3);
}

#[tokio::test]
async fn file_journal_refuses_and_keeps_a_file_of_another_store() {
    let place = Place::new();
    filled(&place, &[of_user(1, 10)]).await;
    let theirs = std::fs::read_to_string(place.journal_path()).unwrap();
    let newer = theirs.replacen("_journal\":1,", "_journal\":2,", 1);
    assert_ne!(newer, theirs);
    for (text, secret, kind, words) in [
        (theirs.as_str(), [8; 32], ErrorKind::Configuration, "belongs to another store"),
        (newer.as_str(), SECRET, ErrorKind::NewerSchema, "newer version"),
        ("a list of groceries\nmilk\n", SECRET, ErrorKind::Configuration, "is no erasure journal"),
        ("no line", SECRET, ErrorKind::Configuration, "is no erasure journal"),
    ] {
        std::fs::write(place.journal_path(), text).unwrap();
        let journal = place.journal();
        let opened = journal.open(StoreFingerprint::of(&secret), OnMissingJournal::Begin).await.unwrap_err();
        let appended = journal.append(of_user(2, 10)).await.unwrap_err();
        for error in [opened, appended] {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(std::fs::read_to_string(place.journal_path()).unwrap(), text);
    }
    std::fs::write(place.journal_path(), "").unwrap();
    assert_eq!(all(&opened(&place).await).await, [], "an empty file becomes a journal");
    // A whole guestbook says so, too.
    let (builder, _clock) = support::builder(place.open());
    let guestbook = builder.erasure_journal(place.journal()).build().unwrap();
    assert_eq!(guestbook.ready().await.unwrap_err().kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn file_journal_fails_when_its_file_disappears_or_cannot_be_created() {
    let place = Place::new();
    let nowhere = FileJournal::new(place.directory.path().join("no/such/directory/erasures"));
    assert_eq!(
        nowhere.open(StoreFingerprint::of(&SECRET), OnMissingJournal::Begin).await.unwrap_err().kind(),
        ErrorKind::Configuration
    );
    let journal = place.journal();
    assert_eq!(journal.append(of_user(1, 10)).await.unwrap_err().kind(), ErrorKind::Internal, "it was not opened");

    let store = place.open();
    append(&store, super::super::entries(1, 1, [event("ada", "hers")])).await;
    let (guestbook, _clock) = with_journal(store.clone(), &place, place.journal());
    guestbook.ready().await.unwrap();
    std::fs::remove_file(place.journal_path()).unwrap();
    let error = guestbook.rights().erase(&user("ada")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("is missing"), "{error}");
    assert_eq!((store.erasure_of(user("ada")).await.unwrap(), count(&store, "ada").await), (None, 1));
    assert!(!place.journal_path().exists());

    std::fs::create_dir(place.journal_path()).unwrap();
    assert!(guestbook.rights().erase(&user("ada")).await.is_err());
    assert_eq!(store.erasure_of(user("ada")).await.unwrap(), None);
}

#[tokio::test]
async fn ready_reports_a_missing_journal_until_it_is_back_or_accepted_as_lost() {
    let place = Place::new();
    let aside = place.directory.path().join("aside");
    let store = place.open();
    let (guestbook, clock) = with_journal(store.clone(), &place, place.journal());
    guestbook.ready().await.unwrap();
    guestbook.rights().erase(&user("ada")).await.unwrap();
    close(guestbook, store).await;
    std::fs::rename(place.journal_path(), &aside).unwrap();
    let start = || Guestbook::builder(place.open()).clock(clock.clone()).erasure_journal(place.journal());
    for content in [None, Some("")] {
        if let Some(content) = content {
            std::fs::write(place.journal_path(), content).unwrap();
        }
        let guestbook = start().build().unwrap();
        let error = guestbook.ready().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("accept_new_journal()"), "{error}");
        assert!(!login(&guestbook, "bob").await.is_success(), "nobody is served");
        assert_eq!(std::fs::metadata(place.journal_path()).map_or(0, |file| file.len()), 0, "none begins");
        guestbook.shutdown().await;
    }
    // Put back while the guestbook runs.
    let guestbook = start().build().unwrap();
    guestbook.ready().await.unwrap_err();
    std::fs::rename(&aside, place.journal_path()).unwrap();
    assert_eq!(guestbook.rights().replay_journal().await.unwrap().checked, 1);
    guestbook.ready().await.unwrap();
    guestbook.shutdown().await;
    // Lost for good.
    std::fs::remove_file(place.journal_path()).unwrap();
    let guestbook = start().accept_new_journal().build().unwrap();
    guestbook.ready().await.unwrap();
    assert_eq!(guestbook.rights().replay_journal().await.unwrap().checked, 0, "it is a new one");
    guestbook.shutdown().await;
    let guestbook = start().build().unwrap();
    guestbook.ready().await.unwrap();
    guestbook.shutdown().await;
    std::fs::remove_file(place.journal_path()).unwrap();
    start().build().unwrap().ready().await.unwrap_err();
}

#[tokio::test]
async fn erase_fails_without_effect_when_the_journal_is_read_only() {
    let place = Place::new();
    let disk = Disk::mount(place.directory.path().join("disk"), "1m");
    let path = disk.as_ref().map_or(place.directory.path(), |disk| &disk.0).join("own-erasures");
    let store = place.open();
    append(&store, super::super::entries(1, 1, [event("ada", "hers")])).await;
    let (guestbook, _clock) = with_journal(store.clone(), &place, FileJournal::new(&path));
    guestbook.ready().await.unwrap();
    match &disk {
        Some(disk) => disk.remount("ro"),
        None => {
            // Without the right to mount, the process is not the superuser, so permissions apply.
            let mut permissions = std::fs::metadata(&path).unwrap().permissions();
            permissions.set_readonly(true);
            std::fs::set_permissions(&path, permissions).unwrap();
        }
    }
    let error = guestbook.rights().erase(&user("ada")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
    assert_eq!((store.erasure_of(user("ada")).await.unwrap(), count(&store, "ada").await), (None, 1));
}

#[tokio::test]
async fn delete_expired_removes_only_expired_entries() {
    let place = Place::new();
    let entries = [of_user(1, 10), of_user(2, 20), of_user(3, 30), of_user(4, 20)];
    let journal = filled(&place, &entries).await;
    let next = journal.read(None, 2).await.unwrap().next;
    let at = |millis| START.after(Duration::from_millis(millis));
    assert_eq!(journal.delete_expired(at(9)).await.unwrap(), 0);
    assert_eq!(journal.read(next, 2).await.unwrap().entries, entries[2..], "nothing has moved");
    assert_eq!(journal.delete_expired(at(20)).await.unwrap(), 3, "to the millisecond");
    assert_eq!(journal.read(next, 2).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(all(&journal).await, [entries[2]]);
    journal.append(entries[0]).await.unwrap();
    assert_eq!(all(&opened(&place).await).await, [entries[2], entries[0]]);
    let files: Vec<_> = place.files().into_iter().map(|(path, _)| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(files.len(), 2, "the journal and its lock: {files:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn file_journal_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let journal = filled(&place, &[of_user(1, 10)]).await;
    let mode = || std::fs::metadata(place.journal_path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    journal.delete_expired(START.after(Duration::from_secs(1))).await.unwrap();
    assert_eq!(mode(), 0o600, "also when it is written anew");
}

#[tokio::test]
async fn store_secret_is_made_when_a_new_or_older_database_is_opened() {
    let place = Place::new();
    let secret = || place.raw().query_row("SELECT value FROM secrets", [], |row| row.get::<_, [u8; 32]>(0));
    let store = place.open();
    let made = secret().unwrap();
    assert_eq!(store.signing_secret().await.unwrap(), made);
    store.close().await.unwrap();
    place.open().close().await.unwrap();
    assert_eq!(secret().unwrap(), made, "once");
    place.raw().execute("DELETE FROM secrets", []).unwrap();
    place.open().close().await.unwrap();
    assert_ne!(secret().unwrap(), made);
}
