//! [`Declared`]: the routes and words of the application, for paths of which no router tells the template.

use std::{collections::HashSet, fmt, sync::Arc};

use foldhash::fast::RandomState;

use super::ActivityRules;
use crate::error::{Error, ErrorKind, Result};

/// Texts that are looked up often.
pub(super) type Words = HashSet<Box<str>, RandomState>;

/// What the application has said of its paths.
#[derive(Clone, Default)]
pub(super) struct Declared {
    route_texts: Vec<String>,
    word_texts: Vec<String>,
    routes: matchit::Router<Arc<str>>,
    words: Words,
}

impl ActivityRules {
    /// The templates of routes, for servers whose router the layer does not know, in axum's syntax: `/users/{id}`,
    /// `/files/{*path}`. A path that one of them matches is recorded as that template. Default: none.
    ///
    /// axum's `MatchedPath` and a [`RouteTemplate`](super::RouteTemplate) come first; neither needs this.
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, activity::ActivityRules, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let rules = ActivityRules::new().routes(["/", "/users/{id}", "/reset/{token}"]);
    /// assert!(Guestbook::builder(MemoryStore::new()).activity(rules).build().is_ok());
    ///
    /// let twice = ActivityRules::new().routes(["/users/{id}", "/users/{name}"]);
    /// assert!(Guestbook::builder(MemoryStore::new()).activity(twice).build().is_err());
    /// # Ok(()) }
    /// ```
    pub fn routes<R: Into<String>>(mut self, templates: impl IntoIterator<Item = R>) -> Self {
        self.declared.route_texts = templates.into_iter().map(Into::into).collect();
        self
    }

    /// The segments that are kept of a path without a template. All other segments are recorded as `:id`, because they
    /// may be names or secrets. The literal segments of [`routes`](Self::routes) and of templates that the layer has seen
    /// are kept as well. Segments are compared byte by byte. Default: none.
    pub fn path_words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.declared.word_texts = words.into_iter().map(Into::into).collect();
        self
    }

    /// The number of different paths without a template that are recorded under their own name; further ones are
    /// `:other` until the next day (UTC). Default: 10,000.
    ///
    /// One network (/24, /48) introduces at most a quarter of these names: a client that invents paths cannot use up all
    /// of them. Templates do not count and always keep their name. A path without a template that is answered with 401,
    /// 403, 404 or 405 is `:unmatched` and does not count either.
    pub fn route_capacity(mut self, routes: usize) -> Self {
        self.route_capacity = routes;
        self
    }
}

impl Declared {
    pub(super) fn check(&mut self) -> Result<()> {
        let wrong = |problem: String| Error::new(ErrorKind::Configuration, problem);
        for template in &self.route_texts {
            if !template.starts_with('/') {
                return Err(wrong(format!("routes() begin with a slash, {template:?} does not")));
            }
            self.routes
                .insert(template.as_str(), template.as_str().into())
                .map_err(|error| wrong(format!("routes(): {template:?} cannot be used")).with_source(error))?;
            self.words.extend(literals(template));
        }
        for word in &self.word_texts {
            if word.is_empty() || word.len() > MAX_WORD || word.contains(['/', '?', '#', ':']) {
                return Err(wrong(format!("path_words() are segments of at most {MAX_WORD} bytes, {word:?} is none")));
            }
            self.words.insert(word.as_str().into());
        }
        Ok(())
    }

    /// The template that a path matches.
    pub(super) fn route(&self, path: &str) -> Option<Arc<str>> {
        if self.route_texts.is_empty() {
            return None;
        }
        self.routes.at(path).ok().map(|found| found.value.clone())
    }

    pub(super) fn has_word(&self, segment: &str) -> bool {
        self.words.contains(segment)
    }
}

impl fmt::Debug for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declared").field("routes", &self.route_texts).field("words", &self.word_texts).finish()
    }
}

/// The segments of a template that stand for themselves.
pub(super) fn literals(template: &str) -> impl Iterator<Item = Box<str>> {
    let is_literal =
        |segment: &&str| !segment.is_empty() && segment.len() <= MAX_WORD && !segment.contains(['{', '}', ':', '*']);
    template.split('/').filter(is_literal).map(Into::into)
}

/// Longer ones are no words.
const MAX_WORD: usize = 64;
