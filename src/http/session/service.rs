//! [`SessionService`]: finds the session, calls the inner service.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use http::{Extensions, HeaderMap, Request, Response};
use tower_service::Service;

use super::{OnStoreError, SessionFuture, shared::Shared};
use crate::{
    engine::{
        profiles::ProfileState,
        sessions::{Finding, Usage},
    },
    error::Result,
    http::{Passive, RequestHead, ResponseBody, fetch_metadata::FetchMetadata, transport::Presented},
    id::{SessionToken, VisitorId},
    model::{
        consent::Subject,
        session::{SessionRecord, is_renewal_due},
    },
    request::{
        Client, Identity, Layers, RequestContext, RequestServices, TokenStatus, Tracker, Visitor, VisitorCookie,
    },
    time::Timestamp,
};

/// The service that [`SessionLayer`](super::SessionLayer) makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = SessionFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = &self.shared;
        let outer = request.extensions().get::<RequestContext>().cloned();
        if outer.is_some() && shared.is_nested(request.extensions_mut()) {
            return SessionFuture::pass(self.inner.call(request));
        }
        let mut arriving = shared.arriving(&request, outer);
        if let Some(identity) = shared.known(&mut arriving, request.headers()) {
            let context = shared.clone().receive(arriving, identity);
            request.extensions_mut().insert(context.clone());
            return SessionFuture::respond(self.inner.call(request), context);
        }
        arriving.fetch = FetchMetadata::of(request.headers());
        // The clone waits its turn; the service that was polled ready is the one to be called.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        SessionFuture::load(Box::pin(shared.clone().load(arriving)), request, ready)
    }
}

/// What a request says of who it is, before anybody was asked.
#[derive(Debug)]
struct Arriving {
    usage: Usage,
    client: Client,
    presented: Presented,
    visitor: Option<Visitor>,
    visitor_cookie: VisitorCookie,
    is_prefetch: bool,
    /// Those around this one.
    layers: Layers,
    /// Read where it counts only: for a cookie that is to be removed or renewed.
    fetch: FetchMetadata,
}

impl Arriving {
    fn visitor_id(&self) -> Option<VisitorId> {
        self.visitor.map(|visitor| visitor.id)
    }

    /// The token whose cookie is to be sent again with a new Max-Age.
    fn renewal(&self, record: &SessionRecord, token: &SessionToken, now: Timestamp) -> Option<SessionToken> {
        let is_due = !self.presented.by_header && !self.fetch.is_subresource && is_renewal_due(record, now);
        is_due.then(|| token.clone())
    }
}

impl Shared {
    /// Whether a session layer of this guestbook is outside: its request context is that of the
    /// request.
    fn is_nested(&self, extensions: &mut Extensions) -> bool {
        let own = RequestContext::find(extensions, |context| context.is_of(&self.sessions)).cloned();
        let Some(own) = own else { return false };
        if self.noticed.twice.take() {
            tracing::warn!("the session layer of a guestbook is applied twice: the inner one does nothing, remove it");
        }
        // Where the layer of another guestbook is between the two, the innermost counts all the
        // same.
        extensions.insert(own);
        true
    }

    /// Looks at the layers that the request has come through.
    #[inline]
    fn layers(&self, extensions: &Extensions, outer: Option<RequestContext>) -> Layers {
        let is_own = |tracker: &Tracker| tracker.is_of(&self.recorder);
        if extensions.get::<Tracker>().is_some_and(is_own) && self.noticed.activity_outside.take() {
            tracing::warn!(
                "the activity layer is outside the session layer, so it does not know who is there: use guestbook.layer(), or \
                 in axum add .layer(guestbook.session_layer()) after .layer(guestbook.activity_layer())"
            );
        }
        let Some(outer) = outer else { return Layers::default() };
        let layers = Layers::inside(outer, self.cookie_names());
        if layers.shares_cookie() && self.noticed.shared_cookie.take() {
            tracing::error!(
                names = ?self.cookie_names(),
                "two guestbooks on one request use the same name for a cookie, and log each other's users out: give one of \
                 them another name with SessionCookie::name() or ConsentRules::cookie_name()"
            );
        }
        layers
    }

    fn arriving<B>(&self, request: &Request<B>, outer: Option<RequestContext>) -> Arriving {
        let mut client = self.client.client(request);
        if client.address.is_none() && self.noticed.no_address.take() {
            tracing::warn!(
                "no address of a client is known, so limits by network do not hold and nothing records a network: in axum \
                 serve with into_make_service_with_connect_info::<SocketAddr>(), elsewhere put a PeerAddress into the \
                 request's extensions, and behind a proxy set GuestbookBuilder::client_address()"
            );
        }
        if self.keeps_targets.load(Ordering::Relaxed) {
            client.target = request.uri().path_and_query().cloned();
        }
        let headers = request.headers();
        let (mut visitor, mut visitor_cookie) = (None, VisitorCookie::Keep);
        let mut is_prefetch = false;
        if let Some(consent) = &self.consent {
            consent.read_request(RequestHead::of(request), &mut client);
            let (token, cookie) = consent.visitor(headers);
            (visitor, visitor_cookie) = (token.map(Visitor::from), cookie);
            is_prefetch = client.signals.gpc && headers.get("sec-purpose").is_some();
        }
        let presented = self.transport.presented(headers);
        if self.consent.is_some() || presented.tokens.iter().any(Option::is_some) {
            client.arrived_at = self.sessions.now();
        }
        let mut fetch = FetchMetadata::default();
        if presented.malformed || visitor_cookie == VisitorCookie::Remove {
            fetch = FetchMetadata::of(headers);
        }
        let layers = self.layers(request.extensions(), outer);
        let usage = self.usage(request);
        Arriving { usage, client, presented, visitor, visitor_cookie, is_prefetch, layers, fetch }
    }

