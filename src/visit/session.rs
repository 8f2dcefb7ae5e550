//! [`Session`]: what a handler does with the session of its request.

use std::{fmt, mem, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{Arrival, CHANGED, Current, READ, Visit, ended, unavailable};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionToken, UserId},
    session::{Changes, Lifetime, SessionData, SessionHead, SessionInfo},
    store::{Applied, Loaded, Revocation, Rotation},
    time::Timestamp,
};

/// The session of a request. A clone is another handle to the same one.
///
/// Reading is synchronous: the layer has loaded the session before the handler runs. [`insert`](Self::insert),
/// [`remove`](Self::remove) and [`clear`](Self::clear) are collected and stored, merged key by key with what parallel
/// requests stored, **before the head of the response goes out**, whatever its status. If the client leaves or the
/// handler panics, they are stored in the background. The other changes ([`login`](Self::login) and the like) are
/// in the store when their future is ready.
///
/// A request without a session has a `Session` too; it exists in the store, and its client gets a cookie, only once
/// something is written or somebody logs in.
///
/// While a body streams, reads and writes go on working, and are stored when the last handle is dropped or by
/// [`save`](Self::save). They can no longer set a cookie: a session cannot begin then.
///
/// A session that ends while the request runs stays ended: later writes are dropped with a `tracing` event, the
/// response goes out as it is and sets no cookie. The same holds for a request that arrives with a token that was
/// rotated or revoked less than a minute ago: its browser may have a new cookie already. [`save`](Self::save) tells.
#[derive(Clone)]
pub struct Session {
    visit: Visit,
}

/// How often [`Session::update`] tries again when parallel requests change the same key.
const UPDATE_ATTEMPTS: usize = 256;

/// Keys with this prefix belong to the crate.
pub(super) const RESERVED: &str = "guestbook.";

impl Session {
    pub(super) fn new(visit: Visit) -> Self {
        Self { visit }
    }

    /// The session of the request with these extensions; `None` if it did not come through the session layer.
    pub fn from_extensions(extensions: &http::Extensions) -> Option<Self> {
        extensions.get::<Visit>().map(Visit::session)
    }

