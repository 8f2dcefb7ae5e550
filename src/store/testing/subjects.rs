//! Cases for [`SubjectStore`](crate::store::SubjectStore): a user is struck out, and nothing of them is left or comes back.

pub(super) mod tombstones;

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    CAP, Loaded, START, Store, Stored, at, changes,
    consents::{decided, history, record, user},
    data, found, head, new_key, new_visitor, note,
    parallel::at_once,
    preferences::patch,
    start, start_with, user_id,
};
use crate::{
    activity::{Activity, ActivityFilter, Entry, Event, EventId, EventType, HistoryQuery, Order},
    consent::{ConsentRecord, Decision, MergePolicy, PurposeId, Subject},
    error::{ErrorKind, Result},
    id::{SessionId, UserId, VisitorId},
    privacy::{AuditAction, AuditNote, Erased, ErasedActivities, Erasure, ErasureId},
    session::{SessionHead, SessionLimits, SessionRecord},
    store::{Commit, StoredPreferences},
    time::Timestamp,
};

/// Until when whoever is struck out here stays out.
const UNTIL: Timestamp = Timestamp::from_millis(START.as_millis() + 1_000_000);

/// What is kept of somebody.
#[derive(Debug, PartialEq)]
struct Kept {
    sessions: Vec<SessionHead>,
    preferences: StoredPreferences,
    consents: Vec<ConsentRecord>,
    activities: Vec<Activity>,
}

impl Kept {
    fn is_nothing(&self) -> bool {
        let Self { sessions, preferences, consents, activities } = self;
        sessions.is_empty()
            && *preferences == StoredPreferences::default()
            && consents.is_empty()
            && activities.is_empty()
    }
}

async fn kept<S: Store>(store: &S, name: &str) -> Kept {
    let preferences = store.preferences(user_id(name)).await.expect("readable");
    let account = store.account(user(name)).await.expect("readable");
    assert_eq!(account.preferences, preferences);
    assert_eq!(account.consents, store.consents(user(name)).await.expect("readable"));
    Kept {
        sessions: store.list(user_id(name), 1_000, START).await.expect("readable"),
        preferences,
        consents: history(store, &user(name)).await,
        activities: activities(store, ActivityFilter::new().user(user_id(name))).await,
    }
}

pub(super) async fn activities<S: Store>(store: &S, filter: ActivityFilter) -> Vec<Activity> {
    let query = HistoryQuery::new(filter).order(Order::OldestFirst).limit(1_000);
    let page = store.history(query).await.expect("readable");
    assert_eq!(page.next, None, "a page holds all");
    page.activities
}

/// Numbers for events: each store of the suite sees each of them once.
pub(super) fn entries(first: u64, events: impl IntoIterator<Item = Event>) -> Vec<Entry> {
    let origin = 0xe4a5_e000_0000_0001;
    events.into_iter().zip(first..).map(|(event, number)| Entry { id: EventId { origin, number }, event }).collect()
}

pub(super) fn event(user: Option<&str>, visitor: Option<VisitorId>) -> Event {
    let mut event = Event::new(EventType::ACTION, at(7));
    event.user = user.map(user_id);
    event.visitor = visitor;
    event.session = Some(SessionId::from(uuid::Uuid::from_u128(user.map_or(1, str::len) as u128)));
    event
}

pub(super) async fn append<S: Store>(store: &S, entries: Vec<Entry>) -> Vec<Option<u64>> {
    store.append(entries.into(), Commit::Durable).await.expect("appended")
}

pub(super) async fn decide<S: Store>(store: &S, subject: &Subject) -> ConsentRecord {
    let record_of = decided(subject, PurposeId::ANALYTICS, Decision::Granted, at(1));
    record(store, vec![record_of]).await;
    history(store, subject).await.swap_remove(0)
}

pub(super) async fn link<S: Store>(store: &S, visitor: VisitorId, name: &str) {
    store.link_visitor(visitor, user_id(name), MergePolicy::default(), at(2)).await.expect("linked");
}

pub(super) async fn set_theme<S: Store>(store: &S, name: &str) -> Result<()> {
    store.change_preferences(user_id(name), patch(json!({ "theme": "dark" })), None).await.map(drop)
}

