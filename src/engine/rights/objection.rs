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
    /// The user objects to these purposes (GDPR, Article 21): from now on they are not allowed, whatever was granted before. Where
    /// the user stands then. An open [request](Self::file_request) for it is completed.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) without [consent](crate::GuestbookBuilder::consent); as for
    /// [`Consents::decide`](crate::consent::Consents::decide).
    pub async fn object<P: Into<PurposeId>>(
        &self,
        user: &UserId,
        purposes: impl IntoIterator<Item = P>,
    ) -> Result<ConsentStates> {
        self.object_in(user, purposes, &DecisionContext::default()).await
    }

    /// The user takes an objection to this purpose back. Where they stand then; `None` if there was no objection.
    ///
    /// What needs no consent is allowed again. For what does, this is no consent: it is not allowed until the user
    /// [agrees](crate::consent::Consents::decide) to it.
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

    /// As [`object`](Self::object), in a request of which more is known.
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
            Error::new(ErrorKind::Configuration, "object(): there are no purposes: consent() is not configured")
        })
    }
}
