//! Logins, logouts, token rotation, and the other sessions of the user.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
};

use super::Session;
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, SessionToken, UserId},
    model::session::{
        Changes, CredentialEpoch, CredentialStamp, Lifetime, Login, LoginParts, SessionHead, SessionInfo,
    },
    request::{CHANGED, Current, HEAD_SENT, TokenStatus, ended, unavailable},
    store::{EpochRule, Loaded, Revocation, Rotation},
};

impl Session {
    /// Logs `user` in, with the guestbook's default lifetime. See [`log_in`](Self::log_in).
    ///
    /// # Errors
    ///
    /// See [`log_in`](Self::log_in).
    pub async fn login<U>(&self, user: U) -> Result<()>
    where
        U: TryInto<UserId>,
        Error: From<U::Error>,
    {
        self.log_in(Login::new(user)).await
    }

    /// Logs `user` in for `lifetime`, for example [`Lifetime::remembered`]. See
    /// [`log_in`](Self::log_in).
    ///
    /// # Errors
    ///
    /// See [`log_in`](Self::log_in).
    pub async fn login_with<U>(&self, user: U, lifetime: Lifetime) -> Result<()>
    where
        U: TryInto<UserId>,
        Error: From<U::Error>,
    {
        self.log_in(Login::new(user).lifetime(lifetime)).await
    }

    /// Logs a user in on the terms of `login`: the lifetime, and the [epoch](CredentialEpoch) of
    /// the credentials.
    ///
    /// A new session begins, with a new token, a new id and the data of the session before. The
    /// session before ends: its token stops working at once, so a planted token is worth nothing
    /// (session fixation). The new session is stored when this returns.
    ///
    /// With the activity layer a `login` is recorded. Where consent is configured, the decisions of
    /// the visitor are merged into the account's, most restrictively by default.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidInput`] if the id breaks the rules of [`UserId`], or the lifetime
    ///   those of [`Lifetime`].
    /// - [`ErrorKind::CredentialsChanged`] if the epoch was raised since it was read: ask the user
    ///   to log in again.
    /// - [`ErrorKind::InvalidInput`] if the [user loader](crate::GuestbookBuilder::users) does not
    ///   know the user.
    /// - [`ErrorKind::SessionLimit`] if the user has too many sessions and the policy is to refuse.
    /// - What the store and the user loader report.
    ///
    /// In each case nobody is logged in who was not before, and the decisions of the visitor stay
    /// with the visitor. If the store accepts the session and then fails to link the visitor, the
    /// session before has ended: its data is lost.
    pub async fn log_in(&self, login: Login) -> Result<()> {
        let LoginParts { user, lifetime, epoch, stamp } = login.into_parts()?;
        let lifetime = lifetime.unwrap_or_else(|| self.context.default_lifetime());
        lifetime.check()?;
        self.check_head()?;
        self.context.sessions().check_not_pending(Some(&user))?;
        let stamp = match stamp {
            Some(stamp) => Some(stamp),
            None => self.context.current_stamp(&user).await?,
        };
        let before = self.context.state().current.as_ref().map(|current| current.key);
        self.begin_login(user.clone(), lifetime, (epoch, stamp)).await?;
        // The new token is not sent yet, so the visitor's decisions count in the account before it
        // is used. A refused login links nothing.
        if let Err(error) = self.context.link(&user).await {
            self.undo_login(before).await;
            return Err(error);
        }
        self.context.load_user_profile(user).await;
        let stored = self.context.state().current.clone();
        if let Some(current) = stored {
            self.context.sessions().logged_in(&current.record.head).await;
        }
        if let Some(activity) = self.context.activity() {
            activity.login();
        }
        Ok(())
    }

    /// Ends the session of a login whose visitor could not be linked: the account would lack their
    /// refusals. `before` is the key of the session that it replaced.
    async fn undo_login(&self, before: Option<SessionKey>) {
        let current = {
            let mut state = self.context.state();
            state.issued = None;
            if let Some(key) = before {
                state.token_status = TokenStatus::JustEnded { logged_in: false };
                state.stale = Some(Box::new(key));
            }
            state.current.take()
        };
        let Some(current) = current else { return };
        let id = current.record.head.id;
        if let Err(error) = self.context.sessions().delete(current.key, id).await {
            tracing::warn!(session = %id, %error, "the session of a failed login is still stored; no client has its token");
        }
    }

