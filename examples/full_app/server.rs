//! Accepts connections: a bounded number at a time, with a limit on how long the head and the body
//! of a request may take, and how long a client may leave an answer unread.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    http::HeaderMap,
};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::Sleep,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Open connections. A further one waits in the system's queue until one ends.
    pub(crate) connections: usize,
    /// From the first moment of a connection, or the end of the last answer, to the end of a head:
    /// it closes an idle connection as well.
    pub(crate) head: Duration,
    /// From the end of the head to the end of the body.
    pub(crate) body: Duration,
    /// How long a client may read nothing of an answer.
    pub(crate) write: Duration,
    /// How many proxies of ours append to `X-Forwarded-For`.
    pub(crate) proxies: usize,
}

/// Serves until `stop` is ready, and then waits until all requests under way have been answered.
pub(crate) async fn serve(listener: TcpListener, routes: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    // The limit is not in force without a timer.
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("nobody closes it");
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let routes = routes.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(|body| TimedBody::boxed(body, limits.body));
            let client = forwarded(request.headers(), limits.proxies).unwrap_or(peer.ip());
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, peer.port())));
            routes.clone().oneshot(request)
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.write));
        let connection = connections.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// The address that the outermost of our proxies saw: the limits of logins count by it.
fn forwarded(headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").into_iter().rev();
    let mut elements = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let element = elements.nth(proxies.checked_sub(1)?)?;
    str::from_utf8(element).ok()?.trim().parse().ok()
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // No more file descriptors, say: they come back when connections end.
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// A body that fails when it does not end in time.
struct TimedBody {
    /// `None` once it is dropped.
    body: Option<Incoming>,
    time: Pin<Box<Sleep>>,
}

/// The body of a request did not end in time.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl TimedBody {
    fn boxed(body: Incoming, time: Duration) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Self { body: Some(body), time: Box::pin(tokio::time::sleep(time)) })
    }
}

impl Drop for TimedBody {
    /// Reads what is left of a body that nobody wants, up to a bound: a client that is still
    /// writing when the connection closes sees that, and not the answer.
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        let is_small = body.size_hint().upper().is_some_and(|left| left <= MAX_DISCARDED);
        if !body.is_end_stream() && is_small {
            let discard = async move { while let Some(Ok(_)) = body.frame().await {} };
            tokio::spawn(tokio::time::timeout_at(self.time.deadline(), discard));
        }
    }
}

/// The longest rest of a body that is read for nothing.
const MAX_DISCARDED: u64 = 1024 * 1024;

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = crate::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.time.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(TooSlow.into())));
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of a request took too long")
    }
}

impl std::error::Error for TooSlow {}
