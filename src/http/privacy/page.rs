//! [`Page`]: which part of a list somebody asks for.

use std::str::FromStr;

use http::Uri;

use super::{answer::Refusal, problems};

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// What the page before ended with.
    pub(super) after: Option<T>,
    /// So many at most.
    pub(super) limit: usize,
}

/// The longest page, and the one of those who do not ask for another.
pub(super) const MAX_LIMIT: usize = 200;

impl<T: FromStr> Page<T> {
    /// What the parameters `after` and `limit` say. Others do not matter.
    pub(super) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let after = parameter(uri, "after")?;
        let limit = parameter(uri, "limit")?.unwrap_or(MAX_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Refusal::naming(problems::PARAMETER, "limit"));
        }
        Ok(Self { after, limit })
    }

    /// So many are asked for, to know whether there is another page.
    pub(super) fn and_one_more(&self) -> usize {
        self.limit + 1
    }

    /// What the next page comes after, if there is one. The one that is too many goes.
    pub(super) fn next<R, K>(&self, rows: &mut Vec<R>, key: impl Fn(&R) -> K) -> Option<K> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        rows.last().filter(|_| has_more).map(key)
    }
}

/// A parameter that stands once at most.
pub(super) fn parameter<T: FromStr>(uri: &Uri, name: &str) -> Result<Option<T>, Refusal> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut values = pairs.filter(|(known, _)| known == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Refusal::naming(problems::PARAMETER, name)),
        },
        (Some(_), Some(_)) => Err(Refusal::naming(problems::PARAMETER, name)),
    }
}
