//! [`Consents`]: the service that records, reads and proves decisions.

mod exclusion_rules;
mod notice_snapshot;
mod notices;
mod prompt;
mod receipt;
mod recording;
mod settings;
mod verdict_inputs;
mod visitor_limits;

use std::{fmt, sync::Arc};

use tokio::sync::OnceCell;

pub(crate) use self::{
    exclusion_rules::ExclusionRules, settings::ConsentSettings, verdict_inputs::VerdictInputs,
    visitor_limits::DecisionPermit,
};
use self::{notice_snapshot::NoticeSnapshot, visitor_limits::VisitorLimits};
pub use self::{
    prompt::{ConsentPrompt, PromptedPurpose, PurposeState},
    receipt::{Receipt, ReceiptEvent, ReceiptPurpose},
    settings::{Controller, DisallowedActivity},
};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    engine::{
        profiles::{ProfileState, Profiles},
        runtime::Runtime,
    },
    error::Result,
    id::{UserId, VisitorId},
    model::{
        client::TruncatedAddress,
        consent::{
            Choice, Choices, ConsentId, ConsentRecord, ConsentStates, Decision, DecisionContext, DecisionMethod, Mode,
            Purpose, PurposeId, Purposes, Regime, Subject, Verdict, resolve,
        },
    },
    time::Timestamp,
};

/// The decisions of all subjects, for work outside a request: administration, imports, proofs.
///
/// From [`Guestbook::consents`](crate::Guestbook::consents). Handlers use
/// [`Consent`](crate::Consent), the view of one request. Clones are handles to the same service.
///
/// A change takes effect with the next request of this process, and within
/// [`cache_age`](crate::GuestbookBuilder::cache_age) in other processes.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_guestbook::{
///     Guestbook, UserId,
///     consent::{
///         Category, Choices, ConsentRules, Decision, DecisionContext, DecisionMethod, Jurisdiction, Notice, Purpose,
///         PurposeId, Purposes, Subject,
///     },
///     store::MemoryStore,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let analytics =
///     Purpose::new(PurposeId::ANALYTICS, Category::Analytics).expiry(Duration::from_secs(180 * 86_400));
/// let rules = ConsentRules::new(Purposes::builder().purpose(analytics).build()?)
///     .notice(Notice::new(PurposeId::ANALYTICS, 1, "en", "We count which pages are read.")?);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
/// let consents = guestbook.consents().expect("consent is configured");
///
/// // An employee reads the notice to Ada on the phone, and records what she says.
/// let ada = Subject::User(UserId::try_from("ada")?);
/// let prompt = consents.prompt(Some(&ada), "en", &Jurisdiction::default()).await?;
/// let choices = Choices::new(DecisionMethod::Custom)
///     .grant(PurposeId::ANALYTICS)
///     .notice(prompt.snapshot)
///     .source("telephone")
///     .actor("support");
/// consents.decide(&ada, choices, &DecisionContext::default()).await?;
///
/// // Withdrawing needs no notice.
/// let states = consents.withdraw(&ada, PurposeId::ANALYTICS, &DecisionContext::default()).await?;
/// assert_eq!(states.get(&PurposeId::ANALYTICS).unwrap().decision, Decision::Withdrawn);
///
/// // Both records remain, and the grant names the text that was read.
/// let history = consents.history(&ada, 10, None).await?;
/// assert_eq!(history.len(), 2);
/// let notice = consents.notice(history[1].proof.notice.unwrap()).await?.unwrap();
/// assert_eq!(notice.text(), "We count which pages are read.");
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

/// The number of records in a receipt.
const RECEIPT_RECORDS: usize = 10_000;

