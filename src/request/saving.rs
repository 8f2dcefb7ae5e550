//! The end of a request: saves changes and writes the response's head.

use std::{
    mem,
    net::IpAddr,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use http::HeaderMap;

use super::{
    CHANGED, CONSENT_READ, CookieChange, Current, HEAD_SENT, Inner, LANGUAGE, Outcome, READ, REDUCED_MOTION,
    RequestContext, SAVE_DATA, SCHEME, TokenStatus, VisitorCookie, ended, unavailable,
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, SessionToken},
    model::session::{Changes, SessionHead, SessionRecord},
    store::{Applied, EpochRule, Loaded},
};

impl RequestContext {
    /// Saves remaining changes and closes the request context for cookies. Returns whether there is
    /// anything to send to the client.
    ///
    /// The fast path, in which nobody used the session, is one atomic instruction.
    pub(crate) fn needs_finish(&self) -> bool {
        self.inner.flags.fetch_or(HEAD_SENT, Ordering::AcqRel) != 0
    }

    /// Saves the changes of this request. A session that ended meanwhile stays ended, which is an
    /// error only if a user was logged in. Otherwise the changes go into a new session if its
    /// cookie is safe, or are dropped.
    pub(crate) async fn commit(&self) -> Result<()> {
        let (id, again) = {
            let state = self.state();
            let head = state.current.as_ref().map(|current| &current.record.head);
            let is_anonymous = head.is_some_and(|head| head.user.is_none());
            (head.map(|head| head.id), is_anonymous.then(|| state.changes.clone()))
        };
        let Err(error) = self.save(true).await else { return Ok(()) };
        if error.kind() != ErrorKind::Ended {
            return Err(error);
        }
        let token_status = self.state().token_status;
        match (token_status, again) {
            (TokenStatus::JustEnded { logged_in: true }, _) => return Err(error),
            (TokenStatus::JustEnded { logged_in: false }, _) | (_, None) => {}
            (_, Some(changes)) => match self.start(changes, true).await {
                // The same browser has logged in meanwhile.
                Err(error) if error.kind() == ErrorKind::Ended => {}
                result => return result,
            },
        }
        tracing::info!(session = ?id, "changes to a session that has ended are dropped");
        Ok(())
    }

    /// Returns the token to [renew](Self::renew), if its cookie is due, and whether there are
    /// unsaved changes. `is_public`: whether the response calls itself public; asked only if a
    /// cookie is due.
    pub(crate) fn take_renewal(&self, is_public: impl FnOnce() -> bool) -> (Option<SessionToken>, bool) {
        let mut state = self.state();
        let is_needed = state.current.is_some() && state.issued.is_none();
        // A cookie prevents caches from storing a response that is the same for everybody: a later
        // response carries it.
        let is_for_all = || self.inner.flags.load(Ordering::Acquire) & READ == 0 && is_public();
        let renewal = state.renewal.take().filter(|_| is_needed && !is_for_all());
        (renewal, !state.changes.is_empty())
    }

