//! Cases for [`ConsentStore`]: records and states.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{ConsentStore, START, at, new_visitor, support::at_once, user_id};
use crate::{
    error::ErrorKind,
    id::SessionId,
    model::{
        client::{Agent, TruncatedAddress},
        consent::{
            Category, ConsentId, ConsentRecord, ConsentState, ConsentStates, Decision, DecisionEvent, DecisionMethod,
            NoticeHash, Proof, Purpose, PurposeId, Regime, Subject,
        },
    },
    time::Timestamp,
};

pub(super) fn user(name: &str) -> Subject {
    Subject::User(user_id(name))
}

/// A decision about one purpose, without further proof.
pub(super) fn decided(who: &Subject, what: PurposeId, decision: Decision, now: Timestamp) -> ConsentRecord {
    let consent_state = consent_state(&what, DecisionEvent::new(decision, 1, now));
    let proof = Proof::new(DecisionMethod::Custom, now);
    ConsentRecord::new(who.clone(), what, consent_state, proof).expect("the system has random bytes")
}

fn consent_state(what: &PurposeId, decided: DecisionEvent) -> ConsentState {
    let purpose = Purpose::new(what.as_str(), Category::Analytics).expiry(Duration::from_secs(180 * 24 * 60 * 60));
    ConsentState::after(&purpose, &decided)
}

/// The record of a request with `Sec-GPC: 1`.
fn signal(who: &Subject, what: PurposeId, now: Timestamp) -> ConsentRecord {
    let mut record = decided(who, what, Decision::Objected, now);
    record.consent_state.gpc_present = true;
    record.proof.method = DecisionMethod::Gpc;
    record
}

