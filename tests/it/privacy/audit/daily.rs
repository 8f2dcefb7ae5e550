//! The trail is verified in the background.

use tower_guestbook::{Timestamp, privacy::VerificationReport};

use super::*;
use crate::support::faulty_store::{Fault, FaultyStore};

/// Time between two sweeps; paused time does not advance on its own.
const SWEEP: Duration = Duration::from_secs(60);

/// When and how the last verification ended, after one more sweep.
async fn swept(guestbook: &Guestbook) -> Option<(Timestamp, VerificationReport)> {
    tokio::time::sleep(SWEEP).await;
    guestbook.audit().last_verification().map(|last| (last.at, last.report))
}

async fn record(guestbook: &Guestbook) {
    guestbook.audit().record(own(), Actor::System, None, Value::Null).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn trail_is_verified_daily_and_last_verification_has_the_result() {
    let (builder, clock) = support::builder(MemoryStore::new());
    let guestbook = builder.build().unwrap();
    record(&guestbook).await;
    assert_eq!(guestbook.audit().last_verification(), None, "a start is not made slower");
    swept(&guestbook).await;
    let (at, first) = swept(&guestbook).await.unwrap();
    assert!(at == START && first.is_intact() && !first.anchored && first.entries == 1, "{first:?}");
    record(&guestbook).await;
    clock.advance(DAY - Duration::from_millis(1));
    for _ in 0..3 {
        assert_eq!(swept(&guestbook).await.unwrap(), (START, first.clone()), "not before it is due");
    }
    clock.advance(Duration::from_millis(1));
    swept(&guestbook).await;
    let (at, second) = swept(&guestbook).await.unwrap();
    assert_eq!((at, second.entries, second.fault), (START.after(DAY), 2, None));
    assert!(second.anchored, "against what was found the time before");
    guestbook.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn daily_verification_reports_a_changed_trail() {
    let store = FaultyStore::default();
    let (builder, _clock) = support::builder(store.clone());
    let right = builder.audit_key([9; 32]).verify_audit(Duration::MAX).build().unwrap();
    record(&right).await;
    // As if somebody had made it anew, who does not have the key.
    let guestbook = support::builder(store.clone()).0.audit_key([8; 32]).build().unwrap();
    store.set(Fault::Failing);
    swept(&guestbook).await;
    assert_eq!(swept(&guestbook).await, None, "the store fails, and the next sweep tries again");
    store.set(Fault::Good);
    swept(&guestbook).await;
    let (_, report) = swept(&guestbook).await.unwrap();
    assert_eq!(report.fault.unwrap().flaw, AuditFlaw::Altered);
    assert_eq!(right.audit().last_verification(), None, "who never wants it never gets it");
    let zero = support::builder(MemoryStore::new()).0.verify_audit(Duration::ZERO).build().unwrap_err();
    assert!(zero.kind() == ErrorKind::Configuration && zero.to_string().contains("verify_audit()"), "{zero}");
    guestbook.shutdown().await;
    right.shutdown().await;
}

#[tokio::test]
async fn daily_verification_finds_entries_cut_off_since_the_last_one() {
    let place = Place::new();
    let (builder, clock) = support::builder(SqliteStore::open(place.path()).unwrap());
    let guestbook = builder.audit_key([9; 32]).sweep_interval(Duration::from_millis(5)).build().unwrap();
    let verified_at = async |at: Timestamp| {
        for _ in 0..4_000 {
            if let Some(last) = guestbook.audit().last_verification().filter(|last| last.at == at) {
                return last.report;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nothing was verified");
    };
    place.fill(5).await;
    verified_at(START).await;
    clock.advance(DAY);
    assert_eq!(verified_at(START.after(DAY)).await.head.sequence, 5);
    let cut = "DROP TRIGGER audit_entries_go_with_a_checkpoint; DELETE FROM audit_entries WHERE sequence = 5";
    place.raw().execute_batch(cut).unwrap();
    clock.advance(DAY);
    let fault = verified_at(START.after(DAY * 2)).await.fault.unwrap();
    assert_eq!((fault.sequence, fault.flaw), (5, AuditFlaw::Missing));
    guestbook.shutdown().await;
}
