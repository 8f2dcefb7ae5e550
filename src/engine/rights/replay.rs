//! The replay of the erasure journal: erasures that a restored backup does not know are done again.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::json;

use super::{JournalGuard, Rights};
use crate::{
    engine::erasure_journal::OnMissingJournal,
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{
        Actor, AuditAction, AuditNote, Erasure, ErasureId, JournalEntry, JournalKind, Pseudonym, StoreFingerprint,
    },
};

/// The result of [`Rights::replay_journal`]. It names nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReplayReport {
    /// The number of users who are erased by the journal.
    pub checked: u64,
    /// The number of them who were found again, in the store or in a source that
    /// [lists](crate::privacy::PersonalData::users) its users, and are erased again.
    pub erased_again: u64,
    /// The number of them who were found nowhere, so that only their tombstone was restored.
    pub tombstones_restored: u64,
    /// The number of users whose tombstone was removed because their erasure had been lifted.
    pub lifted: u64,
}

/// The state of one user after all entries of the journal.
struct JournalState {
    last: JournalEntry,
    /// The erasures that are lifted.
    lifted: Vec<ErasureId>,
}

impl Rights {
    /// Compares the store with the [erasure journal](crate::privacy::ErasureJournal) and repeats
    /// what the store does not know because a backup was restored. Users are erased again, with the
    /// id and the times of the original erasure; tombstones are restored; erasures that were lifted
    /// are lifted. A second replay changes nothing; an interrupted one can be repeated.
    ///
    /// The guestbook replays the journal at its start, and [`ready`](crate::Guestbook::ready) waits
    /// for it. Without a journal nothing happens.
    ///
    /// # Errors
    ///
    /// The errors of the journal, the store or a source. Nobody is served before a replay succeeds.
    pub async fn replay_journal(&self) -> Result<ReplayReport> {
        let report = self.replay().await?;
        self.resume_erasures().await?;
        Ok(report)
    }

    /// Replays the journal if that was not done yet, without waiting for rows to be deleted.
    pub(crate) async fn make_ready(&self) -> Result<()> {
        match &self.inner.config.journal_guard {
            Some(journal_guard) if !journal_guard.gate.is_open() => self.replay().await.map(drop),
            _ => Ok(()),
        }
    }

    async fn replay(&self) -> Result<ReplayReport> {
        let Some(journal_guard) = &self.inner.config.journal_guard else { return Ok(ReplayReport::default()) };
        let _turn = journal_guard.turn.lock().await;
        match self.replay_all(journal_guard).await {
            Ok(report) => {
                journal_guard.gate.open();
                let ReplayReport { checked, erased_again, tombstones_restored, lifted } = report;
                if erased_again + tombstones_restored + lifted > 0 {
                    tracing::warn!(
                        checked,
                        erased_again,
                        tombstones_restored,
                        lifted,
                        "erasures were repeated from the journal: the store was restored from a backup, or a process died"
                    );
                }
                if let Err(error) = self.delete_entries().await {
                    tracing::warn!(error = %error.chain(), "expired entries of the erasure journal could not be deleted");
                }
                Ok(report)
            }
            Err(error) => {
                journal_guard.gate.fail(error.without_source());
                Err(error)
            }
        }
    }

    async fn replay_all(&self, journal_guard: &JournalGuard) -> Result<ReplayReport> {
        let (inner, mut report) = (&self.inner, ReplayReport::default());
        let (secret, now) =
            (inner.runtime.tasks.within(inner.runtime.store.signing_secret()).await?, inner.runtime.clock.now());
        let is_first = inner.runtime.tasks.within(inner.runtime.store.journal_since()).await?.is_none();
        let missing = if is_first { OnMissingJournal::Begin } else { journal_guard.missing };
        inner.runtime.tasks.within(journal_guard.journal.open(StoreFingerprint::of(&secret), missing)).await?;
        if is_first {
            inner.runtime.tasks.within(inner.runtime.store.begin_journal(now)).await?;
        }
        let states = self.read_journal(journal_guard).await?;
        let (total, mut missing) = (states.len(), HashMap::new());
        for (number, (pseudonym, state)) in states.into_iter().enumerate() {
            if number % PROGRESS == 0 && total > PROGRESS {
                tracing::info!(compared = number, of = total, "the erasure journal is compared with the store");
            }
            if !state.last.is_in_force(now) {
                continue;
            }
            let known = inner.runtime.tasks.within(inner.runtime.store.tombstone(pseudonym)).await?;
            match (state.last.kind, known) {
                (JournalKind::Erased, known) => {
                    report.checked += 1;
                    if known.is_none() {
                        missing.insert(pseudonym, state.last);
                    }
                }
                (JournalKind::Lifted, Some(known)) if state.lifted.contains(&known.id) => {
                    report.lifted += u64::from(self.finish_lifting(known).await?);
                }
                (JournalKind::Lifted, _) => {}
            }
        }
        report.erased_again = self.erase_again(&mut missing, &secret).await?;
        // Last, because a user with a tombstone is not searched again after an interruption.
        report.tombstones_restored = self.restore_tombstones(&missing).await?;
        Ok(report)
    }

