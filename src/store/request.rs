//! [`PrivacyRequestStore`]: the contract of a store of requests.

use std::future::Future;

use serde::Serialize;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditNote, PrivacyRequest, RequestId, RequestKind},
    time::Timestamp,
};

/// A place where requests of users are kept, until they are answered and as proof of that.
///
/// # Contract
///
/// 1. **A user has one open request of a kind**: filing another gives that one back.
/// 2. **A change is one of what the caller knows**: it is refused if the version is another one by
///    now.
/// 3. **Who confirms to be erased is restricted** in the same transaction, and whoever takes that
///    back no longer is: [`PrivacyRequest::restriction`].
/// 4. **An erasure answers** the open request for it: in part when what is left is held, in full
///    when nothing is left. In that same step the user's name and words go from all their requests:
///    [`PrivacyRequest::evict_user`].
/// 5. **Every verb is atomic**, with the note that records it; one that changes nothing is not
///    noted. An answer is a promise.
pub trait PrivacyRequestStore: Send + Sync + 'static {
    /// Files a request, or finds the open one of this user and kind.
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user is;
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the request names no user.
    fn file_request(
        &self,
        request: PrivacyRequest,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<FiledRequest>> + Send;

    /// The request with this id.
    fn privacy_request(&self, id: RequestId) -> impl Future<Output = Result<Option<PrivacyRequest>>> + Send;

    /// Stores a request in place of its version `expected`. `false` if there is none of this id and
    /// version.
    fn change_request(
        &self,
        request: PrivacyRequest,
        expected: u64,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// The requests that `query` means, the first received first.
    fn privacy_requests(&self, query: RequestQuery) -> impl Future<Output = Result<Vec<PrivacyRequest>>> + Send;

    /// How many there are at `now`.
    fn count_requests(&self, now: Timestamp) -> impl Future<Output = Result<RequestCounts>> + Send;

    /// Forgets at most `limit` requests that were closed before this time. How many there were.
    fn delete_requests(&self, closed_before: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// What became of [`PrivacyRequestStore::file_request`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FiledRequest {
    /// The request: the new one, or the one that was open.
    pub request: PrivacyRequest,
    /// Whether one was open.
    pub is_duplicate: bool,
}

/// Which requests are meant. What is not named does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct RequestQuery {
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Only those of this kind.
    pub kind: Option<RequestKind>,
    /// Only those that are open.
    pub is_open: bool,
    /// Only those that are overdue at this time.
    pub overdue_at: Option<Timestamp>,
    /// Only erasures that were confirmed and whose grace is over at this time.
    pub grace_over_at: Option<Timestamp>,
    /// Only those after this one.
    pub after: Option<RequestId>,
    /// The most requests of a page.
    pub limit: usize,
}

/// How many requests there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequestCounts {
    /// Those that are to be answered.
    pub open: u64,
    /// Those of them that should have been answered before.
    pub overdue: u64,
}

impl FiledRequest {
    /// A new request.
    pub fn new(request: PrivacyRequest) -> Self {
        Self { request, is_duplicate: false }
    }

    /// One that was open.
    pub fn duplicate_of(request: PrivacyRequest) -> Self {
        Self { request, is_duplicate: true }
    }
}

impl RequestQuery {
    /// The largest page.
    pub const MAX_LIMIT: usize = 1_000;

    /// The first 50 of all.
    pub fn new() -> Self {
        Self { user: None, kind: None, is_open: false, overdue_at: None, grace_over_at: None, after: None, limit: 50 }
    }

    /// Only those of this user.
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Only those of this kind.
    pub fn kind(mut self, kind: RequestKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only those that are open.
    pub fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Only those that are overdue at this time.
    pub fn overdue_at(mut self, now: Timestamp) -> Self {
        self.overdue_at = Some(now);
        self
    }

    /// Only erasures that were confirmed and whose grace is over at this time.
    pub fn grace_over_at(mut self, now: Timestamp) -> Self {
        self.grace_over_at = Some(now);
        self
    }

    /// Only those after this one: the last of the page before.
    pub fn after(mut self, id: RequestId) -> Self {
        self.after = Some(id);
        self
    }

    /// At most so many: from 1 to [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, Self::MAX_LIMIT);
        self
    }

    /// Whether `request` is meant. For stores.
    pub fn matches(&self, request: &PrivacyRequest) -> bool {
        self.user.as_ref().is_none_or(|user| request.user() == Some(user))
            && self.kind.is_none_or(|kind| request.kind == kind)
            && (!self.is_open || request.is_open())
            && self.overdue_at.is_none_or(|now| request.is_overdue(now))
            && self.grace_over_at.is_none_or(|now| request.grace_until().is_some_and(|until| until <= now))
            && self.after.is_none_or(|after| request.id > after)
    }
}

impl Default for RequestQuery {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) fn nameless() -> Error {
    Error::new(ErrorKind::InvalidInput, "a filed request must name its user")
}
