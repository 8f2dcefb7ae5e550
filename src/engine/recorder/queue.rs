//! [`Queue`]: the bounded queue between requests and the worker, in reused memory.
//!
//! It is not a channel of `tokio`, which allocates blocks on one thread and frees them on another.
//! Such memory is cold; under full load it made requests a tenth slower.
//!
//! The queue is fair. While less than half of it is used, nothing is counted. Beyond that, the
//! events of each origin are counted until the worker fetches the queue, and no origin gets more
//! than its share. Security events have reserved places for when the queue is full.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasher,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use foldhash::fast::RandomState;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::Tracked;
use crate::{
    error::Result,
    id::UserId,
    model::{activity::Event, client::TruncatedAddress},
};

pub(super) enum Message {
    Event(Event),
    Durable(Event, oneshot::Sender<Result<Tracked>>),
    Flush(oneshot::Sender<Result<()>>),
}

impl Message {
    /// Returns whether a caller waits for the result.
    pub(super) fn is_urgent(&self) -> bool {
        !matches!(self, Self::Event(_))
    }

    pub(super) fn is_event(&self) -> bool {
        !matches!(self, Self::Flush(_))
    }
}

/// A bounded queue with one reader.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// The free places. A message holds one until the worker takes it into a batch.
    places: Semaphore,
    /// Number of reserved places in use.
    reserved: AtomicUsize,
    reserve: usize,
    /// Number of messages from which on the queue is crowded.
    crowded: usize,
    /// Maximum number of events of one origin while the queue is crowded, and while only reserved
    /// places are free.
    share: u32,
    reserve_share: u32,
    /// Number of messages, including those that the worker has fetched but not taken.
    length: AtomicUsize,
    /// Notified when the queue becomes non-empty, and when it will stay empty for ever.
    arrived: Notify,
    is_closed: AtomicBool,
    /// Whether all senders are gone.
    is_abandoned: AtomicBool,
}

/// The messages that wait for the reader.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// Number of messages that each origin added while the queue was crowded. An origin is kept as
    /// a hash with a random seed.
    added: HashMap<u64, u32, RandomState>,
    hasher: RandomState,
}

/// The kind of place that an event uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PermitKind {
    Usual,
    /// A place that a request has waited for in line. Its event is not refused any more.
    Waited,
    Reserved,
}

/// The messages that the reader fetched at once, from which it takes its batches.
#[derive(Default)]
pub(super) struct Fetched(VecDeque<Message>);

impl Queue {
    pub(super) fn new(capacity: usize, reserve: usize) -> Self {
        let share = |places: usize| u32::try_from(places.div_ceil(16)).unwrap_or(u32::MAX);
        Self {
            waiting: Mutex::default(),
            places: Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)),
            reserved: AtomicUsize::new(0),
            reserve,
            crowded: capacity.div_ceil(2),
            share: share(capacity),
            reserve_share: share(reserve),
            length: AtomicUsize::new(0),
            arrived: Notify::new(),
            is_closed: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// Takes a free place, if there is one. It must be [used](Self::push) or [given
    /// back](Self::give_back).
    pub(super) fn try_take_place(&self) -> bool {
        self.places.try_acquire().map(|permit| permit.forget()).is_ok()
    }

