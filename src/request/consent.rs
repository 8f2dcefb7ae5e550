//! [`Consent`]: the decisions of the person who sends a request, for handlers.

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

/// The decisions of the person who sends a request. Clones are handles to the same request.
///
/// An extractor of axum, or [`from_extensions`](Self::from_extensions). Decisions are loaded with
/// the session, before the handler runs: [`allows`](Self::allows) is synchronous, takes about 50 ns
/// and never fails. Verdicts are as of the arrival of the request; decisions of the request itself
/// count at once. Reading a verdict makes the response depend on it: it gets `Vary: Sec-GPC,
/// Cookie` and `Cache-Control: private`.
///
/// If the store is unavailable, only necessary purposes are allowed.
///
/// # Visitors
///
/// A person who is not logged in decides as a visitor. The first decision sets a cookie with a
/// random token, which identifies the visitor. The decisions themselves are only in the store: a
/// cookie that is replayed, or that arrives late in a parallel response, cannot bring back a
/// withdrawn consent.
///
/// At login the user takes over the refusals of the visitor
/// ([`MergePolicy`](crate::consent::MergePolicy)), the cookie is removed, and its token is invalid
/// afterwards. After a logout the browser is a new visitor: an objection that the user made as a
/// visitor is the account's now, and purposes that need no consent are allowed again in this
/// browser until somebody objects there. If a browser sends its first two
/// decisions in parallel, each creates a visitor and the browser keeps one of them: send the
/// decisions one after the other, or as one.
///
/// # Examples
///
/// A whole consent banner: the page shows it while [`needs_prompt`](Self::needs_prompt), the prompt
/// delivers the notice and its snapshot, and the decision returns the snapshot as proof of what was
/// shown.
///
/// ```
/// use std::time::Duration;
/// use axum::{Json, Router, body::{Body, to_bytes}, routing::get};
/// use http::{HeaderMap, Request, header};
/// use serde::Deserialize;
/// use serde_json::{Value, json};
/// use tower::ServiceExt;
/// use tower_guestbook::{
///     Consent, Guestbook,
///     consent::{
///         Category, Choices, ConsentPrompt, ConsentRules, DecisionMethod, Notice, Purpose, PurposeId, Purposes,
///     },
///     store::MemoryStore,
/// };
///
/// async fn page(consent: Consent) -> &'static str {
///     match (consent.allows(PurposeId::MARKETING), consent.needs_prompt()) {
///         (true, _) => "the page with advertisements",
///         (false, true) => "the page with the consent banner",
///         (false, false) => "the page",
///     }
/// }
///
/// /// The content of the banner: purposes, notices and the snapshot, as JSON.
/// async fn prompt(consent: Consent, headers: HeaderMap) -> tower_guestbook::Result<Json<ConsentPrompt>> {
///     let languages = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
///     Ok(Json(consent.prompt(languages.unwrap_or_default()).await?))
/// }
///
/// /// What the form of the banner sends.
/// #[derive(Deserialize)]
/// struct Answer {
///     marketing: bool,
///     snapshot: String,
/// }
///
/// async fn decide(consent: Consent, Json(answer): Json<Answer>) -> tower_guestbook::Result<()> {
///     let choices = Choices::new(DecisionMethod::Custom).notice(answer.snapshot).source("banner");
///     let choices = match answer.marketing {
///         true => choices.grant(PurposeId::MARKETING),
///         false => choices.decline(PurposeId::MARKETING),
///     };
///     consent.decide(choices).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let marketing =
///     Purpose::new(PurposeId::MARKETING, Category::Marketing).expiry(Duration::from_secs(180 * 86_400));
/// let rules = ConsentRules::new(Purposes::builder().purpose(marketing).build()?)
///     .notice(Notice::new(PurposeId::MARKETING, 1, "en", "We show you advertisements that fit you.")?);
/// let guestbook = Guestbook::builder(MemoryStore::new()).consent(rules).build()?;
/// let app: Router = Router::new()
///     .route("/", get(page))
///     .route("/consent", get(prompt).post(decide))
///     .layer(guestbook.layer());
///
/// # let text = async |response: http::Response<Body>| {
/// #     to_bytes(response.into_body(), 10_000).await.unwrap()
/// # };
/// // The first page has the banner.
/// let first = app.clone().oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(text(first).await, "the page with the consent banner");
///
/// // The banner shows the notice.
/// let shown = app.clone().oneshot(Request::get("/consent").body(Body::empty()).unwrap()).await.unwrap();
/// let banner: Value = serde_json::from_slice(&text(shown).await).unwrap();
/// assert_eq!(banner["purposes"][0]["notice"]["text"], "We show you advertisements that fit you.");
///
/// // The form returns the answer and the snapshot, and the response identifies the visitor.
/// let answer = json!({ "marketing": true, "snapshot": banner["snapshot"] });
/// let request = Request::post("/consent").header(header::CONTENT_TYPE, "application/json");
/// let decided = app.clone().oneshot(request.body(Body::from(answer.to_string())).unwrap()).await.unwrap();
/// assert!(decided.status().is_success());
/// let cookie = decided.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
/// assert!(cookie.starts_with("__Host-consent="));
///
/// // The purpose is allowed from now on.
/// let request = Request::get("/").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
/// assert_eq!(text(app.oneshot(request).await.unwrap()).await, "the page with advertisements");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Consent {
    context: RequestContext,
}

