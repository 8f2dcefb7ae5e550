//! Failed password checks, counted in three ways within a minute. A success is not counted.
//!
//! - An account and a network together: 10. One who guesses is stopped, and the owner elsewhere is
//!   not.
//! - A network, whatever the accounts: 30.
//! - An account, whatever the networks: it is never locked, since then a stranger could lock its
//!   owner out. From the 10th failure on each attempt is delayed, for 5 seconds at most.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::windows::Windows;

const PER_ACCOUNT_AND_NETWORK: u32 = 10;
const PER_NETWORK: u32 = 30;

/// From this number of failures on, attempts at an account are delayed.
const UNDELAYED: u32 = 10;
const DELAY_PER_FAILURE: Duration = Duration::from_millis(250);
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Whose password is tried. A name that a stranger types is never the same as an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    /// At login, whether or not somebody has this name.
    Name(String),
    /// At a change of the password of the user with this id.
    Id(i64),
}

pub(crate) struct Attempts {
    state: Mutex<State>,
    pending: Arc<()>,
}

struct State {
    pairs: Windows<(Account, IpAddr)>,
    networks: Windows<IpAddr>,
    accounts: Windows<Account>,
}

/// An attempt under way, which is counted as a failure until it is [forgiven](Attempts::forgive).
#[derive(Debug)]
pub(crate) struct Attempt {
    account: Account,
    network: IpAddr,
    /// How long to wait before the password is checked.
    pub(crate) delay: Duration,
    /// Held while the attempt is under way.
    _pending: Arc<()>,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        let (pairs, networks, accounts) = (Windows::new(), Windows::new(), Windows::new());
        Self { state: Mutex::new(State { pairs, networks, accounts }), pending: Arc::default() }
    }

    /// Counts an attempt as failed before it is judged, so that parallel guesses count too. `Err`
    /// says how long to wait.
    pub(crate) fn begin(&self, account: Account, address: IpAddr, now: Instant) -> Result<Attempt, Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let network = network(address);
        let pair = (account.clone(), network);
        let pair_wait = state.pairs.wait(&pair, 1, PER_ACCOUNT_AND_NETWORK, now);
        let network_wait = state.networks.wait(&network, 1, PER_NETWORK, now);
        if let Some(wait) = pair_wait.max(network_wait) {
            return Err(wait);
        }
        let failures = state.accounts.count(&account, now);
        let delay = (DELAY_PER_FAILURE * (failures + 1).saturating_sub(UNDELAYED)).min(MAX_DELAY);
        state.pairs.add(pair, 1, now);
        state.networks.add(network, 1, now);
        state.accounts.add(account.clone(), 1, now);
        Ok(Attempt { account, network, delay, _pending: self.pending.clone() })
    }

    /// Whether attempts are under way.
    pub(crate) fn are_pending(&self) -> bool {
        Arc::strong_count(&self.pending) > 1
    }

    /// The password was right, or could not be judged.
    pub(crate) fn forgive(&self, attempt: Attempt) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.accounts.take_back(&attempt.account);
        state.networks.take_back(&attempt.network);
        state.pairs.take_back(&(attempt.account, attempt.network));
    }
}

/// A client with one IPv6 address usually has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}
