//! How the session of a request is found, and how its use is recorded.

use std::sync::Arc;

use super::Sessions;
use crate::{
    engine::profiles::CachedProfile,
    error::Result,
    id::{SessionId, SessionKey, VisitorId},
    model::{
        consent::Subject,
        session::{SessionRecord, SessionStatus, session_status},
    },
    store::{Loaded, LoadedContext, cache},
    time::Timestamp,
};

/// The session under a key that a request presented.
#[derive(Debug)]
pub(crate) enum Finding {
    Live(Arc<SessionRecord>),
    Expired,
    Ended { logged_in: bool },
    OtherRealm,
    Unknown,
}

/// Whether a request counts as use of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// It puts off the idle timeout.
    Counts,
    /// It is made in the background.
    Passive,
}

/// The result of [`Sessions::find`].
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) finding: Finding,
    /// The profile of the user or visitor, if the store was read and the session is live.
    pub(crate) profile: Option<Arc<CachedProfile>>,
}

impl Sessions {
    /// Returns the session under `key` from the cache.
    pub(crate) fn cached(&self, key: &SessionKey, usage: Usage, now: Timestamp) -> Option<Arc<SessionRecord>> {
        let record = self.inner.cache.get(key, now)?;
        match session_status(&record.head, now) {
            SessionStatus::Touch if usage == Usage::Passive => Some(record),
            SessionStatus::Keep => Some(record),
            SessionStatus::Touch => Some(self.touch(key, record, now)),
            // Another process may have touched the session since: the store decides.
            SessionStatus::Expire => None,
        }
    }

    /// Returns the session under `key`, and in the same trip the profile of its user, or of
    /// `visitor` without a login.
    pub(crate) async fn find(&self, key: &SessionKey, usage: Usage, visitor: Option<VisitorId>) -> Result<Found> {
        let ticket = self.inner.cache.ticket(key);
        let (loaded, profile) = match &self.inner.profiles {
            Some(profiles) => {
                let ticket = profiles.ticket();
                let loaded = self
                    .inner
                    .runtime
                    .tasks
                    .within(self.inner.runtime.store.load_context(*key, self.realm(), visitor))
                    .await?;
                let LoadedContext { session, subject, profile } = loaded;
                let kept = subject.map(|subject| (profiles.keep(&subject, profile, ticket), subject));
                (session, kept)
            }
            None => (self.inner.runtime.tasks.within(self.inner.runtime.store.load(*key, self.realm())).await?, None),
        };
        let nobody = |finding| Found { finding, profile: None };
        let record = match loaded {
            Loaded::Found(record) => Arc::new(record),
            Loaded::Ended { logged_in } => return Ok(nobody(Finding::Ended { logged_in })),
            Loaded::OtherRealm => return Ok(nobody(Finding::OtherRealm)),
            Loaded::Unknown => return Ok(nobody(Finding::Unknown)),
        };
        // Their erasure is about to end it.
        if self.check_not_pending(record.head.user.as_ref()).is_err() {
            return Ok(nobody(Finding::Ended { logged_in: true }));
        }
        let now = self.now();
        let verdict = session_status(&record.head, now);
        if verdict == SessionStatus::Expire {
            return Ok(nobody(Finding::Expired));
        }
        let subject = record.head.user.clone().map(Subject::User).or(visitor.map(Subject::Visitor));
        let profile = profile.filter(|(_, whose)| Some(whose) == subject.as_ref()).map(|(profile, _)| profile);
        self.inner.cache.put(*key, record.clone(), now, ticket);
        let is_touched = verdict == SessionStatus::Touch && usage == Usage::Counts;
        let record = if is_touched { self.touch(key, record, now) } else { record };
        Ok(Found { finding: Finding::Live(record), profile })
    }

    /// Records a request. The answer does not wait for it: a touch that is lost costs a minute of
    /// idle time.
    fn touch(&self, key: &SessionKey, mut record: Arc<SessionRecord>, now: Timestamp) -> Arc<SessionRecord> {
        Arc::make_mut(&mut record).head.last_seen = now;
        cache::touch(&self.inner.cache, key, now);
        let (sessions, key, id) = (self.clone(), *key, record.head.id);
        self.inner.runtime.tasks.spawn(async move {
            match sessions.inner.runtime.tasks.within(sessions.inner.runtime.store.touch(id, now)).await {
                Ok(true) => {}
                Ok(false) => sessions.inner.cache.remove(&key),
                Err(error) => tracing::warn!(session = %id, %error, "a session could not be touched"),
            }
        });
        record
    }

    /// Records that the session is used now. Returns whether it is still live.
    pub(crate) async fn touch_now(&self, key: &SessionKey, id: SessionId) -> Result<bool> {
        let now = self.now();
        let is_live = self.inner.runtime.tasks.within(self.inner.runtime.store.touch(id, now)).await?;
        match is_live {
            true => cache::touch(&self.inner.cache, key, now),
            false => self.inner.cache.remove(key),
        }
        Ok(is_live)
    }
}
