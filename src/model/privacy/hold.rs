//! [`LegalHold`]: data of a user that must not be deleted.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// A legal hold (GDPR, Article 17(3)): neither an erasure nor retention deletes this class of a
/// user's data.
///
/// A hold applies to a class, not to the whole user. An erasure deletes everything else, and
/// reports what it left and why.
///
/// ```
/// use tower_guestbook::{
///     Timestamp,
///     privacy::{HeldClass, LegalHold},
/// };
///
/// let (since, until) = (Timestamp::from_millis(0), Timestamp::from_millis(10));
/// let hold = LegalHold::new(HeldClass::Activities, "lawsuit 12/2026", since)?.until(until);
/// assert!(hold.holds_at(Timestamp::from_millis(9)) && !hold.holds_at(until));
/// assert!(LegalHold::new(HeldClass::Activities, "", since).is_err(), "a reason is required");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LegalHold {
    /// The class of data.
    pub class: HeldClass,
    /// The reason, such as a file number. It appears in receipts and outlives the user's name, so
    /// it must name nobody.
    pub reason: Box<str>,
    /// When the hold began.
    pub since: Timestamp,
    /// When the hold ends; `None` until it is released.
    pub until: Option<Timestamp>,
}

/// A class of data that can be held. Entries of the audit trail are not among them: no erasure
/// deletes those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeldClass {
    /// Activities of the user, and of visitors who were linked to them.
    Activities,
    /// Preferences.
    Preferences,
    /// Decisions of the user, and of visitors who were linked to them.
    Consents,
}

/// Data that an erasure left because of a [`LegalHold`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetainedData {
    /// The class of data.
    pub class: HeldClass,
    /// The reason of the hold.
    pub reason: Box<str>,
}

impl LegalHold {
    /// Creates a hold that lasts until it is released.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the reason is empty or longer than 200 bytes.
    pub fn new(class: HeldClass, reason: &str, since: Timestamp) -> Result<Self> {
        if reason.is_empty() || reason.len() > MAX_REASON {
            let context = format!("the reason of a hold has 1 to {MAX_REASON} bytes");
            return Err(Error::new(ErrorKind::InvalidInput, context));
        }
        Ok(Self { class, reason: reason.into(), since, until: None })
    }

    /// Sets when the hold ends.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Returns whether the hold applies at this time.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl HeldClass {
    /// Returns the stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activities => "activities",
            Self::Preferences => "preferences",
            Self::Consents => "consents",
        }
    }

    /// Returns the class with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Activities, Self::Preferences, Self::Consents].into_iter().find(|class| class.as_str() == name)
    }
}

impl From<&LegalHold> for RetainedData {
    fn from(hold: &LegalHold) -> Self {
        Self { class: hold.class, reason: hold.reason.clone() }
    }
}

const MAX_REASON: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_name_reads_the_name_in_json() {
        for class in [HeldClass::Activities, HeldClass::Preferences, HeldClass::Consents] {
            assert_eq!(HeldClass::from_name(class.as_str()), Some(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        assert_eq!(HeldClass::from_name("audit"), None);
    }
}
