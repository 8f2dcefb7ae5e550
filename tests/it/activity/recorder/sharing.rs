//! Fair shares of a full queue, and reserved places for security events.

use tower_guestbook::activity::{EventTypes, RequestTrace, Tracked};

use super::*;

fn by(user: i64, event_type: EventType) -> Event {
    let mut event = Event::new(event_type, START);
    event.user = Some(UserId::from(user));
    event
}

/// An event of a client without a login, from a network if known.
fn from(network: Option<[u8; 4]>) -> Event {
    let mut event = Event::new(EventType::ACTION, START);
    let network = network.map(|network| std::net::IpAddr::from(network).into());
    let mut request = RequestTrace::default();
    request.network = network;
    event.request = Some(request);
    event
}

async fn count<S: ActivityStore>(store: &S, filter: ActivityFilter) -> u64 {
    store.count(filter).await.unwrap()
}

#[tokio::test]
async fn queue_records_logins_of_others_while_one_user_floods_it() {
    let store = FaultyStore::default();
    let (recorder, worker) = pair(&store, RecorderSettings::new());
    // Nothing is stored yet, as with a slow store.
    for _ in 0..20_000 {
        recorder.record(by(1, EventType::ACTION));
    }
    for user in 100..160 {
        assert_eq!(recorder.record(by(user, EventType::LOGIN)), Tracked::Queued);
        assert_eq!(recorder.record(by(user, EventType::PURCHASE)), Tracked::Queued, "not only logins");
    }
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    assert_eq!(count(&*store.store, ActivityFilter::new().event_type(EventType::LOGIN)).await, 60);
    assert_eq!(count(&*store.store, ActivityFilter::new().event_type(EventType::PURCHASE)).await, 60);
    assert_eq!(count(&*store.store, ActivityFilter::new().user(UserId::from(1))).await, 4_096 + 512);
    assert_balanced(&recorder.stats());
}

#[tokio::test]
async fn security_queue_accepts_events_when_the_queue_is_full() {
    let store = FaultyStore::default();
    let types = EventTypes::new().security(["password_changed"]).unwrap();
    let settings = RecorderSettings::new().queue(64).security_queue(64).batch(8, Duration::ZERO).event_types(types);
    let (recorder, worker) = pair(&store, settings);
    for user in 0..1_000 {
        recorder.record(by(user, EventType::ACTION));
    }
    assert_eq!(recorder.stats().queued, 64);
    assert_eq!(recorder.record(by(1, EventType::PURCHASE)), Tracked::Dropped);
    for user in 1_000..1_030 {
        assert_eq!(recorder.record(by(user, EventType::LOGIN)), Tracked::Queued);
        assert_eq!(recorder.record(by(user, "password_changed".try_into().unwrap())), Tracked::Queued);
    }
    // One user gets a sixteenth of the reserve.
    let answers: Vec<_> = (0..8).map(|_| recorder.record(by(7, EventType::LOGOUT))).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Tracked::Queued).count(), 4);
    tokio::spawn(worker.run());
    recorder.flush().await.unwrap();
    assert_eq!(count(&*store.store, ActivityFilter::new()).await, 64 + 60 + 4);
    assert_balanced(&recorder.stats());
    // All places are free again, those of the queue and of the reserve.
    for round in 0..3 {
        for user in 0..64 {
            let event = by(user, EventType::ACTION);
            assert_eq!(recorder.record(event), Tracked::Queued, "round {round}, user {user}");
        }
        recorder.flush().await.unwrap();
    }
}

#[tokio::test]
async fn queue_shares_clients_by_network_and_does_not_limit_the_application() {
    let store = FaultyStore::default();
    let settings = RecorderSettings::new().queue(160).batch(16, Duration::ZERO);
    let (recorder, _worker) = pair(&store, settings);
    let fill = |event: &dyn Fn() -> Event| (0..1_000).filter(|_| recorder.record(event()) == Tracked::Queued).count();
    assert_eq!(fill(&|| from(Some([203, 0, 113, 7]))), 80 + 10, "half of the queue, and a share of the rest");
    assert_eq!(fill(&|| from(Some([203, 0, 113, 9]))), 0, "the same network");
    assert_eq!(fill(&|| from(Some([198, 51, 100, 7]))), 10);
    assert_eq!(fill(&|| from(None)), 10, "strangers whose network nobody knows are one");
    assert_eq!(fill(&|| by(1, EventType::ACTION)), 10);
    assert_eq!(fill(&|| Event::new(EventType::ACTION, START)), 40, "all that is left");
    assert_balanced(&recorder.stats());
}

#[tokio::test]
async fn queue_shares_reset_when_the_worker_fetches() {
    let store = FaultyStore::default();
    let settings = RecorderSettings::new().queue(32).batch(32, Duration::ZERO);
    let recorder = running(&store, settings);
    for _ in 0..5 {
        let queued = (0..100).filter(|_| recorder.record(by(1, EventType::ACTION)) == Tracked::Queued).count();
        assert_eq!(queued, 16 + 2);
        recorder.flush().await.unwrap();
    }
    assert_eq!(count(&*store.store, ActivityFilter::new()).await, 90);
}

#[tokio::test]
async fn record_durable_returns_stored_or_withheld() {
    let guestbook = Guestbook::builder(MemoryStore::new()).clock(Clock::manual(START)).build().unwrap();
    let ada = UserId::try_from("ada").unwrap();
    let event = || {
        let mut event = Event::new(EventType::ACTION, START);
        event.user = Some(ada.clone());
        event
    };
    assert_eq!(guestbook.recorder().record_durable(event()).await.unwrap(), Tracked::Stored);
    let reason = tower_guestbook::privacy::RestrictionReason::Accuracy;
    guestbook.rights().restrict(&ada, reason).await.unwrap();
    assert_eq!(guestbook.recorder().record_durable(event()).await.unwrap(), Tracked::Withheld);
    assert_eq!(guestbook.activities().count(ActivityFilter::new()).await.unwrap(), 1);
    guestbook.shutdown().await;
    assert_eq!(guestbook.recorder().record(event()), Tracked::Dropped, "shut down");
}
