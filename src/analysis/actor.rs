//! [`Actor`] and [`Labels`]: whose events belong together, and what they are called.

use serde::Serialize;

/// Whose events belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Actor {
    /// The user; where nobody was logged in, the visitor. What a visitor did before they logged in is another actor's: to follow
    /// them across the login ask for [`Visitor`](Self::Visitor). The default.
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
