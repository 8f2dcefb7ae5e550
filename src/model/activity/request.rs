//! [`RequestTrace`] and [`ResponseTrace`]: the recorded parts of a request and its response.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::model::client::{Agent, TruncatedAddress};

/// The recorded parts of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestTrace {
    /// The route template (`/users/{id}`), or a [normalised](super::normalize_path) path
    /// (`/users/:id`). `:unmatched` for a path without a template that was not found or not
    /// allowed, `:other` if there are too many of them.
    pub route: Arc<str>,
    /// The method.
    pub method: Method,
    /// The referring host, if it is not this server's: lower case, without port and trailing dot.
    /// `:other` if there are too many in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Box<str>>,
    /// The `utm_*` parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Box<Campaign>>,
    /// Families of browser and system, and device class.
    #[serde(default)]
    pub agent: Agent,
    /// The client's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<TruncatedAddress>,
}

/// The recorded parts of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResponseTrace {
    /// The status; 0 if there was no response, see [`outcome`](Self::outcome).
    pub status: u16,
    /// Time from the arrival of the request to the end of the body, in microseconds.
    #[serde(rename = "latency_us")]
    pub latency: u64,
    /// Number of bytes of the body that were read from the service.
    pub bytes: u64,
    /// How the exchange ended.
    pub outcome: Outcome,
}

impl ResponseTrace {
    /// Creates the trace of a response.
    pub fn new(status: u16, latency_us: u64, bytes: u64, outcome: Outcome) -> Self {
        Self { status, latency: latency_us, bytes, outcome }
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The body was sent to its end.
    #[default]
    Completed,
    /// The client disconnected before the end.
    Abandoned,
    /// The body returned an error.
    BodyFailed,
    /// The service returned an error instead of a response.
    ServiceFailed,
    /// The handler or the body panicked.
    Panicked,
}

impl Outcome {
    #[cfg(feature = "sqlite")]
    const ALL: [Self; 5] = [Self::Completed, Self::Abandoned, Self::BodyFailed, Self::ServiceFailed, Self::Panicked];

    /// Returns the number under which it is stored.
    #[cfg(feature = "sqlite")]
    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

/// A method of RFC 9110 or RFC 5789. All others are `_OTHER`, as in OpenTelemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    Trace,
    #[serde(rename = "_OTHER")]
    Other,
}

impl Method {
    /// Returns the method with this name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "CONNECT" => Self::Connect,
            "TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Other => "_OTHER",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `utm_*` parameters of a link, each at most 100 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Campaign {
    /// `utm_source`.
    #[serde(rename = "utm_source", skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// `utm_medium`.
    #[serde(rename = "utm_medium", skip_serializing_if = "Option::is_none")]
    pub medium: Option<Box<str>>,
    /// `utm_campaign`.
    #[serde(rename = "utm_campaign", skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Box<str>>,
    /// `utm_term`.
    #[serde(rename = "utm_term", skip_serializing_if = "Option::is_none")]
    pub term: Option<Box<str>>,
    /// `utm_content`.
    #[serde(rename = "utm_content", skip_serializing_if = "Option::is_none")]
    pub content: Option<Box<str>>,
}
