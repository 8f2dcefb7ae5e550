//! [`Preferences`]: the preferences of the person who sends a request, for handlers.

use std::{fmt, ops::Deref, sync::Arc};

use http::HeaderMap;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{CONSENT_READ, LANGUAGE, READ, REDUCED_MOTION, RequestContext, SAVE_DATA, SCHEME};
use crate::{
    engine::{
        preferences::{Edit, Negotiated, UserPreferences, mismatch, overrides, version},
        profiles::{CachedProfile, ProfileState},
    },
    error::Result,
    model::{
        consent::{DecisionMethod, Subject},
        preferences::{Effective, EntityTags, Overrides},
    },
    store::Profile,
};

/// The effective preferences of the person who sends a request. Dereferences to the application's
/// struct.
///
/// Each key has the first value that exists of: the stored preferences of the user, the preferences
/// of the session before a login, the value that the browser asks for, the default. They are loaded
/// with the session, so making this value waits for nothing. A stored value that is no longer valid
/// falls back to its default and is counted; it is never an error. If the store is unavailable, the
/// defaults and the values that the browser asks for take effect.
///
/// The response gets `Vary` for everything it depends on, and `Accept-CH` if the colour scheme or
/// reduced motion is negotiated.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_guestbook::{
///     Guestbook, Preferences,
///     preferences::{PreferenceRules, StandardPreferences},
///     store::MemoryStore,
/// };
///
/// async fn page(preferences: Preferences<StandardPreferences>) -> String {
///     format!("{:?} in {}", preferences.theme, preferences.language)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let rules = PreferenceRules::standard()?
///     .negotiate_language("language", ["en", "de"])
///     .negotiate_color_scheme("theme");
/// let guestbook = Guestbook::builder(MemoryStore::new()).preferences(rules).build()?;
/// let app: Router = Router::new().route("/", get(page)).layer(guestbook.layer());
/// # use tower::ServiceExt;
/// let request = http::Request::get("/").header("accept-language", "de-AT, en;q=0.5").body(axum::body::Body::empty());
/// let response = app.oneshot(request.unwrap()).await.unwrap();
/// assert_eq!(response.headers()["vary"], "cookie, accept-language, sec-ch-prefers-color-scheme");
/// assert_eq!(axum::body::to_bytes(response.into_body(), 100).await.unwrap(), "Light in de");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Preferences<T> {
    context: RequestContext,
    all: UserPreferences<T>,
    negotiated: Negotiated,
    snapshot: Snapshot<T>,
    notice: Option<String>,
}

/// The effective preferences and their sources.
#[derive(Clone)]
struct Snapshot<T> {
    profile: ProfileState,
    session: Option<Overrides>,
    effective: Arc<Effective<T>>,
}

