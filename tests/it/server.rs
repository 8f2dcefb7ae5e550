//! The example server as a process of its own, and an HTTP client.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
};

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    log: Option<ChildStderr>,
}

/// The example's binary, which `cargo test` builds beside the test's.
pub(crate) fn full_app() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("examples").join(format!("full_app{}", std::env::consts::EXE_SUFFIX));
    assert!(binary.exists(), "build the example first: cargo build --example full_app");
    binary
}

impl Server {
    pub(crate) fn start(directory: &Path) -> Self {
        let mut child = Command::new(full_app())
            .args(["--addr", "127.0.0.1:0", "--database"])
            .arg(directory.join("guestbook.db"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let mut log = String::new();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
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
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

/// One request over a real connection; `cookie` and `body` only if they are not empty.
pub(crate) async fn ask(
    address: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Reply { status: parts.status, headers: parts.headers, json }
}

impl Reply {
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.headers.get(header::SET_COOKIE).map(|cookie| cookie.to_str().unwrap())
    }
}
