//! [`Consent`]: what a handler does with the decisions of its guest.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use http::uri::PathAndQuery;
use serde::Serialize;

use super::{CHANGED, CONSENT_READ, HEAD_SENT, RequestContext, TokenStatus, Visitor, VisitorCookie, unavailable};
use crate::{
    engine::{
        consents::{ConsentPrompt, Consents, DecisionPermit, PurposeState, Receipt, VerdictInputs},
        profiles::{CachedProfile, ProfileState},
    },
    error::{Error, ErrorKind, Result},
    id::{VisitorId, VisitorToken},
    model::{
        client::{Agent, TruncatedAddress},
        consent::{
            Choices, ConsentId, ConsentRecord, ConsentStates, DecisionContext, DecisionMethod, Jurisdiction, PurposeId,
            Purposes, Signals, Subject, Verdict,
        },
    },
    store::Profile,
};

/// What the guest of a request has agreed to. A clone is another handle to the same.
///
/// The decisions were loaded with the session, before the handler runs: asking is synchronous, some
/// 50 ns, and never fails. They hold as of the arrival of the request; what this request itself
/// decides counts at once. Whoever asks makes the response depend on it: it gets `Vary: Sec-GPC,
/// Cookie` and `Cache-Control: private`.
///
/// Somebody who is not logged in decides as a visitor; the first decision sets a cookie with a
/// random id, by which the decisions are found again. The decisions themselves are in the store
/// only: a cookie that is played back, or overtaken by the response to a parallel request, cannot
/// bring back what was withdrawn.
///
/// At login the account takes over the visitor's refusals
/// ([`MergePolicy`](crate::consent::MergePolicy)), the cookie is removed and its secret is used up:
/// whoever presents it afterwards is a new visitor. After a logout the browser is a new visitor,
/// too. Two first decisions that a browser sends at the same time are two visitors', of whom it
/// keeps one: send them one after the other, or as one.
///
/// If the store cannot be asked, only what is necessary is allowed.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, http::StatusCode, routing::{get, post}};
/// use tower_guestbook::{
///     Consent, Guestbook,
///     consent::{Category, Choices, ConsentRules, DecisionMethod, Purpose, PurposeId, Purposes},
///     store::MemoryStore,
/// };
///
/// async fn page(consent: Consent) -> &'static str {
///     if consent.allows(PurposeId::MARKETING) { "with a banner" } else { "without a banner" }
/// }
/// async fn agree(consent: Consent) -> tower_guestbook::Result<StatusCode> {
///     // `snapshot` comes back with the form that showed the notice: see `Consent::offer`.
///     let snapshot = consent.prompt("en").await?.snapshot;
///     let choices = Choices::new(DecisionMethod::Custom).grant(PurposeId::MARKETING).notice(snapshot);
///     consent.decide(choices).await?;
///     Ok(StatusCode::NO_CONTENT)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let marketing = Purpose::new("marketing", Category::Marketing).expiry(Duration::from_secs(180 * 86_400));
/// let rules = ConsentRules::new(Purposes::builder().purpose(marketing).build()?);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
/// let app: Router = Router::new().route("/", get(page)).route("/agree", post(agree)).layer(guestbook.layer());
/// # use tower::ServiceExt;
/// # let request = http::Request::post("/agree").body(axum::body::Body::empty()).unwrap();
/// # let response = app.clone().oneshot(request).await.unwrap();
/// # assert_eq!(response.status(), StatusCode::NO_CONTENT);
/// # let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
/// # assert!(cookie.starts_with("__Host-consent="));
/// # let request = http::Request::get("/").header("cookie", cookie).body(axum::body::Body::empty()).unwrap();
/// # let body = app.oneshot(request).await.unwrap().into_body();
/// # assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "with a banner");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Consent {
    context: RequestContext,
}

/// What became of `Sec-GPC: 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GlobalPrivacyControl {
    /// The browser did not send it.
    NotSent,
    /// Nothing is sold or shared.
    Honoured,
    /// The guest has agreed to a purpose that sells or shares while the browser sent it.
    Overridden,
}