    /// Makes the response send the cookie with `token` again, if it is still that of the session.
    pub(crate) async fn renew(&self, token: SessionToken) {
        let Some(current) = self.state().current.clone() else { return };
        match self.sessions().renew(token.key(), &current.record).await {
            Ok(true) => self.state().renewal = Some(token),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "a persistent cookie could not be renewed; a later request tries again")
            }
        }
    }

    /// Writes the state of the session into the response's head, for the client and for caches.
    pub(crate) fn finish(&self, headers: &mut HeaderMap) {
        let state = self.state();
        let max_age = |record: &SessionRecord| {
            let head = &record.head;
            head.lifetime.persistent.then(|| head.expires_at().since(self.sessions().now()))
        };
        let cookie = match &state.current {
            Some(current) => match state.issued.as_ref().or(state.renewal.as_ref()) {
                Some(token) => CookieChange::Set(token.clone(), max_age(&current.record)),
                None => CookieChange::Keep,
            },
            None if (state.logged_out || state.removal_due && !self.is_replaced(state.stale.as_deref()))
                && self.owns_cookie(state.token_status) =>
            {
                CookieChange::Remove
            }
            None => CookieChange::Keep,
        };
        let visitor = match state.visitor_cookie {
            VisitorCookie::Remove if self.shares_visitor_cookie() => VisitorCookie::Keep,
            visitor => visitor,
        };
        let flags = self.inner.flags.load(Ordering::Acquire);
        let outcome = Outcome {
            cookie,
            read: flags & READ != 0,
            identity: state.current.is_some(),
            visitor,
            consent_read: flags & CONSENT_READ != 0,
            language: flags & LANGUAGE != 0,
            scheme: flags & SCHEME != 0,
            reduced_motion: flags & REDUCED_MOTION != 0,
            save_data: flags & SAVE_DATA != 0,
        };
        drop(state);
        self.inner.services.write_headers(headers, outcome);
    }

    /// Stores the pending changes, in a new session if there is none. `at_head`: the response's
    /// head is being written.
    pub(super) async fn save(&self, at_head: bool) -> Result<()> {
        let (current, changes) = {
            let mut state = self.state();
            if state.changes.is_empty() {
                return Ok(());
            }
            (state.current.clone(), mem::take(&mut state.changes))
        };
        let Some(current) = current else {
            return self.start(changes, at_head).await;
        };
        let id = current.record.head.id;
        match self.sessions().apply(current.key, &current.record, changes, self.address()).await? {
            Applied::Merged { record, .. } | Applied::Mismatch(record) => {
                self.adopt(id, record);
                Ok(())
            }
            Applied::Ended => Err(self.session_ended(&current).await),
        }
    }

    /// Handles a session that has ended in the store: the request has no session from now on.
    /// Returns the error.
    ///
    /// The request may begin a new session only if nobody was logged in and no other token replaced
    /// the one it came with: a parallel request may have just logged in, and a new anonymous cookie
    /// would overwrite its cookie.
    pub(super) async fn session_ended(&self, current: &Current) -> Error {
        let logged_in = current.record.head.user.is_some();
        let (token_status, error) = match logged_in {
            true => (TokenStatus::JustEnded { logged_in }, ended()),
            false => match self.sessions().reload(&current.key).await {
                Ok(Loaded::Ended { .. } | Loaded::OtherRealm) => (TokenStatus::JustEnded { logged_in }, ended()),
                // It expired, or ended without a successor.
                Ok(Loaded::Unknown | Loaded::Found(_)) => (TokenStatus::Unknown, ended()),
                Err(error) => (TokenStatus::JustEnded { logged_in }, error),
            },
        };
        let mut state = self.state();
        if state.current.as_ref().is_some_and(|now| now.key == current.key) {
            state.current = None;
            state.token_status = token_status;
            state.stale = Some(Box::new(current.key));
        }
        error
    }

    /// Stores a new anonymous session and sets its cookie.
    pub(super) async fn start(&self, changes: Changes, at_head: bool) -> Result<()> {
        self.check_can_start(at_head)?;
        let (token_status, stale) = {
            let state = self.state();
            (state.token_status, state.stale.clone())
        };
        if matches!(token_status, TokenStatus::JustEnded { .. }) || self.is_replaced(stale.as_deref()) {
            // A parallel request may have just logged in; a new anonymous cookie would overwrite
            // its cookie.
            return Err(ended());
        }
        let now = self.sessions().now();
        let head = self.describe(SessionHead::new(SessionId::generate(now)?, now, self.sessions().settings().lifetime));
        self.begin(head, &changes, EpochRule::Keep).await
    }

    /// Returns whether a login has happened since with a browser that sent this key.
    fn is_replaced(&self, stale: Option<&SessionKey>) -> bool {
        stale.is_some_and(|key| self.sessions().is_replaced(key))
    }

    /// Stores a new session with `head` and `changes` as its data.
    pub(super) async fn begin(&self, head: SessionHead, changes: &Changes, epoch: EpochRule) -> Result<()> {
        let limits = &self.sessions().settings().limits;
        let data = changes.resolve(limits)?;
        let token = SessionToken::generate()?;
        let key = token.key();
        let record = SessionRecord { head, data };
        let started = self.sessions().insert(key, record, epoch, self.address()).await?;
        self.issue(token, started.record);
        Ok(())
    }

    /// Returns the address of the client, if it is known and trusted.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.inner.client.address
    }

    /// Adopts a session that this request created or rotated.
    pub(super) fn issue(&self, token: SessionToken, record: SessionRecord) {
        let mut state = self.state();
        state.current = Some(Current { key: token.key(), record: Arc::new(record) });
        state.issued = Some(token);
        state.logged_out = false;
        self.mark(CHANGED);
    }

    /// Adopts the stored state of the current session.
    pub(super) fn adopt(&self, id: SessionId, record: SessionRecord) {
        let mut state = self.state();
        if let Some(current) = state.current.as_mut().filter(|current| current.record.head.id == id) {
            current.record = Arc::new(record);
        }
    }

    /// Returns whether a new session may begin, unrelated to the one that the request came with.
    pub(super) fn can_begin(&self) -> bool {
        !matches!(self.state().token_status, TokenStatus::JustEnded { .. } | TokenStatus::Unavailable)
    }

    pub(super) fn check_can_start(&self, at_head: bool) -> Result<()> {
        if !at_head && self.inner.flags.load(Ordering::Acquire) & HEAD_SENT != 0 {
            return Err(Error::new(
                ErrorKind::Ended,
                "the head of the response is out: a new session can no longer get its cookie",
            ));
        }
        if self.state().token_status == TokenStatus::Unavailable { Err(unavailable()) } else { Ok(()) }
    }
}

/// Saves in the background when the last handle is dropped: the client disconnected, the handler
/// panicked, or a streaming body has ended. Changes without a session to belong to are dropped.
impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.changes.is_empty() {
            return;
        }
        let (Some(current), changes) = (state.current.take(), mem::take(&mut state.changes)) else { return };
        let id = current.record.head.id;
        if tokio::runtime::Handle::try_current().is_err() {
            tracing::warn!(session = %id, "changes are lost: the request ended outside the Tokio runtime");
            return;
        }
        let (sessions, address) = (self.services.sessions().clone(), self.client.address);
        self.services.sessions().tasks().spawn(async move {
            match sessions.apply(current.key, &current.record, changes, address).await {
                Ok(Applied::Merged { .. }) => {
                    tracing::debug!(session = %id, "changes of an abandoned request are saved");
                }
                Ok(Applied::Ended | Applied::Mismatch(_)) => {
                    tracing::info!(session = %id, "changes of an abandoned request to a session that has ended are dropped");
                }
                Err(error) => tracing::warn!(session = %id, %error, "changes of an abandoned request are lost"),
            }
        });
    }
}