/// Two sessions, preferences, a decision and ten events from `first` on.
pub(super) async fn fill<S: Store>(store: &S, name: &str, first: u64) -> [Stored; 2] {
    let sessions = [start(store, Some(name), START).await, start(store, Some(name), START).await];
    set_theme(store, name).await.expect("changed");
    decide(store, &user(name)).await;
    let sequences = append(store, entries(first, (0..10).map(|_| event(Some(name), None)))).await;
    assert!(sequences.iter().all(Option::is_some));
    sessions
}

pub(super) async fn strike_out<S: Store>(store: &S, name: &str) -> Erasure {
    store.strike_out(user_id(name), UNTIL, began(name), at(3)).await.expect("struck out")
}

fn began(name: &str) -> AuditNote {
    note(AuditAction::ErasureBegan, Some(name))
}

pub(super) fn is_over() -> AuditNote {
    note(AuditAction::ErasureFinished, None)
}

async fn readmit<S: Store>(store: &S) -> Result<bool> {
    store.readmit(user_id("ada"), note(AuditAction::Readmitted, Some("ada")), at(5)).await
}

/// Erases until it is finished, `limit` rows at a time.
pub(super) async fn erase<S: Store>(store: &S, id: ErasureId, limit: usize) -> Erasure {
    let rows = |erased: &Erased| erased.activities + erased.consents;
    let mut before = 0;
    for _ in 0..1_000 {
        let erasure = store.erase_some(id, limit, ErasedActivities::Deleted, is_over(), at(4)).await.expect("erased");
        assert!(rows(&erasure.erased) - before <= limit as u64, "no more than asked for");
        before = rows(&erasure.erased);
        if erasure.finished_at.is_some() {
            return erasure;
        }
        let unfinished = store.unfinished_erasures().await.expect("readable");
        assert!(unfinished.iter().any(|one| one.id == id && one.user.is_some()), "it can be gone on with");
    }
    panic!("an erasure does not come to an end");
}

fn assert_struck_out<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.expect_err("it is not stored").kind(), ErrorKind::StruckOut);
}

