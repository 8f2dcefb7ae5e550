//! [`SessionService`]: finds the session, calls the inner service.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{OnStoreError, SessionFuture, layer::Shared};
use crate::{
    error::Result,
    http::{ResponseBody, transport::Presented},
    id::SessionToken,
    session::SessionRecord,
    sessions::Finding,
    visit::{Arrival, Client, Guest, Visit},
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

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = &self.shared;
        let client = shared.client.client(&request);
        let presented = shared.transport.presented(request.headers());
        if let Some(guest) = shared.known(&presented) {
            let visit = Visit::new(shared.clone(), client, guest);
            request.extensions_mut().insert(visit.clone());
            return SessionFuture::respond(self.inner.call(request), visit);
        }
        // The clone waits its turn; the service that was polled ready is the one to be called.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        SessionFuture::load(Box::pin(shared.clone().load(client, presented)), request, ready)
    }
}

impl Shared {
    /// Who it is, if that can be told without asking the store.
    fn known(&self, presented: &Presented) -> Option<Guest> {
        let Some(first) = &presented.tokens[0] else {
            let another = presented.tokens.iter().any(Option::is_some);
            return (!another).then(|| Guest::nobody(presented.without_session()));
        };
        let key = first.key();
        let (record, touched) = self.sessions.cached(&key)?;
        let renewal = renewal(&record, touched, first, presented);
        Some(Guest { arrival: Arrival::Guest, session: Some((key, record)), renewal })
    }

    /// Who it is, after asking the store for each token until one is live.
    async fn load(self: Arc<Self>, client: Client, presented: Presented) -> Result<Visit> {
        let guest = self.find(&presented).await?;
        Ok(Visit::new(self, client, guest))
    }

    async fn find(&self, presented: &Presented) -> Result<Guest> {
        let mut arrival = presented.without_session();
        for token in presented.tokens.iter().flatten() {
            let key = token.key();
            match self.sessions.find(&key).await {
                Ok((Finding::Live(record), touched)) => {
                    let renewal = renewal(&record, touched, token, presented);
                    return Ok(Guest { arrival: Arrival::Guest, session: Some((key, record)), renewal });
                }
                Ok((Finding::Ended, _)) => arrival = Arrival::JustEnded,
                Ok((Finding::Expired | Finding::Unknown, _)) if arrival == Arrival::JustEnded => {}
                Ok((Finding::Expired | Finding::Unknown, _)) => arrival = Arrival::Lapsed,
                Err(error) => {
                    tracing::error!(%error, "a session could not be loaded");
                    return match self.on_store_error {
                        OnStoreError::Refuse => Err(error),
                        OnStoreError::ContinueWithoutSession => Ok(Guest::nobody(Arrival::Unavailable)),
                    };
                }
            }
        }
        if presented.by_header && arrival == Arrival::Lapsed {
            // There is no cookie to remove.
            arrival = Arrival::Stranger;
        }
        Ok(Guest::nobody(arrival))
    }
}

/// The token whose cookie is to be sent again with a new Max-Age.
fn renewal(record: &SessionRecord, touched: bool, token: &SessionToken, presented: &Presented) -> Option<SessionToken> {
    (touched && record.head.lifetime.persistent && !presented.by_header).then(|| token.clone())
}
