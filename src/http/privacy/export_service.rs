//! [`ExportService`]: a copy of the data over HTTP.

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

/// Answers `GET` with a copy of all data of the logged-in user, as a JSON file (GDPR, Articles 15
/// and 20).
///
/// [`Guestbook::export_service`](crate::Guestbook::export_service) returns it; it goes inside the
/// session layer. The client cannot name another user.
///
/// With feature `zip` the same data is also available as a ZIP file: for a request with
/// `?format=zip`, or whose `Accept` names `application/zip` and prefers it to JSON. `?format=json`
/// is always JSON.
///
/// The answer streams: memory does not grow with the data. At most 16 exports run at the same time
/// in a process. A client that reads nothing for [a minute](Self::max_idle) loses its slot, and the
/// answer ends with an error.
///
/// Other answers: 401 without a login, 405 for another method, 406 for an unknown format, 429 if
/// the user's export is running or all slots are taken, and 503 if the store does not answer.
///
/// ```
/// use axum::Router;
/// use tower_guestbook::{Guestbook, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let app: Router = Router::new()
///     .route_service("/privacy/export", guestbook.export_service())
///     .layer(guestbook.layer());
/// # use axum::body::Body;
/// # use http::{Request, StatusCode};
/// # use tower::ServiceExt;
///
/// let request = Request::get("/privacy/export").body(Body::empty()).unwrap();
/// assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
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

    /// Sets how long a client may read nothing while there is something to read. Waiting for the
    /// store does not count. Default: 60 seconds.
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
