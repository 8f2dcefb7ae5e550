//! Where a request comes from: the peer, or what a declared number of trusted proxies say.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use http::{Extensions, HeaderMap, HeaderName, Request, header};

use super::forwarded::{self, elements_from_right, parameter};
use crate::request::Client;

/// The address at the other end of the connection, put into the request's extensions by the code
/// that accepted it.
///
/// With feature `axum`, axum's `ConnectInfo<SocketAddr>` is understood as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// From where the client's address is taken. It is used for lists of sessions, truncated, never for
/// authentication.
///
/// Of a header only the elements count that trusted proxies appended: the last ones, over all of
/// its lines. What stands left of them came from outside. It may be a lie or no text at all, and
/// changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAddress {
    /// From the connection. Headers are not looked at: anybody can send them.
    #[default]
    Peer,
    /// From `Forwarded` (RFC 7239), to which each of `proxies` trusted proxies appended one
    /// element.
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
            ClientAddress::Forwarded { proxies } => {
                let element = elements_from_right(headers, &header::FORWARDED).nth(proxies.checked_sub(1)?)?;
                forwarded::address(&parameter(element, "for")?)
            }
            ClientAddress::XForwardedFor { proxies } => {
                let element = elements_from_right(headers, &X_FORWARDED_FOR).nth(proxies.checked_sub(1)?)?;
                forwarded::address(element)
            }
        }
    }

    /// The hosts that clients asked for, as trusted proxies say. Not all proxies take a stranger's
    /// `X-Forwarded-Host` away: good enough to tell the site's own pages, and for no more.
    pub(crate) fn forwarded_hosts(self, headers: &HeaderMap) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let (name, proxies) = match self.address {
            ClientAddress::Peer => (X_FORWARDED_HOST, 0),
            ClientAddress::Forwarded { proxies } => (header::FORWARDED, proxies),
            ClientAddress::XForwardedFor { proxies } => (X_FORWARDED_HOST, proxies),
        };
        let is_list_of_pairs = name == header::FORWARDED;
        elements_from_right(headers, &name).take(proxies).filter_map(move |element| {
            if is_list_of_pairs { parameter(element, "host") } else { Some(Cow::Borrowed(element)) }
        })
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

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