    async fn begin_login(
        &self,
        user: UserId,
        lifetime: Lifetime,
        (epoch, stamp): (Option<CredentialEpoch>, Option<CredentialStamp>),
    ) -> Result<()> {
        let now = self.context.sessions().now();
        let mut head = self.context.describe(SessionHead::new(SessionId::generate(now)?, now, lifetime));
        head.authenticated_at = Some(now);
        head.user = Some(user);
        head.epoch = epoch.unwrap_or_default();
        head.stamp = stamp;
        let rule = if epoch.is_some() { EpochRule::Compare } else { EpochRule::Stamp };

        let (current, changes) = {
            let mut state = self.context.state();
            if state.token_status == TokenStatus::Unavailable {
                return Err(unavailable());
            }
            (state.current.clone(), mem::take(&mut state.changes))
        };
        if let Some(current) = current {
            // Data of another user must not be carried over.
            let stranger = current.record.head.user.as_ref().is_some_and(|user| Some(user) != head.user.as_ref());
            let mut carried = changes.clone();
            if stranger {
                carried.replace_all();
            }
            match self.move_to(&current, head.clone(), carried, rule).await {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => self.context.state().stale = Some(Box::new(current.key)),
                Err(error) => return Err(self.refused(error, changes)),
            }
        }
        // The user has proved who they are, even if there was no session, or a parallel request
        // ended it.
        self.context.begin(head, &changes, rule).await.map_err(|error| self.refused(error, changes))?;
        let stale = self.context.state().stale.clone();
        if let Some(key) = stale {
            self.context.sessions().replace(*key);
        }
        Ok(())
    }

    /// After a refused login, the changes of the request stay with the previous session.
    fn refused(&self, error: Error, changes: Changes) -> Error {
        let mut state = self.context.state();
        if matches!(error.kind(), ErrorKind::CredentialsChanged | ErrorKind::SessionLimit) && state.changes.is_empty() {
            state.changes = changes;
        }
        error
    }

    /// Logs out: the session and its data are gone from the store when this returns, and the cookie
    /// is removed. With the activity layer a `logout` is recorded, if a user was logged in.
    ///
    /// # Errors
    ///
    /// What the store reports. The session may still be live then, so show the user an error.
    #[doc(alias = "destroy")]
    #[doc(alias = "delete")]
    #[doc(alias = "flush")]
    pub async fn logout(&self) -> Result<()> {
        let current = {
            let mut state = self.context.state();
            if state.token_status == TokenStatus::Unavailable {
                return Err(unavailable());
            }
            state.changes = Changes::default();
            state.current.clone()
        };
        if let Some(current) = current {
            self.context.sessions().delete(current.key, current.record.head.id).await?;
        }
        self.logged_out();
        Ok(())
    }

