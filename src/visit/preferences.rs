//! [`Preferences`]: what a handler sees of what its guest likes.

use std::{fmt, ops::Deref, sync::Arc};

use http::HeaderMap;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{CONSENT_READ, LANGUAGE, READ, SCHEME, Visit};
use crate::{
    accounts::{KeptAccount, Known},
    consent::Method,
    error::{Error, ErrorKind, Result},
    preferences::{Effective, Overrides},
    store::Account,
    user_preferences::{UserPreferences, Wish, check_version, overrides, reset, version},
};

/// What the guest of a request likes, as it takes effect. Dereferences to the application's own struct.
///
/// Of each key the first that there is: what the user has set, what was set in the session before anybody logged in, what the
/// browser asks for, the default. It was loaded with the session: making this waits for nothing. A stored value that is no
/// longer right falls back to its default and is counted; it is never an error. If the store cannot be asked, the defaults and
/// the browser's wishes take effect.
///
/// The response gets `Vary` for what it depends on, and `Accept-CH` where the browser's colour scheme counts.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_guestbook::{
///     Guestbook, Preferences, preferences::StandardPreferences, store::MemoryStore, user_preferences::PreferenceRules,
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
    visit: Visit,
    all: UserPreferences<T>,
    wish: Wish,
    version: u64,
    effective: Arc<Effective<T>>,
    notice: Option<String>,
}

/// Under which key of the session's data the preferences of somebody stand who is not logged in.
const SESSION_KEY: &str = "guestbook.preferences";

impl<T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static> Preferences<T> {
    /// The preferences of the request with these headers and extensions; `None` if it did not come through the session layer of
    /// a guestbook with preferences of this type.
    pub fn from_parts(headers: &HeaderMap, extensions: &http::Extensions) -> Option<Self> {
        let visit = extensions.get::<Visit>()?.clone();
        let all = visit.inner.host.preferences()?.as_any().downcast_ref::<UserPreferences<T>>()?.clone();
        let wish = all.wish(headers);
        let (version, effective) = look(&visit, &all, wish);
        Some(Self { visit, all, wish, version, effective, notice: None })
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.effective.value
    }

    /// The keys whose stored values are no longer right, and are at their default instead.
    pub fn ignored(&self) -> &[String] {
        &self.effective.ignored
    }

    /// How often the user has changed them; 0 for those who are not logged in.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A strong entity tag (RFC 9110) of the value as JSON: it begins with the version, which [`expected`] reads.
    pub fn etag(&self) -> String {
        // By way of a `Value`, whose keys have an order: those of a hash map have none.
        let json = serde_json::to_value(self.value()).unwrap_or_default().to_string();
        let digest = Sha256::digest(json);
        let short = digest.iter().take(8).fold(0u64, |short, byte| short << 8 | u64::from(*byte));
        format!("\"{}-{short:016x}\"", self.version())
    }

    /// Applies a patch (RFC 7396), see [`UserPreferences::update`]; the value here is the new one then. Somebody who is not
    /// logged in changes them in the session; at login they fill what the account has not set. `expected`: only if the
    /// [version](Self::version) is still this one.
    ///
    /// # Errors
    ///
    /// As for [`UserPreferences::update`]; those of [`Session::update`](crate::Session::update) without a login.
    pub async fn update(&mut self, patch: &Value, expected: Option<u64>) -> Result<()> {
        let mut account = self.visit.state().account.clone();
        if matches!(account, Known::Unavailable) {
            return Err(super::unavailable());
        }
        if let (Err(_), Some(user)) = (check_version(&account, expected), self.visit.who().0) {
            // Another process may have made the version that is expected since this one looked.
            account = self.all.load(&user).await?;
        }
        let before = match self.visit.who().0 {
            Some(_) => overrides(&account),
            None => self.visit.session_overrides().unwrap_or_default(),
        };
        let division = self.all.divide(patch, &before, &account, self.visit.situation())?;
        check_version(&account, expected)?;
        if let (Some(choices), Some(consent)) = (division.choices(Method::Custom), self.visit.consent()) {
            let choices = match self.notice.take() {
                Some(snapshot) => choices.notice(snapshot),
                None => choices,
            };
            // What is decided stays decided, so the rest must have room before.
            before.with(&division.patch)?;
            consent.decide(choices).await?;
        }
        match self.visit.who().0 {
            Some(user) => {
                let preferences = self.all.change(&user, division.patch, expected).await?;
                let mut state = self.visit.state();
                let before = state.account.account().map(|account| account.account().clone()).unwrap_or_default();
                let account = Account { preferences, ..before };
                state.account = Known::Account(Arc::new(KeptAccount::alone(account)));
            }
            None => {
                let merged = |before: Option<Map<String, Value>>| {
                    let before = Overrides::from(before.unwrap_or_default());
                    let after = before.with(&division.patch)?;
                    Ok((!after.is_empty()).then(|| after.into()))
                };
                self.visit.session().update_any(SESSION_KEY, merged).await?;
            }
        }
        (self.version, self.effective) = look(&self.visit, &self.all, self.wish);
        Ok(())
    }

