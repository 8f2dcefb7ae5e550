//! Numbers the actors of a query, and follows visitors across their login as [`AnalyticsActor`]
//! defines.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::{model::analytics::AnalyticsActor, store::ScannedEvent};

pub(super) type Numbers<K, V> = HashMap<K, V, RandomState>;

/// Actors by number, in the order of their first event.
pub(super) struct Actors {
    kind: AnalyticsActor,
    follows_logins: bool,
    /// Number plus one of each actor with a small key; 0 if there is none. Hashing these keys took
    /// a tenth of a query's time.
    near: Vec<u32>,
    far: Numbers<u64, u32>,
    /// For each actor, whether it has events of a user and of a visitor without a login.
    seen: Vec<Seen>,
    /// The first user with an event together with each visitor.
    logins: Numbers<u64, u64>,
}

/// Whether an actor has been seen as a user, as a visitor, or both.
#[derive(Clone, Copy, Default)]
struct Seen {
    as_user: bool,
    as_visitor: bool,
}

/// The actors of a query, after all events have been read.
pub(crate) struct Identities {
    /// Numbers that belong to another actor, and that actor's number.
    joined: Numbers<u32, u32>,
    seen: Vec<Seen>,
}

/// Number of keys that are looked up without a hash: 16 MiB at most.
const NEAR: u64 = 1 << 22;

impl Actors {
    pub(super) fn new(kind: AnalyticsActor, follows_logins: bool) -> Self {
        Self {
            kind,
            follows_logins: follows_logins && kind == AnalyticsActor::Person,
            near: Vec::new(),
            far: Numbers::default(),
            seen: Vec::new(),
            logins: Numbers::default(),
        }
    }

    pub(super) fn number(&mut self, event: &ScannedEvent<'_>) -> Option<u32> {
        match self.kind {
            AnalyticsActor::Person => self.person(event),
            AnalyticsActor::User => event.user.map(|user| self.number_of(user_key(user))),
            AnalyticsActor::Visitor => event.visitor.map(|visitor| self.number_of(visitor_key(visitor))),
            AnalyticsActor::Session => event.session.map(|session| self.number_of(session)),
        }
    }

    fn person(&mut self, event: &ScannedEvent<'_>) -> Option<u32> {
        let number = match (event.user, event.visitor) {
            (Some(user), visitor) => {
                if let Some(visitor) = visitor.filter(|_| self.follows_logins) {
                    self.logins.entry(visitor).or_insert(user);
                }
                let number = self.number_of(user_key(user));
                self.seen[number as usize].as_user = true;
                number
            }
            (None, Some(visitor)) => {
                let linked = event.linked_user.filter(|_| self.follows_logins);
                let number = self.number_of(linked.map_or_else(|| visitor_key(visitor), user_key));
                self.seen[number as usize].as_visitor = true;
                number
            }
            (None, None) => return None,
        };
        Some(number)
    }

    fn number_of(&mut self, key: u64) -> u32 {
        let known = if key < NEAR {
            let key = key as usize;
            if key >= self.near.len() {
                self.near.resize(key + 1, 0);
            }
            &mut self.near[key]
        } else {
            self.far.entry(key).or_default()
        };
        if *known == 0 {
            self.seen.push(Seen::default());
            *known = self.seen.len() as u32;
        }
        *known - 1
    }

    fn known(&self, key: u64) -> Option<u32> {
        let known = match key < NEAR {
            true => self.near.get(key as usize),
            false => self.far.get(&key),
        };
        known?.checked_sub(1)
    }

    /// Joins visitors to the users they logged in as.
    pub(super) fn finish(mut self) -> Identities {
        let mut joined = Numbers::default();
        for (visitor, user) in &self.logins {
            if let (Some(visitor), Some(user)) = (self.known(visitor_key(*visitor)), self.known(user_key(*user))) {
                joined.insert(visitor, user);
            }
        }
        joined.values().for_each(|user| self.seen[*user as usize].as_visitor = true);
        Identities { joined, seen: self.seen }
    }
}

/// Users and visitors have separate keys.
fn user_key(user: u64) -> u64 {
    user << 1
}

fn visitor_key(visitor: u64) -> u64 {
    visitor << 1 | 1
}

impl Identities {
    /// Returns the actor of a number.
    pub(crate) fn actor(&self, number: u32) -> u32 {
        if self.joined.is_empty() { number } else { self.joined.get(&number).copied().unwrap_or(number) }
    }

    /// Returns whether this actor has events from before and from after a login.
    pub(crate) fn has_changed(&self, actor: u32) -> bool {
        self.seen.get(actor as usize).is_some_and(|seen| seen.as_user && seen.as_visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::ScannedName, time::Timestamp};

    #[test]
    fn number_of_counts_actors_in_order_of_arrival() {
        let mut actors = Actors::new(AnalyticsActor::Person, true);
        let keys = [7, NEAR, 0, NEAR - 1, 7, u64::MAX, NEAR, 0, u64::MAX, 3];
        assert_eq!(keys.map(|key| actors.number_of(key)), [0, 1, 2, 3, 0, 4, 1, 2, 4, 5]);
    }

    #[test]
    fn visitor_is_the_linked_user_or_the_first_seen_together() {
        let event = |user, visitor, linked_user| {
            let name = ScannedName { number: 0, name: "x" };
            ScannedEvent { user, visitor, linked_user, ..ScannedEvent::new(0, Timestamp::from_millis(0), name) }
        };
        let events = [
            event(None, Some(1), None),
            event(Some(5), Some(1), None),
            event(Some(6), Some(1), None),
            event(None, Some(2), Some(6)),
            event(Some(5), Some(2), None),
            event(None, Some(3), None),
            event(None, Some(3), Some(9)),
        ];
        let mut actors = Actors::new(AnalyticsActor::Person, true);
        let numbers = events.map(|event| actors.number(&event).unwrap());
        let identities = actors.finish();
        let [visitor_1, five, six, visitor_2, _, visitor_3, nine] = numbers.map(|number| identities.actor(number));
        assert_eq!((visitor_1, visitor_2), (five, six));
        assert!(![five, six, nine].contains(&visitor_3));
        assert!([five, six].iter().all(|actor| identities.has_changed(*actor)));
        assert!(![visitor_3, nine].iter().any(|actor| identities.has_changed(*actor)));

        let mut apart = Actors::new(AnalyticsActor::Person, false);
        let numbers = events.map(|event| apart.number(&event).unwrap());
        let identities = apart.finish();
        assert_ne!(identities.actor(numbers[0]), identities.actor(numbers[1]));
        assert_ne!(identities.actor(numbers[3]), identities.actor(numbers[2]));
    }
}