    /// Restores tombstones in large steps: one for each user would take longer than the rest of the
    /// replay.
    async fn restore_tombstones(&self, missing: &HashMap<Pseudonym, JournalEntry>) -> Result<u64> {
        let (inner, now, mut restored) = (&self.inner, self.inner.runtime.clock.now(), 0);
        let tombstones: Vec<_> = missing.values().map(|entry| entry.erasure(None, now)).collect();
        for (number, page) in tombstones.chunks(PAGE).enumerate() {
            if (number * PAGE).is_multiple_of(PROGRESS) && tombstones.len() > PROGRESS {
                tracing::info!(restored, of = tombstones.len(), "tombstones of the erasure journal are restored");
            }
            let note = inner.parts.audit.note(AuditAction::ErasureBegan, Actor::System, None).await?;
            let note = note.detail(json!({ "replayed": true, "tombstones": page.len() }));
            restored +=
                inner.runtime.tasks.within(inner.runtime.store.restore_tombstones(page.to_vec(), note, now)).await?;
        }
        Ok(restored)
    }

    /// The state of each user in the journal.
    async fn read_journal(&self, journal_guard: &JournalGuard) -> Result<HashMap<Pseudonym, JournalState>> {
        for _ in 0..ATTEMPTS {
            match self.read_journal_once(journal_guard).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                states => return states,
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the erasure journal changed during each attempt to read it"))
    }

    async fn read_journal_once(&self, journal_guard: &JournalGuard) -> Result<HashMap<Pseudonym, JournalState>> {
        let (mut states, mut from, mut announced) = (HashMap::<Pseudonym, JournalState>::new(), None, 0);
        loop {
            let page = self.inner.runtime.tasks.within(journal_guard.journal.read(from, PAGE)).await?;
            for entry in page.entries {
                let state = states.entry(entry.pseudonym).or_insert(JournalState { last: entry, lifted: Vec::new() });
                if entry.kind == JournalKind::Lifted {
                    state.lifted.extend([state.last.id, entry.id]);
                }
                state.last = entry;
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(states),
            }
            let read = states.len();
            if read >= announced + PROGRESS {
                announced = read;
                tracing::info!(users = read, "reading the erasure journal; nobody is served before it is replayed");
            }
        }
    }

    /// Searches the names of missing users and begins their erasure. Users who are found are
    /// removed from `missing`.
    async fn erase_again(&self, missing: &mut HashMap<Pseudonym, JournalEntry>, secret: &[u8; 32]) -> Result<u64> {
        let (inner, before) = (&self.inner, missing.len());
        let mut after = None;
        while !missing.is_empty() {
            let names = inner.runtime.tasks.within(inner.runtime.store.users(after, PAGE)).await?;
            let Some(last) = names.last().cloned() else { break };
            self.begin_erasures(names, missing, secret).await?;
            after = Some(last);
        }
        for source in &inner.parts.sources {
            for page in 0.. {
                let names = if missing.is_empty() { Vec::new() } else { source.users(page).await? };
                if names.is_empty() {
                    break;
                }
                self.begin_erasures(names, missing, secret).await?;
            }
        }
        Ok((before - missing.len()) as u64)
    }

    async fn begin_erasures(
        &self,
        names: Vec<UserId>,
        missing: &mut HashMap<Pseudonym, JournalEntry>,
        secret: &[u8; 32],
    ) -> Result<()> {
        let inner = &self.inner;
        for user in names {
            let pseudonym = Pseudonym::of(&user, secret);
            let Some(entry) = missing.get(&pseudonym) else { continue };
            let now = inner.runtime.clock.now();
            let erasure = entry.erasure(Some(user.clone()), now);
            let note = self.replay_note(AuditAction::ErasureBegan, pseudonym).await?;
            inner.runtime.tasks.within(inner.runtime.store.restore_erasure(erasure, note, now)).await?;
            self.evict_cached(&user);
            missing.remove(&pseudonym);
        }
        Ok(())
    }

    /// Lifts an erasure that the journal says is lifted. If it was under way when the backup was
    /// made, it is finished first, because the remaining data is older. `false` if that fails: the
    /// user stays erased until the next start.
    async fn finish_lifting(&self, erasure: Erasure) -> Result<bool> {
        let (inner, id) = (&self.inner, erasure.id);
        let note = self.replay_note(AuditAction::Lifted, erasure.pseudonym).await?;
        if let Some(user) = erasure.user.clone()
            && let Err(error) = self.continue_erasure(user, erasure).await
        {
            tracing::warn!(error = %error.chain(), "a lifted erasure could not be finished; the user stays erased until the next start");
            return Ok(false);
        }
        inner.runtime.tasks.within(inner.runtime.store.lift_erasure_by_id(id, note, inner.runtime.clock.now())).await
    }

    /// A note by the system that names nobody.
    async fn replay_note(&self, action: AuditAction, pseudonym: Pseudonym) -> Result<AuditNote> {
        let note = self.inner.parts.audit.note(action, Actor::System, None).await?;
        Ok(note.about(pseudonym).detail(json!({ "replayed": true })))
    }
}

/// Entries or names read at a time.
const PAGE: usize = 1_000;

/// A long replay logs its progress after this many users.
const PROGRESS: usize = 10_000;

/// Times the journal is read again from its beginning because another process removed entries.
const ATTEMPTS: u32 = 5;
