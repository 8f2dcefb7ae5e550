//! [`ConsentSettings`]: the settings of [`Consents`](super::Consents).

use std::time::Duration;

use serde::Serialize;

use crate::{
    engine::rate::RateLimit,
    error::{Error, ErrorKind, Result},
    model::{
        activity::EventType,
        consent::{MergePolicy, Notice, PurposeId, Purposes},
    },
};

/// What to record of activity whose purpose is not allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisallowedActivity {
    /// Nothing. The number of skipped events is counted. The default.
    #[default]
    NotWritten,
    /// An anonymous event: type, route, method, status and time; no user, session, visitor,
    /// network, agent, referrer or data.
    Unlinked,
}

/// The controller (GDPR, Article 4(7)), for receipts, exports and records of processing.
///
/// # Examples
///
/// ```
/// use tower_guestbook::consent::Controller;
///
/// let controller = Controller::new("Example Ltd", "1 High Street, Dublin", "privacy@example.com")
///     .data_protection_officer("Ada Byron, dpo@example.com");
/// assert_eq!(controller.contact, "privacy@example.com");
/// assert_eq!(controller.representative, None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Controller {
    /// The name.
    pub name: String,
    /// The postal address.
    pub address: String,
    /// The contact: an e-mail address or a page.
    pub contact: String,
    /// The name and contact of the data protection officer, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_protection_officer: Option<String>,
    /// The representative in the EU (GDPR, Article 27), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub representative: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct ConsentSettings {
    pub(crate) purposes: Purposes,
    pub(crate) notices: Vec<Notice>,
    pub(crate) merge: MergePolicy,
    pub(crate) grants_need_a_notice: bool,
    pub(crate) snapshot_lifetime: Duration,
    pub(crate) activity: Option<PurposeId>,
    pub(crate) event_purposes: Vec<(EventType, Option<PurposeId>)>,
    pub(crate) disallowed: DisallowedActivity,
    pub(crate) controller: Option<Controller>,
    pub(crate) visitor_limit: RateLimit,
    pub(crate) network_limit: RateLimit,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

impl Controller {
    /// Creates a controller with this name, postal address and contact.
    pub fn new(name: impl Into<String>, address: impl Into<String>, contact: impl Into<String>) -> Self {
        let (name, address, contact) = (name.into(), address.into(), contact.into());
        Self { name, address, contact, data_protection_officer: None, representative: None }
    }

    /// Sets the name and contact of the data protection officer.
    #[must_use]
    pub fn data_protection_officer(mut self, officer: impl Into<String>) -> Self {
        self.data_protection_officer = Some(officer.into());
        self
    }

    /// Sets the representative in the EU.
    #[must_use]
    pub fn representative(mut self, representative: impl Into<String>) -> Self {
        self.representative = Some(representative.into());
        self
    }
}

impl ConsentSettings {
    pub(crate) fn new(purposes: Purposes) -> Self {
        let activity = purposes.get(&PurposeId::ANALYTICS).map(|_| PurposeId::ANALYTICS);
        Self {
            purposes,
            notices: Vec::new(),
            merge: MergePolicy::default(),
            grants_need_a_notice: true,
            snapshot_lifetime: Duration::from_secs(24 * 60 * 60),
            activity,
            // Account security needs logins and logouts, whatever may be measured.
            event_purposes: vec![(EventType::LOGIN, None), (EventType::LOGOUT, None)],
            disallowed: DisallowedActivity::default(),
            controller: None,
            visitor_limit: RateLimit::new(60, HOUR),
            network_limit: RateLimit::new(1_000, HOUR),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |problem: String| Err(Error::new(ErrorKind::Configuration, problem));
        let named = self.event_purposes.iter().filter_map(|(_, purpose)| purpose.as_ref()).chain(&self.activity);
        for purpose in named.chain(self.notices.iter().map(Notice::purpose)) {
            if self.purposes.get(purpose).is_none() {
                return wrong(format!("consent(): purpose {:?} is used but not declared", purpose.as_str()));
            }
        }
        for (index, notice) in self.notices.iter().enumerate() {
            let purpose = self.purposes.get(notice.purpose()).expect("the loop above checked that it is declared");
            let name = notice.purpose().as_str();
            if notice.version() != purpose.version() {
                return wrong(format!(
                    "consent(): the notice of {name:?} has version {}, the purpose {}",
                    notice.version(),
                    purpose.version()
                ));
            }
            let same = |other: &Notice| (other.purpose(), other.language()) == (notice.purpose(), notice.language());
            if self.notices[..index].iter().any(same) {
                return wrong(format!("consent(): there are two notices of {name:?} in {:?}", notice.language()));
            }
        }
        if ![self.visitor_limit, self.network_limit].into_iter().all(RateLimit::is_possible) {
            return wrong("consent(): visitor_decisions() must allow at least one decision in 30 days".into());
        }
        if self.snapshot_lifetime.is_zero() {
            return wrong("consent(): snapshot_lifetime() must be longer than zero".into());
        }
        Ok(())
    }

    /// Returns the purpose that events of this type are recorded under.
    pub(crate) fn purpose_of(&self, event_type: &EventType) -> Option<&PurposeId> {
        let named = self.event_purposes.iter().rev().find(|(named, _)| named == event_type);
        named.map_or(self.activity.as_ref(), |(_, purpose)| purpose.as_ref())
    }
}
