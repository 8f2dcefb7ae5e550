//! [`PacedExport`]: an export with a limit on how long its client may be idle.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, TryLockError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::{task::AbortHandle, time::Instant};

use super::export_slots::ExportSlot;
use crate::error::{Error, ErrorKind, Result};

/// The parts of an export of any format.
pub(super) type ExportStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// An export and its slot. A client that reads nothing for too long loses both, so that slow
/// clients cannot block others; its next read is an error.
pub(super) struct PacedExport {
    shared: Arc<Mutex<State>>,
    watch: AbortHandle,
}

enum State {
    Running {
        copied: ExportStream,
        /// The slot of the user is held as long as the export.
        _slot: ExportSlot,
        /// Since when the client could read the next part. `None` while the store has not answered.
        idle_since: Option<Instant>,
    },
    TooSlow,
    Ended,
}

impl PacedExport {
    pub(super) fn new(copied: ExportStream, slot: ExportSlot, max_idle: Duration) -> Self {
        let going = State::Running { copied, _slot: slot, idle_since: Some(Instant::now()) };
        let shared = Arc::new(Mutex::new(going));
        let watch = tokio::spawn(watch(Arc::downgrade(&shared), max_idle)).abort_handle();
        Self { shared, watch }
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let mut state = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Running { copied, idle_since, .. } => {
                let polled = copied.as_mut().poll_next(cx);
                *idle_since = polled.is_ready().then(Instant::now);
                if let Poll::Ready(None | Some(Err(_))) = polled {
                    *state = State::Ended;
                }
                polled
            }
            State::TooSlow => {
                *state = State::Ended;
                Poll::Ready(Some(Err(too_slow())))
            }
            State::Ended => Poll::Ready(None),
        }
    }
}

impl Drop for PacedExport {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl fmt::Debug for PacedExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacedExport").finish_non_exhaustive()
    }
}

/// Ends an export whose client is idle for too long.
async fn watch(shared: Weak<Mutex<State>>, max_idle: Duration) {
    while let Some(until) = shared.upgrade().and_then(|shared| idle_until(&shared, max_idle)) {
        tokio::time::sleep_until(until).await;
    }
}

/// Until when the client may be idle; `None` if the export is over.
fn idle_until(shared: &Mutex<State>, max_idle: Duration) -> Option<Instant> {
    let now = Instant::now();
    let mut state = match shared.try_lock() {
        Ok(state) => state,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // A part is being read.
        Err(TryLockError::WouldBlock) => return Some(now + max_idle),
    };
    let State::Running { idle_since, .. } = &*state else { return None };
    let until = idle_since.unwrap_or(now) + max_idle;
    if until <= now {
        *state = State::TooSlow;
        return None;
    }
    Some(until)
}

fn too_slow() -> Error {
    Error::new(ErrorKind::Timeout, "the client of an export read nothing for too long")
}
