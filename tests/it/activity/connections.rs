//! The activity layer behind real connections.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http_body_util::StreamBody;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_guestbook::{
    Guestbook,
    activity::{ActivityFilter, ActivityRules, Live, Outcome, Subscription},
};

use crate::{activity::requests::guestbook, support::FIREFOX};

/// A server on a free port, and its recorded events.
async fn serve(routes: Router) -> (TcpStream, Guestbook, Subscription) {
    let (guestbook, _) = guestbook(ActivityRules::new());
    let live = guestbook.subscribe(ActivityFilter::new()).unwrap();
    let app = routes.layer(guestbook.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (TcpStream::connect(address).await.unwrap(), guestbook, live)
}

async fn send(connection: &mut TcpStream, method: &str, path: &str, headers: &str) {
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nuser-agent: {FIREFOX}\r\naccept-language: eo\r\n{headers}\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
}

/// Reads until the received bytes end with `end`.
async fn read_until(connection: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut buffer = [0; 1024];
        let length = connection.read(&mut buffer).await.unwrap();
        assert!(length > 0, "the server closed after {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(text).unwrap()
}

/// Returns route, status, bytes and outcome of the next event.
async fn next(live: &mut Subscription) -> (String, u16, u64, Outcome) {
    let next = tokio::time::timeout(Duration::from_secs(30), live.next()).await.expect("it is recorded");
    let Some(Live::Activity(activity)) = next else { panic!("{next:?}") };
    let response = activity.event.response.unwrap();
    (activity.event.request.as_ref().unwrap().route.to_string(), response.status, response.bytes, response.outcome)
}

fn streamed(announced: Option<&'static str>) -> Response {
    let frames = ["one", "two", "six"].map(|text| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(text))));
    let mut response = Body::new(StreamBody::new(Frames(frames.into_iter()))).into_response();
    if let Some(length) = announced {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.parse().unwrap());
    }
    response
}

struct Frames<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Frames<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

#[tokio::test]
async fn body_is_completed_when_the_client_has_received_it() {
    let routes = Router::new()
        .route("/full", get(async || "onetwosix"))
        .route("/chunked", get(async || streamed(None)))
        .route("/announced", get(async || streamed(Some("9"))))
        .route("/nothing", get(async || StatusCode::NO_CONTENT));
    let (mut connection, _guestbook, mut live) = serve(routes).await;
    for (method, path, end, bytes) in [
        ("GET", "/full", "onetwosix", 9),
        ("GET", "/chunked", "0\r\n\r\n", 9),
        ("GET", "/announced", "onetwosix", 9),
        ("HEAD", "/full", "\r\n\r\n", 0),
        ("HEAD", "/chunked", "\r\n\r\n", 0),
        ("GET", "/nothing", "\r\n\r\n", 0),
    ] {
        send(&mut connection, method, path, "").await;
        read_until(&mut connection, end).await;
        let status = if path == "/nothing" { 204 } else { 200 };
        assert_eq!(next(&mut live).await, (path.to_owned(), status, bytes, Outcome::Completed), "{method} {path}");
    }
}

#[tokio::test]
async fn client_disconnect_during_the_body_is_recorded_as_abandoned() {
    let endless = async || {
        let mut first = Some(Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"hello"))));
        Body::new(StreamBody::new(PollFn(move || match first.take() {
            Some(frame) => std::task::Poll::Ready(Some(frame)),
            None => std::task::Poll::Pending,
        })))
    };
    let (mut connection, _guestbook, mut live) = serve(Router::new().route("/endless", get(endless))).await;
    send(&mut connection, "GET", "/endless", "").await;
    read_until(&mut connection, "hello\r\n").await;
    drop(connection);
    assert_eq!(next(&mut live).await, ("/endless".to_owned(), 200, 5, Outcome::Abandoned));
}

struct PollFn<F>(F);

impl<T, F: FnMut() -> std::task::Poll<Option<T>> + Unpin> futures_core::Stream for PollFn<F> {
    type Item = T;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
        (self.0)()
    }
}

#[tokio::test]
async fn upgraded_connection_is_recorded_once() {
    let upgrade = async |mut request: Request<Body>| {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = hyper_util::rt::TokioIo::new(upgraded.await.unwrap());
            let mut buffer = [0; 4];
            io.read_exact(&mut buffer).await.unwrap();
            buffer.reverse();
            io.write_all(&buffer).await.unwrap();
        });
        let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")];
        (StatusCode::SWITCHING_PROTOCOLS, headers)
    };
    let (mut connection, guestbook, mut live) = serve(Router::new().route("/socket", get(upgrade))).await;
    send(&mut connection, "GET", "/socket", "connection: upgrade\r\nupgrade: websocket\r\n").await;
    assert!(read_until(&mut connection, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    connection.write_all(b"ping").await.unwrap();
    assert_eq!(read_until(&mut connection, "gnip").await, "gnip");
    assert_eq!(next(&mut live).await, ("/socket".to_owned(), 101, 0, Outcome::Completed));
    drop(connection);
    guestbook.flush().await.unwrap();
    assert_eq!(guestbook.activities().count(ActivityFilter::new()).await.unwrap(), 1);
}