impl Consent {
    pub(super) fn new(context: RequestContext) -> Self {
        Self { context }
    }

    /// The decisions of the request with these extensions; `None` if it did not come through the
    /// session layer of a guestbook with consent.
    pub fn from_extensions(extensions: &http::Extensions) -> Option<Self> {
        extensions.get::<RequestContext>().and_then(RequestContext::consent)
    }

    /// Whether this purpose is allowed now. A purpose that is not declared is not.
    pub fn allows(&self, purpose: impl Into<PurposeId>) -> bool {
        self.verdict(purpose).is_some_and(Verdict::is_allowed)
    }

    /// Whether this purpose is allowed now, and why; `None` if it is not declared.
    pub fn verdict(&self, purpose: impl Into<PurposeId>) -> Option<Verdict> {
        self.context.mark(CONSENT_READ);
        self.context.verdict(&purpose.into())
    }

    /// As [`allows`](Self::allows), as an error for `?`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConsentRequired`] if it is not allowed, [`ErrorKind::Unavailable`] if the store
    /// could not be asked.
    pub fn require(&self, purpose: impl Into<PurposeId>) -> Result<()> {
        let purpose = purpose.into();
        if self.allows(&purpose) {
            return Ok(());
        }
        match self.context.state().account {
            ProfileState::Unavailable => Err(unavailable()),
            _ => Err(Error::new(ErrorKind::ConsentRequired, format!("purpose {:?} is not allowed", purpose.as_str()))),
        }
    }

    /// Where each purpose stands, as they were declared.
    pub fn states(&self) -> Vec<PurposeState> {
        self.context.mark(CONSENT_READ);
        let state = self.context.state();
        self.consents().purpose_states(&state.account, self.context.verdict_inputs())
    }

    /// Whether there is a purpose that the guest has not decided about and that a decision would
    /// change: time to show the question.
    pub fn needs_prompt(&self) -> bool {
        self.states().iter().any(|state| state.verdict.needs_prompt())
    }

    /// The purposes that are declared.
    pub fn purposes(&self) -> &Purposes {
        self.consents().purposes()
    }

    /// What became of the browser's signal, which some laws want to be shown (CCPA, section
    /// 7025(c)(6)).
    pub fn global_privacy_control(&self) -> GlobalPrivacyControl {
        if !self.signals().gpc {
            return GlobalPrivacyControl::NotSent;
        }
        let sold = self.purposes().iter().filter(|(_, purpose)| purpose.is_sold_or_shared());
        let is_overridden = sold.into_iter().any(|(id, _)| self.allows(id));
        if is_overridden { GlobalPrivacyControl::Overridden } else { GlobalPrivacyControl::Honoured }
    }

    /// What the browser signals.
    pub fn signals(&self) -> Signals {
        self.context.mark(CONSENT_READ);
        self.context.inner.client.signals
    }

    /// The law that holds for this request.
    pub fn jurisdiction(&self) -> &Jurisdiction {
        self.context.mark(CONSENT_READ);
        &self.context.inner.client.jurisdiction
    }

    /// Whose decisions they are; `None` for a visitor who has decided nothing.
    pub fn subject(&self) -> Option<Subject> {
        self.context.mark(CONSENT_READ);
        let user = self.context.who().0.map(Subject::User);
        user.or_else(|| self.context.known_visitor().map(Subject::Visitor))
    }

    /// What to show to the guest, in a language that `accept_language` asks for. Only this guest
    /// can answer it: ask for it again after a login.
    ///
    /// Visitors who have decided nothing yet cannot be told apart. An offer to one of them can be
    /// answered by any visitor who had decided nothing when it was made.
    ///
    /// # Errors
    ///
    /// As for [`Consents::prompt`].
    pub async fn prompt(&self, accept_language: &str) -> Result<ConsentPrompt> {
        self.consents().prompt(self.subject().as_ref(), accept_language, self.jurisdiction()).await
    }

