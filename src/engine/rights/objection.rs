//! Objections of users to processing for a purpose (GDPR, Article 21).

use super::Rights;
use crate::{
    engine::consents::Consents,
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::{
        consent::{Choices, ConsentStates, Decision, DecisionContext, DecisionMethod, PurposeId, Subject},
        privacy::RequestKind,
    },
};

impl Rights {
    /// Records the objection of the user to these purposes (GDPR, Article 21). They are not allowed
    /// from now on, whatever was granted before. Returns the consent states of the user. An open
    /// [request](Self::file_request) for it is completed.
    ///
    /// [Analytics](crate::analytics) leaves out the user's events of these purposes, those from
    /// before the objection as well.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_guestbook::{
    ///     Guestbook, UserId,
    ///     consent::{Category, ConsentRules, Decision, Purpose, PurposeId, Purposes},
    ///     store::MemoryStore,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let analytics = Purpose::new("analytics", Category::Analytics)
    ///     .expiry(Duration::from_secs(180 * 86_400));
    /// let rules = ConsentRules::new(Purposes::builder().purpose(analytics).build()?);
    /// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
    /// let (rights, ada) = (guestbook.rights(), UserId::try_from("ada")?);
    ///
    /// let states = rights.object(&ada, [PurposeId::ANALYTICS]).await?;
    /// assert_eq!(states.get(&PurposeId::ANALYTICS).unwrap().decision, Decision::Objected);
    /// assert!(rights.withdraw_objection(&ada, &PurposeId::ANALYTICS).await?.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) without
    /// [consent](crate::GuestbookBuilder::consent). Otherwise as for
    /// [`Consents::decide`](crate::consent::Consents::decide).
    pub async fn object<P: Into<PurposeId>>(
        &self,
        user: &UserId,
        purposes: impl IntoIterator<Item = P>,
    ) -> Result<ConsentStates> {
        self.object_in(user, purposes, &DecisionContext::default()).await
    }

    /// Withdraws the objection of the user to this purpose. Returns the consent states of the user,
    /// or `None` if there was no objection.
    ///
    /// A purpose that needs no consent is allowed again. A purpose that needs consent is not, until
    /// the user [grants](crate::consent::Consents::decide) it.
    ///
    /// # Errors
    ///
    /// As for [`object`](Self::object).
    pub async fn withdraw_objection(
        &self,
        user: &UserId,
        purpose: impl Into<PurposeId>,
    ) -> Result<Option<ConsentStates>> {
        self.consents()?.withdraw_objection(&Subject::User(user.clone()), &purpose.into()).await
    }

    /// As [`object`](Self::object), with the circumstances of a request.
    pub(crate) async fn object_in<P: Into<PurposeId>>(
        &self,
        user: &UserId,
        purposes: impl IntoIterator<Item = P>,
        circumstances: &DecisionContext,
    ) -> Result<ConsentStates> {
        let consents = self.consents()?;
        let object = |choices: Choices, purpose: P| choices.decide(purpose, Decision::Objected);
        let choices = purposes.into_iter().fold(Choices::new(DecisionMethod::Api), object);
        let consent_states = consents.decide(&Subject::User(user.clone()), choices, circumstances).await?;
        self.settle(user, &[RequestKind::Objection]).await;
        Ok(consent_states)
    }

    fn consents(&self) -> Result<&Consents> {
        self.inner.config.register.consents.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "object(): consent() is not configured, so there are no purposes")
        })
    }
}
