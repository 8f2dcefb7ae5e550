//! [`ConsentEnforcement`]: what the consent layer and the gates share.

use super::cookie_policy::CookiePolicy;
use crate::{engine::consents::Consents, http::first_time::FirstTime};

/// What the consent layer and the gates of a guestbook share.
#[derive(Debug)]
pub(crate) struct ConsentEnforcement {
    pub(crate) consents: Consents,
    /// The consent page.
    pub(super) page: Option<String>,
    pub(super) cookies: CookiePolicy,
    pub(super) warned_of_two_layers: FirstTime,
    pub(super) warned_of_no_session: FirstTime,
}
