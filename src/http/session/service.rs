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
    visit::{Arrival, Client, Visit},
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
        match shared.arrive(client, presented) {
            Ok(visit) => {
                request.extensions_mut().insert(visit.clone());
                SessionFuture::respond(self.inner.call(request), visit, shared.clone())
            }
            Err(stranger) => {
                // The clone waits its turn; the service that was polled ready is the one to be called.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                SessionFuture::load(Box::pin(shared.clone().load(stranger)), request, ready, shared.clone())
            }
        }
    }
}

/// A request whose session has to be loaded from the store.
pub(super) struct Unknown {
    client: Client,
    presented: Presented,
}

impl Shared {
    /// The visit, if it can be told without asking the store.
    fn arrive(&self, client: Client, presented: Presented) -> Result<Visit, Unknown> {
        let Some(first) = &presented.tokens[0] else {
            if presented.tokens.iter().any(Option::is_some) {
                return Err(Unknown { client, presented });
            }
            let arrival = if presented.malformed { Arrival::Lapsed } else { Arrival::Stranger };
            return Ok(Visit::new(self.sessions.clone(), client, arrival, None, None));
        };
        let key = first.key();
        match self.sessions.cached(&key) {
            Some((record, touched)) => {
                let renewal = renewal(&record, touched, first, &presented);
                Ok(Visit::new(self.sessions.clone(), client, Arrival::Guest, Some((key, record)), renewal))
            }
            None => Err(Unknown { client, presented }),
        }
    }

    /// The visit, after asking the store for each token until one is live.
    async fn load(self: Arc<Self>, unknown: Unknown) -> Result<Visit> {
        let Unknown { client, presented } = unknown;
        let mut arrival = if presented.malformed { Arrival::Lapsed } else { Arrival::Stranger };
        for token in presented.tokens.iter().flatten() {
            let key = token.key();
            match self.sessions.find(&key).await {
                Ok((Finding::Live(record), touched)) => {
                    let renewal = renewal(&record, touched, token, &presented);
                    let session = Some((key, record));
                    return Ok(Visit::new(self.sessions.clone(), client, Arrival::Guest, session, renewal));
                }
                Ok((Finding::Ended, _)) => arrival = Arrival::JustEnded,
                Ok((Finding::Expired | Finding::Unknown, _)) if arrival == Arrival::JustEnded => {}
                Ok((Finding::Expired | Finding::Unknown, _)) => arrival = Arrival::Lapsed,
                Err(error) => {
                    tracing::error!(%error, "a session could not be loaded");
                    if self.on_store_error == OnStoreError::Refuse {
                        return Err(error);
                    }
                    return Ok(Visit::new(self.sessions.clone(), client, Arrival::Unavailable, None, None));
                }
            }
        }
        if presented.by_header && arrival == Arrival::Lapsed {
            // There is no cookie to remove.
            arrival = Arrival::Stranger;
        }
        Ok(Visit::new(self.sessions.clone(), client, arrival, None, None))
    }
}

/// The token whose cookie is to be sent again with a new Max-Age.
fn renewal(record: &SessionRecord, touched: bool, token: &SessionToken, presented: &Presented) -> Option<SessionToken> {
    (touched && record.head.lifetime.persistent && !presented.by_header).then(|| token.clone())
}
