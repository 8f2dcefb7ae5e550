//! Cases for [`MaintenanceStore`]: leases and free space.

use std::sync::Arc;

use uuid::Uuid;

use super::{MaintenanceStore, at, support::at_once};
use crate::time::Timestamp;

const ONE: Uuid = Uuid::from_u128(1);
const TWO: Uuid = Uuid::from_u128(2);

async fn lease<S: MaintenanceStore>(
    store: &S,
    name: &'static str,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
) -> bool {
    store.acquire_lease(name, holder, now, until).await.expect("answered")
}

pub(super) async fn acquire_lease_has_one_holder_until_expiry<S: MaintenanceStore>(store: Arc<S>) {
    assert!(lease(&*store, "a", ONE, at(0), at(100)).await, "it is free");
    assert!(!lease(&*store, "a", TWO, at(99), at(500)).await, "to the millisecond");
    assert!(lease(&*store, "a", ONE, at(50), at(200)).await, "its own");
    assert!(!lease(&*store, "a", TWO, at(199), at(500)).await, "longer now");
    assert!(lease(&*store, "a", TWO, at(200), at(300)).await, "it is over");
    assert!(!lease(&*store, "a", ONE, at(200), at(300)).await, "and another's now");
}

pub(super) async fn acquire_lease_can_end_a_lease_early<S: MaintenanceStore>(store: Arc<S>) {
    assert!(lease(&*store, "a", ONE, at(0), at(1_000)).await);
    assert!(lease(&*store, "a", ONE, at(10), at(10)).await);
    assert!(lease(&*store, "a", TWO, at(10), at(20)).await);
}

pub(super) async fn acquire_lease_separates_names<S: MaintenanceStore>(store: Arc<S>) {
    assert!(lease(&*store, "a", ONE, at(0), at(100)).await);
    assert!(lease(&*store, "b", TWO, at(0), at(100)).await);
    assert!(!lease(&*store, "b", ONE, at(0), at(100)).await);
}

pub(super) async fn acquire_lease_has_one_winner_in_parallel<S: MaintenanceStore>(store: Arc<S>) {
    for round in 0..8 {
        let (now, until) = (at(round * 10), at(round * 10 + 10));
        let taken = at_once(|number| {
            let store = store.clone();
            async move { lease(&*store, "a", Uuid::from_u128(number as u128), now, until).await }
        });
        assert_eq!(taken.await.into_iter().filter(|taken| *taken).count(), 1, "round {round}");
    }
}

pub(super) async fn reclaim_space_respects_the_limit<S: MaintenanceStore>(store: Arc<S>) {
    let look = store.reclaim_space(0).await.expect("answered");
    assert_eq!(look.freed, 0, "only looked");
    let given = store.reclaim_space(3).await.expect("answered");
    assert!(given.freed <= 3 && given.left <= look.left);
}
