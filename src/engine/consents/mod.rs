//! [`Consents`]: decisions recorded, read and proved. What handlers work with is [`Consent`](crate::Consent), a view of this.

mod exclusion_rules;
mod limits;
mod prompt;
mod receipt;
mod recording;
mod settings;
mod snapshot;

use std::{fmt, sync::Arc};

use tokio::sync::OnceCell;

pub(crate) use self::{exclusion_rules::ExclusionRules, limits::DecisionPermit, settings::ConsentSettings};
use self::{
    limits::{REMEMBERED, VisitorLimits},
    snapshot::Snapshot,
};
pub use self::{
    prompt::{ConsentPrompt, PromptedPurpose, PurposeState},
    receipt::{Receipt, ReceiptEvent, ReceiptPurpose},
    settings::{Controller, DisallowedActivity},
};
#[cfg(doc)]
use crate::{engine::runtime::Runtime, error::ErrorKind};
use crate::{
    engine::{
        profiles::{ProfileState, Profiles},
        rate::Allowances,
        runtime::Runtime,
    },
    error::Result,
    id::{UserId, VisitorId},
    model::{
        consent::{
            Choice, Choices, ConsentId, ConsentRecord, ConsentStates, Decision, DecisionContext, DecisionMethod,
            Jurisdiction, Mode, Notice, NoticeHash, Purpose, PurposeId, Purposes, Regime, Signals, Subject, Verdict,
            resolve,
        },
        preferences::lookup_language,
    },
    time::Timestamp,
};

/// The decisions of all subjects, for what is done outside a request: administration, imports, proofs. A clone is another
/// handle.
///
/// What is recorded here takes effect with the next request of this process, and within
/// [`cache_age`](crate::GuestbookBuilder::cache_age) in other processes.
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Guestbook, UserId,
///     consent::{
///         Category, Choices, DecisionContext, ConsentRules, DecisionMethod, Purpose, PurposeId, Purposes,
///     },
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let analytics = Purpose::new("analytics", Category::Analytics).expiry(Duration::from_secs(180 * 86_400));
/// let rules = ConsentRules::new(Purposes::builder().purpose(analytics).build()?);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
/// let consents = guestbook.consents().expect("consent is configured");
///
/// let ada = UserId::try_from("ada")?;
/// let import = Choices::new(DecisionMethod::Import).grant(PurposeId::ANALYTICS).actor("the old system");
/// consents.decide(&ada.clone().into(), import, &DecisionContext::default()).await?;
/// consents.withdraw(&ada.clone().into(), PurposeId::ANALYTICS, &DecisionContext::default()).await?;
/// assert_eq!(consents.history(&ada.into(), 10, None).await?.len(), 2, "nothing is overwritten");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Consents {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    profiles: Profiles,
    settings: ConsentSettings,
    secret: OnceCell<[u8; 32]>,
    notices: OnceCell<()>,
    limits: VisitorLimits,
}

/// What of a request counts for whether a purpose is allowed, beside what was decided.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VerdictInputs {
    pub(crate) signals: Signals,
    pub(crate) regime: Regime,
    /// When the request arrived: it is judged as of then.
    pub(crate) at: Timestamp,
}

/// So many records a receipt goes back.
const RECEIPT_RECORDS: usize = 10_000;

