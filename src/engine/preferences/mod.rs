//! [`UserPreferences`]: what users like, read and changed. What handlers work with is
//! [`Preferences`](crate::Preferences), a view of this.

mod dyn_preferences;
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
use serde_json::{Map, Value};

pub use self::rules::PreferenceRules;
pub(crate) use self::{
    dyn_preferences::DynPreferences,
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
        consent::{Choices, DecisionContext, DecisionMethod, PurposeId, Subject},
        preferences::{Effective, EntityTags, Overrides, Patch},
    },
    store::{PreferenceChange, StoredPreferences},
};

/// What users like, for what is done outside a request: settings pages of administrators, mails, imports. A clone is another
/// handle.
///
/// What is changed here takes effect with the next request of this process, and within
/// [`cache_age`](crate::GuestbookBuilder::cache_age) in other processes.
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{
///     Guestbook, UserId,
///     preferences::{PreferenceRules, StandardPreferences, Theme},
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).preferences(PreferenceRules::standard()?).build()?;
/// let preferences = guestbook.preferences::<StandardPreferences>().expect("they are configured");
///
/// let ada = UserId::try_from("ada")?;
/// let first = preferences.update(&ada, &json!({ "theme": "dark" }), None).await?;
/// assert_eq!((first.value.theme, first.version), (Theme::Dark, 1));
/// let back = preferences.reset(&ada, "theme").await?;
/// assert_eq!((back.value.theme, back.version), (Theme::Light, 2));
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
    /// What takes effect for those who have set nothing.
    worked_out: Memo,
    ignored: AtomicU64,
}

/// A user's preferences as they take effect, without what a browser asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionedPreferences<T> {
    /// The value.
    pub value: T,
    /// How often what is stored was changed: to be given back to [`UserPreferences::update`]. A decision that a view on
    /// consent shows is no part of it; it is a part of [`etag`](Self::etag).
    pub version: u64,
    /// The entity tag of the value and of all that it is made of: to be given back to [`UserPreferences::update_if`].
    pub etag: String,
    /// The keys whose stored values are no longer right, and are at their default instead.
    pub ignored: Vec<String>,
}

/// What of a patch goes where: the rest into the store, and purposes to be allowed or not.
pub(crate) struct SplitEdit {
    pub(crate) patch: Patch,
    pub(crate) decisions: Vec<(PurposeId, bool)>,
}

