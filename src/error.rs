//! [`Error`]: what kind of thing went wrong, and the error below it.

use std::{convert::Infallible, error::Error as StdError, fmt, time::Duration};

use http::StatusCode;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The one error of this crate: a [kind](ErrorKind) to match on, a fixed sentence and, where there
/// is one, its source.
///
/// `Display` never shows a token, a user id or a value of session data, so an error can be logged
/// as it is.
///
/// A handler can return it: `Response::from(error)` is `application/problem+json` (RFC 9457) with
/// the [status of its kind](ErrorKind::status), and with feature `axum` the error is an
/// `IntoResponse`. The client of a 4xx reads `Display`; the client of a 5xx reads no detail, which
/// goes to `tracing`.
///
/// ```
/// use tower_guestbook::{ErrorKind, UserId};
///
/// let error = UserId::try_from("").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert_eq!(error.to_string(), "invalid input: a user id must not be empty");
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    context: String,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What went wrong, in the terms in which a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value breaks a documented rule. Trying again changes nothing.
    InvalidInput,
    /// A stored value is not of the type that was asked for.
    WrongType,
    /// A limit on session data was exceeded; nothing of the change was stored.
    TooLarge,
    /// The key or id is taken, or a parallel change won every attempt.
    Conflict,
    /// The user was erased; nothing of them is stored any more.
    UserErased,
    /// Processing of the user's data is restricted; nothing of the kind is stored.
    Restricted,
    /// What was to be changed is no longer in the version that the caller knows.
    VersionMismatch,
    /// The purpose is not allowed: nobody agreed, or somebody said no.
    ConsentRequired,
    /// The session has ended, or there never was one; or a visitor has logged in, and decides no
    /// more.
    Ended,
    /// The user's credentials were changed, or all their sessions ended, while a login was
    /// verifying them. Nothing is stored: the user should log in again.
    CredentialsChanged,
    /// The user has as many sessions as the policy allows.
    SessionLimit,
    /// Too much of this kind came from one person or network lately. Trying later works.
    RateLimited,
    /// The settings contradict each other, or something needed is missing.
    Configuration,
    /// The store cannot be reached, is locked or is shutting down. Trying later may work.
    Unavailable,
    /// The store did not answer within the configured time. The operation may still take effect.
    Timeout,
    /// It is not known yet whether it happens, or it is under way: it is tried until it is done.
    /// Its state can be asked for.
    Pending,
    /// The disk, or the size the store may take, is full.
    StorageFull,
    /// The store can be read but not written.
    ReadOnly,
    /// The file is not a database of this crate.
    NotADatabase,
    /// The database was written by a newer version of this crate.
    NewerSchema,
    /// The stored bytes are damaged.
    Corrupt,
    /// Something else failed in the store or the operating system; the source tells.
    Internal,
}

impl Error {
    /// An error of `kind`; `context` says what was being done, without secrets and without personal
    /// data.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, context: context.into(), retry_after: None, source: None }) }
    }

    /// The same error on top of the one that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same error, which goes away after `wait`.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        self.inner.retry_after = Some(wait);
        self
    }

    /// The error with the errors below it, for a log: they name no personal values either.
    pub(crate) fn chain(&self) -> Chain<'_> {
        Chain(self)
    }

    /// The same error for somebody else who waits: the same kind and words, without the source.
    pub(crate) fn without_source(&self) -> Self {
        let mut error = Self::new(self.inner.kind, self.inner.context.clone());
        error.inner.retry_after = self.inner.retry_after;
        error
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The time after which the same call can succeed, if it is known.
    ///
    /// [`ErrorKind::RateLimited`] always knows it. The HTTP responses of this crate carry it as
    /// `Retry-After`, in whole seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }
}

impl ErrorKind {
    /// The HTTP status that says this to a client. All layers and services of this crate use this
    /// table.
    ///
    /// | status | kinds |
    /// |---|---|
    /// | 202 Accepted | `Pending` |
    /// | 400 Bad Request | `InvalidInput` |
    /// | 401 Unauthorized | `Ended` |
    /// | 403 Forbidden | `ConsentRequired`, `Restricted`, `UserErased` |
    /// | 409 Conflict | `Conflict`, `CredentialsChanged`, `SessionLimit` |
    /// | 412 Precondition Failed | `VersionMismatch` |
    /// | 413 Content Too Large | `TooLarge` |
    /// | 429 Too Many Requests | `RateLimited` |
    /// | 503 Service Unavailable | `Unavailable`, `Timeout`, `ReadOnly` |
    /// | 507 Insufficient Storage | `StorageFull` |
    /// | 500 Internal Server Error | the others: nothing that a client can change |
    ///
    /// ```
    /// use tower_guestbook::ErrorKind;
    ///
    /// assert_eq!(ErrorKind::VersionMismatch.status(), 412);
    /// assert!(ErrorKind::Corrupt.status().is_server_error());
    /// ```
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Pending => StatusCode::ACCEPTED,
            Self::InvalidInput => StatusCode::BAD_REQUEST,
            Self::Ended => StatusCode::UNAUTHORIZED,
            Self::ConsentRequired | Self::Restricted | Self::UserErased => StatusCode::FORBIDDEN,
            Self::Conflict | Self::CredentialsChanged | Self::SessionLimit => StatusCode::CONFLICT,
            Self::VersionMismatch => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Timeout | Self::ReadOnly => StatusCode::SERVICE_UNAVAILABLE,
            Self::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::WrongType
            | Self::Configuration
            | Self::NotADatabase
            | Self::NewerSchema
            | Self::Corrupt
            | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error and all below it.
pub(crate) struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut below = self.0.source();
        while let Some(error) = below {
            write!(f, ": {error}")?;
            below = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.inner.kind, self.inner.context)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("context", &self.inner.context)
            .field("retry_after", &self.inner.retry_after)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidInput => "invalid input",
            Self::WrongType => "wrong type",
            Self::TooLarge => "too large",
            Self::Conflict => "conflict",
            Self::UserErased => "user erased",
            Self::Restricted => "processing restricted",
            Self::VersionMismatch => "version mismatch",
            Self::ConsentRequired => "consent required",
            Self::Ended => "session ended",
            Self::CredentialsChanged => "credentials changed",
            Self::SessionLimit => "too many sessions",
            Self::RateLimited => "too many requests",
            Self::Configuration => "configuration",
            Self::Unavailable => "store unavailable",
            Self::Timeout => "store timed out",
            Self::Pending => "pending",
            Self::StorageFull => "storage full",
            Self::ReadOnly => "store is read-only",
            Self::NotADatabase => "not a guestbook database",
            Self::NewerSchema => "database is newer than this program",
            Self::Corrupt => "damaged data",
            Self::Internal => "internal error",
        })
    }
}