impl Consents {
    /// Whether `other` is a handle to the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn new(runtime: Runtime, profiles: Profiles, settings: ConsentSettings) -> Self {
        let (secret, notices) = (OnceCell::new(), OnceCell::new());
        let limits = VisitorLimits {
            visitors: Allowances::new(settings.visitor_limit, REMEMBERED),
            networks: Allowances::new(settings.network_limit, REMEMBERED),
        };
        Self { inner: Arc::new(Inner { runtime, profiles, settings, secret, notices, limits }) }
    }

    /// The purposes that are declared.
    pub fn purposes(&self) -> &Purposes {
        &self.inner.settings.purposes
    }

    /// Where the subject stands.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn consent_states(&self, subject: &Subject) -> Result<ConsentStates> {
        Ok(self.inner.profiles.load(subject).await?.account().consents.clone())
    }

    /// Records decisions, all or none. Where the subject stands then; it is stored when this returns, and what this process
    /// answers from now on obeys it.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if there is no choice, a purpose is unknown, there is nothing to decide about
    /// it, it is named twice, or the choices do not fit their method. [`Conflict`](ErrorKind::Conflict) if a grant names no notice, or one that was
    /// not served to this subject or is not current; a no names one if it can. [`Ended`](ErrorKind::Ended) if the subject is a
    /// visitor who has logged in since. What the store reports. Nothing is stored then.
    pub async fn decide(
        &self,
        subject: &Subject,
        choices: Choices,
        decision_context: &DecisionContext,
    ) -> Result<ConsentStates> {
        let consent_states = self.cached_states(subject).await?;
        self.decide_from(subject, choices, decision_context, &consent_states).await
    }

    /// Where the subject stood a moment ago.
    pub(crate) async fn cached_states(&self, subject: &Subject) -> Result<ConsentStates> {
        Ok(self.inner.profiles.find(subject).await?.account().consents.clone())
    }

    /// As [`decide`](Self::decide), by somebody who is known to stand here.
    pub(crate) async fn decide_from(
        &self,
        subject: &Subject,
        choices: Choices,
        decision_context: &DecisionContext,
        consent_states: &ConsentStates,
    ) -> Result<ConsentStates> {
        // Before anybody is told that a notice is not theirs.
        self.check(&choices, decision_context)?;
        let says_yes = choices.made.iter().any(|(_, choice)| *choice == Choice::Decision(Decision::Granted));
        let shown = match &choices.snapshot {
            Some(text) => match Snapshot::verify(text, self.secret().await?, subject, consent_states, self.now()) {
                Ok(shown) => Some(shown),
                Err(error) if says_yes => return Err(error),
                // A no is as easy as a yes was, however old the form is that says it (GDPR, Article 7(3)).
                Err(_) => None,
            },
            None => None,
        };
        let records = self.records(subject, &choices, shown.as_ref(), decision_context, consent_states)?;
        // A no names no notice, and must not fail because of one.
        if records.iter().any(|record| record.proof.notice.is_some()) {
            self.publish_notices().await?;
        }
        self.record(subject, records).await
    }

    /// Takes a grant back, or objects to what needs none: one call, no notice. Where the subject stands then.
    ///
    /// # Errors
    ///
    /// As for [`decide`](Self::decide).
    pub async fn withdraw(
        &self,
        subject: &Subject,
        purpose: impl Into<PurposeId>,
        decision_context: &DecisionContext,
    ) -> Result<ConsentStates> {
        self.decide(subject, Choices::new(DecisionMethod::Api).decline(purpose), decision_context).await
    }

    /// The records of the subject, those of visitors that were linked to it too, the last stored first; at most `limit`, those
    /// before the record `before`.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn history(
        &self,
        subject: &Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> Result<Vec<ConsentRecord>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.consent_history(subject.clone(), limit, before)).await
    }

    /// A receipt of all decisions of the subject, the last 10,000.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn receipt(&self, subject: &Subject) -> Result<Receipt> {
        let history = self.history(subject, RECEIPT_RECORDS, None).await?;
        let (id, settings) = (ConsentId::generate(self.now())?, &self.inner.settings);
        let controller = settings.controller.as_ref();
        Ok(Receipt::new(id, self.now(), subject.clone(), controller, &settings.purposes, &history))
    }

    /// What to show to `subject`, who is to decide, in the first of the application's languages that `accept_language`
    /// (RFC 9110) asks for. `None` is a visitor who has decided nothing yet.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a notice was published with another text before; what the store reports.
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
        let offered = self.purposes().iter().map(|(id, purpose)| PromptedPurpose {
            id: id.clone(),
            mode_here: purpose.mode_under(jurisdiction.regime),
            notice: self.notice_in(id, language).cloned(),
            purpose: purpose.clone(),
        });
        let purposes: Vec<_> = offered.collect();
        let served_at = self.now();
        let expires_at = served_at.after(settings.snapshot_lifetime);
        let shown = purposes.iter().map(|offered| {
            (offered.id.clone(), (offered.purpose.version(), offered.notice.as_ref().map(Notice::hash)))
        });
        let snapshot = Snapshot { served_at, expires_at, language: language.to_owned(), shown: shown.collect() };
        Ok(ConsentPrompt {
            purposes,
            language: language.to_owned(),
            snapshot: snapshot.sign(secret, subject),
            snapshot_expires_at: expires_at,
        })
    }

    /// The text that a record of consent names.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn notice(&self, hash: NoticeHash) -> Result<Option<Notice>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.notice(hash)).await
    }

    /// Makes where everybody stands again from the records. How many subjects stood elsewhere: 0 unless somebody else wrote to
    /// the store. Takes as long as reading all records, and nothing else is written meanwhile.
    ///
    /// # Errors
    ///
    /// What the store reports. It is not bounded by the store timeout.
    pub async fn rebuild(&self) -> Result<u64> {
        self.inner.runtime.store.rebuild_consents().await
    }

    /// Where all purposes stand for somebody with this account.
    pub(crate) fn states(&self, account: &ProfileState, situation: VerdictInputs) -> Vec<PurposeState> {
        let state = |(id, purpose): (&PurposeId, &Purpose)| PurposeState {
            id: id.clone(),
            notice_version: purpose.version(),
            verdict: self.verdict(id, account, situation).expect("it is declared"),
            consent_state: account.account().and_then(|account| account.account().consents.get(id).copied()),
        };
        self.purposes().iter().map(state).collect()
    }

    /// Records what was decided elsewhere: it is checked already.
    pub(crate) async fn import_records(&self, subject: &Subject, records: Vec<ConsentRecord>) -> Result<()> {
        self.record(subject, records).await.map(drop)
    }

    /// Links a visitor to the account that they log in to. The visitor's token is used up then.
    pub(crate) async fn link(&self, visitor: VisitorId, user: UserId) -> Result<()> {
        let (consents, now, policy) = (self.clone(), self.now(), self.inner.settings.merge);
        let link = async move {
            let linked = consents.inner.runtime.store.link_visitor(visitor, user.clone(), policy, now).await;
            for subject in [Subject::User(user), Subject::Visitor(visitor)] {
                consents.inner.profiles.evict(&subject);
            }
            linked.map(drop)
        };
        self.inner.runtime.tasks.finish(link).await
    }

    /// Records the browser's signal for somebody who is logged in, once. Nobody waits for it.
    pub(crate) fn record_gpc(
        &self,
        subject: &Subject,
        consent_states: &ConsentStates,
        decision_context: impl FnOnce() -> DecisionContext,
    ) {
        let is_new_after =
            |id: &PurposeId| consent_states.get(id).is_none_or(|now| !now.decision.is_no() && !now.gpc_present);
        let sold = self.purposes().iter().filter(|(id, purpose)| {
            purpose.is_sold_or_shared() && purpose.mode_under(Regime::Strictest) != Mode::Necessary && is_new_after(id)
        });
        let object = |choices: Choices, (id, _): (&PurposeId, &Purpose)| choices.decide(id.clone(), Decision::Objected);
        let choices = sold.fold(Choices::new(DecisionMethod::Gpc), object);
        if choices.made.is_empty() {
            return;
        }
        match self.records(subject, &choices, None, &decision_context(), consent_states) {
            Ok(records) => {
                let (consents, subject) = (self.clone(), subject.clone());
                self.inner.runtime.tasks.spawn(async move {
                    if let Err(error) = consents.record(&subject, records).await {
                        tracing::warn!(%error, "a signal could not be recorded; the next request tries again");
                    }
                });
            }
            Err(error) => tracing::error!(%error, "a signal could not be recorded"),
        }
    }

    /// Whether the purpose `id` is allowed for somebody with this account; `None` if there is no such purpose.
    pub(crate) fn verdict(&self, id: &PurposeId, account: &ProfileState, situation: VerdictInputs) -> Option<Verdict> {
        let VerdictInputs { signals, regime, at } = situation;
        let purpose = self.purposes().get(id)?;
        let (consent_state, signals) = match account {
            ProfileState::Nobody => (None, signals),
            ProfileState::Profile(account) => {
                let account = account.account();
                (account.consents.get(id), signals.with_restriction(account.restriction.is_some()))
            }
            ProfileState::Unavailable => return Some(Verdict::unavailable(purpose, regime)),
        };
        Some(resolve(purpose, consent_state, signals, regime, at))
    }

    pub(crate) fn settings(&self) -> &ConsentSettings {
        &self.inner.settings
    }

    /// Outside a request.
    pub(crate) fn situation(&self) -> VerdictInputs {
        VerdictInputs { at: self.now(), ..VerdictInputs::default() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.runtime.clock.now()
    }

    async fn record(&self, subject: &Subject, records: Vec<ConsentRecord>) -> Result<ConsentStates> {
        let (consents, subject) = (self.clone(), subject.clone());
        let record = async move {
            let recorded = consents.inner.runtime.store.record_consents(records).await;
            consents.inner.profiles.evict(&subject);
            recorded
        };
        self.inner.runtime.tasks.finish(record).await
    }

    /// The notice in this language, or in the first that there is.
    fn notice_in(&self, purpose: &PurposeId, language: &str) -> Option<&Notice> {
        let mut all = self.inner.settings.notices.iter().filter(|notice| notice.purpose() == purpose);
        let first = all.clone().next();
        all.find(|notice| notice.language() == language).or(first)
    }

    async fn secret(&self) -> Result<&[u8; 32]> {
        self.inner
            .secret
            .get_or_try_init(|| self.inner.runtime.tasks.within(self.inner.runtime.store.signing_secret()))
            .await
    }

    /// Keeps the notices before anybody can name them.
    async fn publish_notices(&self) -> Result<()> {
        let publish = async || {
            for notice in &self.inner.settings.notices {
                self.inner.runtime.tasks.within(self.inner.runtime.store.publish_notice(notice.clone())).await?;
            }
            Ok(())
        };
        self.inner.notices.get_or_try_init(publish).await.copied()
    }
}

impl fmt::Debug for Consents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consents").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
