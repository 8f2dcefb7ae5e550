//! [`Restriction`]: data of a user is kept and not used.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// A restriction of the processing of a user's data (GDPR, Article 18): stored data stays and is
/// not used.
///
/// While it applies, no event of the user is stored, purposes that are not necessary are not
/// allowed, and retention deletes nothing of the user. The user can still log in, change
/// preferences and exercise all other rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Restriction {
    /// When the restriction began.
    pub since: Timestamp,
    /// Why processing is restricted.
    pub reason: RestrictionReason,
}

/// Why processing is restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RestrictionReason {
    /// The user contests the accuracy of the data, which is being verified: Article 18(1)(a).
    Accuracy,
    /// The processing is unlawful, and the user prefers restriction to erasure: Article 18(1)(b).
    Unlawful,
    /// The user needs the data for legal claims: Article 18(1)(c).
    Claims,
    /// The user has objected, and it is being verified whose grounds override: Article 18(1)(d).
    ObjectionPending,
    /// The user has confirmed an erasure and may still cancel it. Set by the confirmation, and
    /// lifted with the request.
    ErasurePending,
}

impl Restriction {
    /// Creates a restriction.
    pub fn new(since: Timestamp, reason: RestrictionReason) -> Self {
        Self { since, reason }
    }

    /// Returns the restriction of a user when `wanted` replaces `before`. `awaits_erasure` says
    /// whether the user has confirmed an erasure that is not done. For stores.
    ///
    /// The restriction of a confirmed erasure is lifted by
    /// [`PrivacyRequest::restriction`](super::PrivacyRequest::restriction) only. If another
    /// restriction applied before, that of the erasure takes effect when the other one is lifted.
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Timestamp,
    ///     privacy::{Restriction, RestrictionReason},
    /// };
    ///
    /// let now = Timestamp::from_millis(1_800_000_000_000);
    /// let because = |reason| Some(Restriction::new(now, reason));
    /// let claims = because(RestrictionReason::Claims);
    /// let pending = because(RestrictionReason::ErasurePending);
    /// assert_eq!(Restriction::replaced(None, claims, false, now)?, claims);
    /// assert_eq!(Restriction::replaced(claims, None, true, now)?, pending);
    /// assert!(Restriction::replaced(pending, None, true, now).is_err());
    /// # Ok::<(), tower_guestbook::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if `before` belongs to an erasure.
    /// [`InvalidInput`](ErrorKind::InvalidInput) if `wanted` does.
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
            return Err(Error::new(ErrorKind::InvalidInput, "only a confirmed erasure sets this restriction"));
        }
        if is_pending(before) {
            return Err(Error::new(ErrorKind::Conflict, "the user has confirmed an erasure: cancel its request"));
        }
        match (before, wanted) {
            (Some(_), None) if awaits_erasure => Ok(Some(Self::new(now, RestrictionReason::ErasurePending))),
            _ => Ok(wanted),
        }
    }
}

impl RestrictionReason {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Unlawful => "unlawful",
            Self::Claims => "claims",
            Self::ObjectionPending => "objection_pending",
            Self::ErasurePending => "erasure_pending",
        }
    }

    /// Returns the reason with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    const ALL: [Self; 5] = [Self::Accuracy, Self::Unlawful, Self::Claims, Self::ObjectionPending, Self::ErasurePending];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_name_reads_the_name_in_json() {
        for reason in RestrictionReason::ALL {
            assert_eq!(RestrictionReason::from_name(reason.as_str()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert_eq!(RestrictionReason::from_name("whim"), None);
    }
}
