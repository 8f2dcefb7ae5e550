//! [`Subscription`]: a stream of events as they are stored.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::mpsc;

use crate::{
    error::{Error, ErrorKind, Result},
    model::activity::{Activity, ActivityFilter},
};

/// An item of a [`Subscription`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Live {
    /// An event that was just stored.
    Activity(Arc<Activity>),
    /// Number of events that were skipped here because the reader was too slow. They are in the
    /// history.
    Missed(u64),
}

/// A stream of events as this process stores them. It ends when the recorder is shut down. Dropping
/// it ends the subscription.
///
/// A bounded number of events waits for the reader. If the reader is too slow, the newest events
/// are skipped and counted: see [`Live::Missed`].
#[derive(Debug)]
pub struct Subscription {
    events: mpsc::Receiver<(u64, Arc<Activity>)>,
    missed: Arc<AtomicU64>,
    /// Comes after the events that were missed before it.
    next: Option<Arc<Activity>>,
}

impl Subscription {
    /// Returns the next event; `None` when the recorder is shut down.
    pub async fn next(&mut self) -> Option<Live> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Live>> {
        if let Some(activity) = self.next.take() {
            return Poll::Ready(Some(Live::Activity(activity)));
        }
        match self.events.poll_recv(context) {
            Poll::Ready(Some((0, activity))) => Poll::Ready(Some(Live::Activity(activity))),
            Poll::Ready(Some((missed, activity))) => {
                self.next = Some(activity);
                Poll::Ready(Some(Live::Missed(missed)))
            }
            // The queue is empty, so the missed events came after the last one in it.
            waiting => match self.missed.swap(0, Ordering::AcqRel) {
                0 => waiting.map(|_| None),
                missed => Poll::Ready(Some(Live::Missed(missed))),
            },
        }
    }
}

impl Stream for Subscription {
    type Item = Live;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Live>> {
        self.poll(context)
    }
}

/// All subscriptions of a recorder.
#[derive(Debug)]
pub(super) struct Subscribers {
    list: Mutex<Vec<Subscriber>>,
    count: AtomicUsize,
    limit: usize,
}

#[derive(Debug)]
struct Subscriber {
    filter: ActivityFilter,
    events: mpsc::Sender<(u64, Arc<Activity>)>,
    missed: Arc<AtomicU64>,
}

impl Subscribers {
    pub(super) fn new(limit: usize) -> Self {
        Self { list: Mutex::default(), count: AtomicUsize::new(0), limit }
    }

    pub(super) fn subscribe(&self, filter: ActivityFilter, queue: usize) -> Result<Subscription> {
        let (sender, events) = mpsc::channel(queue);
        let missed = Arc::new(AtomicU64::new(0));
        let mut list = self.list();
        list.retain(|subscriber| !subscriber.events.is_closed());
        if list.len() >= self.limit {
            let context = format!("the maximum of {} subscriptions is reached", self.limit);
            return Err(Error::new(ErrorKind::Unavailable, context));
        }
        list.push(Subscriber { filter, events: sender, missed: missed.clone() });
        self.count.store(list.len(), Ordering::Release);
        Ok(Subscription { events, missed, next: None })
    }

    /// Returns whether there is no subscription; costs one load.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn publish(&self, activities: impl Iterator<Item = Activity>) {
        let mut list = self.list();
        for activity in activities {
            let activity = Arc::new(activity);
            for subscriber in list.iter().filter(|subscriber| subscriber.filter.matches(&activity.event)) {
                subscriber.publish(activity.clone());
            }
        }
        list.retain(|subscriber| !subscriber.events.is_closed());
        self.count.store(list.len(), Ordering::Release);
    }

    /// Ends all subscriptions.
    pub(super) fn close(&self) {
        self.list().clear();
        self.count.store(0, Ordering::Release);
    }

    fn list(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    fn publish(&self, activity: Arc<Activity>) {
        match self.events.try_reserve() {
            Ok(permit) => permit.send((self.missed.swap(0, Ordering::AcqRel), activity)),
            Err(_) => {
                self.missed.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}