    /// What proves which notice was shown, for the next [`update`](Self::update) that says yes through a view on consent:
    /// [`Offer::snapshot`](crate::consents::Offer::snapshot), brought back unchanged.
    pub fn notice(&mut self, snapshot: impl Into<String>) {
        self.notice = Some(snapshot.into());
    }

    /// Sets a key or a category back: `notifications` or `notifications.email`.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn reset(&mut self, path: &str) -> Result<()> {
        self.update(&reset(path), None).await
    }
}

/// Looks at what takes effect now and in which version, and notes what the response depends on.
fn look<T>(visit: &Visit, all: &UserPreferences<T>, wish: Wish) -> (u64, Arc<Effective<T>>)
where
    T: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static,
{
    let session = visit.session_overrides();
    let account = visit.state().account.clone();
    let (language, scheme) = all.depends_on(&account, session.as_ref());
    let flag = |depends, flag| if depends { flag } else { 0 };
    visit.mark(READ | flag(language, LANGUAGE) | flag(scheme, SCHEME) | flag(all.has_views(), CONSENT_READ));
    (version(&account), all.effective(&account, session.as_ref(), wish, visit.situation()))
}

/// Which version of preferences a request wants to change, by its `If-Match` (RFC 9110, section 13.1.1): `None` if it has none,
/// or `*`. Of an entity tag the version counts.
///
/// # Errors
///
/// [`ErrorKind::VersionMismatch`] if it has a tag that is none of [`Preferences::etag`], or several of different versions.
///
/// ```
/// use http::{HeaderMap, header};
/// use tower_guestbook::visit::expected;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(expected(&headers)?, None);
/// headers.insert(header::IF_MATCH, "\"17-00c0ffee00c0ffee\"".parse().unwrap());
/// assert_eq!(expected(&headers)?, Some(17));
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
pub fn expected(headers: &HeaderMap) -> Result<Option<u64>> {
    let other = || Error::new(ErrorKind::VersionMismatch, "If-Match names another version of the preferences");
    let mut expected = None;
    for value in headers.get_all(http::header::IF_MATCH) {
        let value = value.to_str().map_err(|_| other())?;
        for tag in value.split(',').map(str::trim) {
            if tag == "*" {
                continue;
            }
            let digits = tag.strip_prefix('"').and_then(|tag| Some(tag.strip_suffix('"')?.split_once('-')?.0));
            // Digits only: a number may have a sign for the parser.
            let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
            let version: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(other)?;
            if expected.is_some_and(|expected| expected != version) {
                return Err(other());
            }
            expected = Some(version);
        }
    }
    Ok(expected)
}

impl Visit {
    /// What was set before anybody logged in. Somebody's own session has none.
    fn session_overrides(&self) -> Option<Overrides> {
        let state = self.state();
        let data = state.current.as_ref().map(|current| &current.record.data);
        let map = state.changes.get::<Map<String, Value>>(SESSION_KEY, data).ok().flatten()?;
        Some(Overrides::from(map))
    }

    /// After a login: what was set before fills what the account has not set, and is the session's no more.
    pub(super) async fn adopt_preferences(&self, user: &crate::id::UserId) {
        let (Some(all), Some(overrides)) = (self.inner.host.preferences(), self.session_overrides()) else { return };
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
        &self.effective.value
    }
}

/// Redacted: what somebody likes is personal.
impl<T> fmt::Debug for Preferences<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preferences").field("visit", &self.visit).finish_non_exhaustive()
    }
}
