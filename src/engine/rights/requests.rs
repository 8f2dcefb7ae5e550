//! The requests of users, from filing to answer (GDPR, Article 12).

use serde_json::{Value, json};

use super::Rights;
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{Actor, AuditAction, PrivacyRequest, RequestId, RequestKind, RequestStep},
    store::{FiledRequest, RequestCounts, RequestQuery},
};

/// Times a change is retried because a parallel change came first.
pub(super) const ATTEMPTS: usize = 8;

impl Rights {
    /// Files a request of the user, due in one month. If a request of this kind is open, returns
    /// that one.
    ///
    /// A method that does what was requested completes the open request: [`export`](Self::export)
    /// for access and portability, [`restrict`](Self::restrict), [`rectify`](Self::rectify),
    /// [`object`](Self::object) and [`erase`](Self::erase) for their kind.
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Guestbook, UserId,
    ///     privacy::{RequestKind, RequestState},
    ///     store::{MemoryStore, RequestQuery},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
    /// let filed = rights.file_request(&ada, RequestKind::Access, Some("All of it, please.")).await?;
    /// assert!(rights.file_request(&ada, RequestKind::Access, None).await?.is_duplicate);
    ///
    /// let mut export = rights.export(&ada).await?;
    /// while let Some(part) = export.next().await {
    ///     part?;
    /// }
    /// assert_eq!(rights.request(filed.request.id).await?.unwrap().state, RequestState::Done);
    /// assert!(rights.requests(RequestQuery::new().open()).await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the message is empty or longer than 1,000
    /// bytes. [`UserErased`](ErrorKind::UserErased) if the user was erased. The errors of the
    /// store.
    pub async fn file_request(&self, user: &UserId, kind: RequestKind, message: Option<&str>) -> Result<FiledRequest> {
        let request = PrivacyRequest::receive(user.clone(), kind, self.inner.runtime.clock.now())?;
        let request = match message {
            Some(message) => request.message(message)?,
            None => request,
        };
        self.store_request(request, self.actor.clone()).await
    }

    /// Returns the request with this id, if there is one.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn request(&self, id: RequestId) -> Result<Option<PrivacyRequest>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.privacy_request(id)).await
    }

    /// Returns requests, the first received first. For the next page, query those
    /// [after](RequestQuery::after) the last one.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn requests(&self, query: RequestQuery) -> Result<Vec<PrivacyRequest>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.privacy_requests(query)).await
    }

    /// Returns the number of open and of overdue requests.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn request_counts(&self) -> Result<RequestCounts> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.count_requests(self.inner.runtime.clock.now())).await
    }

    /// Marks a request as verified: somebody made sure that it is the user's.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the state of the request does not allow this step, see
    /// [`PrivacyRequest`]. [`InvalidInput`](ErrorKind::InvalidInput) if there is no such request.
    /// The errors of the store.
    pub async fn verify_request(&self, id: RequestId) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Verify).await
    }

    /// Marks a request as in progress.
    ///
    /// # Errors
    ///
    /// As for [`verify_request`](Self::verify_request).
    pub async fn begin_request(&self, id: RequestId) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Begin).await
    }

    /// Extends the deadline of a request by two months (Article 12(3)), once and before it is due.
    /// The user must be told the reason.
    ///
    /// # Errors
    ///
    /// As for [`verify_request`](Self::verify_request). [`InvalidInput`](ErrorKind::InvalidInput)
    /// if the reason is empty or longer than 1,000 bytes.
    pub async fn extend_request(&self, id: RequestId, reason: &str) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Extend(reason.into())).await
    }

    /// Rejects a request. The user must be told the reason (Article 12(4)).
    ///
    /// # Errors
    ///
    /// As for [`extend_request`](Self::extend_request).
    pub async fn reject_request(&self, id: RequestId, reason: &str) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Reject(reason.into())).await
    }

    /// Completes a request. It must be [verified](Self::verify_request) before.
    ///
    /// # Errors
    ///
    /// As for [`verify_request`](Self::verify_request).
    pub async fn complete_request(&self, id: RequestId) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Complete).await
    }

    /// Completes open requests of these kinds, whose subject has just been done. A failure is only
    /// logged.
    pub(super) async fn settle(&self, user: &UserId, kinds: &[RequestKind]) {
        if let Err(error) = self.try_settle(user, kinds).await {
            tracing::warn!(error = %error.chain(), "a request was answered but could not be closed");
        }
    }

    async fn try_settle(&self, user: &UserId, kinds: &[RequestKind]) -> Result<()> {
        for request in self.requests(RequestQuery::new().user(user.clone()).open()).await? {
            if kinds.contains(&request.kind) {
                self.change(request.id, Actor::System, |request, now| Ok(request.settle(false, now))).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn store_request(&self, request: PrivacyRequest, actor: Actor) -> Result<FiledRequest> {
        let Some(user) = request.user() else { return Err(no_such_request()) };
        let note = self.note(AuditAction::RequestFiled, actor, user).await?.detail(detail(&request));
        self.inner
            .runtime
            .tasks
            .within(self.inner.runtime.store.file_request(request, note, self.inner.runtime.clock.now()))
            .await
    }

    async fn take_step(&self, id: RequestId, step: RequestStep) -> Result<PrivacyRequest> {
        self.change(id, self.actor.clone(), |request, now| request.step(step.clone(), now).map(|()| true)).await
    }

    /// Changes a request as `change` does, which may be called again. `false` from it leaves the
    /// request unchanged.
    pub(super) async fn change(
        &self,
        id: RequestId,
        actor: Actor,
        mut change: impl FnMut(&mut PrivacyRequest, crate::Timestamp) -> Result<bool>,
    ) -> Result<PrivacyRequest> {
        for _ in 0..ATTEMPTS {
            let now = self.inner.runtime.clock.now();
            let mut request = self.request(id).await?.ok_or_else(no_such_request)?;
            let known = request.version;
            if !change(&mut request, now)? || self.store_changed(&request, known, actor.clone()).await? {
                return Ok(request);
            }
        }
        Err(Error::new(ErrorKind::Conflict, "the request was changed in parallel too often"))
    }

    async fn store_changed(&self, request: &PrivacyRequest, known: u64, actor: Actor) -> Result<bool> {
        // Requests of erased users are closed, and no step leads from there.
        let Some(user) = request.user().cloned() else { return Err(no_such_request()) };
        let note = self.note(AuditAction::RequestChanged, actor, &user).await?.detail(detail(request));
        let (rights, request, now) = (self.clone(), request.clone(), self.inner.runtime.clock.now());
        let change = async move {
            let changed = rights.inner.runtime.store.change_request(request, known, note, now).await;
            // A confirmed erasure restricts the user.
            rights.evict_profile(&user);
            changed
        };
        self.inner.runtime.tasks.finish(change).await
    }
}

/// A request as the audit trail records it, without the user's words.
fn detail(request: &PrivacyRequest) -> Value {
    let state = serde_json::to_value(&request.state).unwrap_or_default();
    json!({
        "request": request.id,
        "kind": request.kind,
        "state": state.get("state"),
        "extended": request.extended.is_some(),
    })
}

pub(super) fn no_such_request() -> Error {
    Error::new(ErrorKind::InvalidInput, "there is no such request, or the token or the user does not match")
}