    /// Takes a reserved place, if one is free.
    pub(super) fn try_take_reserved(&self) -> bool {
        let take = |taken: usize| (taken < self.reserve).then_some(taken + 1);
        self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Waits for a place. Returns `false` if the queue is closed.
    pub(super) async fn take_place(&self) -> bool {
        self.places.acquire().await.map(|permit| permit.forget()).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.release(1);
    }

    /// Frees places, reserved ones first.
    fn release(&self, count: usize) {
        let mut left = count;
        if self.reserved.load(Ordering::Relaxed) > 0 {
            let fill = |taken: usize| Some(taken - taken.min(count));
            let before = self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
            left -= before.unwrap_or(0).min(count);
        }
        self.places.add_permits(left);
    }

    /// Adds a message, for which the caller has taken a place. Returns `false`, and frees the
    /// place, if the queue is closed, or if it is crowded and the origin of the event has used its
    /// share.
    pub(super) fn push(&self, message: Message, permit: PermitKind) -> bool {
        let mut waiting = self.waiting();
        // Under the lock, so that a closing task sees the message.
        let is_refused = self.is_closed.load(Ordering::Acquire)
            || (self.length.load(Ordering::Relaxed) >= self.crowded
                && !waiting.has_room(&message, permit, self.share_of(permit)));
        if is_refused {
            drop(waiting);
            self.give_back();
            return false;
        }
        let is_first = waiting.messages.is_empty();
        waiting.messages.push_back(message);
        self.length.fetch_add(1, Ordering::Relaxed);
        drop(waiting);
        if is_first {
            self.arrived.notify_one();
        }
        true
    }

    fn share_of(&self, permit: PermitKind) -> u32 {
        match permit {
            PermitKind::Usual | PermitKind::Waited => self.share,
            PermitKind::Reserved => self.reserve_share,
        }
    }

    /// Returns the number of messages.
    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Relaxed)
    }

    /// Accepts no more messages. Those in the queue stay.
    pub(super) fn close(&self) {
        let _waiting = self.waiting();
        self.is_closed.store(true, Ordering::Release);
        self.places.close();
    }

    /// Marks that all senders are gone.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Waits until there is something to fetch. Returns `false` if there never will be.
    pub(super) async fn wait(&self) -> bool {
        loop {
            if !self.waiting().messages.is_empty() {
                return true;
            }
            if self.is_abandoned.load(Ordering::Acquire) {
                return false;
            }
            self.arrived.notified().await;
        }
    }

    /// Moves messages into `batch` until it has `limit`, from the fetched ones and from the queue.
    pub(super) fn take(&self, fetched: &mut Fetched, batch: &mut Vec<Message>, limit: usize) {
        while batch.len() < limit {
            if fetched.0.is_empty() {
                // Senders wait for no longer than this block.
                let mut waiting = self.waiting();
                mem::swap(&mut waiting.messages, &mut fetched.0);
                if !waiting.added.is_empty() {
                    waiting.added.clear();
                }
                drop(waiting);
                if fetched.0.is_empty() {
                    return;
                }
            }
            let count = fetched.0.len().min(limit - batch.len());
            batch.extend(fetched.0.drain(..count));
            self.length.fetch_sub(count, Ordering::Relaxed);
            self.release(count);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns whether an event may be added while the queue is crowded, and counts it. A sender
    /// that waits for an answer may always add.
    fn has_room(&mut self, message: &Message, permit: PermitKind, share: u32) -> bool {
        let Message::Event(event) = message else { return true };
        if permit == PermitKind::Waited {
            return true;
        }
        let Some(origin) = Origin::of(event) else { return true };
        let added = self.added.entry(self.hasher.hash_one((origin, permit == PermitKind::Reserved))).or_default();
        let has_room = *added < share;
        *added += u32::from(has_room);
        has_room
    }
}

/// The group whose events are counted together. Sessions and visitors are not distinguished: a
/// client can create any number of them.
#[derive(Hash)]
enum Origin<'a> {
    User(&'a UserId),
    Network(TruncatedAddress),
    Stranger,
}

impl<'a> Origin<'a> {
    /// Returns `None` for events of the application itself.
    fn of(event: &'a Event) -> Option<Self> {
        let request = event.request.as_ref();
        let network = request.and_then(|request| request.network);
        match (&event.user, network) {
            (Some(user), _) => Some(Self::User(user)),
            (None, Some(network)) => Some(Self::Network(network)),
            (None, None) => request.map(|_| Self::Stranger),
        }
    }
}

impl Fetched {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
