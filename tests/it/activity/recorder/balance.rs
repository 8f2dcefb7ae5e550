//! Every event is counted, in any sequence of operations.

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Record(u8),
    Durable,
    Flush,
    Fault(Fault),
    Pause,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u8..40).prop_map(Step::Record),
        1 => Just(Step::Durable),
        1 => Just(Step::Flush),
        2 => prop_oneof![Just(Fault::Good), Just(Fault::Failing), Just(Fault::Stuck)].prop_map(Step::Fault),
        1 => Just(Step::Pause),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recorder_stats_balance_for_any_sequence(steps in steps(), spool in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store = FaultyStore::default();
            let settings = RecorderSettings::new()
                .queue(64)
                .batch(16, Duration::from_millis(50))
                .retry(3, Duration::from_millis(100));
            let settings = if spool { settings.spool(directory.path(), 20_000) } else { settings };
            let recorder = running(&store, settings);
            let (mut offered, mut next) = (0, 0);
            for step in steps {
                match step {
                    Step::Record(count) => for _ in 0..count {
                        recorder.record(event(next));
                        next += 1;
                        offered += 1;
                    },
                    // It may not get into the queue in time; then it was not offered.
                    Step::Durable => {
                        let before = recorder.stats().offered;
                        let _ = recorder.record_durable(event(next)).await;
                        next += 1;
                        offered += recorder.stats().offered - before;
                    }
                    Step::Flush => { let _ = recorder.flush().await; }
                    Step::Fault(mood) => store.set(mood),
                    Step::Pause => tokio::time::sleep(Duration::from_secs(3)).await,
                }
                assert_balanced(&recorder.stats());
            }
            store.set(Fault::Good);
            tokio::time::sleep(Duration::from_secs(60)).await;
            recorder.shutdown(Duration::from_secs(60)).await;
            let stats = recorder.stats();
            prop_assert_eq!(stats.offered, offered);
            assert_balanced(&stats);
            prop_assert_eq!(stats.queued, 0);
            let rows = store.store.count(ActivityFilter::new()).await.unwrap();
            prop_assert_eq!(rows, stats.written, "{:?}", stats);
            prop_assert_eq!(rows + stats.dropped + stats.refused + stats.lost + stats.spooled + stats.duplicates, offered);
            Ok(())
        })?;
    }
}
