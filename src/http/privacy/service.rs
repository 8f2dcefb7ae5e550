//! [`PrivacyService`].

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ErasureService, ExportService, PrivacyBody, PrivacyFuture,
    answer::{Refusal, without_body},
    endpoint::Endpoint,
    handlers::handle,
    limiter::Weight,
    problems,
    rules::PrivacyRules,
    shared::{own_context, problem},
    throttle::Throttle,
    user_request::{ServiceState, UserRequest},
};
use crate::{
    engine::{audit::AuditTrail, consents::Consents},
    http::{CrossOriginGuard, CrossOriginGuardFuture, ResponseBody, RouteTemplate, problem::Problem},
    id::UserId,
    model::privacy::Actor,
    request::{RequestContext, Session},
    time::Clock,
};

/// Answers whatever a user may ask about their own data, below one prefix. Made by
/// [`Guestbook::privacy_service`](crate::Guestbook::privacy_service); it goes inside the session layer. For axum there is
/// `Guestbook::privacy_router`, feature `axum`, with the same paths.
///
/// | path | methods | what | GDPR |
/// |---|---|---|---|
/// | `/export` | `GET` | a copy of the data: [`ExportService`] | 15, 20 |
/// | `/delete` | `DELETE`, `POST` | erases at once: [`ErasureService`], which also says to a `GET` with `?erasure=` how far that is | 17 |
/// | `/requests` | `GET` | the user's requests, the first received first | 12 |
/// | `/requests/{kind}` | `GET`, `POST` | those of a kind; files one, with a `message` if there is something to say. 201, or 200 with the one that is open | 12 |
/// | `/requests/{id}` | `GET`, `DELETE` | one of them; takes it back | 12, 17 |
/// | `/requests/{id}/confirmation` | `POST` | confirms an erasure with its `token` | 17 |
/// | `/restriction` | `GET`, `POST`, `DELETE` | what restricts processing; restricts it, for a `reason`; lifts that | 18 |
/// | `/objection` | `GET` | the purposes to which the user objects | 21 |
/// | `/objection/{purpose}` | `POST`, `DELETE` | objects; [takes that back](crate::privacy::Rights::withdraw_objection) | 21 |
/// | `/rectification` | `PATCH` | corrects `preferences` and `sources`: [`Rights::rectify`] | 16 |
/// | `/consent` | `GET`, `POST` | where each purpose stands and what to show; decides `choices` by a `method`, with a `notice` | 7 |
/// | `/consent/receipt` | `GET` | a [receipt](crate::consent::Receipt) | 7(1) |
/// | `/consent/{purpose}` | `DELETE` | withdraws | 7(3) |
/// | `/audit` | `GET` | what was done with the user's data, the first first, and by what kind of actor | 5(2), 15 |
///
/// All of it is about whoever is logged in: nobody can name a user, and what is another's does not exist. `HEAD` is answered like
/// `GET`, but for the export. Lists have at most 200 entries (`limit`), and say in `next` what to send as `after` for the next page.
///
/// # What users may do
///
/// - A **restriction** is the user's right: they may set one for each reason of Article 18(1), `accuracy` (the default), `unlawful`,
///   `claims` and `objection_pending`, and lift it, whoever has set it. An operator who must keep something places a [hold](Rights::place_hold). While
///   a confirmed erasure is waiting, its restriction can be neither replaced nor lifted (409): cancel the request.
/// - An **erasure** that is filed waits for a person; with [`PrivacyRules::confirm_erasures_by`] the user gets a token and confirms by themselves.
/// - **Corrected** are preferences, and the sources that [`PrivacyRules::correctable_sources`] names.
/// - **Consent** without a login is the application's own page: see [`Consent`](crate::Consent).
///
/// # When it says no
///
/// Each refusal is `application/problem+json` (RFC 9457), and changes nothing; but what a rectification has corrected before a source
/// refused stays so, and after a 503 with `outcome` it is not known.
///
/// | status | when |
/// |---|---|
/// | 400 | a parameter, or a kind in the path, is wrong (`field` names it); the body is no JSON object, or a name stands in it twice |
/// | 401 | nobody is logged in; to be erased and to confirm that: the last login is too long ago |
/// | 403 | the request would change something and comes from another origin; the token is not right |
/// | 404 | there is nothing here, or nothing of the user's |
/// | 405 | not with this method; `Allow` lists the others |
/// | 406 | the export has no such format |
/// | 408, 413, 415 | a body takes more than 10 seconds; has more than 64 KiB, or what would be stored is too large; is not `application/json` |
/// | 409 | it cannot be done in this state, or a parallel change came first; a yes without the notice that was shown |
/// | 422 | a member of the body is wrong, or unknown: `field` names it |
/// | 429 | the user has asked too often, and `Retry-After` says for how long to wait; another export of theirs is under way |
/// | 500, 503, 507 | the store fails, by the [kind](crate::ErrorKind::status) of its error; 503 also if the sender of tokens fails. With the member `outcome`, `unknown`, the answer was late: the change may have been made, or may be made yet. Ask, or ask for it again: twice is as good as once |
///
/// Requests are limited [for each user](PrivacyRules::requests), in this process, before the store is asked for an answer; those that
/// are refused for this do not count. With feature `metrics` the counter `guestbook_privacy_throttled_total` says how many there
/// were, with a label `limit`: `requests` or `sensitive`.
///
/// # Examples
///
/// Behind plain hyper, or any Tower server:
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, StatusCode};
/// use http_body_util::Empty;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_guestbook::{Guestbook, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let privacy = guestbook.privacy_service().prefix("/privacy");
/// let service = ServiceBuilder::new().layer(guestbook.session_layer()).service(privacy);
///
/// let stranger = Request::get("/privacy/requests").body(Empty::<Bytes>::new()).unwrap();
/// let response = service.oneshot(stranger).await.unwrap();
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PrivacyService {
    guarded: CrossOriginGuard<Unguarded>,
    unguarded: Unguarded,
}

