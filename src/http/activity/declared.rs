//! [`Declared`]: the application's routes and words, for paths without a route template.

use std::{collections::HashSet, fmt, sync::Arc};

use foldhash::fast::RandomState;

use crate::error::{Error, ErrorKind, Result};

/// A set of strings for fast lookup.
pub(super) type Words = HashSet<Box<str>, RandomState>;

/// The declared routes and words of the application.
#[derive(Clone, Default)]
pub(super) struct Declared {
    pub(super) route_texts: Vec<String>,
    pub(super) word_texts: Vec<String>,
    routes: matchit::Router<Arc<str>>,
    words: Words,
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

    /// Returns the template that matches a path.
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

/// Returns the literal segments of a template.
pub(super) fn literals(template: &str) -> impl Iterator<Item = Box<str>> {
    let is_literal =
        |segment: &&str| !segment.is_empty() && segment.len() <= MAX_WORD && !segment.contains(['{', '}', ':', '*']);
    template.split('/').filter(is_literal).map(Into::into)
}

/// Maximum length of a word, in bytes.
const MAX_WORD: usize = 64;
