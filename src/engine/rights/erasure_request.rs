//! An erasure in two steps: the user requests it and confirms it, and may cancel it during a grace
//! period.

use super::{Rights, requests::no_such_request};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::privacy::{Actor, ConfirmationToken, Presented, PrivacyRequest, RequestId, RequestKind, RequestStep},
    store::RequestQuery,
};

/// The result of [`Rights::request_erasure`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErasureRequest {
    /// The request.
    pub request: PrivacyRequest,
    /// The token to send to the user, who presents it with [`Rights::confirm_erasure`]. It is valid
    /// for a day and replaces earlier tokens. `None` if the user has confirmed already.
    pub token: Option<ConfirmationToken>,
    /// Whether the request was open before.
    pub is_duplicate: bool,
}

impl Rights {
    /// Files a request of the user to be erased. Nothing else happens until the user confirms it
    /// with the token, which the application sends over a channel that only the user can read.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_guestbook::{
    ///     Clock, Guestbook, Timestamp, UserId, privacy::RestrictionReason, store::MemoryStore,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    /// let guestbook = Guestbook::builder(MemoryStore::new()).clock(clock.clone()).build()?;
    /// let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
    /// let asked = rights.request_erasure(&ada).await?;
    /// // … the token goes to her by mail and comes back:
    /// rights.confirm_erasure(asked.request.id, &asked.token.unwrap()).await?;
    /// let restriction = rights.restriction_of(&ada).await?.unwrap();
    /// assert_eq!(restriction.reason, RestrictionReason::ErasurePending);
    ///
    /// clock.advance(Duration::from_secs(7 * 86_400));
    /// rights.resume_erasures().await?; // The guestbook calls this with each sweep.
    /// assert!(rights.erasure_of(&ada).await?.unwrap().finished_at.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user was erased. The errors of the store.
    pub async fn request_erasure(&self, user: &UserId) -> Result<ErasureRequest> {
        let now = self.inner.runtime.clock.now();
        let mut request = PrivacyRequest::receive(user.clone(), RequestKind::Erasure, now)?;
        let token = request.ask(now)?;
        let filed = self.store_request(request, Actor::User(user.clone())).await?;
        if !filed.is_duplicate {
            return Ok(ErasureRequest { request: filed.request, token: Some(token), is_duplicate: false });
        }
        let mut token = None;
        let ask = |request: &mut PrivacyRequest, now| {
            token = match request.ask(now) {
                Err(error) if error.kind() == ErrorKind::Conflict => None,
                asked => Some(asked?),
            };
            Ok(token.is_some())
        };
        let request = self.change(filed.request.id, Actor::User(user.clone()), ask).await?;
        Ok(ErasureRequest { request, token, is_duplicate: true })
    }

    /// Confirms a request for erasure. The user is [restricted](Self::restrict) at once and erased
    /// when the [grace period](crate::GuestbookBuilder::erasure_grace) is over, but no later than
    /// the request is due. A login does not cancel the erasure.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), without a distinction, if there is no such
    /// request, or the token is not the last one that was made for it, is older than a day or was
    /// used, or five wrong ones were tried. The errors of the store.
    pub async fn confirm_erasure(&self, id: RequestId, token: &ConfirmationToken) -> Result<PrivacyRequest> {
        let Some(user) = self.request(id).await?.and_then(|request| request.user().cloned()) else {
            return Err(no_such_request());
        };
        let mut is_right = false;
        let confirm = |request: &mut PrivacyRequest, now: crate::Timestamp| {
            let presented = request.present(token, now);
            is_right = presented == Presented::Right;
            match presented {
                Presented::Unasked => Err(no_such_request()),
                Presented::Wrong => Ok(true),
                Presented::Right => {
                    let grace_until = now.after(self.inner.config.grace).min(request.due_at).max(now);
                    request.step(RequestStep::Confirm { grace_until }, now).map(|()| true)
                }
            }
        };
        let request = self.change(id, Actor::User(user), confirm).await?;
        if is_right { Ok(request) } else { Err(no_such_request()) }
    }

    /// Cancels a request for erasure and lifts the restriction that came with its confirmation.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the user has no such request.
    /// [`Conflict`](ErrorKind::Conflict) if it is closed, the grace period is over or the erasure
    /// has begun. The errors of the store.
    pub async fn cancel_erasure(&self, user: &UserId, id: RequestId) -> Result<PrivacyRequest> {
        self.cancel_if(user, id, |kind| kind == RequestKind::Erasure).await
    }

    /// Cancels a request of any kind; one for erasure as [`cancel_erasure`](Self::cancel_erasure)
    /// does.
    ///
    /// # Errors
    ///
    /// As for [`cancel_erasure`](Self::cancel_erasure).
    pub async fn cancel_request(&self, user: &UserId, id: RequestId) -> Result<PrivacyRequest> {
        self.cancel_if(user, id, |_| true).await
    }

    async fn cancel_if(
        &self,
        user: &UserId,
        id: RequestId,
        is_meant: impl Fn(RequestKind) -> bool,
    ) -> Result<PrivacyRequest> {
        let is_theirs = |request: &PrivacyRequest| is_meant(request.kind) && request.user() == Some(user);
        let has_begun = self.erasure_of(user).await?.is_some();
        let cancel = |request: &mut PrivacyRequest, now| match is_theirs(request) {
            false => Err(no_such_request()),
            true if has_begun => Err(Error::new(ErrorKind::Conflict, "the erasure has begun")),
            true => request.step(RequestStep::Cancel, now).map(|()| true),
        };
        self.change(id, Actor::User(user.clone()), cancel).await
    }

    /// Erases the users whose grace period is over. Returns the number of finished erasures and the
    /// first error.
    pub(super) async fn erase_confirmed(&self) -> (u64, Option<Error>) {
        let (mut finished, mut failed) = (0, None);
        let query = RequestQuery::new().grace_over_at(self.inner.runtime.clock.now());
        let mut query = query.limit(PAGE);
        // A request that fails is skipped, so that it does not block the others.
        loop {
            let requests = match self.requests(query.clone()).await {
                Ok(requests) => requests,
                Err(error) => return (finished, failed.or(Some(error))),
            };
            let is_last = requests.len() < PAGE;
            for request in requests {
                query = query.after(request.id);
                match self.erase_one(&request).await {
                    Ok(is_finished) => finished += u64::from(is_finished),
                    Err(error) => {
                        tracing::warn!(error = %error.chain(), "a confirmed erasure failed; the next sweep tries again");
                        failed = failed.or(Some(error));
                    }
                }
            }
            if is_last {
                return (finished, failed);
            }
        }
    }

    async fn erase_one(&self, request: &PrivacyRequest) -> Result<bool> {
        let Some(user) = request.user() else { return Ok(false) };
        // An erasure that has begun is continued like any other.
        if self.erasure_of(user).await?.is_some() {
            return Ok(false);
        }
        Ok(self.erase(user).await?.erasure.finished_at.is_some())
    }
}

const PAGE: usize = 100;
