//! [`UserPreferences`]: the service that reads and changes preferences.

mod dyn_preferences;
mod edit;
mod effective;
mod etag;
mod rectify;
mod rules;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::edit::SplitEdit;
pub use self::rules::PreferenceRules;
pub(crate) use self::{
    dyn_preferences::DynPreferences,
    edit::Edit,
    rules::{CheckedRules, Negotiated},
};
use crate::{
    engine::{
        consents::{Consents, VerdictInputs},
        profiles::{Memo, ProfileState, Profiles},
        runtime::Runtime,
    },
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        consent::{DecisionContext, DecisionMethod, Subject},
        preferences::{EntityTags, Overrides, Patch},
    },
    store::{PreferenceChange, StoredPreferences},
};

/// The preferences of all users, for work outside a request: settings pages of administrators,
/// e-mails, imports.
///
/// From [`Guestbook::preferences`](crate::Guestbook::preferences). Handlers use
/// [`Preferences`](crate::Preferences), the view of one request. Clones are handles to the same
/// service.
///
/// A change takes effect with the next request of this process, and within
/// [`cache_age`](crate::GuestbookBuilder::cache_age) in other processes.
///
/// # Examples
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{
///     ErrorKind, Guestbook, UserId,
///     preferences::{PreferenceRules, StandardPreferences, Theme},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).preferences(PreferenceRules::standard()?).build()?;
/// let preferences = guestbook.preferences::<StandardPreferences>().expect("preferences are configured");
///
/// let ada = UserId::try_from("ada")?;
/// let first = preferences.update(&ada, &json!({ "theme": "dark" }), None).await?;
/// assert_eq!((first.value.theme, first.version), (Theme::Dark, 1));
///
/// // Optimistic concurrency: a change that expects an older version is refused.
/// let outdated = preferences.update(&ada, &json!({ "language": "de" }), Some(0)).await.unwrap_err();
/// assert_eq!(outdated.kind(), ErrorKind::VersionMismatch);
///
/// let reset = preferences.reset(&ada, "theme").await?;
/// assert_eq!((reset.value.theme, reset.version), (Theme::Light, 2));
/// # Ok(()) }
/// ```
pub struct UserPreferences<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    runtime: Runtime,
    profiles: Profiles,
    consents: Option<Consents>,
    rules: CheckedRules<T>,
    /// The effective preferences of users without overrides.
    without_overrides: Memo,
    ignored: AtomicU64,
}

/// The effective preferences of a user outside a request, with their version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionedPreferences<T> {
    /// The value.
    pub value: T,
    /// The number of changes of the stored preferences, for [`UserPreferences::update`]. Unlike
    /// [`etag`](Self::etag), it does not change with decisions that consent views show.
    pub version: u64,
    /// The entity tag of the value and of everything that it depends on, for
    /// [`UserPreferences::update_if`].
    pub etag: String,
    /// The keys whose stored values are no longer valid, so their defaults take effect.
    pub ignored: Vec<String>,
}

