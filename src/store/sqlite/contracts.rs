//! The contracts, method by method: which connection does what.

use std::sync::Arc;

use rusqlite::Connection;
use uuid::Uuid;

use super::{
    SqliteStore, activities, anonymous, audit, consents, database::Database, erasures, journal, legal_holds,
    maintenance, preferences, privacy_requests, restrictions, sessions, users,
};
use crate::{
    error::Result,
    id::{SessionId, SessionKey, UserId, VisitorId},
    model::{
        activity::{ActivityFilter, Entry, HistoryPage, HistoryQuery},
        consent::{ConsentId, ConsentRecord, ConsentStates, MergePolicy, Notice, NoticeHash, PurposeId, Subject},
        preferences::Patch,
        privacy::{
            AuditCheckpoint, AuditHead, AuditKey, AuditNote, AuditRow, ErasedActivities, Erasure, ErasureId, HeldClass,
            LegalHold, PrivacyRequest, Pseudonym, RequestId, Restriction,
        },
        session::{Changes, Realm, SessionCap, SessionData, SessionHead, SessionLimits, SessionRecord},
    },
    store::{
        ActivityStore, AnonymousBound, AnonymousTotal, Applied, AuditStore, Commit, ConsentStore, EpochRule,
        ErasureStore, FiledRequest, Loaded, LoadedContext, MaintenanceStore, PreferenceChange, PreferenceStore,
        PrivacyRequestStore, Profile, ReclaimedSpace, RequestCounts, RequestQuery, RestrictionStore, Revocation,
        Rotation, SessionStore, Started, Store, StoredPreferences,
        sqlite::{log, restricting, secret, tombstones},
    },
    time::Timestamp,
};

impl SessionStore for SqliteStore {
    async fn insert(
        &self,
        key: SessionKey,
        record: SessionRecord,
        cap: SessionCap,
        epoch: EpochRule,
        now: Timestamp,
    ) -> Result<Started> {
        self.inner.writer.run(true, move |database| sessions::insert(database, &key, record, cap, epoch, now)).await
    }

    async fn load(&self, key: SessionKey, realm: Realm) -> Result<Loaded> {
        self.inner.readers.read(move |database| sessions::load(database, &key, &realm)).await
    }

