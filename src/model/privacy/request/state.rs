//! [`RequestState`] and [`RequestStep`]: the states of a request and the steps between them.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The state of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
#[non_exhaustive]
pub enum RequestState {
    /// It was received. Nobody has verified that it is the user's.
    Received,
    /// It was verified that it is the user's.
    Verified,
    /// The user confirmed the erasure, which begins when the grace period is over.
    Confirmed {
        /// When the grace period is over.
        grace_until: Timestamp,
    },
    /// Somebody is working on it.
    InProgress,
    /// It was answered in full.
    Done,
    /// It was answered in part: data is [held](crate::privacy::LegalHold), and the user was told.
    Partial,
    /// It was rejected, and the user was told why.
    Rejected {
        /// The reason. It is removed with the user's name.
        reason: Box<str>,
    },
    /// The user cancelled it, or was erased before it was answered.
    Cancelled,
}

/// A step of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestStep {
    /// Verifies that it is the user's.
    Verify,
    /// The user confirms the erasure.
    Confirm {
        /// When the grace period is over.
        grace_until: Timestamp,
    },
    /// Begins the work.
    Begin,
    /// Answers it in full.
    Complete,
    /// Answers it in part.
    CompletePartially,
    /// Rejects it for this reason of 1 to 1,000 bytes.
    Reject(Box<str>),
    /// Cancels it. An erasure cannot be cancelled once its grace period is over.
    Cancel,
    /// Extends the deadline by two months for this reason of 1 to 1,000 bytes: once, before it is
    /// due.
    Extend(Box<str>),
}

impl RequestState {
    /// Returns whether the request is still to be answered.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Received | Self::Verified | Self::Confirmed { .. } | Self::InProgress => true,
            Self::Done | Self::Partial | Self::Rejected { .. } | Self::Cancelled => false,
        }
    }
}
