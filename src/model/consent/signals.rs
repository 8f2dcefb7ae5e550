//! [`Signals`]: facts about a request that can override decisions.

/// Facts about a request that can override decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signals {
    /// Global Privacy Control: the request has a header `Sec-GPC` with exactly the value `1`.
    pub gpc: bool,
    /// `DNT: 1`, if the application follows it. The header is deprecated and not binding.
    pub dnt: bool,
    /// Processing is restricted (GDPR, Article 18), or the user is erased.
    pub restricted: bool,
}

impl Signals {
    /// Sets `gpc` from the values of all `Sec-GPC` headers of a request. A value of exactly `1`
    /// counts; others are ignored.
    ///
    /// ```
    /// use tower_guestbook::consent::Signals;
    ///
    /// let gpc = |values: &[&[u8]]| Signals::default().with_gpc(values.iter().copied()).gpc;
    /// assert!(gpc(&[b"1"]) && gpc(&[b"0", b"1"]));
    /// assert!(!gpc(&[]) && !gpc(&[b"0"]) && !gpc(&[b"true"]) && !gpc(&[b"1, 1"]) && !gpc(&[b"01"]));
    /// ```
    #[must_use]
    pub fn with_gpc<'a>(mut self, values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.gpc = values.into_iter().any(|value| value == b"1");
        self
    }

    /// Sets `dnt`.
    #[must_use]
    pub fn with_dnt(mut self, dnt: bool) -> Self {
        self.dnt = dnt;
        self
    }

    /// Sets `restricted`.
    #[must_use]
    pub fn with_restriction(mut self, restricted: bool) -> Self {
        self.restricted = restricted;
        self
    }
}
