//! [`Queue`]: events on their way from requests to the worker, in memory that is used again and again.
//!
//! Not a channel of `tokio`: that allocates its blocks where events come in and frees them where they go out. Memory that
//! wanders from thread to thread is cold, and made requests under full load a tenth slower.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore, oneshot};

use crate::{activity::Event, error::Result};

pub(super) enum Message {
    Event(Event),
    Durable(Event, oneshot::Sender<Result<()>>),
    Flush(oneshot::Sender<Result<()>>),
}

impl Message {
    /// Whether somebody waits for what becomes of it.
    pub(super) fn is_urgent(&self) -> bool {
        !matches!(self, Self::Event(_))
    }

    pub(super) fn is_event(&self) -> bool {
        !matches!(self, Self::Flush(_))
    }
}

/// A bounded queue with one reader.
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Message>>,
    /// The free places. A message has one until the worker takes it into a batch.
    places: Semaphore,
    /// How many messages there are, those that the worker has fetched but not taken included.
    length: AtomicUsize,
    /// There was nothing, and now there is something; or there will never be anything again.
    arrived: Notify,
    is_closed: AtomicBool,
    /// Nobody is left who could add anything.
    is_abandoned: AtomicBool,
}

/// What the reader has fetched in one go, from which it takes its batches.
#[derive(Default)]
pub(super) struct Fetched(VecDeque<Message>);

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            places: Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)),
            length: AtomicUsize::new(0),
            arrived: Notify::new(),
            is_closed: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// Takes a place now, if one is free. It must be [used](Self::push) or [given back](Self::give_back).
    pub(super) fn try_take_place(&self) -> bool {
        self.places.try_acquire().map(|place| place.forget()).is_ok()
    }

    /// Waits for a place. `false` if the queue is closed.
    pub(super) async fn take_place(&self) -> bool {
        self.places.acquire().await.map(|place| place.forget()).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.places.add_permits(1);
    }

    /// Adds a message, for which the caller has taken a place. `false`, and the place is given back, if the queue is closed.
    pub(super) fn push(&self, message: Message) -> bool {
        let mut waiting = self.waiting();
        // Under the lock: what is added is seen by whoever closes.
        if self.is_closed.load(Ordering::Acquire) {
            drop(waiting);
            self.give_back();
            return false;
        }
        let is_first = waiting.is_empty();
        waiting.push_back(message);
        self.length.fetch_add(1, Ordering::Relaxed);
        drop(waiting);
        if is_first {
            self.arrived.notify_one();
        }
        true
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// Takes no more messages. Those that are there stay.
    pub(super) fn close(&self) {
        let _waiting = self.waiting();
        self.is_closed.store(true, Ordering::Release);
        self.places.close();
    }

    /// Nobody is left who could add anything.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Waits until there is something to fetch. `false` if there will be nothing any more.
    pub(super) async fn wait(&self) -> bool {
        loop {
            if !self.waiting().is_empty() {
                return true;
            }
            if self.is_abandoned.load(Ordering::Acquire) {
                return false;
            }
            self.arrived.notified().await;
        }
    }

    /// Moves messages into `batch` until it has `limit`, from what was fetched before and from what waits.
    pub(super) fn take(&self, fetched: &mut Fetched, batch: &mut Vec<Message>, limit: usize) {
        while batch.len() < limit {
            if fetched.0.is_empty() {
                // Whoever adds waits for no longer than this.
                mem::swap(&mut *self.waiting(), &mut fetched.0);
                if fetched.0.is_empty() {
                    return;
                }
            }
            let count = fetched.0.len().min(limit - batch.len());
            batch.extend(fetched.0.drain(..count));
            self.length.fetch_sub(count, Ordering::Relaxed);
            self.places.add_permits(count);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetched {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
