//! [`Page`]: the part of a list that a request asks for.

use std::str::FromStr;

use http::Uri;

use super::{answer::Refusal, problems};

/// The part of a list that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// The last key of the page before.
    pub(super) after: Option<T>,
    /// The largest number of entries.
    pub(super) limit: usize,
}

/// The largest limit, and the default.
pub(super) const MAX_LIMIT: usize = 200;

impl<T: FromStr> Page<T> {
    /// Reads the parameters `after` and `limit`. Others are ignored.
    pub(super) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let after = parameter(uri, "after")?;
        let limit = parameter(uri, "limit")?.unwrap_or(MAX_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Refusal::naming(problems::PARAMETER, "limit"));
        }
        Ok(Self { after, limit })
    }

    /// The number of entries to read, to know whether there is another page.
    pub(super) fn and_one_more(&self) -> usize {
        self.limit + 1
    }

    /// Removes the entry that is too many. Returns the key after which the next page begins, if
    /// there is one.
    pub(super) fn next<R, K>(&self, rows: &mut Vec<R>, key: impl Fn(&R) -> K) -> Option<K> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        rows.last().filter(|_| has_more).map(key)
    }
}

/// Reads a parameter that may be given once.
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
