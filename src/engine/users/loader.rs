//! [`UserLoader`]: how the application's own users are found. [`Permission`]: what they may do.

use std::{error::Error as StdError, future::Future};

use crate::{id::UserId, model::session::CredentialStamp};

/// Loads the application's own users by the id that a session holds. Registered with
/// [`GuestbookBuilder::users`](crate::GuestbookBuilder::users).
///
/// The extractor [`CurrentUser`](crate::CurrentUser) and the gates
/// ([`require_login`](crate::Guestbook::require_login), [`require`](crate::Guestbook::require),
/// [`require_role`](crate::Guestbook::require_role)) then use it, at most once a request. A request
/// that asks for no user loads none.
///
/// # Examples
///
/// ```
/// use std::{collections::HashMap, sync::Arc};
/// use tower_guestbook::{UserId, session::{CredentialStamp, UserLoader}};
///
/// struct Account { name: String, password_hash: String, is_admin: bool, is_disabled: bool }
///
/// #[derive(Default)]
/// struct Accounts(HashMap<i64, Arc<Account>>);
///
/// impl UserLoader for Accounts {
///     type User = Arc<Account>;
///     type Error = std::num::ParseIntError;
///
///     async fn load(&self, id: &UserId) -> Result<Option<Self::User>, Self::Error> {
///         let account = self.0.get(&id.parse()?);
///         Ok(account.filter(|account| !account.is_disabled).cloned())
///     }
///
///     fn stamp(&self, user: &Self::User) -> Option<CredentialStamp> {
///         Some(CredentialStamp::of(&user.password_hash))
///     }
///
///     fn has_role(&self, user: &Self::User, role: &str) -> bool {
///         role == "admin" && user.is_admin
///     }
/// }
/// # let _ = Accounts::default();
/// ```
pub trait UserLoader: Send + Sync + 'static {
    /// The application's own type of a user.
    type User: Send + Sync + 'static;

    /// Why users cannot be loaded: the error of a database, for example. A request that needs the
    /// user is answered with 503, and the error goes to the log.
    type Error: Into<Box<dyn StdError + Send + Sync>>;

    /// Returns the user, or `None` for one who must not use the service: deleted or disabled.
    ///
    /// `None` ends the session. The answer must come within the
    /// [store timeout](crate::GuestbookBuilder::store_timeout).
    fn load(&self, id: &UserId) -> impl Future<Output = Result<Option<Self::User>, Self::Error>> + Send;

    /// Returns the stamp of the user's current credentials. `None`, the default, means that sessions
    /// are not bound to credentials.
    fn stamp(&self, user: &Self::User) -> Option<CredentialStamp> {
        let _ = user;
        None
    }

    /// Whether the user has a role, for [`require_role`](crate::Guestbook::require_role). The
    /// default knows no roles.
    fn has_role(&self, user: &Self::User, role: &str) -> bool {
        let _ = (user, role);
        false
    }
}

/// A permission as a type, for the extractor [`Permitted`](crate::Permitted).
pub trait Permission: Send + Sync + 'static {
    /// The type of the users, which is that of the [`UserLoader`].
    type User: Send + Sync + 'static;

    /// Whether the user has the permission.
    fn is_granted(user: &Self::User) -> bool;
}
