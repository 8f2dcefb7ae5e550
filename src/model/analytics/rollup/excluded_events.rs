//! [`ExcludedEvents`]: which events do not count.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use super::Counted;
use crate::model::analytics::Role;

/// The events that do not count, in numbers of the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExcludedEvents {
    /// Types that do not count at all.
    pub(crate) types: BTreeSet<u32>,
    /// Types that are passive.
    pub(crate) passive_types: BTreeSet<u32>,
    /// Persons by the types from which they are excluded. Nobody is in two groups.
    groups: Vec<(BTreeSet<u32>, Persons)>,
}

/// Users, and visitors for events without a login.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Persons {
    pub(crate) users: RoaringBitmap,
    pub(crate) visitors: RoaringBitmap,
}

/// Persons by the types from which they are excluded, among the types that matter.
pub(super) type Groups = BTreeMap<Vec<u32>, Persons>;

impl ExcludedEvents {
    /// Excludes these types.
    pub(crate) fn new(types: BTreeSet<u32>) -> Self {
        Self { types, ..Self::default() }
    }

    /// Returns the role of an event.
    pub(crate) fn role(&self, event: &Counted<'_>) -> Role {
        if event.is_view {
            Role::View
        } else if self.passive_types.contains(&event.event_type) {
            Role::Passive
        } else {
            Role::Interaction
        }
    }

    /// Excludes these persons from these types as well.
    pub(crate) fn exclude(&mut self, mut persons: Persons, types: &BTreeSet<u32>) {
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

    /// Returns whether the person of the event is excluded from its type.
    pub(super) fn excludes_person(&self, event: &Counted<'_>) -> bool {
        self.groups.iter().any(|(types, persons)| persons.has(event) && types.contains(&event.event_type))
    }

    pub(crate) fn excludes(&self, event: &Counted<'_>) -> bool {
        self.types.contains(&event.event_type) || self.excludes_person(event)
    }

    /// Returns the persons among `there` who are excluded from some of these types.
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

    /// Adds the person of an event.
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
