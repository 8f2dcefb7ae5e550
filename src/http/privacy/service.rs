//! [`PrivacyService`]: all privacy rights over HTTP.

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

/// Serves the privacy rights of the logged-in user, below one prefix.
///
/// [`Guestbook::privacy_service`](crate::Guestbook::privacy_service) returns it. It goes inside the
/// session layer and contains a [`CrossOriginGuard`]. For axum, `Guestbook::privacy_router`
/// (feature `axum`) has the same paths.
///
/// | path | methods | what it does | GDPR |
/// |---|---|---|---|
/// | `/export` | `GET` | returns a copy of the data: [`ExportService`] | 15, 20 |
/// | `/delete` | `DELETE`, `POST` | erases the user at once: [`ErasureService`] | 17 |
/// | `/delete?erasure=…` | `GET` | returns the state of an erasure, without a login | 17 |
/// | `/requests` | `GET` | lists requests, the first received first | 12 |
/// | `/requests/{kind}` | `GET` | lists requests of a kind | 12 |
/// | `/requests/{kind}` | `POST` | files one: 201, or 200 with the open one | 12 |
/// | `/requests/{id}` | `GET`, `DELETE` | returns a request; cancels it | 12, 17 |
/// | `/requests/{id}/confirmation` | `POST` | confirms an erasure | 17 |
/// | `/restriction` | `GET`, `POST`, `DELETE` | returns, sets or lifts the restriction | 18 |
/// | `/objection` | `GET` | lists the purposes with an objection | 21 |
/// | `/objection/{purpose}` | `POST`, `DELETE` | objects; withdraws the objection | 21 |
/// | `/rectification` | `PATCH` | corrects preferences and sources | 16 |
/// | `/consent` | `GET`, `POST` | returns consent states and the prompt; decides | 7 |
/// | `/consent/receipt` | `GET` | returns a [receipt](crate::consent::Receipt) | 7(1) |
/// | `/consent/{purpose}` | `DELETE` | withdraws consent | 7(3) |
/// | `/audit` | `GET` | lists the user's audit entries | 5(2), 15 |
///
/// Every path serves the data of the logged-in user. A client cannot name another user, and what
/// belongs to another user is answered with 404. `HEAD` is answered like `GET`, except for the
/// export. Lists have at most 200 entries (`limit`); the value of `next` is what to send as `after`
/// for the next page.
///
/// # Bodies
///
/// Bodies are JSON objects without unknown members:
///
/// - `POST /requests/{kind}`: `message`, optional.
/// - `POST /requests/{id}/confirmation`: `token`.
/// - `POST /restriction`: `reason`, optional: `accuracy` (the default), `unlawful`, `claims` or
///   `objection_pending`, the reasons of Article 18(1).
/// - `PATCH /rectification`: `preferences` and `sources`, as for
///   [`Rights::rectify`](crate::privacy::Rights::rectify).
/// - `POST /consent`: `choices`, an object with true or false for each purpose; `method` and
///   `notice`, optional.
///
/// # What users can change
///
/// - **Restriction**: a user can set and lift it, including one set by an operator. An operator who must keep data
///   places a [hold](crate::privacy::Rights::place_hold). The restriction of a confirmed erasure
///   can be neither replaced nor lifted (409); cancelling the request lifts it.
/// - **Erasure**: a filed request waits for a person. With [`PrivacyRules::confirm_erasures_by`]
///   the user receives a token and confirms it.
/// - **Rectification**: preferences, and the sources that [`PrivacyRules::correctable_sources`]
///   names.
/// - **Consent** without a login is a page of the application: see [`Consent`](crate::Consent).
///
/// # Errors
///
/// A refusal is `application/problem+json` (RFC 9457) and means that nothing was changed. There are
/// two exceptions: what a rectification corrected before a source refused stays corrected, and
/// after a 503 with `"outcome": "unknown"` the change may have been made, or may still be made.
/// Repeat the request: doing it twice has the same effect as once.
///
/// - 400: a parameter, or the kind in the path, is invalid (`field` names it); or the body is no
///   JSON object, or has a duplicate name.
/// - 401: nobody is logged in. For an erasure and its confirmation: the last login is too long ago.
/// - 403: the request would change something and comes from another origin; or the token is wrong.
/// - 404: the path, or the object of the user, does not exist.
/// - 405: the method is not allowed; `Allow` lists those that are.
/// - 406: the export does not have this format.
/// - 408, 413, 415: the body takes more than 10 seconds; it has more than 64 KiB, or the stored
///   data would be too large; it is not `application/json`.
/// - 409: the state does not allow it, or a parallel change came first; or consent was given
///   without the notice that was shown.
/// - 422: a member of the body is invalid or unknown; `field` names it.
/// - 429: the user is above the limit, and `Retry-After` has the time to wait; or another export of
///   the user is running.
/// - 500, 503, 507: the store fails, by the [kind](crate::ErrorKind::status) of its error. 503 also
///   if the token could not be sent.
///
/// The [limits](PrivacyRules::requests) apply per user and per process, and are checked before the
/// store is asked. Refused requests do not count. With feature `metrics`, the counter
/// `guestbook_privacy_throttled_total` counts them, with a label `limit`: `requests` or
/// `sensitive`.
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
/// let anonymous = Request::get("/privacy/requests").body(Empty::<Bytes>::new()).unwrap();
/// let response = service.oneshot(anonymous).await.unwrap();
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PrivacyService {
    guarded: CrossOriginGuard<PrivacyEndpoints>,
    endpoints: PrivacyEndpoints,
}

