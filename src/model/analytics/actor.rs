//! [`AnalyticsActor`] and [`Labels`]: how events are grouped, and how they are labelled.

use serde::Serialize;

/// The unit that counts once: whose events are grouped together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnalyticsActor {
    /// The user, or the visitor if nobody was logged in. The default.
    ///
    /// A visitor who is known to be a user counts as that user, including events from before the
    /// login. A visitor is known to be a user if
    ///
    /// 1. the store has linked the visitor to the user, as it does at the login of a visitor who
    ///    has decided about a purpose
    ///    ([`ConsentStore::link_visitor`](crate::store::ConsentStore::link_visitor)), or else
    /// 2. an event that the query reads has both ids. The first such event, by sequence, decides.
    ///
    /// So a visitor belongs to at most one user: the first. Events that do not count (excluded
    /// types, users who refuse) link nobody. A visitor who is linked to an excluded user is
    /// excluded, too. Erasing the user removes the link.
    ///
    /// [`AnalyticsRules::follow_logins`](crate::analytics::AnalyticsRules::follow_logins) turns
    /// this off. An [`Overview`](super::Overview) does not follow logins: it counts visitors and
    /// users separately.
    #[default]
    Person,
    /// The user. Events without a user do not count.
    User,
    /// The visitor, logged in or not. Events without a visitor do not count.
    Visitor,
    /// The session. Events without a session do not count.
    Session,
}

/// How events are labelled. The page of an event is the string `page` in its data, or else its
/// route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Labels {
    /// The event type: `purchase`.
    Types,
    /// The page for page views, `page_view:/prices`; the event type for all others. The default.
    #[default]
    Pages,
    /// Event type and page for each event that has a page: `api_call:/items/{id}`.
    TypesAndPages,
}
