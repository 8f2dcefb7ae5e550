//! [`Members`]: the body of a request, bounded in size and time and parsed strictly.

use std::{future::poll_fn, pin::pin, time::Duration};

use bytes::{Buf, BufMut};
use http::{HeaderMap, header};
use http_body::Body;
use serde_json::{Map, Value};

use super::{answer::Refusal, problems, strict_json};
use crate::http::problem::Problem;

/// The largest body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The longest time that a body may take.
const MAX_TIME: Duration = Duration::from_secs(10);

/// An unknown name is repeated in the answer up to this length.
const MAX_NAME: usize = 64;

/// The members of a body that were not read yet.
#[derive(Debug)]
pub(super) struct Members {
    members: Map<String, Value>,
}

impl Members {
    /// Reads a JSON body. An empty body of any type has no members.
    pub(super) async fn read<B: Body>(headers: &HeaderMap, body: B) -> Result<Self, Refusal> {
        let bytes = tokio::time::timeout(MAX_TIME, whole(body)).await.map_err(|_| problems::TOO_SLOW)??;
        if bytes.is_empty() {
            return Ok(Self { members: Map::new() });
        }
        if !is_json(headers) {
            return Err(problems::MEDIA_TYPE.into());
        }
        match strict_json::parse(&bytes) {
            Some(Value::Object(members)) => Ok(Self { members }),
            _ => Err(problems::NOT_JSON.into()),
        }
    }

    /// Takes a string member; null counts as absent.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::naming(problems::FIELD, name)),
        }
    }

    /// Takes a member of any type.
    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// Fails if there is another member.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(MAX_NAME).collect();
                Err(Refusal::naming(problems::FIELD, &name))
            }
        }
    }
}

async fn whole<B: Body>(body: B) -> Result<Vec<u8>, Problem> {
    let mut body = pin!(body);
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(problems::TOO_LARGE);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        // Trailers are ignored.
        let Ok(data) = frame.map_err(|_| problems::INCOMPLETE)?.into_data() else { continue };
        if data.remaining() > MAX_BODY - bytes.len() {
            return Err(problems::TOO_LARGE);
        }
        bytes.put(data);
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