#[derive(Clone)]
struct PrivacyEndpoints {
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
        Self::of(PrivacyEndpoints { shared, prefix: None, export, erasure })
    }

    /// Sets the prefix of all paths, such as `/privacy`. Default: none, for a service whose prefix
    /// is removed before, as by `nest_service` of axum.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        let prefix = Some(prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty());
        Self::of(PrivacyEndpoints { prefix: prefix.map(Into::into), ..self.endpoints })
    }

    fn of(endpoints: PrivacyEndpoints) -> Self {
        Self { guarded: endpoints.shared.rules.guard.layer(endpoints.clone()), endpoints }
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

impl<B> Service<Request<B>> for PrivacyEndpoints
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
            // An erased user cannot log in.
            return self.erasure.call(request);
        }
        if !endpoint.allows(request.method()) {
            return PrivacyFuture::ready(self.with_route(&endpoint, not_allowed(endpoint.methods())));
        }
        let session = own_context(&self.shared.rights, request.extensions()).map(RequestContext::session);
        let user = session.as_ref().and_then(Session::user_id);
        let (Some(session), Some(user)) = (session, user) else {
            return PrivacyFuture::ready(self.with_route(&endpoint, problem(Problem::LOGIN_REQUIRED)));
        };
        let weight = self.shared.weight(&endpoint, request.method());
        if let Err(throttled) = self.shared.throttle.check(&user, weight) {
            return PrivacyFuture::ready(self.with_route(&endpoint, *throttled));
        }
        let is_recent = session.authenticated_within(self.shared.rules.max_login_age);
        if weight == Weight::Sensitive && endpoint != Endpoint::Export && !is_recent {
            return PrivacyFuture::ready(self.with_route(&endpoint, problem(Problem::RECENT_LOGIN_REQUIRED)));
        }
        match endpoint {
            Endpoint::Export => self.export.call(request),
            Endpoint::Erasure => self.erasure.call(request),
            _ => self.handle_endpoint(endpoint, user, request),
        }
    }
}

impl PrivacyEndpoints {
    fn handle_endpoint<B>(&self, endpoint: Endpoint, user: UserId, request: Request<B>) -> PrivacyFuture
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
            without_body(&method, this.with_route(&endpoint, response))
        })
    }

    /// Sets the route for the activity layer, which otherwise records the whole path, with ids.
    fn with_route(&self, endpoint: &Endpoint, mut response: Response<PrivacyBody>) -> Response<PrivacyBody> {
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
        let PrivacyEndpoints { shared, prefix, .. } = &self.endpoints;
        f.debug_struct("PrivacyService").field("prefix", prefix).field("rules", &shared.rules).finish_non_exhaustive()
    }
}
