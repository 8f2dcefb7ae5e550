//! [`Leaving`]: whose events, and which, do not count.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use super::Counted;
use crate::model::analytics::Role;

/// Whose events, and which, do not count. Numbers of the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaving {
    /// These do not count at all.
    pub(crate) types: BTreeSet<u32>,
    /// These are no interactions.
    pub(crate) passive_types: BTreeSet<u32>,
    /// Nobody is in two of them.
    groups: Vec<(BTreeSet<u32>, Persons)>,
}

/// Users, and visitors as long as nobody is logged in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Persons {
    pub(crate) users: RoaringBitmap,
    pub(crate) visitors: RoaringBitmap,
}

/// Persons by the types of which they are left out, of those that matter.
pub(super) type Groups = BTreeMap<Vec<u32>, Persons>;

impl Leaving {
    /// Leaves these types out.
    pub(crate) fn new(types: BTreeSet<u32>) -> Self {
        Self { types, ..Self::default() }
    }

    /// What an event says about the time that somebody spends.
    pub(crate) fn role(&self, event: &Counted<'_>) -> Role {
        if event.is_view {
            Role::View
        } else if self.passive_types.contains(&event.event_type) {
            Role::Passive
        } else {
            Role::Interaction
        }
    }

    /// Leaves these persons out of these types, too.
    pub(crate) fn leave_out(&mut self, mut persons: Persons, types: &BTreeSet<u32>) {
        let mut groups = Vec::new();
        for (known_types, mut known) in std::mem::take(&mut self.groups) {
            let both = known.intersection(&persons);
            if !both.is_empty() {
                known.remove(&both);
                persons.remove(&both);
                groups.push((&known_types | types, both));
            }
            if !known.is_empty() {
                groups.push((known_types, known));
            }
        }
        if !persons.is_empty() && !types.is_empty() {
            groups.push((types.clone(), persons));
        }
        self.groups = groups;
    }

    pub(super) fn has_persons(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Whether a person is left out of a type.
    pub(super) fn leaves_person_out(&self, event: &Counted<'_>) -> bool {
        self.groups.iter().any(|(types, persons)| persons.has(event) && types.contains(&event.event_type))
    }

    pub(crate) fn leaves_out(&self, event: &Counted<'_>) -> bool {
        self.types.contains(&event.event_type) || self.leaves_person_out(event)
    }

    /// Those who are left out of some of these types, of those who are there.
    pub(super) fn groups(&self, types: &BTreeSet<u32>, there: &Persons) -> Groups {
        let mut groups = Groups::new();
        for (of_types, persons) in &self.groups {
            let (types, persons) = (of_types & types, persons.intersection(there));
            if !types.is_empty() && !persons.is_empty() {
                groups.entry(types.into_iter().collect()).or_default().add(&persons);
            }
        }
        groups
    }
}

impl Persons {
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.visitors.is_empty()
    }

    fn has(&self, event: &Counted<'_>) -> bool {
        match (event.user, event.visitor) {
            (Some(user), _) => self.users.contains(user),
            (None, Some(visitor)) => self.visitors.contains(visitor),
            (None, None) => false,
        }
    }

    /// The person of an event.
    pub(super) fn insert(&mut self, event: &Counted<'_>) {
        match (event.user, event.visitor) {
            (Some(user), _) => _ = self.users.insert(user),
            (None, Some(visitor)) => _ = self.visitors.insert(visitor),
            (None, None) => {}
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.users |= &other.users;
        self.visitors |= &other.visitors;
    }

    fn remove(&mut self, other: &Self) {
        self.users -= &other.users;
        self.visitors -= &other.visitors;
    }

    fn intersection(&self, other: &Self) -> Self {
        Self { users: &self.users & &other.users, visitors: &self.visitors & &other.visitors }
    }
}