/// The key of the session data for preferences of a person who is not logged in.
const SESSION_KEY: &str = "guestbook.preferences";

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> Preferences<T> {
    /// Returns the preferences of the request with these headers and extensions; `None` if it did
    /// not pass the session layer of a guestbook with preferences of this type.
    pub fn from_parts(headers: &HeaderMap, extensions: &http::Extensions) -> Option<Self> {
        let context = extensions.get::<RequestContext>()?.clone();
        let all = context.inner.services.preferences()?.as_any().downcast_ref::<UserPreferences<T>>()?.clone();
        let negotiated = all.negotiate(headers);
        let snapshot = snapshot(&context, &all, negotiated);
        Some(Self { context, all, negotiated, snapshot, notice: None })
    }

    /// Returns the effective value.
    pub fn value(&self) -> &T {
        &self.snapshot.effective.value
    }

    /// Returns the keys whose stored values are no longer valid, so their defaults take effect.
    pub fn ignored(&self) -> &[String] {
        &self.snapshot.effective.ignored
    }

    /// Returns the number of changes of the stored preferences; 0 without a login.
    pub fn version(&self) -> u64 {
        version(&self.snapshot.profile)
    }

    /// Returns a strong entity tag (RFC 9110, section 8.8.3) of the value and of everything that it
    /// depends on: the stored preferences, those of the session, the decisions that consent views
    /// show, the defaults, and negotiated values that take effect.
    pub fn etag(&self) -> String {
        self.all.etag(&self.snapshot.profile, self.snapshot.session.as_ref(), self.value())
    }

    /// Applies a merge patch (RFC 7396), all or nothing, and updates this value; see
    /// [`UserPreferences::update`].
    ///
    /// Without a login the changes are stored in the session. At login they fill the keys that the
    /// user has not set.
    ///
    /// `expected` makes the change conditional: pass [`EntityTags::if_match`] of the request. The
    /// patch is applied only if one of the tags is the [entity tag](Self::etag) of the current
    /// content of the store. A change of the preferences after the comparison is detected; a
    /// decision about a purpose after it is not.
    ///
    /// # Errors
    ///
    /// As for [`UserPreferences::update_if`]; those of [`Session::update`](crate::Session::update)
    /// without a login.
    ///
    /// # Examples
    ///
    /// A settings page on which two tabs cannot overwrite each other's changes: the second one gets
    /// 412 Precondition Failed.
    ///
    /// ```
    /// use axum::{Json, Router, body::Body, response::AppendHeaders, routing::get};
    /// use http::{HeaderMap, Request, StatusCode, header};
    /// use serde_json::{Value, json};
    /// use tower_guestbook::{
    ///     Guestbook, Preferences,
    ///     preferences::{EntityTags, PreferenceRules, StandardPreferences},
    ///     store::MemoryStore,
    /// };
    ///
    /// type Answer = (AppendHeaders<[(header::HeaderName, String); 1]>, Json<StandardPreferences>);
    ///
    /// async fn show(preferences: Preferences<StandardPreferences>) -> Answer {
    ///     (AppendHeaders([(header::ETAG, preferences.etag())]), Json(preferences.value().clone()))
    /// }
    ///
    /// async fn change(
    ///     headers: HeaderMap,
    ///     mut preferences: Preferences<StandardPreferences>,
    ///     Json(patch): Json<Value>,
    /// ) -> tower_guestbook::Result<Answer> {
    ///     preferences.update(&patch, EntityTags::if_match(&headers)).await?;
    ///     Ok(show(preferences).await)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).preferences(PreferenceRules::standard()?).build()?;
    /// let app: Router = Router::new().route("/settings", get(show).patch(change)).layer(guestbook.layer());
    /// # use tower::ServiceExt;
    /// let shown = app.clone().oneshot(Request::get("/settings").body(Body::empty()).unwrap()).await.unwrap();
    /// let tag = shown.headers()[header::ETAG].clone();
    /// let patch = |cookie: &str| {
    ///     let request = Request::patch("/settings").header(header::IF_MATCH, tag.clone()).header(header::COOKIE, cookie);
    ///     let request = request.header(header::CONTENT_TYPE, "application/json");
    ///     app.clone().oneshot(request.body(Body::from(json!({ "theme": "dark" }).to_string())).unwrap())
    /// };
    /// let first = patch("").await.unwrap();
    /// assert_eq!(first.status(), StatusCode::OK);
    /// let cookie = first.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    /// assert_eq!(patch(cookie).await.unwrap().status(), StatusCode::PRECONDITION_FAILED);
    /// # Ok(()) }
    /// ```
    pub async fn update(&mut self, patch: &Value, expected: Option<EntityTags>) -> Result<()> {
        self.carry_out(Edit::Patch(patch), expected).await
    }

    async fn carry_out(&mut self, edit: Edit<'_>, expected: Option<EntityTags>) -> Result<()> {
        let (user, mut profile) = (self.context.who().0, self.context.state().profile.clone());
        if matches!(profile, ProfileState::Unavailable) {
            return Err(super::unavailable());
        }
        let visitor = self.context.state().visitor.filter(|_| self.all.has_views());
        let subject = user.clone().map(Subject::User).or(visitor.map(|visitor| Subject::Visitor(visitor.id)));
        if let (Some(_), Some(subject)) = (&expected, &subject) {
            // Another process may have changed them since this one loaded them.
            profile = self.all.load_of(subject).await?;
        }
        let session = self.context.session_overrides();
        let before = match &user {
            Some(_) => overrides(&profile),
            None => session.clone().unwrap_or_default(),
        };
        let split = self.all.split(edit, &before, &profile, self.context.verdict_inputs())?;
        if let Some(tags) = &expected {
            let now = self.all.effective(&profile, session.as_ref(), self.negotiated, self.context.verdict_inputs());
            if !tags.match_strongly(&self.all.etag(&profile, session.as_ref(), &now.value)) {
                return Err(mismatch());
            }
        }
        if let (Some(choices), Some(consent)) = (split.choices(DecisionMethod::Custom), self.context.consent()) {
            let choices = match self.notice.take() {
                Some(snapshot) => choices.notice(snapshot),
                None => choices,
            };
            // Decisions cannot be undone, so the size of the rest is checked first.
            before.with(&split.patch)?;
            consent.decide(choices).await?;
        }
        match user {
            Some(user) => {
                let version = expected.map(|_| version(&profile));
                let preferences = self.all.change(&user, split.patch, version).await?;
                let mut state = self.context.state();
                let before = state.profile.cached().map(|cached| cached.profile().clone()).unwrap_or_default();
                let profile = Profile { preferences, ..before };
                state.profile = ProfileState::Profile(Arc::new(CachedProfile::alone(profile)));
            }
            None => {
                let compared = expected.map(|_| before);
                let merged = |now: Option<Map<String, Value>>| {
                    let now = Overrides::from(now.unwrap_or_default());
                    if compared.as_ref().is_some_and(|compared| *compared != now) {
                        return Err(mismatch());
                    }
                    let after = now.with(&split.patch)?;
                    Ok((!after.is_empty()).then(|| after.into()))
                };
                self.context.session().update_any(SESSION_KEY, merged).await?;
            }
        }
        self.snapshot = snapshot(&self.context, &self.all, self.negotiated);
        Ok(())
    }

    /// Sets the proof of which notice was shown, for the next [`update`](Self::update) that grants
    /// a purpose through a consent view.
    ///
    /// `snapshot` is [`ConsentPrompt::snapshot`](crate::consent::ConsentPrompt::snapshot), returned
    /// unchanged by the form.
    pub fn notice(&mut self, snapshot: impl Into<String>) {
        self.notice = Some(snapshot.into());
    }

    /// Resets the key or category at `path` to its default: `notifications.email` or
    /// `notifications`. For `expected` see [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn reset(&mut self, path: &str, expected: Option<EntityTags>) -> Result<()> {
        self.carry_out(Edit::Reset(path), expected).await
    }
}

