//! [`Routes`]: the recorded names of routes.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};

use foldhash::fast::RandomState;
use http::StatusCode;

use super::{
    declared::{Declared, Words, literals},
    names::Names,
};
use crate::{
    model::{activity::normalize_path, client::TruncatedAddress},
    time::Timestamp,
};

/// The template of a route, for servers whose router the layer does not know. Insert it into the
/// extensions of the request before the layer, or into those of the response.
///
/// A template is a fixed name that the application chooses. Never build it from a path.
///
/// # Examples
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
    /// Creates a route template.
    pub fn new(template: impl Into<Arc<str>>) -> Self {
        Self(template.into())
    }
}

/// The origin of a route's name, which decides whether the name is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The name is a template of the application.
    Template,
    /// The name comes from a path and is known.
    Known,
    /// The name comes from a path and is new. It is added once the request is recorded.
    New,
}

/// The names of routes. Names of the application are kept separately, so requests of clients never
/// rename them.
#[derive(Debug)]
pub(super) struct Routes {
    declared: Declared,
    seen: RwLock<Seen>,
    paths: RwLock<Names>,
    other: Arc<str>,
    unmatched: Arc<str>,
}

/// Known templates, and their literal segments.
#[derive(Debug, Default)]
struct Seen {
    templates: HashSet<Arc<str>, RandomState>,
    words: Words,
}

/// Maximum number of remembered templates. Further templates keep their name.
const MAX_SEEN: usize = 16_384;

impl Routes {
    pub(super) fn new(declared: Declared, capacity: usize) -> Self {
        Self {
            declared,
            seen: RwLock::default(),
            paths: RwLock::new(Names::new(capacity)),
            other: ":other".into(),
            unmatched: ":unmatched".into(),
        }
    }

    /// Returns the name of a route template.
    pub(super) fn template(&self, template: &str) -> Arc<str> {
        if let Some(known) = self.seen.read().unwrap_or_else(PoisonError::into_inner).templates.get(template) {
            return known.clone();
        }
        let name: Arc<str> = template.into();
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.templates.len() < MAX_SEEN {
            seen.templates.insert(name.clone());
            seen.words.extend(literals(template));
        }
        name
    }

    /// Returns a name for a path without a template. Nothing is remembered yet.
    pub(super) fn path(&self, path: &str) -> (Arc<str>, Named) {
        if let Some(template) = self.declared.route(path) {
            return (template, Named::Template);
        }
        let name = {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            normalize_path(path, |segment| self.declared.has_word(segment) || seen.words.contains(segment))
        };
        match self.paths.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            Some(known) => (known.clone(), Named::Known),
            None => (name.into(), Named::New),
        }
    }

    /// Returns the name of a request that is not recorded yet, with its status if there is a
    /// response.
    pub(super) fn look(&self, name: &Arc<str>, named: Named, status: Option<StatusCode>) -> Arc<str> {
        match named {
            Named::Template => name.clone(),
            _ if status.is_some_and(|status| UNMATCHED.contains(&status)) => self.unmatched.clone(),
            Named::New if self.paths.read().unwrap_or_else(PoisonError::into_inner).is_full() => self.other.clone(),
            Named::Known | Named::New => name.clone(),
        }
    }

    /// Returns the name under which a request from this network is recorded, and adds it if it is
    /// new.
    pub(super) fn take(
        &self,
        name: &Arc<str>,
        named: Named,
        status: Option<StatusCode>,
        network: Option<TruncatedAddress>,
        now: Timestamp,
    ) -> Arc<str> {
        match named {
            Named::Template => name.clone(),
            _ if status.is_some_and(|status| UNMATCHED.contains(&status)) => self.unmatched.clone(),
            Named::Known => name.clone(),
            Named::New => {
                let taken = self.paths.write().unwrap_or_else(PoisonError::into_inner).take(name, network, now);
                taken.unwrap_or_else(|| self.other.clone())
            }
        }
    }
}

/// Status codes for clients that probe for paths.
const UNMATCHED: [StatusCode; 4] =
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn take_limits_paths_but_not_templates() {
        let routes = Routes::new(Declared::default(), 2);
        let now = Timestamp::from_millis(1_800_000_000_000);
        let settle = |path: &str, status| {
            let (name, named) = routes.path(path);
            routes.take(&name, named, Some(status), None, now)
        };
        for word in 'a'..='z' {
            routes.template(&format!("/{word}/{{id}}"));
        }
        for word in 'a'..='z' {
            let (name, named) = routes.path(&format!("/{word}"));
            assert_eq!((&*name, named), (format!("/{word}").as_str(), Named::New));
            assert_eq!(&*settle(&format!("/{word}"), StatusCode::NOT_FOUND), ":unmatched");
        }
        let names = ["/a", "/b", "/c", "/a"].map(|path| settle(path, StatusCode::OK));
        assert_eq!(names.each_ref().map(|name| &**name), ["/a", "/b", ":other", "/a"]);
        assert!(Arc::ptr_eq(&names[0], &names[3]));
        assert_eq!(&*settle("/a", StatusCode::UNAUTHORIZED), ":unmatched");
        assert_eq!(&*settle("/a", StatusCode::OK), "/a");
        let (name, named) = routes.path("/d");
        assert_eq!(&*routes.look(&name, named, None), ":other");
        assert_eq!(&*routes.template("/new/{id}"), "/new/{id}");
        assert!(Arc::ptr_eq(&routes.template("/new/{id}"), &routes.template("/new/{id}")));
    }
}
