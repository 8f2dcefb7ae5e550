//! [`Session`]: the session of a request.

mod login;
mod take;
mod variant;

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{CHANGED, Current, READ, RequestContext};
#[cfg(doc)]
use crate::model::session::Lifetime;
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionToken, UserId},
    model::session::{Changes, SessionData, SessionHead},
    store::Applied,
    time::Timestamp,
};

/// The session of a request. Clones are handles to the same session.
///
/// # Examples
///
/// ```
/// use axum::{Json, Router, body::Body, routing::{get, post}};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use tower_guestbook::{Guestbook, Result, Session, store::MemoryStore};
///
/// async fn login(session: Session) -> Result<()> {
///     session.login(42).await // after you checked the password
/// }
///
/// async fn add(session: Session, Json(article): Json<String>) -> Result<()> {
///     session.update("cart", |cart: Option<Vec<String>>| {
///         let mut cart = cart.unwrap_or_default();
///         cart.push(article.clone());
///         Some(cart)
///     }).await?;
///     Ok(())
/// }
///
/// async fn cart(session: Session) -> Result<Json<Vec<String>>> {
///     Ok(Json(session.get("cart")?.unwrap_or_default()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let routes = Router::new().route("/login", post(login)).route("/cart", get(cart).post(add));
/// let app: Router = routes.layer(guestbook.layer());
///
/// let response = app.clone().oneshot(Request::post("/login").body(Body::empty()).unwrap()).await.unwrap();
/// let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
/// let send = |method: &str, body: &'static str| {
///     let request = Request::builder().method(method).uri("/cart").header("cookie", &cookie);
///     app.clone().oneshot(request.header("content-type", "application/json").body(Body::from(body)).unwrap())
/// };
/// assert_eq!(send("POST", r#""tea""#).await.unwrap().status(), StatusCode::OK);
/// let body = send("GET", "").await.unwrap().into_body();
/// assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), r#"["tea"]"#);
/// # Ok(()) }
/// ```
///
/// # Reads and writes
///
/// Reading is synchronous: the layer loads the session before the handler runs.
///
/// [`insert`](Self::insert), [`remove`](Self::remove) and [`clear`](Self::clear) are collected.
/// They are stored **before the head of the response goes out**, whatever its status, merged key by
/// key with what parallel requests stored. If the client leaves or the handler panics, they are
/// stored in the background. The asynchronous changes ([`login`](Self::login),
/// [`update`](Self::update) and others) are stored when their future is ready.
///
/// A request without a session has a `Session` too. It is stored, and its client gets a cookie,
/// only once something is written or somebody logs in.
///
/// While a body streams, reads and writes go on working. They are stored when the last handle is
/// dropped, or by [`save`](Self::save). They can no longer set a cookie, so a session cannot begin
/// then.
///
/// # A session that ends during the request
///
/// It stays ended: [`save`](Self::save) and [`update`](Self::update) fail with
/// [`ErrorKind::Ended`]. Collected changes meet it when the head of the response is due:
///
/// - If a user was logged in, the response becomes 401 with `application/problem+json`: the
///   handler's response would promise what did not happen.
/// - If the session was anonymous and got a new token, for example by a login, the changes are
///   dropped with a `tracing` event and the response goes out unchanged. It sets no cookie, which
///   would overwrite the new one.
/// - If the session was anonymous and is gone, the changes begin a new one.
///
/// The same holds for a request with a token that was valid until less than a minute ago, and for
/// one with an unknown token in whose place this process logged somebody in since: the browser may
/// have a new cookie already. Two first writes of a browser without a cookie begin two sessions;
/// the browser keeps one.
#[derive(Clone)]
pub struct Session {
    context: RequestContext,
}

/// How often [`Session::update`] retries when parallel requests change the same key.
const UPDATE_ATTEMPTS: usize = 256;

/// Keys with this prefix belong to the crate.
pub(super) const RESERVED: &str = "guestbook.";

