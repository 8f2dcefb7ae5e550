//! [`ExportService`].

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response, header};
use tower_service::Service;

use super::{
    PrivacyBody, PrivacyFuture,
    export_format::ExportFormat,
    export_slots::ExportSlots,
    paced_export::PacedExport,
    shared::{NO_STORE, failed, not_allowed, own_context, problem},
};
use crate::{engine::rights::Rights, http::problem::Problem, model::privacy::Actor, request::RequestContext};

/// Answers `GET` with a copy of all that is kept of whoever is logged in, as a JSON document to be saved (GDPR, Articles 15 and
/// 20). Made by [`Guestbook::export_service`](crate::Guestbook::export_service); it goes inside the session layer.
///
/// With the feature `zip` there is also a ZIP file, with the same data file by file: for a request with `?format=zip`, or with
/// an `Accept` that names `application/zip` and prefers it to JSON. `?format=json` is always JSON; another format gets 406.
///
/// The answer streams: memory does not grow with the data. At most 16 are under way at a time; a reader who asks for nothing
/// for [a minute](Self::max_idle) loses the turn, and the answer ends with an error. Others get 401, another method 405; a user's second export at the
/// same time 429, and 503 if the store cannot be asked. Nobody can name a user but by being logged in.
///
/// ```
/// use axum::Router;
/// use tower_guestbook::{Guestbook, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route_service("/privacy/export", guestbook.export_service())
///     .route_service("/privacy/erasure", guestbook.erasure_service())
///     .layer(guestbook.layer());
/// # use tower::ServiceExt;
/// # let request = http::Request::get("/privacy/export").body(axum::body::Body::empty()).unwrap();
/// # assert_eq!(app.oneshot(request).await.unwrap().status(), http::StatusCode::UNAUTHORIZED);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ExportService {
    rights: Rights,
    slots: Arc<ExportSlots>,
    max_idle: Duration,
}

impl ExportService {
    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    pub(crate) fn new(rights: Rights) -> Self {
        Self { rights, slots: Arc::default(), max_idle: Duration::from_secs(60) }
    }

    /// How long a reader may ask for nothing while there is something to read. What the store takes does not count. Default: 60
    /// seconds.
    #[must_use]
    pub fn max_idle(mut self, idle: Duration) -> Self {
        self.max_idle = idle;
        self
    }
}

impl<B> Service<Request<B>> for ExportService {
    type Response = Response<PrivacyBody>;
    type Error = Infallible;
    type Future = PrivacyFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let session = own_context(&self.rights, request.extensions()).map(RequestContext::session);
        if request.method() != Method::GET {
            return PrivacyFuture::ready(not_allowed("GET"));
        }
        let user = session.and_then(|session| session.user_id());
        let Some(user) = user else { return PrivacyFuture::ready(problem(Problem::LOGIN_REQUIRED)) };
        let Some(format) = ExportFormat::of(request.uri(), request.headers()) else {
            return PrivacyFuture::ready(problem(Problem::EXPORT_FORMAT));
        };
        let Some(slot) = ExportSlots::try_reserve(&self.slots, user.clone()) else {
            return PrivacyFuture::ready(problem(Problem::EXPORT_UNDER_WAY));
        };
        let (rights, max_idle) = (self.rights.clone(), self.max_idle);
        PrivacyFuture::of(async move {
            match format.copy(&rights.by(Actor::User(user.clone())), &user).await {
                Ok(copied) => {
                    let mut response = Response::new(PrivacyBody::export(PacedExport::new(copied, slot, max_idle)));
                    let headers = response.headers_mut();
                    headers.insert(header::CONTENT_TYPE, format.content_type());
                    headers.insert(header::CONTENT_DISPOSITION, format.disposition());
                    headers.insert(header::CACHE_CONTROL, NO_STORE);
                    response
                }
                Err(error) => failed(&error),
            }
        })
    }
}

impl fmt::Debug for ExportService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportService").field("max_idle", &self.max_idle).finish_non_exhaustive()
    }
}
