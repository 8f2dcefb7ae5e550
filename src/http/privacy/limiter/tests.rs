use proptest::prelude::*;

use super::*;
use crate::{
    engine::rate::{MAX_SPAN, MIN_SPAN},
    time::to_millis,
};

const LIMITS: Limits = Limits { requests: RateLimit::per_minute(6), sensitive: RateLimit::per_minute(2) };

fn limiter(capacity: usize) -> Limiter {
    Limiter::new(LIMITS, NonZeroUsize::new(capacity).unwrap())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn check_allows_a_burst_and_then_an_even_rate() {
    let mut limiter = limiter(10);
    for _ in 0..6 {
        assert_eq!(limiter.check(1, Weight::Usual, at(0)), Ok(()));
    }
    let throttled = |seconds| Err(Throttled { limit: Weight::Usual, wait: Duration::from_secs(seconds) });
    assert_eq!(limiter.check(1, Weight::Usual, at(0)), throttled(10));
    assert_eq!(limiter.check(1, Weight::Usual, at(4_000)), throttled(6), "a refusal costs nothing");
    assert_eq!(limiter.check(1, Weight::Usual, at(10_000)), Ok(()));
    assert_eq!(limiter.check(1, Weight::Usual, at(10_000)), throttled(10));
    assert_eq!(limiter.check(2, Weight::Usual, at(10_000)), Ok(()), "another user is another matter");
}

#[test]
fn check_counts_sensitive_requests_in_both_limits() {
    let mut limiter = limiter(10);
    assert_eq!([(); 2].map(|()| limiter.check(1, Weight::Sensitive, at(0))), [Ok(()); 2]);
    let refused = limiter.check(1, Weight::Sensitive, at(0));
    assert_eq!(refused, Err(Throttled { limit: Weight::Sensitive, wait: Duration::from_secs(30) }));
    assert_eq!([(); 4].map(|()| limiter.check(1, Weight::Usual, at(0))), [Ok(()); 4]);
    assert!(limiter.check(1, Weight::Usual, at(0)).is_err());
}

#[test]
fn check_follows_a_clock_that_is_set_back() {
    let mut limiter = limiter(10);
    (0..6).for_each(|_| limiter.check(1, Weight::Usual, at(1_000_000)).unwrap());
    assert!(limiter.check(1, Weight::Usual, at(0)).is_err());
    assert_eq!(limiter.check(1, Weight::Usual, at(10_000)), Ok(()));
}

#[test]
fn check_bounds_memory_and_never_limits_other_users() {
    let mut limiter = limiter(16);
    for round in 0..6 {
        for user in 0..1_000 {
            assert_eq!(limiter.check(user, Weight::Usual, at(0)), Ok(()), "user {user} in round {round}");
            assert!(limiter.users.len() <= 16);
        }
    }
    (0..5).for_each(|_| limiter.check(999, Weight::Usual, at(0)).unwrap());
    assert!(limiter.check(999, Weight::Usual, at(0)).is_err(), "who is known is limited");
}

#[test]
fn check_does_not_overflow_with_the_largest_limits() {
    let largest = RateLimit::new(u32::MAX, MAX_SPAN);
    assert!(largest.is_possible());
    let mut limiter = Limiter::new(Limits { requests: largest, sensitive: largest }, NonZeroUsize::MIN);
    limiter.check(1, Weight::Sensitive, at(0)).unwrap();
    limiter.check(1, Weight::Sensitive, at(i64::MAX)).unwrap();
    for impossible in
        [RateLimit::new(0, MIN_SPAN), RateLimit::new(1, Duration::ZERO), RateLimit::new(1, MAX_SPAN + MIN_SPAN)]
    {
        assert!(!impossible.is_possible(), "{impossible:?}");
    }
}

proptest! {
    /// Beside a plain count over every span of time.
    #[test]
    fn check_allows_no_more_than_the_limit_in_any_span(
        requests in 1u32..20,
        per in 1u64..5_000,
        steps in prop::collection::vec(0i64..700, 1..200),
    ) {
        let limit = RateLimit::new(requests, Duration::from_millis(per));
        let mut limiter = Limiter::new(Limits { requests: limit, sensitive: limit }, NonZeroUsize::MIN);
        let (mut now, mut passed) = (0, Vec::<i64>::new());
        for step in steps {
            now += step;
            match limiter.check(1, Weight::Usual, at(now)) {
                Ok(()) => passed.push(now),
                Err(Throttled { wait, .. }) => {
                    let wait = to_millis(wait);
                    let asked = |limiter: &mut Limiter, time| limiter.check(1, Weight::Usual, at(time));
                    prop_assert!(asked(&mut limiter, now + wait - 1).is_err(), "not before");
                    now += wait;
                    prop_assert!(asked(&mut limiter, now).is_ok(), "but then");
                    passed.push(now);
                }
            }
        }
        for (first, begin) in passed.iter().enumerate() {
            for (last, end) in passed.iter().enumerate().skip(first) {
                let in_all = (last - first + 1) as u64;
                let given_back = (end - begin) as u64 * u64::from(requests) / per;
                prop_assert!(in_all <= u64::from(requests) + given_back);
            }
        }
    }
}
