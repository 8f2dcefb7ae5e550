//! [`PrivacyRequestStore`]: the contract of a store of privacy requests.

use std::future::Future;

use serde::Serialize;

use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{AuditNote, PrivacyRequest, RequestId, RequestKind},
    time::Timestamp,
};

/// A store of the privacy requests of users, until they are answered and as proof of that.
///
/// # Contract
///
/// 1. **A user has one open request of a kind.** Filing another one returns the open one.
/// 2. **A change applies to the version that the caller knows.** It is refused if the stored
///    version differs.
/// 3. **A user who confirms an erasure is restricted** in the same transaction; cancelling lifts
///    that: [`PrivacyRequest::restriction`].
/// 4. **An erasure answers the open request for it**: partially when the remaining data is held,
///    fully when nothing is left. In the same step the user's name and words are removed from all
///    their requests: [`PrivacyRequest::evict_user`].
/// 5. **Each method is atomic**, with the note that records it. A method that changes nothing
///    records none. An answer is a promise.
pub trait PrivacyRequestStore: Send + Sync + 'static {
    /// Files a request, or returns the open one of this user and kind.
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user was erased.
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the request names no user.
    fn file_request(
        &self,
        request: PrivacyRequest,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<FiledRequest>> + Send;

    /// Returns the request with this id.
    fn privacy_request(&self, id: RequestId) -> impl Future<Output = Result<Option<PrivacyRequest>>> + Send;

    /// Replaces a request whose stored version is `expected`. Returns `false` if there is none with
    /// this id and version.
    fn change_request(
        &self,
        request: PrivacyRequest,
        expected: u64,
        note: AuditNote,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Returns the requests that match the query, the first received first.
    fn privacy_requests(&self, query: RequestQuery) -> impl Future<Output = Result<Vec<PrivacyRequest>>> + Send;

    /// Returns the number of requests at `now`.
    fn count_requests(&self, now: Timestamp) -> impl Future<Output = Result<RequestCounts>> + Send;

    /// Deletes at most `limit` requests that were closed before this time. Returns their number.
    fn delete_requests(&self, closed_before: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// The result of [`PrivacyRequestStore::file_request`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FiledRequest {
    /// The new request, or the one that was open.
    pub request: PrivacyRequest,
    /// Whether a request was open.
    pub is_duplicate: bool,
}

/// A query of privacy requests. Default: the first 50 of all.
///
/// ```
/// use tower_guestbook::{UserId, privacy::RequestKind, store::RequestQuery};
///
/// let query = RequestQuery::new().user(UserId::from(7)).kind(RequestKind::Access).open().limit(5_000);
/// assert!(query.is_open);
/// assert_eq!(query.limit, RequestQuery::MAX_LIMIT);
/// ```
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
    /// Only confirmed erasures whose grace period is over at this time.
    pub grace_over_at: Option<Timestamp>,
    /// Only requests after this one.
    pub after: Option<RequestId>,
    /// The largest number of requests.
    pub limit: usize,
}

/// The number of privacy requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequestCounts {
    /// Requests that are not answered.
    pub open: u64,
    /// Open requests past their deadline.
    pub overdue: u64,
}

impl FiledRequest {
    /// Creates the result for a new request.
    pub fn new(request: PrivacyRequest) -> Self {
        Self { request, is_duplicate: false }
    }

    /// Creates the result for a request that was open.
    pub fn duplicate_of(request: PrivacyRequest) -> Self {
        Self { request, is_duplicate: true }
    }
}

impl RequestQuery {
    /// The largest page.
    pub const MAX_LIMIT: usize = 1_000;

    /// Creates the query for the first 50 of all requests.
    pub fn new() -> Self {
        Self { user: None, kind: None, is_open: false, overdue_at: None, grace_over_at: None, after: None, limit: 50 }
    }

    /// Matches requests of this user.
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Matches requests of this kind.
    pub fn kind(mut self, kind: RequestKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Matches open requests.
    pub fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Matches requests that are overdue at this time.
    pub fn overdue_at(mut self, now: Timestamp) -> Self {
        self.overdue_at = Some(now);
        self
    }

    /// Matches confirmed erasures whose grace period is over at this time.
    pub fn grace_over_at(mut self, now: Timestamp) -> Self {
        self.grace_over_at = Some(now);
        self
    }

    /// Matches requests after this one, the last of the page before.
    pub fn after(mut self, id: RequestId) -> Self {
        self.after = Some(id);
        self
    }

    /// Sets the largest number of requests: 1 to [`MAX_LIMIT`](Self::MAX_LIMIT).
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, Self::MAX_LIMIT);
        self
    }

    /// Returns whether `request` matches. For stores.
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
