//! [`AnalyticsActor`] and [`Labels`]: whose events belong together, and what they are called.

use serde::Serialize;

/// Whose events belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AnalyticsActor {
    /// The user; where nobody was logged in, the visitor. The default.
    ///
    /// A visitor who is known to be a user is that user, also for what they did before they logged
    /// in. Known means:
    ///
    /// 1. the store has linked the visitor to the user, as it does at the login of a visitor who
    ///    had decided about a purpose
    ///    ([`ConsentStore::link_visitor`](crate::store::ConsentStore::link_visitor));
    /// 2. or else an event that the question looks at has both; the first one, by sequence, counts.
    ///
    /// So a visitor is one user at most: the first. Nobody is linked by anything else. Events that
    /// do not count (excepted types, users who refuse) link nobody; a visitor who is linked to a
    /// user who does not count, does not count either; an erasure removes the link.
    /// [`AnalyticsRules::follow_logins`](crate::analytics::AnalyticsRules::follow_logins) turns it
    /// off. Figures of an [`Overview`](super::Overview) do not follow: it counts visitors and users
    /// apart.
    #[default]
    Person,
    /// The user; events without one do not count.
    User,
    /// The visitor, logged in or not; events without one do not count.
    Visitor,
    /// The session; events without one do not count.
    Session,
}

/// What an event is called. A page is the event's `page` (a text in its data), or else its route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Labels {
    /// By its type: `purchase`.
    Types,
    /// Views of pages by the page, `page_view:/prices`, all else by its type. The default.
    #[default]
    Pages,
    /// Each event that has a page by both: `api_call:/items/{id}`.
    Places,
}
