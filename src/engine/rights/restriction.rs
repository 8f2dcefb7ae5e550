//! Data that is kept and not used, or not deleted.

use serde_json::json;

use super::Rights;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    id::UserId,
    model::privacy::{AuditAction, HeldClass, LegalHold, RequestKind, Restriction, RestrictionReason},
};

impl Rights {
    /// Restricts processing of the user's data (GDPR, Article 18), and completes a [request](Self::file_request) for it.
    ///
    /// From now on no event of theirs is stored, whatever waits in a queue; purposes that are not necessary are not allowed, here
    /// at once and in other processes within [`cache_age`](crate::GuestbookBuilder::cache_age); and retention leaves what there is. What held
    /// before, which this replaces.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the user is restricted because they have confirmed to be erased, and
    /// [`InvalidInput`](ErrorKind::InvalidInput) if that is to be the reason: it comes and goes with the request. [`UserErased`](ErrorKind::UserErased) if
    /// the user was erased; what the store reports.
    pub async fn restrict(&self, user: &UserId, reason: RestrictionReason) -> Result<Option<Restriction>> {
        let restriction = Restriction::new(self.inner.runtime.clock.now(), reason);
        let before = self.set_restriction(user, Some(restriction)).await?;
        self.settle(user, &[RequestKind::Restriction]).await;
        Ok(before)
    }

    /// Lifts a restriction: whoever it was for is to be told before (Article 18(3)). `false` if there was none. Who has confirmed to be
    /// erased meanwhile is restricted for that from now on.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if that is why they are restricted: [cancel](Self::cancel_erasure) it instead. What the store reports.
    pub async fn lift_restriction(&self, user: &UserId) -> Result<bool> {
        if self.restriction_of(user).await?.is_none() {
            return Ok(false);
        }
        Ok(self.set_restriction(user, None).await?.is_some())
    }

    /// What restricts the user, if anything does.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn restriction_of(&self, user: &UserId) -> Result<Option<Restriction>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.restriction_of(user.clone())).await
    }

    /// Holds a class of the user's data, whatever retention and an erasure say (GDPR, Article 17(3)). It replaces what held the class
    /// before.
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user was erased and nothing is left; what the store reports.
    pub async fn place_hold(&self, user: &UserId, hold: LegalHold) -> Result<()> {
        let detail = json!({ "class": hold.class, "reason": hold.reason, "until": hold.until });
        let note = self.note(AuditAction::HoldPlaced, self.actor.clone(), user).await?.detail(detail);
        self.inner
            .runtime
            .tasks
            .within(self.inner.runtime.store.place_hold(user.clone(), hold, note, self.inner.runtime.clock.now()))
            .await
    }

    /// Releases a class of the user's data. `false` if it was not held. An erasure that had left it is gone on with by the next
    /// [`resume`](Self::resume_erasures), which the guestbook does by itself, or [`erase`](Self::erase).
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn release_hold(&self, user: &UserId, class: HeldClass) -> Result<bool> {
        let note =
            self.note(AuditAction::HoldReleased, self.actor.clone(), user).await?.detail(json!({ "class": class }));
        self.inner
            .runtime
            .tasks
            .within(self.inner.runtime.store.release_hold(user.clone(), class, note, self.inner.runtime.clock.now()))
            .await
    }

    /// What is held of the user, and what was until its time was over.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn holds_of(&self, user: &UserId) -> Result<Vec<LegalHold>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.holds_of(user.clone())).await
    }

    async fn set_restriction(&self, user: &UserId, restriction: Option<Restriction>) -> Result<Option<Restriction>> {
        let action = match restriction {
            Some(_) => AuditAction::Restricted,
            None => AuditAction::RestrictionLifted,
        };
        let detail = json!({ "reason": restriction.map(|restriction| restriction.reason) });
        let note = self.note(action, self.actor.clone(), user).await?.detail(detail);
        let (rights, user, now) = (self.clone(), user.clone(), self.inner.runtime.clock.now());
        let restrict = async move {
            let before = rights.inner.runtime.store.restrict(user.clone(), restriction, note, now).await;
            rights.evict_profile(&user);
            before
        };
        self.inner.runtime.tasks.finish(restrict).await
    }
}
