//! The checks of all settings that need nothing but the settings.

use http::HeaderName;

use super::{DAY, GuestbookBuilder};
use crate::{error::Result, guestbook::wrong, http::ClientAddress};

impl<S> GuestbookBuilder<S> {
    /// Fails with [`Configuration`](crate::ErrorKind::Configuration), naming the setting, if a
    /// setting is impossible or contradicts another one.
    pub(super) fn check(&self) -> Result<()> {
        self.settings.lifetime.check().map_err(|_| {
            wrong("session_lifetime() needs an idle time of at least 1 ms and at most the absolute one")
        })?;
        if self.settings.cap.max == 0 {
            return Err(wrong("sessions_per_user() needs room for at least one session"));
        }
        let (anonymous, largest) = (self.settings.anonymous, self.settings.limits.bytes as u64);
        if anonymous.sessions.min(anonymous.network_sessions) == 0
            || anonymous.bytes.min(anonymous.network_bytes) < largest
        {
            return Err(wrong("anonymous_sessions() needs room for at least one session of the largest size"));
        }
        if let ClientAddress::Forwarded { proxies: 0 } | ClientAddress::XForwardedFor { proxies: 0 } = self.address {
            return Err(wrong("client_address() needs at least one proxy, or ClientAddress::Peer"));
        }
        if self.settings.store_timeout.is_zero() || self.sweep_interval.is_zero() {
            return Err(wrong("store_timeout() and sweep_interval() must be longer than zero"));
        }
        if self.verify_audit.is_zero() {
            return Err(wrong("verify_audit() must be longer than zero"));
        }
        if self.grace > 27 * DAY {
            return Err(wrong("erasure_grace() has at most 27 days: an erasure is due within a month"));
        }
        self.retention.check()?;
        self.privacy.check(self.sources.iter().map(|source| source.name()))
    }

    /// The name of the header that may carry the token, if there is one.
    pub(super) fn header_name(&self) -> Result<Option<HeaderName>> {
        let name = self.header.as_deref().map(HeaderName::try_from).transpose();
        name.map_err(|error| wrong("accept_header() needs a header name of RFC 9110").with_source(error))
    }
}
