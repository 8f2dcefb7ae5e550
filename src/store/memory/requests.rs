//! Privacy requests in memory.

use super::{MemoryStore, State};
use crate::{
    error::Result,
    id::UserId,
    model::privacy::{AuditNote, PrivacyRequest, Pseudonym, RequestId, RequestKind},
    store::{FiledRequest, PrivacyRequestStore, RequestCounts, RequestQuery, request::nameless},
    time::Timestamp,
};

impl PrivacyRequestStore for MemoryStore {
    async fn file_request(&self, request: PrivacyRequest, note: AuditNote, now: Timestamp) -> Result<FiledRequest> {
        let mut state = self.state();
        let user = request.user().ok_or_else(nameless)?;
        state.check_not_erased(user)?;
        let of_this_kind = RequestQuery::new().user(user.clone()).kind(request.kind).open();
        if let Some(open) = state.requests.values().find(|other| of_this_kind.matches(other)) {
            return Ok(FiledRequest::duplicate_of(open.clone()));
        }
        state.note(&note, now)?;
        state.requests.insert(request.id, request.clone());
        Ok(FiledRequest::new(request))
    }

    async fn privacy_request(&self, id: RequestId) -> Result<Option<PrivacyRequest>> {
        Ok(self.state().requests.get(&id).cloned())
    }

    async fn change_request(
        &self,
        request: PrivacyRequest,
        expected: u64,
        note: AuditNote,
        now: Timestamp,
    ) -> Result<bool> {
        let mut state = self.state();
        let Some(stored) = state.requests.get(&request.id).filter(|stored| stored.version == expected) else {
            return Ok(false);
        };
        let was = stored.state.clone();
        state.note(&note, now)?;
        if let Some(user) = request.user() {
            let before = state.restrictions.get(user).copied();
            state.set_restriction(user.clone(), request.restriction(&was, before, now));
        }
        state.requests.insert(request.id, request);
        Ok(true)
    }

    async fn privacy_requests(&self, query: RequestQuery) -> Result<Vec<PrivacyRequest>> {
        let state = self.state();
        let found = state.requests.values().filter(|request| query.matches(request));
        Ok(found.take(query.limit).cloned().collect())
    }

    async fn count_requests(&self, now: Timestamp) -> Result<RequestCounts> {
        let state = self.state();
        let count = |query: RequestQuery| state.requests.values().filter(|request| query.matches(request)).count();
        let open = count(RequestQuery::new().open());
        Ok(RequestCounts { open: open as u64, overdue: count(RequestQuery::new().overdue_at(now)) as u64 })
    }

    async fn delete_requests(&self, closed_before: Timestamp, limit: usize) -> Result<usize> {
        let mut left = limit;
        self.state().requests.retain(|_, request| {
            let goes = left > 0 && request.closed_at.is_some_and(|closed_at| closed_at < closed_before);
            left -= usize::from(goes);
            !goes
        });
        Ok(limit - left)
    }
}

impl State {
    /// Returns whether the user has confirmed an erasure that is not done yet.
    pub(super) fn awaits_erasure(&self, user: &UserId) -> bool {
        let for_it = RequestQuery::new().user(user.clone()).kind(RequestKind::Erasure).open();
        self.requests.values().any(|request| for_it.matches(request) && request.grace_until().is_some())
    }

    /// Answers the request for an erasure in part: the remaining data is held.
    pub(super) fn erased_in_part(&mut self, user: &UserId, now: Timestamp) {
        let for_it = RequestQuery::new().user(user.clone()).kind(RequestKind::Erasure).open();
        for request in self.requests.values_mut().filter(|request| for_it.matches(request)) {
            request.settle(true, now);
        }
    }

    /// Answers the request for an erasure in full: nothing is left of the user.
    pub(super) fn delete_in_requests(&mut self, user: &UserId, pseudonym: Pseudonym, now: Timestamp) {
        for request in self.requests.values_mut().filter(|request| request.user() == Some(user)) {
            request.evict_user(pseudonym, now);
        }
    }
}