#[derive(Clone)]
struct Unguarded {
    shared: Arc<ServiceState>,
    prefix: Option<Arc<str>>,
    export: ExportService,
    erasure: ErasureService,
}

impl PrivacyService {
    pub(crate) fn new(
        export: ExportService,
        audit: AuditTrail,
        consents: Option<Consents>,
        rules: PrivacyRules,
        clock: Clock,
    ) -> Self {
        let rights = export.rights().clone();
        let erasure = ErasureService::new(rights.clone()).max_login_age(rules.max_login_age);
        let throttle = Throttle::new(rules.limits, rules.users, clock);
        let shared = Arc::new(ServiceState { rights, audit, consents, rules, throttle });
        Self::of(Unguarded { shared, prefix: None, export, erasure })
    }

    /// What the paths begin with: `/privacy`, say. Default: nothing, for a service that something else takes the prefix from, as
    /// `nest_service` of axum does.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        let prefix = Some(prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty());
        Self::of(Unguarded { prefix: prefix.map(Into::into), ..self.unguarded })
    }

    fn of(unguarded: Unguarded) -> Self {
        Self { guarded: unguarded.shared.rules.guard.layer(unguarded.clone()), unguarded }
    }
}

impl<B> Service<Request<B>> for PrivacyService
where
    B: Body + Send + 'static,
{
    type Response = Response<ResponseBody<PrivacyBody>>;
    type Error = Infallible;
    type Future = CrossOriginGuardFuture<PrivacyFuture>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.guarded, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.guarded.call(request)
    }
}

impl<B> Service<Request<B>> for Unguarded
where
    B: Body + Send + 'static,
{
    type Response = Response<PrivacyBody>;
    type Error = Infallible;
    type Future = PrivacyFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> PrivacyFuture {
        let path = request.uri().path();
        let path = self.prefix.as_deref().map_or(Some(path), |prefix| path.strip_prefix(prefix));
        let Some(endpoint) = path.and_then(Endpoint::at) else {
            return PrivacyFuture::ready(problem(problems::NOT_FOUND));
        };
        if endpoint == Endpoint::Erasure && ErasureService::asks_for_state(request.method(), request.uri()).is_some() {
            // Whoever is erased cannot log in to ask.
            return self.erasure.call(request);
        }
        if !endpoint.allows(request.method()) {
            return PrivacyFuture::ready(self.named(&endpoint, not_allowed(endpoint.methods())));
        }
        let session = own_context(&self.shared.rights, request.extensions()).map(RequestContext::session);
        let user = session.as_ref().and_then(Session::user_id);
        let (Some(session), Some(user)) = (session, user) else {
            return PrivacyFuture::ready(self.named(&endpoint, problem(Problem::LOGIN_REQUIRED)));
        };
        let weight = self.shared.weight(&endpoint, request.method());
        if let Err(throttled) = self.shared.throttle.ask(&user, weight) {
            return PrivacyFuture::ready(self.named(&endpoint, *throttled));
        }
        let is_recent = session.authenticated_within(self.shared.rules.max_login_age);
        if weight == Weight::Sensitive && endpoint != Endpoint::Export && !is_recent {
            return PrivacyFuture::ready(self.named(&endpoint, problem(Problem::RECENT_LOGIN_REQUIRED)));
        }
        match endpoint {
            Endpoint::Export => self.export.call(request),
            Endpoint::Erasure => self.erasure.call(request),
            _ => self.answered(endpoint, user, request),
        }
    }
}

impl Unguarded {
    fn answered<B>(&self, endpoint: Endpoint, user: UserId, request: Request<B>) -> PrivacyFuture
    where
        B: Body + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let Some(context) = own_context(&self.shared.rights, &parts.extensions).cloned() else {
            return PrivacyFuture::ready(problem(Problem::LOGIN_REQUIRED));
        };
        let rights = self.shared.rights.by(Actor::User(user.clone()));
        let user_request = UserRequest { shared: self.shared.clone(), context, user, rights, parts };
        let this = self.clone();
        PrivacyFuture::of(async move {
            let method = user_request.parts.method.clone();
            let answered = handle(&user_request, &endpoint, body).await;
            let response = answered.unwrap_or_else(|refusal: Refusal| refusal.into_response_to(&method));
            without_body(&method, this.named(&endpoint, response))
        })
    }

    /// The route for the activity layer, which would see the whole path, with ids, where no router gives it a template.
    fn named(&self, endpoint: &Endpoint, mut response: Response<PrivacyBody>) -> Response<PrivacyBody> {
        if let Some(prefix) = &self.prefix {
            let template = format!("{prefix}{}", endpoint.template());
            response.extensions_mut().insert(RouteTemplate::new(template));
        }
        response
    }
}

fn not_allowed(methods: &'static str) -> Response<PrivacyBody> {
    let mut response = problems::METHOD.response_with(PrivacyBody::whole);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

impl fmt::Debug for PrivacyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unguarded { shared, prefix, .. } = &self.unguarded;
        f.debug_struct("PrivacyService").field("prefix", prefix).field("rules", &shared.rules).finish_non_exhaustive()
    }
}