/// The effect of `Sec-GPC: 1` on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GlobalPrivacyControl {
    /// The browser did not send the signal.
    NotSent,
    /// No purpose that sells or shares data is allowed.
    Honoured,
    /// The person has granted a purpose that sells or shares data while the browser sent the
    /// signal.
    Overridden,
}

impl Consent {
    pub(super) fn new(context: RequestContext) -> Self {
        Self { context }
    }

    /// Returns the consent of the request with these extensions; `None` if it did not pass the
    /// session layer of a guestbook with [consent](crate::GuestbookBuilder::consent).
    pub fn from_extensions(extensions: &http::Extensions) -> Option<Self> {
        extensions.get::<RequestContext>().and_then(RequestContext::consent)
    }

    /// Returns whether this purpose is allowed now. A purpose that is not declared is never
    /// allowed.
    pub fn allows(&self, purpose: impl Into<PurposeId>) -> bool {
        self.verdict(purpose).is_some_and(Verdict::is_allowed)
    }

    /// Returns whether this purpose is allowed now, and why; `None` if it is not declared.
    pub fn verdict(&self, purpose: impl Into<PurposeId>) -> Option<Verdict> {
        self.context.mark(CONSENT_READ);
        self.context.verdict(&purpose.into())
    }

    /// Checks that this purpose is allowed, for use with `?`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConsentRequired`] if it is not allowed or not declared;
    /// [`ErrorKind::Unavailable`] if the store is unavailable.
    pub fn require(&self, purpose: impl Into<PurposeId>) -> Result<()> {
        let purpose = purpose.into();
        if self.allows(&purpose) {
            return Ok(());
        }
        match self.context.state().profile {
            ProfileState::Unavailable => Err(unavailable()),
            _ => Err(Error::new(ErrorKind::ConsentRequired, format!("purpose {:?} is not allowed", purpose.as_str()))),
        }
    }

    /// Returns the state of each purpose, in the order of declaration.
    pub fn states(&self) -> Vec<PurposeState> {
        self.context.mark(CONSENT_READ);
        let state = self.context.state();
        self.consents().purpose_states(&state.profile, self.context.verdict_inputs())
    }

    /// Returns whether to show the consent banner: there is a purpose that the person has not
    /// decided about and that a decision would change.
    pub fn needs_prompt(&self) -> bool {
        self.states().iter().any(|state| state.verdict.needs_prompt())
    }

    /// Returns the declared purposes.
    pub fn purposes(&self) -> &Purposes {
        self.consents().purposes()
    }