/// The same decision with all fields of the proof.
pub(super) fn proven(mut record: ConsentRecord) -> ConsentRecord {
    let address = std::net::IpAddr::from([203, 0, 113, 77]);
    let session = SessionId::generate(START).expect("the system has random bytes");
    record.proof.notice = Some(NoticeHash::of("We count visits."));
    record.proof.language = Some("de-CH".into());
    record.proof.source = Some("/käse'\"\u{0}\u{1f600}".into());
    record.proof.place = Some("CH".into());
    record.proof.regime = Regime::OptOut;
    record.consent_state.dnt_present = true;
    record.proof.given_at = Timestamp::from_millis(-1);
    record.proof.session = Some(session);
    record.proof.network = Some(TruncatedAddress::from(address));
    record.proof.agent = Some(Agent::from_user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"));
    record.proof.actor = Some("the guardian".into());
    record
}

/// Stores records, and returns the states of the subject.
pub(super) async fn record<S: ConsentStore>(store: &S, records: Vec<ConsentRecord>) -> ConsentStates {
    let subject = records.first().expect("something to store").subject.clone();
    let consent_states = store.record_consents(records).await.expect("stored");
    assert_eq!(consent_states, consents(store, &subject).await, "the answer is what is stored");
    consent_states
}

pub(super) async fn consents<S: ConsentStore>(store: &S, subject: &Subject) -> ConsentStates {
    store.consents(subject.clone()).await.expect("readable")
}

/// Returns all records, the last stored first.
pub(super) async fn history<S: ConsentStore>(store: &S, subject: &Subject) -> Vec<ConsentRecord> {
    store.consent_history(subject.clone(), usize::MAX, None).await.expect("readable")
}

/// Returns the subject's own records in order, after checking the states and the links to preceding
/// records.
pub(super) async fn checked<S: ConsentStore>(store: &S, subject: &Subject) -> Vec<ConsentRecord> {
    let mut records = history(store, subject).await;
    records.retain(|record| record.subject == *subject);
    records.reverse();
    let mut consent_states = ConsentStates::default();
    for record in &records {
        assert_eq!(record.previous, consent_states.add(record), "the record before this one");
    }
    assert_eq!(consents(store, subject).await, consent_states);
    assert_eq!(ConsentStates::rebuild(&records), consent_states);
    records
}

pub(super) fn ids(records: &[ConsentRecord]) -> Vec<ConsentId> {
    records.iter().map(|record| record.id).collect()
}

pub(super) async fn consents_of_an_unknown_subject_are_empty<S: ConsentStore>(store: Arc<S>) {
    for subject in [user("ada"), new_visitor().into()] {
        assert_eq!(consents(&*store, &subject).await, ConsentStates::default());
        assert_eq!(history(&*store, &subject).await, []);
    }
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}

pub(super) async fn record_consents_stores_records_with_their_proof<S: ConsentStore>(store: Arc<S>) {
    let own = PurposeId::new(&format!("x{}", "-9_".repeat(21))).expect("a name of 64 bytes");
    let long = "ü".repeat(127) + "x";
    for subject in [user(&long), new_visitor().into()] {
        let mut first = proven(decided(&subject, own.clone(), Decision::Granted, at(1)));
        let knowing = DecisionEvent::new(Decision::Granted, u32::MAX, Timestamp::from_millis(i64::MAX)).with_gpc();
        first.consent_state = consent_state(&own, knowing);
        let early = decided(&subject, PurposeId::ANALYTICS, Decision::Denied, Timestamp::from_millis(i64::MIN));
        let consent_states = record(&*store, vec![first.clone(), early.clone()]).await;
        assert_eq!(consent_states, ConsentStates::rebuild([&first, &early]));
        let second = decided(&subject, own.clone(), Decision::Withdrawn, at(2));
        let consent_states = record(&*store, vec![second.clone()]).await;
        assert_eq!(consent_states.recorded(&own).map(|held| held.record), Some(second.id));
        assert_eq!(consent_states.get(&PurposeId::ANALYTICS), Some(&early.consent_state));
        let second = ConsentRecord { previous: Some(first.id), ..second };
        assert_eq!(history(&*store, &subject).await, [second, early, first]);
    }
}

pub(super) async fn consent_history_returns_pages_newest_first<S: ConsentStore>(store: Arc<S>) {
    let (ada, bob) = (user("ada"), user("bob"));
    let mut stored = Vec::new();
    for number in 0..10 {
        // The order of storing counts, whatever the clock said.
        let decided = |who, what| decided(who, what, Decision::Granted, at((100 - number) * DAY));
        let records = vec![decided(&ada, PurposeId::ANALYTICS), decided(&ada, PurposeId::MARKETING)];
        stored.splice(0..0, ids(&records).into_iter().rev());
        record(&*store, records).await;
        record(&*store, vec![decided(&bob, PurposeId::ANALYTICS)]).await;
    }
    assert_eq!(ids(&history(&*store, &ada).await), stored);
    let page = async |limit, before| ids(&store.consent_history(user("ada"), limit, before).await.expect("readable"));
    for size in [1, 3, 7, 20, 100] {
        let (mut pages, mut before) = (Vec::new(), None);
        // One page more than there are shows that nothing follows the last one.
        for _ in 0..=stored.len().div_ceil(size) {
            let ids = page(size, before).await;
            assert_eq!(
                ids.len(),
                size.min(stored.len() - pages.len().min(stored.len())),
                "only the last page is short"
            );
            before = ids.last().copied().or(before);
            pages.extend(ids);
        }
        assert_eq!(pages, stored, "in pages of {size}");
    }
    assert_eq!(page(0, None).await, []);
    let of_bob = history(&*store, &bob).await;
    assert_eq!(page(2, Some(of_bob[4].id)).await, stored[8..10], "what was stored before the record of somebody else");
    let unknown = ConsentId::generate(START).expect("the system has random bytes");
    assert_eq!(page(10, Some(unknown)).await, [], "nothing was stored before what is not stored");
}

pub(super) async fn record_consents_requires_one_subject<S: ConsentStore>(store: Arc<S>) {
    let granted = |who: &Subject| decided(who, PurposeId::ANALYTICS, Decision::Granted, START);
    let (ada, visitor) = (user("ada"), Subject::Visitor(new_visitor()));
    let mixed = vec![granted(&ada), granted(&ada), granted(&visitor)];
    for records in [vec![], vec![granted(&ada), granted(&user("bob"))], mixed] {
        let error = store.record_consents(records).await.expect_err("not of one subject");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    for subject in [ada, visitor] {
        assert_eq!(history(&*store, &subject).await, []);
        assert_eq!(consents(&*store, &subject).await, ConsentStates::default());
    }
}

pub(super) async fn record_consents_refuses_a_taken_id_as_a_whole<S: ConsentStore>(store: Arc<S>) {
    let (ada, bob) = (user("ada"), user("bob"));
    let granted = |who: &Subject, what| decided(who, what, Decision::Granted, START);
    let taken = granted(&ada, PurposeId::ANALYTICS);
    let before = record(&*store, vec![taken.clone()]).await;
    let with_id = |who: &Subject, id| ConsentRecord { id, ..granted(who, PurposeId::MARKETING) };
    let twice = granted(&ada, PurposeId::FUNCTIONAL);
    for records in [
        vec![taken.clone()],
        vec![granted(&ada, PurposeId::FUNCTIONAL), with_id(&ada, taken.id)],
        vec![granted(&bob, PurposeId::FUNCTIONAL), with_id(&bob, taken.id)],
        vec![twice.clone(), with_id(&ada, twice.id)],
    ] {
        let error = store.record_consents(records).await.expect_err("the id is taken");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(checked(&*store, &ada).await, std::slice::from_ref(&taken));
        assert_eq!(consents(&*store, &ada).await, before);
        assert_eq!((history(&*store, &bob).await, consents(&*store, &bob).await), (vec![], ConsentStates::default()));
    }
    record(&*store, vec![twice]).await;
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}

pub(super) async fn consents_equal_the_records<S: ConsentStore>(store: Arc<S>) {
    const DECISIONS: [Decision; 4] = [Decision::Granted, Decision::Denied, Decision::Withdrawn, Decision::Objected];
    let own = PurposeId::new("own").expect("a name");
    let purposes = [PurposeId::ANALYTICS, PurposeId::MARKETING, own];
    let subjects = [user("ada"), user("bob"), new_visitor().into()];
    let mut seed: u64 = 1;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut expected: HashMap<&Subject, (ConsentStates, Vec<ConsentRecord>)> = HashMap::new();
    for _ in 0..80 {
        let subject = &subjects[random(3) as usize];
        let records: Vec<_> = (0..=random(3))
            .map(|_| {
                let (what, decision) = (purposes[random(3) as usize].clone(), DECISIONS[random(4) as usize]);
                let now = at(random(4 * DAY));
                let mut record =
                    if random(3) == 0 { signal(subject, what, now) } else { decided(subject, what, decision, now) };
                record.consent_state.gpc_present |= random(4) == 0;
                record
            })
            .collect();
        let (consent_states, stored) = expected.entry(subject).or_default();
        for record in &records {
            if record.is_new_after(stored.iter().rfind(|stored| stored.purpose == record.purpose)) {
                consent_states.add(record);
                stored.push(record.clone());
            }
        }
        assert_eq!(record(&*store, records).await, *consent_states);
    }
    for (subject, (consent_states, stored)) in expected {
        assert_eq!(ids(&checked(&*store, subject).await), ids(&stored));
        assert_eq!(consents(&*store, subject).await, consent_states);
    }
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}

pub(super) async fn record_consents_ignores_a_repeated_signal<S: ConsentStore>(store: Arc<S>) {
    let ada = user("ada");
    let signal = || signal(&ada, PurposeId::MARKETING, START);
    let decided = |decision| decided(&ada, PurposeId::MARKETING, decision, START);
    let mut knowing = decided(Decision::Granted);
    knowing.consent_state.gpc_present = true;
    let mut expected = Vec::new();
    for (records, stored) in [
        (vec![signal()], 1),
        (vec![signal()], 0),
        (vec![decided(Decision::Granted), signal(), signal()], 2),
        (vec![decided(Decision::Denied), signal()], 1),
        (vec![decided(Decision::Withdrawn)], 1),
        (vec![signal(), signal()], 0),
        (vec![knowing], 1),
        (vec![signal()], 0),
        (vec![signal(), decided(Decision::Granted)], 1),
        (vec![signal()], 1),
    ] {
        let news = records.iter().filter(|record| record.proof.method != DecisionMethod::Gpc);
        let of_signal = records.iter().find(|record| record.proof.method == DecisionMethod::Gpc);
        let mut news: Vec<_> = news.map(|record| record.id).collect();
        news.extend(of_signal.filter(|_| stored > news.len()).map(|record| record.id));
        expected.extend(news);
        record(&*store, records).await;
        assert_eq!(ids(&checked(&*store, &ada).await), expected);
    }
    let other = self::signal(&ada, PurposeId::ANALYTICS, START);
    let consent_states = record(&*store, vec![signal(), other]).await;
    assert_eq!(
        consent_states.get(&PurposeId::ANALYTICS).map(|consent_state| consent_state.decision),
        Some(Decision::Objected)
    );
}

pub(super) async fn consents_of_subjects_are_separate<S: ConsentStore>(store: Arc<S>) {
    let visitor = new_visitor();
    let spellings = [visitor.as_uuid().hyphenated().to_string(), visitor.as_uuid().simple().to_string()];
    let mut subjects = vec![Subject::Visitor(visitor), new_visitor().into(), user(&spellings[0]), user(&spellings[1])];
    subjects.extend(["1", "01", "ada", "Ada", "ada ", "%", "_", "'", "ä", "a\u{308}"].map(user));
    for (number, subject) in subjects.iter().enumerate() {
        for day in 0..=number as u64 {
            let now = at(number as u64 + day * DAY);
            record(&*store, vec![decided(subject, PurposeId::ANALYTICS, Decision::Denied, now)]).await;
        }
    }
    for (number, subject) in subjects.iter().enumerate() {
        let records = checked(&*store, subject).await;
        let since = records.iter().map(|record| record.consent_state.since);
        assert!(since.eq((0..=number as u64).map(|day| at(number as u64 + day * DAY))));
    }
}

pub(super) async fn record_consents_ignores_an_identical_decision_within_a_day<S: ConsentStore>(store: Arc<S>) {
    for subject in [user("ada"), new_visitor().into()] {
        let granted = |millis| proven(decided(&subject, PurposeId::ANALYTICS, Decision::Granted, at(millis)));
        let first = granted(0);
        let mut expected = vec![first.id];
        let before = record(&*store, vec![first.clone(), granted(0)]).await;
        for millis in [0, 1, DAY / 2, DAY - 1] {
            let after = record(&*store, vec![granted(millis), granted(millis)]).await;
            assert_eq!(after, before, "after {millis} ms it adds nothing and renews nothing");
        }
        let renewed = granted(DAY);
        expected.push(renewed.id);
        let after = record(&*store, vec![renewed.clone()]).await;
        assert_eq!(after.get(&PurposeId::ANALYTICS), Some(&renewed.consent_state), "a day later it is renewed");

        // Everything that makes it another decision.
        type Change = fn(&mut ConsentRecord);
        let changes: [Change; 7] = [
            |record| record.consent_state.notice_version += 1,
            |record| record.proof.notice = None,
            |record| record.proof.notice = Some(NoticeHash::of("We sell visits.")),
            |record| record.proof.actor = None,
            |record| record.consent_state.gpc_present = true,
            |record| record.consent_state.decision = Decision::Withdrawn,
            |record| record.proof.method = DecisionMethod::Import,
        ];
        for change in changes {
            let mut other = granted(DAY);
            change(&mut other);
            let again = ConsentRecord { id: granted(DAY).id, ..other.clone() };
            let is_import = other.proof.method == DecisionMethod::Import;
            expected.push(other.id);
            expected.extend(is_import.then_some(again.id));
            record(&*store, vec![other, again]).await;
        }
        let elsewhere = decided(&subject, PurposeId::MARKETING, Decision::Granted, at(DAY));
        expected.push(elsewhere.id);
        record(&*store, vec![elsewhere]).await;
        assert_eq!(ids(&checked(&*store, &subject).await), expected);
    }
    assert_eq!(store.rebuild_consents().await.expect("rebuilt"), 0);
}

pub(super) async fn record_consents_ignores_parallel_identical_decisions<S: ConsentStore>(store: Arc<S>) {
    at_once(|_| {
        let store = store.clone();
        let granted = decided(&user("ada"), PurposeId::ANALYTICS, Decision::Granted, START);
        async move { store.record_consents(vec![granted]).await.expect("stored") }
    })
    .await;
    assert_eq!(checked(&*store, &user("ada")).await.len(), 1);
}

/// Milliseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1_000;
