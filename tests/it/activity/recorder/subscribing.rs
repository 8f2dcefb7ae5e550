//! Subscriptions to stored events.

use super::*;

#[tokio::test]
async fn subscribe_yields_stored_events_and_counts_missed_ones() {
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new().subscriptions(2, 3));
    let mut all = recorder.subscribe(ActivityFilter::new()).unwrap();
    let mut ones = recorder.subscribe(ActivityFilter::new().user(UserId::from(1))).unwrap();
    assert_eq!(recorder.subscribe(ActivityFilter::new()).unwrap_err().kind(), ErrorKind::Unavailable);
    for number in 0..6 {
        recorder.record(event(number));
    }
    recorder.flush().await.unwrap();
    let number = |live: Option<Live>| match live {
        Some(Live::Activity(activity)) => activity.event.time.since(START).as_millis() as i64,
        Some(Live::Missed(count)) => -(count as i64),
        other => panic!("{other:?}"),
    };
    let seen = [number(all.next().await), number(all.next().await), number(all.next().await), number(all.next().await)];
    assert_eq!(seen, [0, 1, 2, -3]);
    recorder.record(event(6));
    recorder.flush().await.unwrap();
    assert_eq!(number(all.next().await), 6);
    // Missed in the middle: reported before the later ones.
    for number in 0..4 {
        recorder.record(event(number));
    }
    recorder.flush().await.unwrap();
    assert_eq!(number(all.next().await), 0);
    recorder.record(event(9));
    recorder.flush().await.unwrap();
    let seen = [number(all.next().await), number(all.next().await), number(all.next().await), number(all.next().await)];
    assert_eq!(seen, [1, 2, -1, 9]);

    assert_eq!([number(ones.next().await), number(ones.next().await)], [1, 4], "their own only");
    drop(all);
    recorder.subscribe(ActivityFilter::new()).expect("there is room again");
    recorder.shutdown(Duration::from_secs(1)).await;
    assert_eq!(number(ones.next().await), 1, "what was queued is still there");
    assert_eq!(ones.next().await, None);
}

#[tokio::test]
async fn subscribe_yields_the_sequence_of_the_history() {
    let store = FaultyStore::default();
    let recorder = running(&store, RecorderSettings::new());
    let mut live = recorder.subscribe(ActivityFilter::new()).unwrap();
    recorder.record_durable(event(7)).await.unwrap();
    let Some(Live::Activity(seen)) = live.next().await else { panic!("an event") };
    let page = store.store.history(HistoryQuery::new(ActivityFilter::new())).await.unwrap();
    assert_eq!(*seen, page.activities[0]);
}
