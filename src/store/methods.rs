//! The methods of all store traits, once: for what is made of another store.

/// Calls the macro `$each` for the methods of a store trait, in the place of an item of a trait or
/// of an `impl`. What follows its name is passed on:
/// `$each!(<what follows>; read|write name(argument: Type, ...) -> Answer; ...)`.
///
/// A `write` is a method that may change what is stored. `ErasureStore` comes in two halves: with
/// `sessions` the methods that also end sessions, with `records` all others.
#[cfg_attr(feature = "testing", macro_export)]
#[doc(hidden)]
macro_rules! store_methods {
    (ActivityStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            write append(entries: Arc<[Entry]>, commit: Commit) -> Vec<Option<u64>>;
            read history(query: HistoryQuery) -> HistoryPage;
            read count(filter: ActivityFilter) -> u64;
            write delete_activities(filter: ActivityFilter, limit: usize) -> usize;
            write anonymise(filter: ActivityFilter, limit: usize) -> usize;
        }
    };
    (SessionStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            write insert(key: SessionKey, record: SessionRecord, cap: SessionCap, epoch: EpochRule, now: Timestamp)
                -> Started;
            read load(key: SessionKey, realm: Realm) -> Loaded;
            write apply(id: SessionId, changes: Changes, limits: SessionLimits, now: Timestamp) -> Applied;
            write touch(id: SessionId, now: Timestamp) -> bool;
            write rotate(rotation: Rotation, limits: SessionLimits, cap: SessionCap, now: Timestamp)
                -> Option<Started>;
            write delete(id: SessionId, now: Timestamp) -> Option<SessionKey>;
            read list(user: UserId, realm: Option<Realm>, limit: usize, now: Timestamp) -> Vec<SessionHead>;
            read session_data(id: SessionId, now: Timestamp) -> Option<SessionData>;
            write revoke(revocation: Revocation, now: Timestamp) -> u64;
            write trim_anonymous(bound: AnonymousBound, limit: usize) -> AnonymousTotal;
            write delete_expired(now: Timestamp, limit: usize) -> usize;
        }
    };
    (CredentialStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            read credential_epoch(realm: Realm, user: UserId) -> CredentialEpoch;
            write raise_credential_epoch(realm: Realm, user: Option<UserId>) -> CredentialEpoch;
        }
    };
    (ConsentStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            read consents(subject: Subject) -> ConsentStates;
            write record_consents(records: Vec<ConsentRecord>) -> ConsentStates;
            read consent_history(subject: Subject, limit: usize, before: Option<ConsentId>) -> Vec<ConsentRecord>;
            write link_visitor(visitor: VisitorId, user: UserId, policy: MergePolicy, now: Timestamp) -> ConsentStates;
            read refusing_subjects(purpose: PurposeId, denied: bool, limit: usize) -> Vec<Subject>;
            write rebuild_consents() -> u64;
            write publish_notice(notice: Notice) -> ();
            read notice(hash: NoticeHash) -> Option<Notice>;
            read signing_secret() -> [u8; 32];
        }
    };
    (PreferenceStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            read preferences(user: UserId) -> StoredPreferences;
            write change_preferences(user: UserId, patch: Patch, expected: Option<u64>) -> PreferenceChange;
            write rectify_preferences(
                user: UserId,
                patch: Patch,
                expected: Option<u64>,
                note: AuditNote,
                now: Timestamp
            ) -> PreferenceChange;
        }
    };
    (ErasureStore sessions, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            write begin_erasure(user: UserId, until: Timestamp, note: AuditNote, now: Timestamp) -> Erasure;
            write erase_some(
                id: ErasureId,
                limit: usize,
                activities: ErasedActivities,
                note: AuditNote,
                now: Timestamp
            ) -> Erasure;
            write restore_erasure(erasure: Erasure, note: AuditNote, now: Timestamp) -> Erasure;
        }
    };
    (ErasureStore records, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            read unfinished_erasures() -> Vec<Erasure>;
            read erasure_of(user: UserId) -> Option<Erasure>;
            write lift_erasure(user: UserId, note: AuditNote, now: Timestamp) -> bool;
            read users(after: Option<UserId>, limit: usize) -> Vec<UserId>;
            read tombstone(pseudonym: Pseudonym) -> Option<Erasure>;
            write lift_erasure_by_id(id: ErasureId, note: AuditNote, now: Timestamp) -> bool;
            write restore_tombstones(erasures: Vec<Erasure>, note: AuditNote, now: Timestamp) -> u64;
            read journal_since() -> Option<Timestamp>;
            write begin_journal(now: Timestamp) -> ();
            write delete_tombstones(now: Timestamp, limit: usize) -> usize;
            write scrub() -> bool;
        }
    };
    (AuditStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            write record_audit(note: AuditNote, now: Timestamp) -> AuditHead;
            read audit_page(after: u64, limit: usize, subject: Option<UserId>) -> Vec<AuditRow>;
            read audit_head() -> AuditHead;
            read audit_checkpoint() -> Option<AuditCheckpoint>;
            write delete_audit_entries(before: Timestamp, limit: usize, key: AuditKey, now: Timestamp) -> usize;
        }
    };
    (RestrictionStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            write restrict(user: UserId, restriction: Option<Restriction>, note: AuditNote, now: Timestamp)
                -> Option<Restriction>;
            read restriction_of(user: UserId) -> Option<Restriction>;
            read restricted_users(limit: usize) -> Vec<UserId>;
            write place_hold(user: UserId, hold: LegalHold, note: AuditNote, now: Timestamp) -> ();
            write release_hold(user: UserId, class: HeldClass, note: AuditNote, now: Timestamp) -> bool;
            read holds_of(user: UserId) -> Vec<LegalHold>;
        }
    };
    (PrivacyRequestStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            write file_request(request: PrivacyRequest, note: AuditNote, now: Timestamp) -> FiledRequest;
            read privacy_request(id: RequestId) -> Option<PrivacyRequest>;
            write change_request(request: PrivacyRequest, expected: u64, note: AuditNote, now: Timestamp) -> bool;
            read privacy_requests(query: RequestQuery) -> Vec<PrivacyRequest>;
            read count_requests(now: Timestamp) -> RequestCounts;
            write delete_requests(closed_before: Timestamp, limit: usize) -> usize;
        }
    };
    (MaintenanceStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            write acquire_lease(name: &'static str, holder: Uuid, now: Timestamp, until: Timestamp) -> bool;
            write reclaim_space(limit_pages: usize) -> ReclaimedSpace;
        }
    };
    (AnalyticsStore, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            read scan(scan: Scan, each: EventVisitor) -> ();
            read at_most(scan: Scan) -> u64;
            read overview(counting: AggregateQuery, zone: Zone, limit: usize, wanted: OverviewParts)
                -> Option<Overview>;
            read activity_series(counting: AggregateQuery, period: Period, zone: Zone) -> Option<ActivitySeries>;
            read active_users_series(counting: AggregateQuery, zone: Zone) -> Option<ActiveUsers>;
            write roll_up(counting: AggregateQuery, now: Timestamp) -> bool;
            read check_rollups(counting: AggregateQuery) -> RollupCheck;
            write delete_rollups() -> ();
        }
    };
    (Store, $each:ident $($with:tt)*) => {
        $each! { $($with)*;
            read load_context(key: SessionKey, realm: Realm, visitor: Option<VisitorId>) -> LoadedContext;
            read profile(subject: Subject) -> Profile;
        }
    };
}

/// Methods that call those of the field `$field`; with `after check` once
/// `self.check("name", is_write).await` is `Ok`.
#[cfg_attr(feature = "testing", macro_export)]
#[doc(hidden)]
macro_rules! delegate_methods {
    ($field:ident; $($access:ident $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(async fn $method(&self, $($name: $type),*) -> Result<$answer> {
            self.$field.$method($($name),*).await
        })*
    };
    ($field:ident after $check:ident;
        $($access:ident $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(async fn $method(&self, $($name: $type),*) -> Result<$answer> {
            self.$check(stringify!($method), stringify!($access) == "write").await?;
            self.$field.$method($($name),*).await
        })*
    };
}
