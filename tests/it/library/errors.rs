//! What a client reads when a handler returns an error of this crate.

use std::{fs, path::Path};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower_guestbook::{Error, ErrorKind};

use crate::support::{log::Log, send};

const KINDS: &[(ErrorKind, u16, &str)] = &[
    (ErrorKind::InvalidInput, 400, "Bad Request"),
    (ErrorKind::WrongType, 500, "Internal Server Error"),
    (ErrorKind::TooLarge, 413, "Payload Too Large"),
    (ErrorKind::Conflict, 409, "Conflict"),
    (ErrorKind::UserErased, 403, "Forbidden"),
    (ErrorKind::Restricted, 403, "Forbidden"),
    (ErrorKind::VersionMismatch, 412, "Precondition Failed"),
    (ErrorKind::ConsentRequired, 403, "Forbidden"),
    (ErrorKind::Ended, 401, "Unauthorized"),
    (ErrorKind::SessionLimit, 409, "Conflict"),
    (ErrorKind::CredentialsChanged, 409, "Conflict"),
    (ErrorKind::RateLimited, 429, "Too Many Requests"),
    (ErrorKind::Configuration, 500, "Internal Server Error"),
    (ErrorKind::Unavailable, 503, "Service Unavailable"),
    (ErrorKind::Timeout, 503, "Service Unavailable"),
    (ErrorKind::Pending, 202, "Accepted"),
    (ErrorKind::StorageFull, 507, "Insufficient Storage"),
    (ErrorKind::ReadOnly, 503, "Service Unavailable"),
    (ErrorKind::NotADatabase, 500, "Internal Server Error"),
    (ErrorKind::NewerSchema, 500, "Internal Server Error"),
    (ErrorKind::Corrupt, 500, "Internal Server Error"),
    (ErrorKind::Internal, 500, "Internal Server Error"),
];

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "what was done").with_source(Error::new(ErrorKind::Internal, "what is below"))
}

#[tokio::test]
async fn error_as_a_response_is_a_problem_with_the_status_of_its_kind() {
    for &(kind, status, title) in KINDS {
        let app: Router = Router::new().route("/", get(async move || Err::<(), _>(error(kind))));
        let answer = send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), kind.status().as_u16()), (status, status), "{kind}");
        let mut problem = json!({ "type": "about:blank", "title": title, "status": status });
        if status < 500 {
            problem["detail"] = format!("{kind}: what was done").into();
        }
        assert_eq!(answer.json(), problem, "{kind}");
        assert_eq!(answer.header(header::CONTENT_TYPE), Some("application/problem+json"), "{kind}");
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"), "{kind}");
        assert_eq!(answer.header(header::RETRY_AFTER), matches!(status, 429 | 503).then_some("1"), "{kind}");
        assert_eq!(answer.header(header::WWW_AUTHENTICATE), (status == 401).then_some("Session"), "{kind}");
    }
}

#[tokio::test]
async fn error_without_a_framework_becomes_the_same_response() {
    for &(kind, status, _) in KINDS {
        let response = Response::<Full<Bytes>>::from(error(kind));
        let app: Router = Router::new().route("/", get(async move || error(kind)));
        let answer = send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
        assert_eq!(
            (response.status().as_u16(), response.headers().len()),
            (status, answer.headers.len() - 1),
            "{kind}"
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, answer.body, "{kind}");
    }
}

#[test]
fn error_of_the_server_is_logged_whole_and_an_error_of_the_client_is_not() {
    for &(kind, status, _) in KINDS {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || Response::<Full<Bytes>>::from(error(kind)));
        let line = format!("a request failed error={kind}: what was done: internal error: what is below");
        assert_eq!(log.text().contains(&line), status >= 500, "{kind}: {}", log.text());
        assert_eq!(log.text().is_empty(), status < 500, "{kind}: {}", log.text());
    }
}

/// `Err(String)` of a handler is a 200 in axum, and shows the text of a failure of the server.
#[test]
fn no_example_answers_an_error_as_a_text() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = vec![(root.join("README.md"), fs::read_to_string(root.join("README.md")).unwrap())];
    for file in crate::library::layering::files(&root.join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let docs = text.lines().filter(|line| line.trim_start().starts_with("//"));
        examples.push((file.clone(), docs.map(|line| format!("{line}\n")).collect()));
    }
    for file in crate::library::layering::files(&root.join("examples"))
        .into_iter()
        .filter(|file| file.extension() == Some("rs".as_ref()))
    {
        examples.push((file.clone(), fs::read_to_string(&file).unwrap()));
    }
    let mut handlers = 0;
    for (file, text) in &examples {
        for signature in text.split("async fn ").skip(1).map(|rest| rest.split('{').next().unwrap()) {
            handlers += 1;
            let answers_text = signature.contains("String>") && signature.contains(", String>");
            assert!(!answers_text, "{}: {signature}", file.display());
        }
        let is_doc = !file.starts_with(root.join("examples"));
        assert!(!is_doc || !text.contains("map_err(|error| error.to_string())"), "{}", file.display());
    }
    assert!(handlers > 50, "only {handlers} handlers were found");
}
