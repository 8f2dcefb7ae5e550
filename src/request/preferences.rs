//! [`Preferences`]: what a handler sees of what its guest likes.

use std::{fmt, ops::Deref, sync::Arc};

use http::HeaderMap;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{CONSENT_READ, LANGUAGE, READ, RequestContext, SCHEME};
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

/// What the guest of a request likes, as it takes effect. Dereferences to the application's own
/// struct.
///
/// Of each key the first that there is: what the user has set, what was set in the session before
/// anybody logged in, what the browser asks for, the default. It was loaded with the session:
/// making this waits for nothing. A stored value that is no longer right falls back to its default
/// and is counted; it is never an error. If the store cannot be asked, the defaults and the
/// browser's wishes take effect.
///
/// The response gets `Vary` for what it depends on, and `Accept-CH` where the browser's colour
/// scheme counts.
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
    seen: Snapshot<T>,
    notice: Option<String>,
}

/// What takes effect, and what it is made of.
#[derive(Clone)]
struct Snapshot<T> {
    account: ProfileState,
    session: Option<Overrides>,
    effective: Arc<Effective<T>>,
}

/// Under which key of the session's data the preferences of somebody stand who is not logged in.
const SESSION_KEY: &str = "guestbook.preferences";

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> Preferences<T> {
    /// The preferences of the request with these headers and extensions; `None` if it did not come
    /// through the session layer of a guestbook with preferences of this type.
    pub fn from_parts(headers: &HeaderMap, extensions: &http::Extensions) -> Option<Self> {
        let context = extensions.get::<RequestContext>()?.clone();
        let all = context.inner.services.preferences()?.as_any().downcast_ref::<UserPreferences<T>>()?.clone();
        let negotiated = all.negotiate(headers);
        let seen = look(&context, &all, negotiated);
        Some(Self { context, all, negotiated, seen, notice: None })
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.seen.effective.value
    }

    /// The keys whose stored values are no longer right, and are at their default instead.
    pub fn ignored(&self) -> &[String] {
        &self.seen.effective.ignored
    }

    /// How often the user has changed them; 0 for those who are not logged in.
    pub fn version(&self) -> u64 {
        version(&self.seen.account)
    }

    /// A strong entity tag (RFC 9110, section 8.8.3) of the value and of all that it is made of:
    /// what is stored, what was set in the session, the decisions that views on consent show, the
    /// defaults. What the browser asks for is a part of it as far as it takes effect.
    pub fn etag(&self) -> String {
        self.all.etag(&self.seen.account, self.seen.session.as_ref(), self.value())
    }

    /// Applies a patch (RFC 7396), see [`UserPreferences::update`]; the value here is the new one
    /// then. Somebody who is not logged in changes them in the session; at login they fill what the
    /// account has not set.
    ///
    /// `expected`: only if one of these tags is the [entity tag](Self::etag) of what takes effect
    /// now; see [`EntityTags::if_match`]. They are compared with what the store has, and a change
    /// after the comparison is noticed; a decision about a purpose in that moment is not.
    ///
    /// # Errors
    ///
    /// As for [`UserPreferences::update_if`]; those of [`Session::update`](crate::Session::update)
    /// without a login.
    ///
    /// # Examples
    ///
    /// A settings page that two tabs cannot overwrite: the second change answers 412 Precondition
    /// Failed.
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

    async fn carry_out(&mut self, asked: Edit<'_>, expected: Option<EntityTags>) -> Result<()> {
        let (user, mut account) = (self.context.who().0, self.context.state().account.clone());
        if matches!(account, ProfileState::Unavailable) {
            return Err(super::unavailable());
        }
        let visitor = self.context.state().visitor.filter(|_| self.all.has_views());
        let subject = user.clone().map(Subject::User).or(visitor.map(|visitor| Subject::Visitor(visitor.id)));
        if let (Some(_), Some(subject)) = (&expected, &subject) {
            // Another process may have changed them since this one looked.
            account = self.all.load_of(subject).await?;
        }
        let session = self.context.session_overrides();
        let before = match &user {
            Some(_) => overrides(&account),
            None => session.clone().unwrap_or_default(),
        };
        let split = self.all.split(asked, &before, &account, self.context.verdict_inputs())?;
        if let Some(tags) = &expected {
            let now = self.all.effective(&account, session.as_ref(), self.negotiated, self.context.verdict_inputs());
            if !tags.match_strongly(&self.all.etag(&account, session.as_ref(), &now.value)) {
                return Err(mismatch());
            }
        }
        if let (Some(choices), Some(consent)) = (split.choices(DecisionMethod::Custom), self.context.consent()) {
            let choices = match self.notice.take() {
                Some(snapshot) => choices.notice(snapshot),
                None => choices,
            };
            // What is decided stays decided, so the rest must have room before.
            before.with(&split.patch)?;
            consent.decide(choices).await?;
        }
        match user {
            Some(user) => {
                let version = expected.map(|_| version(&account));
                let preferences = self.all.change(&user, split.patch, version).await?;
                let mut state = self.context.state();
                let before = state.account.account().map(|account| account.account().clone()).unwrap_or_default();
                let account = Profile { preferences, ..before };
                state.account = ProfileState::Profile(Arc::new(CachedProfile::alone(account)));
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
        self.seen = look(&self.context, &self.all, self.negotiated);
        Ok(())
    }

    /// What proves which notice was shown, for the next [`update`](Self::update) that says yes
    /// through a view on consent:
    /// [`ConsentPrompt::snapshot`](crate::consent::ConsentPrompt::snapshot), brought back
    /// unchanged.
    pub fn notice(&mut self, snapshot: impl Into<String>) {
        self.notice = Some(snapshot.into());
    }

    /// Sets a key or a category back: `notifications` or `notifications.email`. `expected`: as for
    /// [`update`](Self::update).
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn reset(&mut self, path: &str, expected: Option<EntityTags>) -> Result<()> {
        self.carry_out(Edit::Reset(path), expected).await
    }
}

/// Looks at what takes effect now, and notes what the response depends on.
fn look<T>(context: &RequestContext, all: &UserPreferences<T>, negotiated: Negotiated) -> Snapshot<T>
where
    T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static,
{
    let session = context.session_overrides();
    let account = context.state().account.clone();
    let (language, scheme) = all.depends_on(&account, session.as_ref());
    let flag = |depends, flag| if depends { flag } else { 0 };
    context.mark(READ | flag(language, LANGUAGE) | flag(scheme, SCHEME) | flag(all.has_views(), CONSENT_READ));
    let effective = all.effective(&account, session.as_ref(), negotiated, context.verdict_inputs());
    Snapshot { account, session, effective }
}

impl RequestContext {
    /// What was set before anybody logged in. Somebody's own session has none.
    fn session_overrides(&self) -> Option<Overrides> {
        let state = self.state();
        let data = state.current.as_ref().map(|current| &current.record.data);
        let map = state.changes.get::<Map<String, Value>>(SESSION_KEY, data).ok().flatten()?;
        Some(Overrides::from(map))
    }

    /// After a login: what was set before fills what the account has not set, and is the session's
    /// no more.
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
            tracing::warn!(%error, "what was set before a login stays in the session");
        }
    }
}

impl<T> Deref for Preferences<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.seen.effective.value
    }
}

/// Redacted: what somebody likes is personal.
impl<T> fmt::Debug for Preferences<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preferences").field("visit", &self.context).finish_non_exhaustive()
    }
}
