//! [`Store`]: the traits that a guestbook needs of a store.

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

/// All the traits that a guestbook needs of a store.
///
/// The methods of this trait have defaults that call the other traits one after the other. A store
/// that can answer in one trip overrides them, with the same results.
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
    /// Returns the session under `key` for `realm`, and the profile of its user; without a user,
    /// the profile of `visitor`.
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

    /// Returns what is stored of a subject apart from sessions and activities.
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

/// What is stored of a subject apart from sessions and activities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The consent states.
    pub consents: ConsentStates,
    /// The preferences. Empty for visitors.
    pub preferences: StoredPreferences,
    /// The restriction of processing, if there is one.
    pub restriction: Option<Restriction>,
}

/// The result of [`Store::load_context`].
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedContext {
    /// The session.
    pub session: Loaded,
    /// The subject of the profile: the user of the session, even if it has expired, or else the
    /// visitor.
    pub subject: Option<Subject>,
    /// The profile.
    pub profile: Profile,
}

impl Loaded {
    /// Returns the subject whose profile belongs to the session.
    pub(crate) fn subject(&self, visitor: Option<VisitorId>) -> Option<Subject> {
        match self {
            Self::Found(record) => record.head.user.clone().map(Subject::User),
            Self::Ended { .. } | Self::OtherRealm | Self::Unknown => None,
        }
        .or(visitor.map(Subject::Visitor))
    }
}