/// Tries each verb that would store something of the user.
async fn assert_nothing_is_stored<S: Store>(store: &S, name: &str, first: u64) {
    let stranger =
        start_with(store, SessionRecord { head: head(None, START), data: data(&[("cart", "3")]) }, START).await;
    let record = SessionRecord { head: head(Some(name), START), data: data(&[]) };
    let (key, id) = (new_key(), record.head.id);
    assert_struck_out(store.insert(key, record, CAP, START).await);
    assert_eq!(store.load(key).await.expect("readable"), Loaded::Unknown);
    let login = stranger.to(SessionHead { id, ..head(Some(name), START) }, changes(&[("cart", "4")]));
    let new_key = login.new_key;
    assert_struck_out(store.rotate(login, SessionLimits::default(), CAP, START).await);
    assert_eq!(store.load(new_key).await.expect("readable"), Loaded::Unknown);
    assert_eq!(found(store, stranger.key).await.as_ref(), Some(&stranger.record), "the stranger is who they were");

    assert_struck_out(set_theme(store, name).await);
    // The default is no change, and refused all the same.
    let nothing = patch(json!({ "theme": "system" }));
    assert_struck_out(store.change_preferences(user_id(name), nothing, Some(7)).await);
    let decision = decided(&user(name), PurposeId::ANALYTICS, Decision::Denied, at(5));
    assert_struck_out(store.record_consents(vec![decision]).await);
    let visitor = new_visitor();
    let theirs = decide(store, &visitor.into()).await;
    assert_struck_out(store.link_visitor(visitor, user_id(name), MergePolicy::default(), at(5)).await);
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

pub(super) async fn nothing_of_somebody_who_is_struck_out_is_stored<S: Store>(store: Arc<S>) {
    // One whom the store knows, and one of whom it has never heard.
    fill(&*store, "ada", 1).await;
    for (name, first) in [("ada", 100), ("nobody", 200)] {
        let erasure = strike_out(&*store, name).await;
        let before = kept(&*store, name).await;
        assert_nothing_is_stored(&*store, name, first).await;
        assert_eq!(kept(&*store, name).await, before, "while it is under way");
        erase(&*store, erasure.id, 100).await;
        assert!(kept(&*store, name).await.is_nothing());
        assert_nothing_is_stored(&*store, name, first + 50).await;
        assert!(kept(&*store, name).await.is_nothing(), "when it is finished");
    }
}

pub(super) async fn sessions_of_somebody_who_is_struck_out_end_at_once<S: Store>(store: Arc<S>) {
    let theirs = fill(&*store, "ada", 1).await;
    let others = [start(&*store, Some("bob"), START).await, start(&*store, None, START).await];
    let erasure = strike_out(&*store, "ada").await;
    assert_eq!(erasure.erased, Erased { sessions: 2, ..Erased::default() });
    assert_eq!((&erasure.user, erasure.began_at, erasure.until), (&Some(user_id("ada")), at(3), UNTIL));
    for session in theirs {
        assert_eq!(store.load(session.key).await.expect("readable"), Loaded::Ended);
        assert!(!store.touch(session.id(), at(4)).await.expect("answered"));
    }
    for session in others {
        assert_eq!(found(&*store, session.key).await, Some(session.record));
    }
}

pub(super) async fn who_is_struck_out_already_stays_so<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let first = strike_out(&*store, "ada").await;
    let answers = at_once(|number| {
        let store = store.clone();
        async move { store.strike_out(user_id("ada"), at(number as u64), began("ada"), at(9)).await.expect("answered") }
    })
    .await;
    let who = |erasure: &Erasure| (erasure.id, erasure.pseudonym, erasure.began_at, erasure.until);
    assert!(answers.iter().all(|erasure| who(erasure) == who(&first)));
    let finished = erase(&*store, first.id, 7).await;
    let again = strike_out(&*store, "ada").await;
    assert_eq!((who(&again), again.finished_at, again.user), (who(&first), finished.finished_at, None));
    assert_eq!(again.erased.activities, 10);

    let answers = at_once(|_| {
        let store = store.clone();
        async move { store.strike_out(user_id("bob"), UNTIL, began("bob"), at(9)).await.expect("answered") }
    })
    .await;
    assert!(answers.iter().all(|erasure| who(erasure) == who(&answers[0])), "of parallel ones one is made");
    assert_ne!((answers[0].id, answers[0].pseudonym), (first.id, first.pseudonym));
}

pub(super) async fn an_erasure_goes_on_in_chunks_until_nothing_is_left<S: Store>(store: Arc<S>) {
    for (number, limit) in [1, 3, 10, 11, 1_000].into_iter().enumerate() {
        let (name, other) = (format!("ada {limit}"), format!("bob {limit}"));
        let first = number as u64 * 1_000;
        fill(&*store, &name, first).await;
        fill(&*store, &other, first + 100).await;
        append(&*store, entries(first + 200, (0..5).map(|_| event(Some(&name), None)))).await;
        for decision in [Decision::Denied, Decision::Granted, Decision::Withdrawn] {
            record(&*store, vec![decided(&user(&name), PurposeId::MARKETING, decision, at(2))]).await;
        }
        let before = kept(&*store, &other).await;
        let erasure = strike_out(&*store, &name).await;
        assert_eq!(store.unfinished_erasures().await.expect("readable").len(), 1);
        let erasure = erase(&*store, erasure.id, limit).await;
        let Erased { activities, preferences, consents, .. } = erasure.erased;
        assert_eq!((activities, preferences, consents), (15, 1, 4), "{limit} at a time");
        assert!(kept(&*store, &name).await.is_nothing());
        assert_eq!(kept(&*store, &other).await, before, "others are as they were");
        assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
    }
}

