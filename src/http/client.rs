//! Where a request comes from: the peer, or what a declared number of trusted proxies say.

use std::net::{IpAddr, SocketAddr};

use http::{Extensions, HeaderMap, HeaderName, Request, header};

use crate::visit::Client;

/// The address at the other end of the connection, put into the request's extensions by whoever accepted it.
///
/// With feature `axum`, axum's `ConnectInfo<SocketAddr>` is understood as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// From where the client's address is taken. It is used for lists of sessions, truncated, never for authentication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAddress {
    /// From the connection. Headers are not looked at: anybody can send them.
    #[default]
    Peer,
    /// From `Forwarded` (RFC 7239), to which each of `proxies` trusted proxies appended one element.
    Forwarded {
        /// How many proxies of yours are between the client and this server, at least 1.
        proxies: usize,
    },
    /// From `X-Forwarded-For`, to which each of `proxies` trusted proxies appended one address.
    XForwardedFor {
        /// How many proxies of yours are between the client and this server, at least 1.
        proxies: usize,
    },
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientSettings {
    pub(crate) address: ClientAddress,
}

impl ClientSettings {
    pub(crate) fn client<B>(self, request: &Request<B>) -> Client {
        let user_agent = request.headers().get(header::USER_AGENT).cloned();
        Client { user_agent, address: self.address(request), ..Client::default() }
    }

    pub(crate) fn address<B>(self, request: &Request<B>) -> Option<IpAddr> {
        let headers = request.headers();
        match self.address {
            ClientAddress::Peer => peer(request.extensions()),
            ClientAddress::Forwarded { proxies } => nth_from_right(headers, &header::FORWARDED, proxies, forwarded_for),
            ClientAddress::XForwardedFor { proxies } => nth_from_right(headers, &X_FORWARDED_FOR, proxies, address),
        }
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    if extensions.is_empty() {
        return None;
    }
    if let Some(PeerAddress(address)) = extensions.get() {
        return Some(address.ip());
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(address)) = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return Some(address.ip());
    }
    None
}

/// The element that the outermost trusted proxy appended: the `proxies`-th from the right, over all header lines.
/// What stands left of it came from outside and may be a lie.
fn nth_from_right(
    headers: &HeaderMap,
    name: &HeaderName,
    proxies: usize,
    parse: fn(&str) -> Option<IpAddr>,
) -> Option<IpAddr> {
    let lines: Vec<_> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    let mut elements = lines.iter().rev().flat_map(|line| line.rsplit(','));
    elements.nth(proxies.checked_sub(1)?).and_then(|element| parse(element.trim()))
}

fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(node.trim().trim_matches('"'))
}

/// An address, with or without a port; IPv6 with a port is in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(address: ClientAddress, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(PeerAddress("192.0.2.1:50000".parse().unwrap()));
        ClientSettings { address }.client(&request).address.map(|address| address.to_string())
    }

    #[test]
    fn headers_are_not_trusted_by_default() {
        let headers = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(seen(ClientAddress::Peer, &headers).as_deref(), Some("192.0.2.1"));
    }

    #[test]
    fn only_what_trusted_proxies_appended_counts() {
        let lines = [("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("x-forwarded-for", "10.0.0.1")];
        let seen = |proxies| seen(ClientAddress::XForwardedFor { proxies }, &lines);
        assert_eq!(seen(1).as_deref(), Some("10.0.0.1"));
        assert_eq!(seen(2).as_deref(), Some("203.0.113.9"));
        assert_eq!(seen(4), None);
        assert_eq!(seen(0), None);
    }

    #[test]
    fn forwarded_is_read_with_quotes_ports_and_brackets() {
        let one = |value| seen(ClientAddress::Forwarded { proxies: 1 }, &[("forwarded", value)]);
        assert_eq!(one("for=203.0.113.9;proto=https;by=10.0.0.1").as_deref(), Some("203.0.113.9"));
        assert_eq!(one("proto=http; For=\"[2001:db8::7]:4711\"").as_deref(), Some("2001:db8::7"));
        assert_eq!(one("for=\"203.0.113.9:80\"").as_deref(), Some("203.0.113.9"));
        assert_eq!(one("for=unknown"), None);
        assert_eq!(one("for=_hidden, for=_secret"), None);
    }
}
