//! [`Queue`]: events on their way from requests to the worker, in memory that is used again and again.
//!
//! Not a channel of `tokio`: that allocates its blocks where events come in and frees them where
//! they go out. Memory that wanders from thread to thread is cold, and made requests under full
//! load a tenth slower.
//!
//! It is shared fairly. While less than half of it is taken, that costs nothing: nobody counts.
//! Beyond that, the events of each origin are counted until the worker fetches what waits, and none
//! gets more than its share. Security events have places of their own beside the queue for when it
//! is full.

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
    waiting: Mutex<Waiting>,
    /// The free places. A message has one until the worker takes it into a batch.
    places: Semaphore,
    /// How many places of the reserve are taken.
    reserved: AtomicUsize,
    reserve: usize,
    /// With so many messages it is crowded.
    crowded: usize,
    /// So many events of one origin are added while it is crowded, and so many when there are only
    /// places of the reserve.
    share: u32,
    reserve_share: u32,
    /// How many messages there are, those that the worker has fetched but not taken included.
    length: AtomicUsize,
    /// There was nothing, and now there is something; or there will never be anything again.
    arrived: Notify,
    is_closed: AtomicBool,
    /// Nobody is left who could add anything.
    is_abandoned: AtomicBool,
}

/// What waits for the reader.
#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// How many of them each origin has added while the queue was crowded. Of origins only a hash
    /// with a random seed is kept.
    added: HashMap<u64, u32, RandomState>,
    hasher: RandomState,
}

/// Which place an event has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PermitKind {
    Usual,
    /// One that a request has waited for, in turn: it is not refused any more.
    Waited,
    Reserved,
}

/// What the reader has fetched in one go, from which it takes its batches.
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

    /// Takes a place now, if one is free. It must be [used](Self::push) or [given
    /// back](Self::give_back).
    pub(super) fn try_take_place(&self) -> bool {
        self.places.try_acquire().map(|permit| permit.forget()).is_ok()
    }

    /// Takes a place of the reserve, if one is free.
    pub(super) fn try_take_reserved(&self) -> bool {
        let take = |taken: usize| (taken < self.reserve).then_some(taken + 1);
        self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Waits for a place. `false` if the queue is closed.
    pub(super) async fn take_place(&self) -> bool {
        self.places.acquire().await.map(|permit| permit.forget()).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.release(1);
    }

    /// The reserve is filled first.
    fn release(&self, count: usize) {
        let mut left = count;
        if self.reserved.load(Ordering::Relaxed) > 0 {
            let fill = |taken: usize| Some(taken - taken.min(count));
            let before = self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
            left -= before.unwrap_or(0).min(count);
        }
        self.places.add_permits(left);
    }

    /// Adds a message, for which the caller has taken a place. `false`, and the place is given
    /// back, if the queue is closed, or crowded and the origin of the event has had its share.
    pub(super) fn push(&self, message: Message, permit: PermitKind) -> bool {
        let mut waiting = self.waiting();
        // Under the lock: a closing task sees what was added.
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
            if !self.waiting().messages.is_empty() {
                return true;
            }
            if self.is_abandoned.load(Ordering::Acquire) {
                return false;
            }
            self.arrived.notified().await;
        }
    }

    /// Moves messages into `batch` until it has `limit`, from what was fetched before and from what
    /// waits.
    pub(super) fn take(&self, fetched: &mut Fetched, batch: &mut Vec<Message>, limit: usize) {
        while batch.len() < limit {
            if fetched.0.is_empty() {
                // The task that adds waits for no longer than this.
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
    /// Whether an event may be added while the queue is crowded; counts it then. Who waits for an
    /// answer waits for a place, too.
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

/// Whose events are counted together. Sessions and visitors are not told apart: a stranger can have
/// any number of them.
#[derive(Hash)]
enum Origin<'a> {
    User(&'a UserId),
    Network(TruncatedAddress),
    Stranger,
}

impl<'a> Origin<'a> {
    /// `None` for what the application does by itself.
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