    /// The value under `key`, changes of this request included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongType`], naming the key, if the value is not a `T`: written by another version of the
    /// application, say. Treat it as absent with `.unwrap_or_default()` if that is right.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.visit.mark(READ);
        let state = self.visit.state();
        state.changes.get(key, state.current.as_ref().map(|current| &current.record.data))
    }

    /// Sets `key` to `value`, as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the session would exceed a limit, [`ErrorKind::InvalidInput`] if the value cannot be
    /// written as JSON or the key begins with `guestbook.`, [`ErrorKind::Unavailable`] if the store could not be
    /// asked, [`ErrorKind::Ended`] if there is no session and none can begin. Nothing is changed then.
    pub fn insert<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        check_key(key)?;
        self.change(|changes| changes.set(key, value))
    }

    /// Removes `key`; that it is absent is no error and starts no session.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert), the size aside.
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

    /// Removes all data, also what parallel requests wrote. Who is logged in stays logged in.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert), the size aside.
    pub fn clear(&self) -> Result<()> {
        if !self.exists() {
            self.visit.state().changes = Changes::default();
            return Ok(());
        }
        self.change(|changes| {
            changes.clear();
            Ok(())
        })
    }

    /// Replaces the value under `key` by what `change` makes of it, atomically against all other requests: for
    /// counters and things that may be used once. `None` means absent, before and after. The new value, stored.
    ///
    /// `change` runs again if another request was faster. Other pending changes are stored with it.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get), [`insert`](Self::insert) and [`save`](Self::save); [`ErrorKind::Conflict`] after
    /// 256 attempts.
    pub async fn update<T, F>(&self, key: &str, mut change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> Option<T>,
    {
        check_key(key)?;
        self.update_any(key, |value| Ok(change(value))).await
    }

    /// As [`update`](Self::update), also for keys of this crate, and with a change that may refuse.
    pub(super) async fn update_any<T, F>(&self, key: &str, mut change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> Result<Option<T>>,
    {
        self.save().await?;
        for _ in 0..UPDATE_ATTEMPTS {
            let current = self.visit.state().current.clone();
            let Some(Current { key: session_key, record }) = current else {
                let next = change(self.get(key)?)?;
                if let Some(value) = &next {
                    self.change(|changes| changes.set(key, value))?;
                    self.save().await?;
                }
                return Ok(next);
            };
            let next = change(record.data.get(key)?)?;
            let mut changes = Changes::default();
            changes.expect(key, &record.data);
            match &next {
                Some(value) => changes.set(key, value)?,
                None => changes.remove(key),
            }
            let id = record.head.id;
            match self.visit.sessions().apply(session_key, id, changes).await? {
                Applied::Merged { record, .. } => {
                    self.visit.saw(id, record);
                    return Ok(next);
                }
                Applied::Mismatch(record) => self.visit.saw(id, record),
                Applied::Ended => {
                    self.visit.state().current = None;
                    return Err(ended());
                }
            }
        }
        Err(Error::new(ErrorKind::Conflict, "parallel requests kept changing the same session key"))
    }

    /// Stores pending changes now, instead of with the response's head.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if the session is over, [`ErrorKind::TooLarge`] if it exceeds a limit together with what
    /// parallel requests wrote, and what the store reports. The changes are gone then.
    pub async fn save(&self) -> Result<()> {
        self.visit.save(false).await
    }

    /// The public name of the session; `None` as long as it is not stored.
    pub fn id(&self) -> Option<SessionId> {
        self.head(|head| head.id)
    }

    /// Who is logged in.
    pub fn user_id(&self) -> Option<UserId> {
        self.head(|head| head.user.clone()).flatten()
    }

    /// When the session began. A login begins a new one.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.head(|head| head.created_at)
    }

    /// When the session was last used, this request included, to within [`Lifetime::touch_interval`].
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.head(|head| head.last_seen)
    }

    /// When the session ends if it is not used again.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.head(SessionHead::expires_at)
    }

    /// When the user last proved who they are: at [`login`](Self::login).
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.head(|head| head.authenticated_at).flatten()
    }

    /// Whether the user logged in at most `max_age` ago: for what must not be done from a forgotten session.
    pub fn authenticated_within(&self, max_age: Duration) -> bool {
        let now = self.visit.sessions().now();
        self.authenticated_at().is_some_and(|at| now.since(at) <= max_age)
    }

    /// Logs `user` in, with the guestbook's default lifetime. See [`login_with`](Self::login_with).
    ///
    /// # Errors
    ///
    /// See [`login_with`](Self::login_with).
    pub async fn login<U>(&self, user: U) -> Result<()>
    where
        U: TryInto<UserId>,
        Error: From<U::Error>,
    {
        self.login_with(user, self.visit.default_lifetime()).await
    }

    /// Logs `user` in for `lifetime`, for example [`Lifetime::remembered`].
    ///
    /// A new session begins, with a new token, a new id and the data of the one before, which ends: its token stops
    /// working at once, so a token that somebody planted is worth nothing. It is stored when this returns.
    /// With the activity layer a `login` is recorded. Where consent is configured, what the visitor decided before is merged
    /// into the account's decisions, most restrictively by default.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the id breaks the rules of [`UserId`], [`ErrorKind::SessionLimit`] if the user
    /// has too many sessions and the policy is to refuse, and what the store reports. Nobody is logged in then that
    /// was not before.
    pub async fn login_with<U>(&self, user: U, lifetime: Lifetime) -> Result<()>
    where
        U: TryInto<UserId>,
        Error: From<U::Error>,
    {
        let user = user.try_into()?;
        self.check_head()?;
        self.visit.link(&user).await?;
        self.begin_login(user.clone(), lifetime).await?;
        self.visit.arrive_as(user).await;
        if let Some(activity) = self.visit.activity() {
            activity.login();
        }
        Ok(())
    }

    async fn begin_login(&self, user: UserId, lifetime: Lifetime) -> Result<()> {
        let now = self.visit.sessions().now();
        let mut head = self.visit.describe(SessionHead::new(SessionId::generate(now)?, now, lifetime));
        head.authenticated_at = Some(now);
        head.user = Some(user);

        let (current, changes) = {
            let mut state = self.visit.state();
            if state.arrival == Arrival::Unavailable {
                return Err(unavailable());
            }
            (state.current.clone(), mem::take(&mut state.changes))
        };
        if let Some(current) = current {
            // Another user's data is none of this one's business.
            let stranger = current.record.head.user.as_ref().is_some_and(|user| Some(user) != head.user.as_ref());
            let mut changes = changes.clone();
            if stranger {
                changes.replace_all();
            }
            if self.move_to(&current, head.clone(), changes).await? {
                return Ok(());
            }
        }
        // Without a session before, or with one that a parallel request ended, the user has proved who they are all the same.
        self.visit.begin(head, &changes).await
    }

    /// Logs out: the session and its data are over, in the store, when this returns. The cookie is removed.
    /// With the activity layer a `logout` is recorded, if somebody was logged in.
    ///
    /// # Errors
    ///
    /// What the store reports. The session may go on then, so tell the user.
    pub async fn logout(&self) -> Result<()> {
        let current = {
            let mut state = self.visit.state();
            if state.arrival == Arrival::Unavailable {
                return Err(unavailable());
            }
            state.changes = Changes::default();
            state.current.clone()
        };
        if let Some(current) = current {
            self.visit.sessions().delete(current.key, current.record.head.id).await?;
        }
        self.logged_out();
        Ok(())
    }

    /// Ends all other sessions of the user: offer it after a change of password. How many there were.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn logout_others(&self) -> Result<u64> {
        let (user, id) = self.user_and_id()?;
        self.visit.sessions().end(Revocation::Others(user, id)).await
    }

    /// Ends all sessions of the user, this one too. How many there were.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn logout_everywhere(&self) -> Result<u64> {
        let (user, _) = self.user_and_id()?;
        let ended = self.visit.sessions().end(Revocation::User(user)).await?;
        self.logged_out();
        Ok(ended)
    }

    /// The live sessions of the user, the last seen first, at most 1,000; the one of this request is marked.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn list(&self) -> Result<Vec<SessionInfo>> {
        let (user, id) = self.user_and_id()?;
        self.visit.sessions().list_as(&user, Some(id)).await
    }

    /// Ends one session of the user. `false` if it was over already or belongs to somebody else.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn revoke(&self, id: SessionId) -> Result<bool> {
        let (user, current) = self.user_and_id()?;
        let ended = self.visit.sessions().revoke(&user, id).await?;
        if id == current {
            self.logged_out();
        }
        Ok(ended)
    }

    /// Gives the session a new token; the old one stops working at once. Do it when the privileges of the user change.
    /// Id and data stay, and what parallel requests still write to them is kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if there is no session, or a parallel request rotated or ended it; what the store reports.
    pub async fn rotate(&self) -> Result<()> {
        self.check_head()?;
        let (current, changes) = {
            let mut state = self.visit.state();
            let current = state.current.clone().ok_or_else(ended)?;
            (current, mem::take(&mut state.changes))
        };
        let head = current.record.head.clone();
        if self.move_to(&current, head, changes).await? {
            return Ok(());
        }
        self.visit.state().current = None;
        Err(ended())
    }

    /// Asks the store whether the session is still live: for a connection that outlives its request, such as a
    /// WebSocket. Loads what other requests wrote meanwhile.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn revalidate(&self) -> Result<bool> {
        let Some(current) = self.visit.state().current.clone() else { return Ok(false) };
        let loaded = self.visit.sessions().reload(&current.key).await?;
        match loaded {
            Loaded::Found(record) if !record.head.is_expired(self.visit.sessions().now()) => {
                self.visit.saw(record.head.id, record);
                Ok(true)
            }
            _ => {
                self.visit.state().current = None;
                Ok(false)
            }
        }
    }

    /// The token that this request issued, if it did: for API clients that keep it themselves and send it in a
    /// header. Everybody else gets it as a cookie that no script can read (OWASP ASVS 3.3.4); do not put it into a page.
    pub fn issued_token(&self) -> Option<SessionToken> {
        self.visit.state().issued.clone()
    }

    /// Whether the session is stored.
    pub fn exists(&self) -> bool {
        self.head(|_| ()).is_some()
    }

    /// The application's keys that are there, changes of this request included, in byte order.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = self.all_keys();
        keys.retain(|key| !key.starts_with(RESERVED));
        keys
    }

    pub(super) fn all_keys(&self) -> Vec<String> {
        self.visit.mark(READ);
        let state = self.visit.state();
        state.changes.keys(state.current.as_ref().map(|current| &current.record.data))
    }

    pub(super) fn visit_now(&self) -> Timestamp {
        self.visit.sessions().now()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Changes) -> Result<()>) -> Result<()> {
        let empty = SessionData::default();
        if self.visit.state().current.is_none() {
            self.visit.check_can_start(false)?;
        }
        let mut state = self.visit.state();
        let mut changes = state.changes.clone();
        change(&mut changes)?;
        let data = state.current.as_ref().map_or(&empty, |current| &current.record.data);
        changes.merge(data, &self.visit.sessions().settings().limits)?;
        state.changes = changes;
        self.visit.mark(CHANGED);
        Ok(())
    }

    /// Moves the session to a new token and `head`. `false` if it is over or was moved by somebody else.
    async fn move_to(&self, from: &Current, mut head: SessionHead, changes: Changes) -> Result<bool> {
        let sessions = self.visit.sessions();
        head.last_seen = sessions.now();
        let token = SessionToken::generate()?;
        let rotation = Rotation { id: from.record.head.id, key: from.key, new_key: token.key(), head, changes };
        let Some(started) = sessions.rotate(rotation).await? else { return Ok(false) };
        self.visit.issue(token, started.record);
        Ok(true)
    }

    fn logged_out(&self) {
        if let Some(activity) = self.visit.activity().filter(|_| self.visit.who().0.is_some()) {
            activity.logout();
        }
        self.over();
    }

    fn over(&self) {
        let mut state = self.visit.state();
        state.current = None;
        state.changes = Changes::default();
        state.issued = None;
        state.logged_out = true;
        state.depart();
        self.visit.mark(CHANGED);
    }

    fn check_head(&self) -> Result<()> {
        if self.visit.inner.flags.load(std::sync::atomic::Ordering::Acquire) & super::HEAD_SENT == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Ended, "the head of the response is out: a new token can no longer reach the client"))
    }

    fn user_and_id(&self) -> Result<(UserId, SessionId)> {
        self.head(|head| head.user.clone().map(|user| (user, head.id)))
            .flatten()
            .ok_or_else(|| Error::new(ErrorKind::Ended, "nobody is logged in"))
    }

    fn head<T>(&self, read: impl FnOnce(&SessionHead) -> T) -> Option<T> {
        self.visit.mark(READ);
        self.visit.state().current.as_ref().map(|current| read(&current.record.head))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.visit.state().current.as_ref().map(|current| current.record.head.id);
        f.debug_struct("Session").field("id", &id).finish_non_exhaustive()
    }
}

fn check_key(key: &str) -> Result<()> {
    if key.starts_with(RESERVED) {
        return Err(Error::new(ErrorKind::InvalidInput, "session keys that begin with \"guestbook.\" are reserved"));
    }
    Ok(())
}