pub(super) async fn visitors_who_were_linked_go_along_and_no_others<S: Store>(store: Arc<S>) {
    let [phone, laptop, stranger, of_bob] = [(); 4].map(|()| new_visitor());
    let mut before = Vec::new();
    for visitor in [phone, laptop, stranger, of_bob] {
        before.push(decide(&*store, &visitor.into()).await);
    }
    link(&*store, phone, "ada").await;
    link(&*store, laptop, "ada").await;
    link(&*store, of_bob, "bob").await;
    let batch = [Some(phone), Some(laptop), Some(laptop), Some(stranger), Some(of_bob)].map(|who| event(None, who));
    append(
        &*store,
        entries(1, batch.into_iter().chain([event(Some("ada"), Some(phone)), event(Some("bob"), Some(phone))])),
    )
    .await;
    let bob = kept(&*store, "bob").await;

    let erasure = strike_out(&*store, "ada").await;
    let erasure = erase(&*store, erasure.id, 2).await;
    assert_eq!((erasure.erased.activities, erasure.erased.consents), (4, 3), "one record is merged, two are theirs");
    for (visitor, record) in [phone, laptop, stranger, of_bob].into_iter().zip(before) {
        let is_gone = [phone, laptop].contains(&visitor);
        let left = activities(&*store, ActivityFilter::new().visitor(visitor)).await;
        let left = left.iter().filter(|activity| activity.event.user.is_none());
        assert_eq!(left.count(), usize::from(!is_gone));
        assert_eq!(history(&*store, &visitor.into()).await, if is_gone { vec![] } else { vec![record] });
        assert_eq!(store.consents(visitor.into()).await.expect("readable").is_empty(), is_gone);
    }
    assert_eq!(kept(&*store, "bob").await, bob, "he used the phone, too");
}

pub(super) async fn a_finished_erasure_names_nobody<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), None);
    let begun = strike_out(&*store, "ada").await;
    let known = store.erasure_of(user_id("ada")).await.expect("readable").expect("it is there");
    assert_eq!((known.id, &known.user, known.finished_at), (begun.id, &Some(user_id("ada")), None));
    let finished = erase(&*store, begun.id, 100).await;
    assert_eq!((&finished.user, finished.finished_at), (&None, Some(at(4))));
    assert_eq!(
        store.erase_some(begun.id, 100, ErasedActivities::Deleted, is_over(), at(9)).await.expect("answered"),
        finished,
        "nothing is left to do"
    );
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), Some(finished));
    assert_eq!(store.unfinished_erasures().await.expect("readable"), []);
    assert_eq!(store.erasure_of(user_id("bob")).await.expect("readable"), None);
    let unknown = ErasureId::generate(START).expect("the system has random bytes");
    assert_eq!(
        store.erase_some(unknown, 1, ErasedActivities::Deleted, is_over(), START).await.expect_err("unknown").kind(),
        ErrorKind::InvalidInput
    );
}

pub(super) async fn unfinished_erasures_come_the_oldest_first<S: Store>(store: Arc<S>) {
    for (name, millis) in [("cid", 3), ("ada", 1), ("bob", 2)] {
        store.strike_out(user_id(name), UNTIL, began(name), at(millis)).await.expect("struck out");
    }
    let unfinished = store.unfinished_erasures().await.expect("readable");
    let names: Vec<_> = unfinished.iter().map(|erasure| erasure.user.as_ref().map(UserId::as_str)).collect();
    assert_eq!(names, [Some("ada"), Some("bob"), Some("cid")]);
    erase(&*store, unfinished[1].id, 10).await;
    let left = store.unfinished_erasures().await.expect("readable");
    assert_eq!(left.iter().map(|erasure| erasure.id).collect::<Vec<_>>(), [unfinished[0].id, unfinished[2].id]);
}

pub(super) async fn who_is_let_in_again_is_stored_again<S: Store>(store: Arc<S>) {
    assert!(!readmit(&*store).await.expect("answered"), "nobody was struck out");
    fill(&*store, "ada", 1).await;
    let erasure = strike_out(&*store, "ada").await;
    assert_eq!(readmit(&*store).await.expect_err("under way").kind(), ErrorKind::Conflict);
    erase(&*store, erasure.id, 100).await;
    assert!(readmit(&*store).await.expect("answered"));
    assert!(!readmit(&*store).await.expect("answered"));
    assert_eq!(store.erasure_of(user_id("ada")).await.expect("readable"), None);
    // An event of before does not come back, a new one is stored.
    assert_eq!(append(&*store, entries(1, [event(Some("ada"), None)])).await, [None]);
    fill(&*store, "ada", 100).await;
    let again = kept(&*store, "ada").await;
    assert_eq!((again.sessions.len(), again.consents.len(), again.activities.len()), (2, 1, 10));
    let second = strike_out(&*store, "ada").await;
    assert_ne!(second.id, erasure.id);
    assert_eq!(erase(&*store, second.id, 100).await.erased.activities, 10);
}