    async fn apply(&self, id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Result<Applied> {
        self.inner.writer.run(true, move |database| sessions::apply(database, id, &changes, &limits, now)).await
    }

    async fn touch(&self, id: SessionId, now: Timestamp) -> Result<bool> {
        self.inner.writer.run(false, move |database| sessions::touch(database, id, now)).await
    }

    async fn rotate(
        &self,
        rotation: Rotation,
        limits: SessionLimits,
        cap: SessionCap,
        now: Timestamp,
    ) -> Result<Option<Started>> {
        self.inner.writer.run(true, move |database| sessions::rotate(database, rotation, &limits, cap, now)).await
    }

    async fn delete(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionKey>> {
        self.inner.writer.run(true, move |database| sessions::delete(database, id, now)).await
    }

    async fn list(&self, user: UserId, realm: Option<Realm>, limit: usize, now: Timestamp) -> Result<Vec<SessionHead>> {
        self.inner
            .readers
            .read_elsewhere(move |database| sessions::list(database, &user, realm.as_ref(), limit, now))
            .await
    }

    async fn session_data(&self, id: SessionId, now: Timestamp) -> Result<Option<SessionData>> {
        self.inner.readers.read(move |database| sessions::data(database, id, now)).await
    }

    async fn revoke(&self, revocation: Revocation, now: Timestamp) -> Result<u64> {
        self.inner.writer.run(true, move |database| sessions::revoke(database, &revocation, now)).await
    }

    async fn trim_anonymous(&self, bound: AnonymousBound, limit: usize) -> Result<AnonymousTotal> {
        self.inner.writer.run(false, move |database| anonymous::trim(database, bound, limit)).await
    }

    async fn delete_expired(&self, now: Timestamp, limit: usize) -> Result<usize> {
        // Part of each sweep.
        self.inner.watch.check_now();
        self.inner.writer.run(false, move |database| sessions::delete_expired(database, now, limit)).await
    }
}

impl ActivityStore for SqliteStore {
    async fn append(&self, entries: Arc<[Entry]>, commit: Commit) -> Result<Vec<Option<u64>>> {
        let durable = commit == Commit::Durable;
        self.inner.writer.run_exclusive(durable, move |database| activities::append(database, &entries)).await
    }

    async fn history(&self, query: HistoryQuery) -> Result<HistoryPage> {
        self.inner.readers.read_elsewhere(move |database| activities::history(database, &query)).await
    }

    async fn count(&self, filter: ActivityFilter) -> Result<u64> {
        self.inner.readers.read_elsewhere(move |database| activities::count(database, &filter)).await
    }

    async fn delete_activities(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.inner
            .writer
            .run_exclusive(true, move |database| activities::delete_activities(database, &filter, limit))
            .await
    }

    async fn anonymise(&self, filter: ActivityFilter, limit: usize) -> Result<usize> {
        self.inner.writer.run_exclusive(true, move |database| activities::anonymise(database, &filter, limit)).await
    }
}

impl PreferenceStore for SqliteStore {
    async fn preferences(&self, user: UserId) -> Result<StoredPreferences> {
        self.inner.readers.read(move |database| preferences::load(database, &user)).await
    }

    async fn change_preferences(&self, user: UserId, patch: Patch, expected: Option<u64>) -> Result<PreferenceChange> {
        self.inner.writer.run(true, move |database| preferences::change(database, &user, &patch, expected)).await
    }

    async fn rectify_preferences(
        &self,
        user: UserId,
        patch: Patch,
        expected: Option<u64>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<PreferenceChange> {
        let writer = &self.inner.writer;
        writer.run(true, move |database| preferences::rectify(database, &user, &patch, expected, &note, now)).await
    }
}

impl ConsentStore for SqliteStore {
    async fn consents(&self, subject: Subject) -> Result<ConsentStates> {
        self.inner.readers.read(move |database| consents::consent_states(database, &subject)).await
    }

    async fn record_consents(&self, records: Vec<ConsentRecord>) -> Result<ConsentStates> {
        self.inner.writer.run(true, move |database| consents::record(database, records)).await
    }

    async fn consent_history(
        &self,
        subject: Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> Result<Vec<ConsentRecord>> {
        self.inner.readers.read_elsewhere(move |database| consents::history(database, &subject, limit, before)).await
    }

    async fn link_visitor(
        &self,
        visitor: VisitorId,
        user: UserId,
        policy: MergePolicy,
        now: Timestamp,
    ) -> Result<ConsentStates> {
        self.inner.writer.run(true, move |database| consents::link(database, visitor, &user, policy, now)).await
    }

    async fn refusing_subjects(&self, purpose: PurposeId, denied: bool, limit: usize) -> Result<Vec<Subject>> {
        self.inner.readers.read_elsewhere(move |database| consents::refusing(database, &purpose, denied, limit)).await
    }

    async fn rebuild_consents(&self) -> Result<u64> {
        self.inner.writer.run_exclusive(true, move |database| consents::rebuild(database)).await
    }

    async fn publish_notice(&self, notice: Notice) -> Result<()> {
        self.inner.writer.run(true, move |database| consents::publish(database, &notice)).await
    }

    async fn notice(&self, hash: NoticeHash) -> Result<Option<Notice>> {
        self.inner.readers.read(move |database| consents::notice(database, hash)).await
    }

    async fn signing_secret(&self) -> Result<[u8; 32]> {
        match self.inner.readers.read(secret::load).await? {
            Some(secret) => Ok(secret),
            None => self.inner.writer.run(true, |database| secret::make(database)).await,
        }
    }
}

impl ErasureStore for SqliteStore {
    async fn begin_erasure(&self, user: UserId, until: Timestamp, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        self.inner.writer.run(true, move |database| erasures::begin_erasure(database, user, until, &note, now)).await
    }

    async fn erase_some(
        &self,
        id: ErasureId,
        limit: usize,
        activities: ErasedActivities,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Erasure> {
        // What a power failure undoes is done again: the row of the erasure is in the same
        // transaction.
        let step = move |database: &Database| erasures::erase_some(database, id, limit, activities, &note, now);
        let erasure = self.inner.writer.run_exclusive(false, step).await?;
        // Otherwise the writer would have to move it, while others wait; and much at once would
        // hold up their commits.
        self.inner.readers.read_elsewhere(log::move_log).await?;
        Ok(erasure)
    }

    async fn unfinished_erasures(&self) -> Result<Vec<Erasure>> {
        self.inner.readers.read(tombstones::unfinished).await
    }

    async fn erasure_of(&self, user: UserId) -> Result<Option<Erasure>> {
        self.inner.readers.read(move |database| tombstones::of_user(database, &user)).await
    }

    async fn lift_erasure(&self, user: UserId, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.inner.writer.run(true, move |database| erasures::lift_erasure(database, &user, &note, now)).await
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>> {
        self.inner.readers.read_elsewhere(move |database| users::list(database, after.as_ref(), limit)).await
    }

    async fn tombstone(&self, pseudonym: Pseudonym) -> Result<Option<Erasure>> {
        self.inner.readers.read(move |database| tombstones::by_pseudonym(database, &pseudonym)).await
    }

    async fn restore_erasure(&self, erasure: Erasure, note: AuditNote, now: Timestamp) -> Result<Erasure> {
        self.inner.writer.run(true, move |database| erasures::remember(database, erasure, &note, now)).await
    }

    async fn lift_erasure_by_id(&self, id: ErasureId, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.inner.writer.run(true, move |database| erasures::lift(database, id, &note, now)).await
    }

    async fn restore_tombstones(&self, erasures: Vec<Erasure>, note: AuditNote, now: Timestamp) -> Result<u64> {
        let restore = move |database: &Database| erasures::restore(database, erasures, &note, now);
        self.inner.writer.run_exclusive(true, restore).await
    }

    async fn journal_since(&self) -> Result<Option<Timestamp>> {
        self.inner.readers.read(journal::since).await
    }

    async fn begin_journal(&self, now: Timestamp) -> Result<()> {
        self.inner.writer.run(true, move |database| journal::begin(database, now)).await
    }

    async fn delete_tombstones(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.inner.writer.run(false, move |database| erasures::evict(database, now, limit)).await
    }

    async fn scrub(&self) -> Result<bool> {
        // The bulk of it, without holding up the writer.
        self.inner.readers.read_elsewhere(log::move_log).await?;
        self.inner.writer.run_without_transaction(erasures::scrub).await
    }
}

impl AuditStore for SqliteStore {
    async fn record_audit(&self, note: AuditNote, now: Timestamp) -> Result<AuditHead> {
        self.inner.writer.run(true, move |database| audit::record(database, &note, now)).await
    }

    async fn audit_page(&self, after: u64, limit: usize, subject: Option<UserId>) -> Result<Vec<AuditRow>> {
        let page = move |database: &Connection| audit::page(database, after, limit, subject.as_ref());
        self.inner.readers.read_elsewhere(page).await
    }

    async fn audit_head(&self) -> Result<AuditHead> {
        self.inner.readers.read(audit::head).await
    }

    async fn audit_checkpoint(&self) -> Result<Option<AuditCheckpoint>> {
        self.inner.readers.read(audit::checkpoint).await
    }

    async fn delete_audit_entries(
        &self,
        before: Timestamp,
        limit: usize,
        key: AuditKey,
        now: Timestamp,
    ) -> Result<usize> {
        self.inner.writer.run_exclusive(true, move |database| audit::evict(database, before, limit, &key, now)).await
    }
}

impl RestrictionStore for SqliteStore {
    async fn restrict(
        &self,
        user: UserId,
        restriction: Option<Restriction>,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<Option<Restriction>> {
        let writer = &self.inner.writer;
        writer.run(true, move |database| restricting::restrict(database, &user, restriction, &note, now)).await
    }

    async fn restriction_of(&self, user: UserId) -> Result<Option<Restriction>> {
        self.inner.readers.read(move |database| restrictions::of_user(database, &user)).await
    }

    async fn restricted_users(&self, limit: usize) -> Result<Vec<UserId>> {
        self.inner.readers.read_elsewhere(move |database| restrictions::users(database, limit)).await
    }

    async fn place_hold(&self, user: UserId, hold: LegalHold, note: AuditNote, now: Timestamp) -> Result<()> {
        self.inner.writer.run(true, move |database| legal_holds::place_hold(database, &user, &hold, &note, now)).await
    }

    async fn release_hold(&self, user: UserId, class: HeldClass, note: AuditNote, now: Timestamp) -> Result<bool> {
        self.inner.writer.run(true, move |database| legal_holds::release_hold(database, &user, class, &note, now)).await
    }

    async fn holds_of(&self, user: UserId) -> Result<Vec<LegalHold>> {
        self.inner.readers.read(move |database| legal_holds::of_user(database, &user)).await
    }
}

impl PrivacyRequestStore for SqliteStore {
    async fn file_request(&self, request: PrivacyRequest, note: AuditNote, now: Timestamp) -> Result<FiledRequest> {
        self.inner.writer.run(true, move |database| privacy_requests::file(database, request, &note, now)).await
    }

    async fn privacy_request(&self, id: RequestId) -> Result<Option<PrivacyRequest>> {
        self.inner.readers.read(move |database| privacy_requests::load(database, id)).await
    }

    async fn change_request(
        &self,
        request: PrivacyRequest,
        expected: u64,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<bool> {
        let writer = &self.inner.writer;
        writer.run(true, move |database| privacy_requests::change(database, &request, expected, &note, now)).await
    }

    async fn privacy_requests(&self, query: RequestQuery) -> Result<Vec<PrivacyRequest>> {
        self.inner.readers.read_elsewhere(move |database| privacy_requests::list(database, &query)).await
    }

    async fn count_requests(&self, now: Timestamp) -> Result<RequestCounts> {
        self.inner.readers.read_elsewhere(move |database| privacy_requests::count(database, now)).await
    }

    async fn delete_requests(&self, closed_before: Timestamp, limit: usize) -> Result<usize> {
        self.inner.writer.run(false, move |database| privacy_requests::evict(database, closed_before, limit)).await
    }
}

impl MaintenanceStore for SqliteStore {
    async fn acquire_lease(&self, name: &'static str, holder: Uuid, now: Timestamp, until: Timestamp) -> Result<bool> {
        self.inner
            .writer
            .run(false, move |database| maintenance::acquire_lease(database, name, holder, now, until))
            .await
    }

    async fn reclaim_space(&self, limit_pages: usize) -> Result<ReclaimedSpace> {
        self.inner
            .writer
            .run_without_transaction(move |database| maintenance::reclaim_space(database, limit_pages))
            .await
    }
}

impl Store for SqliteStore {
    async fn load_context(&self, key: SessionKey, realm: Realm, visitor: Option<VisitorId>) -> Result<LoadedContext> {
        let load = move |database: &Connection| {
            let session = sessions::load(database, &key, &realm)?;
            let subject = session.subject(visitor);
            let profile = subject.as_ref().map(|subject| consents::profile(database, subject)).transpose()?;
            Ok(LoadedContext { session, subject, profile: profile.unwrap_or_default() })
        };
        self.inner.readers.read(load).await
    }

    async fn profile(&self, subject: Subject) -> Result<Profile> {
        self.inner.readers.read(move |database| consents::profile(database, &subject)).await
    }
}
