//! [`Range`]: from when to when.

use serde::Serialize;

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// A span of time, half-open: `from` belongs to it, `until` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Range {
    from: Timestamp,
    until: Timestamp,
}

impl Range {
    /// From `from` to before `until`; empty if they are the same.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if it ends before it begins.
    pub fn new(from: Timestamp, until: Timestamp) -> Result<Self> {
        if until < from {
            return Err(Error::new(ErrorKind::InvalidInput, "`until` is before `from`"));
        }
        Ok(Self { from, until })
    }

    /// Its beginning.
    pub const fn from(self) -> Timestamp {
        self.from
    }

    /// Its end, which is not in it.
    pub const fn until(self) -> Timestamp {
        self.until
    }

    /// Whether the moment lies in it.
    pub fn contains(self, time: Timestamp) -> bool {
        self.from <= time && time < self.until
    }
}