/// How many times to retry after a parallel change.
const ATTEMPTS: usize = 8;

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> UserPreferences<T> {
    pub(crate) fn new(
        runtime: Runtime,
        profiles: Profiles,
        consents: Option<Consents>,
        rules: CheckedRules<T>,
    ) -> Self {
        let (without_overrides, ignored) = (Memo::default(), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { runtime, profiles, consents, rules, without_overrides, ignored }) }
    }

    /// Returns the preferences of a user.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn get(&self, user: &UserId) -> Result<VersionedPreferences<T>> {
        Ok(self.of(&self.load(user).await?))
    }

    /// Applies a merge patch (RFC 7396), all or nothing: null resets a key or a category.
    ///
    /// Parallel changes of other keys are kept. With `expected`, the patch is applied only if the
    /// stored version is still this one.
    ///
    /// A change of a [consent view](PreferenceRules::consent_view) is recorded as a decision with
    /// the method [`Api`](DecisionMethod::Api), before the other keys are stored. Allowing a
    /// purpose this way is a grant without a snapshot, which is refused unless
    /// [`accept_grants_without_notice`](crate::consent::ConsentRules::accept_grants_without_notice)
    /// is set.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](ErrorKind::InvalidInput), with the key: a key is unknown or a value is
    ///   invalid.
    /// - [`TooLarge`](ErrorKind::TooLarge): the overrides of the user would exceed the limit of the
    ///   schema.
    /// - [`VersionMismatch`](ErrorKind::VersionMismatch): the version is not `expected`.
    /// - The errors of [`Consents::decide`], and of the store.
    pub async fn update(&self, user: &UserId, patch: &Value, expected: Option<u64>) -> Result<VersionedPreferences<T>> {
        let profile = self.load(user).await?;
        let split = self.split(Edit::Patch(patch), &overrides(&profile), &profile, self.verdict_inputs())?;
        if expected.is_some_and(|expected| expected != version(&profile)) {
            return Err(mismatch());
        }
        self.carry_out(user, &profile, split, expected).await
    }

    /// As [`update`](Self::update), but only if `tags` match the [entity
    /// tag](VersionedPreferences::etag) of the effective preferences.
    ///
    /// A parallel change, a decision that a consent view shows, and a changed default all change
    /// the entity tag. The tags are compared with the current content of the store. A change of the
    /// stored preferences after the comparison is detected; a decision after it is not.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn update_if(&self, user: &UserId, patch: &Value, tags: &EntityTags) -> Result<VersionedPreferences<T>> {
        let profile = self.load(user).await?;
        let split = self.split(Edit::Patch(patch), &overrides(&profile), &profile, self.verdict_inputs())?;
        if !tags.match_strongly(&self.of(&profile).etag) {
            return Err(mismatch());
        }
        self.carry_out(user, &profile, split, Some(version(&profile))).await
    }

    async fn carry_out(
        &self,
        user: &UserId,
        profile: &ProfileState,
        split: SplitEdit,
        expected: Option<u64>,
    ) -> Result<VersionedPreferences<T>> {
        if let (Some(choices), Some(consents)) = (split.choices(DecisionMethod::Api), &self.inner.consents) {
            // Decisions cannot be undone, so the size of the rest is checked first.
            overrides(profile).with(&split.patch)?;
            consents.decide(&Subject::User(user.clone()), choices, &DecisionContext::default()).await?;
        }
        self.change(user, split.patch, expected).await?;
        self.get(user).await
    }

    /// Resets the key or category at `path` to its default: `notifications.email` or
    /// `notifications`.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn reset(&self, user: &UserId, path: &str) -> Result<VersionedPreferences<T>> {
        let profile = self.load(user).await?;
        let split = self.split(Edit::Reset(path), &overrides(&profile), &profile, self.verdict_inputs())?;
        self.carry_out(user, &profile, split, None).await
    }

    /// Returns how often a stored value was no longer valid, so its default took effect. Each value
    /// counts once each time that preferences are read from the store.
    pub fn ignored(&self) -> u64 {
        self.inner.ignored.load(Ordering::Relaxed)
    }

    fn of(&self, profile: &ProfileState) -> VersionedPreferences<T> {
        let effective = self.effective(profile, None, Negotiated::default(), self.verdict_inputs());
        let (value, ignored) = (effective.value.clone(), effective.ignored.clone());
        let etag = self.etag(profile, None, &value);
        VersionedPreferences { value, version: version(profile), etag, ignored }
    }

    /// Loads the profile of a user from the store.
    async fn load(&self, user: &UserId) -> Result<ProfileState> {
        self.load_of(&Subject::User(user.clone())).await
    }

    /// Loads the profile of a user or a visitor from the store.
    pub(crate) async fn load_of(&self, subject: &Subject) -> Result<ProfileState> {
        self.inner.profiles.load(subject).await.map(ProfileState::Profile)
    }

    /// Returns the inputs of verdicts outside a request.
    fn verdict_inputs(&self) -> VerdictInputs {
        self.inner.consents.as_ref().map(Consents::verdict_inputs).unwrap_or_default()
    }

    /// Returns whether there are consent views.
    pub(crate) fn has_views(&self) -> bool {
        !self.inner.rules.views.is_empty()
    }

    pub(crate) fn negotiate(&self, headers: &http::HeaderMap) -> Negotiated {
        self.inner.rules.negotiate(headers)
    }

    /// Stores a patch and returns the stored preferences.
    pub(crate) async fn change(&self, user: &UserId, patch: Patch, expected: Option<u64>) -> Result<StoredPreferences> {
        let (store, profiles, user) = (self.inner.runtime.store.clone(), self.inner.profiles.clone(), user.clone());
        let change = async move {
            let changed = store.change_preferences(user.clone(), patch, expected).await;
            profiles.evict(&Subject::User(user));
            changed
        };
        match self.inner.runtime.tasks.finish(change).await? {
            PreferenceChange::Stored(stored) => Ok(stored),
            PreferenceChange::Mismatch(_) => Err(mismatch()),
        }
    }

    async fn fill(&self, user: UserId, from_session: Overrides) -> Result<()> {
        // The session may be older than the schema.
        let from_session = self.inner.rules.schema.valid_part(&from_session);
        for _ in 0..ATTEMPTS {
            let stored = self.inner.runtime.tasks.within(self.inner.runtime.store.preferences(user.clone())).await?;
            let missing = from_session.without_keys_of(&stored.overrides);
            if missing.is_empty() {
                return Ok(());
            }
            let patch = self.inner.rules.schema.patch_from(&stored.overrides, &missing)?;
            match self.change(&user, patch, Some(stored.version)).await {
                Err(error) if error.kind() == ErrorKind::VersionMismatch => {}
                result => return result.map(drop),
            }
        }
        Err(mismatch())
    }
}

impl<T> Clone for UserPreferences<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T> fmt::Debug for UserPreferences<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPreferences").finish_non_exhaustive()
    }
}

pub(crate) fn version(profile: &ProfileState) -> u64 {
    profile.cached().map_or(0, |cached| cached.profile().preferences.version)
}

/// Returns the stored overrides.
pub(crate) fn overrides(profile: &ProfileState) -> Overrides {
    profile.cached().map(|cached| cached.profile().preferences.overrides.clone()).unwrap_or_default()
}

pub(crate) fn mismatch() -> Error {
    Error::new(ErrorKind::VersionMismatch, "the preferences have been changed in the meantime")
}
