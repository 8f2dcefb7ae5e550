//! The layers, and what they need to know of HTTP. Nothing here depends on a web framework but `extract` (feature `axum`).

mod body;
mod client;
mod cookie;
mod cross_origin;
#[cfg(feature = "axum")]
mod extract;
mod problem;
mod recent_login;
mod session;
mod transport;

#[cfg(feature = "axum")]
pub use self::extract::{CurrentUser, Rejection};
pub use self::{
    body::ResponseBody,
    client::{ClientAddress, PeerAddress},
    cookie::{SameSite, SessionCookie},
    cross_origin::{CrossOriginGuard, CrossOriginGuardFuture, CrossOriginGuardLayer},
    recent_login::{RequireRecentLogin, RequireRecentLoginFuture, RequireRecentLoginService},
    session::{OnStoreError, SessionFuture, SessionLayer, SessionService},
};
pub(crate) use self::{client::ClientSettings, transport::Transport};
