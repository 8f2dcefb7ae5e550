//! [`RequireLogin`]: a gate for routes that need a logged-in user.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, uri::PathAndQuery};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::ResponseBody,
    gate::{Check, GateFuture, Refusal, wants_a_page},
    local_path,
    preflight::{is_preflight, warn_of_preflight},
    problem::Problem,
    session::SessionLayer,
};
use crate::{
    engine::users::{LoadedUser, Users},
    error::{Error, ErrorKind, Result},
    request::{LoginStatus, RequestContext},
};

/// A layer that lets a request pass only for a logged-in user. Made by
/// [`Guestbook::require_login`](crate::Guestbook::require_login), or with a condition on the user
/// by [`require`](crate::Guestbook::require) and [`require_role`](crate::Guestbook::require_role).
///
/// Place it inside [`Guestbook::layer`](crate::Guestbook::layer). With a [user
/// loader](crate::GuestbookBuilder::users) the user is loaded, so that one who was disabled, or
/// whose password was changed elsewhere, does not pass; the session ends then. Without one the
/// session decides.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode, header}, routing::{get, post}};
/// use tower::ServiceExt;
/// use tower_guestbook::{CurrentUserId, Guestbook, Session, store::MemoryStore};
///
/// async fn account(CurrentUserId(user): CurrentUserId) -> String {
///     format!("Account of {}", user.as_str())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route("/account", get(account))
///     .layer(guestbook.require_login().login_page("/login")?)
///     .route("/login", post(|session: Session| async move { session.login(42).await }))
///     .layer(guestbook.layer());
///
/// // A program is told what is wrong, a browser is sent to the login page.
/// let request = || Request::get("/account?tab=2");
/// let refused = app.clone().oneshot(request().body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
/// let page = request().header("sec-fetch-mode", "navigate").body(Body::empty()).unwrap();
/// let redirect = app.clone().oneshot(page).await.unwrap();
/// assert_eq!(redirect.status(), StatusCode::SEE_OTHER);
/// assert_eq!(redirect.headers()[header::LOCATION], "/login?next=%2Faccount%3Ftab%3D2");
///
/// let login = app.clone().oneshot(Request::post("/login").body(Body::empty()).unwrap()).await.unwrap();
/// let cookie = login.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
/// let request = request().header(header::COOKIE, cookie).body(Body::empty()).unwrap();
/// assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::OK);
/// # Ok(()) }
/// ```
///
/// # Answers
///
/// | case | answer |
/// |---|---|
/// | nobody is logged in | 401, or 303 to the [login page](Self::login_page) |
/// | the login is [too old](Self::within) | the same |
/// | the user lacks the role or permission | 403 |
/// | a CORS preflight | 403 |
/// | the session store or the user loader fails | 503 with `Retry-After` |
/// | there is no session layer outside | 500, and an error is logged |
///
/// Refusals are `application/problem+json` (RFC 9457) with `Cache-Control: private, no-store`; the
/// session layer adds `Vary: Cookie`.
///
/// Browsers send a CORS preflight without cookies, so none can pass. Place the CORS layer outside:
/// there is an [example](crate::http#cors).
#[derive(Clone)]
#[must_use]
pub struct RequireLogin {
    session_layer: SessionLayer,
    condition: Condition,
    page: Option<Arc<str>>,
    max_age: Option<Duration>,
    passes_preflights: bool,
}

/// The service of [`RequireLogin`].
#[derive(Clone, Debug)]
pub struct RequireLoginService<S> {
    inner: S,
    gate: Arc<RequireLogin>,
}

/// What must be true of the user.
#[derive(Clone)]
enum Condition {
    LoggedIn,
    Role(Arc<str>),
    Permission(Arc<Permission>),
}

type Permission = dyn Fn(&LoadedUser) -> bool + Send + Sync;

impl RequireLogin {
    pub(crate) fn new(session_layer: SessionLayer) -> Self {
        Self { session_layer, condition: Condition::LoggedIn, page: None, max_age: None, passes_preflights: false }
    }

