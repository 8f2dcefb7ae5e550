//! Restriction of processing (GDPR, Article 18) and legal holds (Article 17(3)).

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
    /// Restricts the processing of the user's data (GDPR, Article 18) and completes a
    /// [request](Self::file_request) for it. Returns the restriction that this one replaces.
    ///
    /// From now on no event of the user is stored, including queued ones. Purposes that are not
    /// necessary are not allowed: in this process at once, in others within
    /// [`cache_age`](crate::GuestbookBuilder::cache_age). Retention leaves the user's data.
    ///
    /// ```
    /// use tower_guestbook::{Guestbook, UserId, privacy::RestrictionReason, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
    /// assert_eq!(rights.restrict(&ada, RestrictionReason::Accuracy).await?, None);
    /// assert_eq!(rights.restriction_of(&ada).await?.unwrap().reason, RestrictionReason::Accuracy);
    /// assert!(rights.lift_restriction(&ada).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the user is restricted because of a confirmed erasure.
    /// [`InvalidInput`](ErrorKind::InvalidInput) for the reason
    /// [`ErasurePending`](RestrictionReason::ErasurePending), which only the confirmation sets.
    /// [`UserErased`](ErrorKind::UserErased) if the user was erased. The errors of the store.
    pub async fn restrict(&self, user: &UserId, reason: RestrictionReason) -> Result<Option<Restriction>> {
        let restriction = Restriction::new(self.inner.runtime.clock.now(), reason);
        let before = self.set_restriction(user, Some(restriction)).await?;
        self.settle(user, &[RequestKind::Restriction]).await;
        Ok(before)
    }

    /// Lifts the restriction of the user. Returns `false` if there was none. A user who obtained
    /// the restriction must be told before (Article 18(3)).
    ///
    /// If the user has confirmed an erasure meanwhile, its restriction takes effect now.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if the user is restricted because of a confirmed erasure:
    /// [cancel](Self::cancel_erasure) that. The errors of the store.
    pub async fn lift_restriction(&self, user: &UserId) -> Result<bool> {
        if self.restriction_of(user).await?.is_none() {
            return Ok(false);
        }
        Ok(self.set_restriction(user, None).await?.is_some())
    }

    /// Returns the restriction of the user, if there is one.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn restriction_of(&self, user: &UserId) -> Result<Option<Restriction>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.restriction_of(user.clone())).await
    }

    /// Places a legal hold on a class of the user's data, so that neither retention nor an erasure
    /// deletes it (GDPR, Article 17(3)). It replaces an earlier hold of the class.
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Guestbook, Timestamp, UserId,
    ///     privacy::{HeldClass, LegalHold},
    ///     store::MemoryStore,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
    /// let hold = LegalHold::new(HeldClass::Activities, "lawsuit 12/2026", Timestamp::now())?;
    /// rights.place_hold(&ada, hold).await?;
    ///
    /// assert_eq!(rights.holds_of(&ada).await?[0].class, HeldClass::Activities);
    /// assert!(rights.release_hold(&ada, HeldClass::Activities).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UserErased`](ErrorKind::UserErased) if the user was erased and nothing is left. The errors
    /// of the store.
    pub async fn place_hold(&self, user: &UserId, hold: LegalHold) -> Result<()> {
        let detail = json!({ "class": hold.class, "reason": hold.reason, "until": hold.until });
        let note = self.note(AuditAction::HoldPlaced, self.actor.clone(), user).await?.detail(detail);
        self.inner
            .runtime
            .tasks
            .within(self.inner.runtime.store.place_hold(user.clone(), hold, note, self.inner.runtime.clock.now()))
            .await
    }

    /// Releases the hold on a class of the user's data. Returns `false` if there was none. The next
    /// [`resume_erasures`](Self::resume_erasures), which the guestbook calls with each sweep,
    /// erases what an erasure had left.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn release_hold(&self, user: &UserId, class: HeldClass) -> Result<bool> {
        let note =
            self.note(AuditAction::HoldReleased, self.actor.clone(), user).await?.detail(json!({ "class": class }));
        self.inner
            .runtime
            .tasks
            .within(self.inner.runtime.store.release_hold(user.clone(), class, note, self.inner.runtime.clock.now()))
            .await
    }

    /// Returns the holds on the user's data, expired ones included.
    ///
    /// # Errors
    ///
    /// The errors of the store.
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