    /// Records decisions, all or none. They are stored when this returns, and the rest of this
    /// request obeys them. A visitor's first decision sets a cookie.
    ///
    /// # Errors
    ///
    /// As for [`Consents::decide`]; [`ErrorKind::Unavailable`] if the session could not be loaded;
    /// [`ErrorKind::Ended`] if the cookie of a new visitor can no longer be set, because the head
    /// of the response is out; [`ErrorKind::RateLimited`] if the visitor, or visitors of the same
    /// network, have decided [too often](crate::consent::ConsentRules::visitor_decisions).
    pub async fn decide(&self, choices: Choices) -> Result<()> {
        if self.context.state().token_status == TokenStatus::Unavailable {
            // Somebody may be logged in.
            return Err(unavailable());
        }
        let decision_context = self.context.decision_context();
        match self.subject() {
            Some(Subject::User(user)) => {
                let consent_states = self.consents().decide(&user.into(), choices, &decision_context).await?;
                self.decided(consent_states);
                return Ok(());
            }
            Some(Subject::Visitor(visitor)) => {
                match self.decide_as_visitor(visitor, choices.clone(), &decision_context).await {
                    // A login has used the token up since it was looked at.
                    Err(error) if error.kind() == ErrorKind::Ended => {}
                    decided => return decided,
                }
            }
            None => {}
        }
        self.context.check_can_start(false)?;
        let (visitor, nothing) = (Visitor::from(VisitorToken::generate()?), ConsentStates::default());
        let taken = self.consents().reserve_decision(None, decision_context.network, &choices, &nothing)?;
        let consent_states =
            self.consents().decide_from(&visitor.id.into(), choices, &decision_context, &nothing).await?;
        taken.into_iter().for_each(DecisionPermit::commit);
        self.context.state().visitor = Some(visitor);
        self.decided(consent_states);
        Ok(())
    }

    async fn decide_as_visitor(
        &self,
        visitor: VisitorId,
        choices: Choices,
        decision_context: &DecisionContext,
    ) -> Result<()> {
        let (consents, subject) = (self.consents(), Subject::Visitor(visitor));
        let before = consents.cached_states(&subject).await?;
        let taken = consents.reserve_decision(Some(visitor), decision_context.network, &choices, &before)?;
        let consent_states = consents.decide_from(&subject, choices, decision_context, &before).await?;
        if consent_states != before {
            taken.into_iter().for_each(DecisionPermit::commit);
        }
        self.decided(consent_states);
        Ok(())
    }

    /// Takes a grant back, or objects: [`decide`](Self::decide) with nothing but a no.
    ///
    /// # Errors
    ///
    /// As for [`decide`](Self::decide).
    pub async fn withdraw(&self, purpose: impl Into<PurposeId>) -> Result<()> {
        self.decide(Choices::new(DecisionMethod::Custom).decline(purpose)).await
    }

