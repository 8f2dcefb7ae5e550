//! [`Export`]: all that is kept of a user, part by part.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use serde::Serialize;
use serde_json::{Value, json};

use super::Rights;
use crate::{
    activity::{Activity, ActivityFilter, Cursor, HistoryQuery, Order},
    consent::{ConsentId, ConsentRecord, Subject},
    error::{Error, ErrorKind, Result},
    id::{UserId, VisitorId},
    store::dynamic::BoxFuture,
};

/// All that is kept of a user, as one JSON document, part by part: a [`Stream`] of bytes. Memory holds one part.
///
/// The document has the members `schema_version` (1), `user_id`, `export_date`, `sessions`, `preferences`, `consent`, `activities` and
/// `sources`, in this order. Times are milliseconds since 1970. It has no token, no hash of one, and nothing of others. The same
/// data gives the same document, but for `export_date`.
pub struct Export {
    state: State,
}

enum State {
    Idle(Box<Exporter>),
    Busy(BoxFuture<'static, (Box<Exporter>, Result<Option<Bytes>>)>),
    Done,
}

struct Exporter {
    rights: Rights,
    user: UserId,
    next: Next,
    /// The visitors who were linked to the user: those of whom there is a decision.
    visitors: Vec<VisitorId>,
    /// Whether the list that is being written has an element already.
    has_any: bool,
}

/// What comes next.
enum Next {
    Head(Box<Value>),
    Consent(Option<ConsentId>),
    /// Of the user, then of each visitor who was linked to them: what they did before they logged in.
    Activities {
        visitor: Option<usize>,
        after: Option<Cursor>,
    },
    Source {
        source: usize,
        page: usize,
    },
    Nothing,
}

/// So many records come at a time.
const PAGE: usize = 1_000;

impl Export {
    pub(super) async fn new(rights: Rights, user: UserId) -> Result<Self> {
        let sessions = rights.inner.sessions.list(&user).await?;
        let preferences = rights.inner.tasks.within(rights.inner.store.preferences(user.clone())).await?;
        let head = json!({
            "schema_version": 1,
            "user_id": user,
            "export_date": rights.inner.clock.now(),
            "sessions": sessions,
            "preferences": preferences.overrides.to_value(),
        });
        let exporter =
            Exporter { rights, user, next: Next::Head(Box::new(head)), visitors: Vec::new(), has_any: false };
        Ok(Self { state: State::Idle(Box::new(exporter)) })
    }

    /// The next part; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Export {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let state = std::mem::replace(&mut self.state, State::Done);
            let mut busy = match state {
                State::Done => return Poll::Ready(None),
                State::Idle(mut exporter) => Box::pin(async move {
                    let part = exporter.part().await;
                    (exporter, part)
                }),
                State::Busy(busy) => busy,
            };
            let polled = busy.as_mut().poll(context);
            if polled.is_pending() {
                self.state = State::Busy(busy);
            }
            let (exporter, part) = ready!(polled);
            match part {
                Ok(Some(part)) => {
                    self.state = State::Idle(exporter);
                    if !part.is_empty() {
                        return Poll::Ready(Some(Ok(part)));
                    }
                }
                Ok(None) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl Exporter {
    async fn part(&mut self) -> Result<Option<Bytes>> {
        let mut out = Vec::new();
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Nothing => return Ok(None),
            Next::Head(head) => {
                let head = serde_json::to_vec(&head).map_err(unwritable)?;
                // The object goes on.
                out.extend_from_slice(&head[..head.len() - 1]);
                out.extend_from_slice(b",\"consent\":[");
                self.next = Next::Consent(None);
            }
            Next::Consent(before) => {
                let (store, subject) = (&self.rights.inner.store, Subject::User(self.user.clone()));
                let records = self.rights.inner.tasks.within(store.consent_history(subject, PAGE, before)).await?;
                let last = records.last().map(|record| record.id).filter(|_| records.len() == PAGE);
                for record in &records {
                    if let Subject::Visitor(visitor) = record.subject
                        && !self.visitors.contains(&visitor)
                    {
                        self.visitors.push(visitor);
                    }
                }
                self.list(&mut out, records.iter().map(consent))?;
                self.next = match last {
                    Some(last) => Next::Consent(Some(last)),
                    None => {
                        self.next_list(&mut out, b"],\"activities\":[", Next::Activities { visitor: None, after: None })
                    }
                };
            }
            Next::Activities { visitor, after } => {
                let filter = ActivityFilter::new();
                let query = HistoryQuery::new(match visitor {
                    None => filter.user(self.user.clone()),
                    Some(index) => filter.visitor(self.visitors[index]),
                });
                let query = query.order(Order::OldestFirst).limit(PAGE);
                let query = after.map_or(query.clone(), |after| query.after(after));
                let page = self.rights.inner.tasks.within(self.rights.inner.store.history(query)).await?;
                // Others may have logged in to the same browser, and the user's own are there already.
                let is_theirs = |activity: &&Activity| visitor.is_none() || activity.event.user.is_none();
                self.list(&mut out, page.activities.iter().filter(is_theirs).map(Ok))?;
                let index = visitor.map_or(0, |index| index + 1);
                self.next = match page.next {
                    Some(next) => Next::Activities { visitor, after: Some(next) },
                    None if index < self.visitors.len() => Next::Activities { visitor: Some(index), after: None },
                    None => self.next_source(&mut out, b"],\"sources\":{", 0),
                };
            }
            Next::Source { source, page } => {
                let exported = self.rights.inner.sources[source].export(self.user.clone(), page).await?;
                self.list(&mut out, exported.rows.into_iter().map(Ok))?;
                self.next = match exported.has_more {
                    true => Next::Source { source, page: page + 1 },
                    false => self.next_source(&mut out, b"]", source + 1),
                };
            }
        }
        Ok(Some(out.into()))
    }

    fn next_list(&mut self, out: &mut Vec<u8>, between: &[u8], next: Next) -> Next {
        out.extend_from_slice(between);
        self.has_any = false;
        next
    }

    /// Begins the list of a source, or ends the document.
    fn next_source(&mut self, out: &mut Vec<u8>, between: &[u8], source: usize) -> Next {
        out.extend_from_slice(between);
        self.has_any = false;
        let Some(next) = self.rights.inner.sources.get(source) else {
            out.extend_from_slice(b"}}");
            return Next::Nothing;
        };
        out.extend_from_slice(if source == 0 { b"" } else { b"," });
        out.extend_from_slice(Value::from(next.name()).to_string().as_bytes());
        out.extend_from_slice(b":[");
        Next::Source { source, page: 0 }
    }

    fn list<T: Serialize>(
        &mut self,
        out: &mut Vec<u8>,
        values: impl Iterator<Item = serde_json::Result<T>>,
    ) -> Result<()> {
        for value in values {
            if self.has_any {
                out.push(b',');
            }
            self.has_any = true;
            serde_json::to_writer(&mut *out, &value.map_err(unwritable)?).map_err(unwritable)?;
        }
        Ok(())
    }
}

/// A record as it is exported: with who decided, the user or a visitor that was linked to them.
fn consent(record: &ConsentRecord) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(record)?;
    if let (Value::Object(value), Subject::Visitor(visitor)) = (&mut value, &record.subject) {
        value.insert("visitor_id".into(), serde_json::to_value(visitor)?);
    }
    Ok(value)
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "a record cannot be written as JSON").with_source(error)
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").finish_non_exhaustive()
    }
}
