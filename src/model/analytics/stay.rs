//! [`Stay`]: how long somebody was there, and whether they did anything.

use crate::model::activity::EventType;

/// What an event says about the time that somebody spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Somebody looks at a page: a `page_view`. It ends the page before.
    View,
    /// Somebody does something.
    Interaction,
    /// A program acts, not a person: the event keeps a visit together, and says nothing about
    /// the time spent.
    Passive,
}

impl Role {
    /// The role of an event of this type. A view of a page is never passive.
    pub(super) fn of(event_type: &EventType, passive_types: &[EventType]) -> Self {
        if *event_type == EventType::PAGE_VIEW {
            Self::View
        } else if passive_types.contains(event_type) {
            Self::Passive
        } else {
            Self::Interaction
        }
    }
}

/// Some events of one stream: from the first page view or interaction to the last. If there are
/// neither, from the first event to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) first: i64,
    pub(super) last: i64,
    /// How many page views: none, one or more.
    pub(super) views: Views,
    pub(super) interacts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Views {
    None,
    One,
    Many,
}

impl Stay {
    /// Of one event.
    pub(super) fn of(time: i64, role: Role) -> Self {
        let views = if role == Role::View { Views::One } else { Views::None };
        Self { first: time, last: time, views, interacts: role == Role::Interaction }
    }

    /// Of these events and others of the same stream.
    pub(super) fn joined(self, other: Self) -> Self {
        let (first, last) = match (self.is_active(), other.is_active()) {
            (true, false) => (self.first, self.last),
            (false, true) => (other.first, other.last),
            _ => (self.first.min(other.first), self.last.max(other.last)),
        };
        let views = match (self.views, other.views) {
            (Views::None, views) | (views, Views::None) => views,
            _ => Views::Many,
        };
        Self { first, last, views, interacts: self.interacts || other.interacts }
    }

    /// Whether there is a page view or an interaction.
    pub(super) fn is_active(&self) -> bool {
        self.interacts || self.views != Views::None
    }

    /// One page view, and no interaction.
    pub(super) fn is_bounce(&self) -> bool {
        !self.interacts && self.views == Views::One
    }

    pub(super) fn length(&self) -> u64 {
        self.last.abs_diff(self.first)
    }

    /// How long a page was looked at that was opened at this time and after which no other was;
    /// `None` if nothing came after it.
    pub(super) fn rest_after(&self, opened: i64) -> Option<u64> {
        (self.is_active() && self.last > opened).then(|| self.last.abs_diff(opened))
    }
}

/// For rollups, which keep them.
#[cfg(feature = "sqlite")]
impl Stay {
    /// What it is of, as three bits.
    pub(super) fn code(&self) -> u32 {
        let views = match self.views {
            Views::None => 0,
            Views::One => 1,
            Views::Many => 2,
        };
        views | u32::from(self.interacts) << 2
    }

    /// What [`code`](Self::code) says; `None` if it never does.
    pub(super) fn from_code(code: u32, first: i64, last: i64) -> Option<Self> {
        let views = match code & 3 {
            0 => Views::None,
            1 => Views::One,
            2 => Views::Many,
            _ => return None,
        };
        (code < 8).then_some(Self { first, last, views, interacts: code & 4 != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passive_events_neither_lengthen_a_stay_nor_make_it_more_than_a_bounce() {
        let of = |events: &[(i64, Role)]| {
            events.iter().map(|(time, role)| Stay::of(*time, *role)).reduce(Stay::joined).unwrap()
        };
        let answers = |stay: Stay| (stay.length(), stay.is_bounce());
        assert_eq!(answers(of(&[(5, Role::View)])), (0, true));
        assert_eq!(answers(of(&[(0, Role::Passive), (5, Role::View), (90, Role::Passive)])), (0, true));
        assert_eq!(answers(of(&[(5, Role::View), (9, Role::View)])), (4, false));
        assert_eq!(answers(of(&[(5, Role::View), (9, Role::Interaction), (90, Role::Passive)])), (4, false));
        assert_eq!(answers(of(&[(5, Role::Interaction)])), (0, false));
        assert_eq!(answers(of(&[(5, Role::Passive), (9, Role::Passive)])), (4, false), "nothing else to go by");
        let stay = of(&[(5, Role::View), (9, Role::Interaction), (90, Role::Passive)]);
        assert_eq!((stay.rest_after(5), stay.rest_after(9)), (Some(4), None));
    }
}
