//! [`Hooks`]: what the application wants to know of logins and logouts.

use std::{fmt, panic};

use super::Sessions;
use crate::model::session::{LoginEvent, LogoutEvent, SessionHead, SessionInfo};

type Hook<E> = Box<dyn Fn(&E) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) login: Vec<Hook<LoginEvent>>,
    pub(crate) logout: Vec<Hook<LogoutEvent>>,
}

impl Sessions {
    /// Calls the hooks for a login that is stored.
    pub(crate) async fn logged_in(&self, head: &SessionHead) {
        let hooks = &self.inner.hooks.login;
        let Some(user) = head.user.as_ref().filter(|_| !hooks.is_empty()) else { return };
        let others = self.list(user).await.inspect_err(|error| {
            tracing::warn!(%error, "whether a login is from a new device cannot be told");
        });
        let session = SessionInfo::new(head.clone(), Some(head.id));
        let event = LoginEvent::new(user.clone(), session, others.as_deref().ok());
        hooks.iter().for_each(|hook| call(hook, &event));
    }

    /// Calls the hooks for a logout.
    pub(crate) fn logged_out(&self, head: &SessionHead) {
        let Some(user) = &head.user else { return };
        let event = LogoutEvent::new(user.clone(), head.id);
        self.inner.hooks.logout.iter().for_each(|hook| call(hook, &event));
    }
}

/// A hook that panics must not undo what has happened.
fn call<E>(hook: &Hook<E>, event: &E) {
    if panic::catch_unwind(panic::AssertUnwindSafe(|| hook(event))).is_err() {
        tracing::error!("a hook for logins or logouts panicked");
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("login", &self.login.len()).field("logout", &self.logout.len()).finish()
    }
}
