//! What is remembered of a client: [`Device`], a few words from its User-Agent, and [`TruncatedAddress`], its network.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Browser family and operating system, for example "Firefox on Linux".
///
/// Reduced at once from the `User-Agent`, of which nothing else is kept. The table is short on purpose: it is for a
/// person who looks for a session that is not theirs, and families change slowly.
///
/// ```
/// use tower_guestbook::session::Device;
///
/// let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// assert_eq!(Device::from_user_agent(agent).as_str(), "Firefox on Linux");
/// assert_eq!(Device::from_user_agent("curl/8.5.0").as_str(), "curl");
/// assert_eq!(Device::from_user_agent("something else").as_str(), "Unknown device");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Device(Box<str>);

impl Device {
    /// What a `User-Agent` tells.
    pub fn from_user_agent(agent: &str) -> Self {
        // Order matters: Edge and Opera also say Chrome, Chrome also says Safari, Android also says Linux.
        let find = |table: &[(&str, &'static str)]| {
            table.iter().find(|(needle, _)| agent.contains(needle)).map(|(_, name)| *name)
        };
        let browser = find(&[
            ("Edg", "Edge"),
            ("OPR/", "Opera"),
            ("SamsungBrowser/", "Samsung Internet"),
            ("Firefox/", "Firefox"),
            ("FxiOS/", "Firefox"),
            ("CriOS/", "Chrome"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
            ("curl/", "curl"),
            ("okhttp/", "OkHttp"),
            ("python-requests/", "Requests"),
        ]);
        let system = find(&[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS X", "macOS"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ]);
        Self(match (browser, system) {
            (Some(browser), Some(system)) => format!("{browser} on {system}").into(),
            (Some(name), None) | (None, Some(name)) => name.into(),
            (None, None) => "Unknown device".into(),
        })
    }

    /// From words that [`as_str`](Self::as_str) gave.
    pub fn from_words(words: &str) -> Self {
        Self(words.into())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The network that a client came from: the first 24 bits of an IPv4 address, the first 48 of an IPv6 address.
///
/// ```
/// use tower_guestbook::session::TruncatedAddress;
///
/// let network = |address: &str| TruncatedAddress::from(address.parse::<std::net::IpAddr>().unwrap()).to_string();
/// assert_eq!(network("203.0.113.77"), "203.0.113.0/24");
/// assert_eq!(network("2001:db8:1:2::3"), "2001:db8:1::/48");
/// assert_eq!(network("::ffff:203.0.113.77"), "203.0.113.0/24");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TruncatedAddress(IpAddr);

impl From<IpAddr> for TruncatedAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & !0xff).into()),
            IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 80 << 80).into()),
        })
    }
}

impl fmt::Display for TruncatedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
    }
}

impl FromStr for TruncatedAddress {
    type Err = Error;

    /// Reads what `Display` wrote.
    fn from_str(text: &str) -> Result<Self> {
        let address = text.split('/').next().unwrap_or(text);
        let address: IpAddr = address
            .parse()
            .map_err(|error| Error::new(ErrorKind::Corrupt, "not a network address").with_source(error))?;
        Ok(address.into())
    }
}

impl From<TruncatedAddress> for String {
    fn from(address: TruncatedAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for TruncatedAddress {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}
