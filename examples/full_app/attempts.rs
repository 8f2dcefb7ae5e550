//! Failed logins, counted by account and by address. A success is not counted.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);
const PER_ACCOUNT: u32 = 10;
const PER_ADDRESS: u32 = 30;

/// So many accounts and addresses are remembered. When that many fail within a minute, others have to wait.
const CAPACITY: usize = 100_000;

#[derive(Default)]
pub(crate) struct Attempts {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    accounts: HashMap<String, Window>,
    addresses: HashMap<IpAddr, Window>,
}

struct Window {
    opened: Instant,
    count: u32,
}

impl Attempts {
    /// Counts an attempt as failed before it is judged, so that parallel guesses count too; [`forgive`](Self::forgive)
    /// takes it back. `Err` says how long to wait.
    pub(crate) fn begin(&self, account: &str, address: IpAddr) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let address = network(address);
        let account_wait = wait(&mut state.accounts, account, PER_ACCOUNT, now);
        let address_wait = wait(&mut state.addresses, &address, PER_ADDRESS, now);
        match account_wait.max(address_wait) {
            Some(wait) => Err(wait),
            None => {
                count(&mut state.accounts, account.to_owned(), now);
                count(&mut state.addresses, address, now);
                Ok(())
            }
        }
    }

    pub(crate) fn forgive(&self, account: &str, address: IpAddr) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = state.accounts.get_mut(account) {
            window.count = window.count.saturating_sub(1);
        }
        if let Some(window) = state.addresses.get_mut(&network(address)) {
            window.count = window.count.saturating_sub(1);
        }
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

fn wait<K, Q>(windows: &mut HashMap<K, Window>, key: &Q, limit: u32, now: Instant) -> Option<Duration>
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    if windows.len() >= CAPACITY {
        windows.retain(|_, window| now.duration_since(window.opened) < WINDOW);
    }
    match windows.get(key) {
        Some(window) if now.duration_since(window.opened) >= WINDOW => None,
        Some(window) if window.count >= limit => Some(WINDOW - now.duration_since(window.opened)),
        Some(_) => None,
        None => (windows.len() >= CAPACITY).then_some(WINDOW),
    }
}

fn count<K: Hash + Eq>(windows: &mut HashMap<K, Window>, key: K, now: Instant) {
    let window = windows.entry(key).or_insert(Window { opened: now, count: 0 });
    if now.duration_since(window.opened) >= WINDOW {
        *window = Window { opened: now, count: 0 };
    }
    window.count += 1;
}
