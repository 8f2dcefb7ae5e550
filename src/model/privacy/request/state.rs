//! How far a request is, and what happens to it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
#[non_exhaustive]
pub enum RequestState {
    /// It came in; nobody knows yet whether it is the user's.
    Received,
    /// It is the user's.
    Verified,
    /// The user has confirmed to be erased, and will be when the time is over to think better of it.
    Confirmed {
        /// From when on the user is erased.
        grace_until: Timestamp,
    },
    /// Somebody is at it.
    InProgress,
    /// It was answered in full.
    Done,
    /// It was answered as far as possible: something is [held](crate::privacy::LegalHold), and the user was told.
    Partial,
    /// It was refused, and the user was told why.
    Rejected {
        /// Why. It goes with the user's name.
        reason: Box<str>,
    },
    /// The user took it back, or there is nobody any more whom it could be answered for.
    Cancelled,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestStep {
    /// It is the user's.
    Verify,
    /// The user has confirmed to be erased, after this time.
    Confirm {
        /// From when on the user is erased.
        grace_until: Timestamp,
    },
    /// Somebody begins.
    Begin,
    /// It is answered in full.
    Complete,
    /// It is answered as far as possible.
    CompletePartially,
    /// It is refused, for this reason of 1 to 1,000 bytes.
    Reject(Box<str>),
    /// The user takes it back. An erasure cannot be once its grace is over.
    Cancel,
    /// It takes two months longer, for this reason of 1 to 1,000 bytes: once, and before it is due.
    Extend(Box<str>),
}

impl RequestState {
    /// Whether it is still to be answered.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Received | Self::Verified | Self::Confirmed { .. } | Self::InProgress => true,
            Self::Done | Self::Partial | Self::Rejected { .. } | Self::Cancelled => false,
        }
    }
}
