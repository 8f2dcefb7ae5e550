//! Steps and assertions of the cases for erasure.

use serde_json::json;

use crate::{
    error::{ErrorKind, Result},
    id::{SessionId, VisitorId},
    model::{
        activity::{Activity, ActivityFilter, Entry, Event, EventId, EventType, HistoryQuery, Order},
        consent::{ConsentRecord, Decision, MergePolicy, PurposeId, Subject},
        privacy::{AuditAction, AuditNote, ErasedActivities, ErasedCounts, Erasure, ErasureId},
        session::{SessionHead, SessionLimits, SessionRecord},
    },
    store::{
        Commit, StoredPreferences,
        testing::{
            CAP, EpochRule, Loaded, Realm, START, Store, Stored, at, changes,
            consents::{decided, history, record, user},
            data, found, head, new_key, new_visitor, note,
            preferences::patch,
            start, start_with, user_id,
        },
    },
    time::Timestamp,
};

/// Expiry of the tombstone.
pub(super) const UNTIL: Timestamp = Timestamp::from_millis(START.as_millis() + 1_000_000);

/// The stored data of a user.
#[derive(Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) sessions: Vec<SessionHead>,
    pub(super) preferences: StoredPreferences,
    pub(super) consents: Vec<ConsentRecord>,
    pub(super) activities: Vec<Activity>,
}

impl Kept {
    pub(super) fn is_nothing(&self) -> bool {
        let Self { sessions, preferences, consents, activities } = self;
        sessions.is_empty()
            && *preferences == StoredPreferences::default()
            && consents.is_empty()
            && activities.is_empty()
    }
}

pub(super) async fn kept<S: Store>(store: &S, name: &str) -> Kept {
    let preferences = store.preferences(user_id(name)).await.expect("readable");
    let account = store.profile(user(name)).await.expect("readable");
    assert_eq!(account.preferences, preferences);
    assert_eq!(account.consents, store.consents(user(name)).await.expect("readable"));
    Kept {
        sessions: store.list(user_id(name), None, 1_000, START).await.expect("readable"),
        preferences,
        consents: history(store, &user(name)).await,
        activities: activities(store, ActivityFilter::new().user(user_id(name))).await,
    }
}

pub(in crate::store::testing) async fn activities<S: Store>(store: &S, filter: ActivityFilter) -> Vec<Activity> {
    let query = HistoryQuery::new(filter).order(Order::OldestFirst).limit(1_000);
    let page = store.history(query).await.expect("readable");
    assert_eq!(page.next, None, "a page holds all");
    page.activities
}

/// Numbers events: a store sees each of them once.
pub(in crate::store::testing) fn entries(first: u64, events: impl IntoIterator<Item = Event>) -> Vec<Entry> {
    let origin = 0xe4a5_e000_0000_0001;
    events.into_iter().zip(first..).map(|(event, number)| Entry { id: EventId { origin, number }, event }).collect()
}

pub(in crate::store::testing) fn event(user: Option<&str>, visitor: Option<VisitorId>) -> Event {
    let mut event = Event::new(EventType::ACTION, at(7));
    event.user = user.map(user_id);
    event.visitor = visitor;
    event.session = Some(SessionId::from(uuid::Uuid::from_u128(user.map_or(1, str::len) as u128)));
    event
}

pub(in crate::store::testing) async fn append<S: Store>(store: &S, entries: Vec<Entry>) -> Vec<Option<u64>> {
    store.append(entries.into(), Commit::Durable).await.expect("appended")
}

pub(in crate::store::testing) async fn decide<S: Store>(store: &S, subject: &Subject) -> ConsentRecord {
    let record_of = decided(subject, PurposeId::ANALYTICS, Decision::Granted, at(1));
    record(store, vec![record_of]).await;
    history(store, subject).await.swap_remove(0)
}

pub(in crate::store::testing) async fn link<S: Store>(store: &S, visitor: VisitorId, name: &str) {
    store.link_visitor(visitor, user_id(name), MergePolicy::CarryGrants, at(2)).await.expect("linked");
}

pub(in crate::store::testing) async fn set_theme<S: Store>(store: &S, name: &str) -> Result<()> {
    store.change_preferences(user_id(name), patch(json!({ "theme": "dark" })), None).await.map(drop)
}