/// What somebody asks to be changed.
#[derive(Clone, Copy)]
pub(crate) enum Edit<'a> {
    /// This merge patch.
    Patch(&'a Value),
    /// The key or the category at this path is to be at its default.
    Reset(&'a str),
}

/// So often a parallel change may come first.
const ATTEMPTS: usize = 8;

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> UserPreferences<T> {
    pub(crate) fn new(
        runtime: Runtime,
        profiles: Profiles,
        consents: Option<Consents>,
        rules: CheckedRules<T>,
    ) -> Self {
        let (worked_out, ignored) = (Memo::default(), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { runtime, profiles, consents, rules, worked_out, ignored }) }
    }

    /// The user's preferences.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn get(&self, user: &UserId) -> Result<VersionedPreferences<T>> {
        Ok(self.of(&self.load(user).await?))
    }

    /// Applies a patch (RFC 7396): null resets a key or a category. All of it or nothing; what others change meanwhile under
    /// other keys is kept. `expected`: only if the version is still this one.
    ///
    /// A key that is a view on consent is recorded as a decision, with the method
    /// [`Api`](crate::consent::DecisionMethod::Api), before the rest is stored.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), naming the key, if it is unknown or its value not right;
    /// [`TooLarge`](ErrorKind::TooLarge); [`VersionMismatch`](ErrorKind::VersionMismatch); those of
    /// [`Consents::decide`]; what the store reports.
    pub async fn update(&self, user: &UserId, patch: &Value, expected: Option<u64>) -> Result<VersionedPreferences<T>> {
        let account = self.load(user).await?;
        let split = self.split(Edit::Patch(patch), &overrides(&account), &account, self.verdict_inputs())?;
        if expected.is_some_and(|expected| expected != version(&account)) {
            return Err(mismatch());
        }
        self.carry_out(user, &account, split, expected).await
    }

    /// As [`update`](Self::update), but only if `tags` name what takes effect: a parallel change of what is stored, a
    /// decision that a view on consent shows, and another default all give another tag.
    ///
    /// Tags are compared with what the store has at the time. A change that comes after the comparison is noticed; a decision
    /// in that moment is not.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn update_if(&self, user: &UserId, patch: &Value, tags: &EntityTags) -> Result<VersionedPreferences<T>> {
        let account = self.load(user).await?;
        let split = self.split(Edit::Patch(patch), &overrides(&account), &account, self.verdict_inputs())?;
        if !tags.match_strongly(&self.of(&account).etag) {
            return Err(mismatch());
        }
        self.carry_out(user, &account, split, Some(version(&account))).await
    }

    async fn carry_out(
        &self,
        user: &UserId,
        account: &ProfileState,
        split: SplitEdit,
        expected: Option<u64>,
    ) -> Result<VersionedPreferences<T>> {
        if let (Some(choices), Some(consents)) = (split.choices(DecisionMethod::Api), &self.inner.consents) {
            // What is decided stays decided, so the rest must have room before.
            overrides(account).with(&split.patch)?;
            consents.decide(&Subject::User(user.clone()), choices, &DecisionContext::default()).await?;
        }
        self.change(user, split.patch, expected).await?;
        self.get(user).await
    }

    /// Sets a key or a category back to its default: the value at `path`, `notifications` or `notifications.email`.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn reset(&self, user: &UserId, path: &str) -> Result<VersionedPreferences<T>> {
        let account = self.load(user).await?;
        let split = self.split(Edit::Reset(path), &overrides(&account), &account, self.verdict_inputs())?;
        self.carry_out(user, &account, split, None).await
    }

    /// How often a stored value was no longer right and its default was taken: counted once each time that preferences are
    /// read from the store.
    pub fn ignored(&self) -> u64 {
        self.inner.ignored.load(Ordering::Relaxed)
    }

    fn of(&self, account: &ProfileState) -> VersionedPreferences<T> {
        let effective = self.effective(account, None, Negotiated::default(), self.verdict_inputs());
        let (value, ignored) = (effective.value.clone(), effective.ignored.clone());
        let etag = self.etag(account, None, &value);
        VersionedPreferences { value, version: version(account), etag, ignored }
    }

    /// What the store has of a user now.
    async fn load(&self, user: &UserId) -> Result<ProfileState> {
        self.load_of(&Subject::User(user.clone())).await
    }

    /// What the store has of a user or a visitor now.
    pub(crate) async fn load_of(&self, subject: &Subject) -> Result<ProfileState> {
        self.inner.profiles.load(subject).await.map(ProfileState::Profile)
    }

    /// What takes effect: defaults, what the browser asks for, what was set in the session, what the user has set.
    pub(crate) fn effective(
        &self,
        account: &ProfileState,
        session: Option<&Overrides>,
        negotiated: Negotiated,
        verdict_inputs: VerdictInputs,
    ) -> Arc<Effective<T>> {
        let shown = self.shown(account, verdict_inputs);
        let stored = account.account().map(|account| &account.account().preferences.overrides);
        let stored = stored.filter(|overrides| !overrides.is_empty());
        let work_out = || self.work_out(stored, session, negotiated, shown);
        match (account.account(), stored, session) {
            (_, _, Some(_)) => Arc::new(work_out()),
            (Some(account), Some(_), None) => account.worked_out().get_or(negotiated.number(shown), work_out),
            _ => self.inner.worked_out.get_or(negotiated.number(shown), work_out),
        }
    }

    fn work_out(
        &self,
        stored: Option<&Overrides>,
        session: Option<&Overrides>,
        negotiated: Negotiated,
        shown: u16,
    ) -> Effective<T> {
        let rules = &self.inner.rules;
        let views = rules
            .views
            .iter()
            .enumerate()
            .map(|(index, view)| Overrides::of(&view.path, Value::Bool(shown & (1 << index) != 0)));
        let views: Vec<_> = views.collect();
        let layers = rules.layers(negotiated).chain(session).chain(stored).chain(&views);
        let effective = rules.schema.effective(&layers.collect::<Vec<_>>());
        if !effective.ignored.is_empty() {
            self.inner.ignored.fetch_add(effective.ignored.len() as u64, Ordering::Relaxed);
            #[cfg(feature = "metrics")]
            metrics::counter!("guestbook_preferences_ignored_total").increment(effective.ignored.len() as u64);
            tracing::warn!(keys = ?effective.ignored, "stored preferences are no longer right: their defaults are taken");
        }
        effective
    }

    /// Outside a request.
    fn verdict_inputs(&self) -> VerdictInputs {
        self.inner.consents.as_ref().map(Consents::verdict_inputs).unwrap_or_default()
    }

    /// Whether there are keys that show a decision.
    pub(crate) fn has_views(&self) -> bool {
        !self.inner.rules.views.is_empty()
    }

    /// What the views show, a bit for each.
    fn shown(&self, account: &ProfileState, verdict_inputs: VerdictInputs) -> u16 {
        let Some(consents) = &self.inner.consents else { return 0 };
        let views = self.inner.rules.views.iter().enumerate();
        views.fold(0, |shown, (index, view)| {
            let verdict = consents.verdict(&view.purpose, account, verdict_inputs);
            shown | u16::from(verdict.is_some_and(|verdict| verdict.is_allowed())) << index
        })
    }

    /// Which of the values that a browser asks for take effect, as nobody has set them: language and colour scheme.
    pub(crate) fn depends_on(&self, account: &ProfileState, session: Option<&Overrides>) -> (bool, bool) {
        let stored = account.account().map(|account| &account.account().preferences.overrides);
        let is_free = |path: &[String]| !stored.into_iter().chain(session).any(|layer| layer.get(path).is_some());
        let rules = &self.inner.rules;
        (
            rules.language.as_ref().is_some_and(|languages| is_free(&languages.path)),
            rules.color_scheme.as_ref().is_some_and(|schemes| is_free(&schemes.path)),
        )
    }

    pub(crate) fn negotiate(&self, headers: &http::HeaderMap) -> Negotiated {
        self.inner.rules.negotiate(headers)
    }

    /// Checks a patch and takes the decisions out of it that differ from what holds.
    /// `before`: what was set in the place where the rest will be stored.
    pub(crate) fn split(
        &self,
        asked: Edit<'_>,
        before: &Overrides,
        account: &ProfileState,
        verdict_inputs: VerdictInputs,
    ) -> Result<SplitEdit> {
        let schema = &self.inner.rules.schema;
        let mut rest = match asked {
            Edit::Patch(patch) => patch.clone(),
            Edit::Reset(path) => {
                if self.inner.rules.views.iter().any(|view| view.path.iter().map(String::as_str).eq(path.split('.'))) {
                    return Err(not_forgotten(path));
                }
                return Ok(SplitEdit { patch: schema.reset(before, path)?, decisions: Vec::new() });
            }
        };
        let shown = self.shown(account, verdict_inputs);
        let mut decisions = Vec::new();
        for (index, view) in self.inner.rules.views.iter().enumerate() {
            match take(&mut rest, &view.path) {
                None => {}
                Some(Value::Bool(allow)) if allow != (shown & (1 << index) != 0) => {
                    decisions.push((view.purpose.clone(), allow));
                }
                Some(Value::Bool(_)) => {}
                Some(Value::Null) => return Err(not_forgotten(&view.path.join("."))),
                Some(_) => {
                    let problem = format!("{}: the value is not right", view.path.join("."));
                    return Err(Error::new(ErrorKind::InvalidInput, problem));
                }
            }
        }
        Ok(SplitEdit { patch: schema.patch_over(before, &rest)?, decisions })
    }

    /// Stores a patch. What is stored then.
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
        // The session may be from before a change of the schema.
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