    /// Returns the effect of `Sec-GPC`, which some laws require to be displayed (CCPA regulations,
    /// section 7025(c)(6)).
    pub fn global_privacy_control(&self) -> GlobalPrivacyControl {
        if !self.signals().gpc {
            return GlobalPrivacyControl::NotSent;
        }
        let sold = self.purposes().iter().filter(|(_, purpose)| purpose.is_sold_or_shared());
        let is_overridden = sold.into_iter().any(|(id, _)| self.allows(id));
        if is_overridden { GlobalPrivacyControl::Overridden } else { GlobalPrivacyControl::Honoured }
    }

    /// Returns the signals of the browser.
    pub fn signals(&self) -> Signals {
        self.context.mark(CONSENT_READ);
        self.context.inner.client.signals
    }

    /// Returns the law that applies to this request.
    pub fn jurisdiction(&self) -> &Jurisdiction {
        self.context.mark(CONSENT_READ);
        &self.context.inner.client.jurisdiction
    }

    /// Returns the user or the visitor; `None` for a visitor who has decided nothing.
    pub fn subject(&self) -> Option<Subject> {
        self.context.mark(CONSENT_READ);
        let user = self.context.who().0.map(Subject::User);
        user.or_else(|| self.context.known_visitor().map(Subject::Visitor))
    }

    /// Returns the content of a consent banner, in the notice language that fits `accept_language`
    /// best.
    ///
    /// Only this person can answer the prompt: get a new one after a login. Visitors who have
    /// decided nothing cannot be told apart, so a prompt for one of them can be answered by any
    /// visitor who had decided nothing when it was made.
    ///
    /// # Errors
    ///
    /// As for [`Consents::prompt`].
    pub async fn prompt(&self, accept_language: &str) -> Result<ConsentPrompt> {
        self.consents().prompt(self.subject().as_ref(), accept_language, self.jurisdiction()).await
    }