impl Consents {
    /// Returns whether `other` is a handle to the same service.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn new(runtime: Runtime, profiles: Profiles, settings: ConsentSettings) -> Self {
        let (secret, notices) = (OnceCell::new(), OnceCell::new());
        let limits = VisitorLimits::new(settings.visitor_limit, settings.network_limit);
        Self { inner: Arc::new(Inner { runtime, profiles, settings, secret, notices, limits }) }
    }

    /// Returns the declared purposes.
    pub fn purposes(&self) -> &Purposes {
        &self.inner.settings.purposes
    }

    /// Returns the consent states of the subject.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn consent_states(&self, subject: &Subject) -> Result<ConsentStates> {
        Ok(self.inner.profiles.load(subject).await?.profile().consents.clone())
    }

    /// Records decisions, all or none, and returns the states after them.
    ///
    /// The records are stored when this returns, and this process obeys them from then on. A grant
    /// needs the snapshot of a [prompt](Self::prompt), unless it is an
    /// [import](DecisionMethod::Import) or
    /// [`accept_grants_without_notice`](crate::consent::ConsentRules::accept_grants_without_notice)
    /// is set. A refusal needs none; an outdated one is ignored. On an error nothing is stored.
    ///
    /// # Errors
    ///
    /// - [`InvalidInput`](ErrorKind::InvalidInput): there is no choice; a purpose is undeclared,
    ///   necessary or named twice; or the choices contradict their method.
    /// - [`Conflict`](ErrorKind::Conflict): a grant has no snapshot, or one that was made for
    ///   another subject, has expired or shows a notice that is no longer current.
    /// - [`Ended`](ErrorKind::Ended): the subject is a visitor who has logged in since.
    /// - The errors of the store.
    pub async fn decide(
        &self,
        subject: &Subject,
        choices: Choices,
        decision_context: &DecisionContext,
    ) -> Result<ConsentStates> {
        let consent_states = self.cached_states(subject).await?;
        self.decide_from(subject, choices, decision_context, &consent_states).await
    }

    /// Returns the states of the subject from the cache, if they are there.
    pub(crate) async fn cached_states(&self, subject: &Subject) -> Result<ConsentStates> {
        Ok(self.inner.profiles.find(subject).await?.profile().consents.clone())
    }

    /// As [`decide`](Self::decide), for a subject whose current states are known.
    pub(crate) async fn decide_from(
        &self,
        subject: &Subject,
        choices: Choices,
        decision_context: &DecisionContext,
        consent_states: &ConsentStates,
    ) -> Result<ConsentStates> {
        // Before the snapshot is verified: wrong input is reported first.
        self.check(&choices, decision_context)?;
        let has_grant = choices.made.iter().any(|(_, choice)| *choice == Choice::Decision(Decision::Granted));
        let shown = match &choices.snapshot {
            Some(text) => match NoticeSnapshot::verify(text, self.secret().await?, subject, consent_states, self.now())
            {
                Ok(shown) => Some(shown),
                Err(error) if has_grant => return Err(error),
                // Refusing is as easy as agreeing, however old the form (GDPR, Article 7(3)).
                Err(_) => None,
            },
            None => None,
        };
        let records = self.records(subject, &choices, shown.as_ref(), decision_context, consent_states)?;
        // A refusal may refer to no notice, and must not fail because of one.
        if records.iter().any(|record| record.proof.notice.is_some()) {
            self.publish_notices().await?;
        }
        self.record(subject, records).await
    }

    /// Withdraws a grant, or objects to a purpose that needs none. Returns the states after that.
    /// No notice is needed.
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

    /// Returns the newest `limit` records of the subject and of visitors that were linked to it,
    /// newest first.
    ///
    /// `before` continues a previous page: only records that were stored before this one are
    /// returned.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn history(
        &self,
        subject: &Subject,
        limit: usize,
        before: Option<ConsentId>,
    ) -> Result<Vec<ConsentRecord>> {
        self.inner.runtime.tasks.within(self.inner.runtime.store.consent_history(subject.clone(), limit, before)).await
    }

    /// Returns a receipt of the subject's decisions, with the newest 10,000 records.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn receipt(&self, subject: &Subject) -> Result<Receipt> {
        let history = self.history(subject, RECEIPT_RECORDS, None).await?;
        let (id, settings) = (ConsentId::generate(self.now())?, &self.inner.settings);
        let controller = settings.controller.as_ref();
        Ok(Receipt::new(id, self.now(), subject.clone(), controller, &settings.purposes, &history))
    }

    /// Rebuilds the consent states of all subjects from the records. Returns the number of subjects
    /// whose states were wrong: 0 unless another program wrote to the store.
    ///
    /// It reads all records, blocks other writes meanwhile, and is not subject to the store
    /// timeout.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn rebuild(&self) -> Result<u64> {
        self.inner.runtime.store.rebuild_consents().await
    }

    /// Returns the states of all purposes for a subject with this profile.
    pub(crate) fn purpose_states(&self, profile: &ProfileState, inputs: VerdictInputs) -> Vec<PurposeState> {
        let state = |(id, purpose): (&PurposeId, &Purpose)| PurposeState {
            id: id.clone(),
            notice_version: purpose.version(),
            verdict: self.verdict(id, profile, inputs).expect("it comes from the declared purposes"),
            consent_state: profile.cached().and_then(|cached| cached.profile().consents.get(id).copied()),
        };
        self.purposes().iter().map(state).collect()
    }

    /// Stores records of another system, which are already checked.
    pub(crate) async fn import_records(&self, subject: &Subject, records: Vec<ConsentRecord>) -> Result<()> {
        self.record(subject, records).await.map(drop)
    }

    /// Whether the choices only refuse, and one of them ends processing: of a purpose that is granted,
    /// or allowed until the visitor objects. That is as easy as a grant (GDPR, Articles 7(3) and 21).
    fn ends_processing(&self, choices: &Choices, consent_states: &ConsentStates) -> bool {
        let is_no = |choice: &Choice| *choice != Choice::Decision(Decision::Granted);
        let is_allowed = |id: &PurposeId| match consent_states.get(id) {
            Some(state) => !state.decision.is_no(),
            None => self.purposes().get(id).is_some_and(|purpose| {
                let modes = [Regime::Strictest, Regime::OptOut].map(|regime| purpose.mode_under(regime));
                modes.iter().any(|mode| matches!(mode, Mode::ExemptWithObjection | Mode::OptOut))
            }),
        };
        choices.made.iter().all(|(_, choice)| is_no(choice)) && choices.made.iter().any(|(id, _)| is_allowed(id))
    }

    /// Reserves one decision of a visitor within the limits; `None` is a visitor who has decided
    /// nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] if a limit is exhausted.
    pub(crate) fn reserve_decision(
        &self,
        visitor: Option<VisitorId>,
        network: Option<TruncatedAddress>,
        choices: &Choices,
        consent_states: &ConsentStates,
    ) -> Result<Option<DecisionPermit>> {
        if self.ends_processing(choices, consent_states) {
            return Ok(None);
        }
        self.inner.limits.reserve(visitor, network.filter(TruncatedAddress::is_public), self.now())
    }

    /// Links a visitor to the user that they log in as. The token of the visitor is invalid
    /// afterwards.
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

    /// Records `Sec-GPC: 1` for a logged-in user, once and in the background.
    pub(crate) fn record_gpc(
        &self,
        subject: &Subject,
        consent_states: &ConsentStates,
        decision_context: impl FnOnce() -> DecisionContext,
    ) {
        let is_new =
            |id: &PurposeId| consent_states.get(id).is_none_or(|now| !now.decision.is_no() && !now.gpc_present);
        let sold = self.purposes().iter().filter(|(id, purpose)| {
            purpose.is_sold_or_shared() && purpose.mode_under(Regime::Strictest) != Mode::Necessary && is_new(id)
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
                        tracing::warn!(%error, "cannot record Sec-GPC for a user; the next request tries again");
                    }
                });
            }
            Err(error) => tracing::error!(%error, "cannot record Sec-GPC for a user"),
        }
    }

    /// Returns the verdict on the purpose `id` for a subject with this profile; `None` if it is not
    /// declared.
    pub(crate) fn verdict(&self, id: &PurposeId, profile: &ProfileState, inputs: VerdictInputs) -> Option<Verdict> {
        let VerdictInputs { signals, regime, at } = inputs;
        let purpose = self.purposes().get(id)?;
        let (consent_state, signals) = match profile {
            ProfileState::Empty => (None, signals),
            ProfileState::Profile(cached) => {
                let profile = cached.profile();
                (profile.consents.get(id), signals.with_restriction(profile.restriction.is_some()))
            }
            ProfileState::Unavailable => return Some(Verdict::unavailable(purpose, regime)),
        };
        Some(resolve(purpose, consent_state, signals, regime, at))
    }

    pub(crate) fn settings(&self) -> &ConsentSettings {
        &self.inner.settings
    }

    /// Returns the inputs of a verdict outside a request.
    pub(crate) fn verdict_inputs(&self) -> VerdictInputs {
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

    async fn secret(&self) -> Result<&[u8; 32]> {
        self.inner
            .secret
            .get_or_try_init(|| self.inner.runtime.tasks.within(self.inner.runtime.store.signing_secret()))
            .await
    }
}

impl fmt::Debug for Consents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consents").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
