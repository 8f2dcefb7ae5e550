//! [`Store`]: all that a guestbook needs of a store, and what one request needs of it, in one trip.

use std::future::Future;

use super::{
    ActivityStore, AnalyticsStore, AuditStore, ConsentStore, CredentialStore, ErasureStore, Loaded, MaintenanceStore,
    PreferenceStore, PrivacyRequestStore, RestrictionStore, SessionStore, StoredPreferences,
};
use crate::{
    error::Result,
    id::{SessionKey, VisitorId},
    model::{
        consent::{ConsentStates, Subject},
        privacy::Restriction,
        session::Realm,
    },
};

/// All that a guestbook needs of a store.
///
/// The verbs here have a default that asks the parts one after the other. A store that can answer
/// at once overrides them, as long as the answer is the same.
pub trait Store:
    SessionStore
    + CredentialStore
    + ActivityStore
    + ConsentStore
    + PreferenceStore
    + ErasureStore
    + RestrictionStore
    + PrivacyRequestStore
    + MaintenanceStore
    + AuditStore
    + AnalyticsStore
{
    /// The session under `key` for `realm`, and the profile of its user; of `visitor` if there is
    /// no user.
    fn load_context(
        &self,
        key: SessionKey,
        realm: Realm,
        visitor: Option<VisitorId>,
    ) -> impl Future<Output = Result<LoadedContext>> + Send {
        async move {
            let session = self.load(key, realm).await?;
            let subject = session.subject(visitor);
            let profile = match &subject {
                Some(subject) => self.profile(subject.clone()).await?,
                None => Profile::default(),
            };
            Ok(LoadedContext { session, subject, profile })
        }
    }

    /// What is kept of a subject beside sessions and activities.
    fn profile(&self, subject: Subject) -> impl Future<Output = Result<Profile>> + Send {
        async move {
            let (preferences, restriction) = match &subject {
                Subject::User(user) => {
                    (self.preferences(user.clone()).await?, self.restriction_of(user.clone()).await?)
                }
                Subject::Visitor(_) => (StoredPreferences::default(), None),
            };
            Ok(Profile { consents: self.consents(subject).await?, preferences, restriction })
        }
    }
}

/// What is kept of a subject beside sessions and activities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Where they stand.
    pub consents: ConsentStates,
    /// What they like; of visitors nothing is kept.
    pub preferences: StoredPreferences,
    /// Whether processing is restricted.
    pub restriction: Option<Restriction>,
}

/// What [`Store::load_context`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedContext {
    /// The session.
    pub session: Loaded,
    /// Whose profile it is: the user's of the session, expired or not, or else the visitor's.
    pub subject: Option<Subject>,
    /// The profile.
    pub profile: Profile,
}

impl Loaded {
    /// Whose profile belongs to it.
    pub(crate) fn subject(&self, visitor: Option<VisitorId>) -> Option<Subject> {
        match self {
            Self::Found(record) => record.head.user.clone().map(Subject::User),
            Self::Ended { .. } | Self::OtherRealm | Self::Unknown => None,
        }
        .or(visitor.map(Subject::Visitor))
    }
}