    #[inline]
    fn usage<B>(&self, request: &Request<B>) -> Usage {
        let is_passive = Passive::is_in(request.extensions())
            || self.passive.as_ref().is_some_and(|is_passive| is_passive(RequestHead::of(request)));
        if is_passive { Usage::Passive } else { Usage::Counts }
    }

    /// Who it is, if that can be told without asking the store.
    #[inline]
    fn known(&self, arriving: &mut Arriving, headers: &HeaderMap) -> Option<Identity> {
        let (presented, now) = (&arriving.presented, arriving.client.arrived_at);
        let Some(first) = &presented.tokens[0] else {
            let another = presented.tokens.iter().any(Option::is_some);
            if another {
                return None;
            }
            let profile = self.known_account(arriving.visitor_id().map(Subject::Visitor), now)?;
            return Some(Identity { profile, ..Identity::anonymous(presented.without_session()) });
        };
        let key = first.key();
        let record = self.sessions.cached(&key, arriving.usage, now)?;
        let profile = match self.sessions.profiles() {
            Some(_) => self.known_account(subject(&record, arriving.visitor_id()), now)?,
            None => ProfileState::Empty,
        };
        let mut renewal = None;
        if is_renewal_due(&record, now) {
            arriving.fetch = FetchMetadata::of(headers);
            renewal = arriving.renewal(&record, first, now);
        }
        Some(Identity { session: Some((key, record)), renewal, profile, ..Identity::anonymous(TokenStatus::Live) })
    }

    /// What is known of somebody without asking the store; `None` if it has to be asked.
    fn known_account(&self, subject: Option<Subject>, now: Timestamp) -> Option<ProfileState> {
        match (self.sessions.profiles(), subject) {
            (Some(profiles), Some(subject)) => profiles.cached(&subject, now).map(ProfileState::Profile),
            _ => Some(ProfileState::Empty),
        }
    }

    /// Who it is, after asking the store for each token until one is live.
    async fn load(self: Arc<Self>, arriving: Arriving) -> Result<RequestContext> {
        let mut identity = self.find(&arriving).await?;
        if let (ProfileState::Empty, Some(visitor), Some(profiles)) =
            (&identity.profile, arriving.visitor_id(), self.sessions.profiles())
            && identity.session.is_none()
        {
            identity.profile = match profiles.find(&Subject::Visitor(visitor)).await {
                Ok(profile) => ProfileState::Profile(profile),
                Err(error) => {
                    tracing::error!(%error, "a visitor's decisions could not be loaded: nothing optional is allowed");
                    ProfileState::Unavailable
                }
            };
        }
        Ok(self.receive(arriving, identity))
    }

    async fn find(&self, arriving: &Arriving) -> Result<Identity> {
        let presented = &arriving.presented;
        let mut token_status = presented.without_session();
        let (mut is_of_another_realm, mut stale) = (false, None);
        for token in presented.tokens.iter().flatten() {
            let key = token.key();
            let found = match self.sessions.find(&key, arriving.usage, arriving.visitor_id()).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(%error, "a session could not be loaded");
                    return match self.on_store_error {
                        OnStoreError::Refuse => Err(error),
                        OnStoreError::ContinueWithoutSession => Ok(Identity {
                            profile: ProfileState::Unavailable,
                            ..Identity::anonymous(TokenStatus::Unavailable)
                        }),
                    };
                }
            };
            match found.finding {
                Finding::Live(record) => {
                    let renewal = arriving.renewal(&record, token, self.sessions.now());
                    let profile = found.profile.map_or(ProfileState::Empty, ProfileState::Profile);
                    let session = Some((key, record));
                    return Ok(Identity { session, renewal, profile, ..Identity::anonymous(TokenStatus::Live) });
                }
                Finding::Ended { logged_in } => {
                    let before = token_status == TokenStatus::JustEnded { logged_in: true };
                    token_status = TokenStatus::JustEnded { logged_in: logged_in || before };
                }
                // The cookie may be another guestbook's.
                Finding::OtherRealm => is_of_another_realm = true,
                Finding::Expired | Finding::Unknown if matches!(token_status, TokenStatus::JustEnded { .. }) => {}
                Finding::Expired | Finding::Unknown => {
                    token_status = TokenStatus::Invalid;
                    stale = stale.or_else(|| Some(Box::new(key)));
                }
            }
        }
        if (presented.by_header || is_of_another_realm) && token_status == TokenStatus::Invalid {
            // There is no cookie to remove.
            token_status = TokenStatus::Unknown;
        }
        Ok(Identity { stale, ..Identity::anonymous(token_status) })
    }

    /// Makes the request context once the identity is known.
    #[inline]
    fn receive(self: Arc<Self>, arriving: Arriving, identity: Identity) -> RequestContext {
        let Arriving { client, visitor, visitor_cookie, is_prefetch, layers, fetch, .. } = arriving;
        // A late answer must not take away a cookie that the browser has got since: a script's
        // answer removes none.
        let may_remove = fetch.is_top_level_navigation;
        let removal_due = may_remove && identity.token_status == TokenStatus::Invalid;
        let visitor_cookie = if may_remove { visitor_cookie } else { VisitorCookie::Keep };
        // What nobody has seen yet is not recorded.
        let has_signal = client.signals.gpc && !is_prefetch;
        let context =
            RequestContext::new(self, client, Identity { visitor, visitor_cookie, removal_due, ..identity }, layers);
        if has_signal {
            context.record_gpc();
        }
        context
    }
}

/// Whose account belongs to a session.
fn subject(record: &SessionRecord, visitor: Option<VisitorId>) -> Option<Subject> {
    record.head.user.clone().map(Subject::User).or(visitor.map(Subject::Visitor))
}