/// Stores two sessions, preferences, a decision and ten events from `first` on.
pub(in crate::store::testing) async fn fill<S: Store>(store: &S, name: &str, first: u64) -> [Stored; 2] {
    let sessions = [start(store, Some(name), START).await, start(store, Some(name), START).await];
    set_theme(store, name).await.expect("changed");
    decide(store, &user(name)).await;
    let sequences = append(store, entries(first, (0..10).map(|_| event(Some(name), None)))).await;
    assert!(sequences.iter().all(Option::is_some));
    sessions
}

pub(in crate::store::testing) async fn begin_erasure<S: Store>(store: &S, name: &str) -> Erasure {
    store.begin_erasure(user_id(name), UNTIL, began(name), at(3)).await.expect("erased")
}

pub(super) fn began(name: &str) -> AuditNote {
    note(AuditAction::ErasureBegan, Some(name))
}

pub(in crate::store::testing) fn is_over() -> AuditNote {
    note(AuditAction::ErasureFinished, None)
}

pub(super) async fn lift_erasure<S: Store>(store: &S) -> Result<bool> {
    store.lift_erasure(user_id("ada"), note(AuditAction::Lifted, Some("ada")), at(5)).await
}

/// Erases until the erasure is finished, `limit` rows at a time.
pub(in crate::store::testing) async fn erase<S: Store>(store: &S, id: ErasureId, limit: usize) -> Erasure {
    let rows = |erased: &ErasedCounts| erased.activities + erased.consents;
    let mut before = 0;
    for _ in 0..1_000 {
        let erasure = store.erase_some(id, limit, ErasedActivities::Deleted, is_over(), at(4)).await.expect("erased");
        assert!(rows(&erasure.erased) - before <= limit as u64, "no more than asked for");
        before = rows(&erasure.erased);
        if erasure.finished_at.is_some() {
            return erasure;
        }
        let unfinished = store.unfinished_erasures().await.expect("readable");
        assert!(unfinished.iter().any(|one| one.id == id && one.user.is_some()), "it can be continued");
    }
    panic!("an erasure does not finish");
}

pub(super) fn assert_user_erased<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.expect_err("it is not stored").kind(), ErrorKind::UserErased);
}

/// Tries each method that would store data of the user.
pub(super) async fn assert_nothing_is_stored<S: Store>(store: &S, name: &str, first: u64) {
    let stranger =
        start_with(store, SessionRecord { head: head(None, START), data: data(&[("cart", "3")]) }, START).await;
    let record = SessionRecord { head: head(Some(name), START), data: data(&[]) };
    let (key, id) = (new_key(), record.head.id);
    assert_user_erased(store.insert(key, record, CAP, EpochRule::Keep, START).await);
    assert_eq!(store.load(key, Realm::default()).await.expect("readable"), Loaded::Unknown);
    let login = stranger.to(SessionHead { id, ..head(Some(name), START) }, changes(&[("cart", "4")]));
    let new_key = login.new_key;
    assert_user_erased(store.rotate(login, SessionLimits::default(), CAP, START).await);
    assert_eq!(store.load(new_key, Realm::default()).await.expect("readable"), Loaded::Unknown);
    assert_eq!(found(store, stranger.key).await.as_ref(), Some(&stranger.record), "the stranger is who they were");

    assert_user_erased(set_theme(store, name).await);
    // The default is no change, and is refused all the same.
    let nothing = patch(json!({ "theme": "system" }));
    assert_user_erased(store.change_preferences(user_id(name), nothing, Some(7)).await);
    let decision = decided(&user(name), PurposeId::ANALYTICS, Decision::Denied, at(5));
    assert_user_erased(store.record_consents(vec![decision]).await);
    let visitor = new_visitor();
    let theirs = decide(store, &visitor.into()).await;
    assert_user_erased(store.link_visitor(visitor, user_id(name), MergePolicy::default(), at(5)).await);
    assert_eq!(history(store, &visitor.into()).await, [theirs]);

    let batch =
        [event(Some("other"), None), event(Some(name), None), event(Some(name), Some(visitor)), event(None, None)];
    let before = store.count(ActivityFilter::new()).await.expect("counted");
    let batch = entries(first, batch);
    for expected in [[true, false, false, true], [false; 4]] {
        let sequences = append(store, batch.clone()).await;
        assert_eq!(sequences.iter().map(Option::is_some).collect::<Vec<_>>(), expected);
    }
    assert_eq!(
        store.count(ActivityFilter::new()).await.expect("counted"),
        before + 2,
        "others of the batch are stored"
    );
}
