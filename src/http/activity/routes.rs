//! [`Routes`]: the name of a route, from a bounded number of names.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use foldhash::fast::RandomState;

use crate::activity::normalize_path;

/// The template of a route, for servers whose router the layer does not know: put it into the extensions of the request
/// before the layer, or of the response.
///
/// ```
/// use tower_guestbook::http::RouteTemplate;
///
/// let mut response = http::Response::new(());
/// response.extensions_mut().insert(RouteTemplate::new("/users/{id}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTemplate(pub(super) Arc<str>);

impl RouteTemplate {
    /// A route with this template.
    pub fn new(template: impl Into<Arc<str>>) -> Self {
        Self(template.into())
    }
}

/// The names that were seen. Those beyond the capacity are all [`OTHER`](Self::OTHER).
#[derive(Debug)]
pub(super) struct Routes {
    names: RwLock<HashSet<Arc<str>, RandomState>>,
    capacity: usize,
    other: Arc<str>,
    unmatched: Arc<str>,
}

impl Routes {
    pub(super) fn new(capacity: usize) -> Self {
        Self { names: RwLock::default(), capacity, other: ":other".into(), unmatched: ":unmatched".into() }
    }

    /// A name that the application gave to a route.
    pub(super) fn template(&self, template: &str) -> Arc<str> {
        if let Some(known) = self.names.read().unwrap_or_else(PoisonError::into_inner).get(template) {
            return known.clone();
        }
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= self.capacity {
            return self.other.clone();
        }
        let name: Arc<str> = template.into();
        names.insert(name.clone());
        name
    }

    /// A name for a path of which no template is known.
    pub(super) fn path(&self, path: &str) -> Arc<str> {
        self.template(&normalize_path(path))
    }

    /// Nothing was found under a name that [`path`](Self::path) gave. Forgets it, or whoever tries paths would fill the
    /// memory with them, and gives the name of all such paths.
    pub(super) fn not_found(&self, name: &str) -> Arc<str> {
        self.names.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.unmatched.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_shared() {
        let routes = Routes::new(3);
        for number in 0..100 {
            routes.path(&format!("/page{}", char::from(b'a' + number % 26)));
        }
        assert_eq!(&*routes.path("/pagea"), "/pagea");
        assert_eq!(&*routes.path("/paged"), ":other");
        assert!(Arc::ptr_eq(&routes.template("/pagea"), &routes.path("/pagea")));
        assert_eq!(&*routes.not_found("/pagea"), ":unmatched");
        assert_eq!(&*routes.path("/paged"), "/paged", "there is room again");
    }
}
