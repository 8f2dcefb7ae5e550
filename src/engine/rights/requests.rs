//! Requests of users, until they are answered (GDPR, Article 12).

use serde_json::{Value, json};

use super::Rights;
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{Actor, AuditAction, PrivacyRequest, RequestId, RequestKind, RequestStep},
    store::{FiledRequest, RequestCounts, RequestQuery},
};

/// So often a parallel change may come first.
pub(super) const ATTEMPTS: usize = 8;

impl Rights {
    /// Files a request. It is due in a month; if one of this kind is open already, that one is given back.
    ///
    /// What is done for a user while they are known, [`export`](Self::export) or [`restrict`](Self::restrict), say, completes an open
    /// request for it by itself.
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, UserId, privacy::{RequestKind, RequestState}, store::{MemoryStore, RequestQuery}};
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
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the message is empty or longer than 1,000 bytes; [`UserErased`](ErrorKind::UserErased) if the
    /// user was erased; what the store reports.
    pub async fn file_request(&self, user: &UserId, kind: RequestKind, message: Option<&str>) -> Result<FiledRequest> {
        let request = PrivacyRequest::receive(user.clone(), kind, self.inner.runtime.clock.now())?;
        let request = match message {
            Some(message) => request.message(message)?,
            None => request,
        };
        self.store_request(request, self.actor.clone()).await
    }

    /// The request with this id.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn request(&self, id: RequestId) -> Result<Option<PrivacyRequest>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.privacy_request(id)).await
    }

    /// Requests, the first received first. For the next page ask for those [after](RequestQuery::after) the last.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn requests(&self, query: RequestQuery) -> Result<Vec<PrivacyRequest>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.privacy_requests(query)).await
    }

    /// How many requests there are to answer.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn request_counts(&self) -> Result<RequestCounts> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.count_requests(self.inner.runtime.clock.now())).await
    }

    /// Somebody has made sure that the request is the user's.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if that cannot follow; [`InvalidInput`](ErrorKind::InvalidInput) if there is no such request; what
    /// the store reports.
    pub async fn verify_request(&self, id: RequestId) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Verify).await
    }

    /// Somebody begins with it.
    ///
    /// # Errors
    ///
    /// As for [`verify`](Self::verify_request).
    pub async fn begin_request(&self, id: RequestId) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Begin).await
    }

    /// It takes two months longer, for this reason, of which the user is to be told: once, and before it is due.
    ///
    /// # Errors
    ///
    /// As for [`verify`](Self::verify_request); [`InvalidInput`](ErrorKind::InvalidInput) if the reason is empty or longer than 1,000 bytes.
    pub async fn extend_request(&self, id: RequestId, reason: &str) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Extend(reason.into())).await
    }

    /// It is refused, for this reason, of which the user is to be told.
    ///
    /// # Errors
    ///
    /// As for [`extend`](Self::extend_request).
    pub async fn reject_request(&self, id: RequestId, reason: &str) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Reject(reason.into())).await
    }

    /// It is answered. Whoever asked must be [verified](Self::verify_request).
    ///
    /// # Errors
    ///
    /// As for [`verify`](Self::verify_request).
    pub async fn complete_request(&self, id: RequestId) -> Result<PrivacyRequest> {
        self.take_step(id, RequestStep::Complete).await
    }

    /// Completes open requests of these kinds: what they ask for has just been done. That stays so if this fails.
    pub(super) async fn settle(&self, user: &UserId, kinds: &[RequestKind]) {
        if let Err(error) = self.try_settle(user, kinds).await {
            tracing::warn!(error = %error.chain(), "a request is answered and could not be closed");
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

    /// Changes a request as `change` does, which may be tried anew; `false` from it leaves the request as it is.
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
        Err(Error::new(ErrorKind::Conflict, "parallel changes of the request came first"))
    }

    async fn store_changed(&self, request: &PrivacyRequest, known: u64, actor: Actor) -> Result<bool> {
        // Those whose user was erased are closed, and no step leads from there.
        let Some(user) = request.user().cloned() else { return Err(no_such_request()) };
        let note = self.note(AuditAction::RequestChanged, actor, &user).await?.detail(detail(request));
        let (rights, request, now) = (self.clone(), request.clone(), self.inner.runtime.clock.now());
        let change = async move {
            let changed = rights.inner.runtime.store.change_request(request, known, note, now).await;
            // A confirmed erasure restricts.
            rights.evict_profile(&user);
            changed
        };
        self.inner.runtime.tasks.finish(change).await
    }
}

/// What a request is, without the user's words.
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
    Error::new(ErrorKind::InvalidInput, "there is no such request, or it is not to be had with this")
}