    /// Ends all other sessions of the user. Returns their number.
    ///
    /// A login in progress may still succeed. After a change of password call
    /// [`credentials_changed`](Self::credentials_changed) instead, which refuses it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn logout_others(&self) -> Result<u64> {
        let (user, id) = self.user_and_id()?;
        self.context.sessions().end(Revocation::Others(self.context.sessions().realm(), user, id)).await
    }

    /// Tells the guestbook that the user has changed their password or other credentials in this
    /// session. Ends all their other sessions and returns their number.
    ///
    /// Call it after the new hash is stored. In one step the [epoch](CredentialEpoch) of the user
    /// is raised, the other sessions end, and this session gets a new token, as with
    /// [`rotate`](Self::rotate), and the new epoch. A login that verified the old password
    /// meanwhile is refused if it passed the [epoch](Login::epoch) that it had read.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Ended`] if a parallel request rotated or ended this session, or if the head
    ///   of the response is out, so that the new token could not reach the client. All sessions of
    ///   the user have ended then, this one too.
    /// - [`ErrorKind::Ended`] if nobody is logged in: use
    ///   [`Sessions::credentials_changed`](crate::session::Sessions::credentials_changed) there.
    /// - What the [user loader](crate::GuestbookBuilder::users) reports, if there is one: then all
    ///   sessions of the user have ended, this one too.
    /// - What the store reports. Repeat it then, or sessions made with the old password go on.
    pub async fn credentials_changed(&self) -> Result<u64> {
        let (user, _) = self.user_and_id()?;
        // This session goes on with the new credentials, if they can be looked up.
        let stamp = self.context.current_stamp(&user).await;
        if let (Ok(()), Ok(stamp)) = (self.check_head(), &stamp) {
            let (current, changes) = self.take_current()?;
            let mut head = current.record.head.clone();
            head.stamp = *stamp;
            if let Some(ended) = self.move_to(&current, head, changes, EpochRule::Raise).await? {
                return Ok(ended);
            }
        }
        // The password has changed all the same, so no earlier session may continue.
        self.context.sessions().credentials_changed(&user).await?;
        stamp?;
        let current = self.context.state().current.clone();
        match current {
            Some(current) => Err(self.context.session_ended(&current).await),
            None => Err(ended()),
        }
    }

    /// Ends all sessions of the user, this one too. Returns their number.
    ///
    /// Raises the [epoch](CredentialEpoch) of the user's credentials in the same step.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn logout_everywhere(&self) -> Result<u64> {
        let (user, _) = self.user_and_id()?;
        let ended = self.context.sessions().revoke_user(&user).await?;
        self.logged_out();
        Ok(ended)
    }

    /// Returns the live sessions of the user, the last seen first, at most 1,000. The one of this
    /// request is marked.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn list(&self) -> Result<Vec<SessionInfo>> {
        let (user, id) = self.user_and_id()?;
        self.context.sessions().list_as(&user, Some(id)).await
    }

    /// Ends one session of the user. Returns `false` if it was over already or belongs to another
    /// user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if nobody is logged in, and what the store reports.
    pub async fn revoke(&self, id: SessionId) -> Result<bool> {
        let (user, current) = self.user_and_id()?;
        let ended = self.context.sessions().revoke(&user, id).await?;
        if id == current {
            self.logged_out();
        }
        Ok(ended)
    }

    /// Gives the session a new token; the old one stops working at once. Call it when the
    /// privileges of the user change.
    ///
    /// Id and data stay, and what parallel requests write to them is kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Ended`] if there is no session, or a parallel request rotated or ended it; and
    /// what the store reports.
    #[doc(alias = "cycle_id")]
    #[doc(alias = "regenerate")]
    pub async fn rotate(&self) -> Result<()> {
        self.check_head()?;
        let (current, changes) = self.take_current()?;
        let head = current.record.head.clone();
        match self.move_to(&current, head, changes, EpochRule::Compare).await {
            Ok(Some(_)) => Ok(()),
            Err(error) if error.kind() != ErrorKind::CredentialsChanged => Err(error),
            _ => Err(self.context.session_ended(&current).await),
        }
    }

    /// Asks the store whether the session is still live, and loads what other requests wrote: for a
    /// connection that outlives its request, such as a WebSocket.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn revalidate(&self) -> Result<bool> {
        let Some(current) = self.context.state().current.clone() else { return Ok(false) };
        let loaded = self.context.sessions().reload(&current.key).await?;
        match loaded {
            Loaded::Found(record) if !record.head.is_expired(self.context.sessions().now()) => {
                self.context.adopt(record.head.id, record);
                Ok(true)
            }
            _ => {
                let error = self.context.session_ended(&current).await;
                if error.kind() == ErrorKind::Ended { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Counts a use of the session that is no request of its own: of a WebSocket or of server-sent
    /// events, at each message of the user, say. It puts off the idle timeout. Returns `false` if
    /// the session is over.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn touch(&self) -> Result<bool> {
        let Some(current) = self.context.state().current.clone() else { return Ok(false) };
        let (id, now) = (current.record.head.id, self.context.sessions().now());
        if !self.context.sessions().touch_now(&current.key, id).await? {
            let error = self.context.session_ended(&current).await;
            return if error.kind() == ErrorKind::Ended { Ok(false) } else { Err(error) };
        }
        if let Some(current) = &mut self.context.state().current {
            let head = &mut Arc::make_mut(&mut current.record).head;
            head.last_seen = head.last_seen.max(now);
        }
        Ok(true)
    }

    /// Moves the session to a new token and `head`. Returns the number of other sessions that ended
    /// with it; `None` if the session is over or was moved by a parallel request.
    async fn move_to(
        &self,
        from: &Current,
        mut head: SessionHead,
        changes: Changes,
        epoch: EpochRule,
    ) -> Result<Option<u64>> {
        let sessions = self.context.sessions();
        head.last_seen = sessions.now();
        let token = SessionToken::generate()?;
        let rotation = Rotation { id: from.record.head.id, key: from.key, new_key: token.key(), head, changes, epoch };
        let Some(started) = sessions.rotate(rotation).await? else { return Ok(None) };
        self.context.issue(token, started.record);
        Ok(Some(started.ended.len() as u64))
    }

    fn take_current(&self) -> Result<(Current, Changes)> {
        let mut state = self.context.state();
        let current = state.current.clone().ok_or_else(ended)?;
        Ok((current, mem::take(&mut state.changes)))
    }

    fn logged_out(&self) {
        let ended = self.context.state().current.clone();
        if let Some(current) = ended {
            self.context.sessions().logged_out(&current.record.head);
        }
        if let Some(activity) = self.context.activity().filter(|_| self.context.who().0.is_some()) {
            activity.logout();
        }
        self.over();
    }

    pub(in crate::request) fn over(&self) {
        let mut state = self.context.state();
        state.current = None;
        state.changes = Changes::default();
        state.issued = None;
        state.logged_out = true;
        state.clear_user();
        self.context.mark(CHANGED);
    }

    fn check_head(&self) -> Result<()> {
        if self.context.inner.flags.load(Ordering::Acquire) & HEAD_SENT == 0 {
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