impl Session {
    pub(super) fn new(context: RequestContext) -> Self {
        Self { context }
    }

    /// Returns the session of the request with these extensions; `None` if it did not come through
    /// the session layer.
    pub fn from_extensions(extensions: &http::Extensions) -> Option<Self> {
        extensions.get::<RequestContext>().map(RequestContext::session)
    }

    /// Returns the value under `key`, changes of this request included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongType`], naming the key, if the value is not a `T`: written by another
    /// version of the application, for example. Treat it as absent with `.unwrap_or_default()`
    /// where that is right.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.context.mark(READ);
        let state = self.context.state();
        state.changes.get(key, state.current.as_ref().map(|current| &current.record.data))
    }

    /// Sets `key` to `value`, as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the session would exceed a limit or the value has more than 100
    /// levels of nesting, [`ErrorKind::InvalidInput`] if the value cannot be written as JSON or the
    /// key begins with `guestbook.`, [`ErrorKind::Unavailable`] if the store could not be asked,
    /// [`ErrorKind::Ended`] if there is no session and none can begin. Nothing is changed then.
    #[doc(alias = "set")]
    pub fn insert<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        check_key(key)?;
        self.change(|changes| changes.set(key, value))
    }

    /// Removes `key`. An absent key is no error and starts no session.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert), except for the size.
    #[doc(alias = "unset")]
    pub fn remove(&self, key: &str) -> Result<()> {
        check_key(key)?;
        if self.get::<serde::de::IgnoredAny>(key)?.is_none() && !self.exists() {
            return Ok(());
        }
        self.change(|changes| {
            changes.remove(key);
            Ok(())
        })
    }

    /// Removes all data, including what parallel requests wrote. A logged-in user stays logged in.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert), except for the size.
    #[doc(alias = "flush")]
    pub fn clear(&self) -> Result<()> {
        if !self.exists() {
            self.context.state().changes = Changes::default();
            return Ok(());
        }
        self.change(|changes| {
            changes.clear();
            Ok(())
        })
    }

    /// Replaces the value under `key` by the result of `change`, atomically with respect to all
    /// other requests: for counters and values that may be used once. `None` means absent, before
    /// and after. Returns the stored value.
    ///
    /// `change` runs again if another request was faster. Other pending changes are stored with it.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), [`insert`](Self::insert) and [`save`](Self::save);
    /// [`ErrorKind::Conflict`] after 256 attempts.
    #[doc(alias = "get_or_insert")]
    pub async fn update<T, F>(&self, key: &str, mut change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> Option<T>,
    {
        check_key(key)?;
        self.update_any(key, |value| Ok(change(value))).await
    }

    /// Like [`update`](Self::update), also for keys of this crate, and with a change that may
    /// refuse.
    pub(super) async fn update_any<T, F>(&self, key: &str, mut change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> Result<Option<T>>,
    {
        self.save().await?;
        for _ in 0..UPDATE_ATTEMPTS {
            let current = self.context.state().current.clone();
            let Some(current) = current else {
                let next = change(self.get(key)?)?;
                if let Some(value) = &next {
                    self.change(|changes| changes.set(key, value))?;
                    self.save().await?;
                }
                return Ok(next);
            };
            let Current { key: session_key, record } = &current;
            let next = change(record.data.get(key)?)?;
            let mut changes = Changes::default();
            changes.expect(key, &record.data);
            match &next {
                Some(value) => changes.set(key, value)?,
                None => changes.remove(key),
            }
            let id = record.head.id;
            match self.context.sessions().apply(*session_key, record, changes, self.context.address()).await? {
                Applied::Merged { record, .. } => {
                    self.context.adopt(id, record);
                    return Ok(next);
                }
                Applied::Mismatch(record) => self.context.adopt(id, record),
                Applied::Ended => {
                    let error = self.context.session_ended(&current).await;
                    // Without a session, and allowed to begin one, the request continues like a
                    // first one.
                    if error.kind() != ErrorKind::Ended || !self.context.can_begin() {
                        return Err(error);
                    }
                }
            }
        }
        Err(Error::new(ErrorKind::Conflict, "parallel requests kept changing the same session key"))
    }

    /// Stores pending changes now, instead of with the response's head.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if the session has ended since the request began, or just before,
    /// [`ErrorKind::TooLarge`] if it exceeds a limit together with what parallel requests wrote,
    /// and what the store reports. The changes are gone then.
    pub async fn save(&self) -> Result<()> {
        self.context.save(false).await
    }

    /// Returns the public id of the session; `None` as long as it is not stored.
    pub fn id(&self) -> Option<SessionId> {
        self.head(|head| head.id)
    }

    /// Returns the logged-in user.
    pub fn user_id(&self) -> Option<UserId> {
        self.head(|head| head.user.clone()).flatten()
    }

    /// Returns when the session began. A login begins a new one.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.head(|head| head.created_at)
    }

    /// Returns when the session was last used, this request included, to within
    /// [`Lifetime::touch_interval`].
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.head(|head| head.last_seen)
    }

    /// Returns when the session ends if it is not used again.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.head(SessionHead::expires_at)
    }

    /// Returns when the user last proved who they are: at [`login`](Self::login).
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.head(|head| head.authenticated_at).flatten()
    }

    /// Returns whether the user logged in at most `max_age` ago: for actions that must not be
    /// possible from a forgotten session.
    pub fn authenticated_within(&self, max_age: Duration) -> bool {
        let now = self.context.sessions().now();
        self.authenticated_at().is_some_and(|at| now.since(at) <= max_age)
    }

    /// Returns the token that this request issued, if any: for API clients that store it themselves
    /// and send it in a header. Browsers get it as a cookie that no script can read (OWASP ASVS
    /// 3.3.4); do not put it into a page.
    pub fn issued_token(&self) -> Option<SessionToken> {
        self.context.state().issued.clone()
    }

    /// Returns whether the session is stored.
    pub fn exists(&self) -> bool {
        self.head(|_| ()).is_some()
    }

    /// Returns the application's keys, changes of this request included, in byte order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = self.all_keys();
        keys.retain(|key| !key.starts_with(RESERVED));
        keys
    }

    pub(super) fn all_keys(&self) -> Vec<String> {
        self.context.mark(READ);
        let state = self.context.state();
        state.changes.keys(state.current.as_ref().map(|current| &current.record.data))
    }

    /// Returns the number of keys with `prefix`, as this request sees them, without making the
    /// response depend on it.
    pub(super) fn count_keys(&self, prefix: &str) -> usize {
        let state = self.context.state();
        let keys = state.changes.keys(state.current.as_ref().map(|current| &current.record.data));
        keys.iter().filter(|key| key.starts_with(prefix)).count()
    }

    pub(super) fn request_time(&self) -> Timestamp {
        self.context.sessions().now()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Changes) -> Result<()>) -> Result<()> {
        let empty = SessionData::default();
        if self.context.state().current.is_none() {
            self.context.check_can_start(false)?;
        }
        let mut state = self.context.state();
        let mut changes = state.changes.clone();
        change(&mut changes)?;
        let data = state.current.as_ref().map_or(&empty, |current| &current.record.data);
        changes.merge(data, &self.context.sessions().settings().limits)?;
        state.changes = changes;
        self.context.mark(CHANGED);
        Ok(())
    }

    fn head<T>(&self, read: impl FnOnce(&SessionHead) -> T) -> Option<T> {
        self.context.mark(READ);
        self.context.state().current.as_ref().map(|current| read(&current.record.head))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.context.state().current.as_ref().map(|current| current.record.head.id);
        f.debug_struct("Session").field("id", &id).finish_non_exhaustive()
    }
}

fn check_key(key: &str) -> Result<()> {
    if key.starts_with(RESERVED) {
        return Err(Error::new(ErrorKind::InvalidInput, "session keys that begin with \"guestbook.\" are reserved"));
    }
    Ok(())
}
