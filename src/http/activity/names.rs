//! [`Names`]: a bounded set of names that clients can invent.

use std::{collections::HashMap, collections::HashSet, sync::Arc};

use foldhash::fast::RandomState;

use crate::{model::client::TruncatedAddress, time::Timestamp};

/// A bounded set of names, with a limit for the names that one network introduces.
///
/// When a limit is reached, new names are refused for the rest of the day (UTC) on which the set
/// was started. After that, the first name that finds no room empties the set. Names that are still
/// in use return immediately.
#[derive(Debug)]
pub(super) struct Names {
    names: HashSet<Arc<str>, RandomState>,
    /// Number of names that each network introduced.
    networks: HashMap<TruncatedAddress, usize, RandomState>,
    capacity: usize,
    begun: Option<Timestamp>,
}

impl Names {
    pub(super) fn new(capacity: usize) -> Self {
        Self { names: HashSet::default(), networks: HashMap::default(), capacity, begun: None }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<str>> {
        self.names.get(name)
    }

    pub(super) fn is_full(&self) -> bool {
        self.names.len() >= self.capacity
    }

    /// Adds a name from a request of this network. `None` if a limit is reached.
    pub(super) fn take(
        &mut self,
        name: &Arc<str>,
        network: Option<TruncatedAddress>,
        now: Timestamp,
    ) -> Option<Arc<str>> {
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        if !self.has_room(network) {
            let today = now.start_of_day();
            if self.begun.is_some_and(|begun| begun.start_of_day() == today) {
                return None;
            }
            (self.names, self.networks, self.begun) = (HashSet::default(), HashMap::default(), Some(now));
            if !self.has_room(network) {
                return None;
            }
        }
        self.begun.get_or_insert(now);
        if let Some(network) = network {
            *self.networks.entry(network).or_default() += 1;
        }
        self.names.insert(name.clone());
        Some(name.clone())
    }

    /// Clients with an unknown address have no limit of their own: they may be all clients.
    fn has_room(&self, network: Option<TruncatedAddress>) -> bool {
        let used = network.and_then(|network| self.networks.get(&network)).copied().unwrap_or(0);
        !self.is_full() && used < self.capacity.div_ceil(SHARE)
    }
}

/// A network may introduce at most a quarter of the names.
const SHARE: usize = 4;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(number: u8) -> Option<TruncatedAddress> {
        Some(TruncatedAddress::from(IpAddr::from([203, 0, number, 1])))
    }

    #[test]
    fn take_limits_a_network_to_a_quarter_and_resets_daily() {
        let (mut names, day) = (Names::new(40), 24 * 60 * 60 * 1_000);
        let now = |day_number: i64| Timestamp::from_millis(1_800_000_000_000 + day_number * day);
        let flood = |names: &mut Names, network, day_number| {
            let made_up = (0..1_000).map(|number| format!("/{network:?}/{number}").into());
            made_up.filter(|name: &Arc<str>| names.take(name, network, now(day_number)).is_some()).count()
        };
        assert_eq!(flood(&mut names, network(1), 0), 10);
        assert!(names.take(&"/real".into(), network(2), now(0)).is_some(), "others still have room");
        assert!(names.take(&"/real".into(), network(1), now(0)).is_some(), "what is known is known to all");
        assert_eq!(flood(&mut names, None, 0), 29, "the bound of all");
        assert!(names.is_full() && names.take(&"/later".into(), network(3), now(0)).is_none());
        assert!(names.take(&"/later".into(), network(3), now(1)).is_some());
        assert_eq!(flood(&mut names, network(1), 1), 10);
        assert!(names.networks.len() <= 40);
        assert!(Names::new(0).take(&"/a".into(), None, now(0)).is_none());
    }
}