pub(super) async fn finished_erasures_are_forgotten_when_their_time_is_over<S: Store>(store: Arc<S>) {
    for (name, millis) in [("ada", 10), ("bob", 20), ("cid", 30), ("dan", 10)] {
        let erasure = store.strike_out(user_id(name), at(millis), began(name), START).await.expect("struck out");
        if name != "dan" {
            erase(&*store, erasure.id, 10).await;
        }
    }
    let is_out = async |name| store.erasure_of(user_id(name)).await.expect("readable").is_some();
    assert_eq!(store.forget_erasures(at(9), 10).await.expect("answered"), 0);
    assert_eq!(store.forget_erasures(at(10), 10).await.expect("answered"), 1, "to the millisecond");
    assert!(!is_out("ada").await && is_out("bob").await && is_out("dan").await);
    append(&*store, entries(1, [event(Some("ada"), None)])).await;
    assert_eq!(kept(&*store, "ada").await.activities.len(), 1, "stored again");
    assert_eq!(store.forget_erasures(at(99), 1).await.expect("answered"), 1);
    assert_eq!(store.forget_erasures(at(99), 10).await.expect("answered"), 1);
    assert!(!is_out("bob").await && !is_out("cid").await && is_out("dan").await, "what is under way is kept");
    assert_eq!(store.unfinished_erasures().await.expect("readable").len(), 1);
}

pub(super) async fn a_store_nobody_reads_is_clean_after_scrubbing<S: Store>(store: Arc<S>) {
    fill(&*store, "ada", 1).await;
    let erasure = strike_out(&*store, "ada").await;
    erase(&*store, erasure.id, 5).await;
    assert!(store.scrub().await.expect("scrubbed"));
    assert!(store.scrub().await.expect("scrubbed"), "again");
    assert_nothing_is_stored(&*store, "ada", 100).await;
}

pub(super) async fn whatever_the_order_nothing_of_an_erased_user_gets_in<S: Store>(store: Arc<S>) {
    const EVENTS: u64 = 20;
    for round in 0..8u64 {
        let (name, visitor) = (format!("ada {round}"), new_visitor());
        fill(&*store, &name, round * 100_000).await;
        decide(&*store, &visitor.into()).await;
        at_once(|number| {
            let (store, name) = (store.clone(), name.clone());
            async move {
                if number == 8 {
                    tokio::time::sleep(Duration::from_micros(300 * round)).await;
                    let erasure = strike_out(&*store, &name).await;
                    erase(&*store, erasure.id, 7).await;
                    return;
                }
                for step in 0..EVENTS {
                    let first = round * 100_000 + 1_000 * (number as u64 + 1) + step * 3;
                    let batch = [Some(name.as_str()), Some("other"), None].map(|user| event(user, None));
                    let sequences = append(&*store, entries(first, batch)).await;
                    assert!(sequences[1..].iter().all(Option::is_some), "others are stored");
                    let results = match number % 4 {
                        0 => [set_theme(&*store, &name).await, Ok(())],
                        1 => {
                            let decision = decided(&user(&name), PurposeId::ANALYTICS, Decision::Denied, at(step));
                            let linked = store.link_visitor(visitor, user_id(&name), MergePolicy::default(), at(5));
                            [linked.await.map(drop), store.record_consents(vec![decision]).await.map(drop)]
                        }
                        _ => [Ok(()), Ok(())],
                    };
                    for error in results.into_iter().filter_map(Result::err) {
                        assert_eq!(error.kind(), ErrorKind::StruckOut);
                    }
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        assert!(kept(&*store, &name).await.is_nothing(), "round {round}");
        let others = ActivityFilter::new().user(user_id("other"));
        assert_eq!(store.count(others).await.expect("counted"), (round + 1) * 15 * EVENTS);
        let all = store.count(ActivityFilter::new()).await.expect("counted");
        assert_eq!(all, (round + 1) * 15 * EVENTS * 2, "those of nobody as well");
    }
}