    /// Records decisions, all or none.
    ///
    /// The records are stored when this returns, and the rest of the request obeys them. The first
    /// decision of a visitor sets a cookie. On an error nothing is stored.
    ///
    /// # Errors
    ///
    /// - Those of [`Consents::decide`].
    /// - [`ErrorKind::Unavailable`]: the session could not be loaded.
    /// - [`ErrorKind::Ended`]: the cookie of a new visitor cannot be set, because the head of the
    ///   response is sent.
    /// - [`ErrorKind::RateLimited`]: the visitor, or visitors of the same network, have made [too
    ///   many decisions](crate::consent::ConsentRules::visitor_decisions).
    pub async fn decide(&self, choices: Choices) -> Result<()> {
        if self.context.state().token_status == TokenStatus::Unavailable {
            // The person may be logged in.
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
                    // A login has invalidated the token in the meantime.
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

    /// Withdraws a grant, or objects to a purpose that needs none. No notice is needed.
    ///
    /// # Errors
    ///
    /// As for [`decide`](Self::decide).
    pub async fn withdraw(&self, purpose: impl Into<PurposeId>) -> Result<()> {
        self.decide(Choices::new(DecisionMethod::Custom).decline(purpose)).await
    }

    /// Returns the newest `limit` records of the person, newest first; with `before`, only records
    /// that were stored before it.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn history(&self, limit: usize, before: Option<ConsentId>) -> Result<Vec<ConsentRecord>> {
        match self.checked_subject()? {
            Some(subject) => self.consents().history(&subject, limit, before).await,
            None => Ok(Vec::new()),
        }
    }

    /// Returns a receipt of the person's decisions; `None` for a visitor who has decided nothing.
    ///
    /// # Errors
    ///
    /// The errors of the store.
    pub async fn receipt(&self) -> Result<Option<Receipt>> {
        match self.checked_subject()? {
            Some(subject) => self.consents().receipt(&subject).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the subject whose records may be shown: not a visitor whose token may be invalid.
    fn checked_subject(&self) -> Result<Option<Subject>> {
        match self.subject() {
            Some(Subject::Visitor(_)) if self.context.is_consent_unknown() => Err(unavailable()),
            subject => Ok(subject),
        }
    }

    /// Makes the rest of this request obey the new states.
    pub(crate) fn decided(&self, consents: ConsentStates) {
        let is_head_sent = self.context.inner.flags.load(Ordering::Acquire) & HEAD_SENT != 0;
        let mut state = self.context.state();
        let before = state.profile.cached().map(|cached| cached.profile().clone()).unwrap_or_default();
        let profile = Profile { consents, ..before };
        state.keep_initial_profile();
        state.profile = ProfileState::Profile(Arc::new(CachedProfile::alone(profile)));
        if let Some(visitor) = state.visitor.filter(|_| !is_head_sent && !state.is_logged_in()) {
            state.visitor_cookie = VisitorCookie::Set(visitor.token);
        }
        self.context.mark(CHANGED);
    }

    fn consents(&self) -> &Consents {
        self.context.inner.services.consents().expect("RequestContext::consent makes it only with consents")
    }
}

impl RequestContext {
    /// Returns the verdict on a purpose without making the response depend on it.
    pub(crate) fn verdict(&self, purpose: &PurposeId) -> Option<Verdict> {
        self.inner.services.consents()?.verdict(purpose, &self.state().profile, self.verdict_inputs())
    }

    /// Returns whether this request has made a decision, a login or a logout.
    pub(crate) fn has_changed_consent(&self) -> bool {
        self.state().at_arrival.is_some()
    }

    /// Returns whether a purpose was allowed when the request arrived and no longer is.
    pub(crate) fn has_lost(&self, purpose: &PurposeId) -> bool {
        let Some(consents) = self.inner.services.consents() else { return false };
        let state = self.state();
        let is_allowed =
            |profile| consents.verdict(purpose, profile, self.verdict_inputs()).is_some_and(Verdict::is_allowed);
        state.at_arrival.as_ref().is_some_and(is_allowed) && !is_allowed(&state.profile)
    }

    /// Returns the facts of this request that verdicts depend on.
    pub(crate) fn verdict_inputs(&self) -> VerdictInputs {
        let client = &self.inner.client;
        VerdictInputs { signals: client.signals, regime: client.jurisdiction.regime, at: client.arrived_at }
    }

    /// Returns the visitor of the cookie; `None` if the store has no decision of it or its token is
    /// invalid. Such a cookie may have been planted by an attacker, so a decision gets a new
    /// visitor.
    fn known_visitor(&self) -> Option<VisitorId> {
        let state = self.state();
        let has_decided = |cached: &Arc<CachedProfile>| !cached.profile().consents.is_empty();
        state.visitor.filter(|_| state.profile.cached().is_none_or(has_decided)).map(|visitor| visitor.id)
    }

    /// Returns whether the decisions are unknown because the store is unavailable.
    pub(crate) fn is_consent_unknown(&self) -> bool {
        matches!(self.state().profile, ProfileState::Unavailable)
    }

    /// Records `Sec-GPC: 1` for the logged-in user, because the signal then holds for the user as
    /// well.
    pub(crate) fn record_gpc(&self) {
        let (Some(consents), Some(user)) = (self.inner.services.consents(), self.who().0) else { return };
        let profile = self.state().profile.cached().cloned();
        if let Some(profile) = profile {
            consents.record_gpc(&user.into(), &profile.profile().consents, || self.decision_context());
        }
    }

    /// Returns the target of the request, as the session layer saw it.
    pub(crate) fn target(&self) -> Option<&PathAndQuery> {
        self.inner.client.target.as_ref()
    }

    /// Returns whether gates must refuse the place of the request.
    pub(crate) fn is_blocked(&self) -> bool {
        self.inner.client.jurisdiction.is_blocked
    }

    /// Makes the response depend on the decisions.
    pub(crate) fn depends_on_consent(&self) {
        self.mark(CONSENT_READ);
    }

    /// Returns what is recorded of this request with a decision.
    pub(crate) fn decision_context(&self) -> DecisionContext {
        let client = &self.inner.client;
        let agent = client.user_agent.as_ref().map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let (user, session) = self.who();
        DecisionContext {
            signals: client.signals,
            jurisdiction: client.jurisdiction.clone(),
            // The session of a visitor would link activity before the login to the user.
            session: session.filter(|_| user.is_some()),
            network: client.address.map(TruncatedAddress::from),
            agent: agent.map(|agent| Agent::from_user_agent(&agent)),
        }
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").field("context", &self.context).finish()
    }
}
