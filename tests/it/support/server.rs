//! The example server as a process of its own, and an HTTP client.

use std::{
    io::{BufRead, BufReader, Read},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    log: Option<ChildStderr>,
}

/// The binary of the example server.
pub(crate) fn full_app() -> PathBuf {
    example("full_app")
}

/// The binary of an example, which `cargo test` builds beside the test's.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(binary.exists(), "build the example first: cargo build --example {name}");
    binary
}

impl Server {
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    pub(crate) fn start_with(directory: &Path, arguments: &[&str]) -> Self {
        Self::start_process(&full_app(), directory, arguments, Stdio::piped())
    }

    pub(crate) fn start_logging_to(directory: &Path, log: Stdio) -> Self {
        Self::start_process(&full_app(), directory, &[], log)
    }

    /// Starts another example than `full_app`.
    pub(crate) fn start_example(name: &str, directory: &Path) -> Self {
        Self::start_process(&example(name), directory, &[], Stdio::piped())
    }

    fn start_process(binary: &Path, directory: &Path, arguments: &[&str], log: Stdio) -> Self {
        let mut child = Command::new(binary)
            .args(["--addr", "127.0.0.1:0", "--database"])
            .arg(directory.join("guestbook.db"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let mut log = String::new();
            child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut log));
            panic!("the server did not start: {line}{log}")
        };
        Self { address: address.to_owned(), log: child.stderr.take(), child }
    }

    /// Asks the server to stop as a service manager does. The log.
    #[cfg(unix)]
    pub(crate) fn stop(mut self) -> String {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        assert!(self.child.wait().unwrap().success(), "a graceful end");
        let mut log = String::new();
        self.log.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
    pub(crate) text: String,
}

/// Server-sent events, as they come.
pub(crate) struct EventStream {
    response: Response<Incoming>,
    text: String,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct ServerSent {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

impl EventStream {
    pub(crate) async fn open(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        Self::try_open(address, path, headers).await.unwrap()
    }

    /// The status, if it is refused.
    pub(crate) async fn try_open(address: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self, StatusCode> {
        let response = send(None, address, Method::GET, path, headers, Bytes::new()).await;
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Ok(Self { response, text: String::new() })
    }

    /// The next event that is no comment; `None` at a clean end.
    pub(crate) async fn next(&mut self) -> Option<ServerSent> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                let (name, id) = (field("event: ").to_owned(), field("id: ").to_owned());
                let data = serde_json::from_str(field("data: ")).unwrap_or_default();
                self.text = rest.to_owned();
                if !name.is_empty() {
                    return Some(ServerSent { name, id, data });
                }
            }
            let frame = tokio::time::timeout(Duration::from_secs(30), self.response.body_mut().frame());
            let frame = frame.await.expect("something comes in time, if only a comment")?.unwrap();
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}

/// One request over a real connection; `cookie` and `body` only if they are not empty.
pub(crate) async fn ask(
    address: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    ask_from(None, address, method, path, headers, body).await
}

/// The same from this address of the client.
pub(crate) async fn ask_from(
    from: Option<IpAddr>,
    address: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    let (parts, body) = send(from, address, method, path, headers, body.into()).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let text = String::from_utf8_lossy(&body).into_owned();
    Reply { status: parts.status, headers: parts.headers, json, text }
}

async fn send(
    from: Option<IpAddr>,
    address: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Response<Incoming> {
    let mut connector = HttpConnector::new();
    connector.set_local_address(from);
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.request(request.body(Full::new(body)).unwrap()).await.unwrap()
}

impl Reply {
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.headers.get(header::SET_COOKIE).map(|cookie| cookie.to_str().unwrap())
    }
}
