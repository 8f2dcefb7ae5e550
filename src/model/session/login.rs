//! [`Login`]: who logs in, and on what terms. [`CredentialEpoch`]: how often the user's credentials changed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{policy::Lifetime, stamp::CredentialStamp};
use crate::{
    error::{Error, Result},
    id::UserId,
};

/// A login with more than the name of the user, for [`Session::log_in`](crate::Session::log_in).
///
/// ```
/// use tower_guestbook::{Guestbook, Session, UserId, session::{Lifetime, Login}};
///
/// async fn log_in(guestbook: Guestbook, session: Session, user: UserId) -> tower_guestbook::Result<()> {
///     let epoch = guestbook.sessions().credential_epoch(&user).await?;
///     // … read the stored hash and verify the password, then:
///     session.log_in(Login::new(user).lifetime(Lifetime::remembered()).epoch(epoch)).await
/// }
/// # let _ = log_in;
/// ```
#[must_use = "pass it to Session::log_in"]
pub struct Login {
    /// Not checked before it is used, so that the setters need no error.
    user: Result<UserId>,
    lifetime: Option<Lifetime>,
    epoch: Option<CredentialEpoch>,
    stamp: Option<CredentialStamp>,
}

/// The parts of a [`Login`].
pub(crate) struct LoginParts {
    pub(crate) user: UserId,
    pub(crate) lifetime: Option<Lifetime>,
    pub(crate) epoch: Option<CredentialEpoch>,
    pub(crate) stamp: Option<CredentialStamp>,
}

impl Login {
    /// A login of `user`, with the guestbook's lifetime and without an epoch.
    ///
    /// A name that breaks the rules of [`UserId`] is reported by
    /// [`Session::log_in`](crate::Session::log_in).
    pub fn new<U>(user: U) -> Self
    where
        U: TryInto<UserId>,
        Error: From<U::Error>,
    {
        Self { user: user.try_into().map_err(Error::from), lifetime: None, epoch: None, stamp: None }
    }

    /// Sets how long the session lives, for example [`Lifetime::remembered`].
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Sets the epoch that was read before the credentials were verified. The login is refused if
    /// the epoch was raised since; see [`CredentialEpoch`].
    pub fn epoch(mut self, epoch: CredentialEpoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Sets the [stamp](CredentialStamp) of the credentials that were verified. Without it the
    /// guestbook asks its [user loader](crate::GuestbookBuilder::users), if there is one, at the
    /// login: then a change between the verification and the login goes unnoticed, unless the
    /// [epoch](Self::epoch) shows it.
    pub fn stamp(mut self, stamp: CredentialStamp) -> Self {
        self.stamp = Some(stamp);
        self
    }

    pub(crate) fn into_parts(self) -> Result<LoginParts> {
        let Self { user, lifetime, epoch, stamp } = self;
        Ok(LoginParts { user: user?, lifetime, epoch, stamp })
    }
}

/// Redacted: it names a user.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("lifetime", &self.lifetime).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// The number of changes of a user's credentials in one realm, including revocations of all
/// sessions.
///
/// A login takes time: the stored password hash is read, verified, and then a session begins. If
/// the password is changed in between, that session belongs to somebody who knows the *old*
/// password, and it would outlive the change. The epoch closes this gap:
///
/// 1. Read the epoch with
///    [`Sessions::credential_epoch`](crate::session::Sessions::credential_epoch) **before the
///    stored hash is read**.
/// 2. Verify the credentials.
/// 3. Pass the epoch to the login with [`Login::epoch`]. The store compares it in the transaction
///    that makes the session, and refuses with
///    [`CredentialsChanged`](crate::ErrorKind::CredentialsChanged) if it was raised since.
///
/// When a password changes, store the new hash first, then call
/// [`Session::credentials_changed`](crate::Session::credentials_changed), or
/// [`Sessions::credentials_changed`](crate::session::Sessions::credentials_changed) where the user
/// is not logged in. Ending all sessions of a user or of everybody raises the epoch as well.
///
/// ```
/// use tower_guestbook::{Guestbook, UserId, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let (sessions, ada) = (guestbook.sessions(), UserId::try_from("ada")?);
/// let epoch = sessions.credential_epoch(&ada).await?;
/// sessions.credentials_changed(&ada).await?;
/// assert_ne!(sessions.credential_epoch(&ada).await?, epoch);
/// # Ok(()) }
/// ```
///
/// # Logins in two steps
///
/// Read the epoch before the first step and keep it, with the name of the user, in the session data
/// until the last step: it is written and read as a JSON number. Session data stays in the store,
/// so the client cannot change it.
///
/// ```
/// # use axum::{Router, body::Body, routing::get};
/// # use http::{Request, StatusCode, header};
/// # use tower::ServiceExt;
/// use serde::{Deserialize, Serialize};
/// use tower_guestbook::{Guestbook, Session, UserId, session::{CredentialEpoch, Login, Sessions}};
/// # use tower_guestbook::store::MemoryStore;
///
/// #[derive(Serialize, Deserialize)]
/// struct Pending {
///     user: UserId,
///     epoch: CredentialEpoch,
/// }
///
/// async fn password(session: Session, sessions: Sessions) -> tower_guestbook::Result<()> {
///     let user = UserId::try_from("ada")?;
///     let epoch = sessions.credential_epoch(&user).await?;
///     // … read the stored hash and verify the password, then:
///     session.insert("pending", &Pending { user, epoch })
/// }
///
/// async fn code(session: Session) -> tower_guestbook::Result<()> {
///     let Some(pending) = session.get::<Pending>("pending")? else { return Ok(()) };
///     // … verify the code, then:
///     session.remove("pending")?;
///     session.log_in(Login::new(pending.user).epoch(pending.epoch)).await
/// }
/// #
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
/// # let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// # let sessions = guestbook.sessions().clone();
/// # let status = |result: tower_guestbook::Result<()>| match result {
/// #     Ok(()) => StatusCode::OK,
/// #     Err(error) => { assert_eq!(error.kind(), tower_guestbook::ErrorKind::CredentialsChanged); StatusCode::CONFLICT }
/// # };
/// # let first = sessions.clone();
/// # let app: Router = Router::new()
/// #     .route("/password", get(async move |session: Session| status(password(session, first).await)))
/// #     .route("/code", get(async move |session: Session| status(code(session).await)))
/// #     .layer(guestbook.session_layer());
/// # for (is_changed, expected) in [(false, StatusCode::OK), (true, StatusCode::CONFLICT)] {
/// #     let request = Request::get("/password").body(Body::empty()).unwrap();
/// #     let response = app.clone().oneshot(request).await.unwrap();
/// #     let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
/// #     if is_changed {
/// #         sessions.credentials_changed(&UserId::try_from("ada")?).await?;
/// #     }
/// #     let request = Request::get("/code").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
/// #     assert_eq!(app.clone().oneshot(request).await.unwrap().status(), expected);
/// # }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialEpoch(u64);

impl CredentialEpoch {
    /// The epoch with this number, for a store that reads one.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The epoch as a number, for a store that keeps it.
    pub const fn number(self) -> u64 {
        self.0
    }
}
