//! Parts of the example that decide by the time, or under load: tried here without a server.

#[path = "../../../../examples/full_app/attempts.rs"]
mod attempts;
#[path = "../../../../examples/full_app/hashing.rs"]
mod hashing;
#[path = "../../../../examples/full_app/windows.rs"]
mod windows;

use std::{
    future::Future,
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Waker},
    time::{Duration, Instant},
};

use self::{
    attempts::{Account, Attempts},
    hashing::Hashing,
    windows::WINDOW,
};

fn name(name: &str) -> Account {
    Account::Name(name.into())
}

/// The addresses of different networks.
fn address(number: u32) -> IpAddr {
    Ipv6Addr::from((0x2001_0db8_u128 << 96) | (u128::from(number) << 64) | 1).into()
}

#[test]
fn attempts_lock_an_account_for_one_network_until_the_window_is_over() {
    let (attempts, start) = (Attempts::new(), Instant::now());
    for _ in 0..10 {
        assert_eq!(attempts.begin(name("ada"), address(1), start).unwrap().delay, Duration::ZERO);
    }
    let later = start + Duration::from_secs(20);
    assert_eq!(attempts.begin(name("ada"), address(1), later).unwrap_err(), Duration::from_secs(40));
    let neighbour = IpAddr::from(Ipv6Addr::from((0x2001_0db8_u128 << 96) | (1 << 64) | 77));
    assert!(attempts.begin(name("ada"), neighbour, later).is_err(), "of the same /64");
    assert!(attempts.begin(name("bob"), address(1), later).is_ok());
    assert!(attempts.begin(name("ada"), address(2), later).is_ok());
    assert!(attempts.begin(name("ada"), address(1), start + WINDOW).is_ok());
}

#[test]
fn attempts_stop_a_network_that_guesses_at_many_accounts() {
    let (attempts, now) = (Attempts::new(), Instant::now());
    for number in 0..30 {
        assert!(attempts.begin(name(&number.to_string()), address(1), now).is_ok());
    }
    assert_eq!(attempts.begin(name("ada"), address(1), now).unwrap_err(), WINDOW);
    assert!(attempts.begin(name("ada"), address(2), now).is_ok());
}

#[test]
fn attempts_at_one_account_from_many_networks_delay_and_never_lock() {
    let (attempts, now) = (Attempts::new(), Instant::now());
    let delays: Vec<_> =
        (0..1_000).map(|number| attempts.begin(name("ada"), address(number), now).unwrap().delay).collect();
    assert!(delays[..10].iter().all(Duration::is_zero));
    assert_eq!((delays[10], delays[11]), (Duration::from_millis(250), Duration::from_millis(500)));
    assert!(delays.is_sorted() && delays[999] == Duration::from_secs(5));
    assert_eq!(attempts.begin(name("bob"), address(1), now).unwrap().delay, Duration::ZERO);
}

#[test]
fn attempts_do_not_count_a_success() {
    let (attempts, now) = (Attempts::new(), Instant::now());
    for _ in 0..100 {
        let attempt = attempts.begin(name("ada"), address(1), now).unwrap();
        assert_eq!(attempt.delay, Duration::ZERO);
        assert!(attempts.are_pending());
        attempts.forgive(attempt);
        assert!(!attempts.are_pending());
    }
}

#[test]
fn attempts_tell_a_name_from_an_id() {
    let (attempts, now) = (Attempts::new(), Instant::now());
    for _ in 0..10 {
        attempts.begin(name("2"), address(1), now).unwrap();
    }
    assert!(attempts.begin(name("2"), address(1), now).is_err());
    assert_eq!(attempts.begin(Account::Id(2), address(1), now).unwrap().delay, Duration::ZERO);
}

#[tokio::test]
async fn hashing_refuses_what_its_queue_has_no_room_for_and_counts_who_has_left() {
    let hashing = Arc::new(Hashing::new(1, 1));
    let (finish, finished) = mpsc::channel::<()>();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut gone = pin!(hashing.run(move || finished.recv()));
        assert!(gone.as_mut().poll(&mut context).is_pending(), "it runs");
    }
    // The client has left; its hash is still under way.
    let mut waiting = pin!(hashing.run(|| "waited"));
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert!(hashing.run(|| ()).await.is_err(), "the queue is full");
    finish.send(()).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), "waited");
    assert_eq!(hashing.run(|| "next").await.unwrap().unwrap(), "next");
}
