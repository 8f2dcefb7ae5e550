//! Who is logged in by the data of axum-login.

use serde_json::Value;

use super::RecordData;
use crate::id::UserId;

/// The key under which axum-login keeps who is logged in, unless the application has chosen another
/// one with `with_data_key`.
///
/// It also holds the hash that axum-login compares with that of the user's credentials. Name the
/// key in [`secret_session_keys`](crate::GuestbookBuilder::secret_session_keys), so that exports do
/// not contain it.
pub const AXUM_LOGIN_KEY: &str = "axum-login.data";

/// Returns the user whom axum-login has logged in: the member `user_id` under [`AXUM_LOGIN_KEY`].
///
/// It is an integer or text, such as a UUID. An id of another form is that of no user, and a
/// warning says so: the session can neither be listed nor revoked by its user then. Use
/// [`TowerSessionsStore::user_from`](super::TowerSessionsStore::user_from) for it.
///
/// ```
/// use serde_json::json;
/// use tower_guestbook::{UserId, session::tower_sessions::{AXUM_LOGIN_KEY, axum_login_user}};
///
/// let data = [(AXUM_LOGIN_KEY.to_owned(), json!({ "user_id": 7, "auth_hash": [1, 2] }))].into();
/// assert_eq!(axum_login_user(&data), Some(UserId::from(7)));
/// assert_eq!(axum_login_user(&[("cart".to_owned(), json!([3]))].into()), None);
/// ```
pub fn axum_login_user(data: &RecordData) -> Option<UserId> {
    let user = match data.get(AXUM_LOGIN_KEY)?.get("user_id")? {
        Value::Null => return None,
        Value::String(text) => UserId::try_from(text).ok(),
        Value::Number(number) if !number.is_f64() => UserId::try_from(number.to_string()).ok(),
        _ => None,
    };
    if user.is_none() {
        tracing::warn!("a user id of axum-login is neither an integer nor a short text: its session has no user");
    }
    user
}
