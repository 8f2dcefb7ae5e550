//! Bodies that are not what they should be.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

/// The endpoints that read a body.
const READERS: [(&str, &str); 6] = [
    ("POST", "/requests/access"),
    ("POST", "/restriction"),
    ("DELETE", "/restriction"),
    ("POST", "/objection/analytics"),
    ("PATCH", "/rectification"),
    ("POST", "/consent"),
];

/// Chunks, and then what?
struct Chunks(Vec<Bytes>, Then);

#[derive(Clone, Copy)]
enum Then {
    Ends,
    Breaks,
    Hangs,
}

impl futures_core::Stream for Chunks {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match (self.0.pop(), self.1) {
            (Some(chunk), _) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            (None, Then::Ends) => Poll::Ready(None),
            (None, Then::Breaks) => Poll::Ready(Some(Err(std::io::Error::other("gone")))),
            (None, Then::Hangs) => Poll::Pending,
        }
    }
}

async fn each_reader(body: impl Fn() -> Body, headers: &[(&str, &str)], status: u16, what: &str) {
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let before = site.state().await;
    for (method, path) in READERS {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_problem(&ada.ask(method, path, headers, body()).await, status, &format!("{path}: {what}"));
    }
    assert_eq!(site.state().await, before, "{what}");
}

#[tokio::test]
async fn body_that_is_no_json_object_gets_400() {
    for text in [
        "{",
        "nonsense",
        "[]",
        "7",
        "null",
        "\"text\"",
        "{} {}",
        r#"{"message":"a","message":"b"}"#,
        r#"{"preferences":{"theme":"dark","theme":"light"}}"#,
        r#"{"choices":{"marketing":false,"marketing":true}}"#,
        "{\"message\":\"\u{0}\"}",
    ] {
        each_reader(|| Body::from(text), &[JSON], 400, text).await;
    }
    each_reader(|| Body::from(&b"{\"message\":\"\xff\"}"[..]), &[JSON], 400, "no UTF-8").await;
    let deep = format!("{}{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    each_reader(|| Body::from(deep.clone()), &[JSON], 400, "deep").await;
}

#[tokio::test]
async fn body_of_another_media_type_gets_415() {
    for said in
        ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/merge-patch+json", ""]
    {
        each_reader(|| Body::from("{}"), &[("content-type", said)], 415, said).await;
    }
    each_reader(|| Body::from("{}"), &[], 415, "nothing said").await;
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    for said in ["application/json", "Application/JSON; charset=utf-8"] {
        let answer = ada.ask(Method::POST, "/restriction", &[("content-type", said)], "{}").await;
        assert_ok(&answer, StatusCode::OK, said);
    }
    let empty = ada.ask(Method::POST, "/restriction", &[("content-type", "text/plain")], "").await;
    assert_ok(&empty, StatusCode::OK, "there is nothing to read");
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let limit = 64 * 1024;
    let padded = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    each_reader(|| Body::from(padded(limit + 1)), &[JSON], 413, "announced").await;
    let chunks = |then| move || Body::new(StreamBody::new(Chunks(vec![Bytes::from(vec![b' '; 30_000]); 3], then)));
    each_reader(chunks(Then::Ends), &[JSON], 413, "in chunks").await;
    each_reader(chunks(Then::Hangs), &[JSON], 413, "as soon as it is too long").await;
    let site = Site::new(MemoryStore::new());
    let ada = site.login("ada").await;
    let answer = ada.ask(Method::POST, "/restriction", &[JSON], padded(limit)).await;
    assert_ok(&answer, StatusCode::OK, "exactly");
}

#[tokio::test(start_paused = true)]
async fn body_that_breaks_or_is_late_is_refused() {
    let chunks = |then| move || Body::new(StreamBody::new(Chunks(vec![Bytes::from_static(b"{")], then)));
    each_reader(chunks(Then::Breaks), &[JSON], 400, "broken").await;
    let begin = tokio::time::Instant::now();
    each_reader(chunks(Then::Hangs), &[JSON], 408, "slow").await;
    assert_eq!(begin.elapsed().as_secs(), 10 * READERS.len() as u64);
}
