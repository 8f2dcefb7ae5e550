//! [`LegalHold`]: data of a user that must not be deleted for now.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// A legal hold (GDPR, Article 17(3)): data of one class of a user that neither an erasure nor retention deletes.
///
/// It holds a class, not an account: an erasure deletes everything else, and says what it has left and why.
///
/// ```
/// use tower_guestbook::{Timestamp, privacy::{HeldClass, LegalHold}};
///
/// let hold = LegalHold::new(HeldClass::Activities, "lawsuit 12/2026", Timestamp::from_millis(0))?
///     .until(Timestamp::from_millis(10));
/// assert!(hold.holds_at(Timestamp::from_millis(9)) && !hold.holds_at(Timestamp::from_millis(10)));
/// assert!(LegalHold::new(HeldClass::Activities, "", Timestamp::from_millis(0)).is_err(), "somebody will ask why");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LegalHold {
    /// What is held.
    pub class: HeldClass,
    /// Why: a file number, say. It stands in receipts and outlives the user's name, so it must not name anybody.
    pub reason: Box<str>,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` until it is released.
    pub until: Option<Timestamp>,
}

/// What can be held. The audit trail is not among it: no erasure deletes its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeldClass {
    /// What the user did, and visitors who were linked to them.
    Activities,
    /// What the user likes.
    Preferences,
    /// What the user decided, and visitors who were linked to them.
    Consents,
}

/// What an erasure has left because of a [`LegalHold`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RetainedData {
    /// What is left.
    pub class: HeldClass,
    /// Why.
    pub reason: Box<str>,
}

impl LegalHold {
    /// A hold until it is released.
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

    /// A hold that ends by itself.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Whether it holds at this time.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl HeldClass {
    /// The name it is stored by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activities => "activities",
            Self::Preferences => "preferences",
            Self::Consents => "consents",
        }
    }

    /// The class with this name.
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
    fn a_class_is_known_by_the_name_that_it_has_in_json() {
        for class in [HeldClass::Activities, HeldClass::Preferences, HeldClass::Consents] {
            assert_eq!(HeldClass::from_name(class.as_str()), Some(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        assert_eq!(HeldClass::from_name("audit"), None);
    }
}
