//! [`AnonymousLimits`]: how many sessions of people who are not logged in are kept, and how much is in them.

/// Limits on anonymous sessions: their number, and the bytes of their data.
///
/// Anybody can begin an anonymous session, so all of them together are limited. Beyond the limit
/// the **least recently used** anonymous sessions end, so a new visitor always gets a session.
/// Sessions of logged-in users never end for this reason. The limit may be exceeded briefly by
/// requests in progress.
///
/// When anonymous sessions take more than half of the limit, each network (the first 24 bits of an
/// IPv4 address, the first 48 bits of an IPv6 address) has a limit of its own: a request that
/// begins or enlarges an anonymous session gets 429 if its network has used that up. It applies in
/// each process, only if the client's address is known and
/// [trusted](crate::GuestbookBuilder::client_address), and not for private and loopback addresses,
/// which belong to proxies.
///
/// ```
/// use tower_guestbook::session::AnonymousLimits;
///
/// let limits = AnonymousLimits::default().sessions(20_000).bytes(32 * 1024 * 1024);
/// assert_eq!((limits.sessions, limits.network_sessions), (20_000, 2_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnonymousLimits {
    /// The most anonymous sessions. Default: 100,000.
    pub sessions: u64,
    /// The most bytes of data in all of them: keys and JSON values, as
    /// [`SessionLimits`](super::SessionLimits) counts them. Default: 128 MiB.
    pub bytes: u64,
    /// The most sessions that one network may begin at once, and again in each ten minutes, evenly.
    /// Default: 2,000.
    pub network_sessions: u64,
    /// The most bytes of data that one network may add at once, and again in each ten minutes,
    /// evenly. Default: 16 MiB.
    pub network_bytes: u64,
}

impl AnonymousLimits {
    /// The most anonymous sessions, at least 1.
    #[must_use]
    pub const fn sessions(mut self, sessions: u64) -> Self {
        self.sessions = sessions;
        self
    }

    /// The most bytes in all of them, at least as many as one session may hold.
    #[must_use]
    pub const fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// The share of one network: sessions and bytes, at once and again in each ten minutes.
    #[must_use]
    pub const fn per_network(mut self, sessions: u64, bytes: u64) -> Self {
        self.network_sessions = sessions;
        self.network_bytes = bytes;
        self
    }
}

impl Default for AnonymousLimits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self { sessions: 100_000, bytes: 128 * MIB, network_sessions: 2_000, network_bytes: 16 * MIB }
    }
}
