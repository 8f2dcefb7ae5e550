//! Notices: published, shown in a prompt, and found by their hash.

use super::{
    Consents,
    notice_snapshot::NoticeSnapshot,
    prompt::{ConsentPrompt, PromptedPurpose},
};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    model::{
        consent::{Jurisdiction, Notice, NoticeHash, PurposeId, Subject},
        preferences::lookup_language,
    },
};

impl Consents {
    /// Returns the content of a consent banner for `subject`, in the notice language that fits
    /// `accept_language` (RFC 9110) best. `None` is a visitor who has decided nothing yet.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a notice was published before with another text under
    /// the same version, and the errors of the store.
    pub async fn prompt(
        &self,
        subject: Option<&Subject>,
        accept_language: &str,
        jurisdiction: &Jurisdiction,
    ) -> Result<ConsentPrompt> {
        self.publish_notices().await?;
        let (settings, secret) = (&self.inner.settings, self.secret().await?);
        let languages: Vec<&str> = settings.notices.iter().map(Notice::language).collect();
        let language = lookup_language(accept_language, &languages).or(languages.first().copied()).unwrap_or("en");
        let prompted = self.purposes().iter().map(|(id, purpose)| PromptedPurpose {
            id: id.clone(),
            mode_here: purpose.mode_under(jurisdiction.regime),
            notice: self.notice_in(id, language).cloned(),
            purpose: purpose.clone(),
        });
        let purposes: Vec<_> = prompted.collect();
        let served_at = self.now();
        let expires_at = served_at.after(settings.snapshot_lifetime);
        let shown = purposes.iter().map(|prompted| {
            (prompted.id.clone(), (prompted.purpose.version(), prompted.notice.as_ref().map(Notice::hash)))
        });
        let snapshot = NoticeSnapshot { served_at, expires_at, language: language.to_owned(), shown: shown.collect() };
        Ok(ConsentPrompt {
            purposes,
            language: language.to_owned(),
            snapshot: snapshot.sign(secret, subject),
            snapshot_expires_at: expires_at,
        })
    }

    /// Returns the notice that a consent record refers to.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn notice(&self, hash: NoticeHash) -> Result<Option<Notice>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.notice(hash)).await
    }

    /// Returns the notice in this language, or else the first one of the purpose.
    pub(super) fn notice_in(&self, purpose: &PurposeId, language: &str) -> Option<&Notice> {
        let mut all = self.inner.settings.notices.iter().filter(|notice| notice.purpose() == purpose);
        let first = all.clone().next();
        all.find(|notice| notice.language() == language).or(first)
    }

    /// Publishes the notices, once per process, before a decision can refer to them.
    pub(super) async fn publish_notices(&self) -> Result<()> {
        let publish = async || {
            for notice in &self.inner.settings.notices {
                self.inner.runtime.tasks.within(self.inner.runtime.store.publish_notice(notice.clone())).await?;
            }
            Ok(())
        };
        self.inner.notices.get_or_try_init(publish).await.copied()
    }
}