    pub(crate) fn role(self, role: &str) -> Self {
        Self { condition: Condition::Role(role.into()), ..self }
    }

    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if the users are not of type `U`.
    pub(crate) fn permission<U: Send + Sync + 'static>(
        self,
        users: &Users,
        is_permitted: impl Fn(&U) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        users.check_type::<U>()?;
        let condition = move |user: &LoadedUser| user.downcast_ref().is_some_and(&is_permitted);
        Ok(Self { condition: Condition::Permission(Arc::new(condition)), ..self })
    }

    /// Sends browsers that open a page to this page with 303, instead of 401. Default: none.
    ///
    /// The query parameter `next` is the path that was asked for. After the login, check it with
    /// [`local_path`] before you redirect to it: anybody can make a link to your login page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the page is no [`local_path`].
    pub fn login_page(mut self, page: impl AsRef<str>) -> Result<Self> {
        let page = local_path(page.as_ref()).filter(|page| !page.contains('#') && page.is_ascii());
        let wrong =
            || Error::new(ErrorKind::Configuration, "login_page() must be a path of this origin, such as \"/login\"");
        self.page = Some(page.ok_or_else(wrong)?.into());
        self.session_layer.keep_targets();
        Ok(self)
    }

    /// Requires a login at most `max_age` ago, for what must not be done from a forgotten session
    /// (OWASP ASVS 7.5.1, 7.5.3): changing the password, erasing the account. Default: any age.
    pub fn within(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Lets all CORS preflights pass, for routes behind the gate that answer them. Default:
    /// preflights are refused, and the CORS layer goes outside.
    ///
    /// **Warning:** a preflight carries no cookies, and so no login. A handler that ignores the
    /// method, such as axum's `any` or a fallback, then answers every client that sends `OPTIONS`
    /// with two headers.
    pub fn pass_preflights(mut self) -> Self {
        self.passes_preflights = true;
        self
    }

    fn context<'a, B>(&self, request: &'a Request<B>) -> Option<&'a RequestContext> {
        RequestContext::find(request.extensions(), |context| context.is_of(self.session_layer.sessions()))
    }

    /// What can be said without loading the user.
    fn refusal<B>(&self, context: &RequestContext, request: &Request<B>) -> Option<Refusal> {
        let problem = match context.login_status(self.max_age) {
            LoginStatus::LoggedIn => return None,
            LoginStatus::LoggedOut => Problem::LOGIN_REQUIRED,
            LoginStatus::TooOld => Problem::RECENT_LOGIN_REQUIRED,
            LoginStatus::Unavailable => return Some(Problem::STORE_UNAVAILABLE.into()),
        };
        Some(self.login_required(problem, context, request))
    }

    fn login_required<B>(&self, problem: Problem, context: &RequestContext, request: &Request<B>) -> Refusal {
        match &self.page {
            Some(page) if wants_a_page(request.method(), request.headers()) => {
                // Nested routers shorten the path of the request; the session layer saw all of it.
                let target = context.target().or_else(|| request.uri().path_and_query());
                let target = target.map_or("/", PathAndQuery::as_str);
                let join = if page.contains('?') { '&' } else { '?' };
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("next", local_path(target).unwrap_or("/"));
                match HeaderValue::try_from(format!("{page}{join}{}", query.finish())) {
                    Ok(location) => Refusal::page(location),
                    Err(_) => problem.into(),
                }
            }
            _ => problem.into(),
        }
    }

    /// The check that needs the user.
    fn check<B>(&self, context: &RequestContext, request: &Request<B>) -> Check {
        let login_required = self.login_required(Problem::LOGIN_REQUIRED, context, request);
        let (context, condition) = (context.clone(), self.condition.clone());
        Box::pin(async move {
            match context.load_user().await {
                Ok(Some(user)) => match condition.is_met(&context, &user) {
                    true => None,
                    false => Some(Problem::NOT_PERMITTED.into()),
                },
                Ok(None) => Some(login_required),
                Err(error) => Some(user_unavailable(&error).into()),
            }
        })
    }
}

/// The answer when a user cannot be loaded. The reason is for the log.
pub(super) fn user_unavailable(error: &Error) -> Problem {
    tracing::error!(error = %error.chain(), "a user could not be loaded");
    match error.kind() {
        ErrorKind::Configuration => Problem::USERS_MISSING,
        _ => Problem::USER_UNAVAILABLE,
    }
}

impl Condition {
    fn is_met(&self, context: &RequestContext, user: &LoadedUser) -> bool {
        match self {
            Self::LoggedIn => true,
            Self::Role(role) => context.users().is_ok_and(|users| users.has_role(user, role)),
            Self::Permission(permission) => permission(user),
        }
    }
}

impl<S> Layer<S> for RequireLogin {
    type Service = RequireLoginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireLoginService { inner, gate: Arc::new(self.clone()) }
    }
}

impl<S, B, R> Service<Request<B>> for RequireLoginService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = GateFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gate = &self.gate;
        if is_preflight(&request) {
            if gate.passes_preflights {
                return GateFuture::open(self.inner.call(request));
            }
            warn_of_preflight();
            return GateFuture::closed(Problem::PREFLIGHT);
        }
        let Some(context) = gate.context(&request) else {
            tracing::error!("a gate for logins has no session layer outside, and stays closed: use guestbook.layer()");
            return GateFuture::closed(Problem::LAYER_MISSING);
        };
        if let Some(refusal) = gate.refusal(context, &request) {
            return GateFuture::closed(refusal);
        }
        if context.users().is_err() {
            return GateFuture::open(self.inner.call(request));
        }
        let check = gate.check(context, &request);
        // The clone is for the next request; this one goes to the service that was polled ready.
        let clone = self.inner.clone();
        GateFuture::checking(check, std::mem::replace(&mut self.inner, clone), request)
    }
}

impl fmt::Debug for RequireLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireLogin").field("page", &self.page).field("max_age", &self.max_age).finish_non_exhaustive()
    }
}