impl SplitEdit {
    /// The decisions as choices, if there are any.
    pub(crate) fn choices(&self, method: DecisionMethod) -> Option<Choices> {
        let choices = self.decisions.iter().fold(Choices::new(method), |choices, (purpose, allow)| {
            if *allow { choices.grant(purpose.clone()) } else { choices.decline(purpose.clone()) }
        });
        (!self.decisions.is_empty()).then(|| choices.source("preferences"))
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

fn not_forgotten(path: &str) -> Error {
    let problem = format!("{path}: this is a decision: it can be changed, not forgotten");
    Error::new(ErrorKind::InvalidInput, problem)
}

pub(crate) fn version(account: &ProfileState) -> u64 {
    account.account().map_or(0, |account| account.account().preferences.version)
}

/// What is set in an account.
pub(crate) fn overrides(account: &ProfileState) -> Overrides {
    account.account().map(|account| account.account().preferences.overrides.clone()).unwrap_or_default()
}

pub(crate) fn mismatch() -> Error {
    Error::new(ErrorKind::VersionMismatch, "the preferences were changed meanwhile")
}

/// Takes the value at a path out of a patch, and the objects that are empty then.
fn take(patch: &mut Value, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    let map: &mut Map<String, Value> = patch.as_object_mut()?;
    if rest.is_empty() {
        return map.remove(first);
    }
    let inner = map.get_mut(first)?;
    let taken = take(inner, rest)?;
    if inner.as_object().is_some_and(Map::is_empty) {
        map.remove(first);
    }
    Some(taken)
}
