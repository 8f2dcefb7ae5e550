//! [`AnonymousLimits`]: how many sessions of people who are not logged in are kept, and how much is in them.

/// How many anonymous sessions are kept, and how many bytes of data in them.
///
/// Anybody can begin an anonymous session, so there is a bound on all of them together. Beyond it
/// the **least recently used** anonymous sessions end, so a new visitor always gets a session;
/// sessions of logged-in users are never ended for it. The bound can be exceeded for a moment by
/// what is being stored.
///
/// While anonymous sessions take more than half of the bound, each network (the first 24 bits of an
/// IPv4 address, the first 48 of an IPv6 address) has a share of its own: a request that begins an
/// anonymous session, or lets one grow, is answered with 429 if its network has used that up. It
/// holds in each process, only where the client's address is known and
/// [trusted](crate::GuestbookBuilder::client_address), and not for private and loopback addresses,
/// which are those of a proxy.
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