/// Reads the effective preferences, and makes the response depend on them.
fn snapshot<T>(context: &RequestContext, all: &UserPreferences<T>, negotiated: Negotiated) -> Snapshot<T>
where
    T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static,
{
    let session = context.session_overrides();
    let profile = context.state().profile.clone();
    let depends = all.depends_on(&profile, session.as_ref());
    let flag = |depends, flag| if depends { flag } else { 0 };
    let negotiated_flags = flag(depends.language, LANGUAGE)
        | flag(depends.scheme, SCHEME)
        | flag(depends.reduced_motion, REDUCED_MOTION)
        | flag(depends.save_data, SAVE_DATA);
    context.mark(READ | negotiated_flags | flag(all.has_views(), CONSENT_READ));
    let effective = all.effective(&profile, session.as_ref(), negotiated, context.verdict_inputs());
    Snapshot { profile, session, effective }
}

impl RequestContext {
    /// Returns the preferences of the session. The session of a logged-in user has none.
    fn session_overrides(&self) -> Option<Overrides> {
        let state = self.state();
        let data = state.current.as_ref().map(|current| &current.record.data);
        let map = state.changes.get::<Map<String, Value>>(SESSION_KEY, data).ok().flatten()?;
        Some(Overrides::from(map))
    }

    /// Moves the preferences of the session to the user after a login, for the keys that the user
    /// has not set.
    pub(super) async fn adopt_preferences(&self, user: &crate::id::UserId) {
        let (Some(all), Some(overrides)) = (self.inner.services.preferences(), self.session_overrides()) else {
            return;
        };
        let session = self.session();
        let adopted = match all.adopt(user.clone(), overrides).await {
            Ok(()) => session.change(|changes| {
                changes.remove(SESSION_KEY);
                Ok(())
            }),
            Err(error) => Err(error),
        };
        if let Err(error) = adopted {
            tracing::warn!(%error, "cannot store preferences from before a login: they stay in the session");
        }
    }
}

impl<T> Deref for Preferences<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.snapshot.effective.value
    }
}

/// Redacted: preferences are personal data.
impl<T> fmt::Debug for Preferences<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preferences").field("context", &self.context).finish_non_exhaustive()
    }
}
