//! [`Stay`]: the length of a visit or session, and its page views and interactions.

use crate::model::activity::EventType;

/// How an event affects the time of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A `page_view`. It ends the time on the previous page.
    View,
    /// An action of the user.
    Interaction,
    /// An event that a program causes, not the user. It continues a visit, but adds nothing to its
    /// length.
    Passive,
}

impl Role {
    /// Returns the role of an event of this type. A page view is never passive.
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

/// Events of one stream, reduced to the span from the first page view or interaction to the last.
/// Without either, the span is that of all events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay {
    pub(super) first: i64,
    pub(super) last: i64,
    /// Number of page views: none, one or more.
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
    /// Creates the stay of one event.
    pub(super) fn of(time: i64, role: Role) -> Self {
        let views = if role == Role::View { Views::One } else { Views::None };
        Self { first: time, last: time, views, interacts: role == Role::Interaction }
    }

    /// Returns the stay of these events and `other` of the same stream.
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

    /// Returns whether there is a page view or an interaction.
    pub(super) fn is_active(&self) -> bool {
        self.interacts || self.views != Views::None
    }

    /// Returns whether there is one page view and no interaction.
    pub(super) fn is_bounce(&self) -> bool {
        !self.interacts && self.views == Views::One
    }

    pub(super) fn length(&self) -> u64 {
        self.last.abs_diff(self.first)
    }

    /// Returns the time on the last page, opened at `opened`; `None` if no interaction followed.
    pub(super) fn rest_after(&self, opened: i64) -> Option<u64> {
        (self.is_active() && self.last > opened).then(|| self.last.abs_diff(opened))
    }
}

/// Access for rollups, which store stays.
#[cfg(feature = "sqlite")]
impl Stay {
    /// Encodes page views and interactions as three bits.
    pub(super) fn code(&self) -> u32 {
        let views = match self.views {
            Views::None => 0,
            Views::One => 1,
            Views::Many => 2,
        };
        views | u32::from(self.interacts) << 2
    }

    /// Decodes the result of [`code`](Self::code); `None` for a value that it never returns.
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
    fn passive_events_neither_lengthen_a_stay_nor_prevent_a_bounce() {
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
