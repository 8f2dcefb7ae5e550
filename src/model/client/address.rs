//! [`TruncatedAddress`]: the network of a client, never its full address.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The network of a client: the first 24 bits of an IPv4 address, the first 48 bits of an IPv6
/// address.
///
/// # Examples
///
/// ```
/// use tower_guestbook::client::TruncatedAddress;
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

impl TruncatedAddress {
    /// Returns whether it is a public network. The address of an undeclared proxy says nothing
    /// about the client.
    pub(crate) fn is_public(&self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
            IpAddr::V6(v6) => {
                // The truncated loopback address is unspecified.
                !(v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified())
            }
        }
    }

    /// Returns the network as one small number: 24 bits for IPv4, 48 bits above them for IPv6.
    #[cfg(feature = "sqlite")]
    pub(crate) fn to_number(self) -> i64 {
        match self.0 {
            IpAddr::V4(v4) => i64::from(v4.to_bits() >> 8),
            IpAddr::V6(v6) => (1 << 48) | (v6.to_bits() >> 80) as i64,
        }
    }

    /// Decodes the result of [`to_number`](Self::to_number).
    #[cfg(feature = "sqlite")]
    pub(crate) fn from_number(number: i64) -> Self {
        let bits = number.unsigned_abs();
        Self(match bits >> 48 {
            0 => IpAddr::V4(((bits as u32) << 8).into()),
            _ => IpAddr::V6((u128::from(bits & ((1 << 48) - 1)) << 80).into()),
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

    /// Parses the `Display` form.
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

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn network_number_round_trips() {
        for address in ["0.0.0.0", "203.0.113.77", "255.255.255.255", "::1", "2001:db8:ffff::1", "ffff:ffff:ffff::"] {
            let network = TruncatedAddress::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(TruncatedAddress::from_number(network.to_number()), network, "{address}");
        }
    }
}