    /// The guest's decisions, the last first; at most `limit`, those before `before`.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn history(&self, limit: usize, before: Option<ConsentId>) -> Result<Vec<ConsentRecord>> {
        match self.checked_subject()? {
            Some(subject) => self.consents().history(&subject, limit, before).await,
            None => Ok(Vec::new()),
        }
    }

    /// A receipt of the guest's decisions; `None` for a visitor who has decided nothing.
    ///
    /// # Errors
    ///
    /// What the store reports.
    pub async fn receipt(&self) -> Result<Option<Receipt>> {
        match self.checked_subject()? {
            Some(subject) => self.consents().receipt(&subject).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whose records may be shown: not those of a visitor whose token may be used up.
    fn checked_subject(&self) -> Result<Option<Subject>> {
        match self.subject() {
            Some(Subject::Visitor(_)) if self.context.is_consent_unknown() => Err(unavailable()),
            subject => Ok(subject),
        }
    }

    /// The rest of this request obeys what was decided.
    pub(crate) fn decided(&self, consents: ConsentStates) {
        let is_head_sent = self.context.inner.flags.load(Ordering::Acquire) & HEAD_SENT != 0;
        let mut state = self.context.state();
        let before = state.account.account().map(|account| account.account().clone()).unwrap_or_default();
        let account = Profile { consents, ..before };
        state.keep_arrival();
        state.account = ProfileState::Profile(Arc::new(CachedProfile::alone(account)));
        if let Some(visitor) = state.visitor.filter(|_| !is_head_sent && !state.is_logged_in()) {
            state.visitor_cookie = VisitorCookie::Set(visitor.token);
        }
        self.context.mark(CHANGED);
    }

    fn consents(&self) -> &Consents {
        self.context.inner.services.consents().expect("a consent is made where there are consents")
    }
}

impl RequestContext {
    /// Whether this purpose is allowed now. The response does not depend on it.
    pub(crate) fn verdict(&self, purpose: &PurposeId) -> Option<Verdict> {
        self.inner.services.consents()?.verdict(purpose, &self.state().account, self.verdict_inputs())
    }

    /// Whether this request has decided something, or somebody has come or gone.
    pub(crate) fn has_changed_consent(&self) -> bool {
        self.state().at_arrival.is_some()
    }

    /// Whether a purpose was allowed when the request arrived, and is no longer.
    pub(crate) fn has_lost(&self, purpose: &PurposeId) -> bool {
        let Some(consents) = self.inner.services.consents() else { return false };
        let state = self.state();
        let is_allowed =
            |account| consents.verdict(purpose, account, self.verdict_inputs()).is_some_and(Verdict::is_allowed);
        state.at_arrival.as_ref().is_some_and(is_allowed) && !is_allowed(&state.account)
    }

    /// What of this request counts for a verdict.
    pub(crate) fn verdict_inputs(&self) -> VerdictInputs {
        let client = &self.inner.client;
        VerdictInputs { signals: client.signals, regime: client.jurisdiction.regime, at: client.arrived_at }
    }

    /// The visitor that the cookie names. `None` if nothing is stored of it, or its token is used
    /// up: somebody may have planted it, so a decision gets another.
    fn known_visitor(&self) -> Option<VisitorId> {
        let state = self.state();
        let has_decided = |account: &Arc<CachedProfile>| !account.account().consents.is_empty();
        state.visitor.filter(|_| state.account.account().is_none_or(has_decided)).map(|visitor| visitor.id)
    }

    /// Whether the store could not be asked what was decided.
    pub(crate) fn is_consent_unknown(&self) -> bool {
        matches!(self.state().account, ProfileState::Unavailable)
    }

    /// The browser of somebody who is logged in signals that their data must not be sold: that
    /// holds for the account as well.
    pub(crate) fn record_gpc(&self) {
        let (Some(consents), Some(user)) = (self.inner.services.consents(), self.who().0) else { return };
        let account = self.state().account.account().cloned();
        if let Some(account) = account {
            consents.record_gpc(&user.into(), &account.account().consents, || self.decision_context());
        }
    }

    /// What the client asked for.
    pub(crate) fn target(&self) -> Option<&PathAndQuery> {
        self.inner.client.target.as_ref()
    }

    /// Whether what is gated must not be served to the place where the request comes from.
    pub(crate) fn is_blocked(&self) -> bool {
        self.inner.client.jurisdiction.is_blocked
    }

    /// The response depends on what was decided.
    pub(crate) fn depends_on_consent(&self) {
        self.mark(CONSENT_READ);
    }

    pub(crate) fn decision_context(&self) -> DecisionContext {
        let client = &self.inner.client;
        let agent = client.user_agent.as_ref().map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let (user, session) = self.who();
        DecisionContext {
            signals: client.signals,
            jurisdiction: client.jurisdiction.clone(),
            // A visitor's session would tie what they did before a login to the account.
            session: session.filter(|_| user.is_some()),
            network: client.address.map(TruncatedAddress::from),
            agent: agent.map(|agent| Agent::from_user_agent(&agent)),
        }
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").field("visit", &self.context).finish()
    }
}
