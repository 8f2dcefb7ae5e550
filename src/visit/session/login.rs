//! Who a session belongs to: logins, logouts, new tokens, and the other sessions of the user.

use std::{mem, sync::atomic::Ordering};

use super::Session;
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionToken, UserId},
    session::{Changes, Lifetime, SessionHead, SessionInfo},
    store::{Loaded, Revocation, Rotation},
    visit::{Arrival, CHANGED, Current, HEAD_SENT, ended, unavailable},
};

impl Session {
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
        if self.visit.inner.flags.load(Ordering::Acquire) & HEAD_SENT == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Ended, "the head of the response is out: a new token can no longer reach the client"))
    }

    fn user_and_id(&self) -> Result<(UserId, SessionId)> {
        self.head(|head| head.user.clone().map(|user| (user, head.id)))
            .flatten()
            .ok_or_else(|| Error::new(ErrorKind::Ended, "nobody is logged in"))
    }
}
