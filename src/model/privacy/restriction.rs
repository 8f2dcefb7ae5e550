//! [`Restriction`]: data of a user is kept, and nothing else is done with it.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// Processing of a user's data is restricted (GDPR, Article 18): what there is stays, and nothing is done with it.
///
/// As long as it holds, no event of the user is stored, purposes that are not necessary are not allowed, and retention deletes
/// nothing of theirs. They may still log in and change their preferences, and every other right is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Restriction {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: RestrictionReason,
}

/// Why processing is restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RestrictionReason {
    /// The user contests that the data is right, and it is being verified: Article 18(1)(a).
    Accuracy,
    /// Processing is unlawful, and the user would rather have it restricted than erased: (b).
    Unlawful,
    /// The user needs the data for legal claims: (c).
    Claims,
    /// The user has objected, and it is being verified whose grounds override: (d).
    ObjectionPending,
    /// The user has asked to be erased, and may still think better of it. It comes with the confirmation and goes with the request.
    ErasurePending,
}

impl Restriction {
    /// A restriction from now on.
    pub fn new(since: Timestamp, reason: RestrictionReason) -> Self {
        Self { since, reason }
    }

    /// What restricts a user after somebody wanted that to be `wanted` where it was `before`; `awaits_erasure` says whether they
    /// have confirmed to be erased and that has not happened. For stores.
    ///
    /// What a confirmed erasure brought goes with it, by [`PrivacyRequest::restriction`](super::PrivacyRequest::restriction), and not by anybody's
    /// wish. Where something else restricted already, it comes when that is lifted.
    ///
    /// ```
    /// use tower_guestbook::{Timestamp, privacy::{Restriction, RestrictionReason}};
    ///
    /// let now = Timestamp::from_millis(1_800_000_000_000);
    /// let because = |reason| Some(Restriction::new(now, reason));
    /// let (claims, pending) = (because(RestrictionReason::Claims), because(RestrictionReason::ErasurePending));
    /// assert_eq!(Restriction::replaced(None, claims, false, now)?, claims);
    /// assert_eq!(Restriction::replaced(claims, None, true, now)?, pending);
    /// assert!(Restriction::replaced(pending, None, true, now).is_err());
    /// # Ok::<(), tower_guestbook::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if `before` came with an erasure; [`InvalidInput`](ErrorKind::InvalidInput) if `wanted` is such a one.
    pub fn replaced(
        before: Option<Self>,
        wanted: Option<Self>,
        awaits_erasure: bool,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let is_pending = |restriction: Option<Self>| {
            restriction.is_some_and(|restriction| restriction.reason == RestrictionReason::ErasurePending)
        };
        if is_pending(wanted) {
            return Err(Error::new(ErrorKind::InvalidInput, "that restriction comes with a confirmed erasure"));
        }
        if is_pending(before) {
            return Err(Error::new(ErrorKind::Conflict, "the user is to be erased: cancel that"));
        }
        match (before, wanted) {
            (Some(_), None) if awaits_erasure => Ok(Some(Self::new(now, RestrictionReason::ErasurePending))),
            _ => Ok(wanted),
        }
    }
}

impl RestrictionReason {
    /// The name it is stored by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Unlawful => "unlawful",
            Self::Claims => "claims",
            Self::ObjectionPending => "objection_pending",
            Self::ErasurePending => "erasure_pending",
        }
    }

    /// The reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    const ALL: [Self; 5] = [Self::Accuracy, Self::Unlawful, Self::Claims, Self::ObjectionPending, Self::ErasurePending];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_known_by_the_name_that_it_has_in_json() {
        for reason in RestrictionReason::ALL {
            assert_eq!(RestrictionReason::from_name(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert_eq!(RestrictionReason::from_name("whim"), None);
    }
}
