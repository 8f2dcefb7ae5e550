//! [`Referrers`]: the site that a request comes from.

use std::{
    collections::HashSet,
    sync::{LazyLock, PoisonError, RwLock},
};

use foldhash::fast::RandomState;

use super::{RequestHead, facts::Facts, names::Names};
use crate::{
    error::{Error, ErrorKind, Result},
    http::ClientSettings,
    model::client::TruncatedAddress,
    time::Timestamp,
};

/// The application's settings for referrers.
#[derive(Clone, Debug)]
pub(super) struct Referrers {
    pub(super) own: Hosts,
    pub(super) excluded: Hosts,
    pub(super) ignore_www: bool,
    pub(super) known_spam: bool,
}

/// Host names, and domains that include all their hosts.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    pub(super) texts: Vec<String>,
    hosts: HashSet<Box<str>, RandomState>,
    domains: HashSet<Box<str>, RandomState>,
}

/// The referrer of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Referrer {
    /// This site, or unknown.
    Own,
    /// An excluded host.
    Excluded,
    /// Another host.
    Host(Box<str>),
}

impl Referrers {
    pub(super) fn check(&mut self) -> Result<()> {
        let wrong = |setting: &str, text: &str| {
            Err(Error::new(ErrorKind::Configuration, format!("{setting} needs names of hosts, {text:?} is none")))
        };
        for text in &self.own.texts {
            let (host, is_domain) = text.strip_prefix("*.").map_or((text.as_str(), false), |domain| (domain, true));
            let Some(host) = normal(host.as_bytes()) else { return wrong("own_hosts()", text) };
            let host = if is_domain { host } else { self.named(host) };
            if is_domain {
                self.own.domains.insert(host)
            } else {
                self.own.hosts.insert(host)
            };
        }
        for text in &self.excluded.texts {
            let Some(host) = normal(text.as_bytes()) else { return wrong("exclude_referrers()", text) };
            self.excluded.domains.insert(host.clone());
            self.excluded.hosts.insert(host);
        }
        Ok(())
    }

    /// Returns the referrer of a request.
    pub(super) fn of(&self, facts: &Facts<'_>, head: RequestHead<'_>, client: ClientSettings) -> Referrer {
        let Some(url) = facts.referrer else { return Referrer::Own };
        if facts.is_same_origin || facts.host.is_some_and(|own| is_url_of(url, own)) {
            return Referrer::Own;
        }
        let Some(host) = host_of(url).and_then(normal) else { return Referrer::Own };
        let is_excluded = self.is_excluded(&host);
        let host = self.named(host);
        let is_host = |own: &[u8]| normal(own).is_some_and(|own| self.named(own) == host);
        let own = facts.host.or_else(|| head.uri.host().map(str::as_bytes));
        if own.is_some_and(is_host)
            || self.own.contains(&host)
            || client.forwarded_hosts(head.headers).any(|own| is_host(&own))
        {
            Referrer::Own
        } else if is_excluded {
            Referrer::Excluded
        } else {
            Referrer::Host(host)
        }
    }

    fn is_excluded(&self, host: &str) -> bool {
        self.excluded.contains(host) || self.known_spam && is_or_is_below(host, |domain| KNOWN_SPAM.contains(domain))
    }

    /// Returns the name under which a host is recorded and compared.
    fn named(&self, host: Box<str>) -> Box<str> {
        match host.strip_prefix("www.").filter(|rest| self.ignore_www && rest.contains('.')) {
            Some(rest) => rest.into(),
            None => host,
        }
    }
}

impl Default for Referrers {
    fn default() -> Self {
        Self { own: Hosts::default(), excluded: Hosts::default(), ignore_www: false, known_spam: true }
    }
}

impl Hosts {
    fn contains(&self, host: &str) -> bool {
        let above = || host.split_once('.').map_or("", |(_, above)| above);
        self.hosts.contains(host)
            || !self.domains.is_empty() && is_or_is_below(above(), |domain| self.domains.contains(domain))
    }
}

/// Returns whether `holds` is true for a host or for one of its parent domains.
fn is_or_is_below(host: &str, holds: impl Fn(&str) -> bool) -> bool {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, above)| above)).any(holds)
}

/// One host per line.
static KNOWN_SPAM: LazyLock<HashSet<&'static str, RandomState>> =
    LazyLock::new(|| include_str!("referrer_spam.txt").lines().collect());

/// The referrers of a day: a bounded number, because clients can invent them.
#[derive(Debug)]
pub(super) struct KnownReferrers(RwLock<Names>);

impl KnownReferrers {
    pub(super) fn new() -> Self {
        Self(RwLock::new(Names::new(MAX_REFERRERS)))
    }

    /// Returns the name of a referrer without adding it.
    pub(super) fn look(&self, host: Box<str>) -> Box<str> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_full() && known.get(&host).is_none() { ":other".into() } else { host }
    }

    /// Returns the name under which the referrer of a request from this network is recorded.
    pub(super) fn take(&self, host: Box<str>, network: Option<TruncatedAddress>, now: Timestamp) -> Box<str> {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).get(&host).is_some() {
            return host;
        }
        let host = host.into();
        match self.0.write().unwrap_or_else(PoisonError::into_inner).take(&host, network, now) {
            Some(_) => (&*host).into(),
            None => ":other".into(),
        }
    }
}

/// Maximum number of referrers in a day.
const MAX_REFERRERS: usize = 10_000;

/// Returns whether a URL has this host: the usual case, decided without parsing.
fn is_url_of(url: &[u8], host: &[u8]) -> bool {
    let rest = url.strip_prefix(b"https://").or_else(|| url.strip_prefix(b"http://"));
    let rest = rest.and_then(|rest| rest.strip_prefix(host));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?' | b'#')))
}

/// Returns host and port of a URL.
fn host_of(url: &[u8]) -> Option<&[u8]> {
    let after =
        |scheme: &[u8]| url.split_at_checked(scheme.len()).filter(|(start, _)| start.eq_ignore_ascii_case(scheme));
    let (_, rest) = after(b"https://").or_else(|| after(b"http://"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    let authority = &rest[..end];
    let begin = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    Some(&authority[begin..])
}

/// Returns the normal form of a host: lower case, without port and trailing dot.
fn normal(host: &[u8]) -> Option<Box<str>> {
    let host = without_port(host);
    let host = host.strip_suffix(b".").unwrap_or(host);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.[]:".contains(byte);
    if host.is_empty() || host.len() > 253 || !host.iter().all(allowed) {
        return None;
    }
    std::str::from_utf8(host).ok().map(|host| host.to_ascii_lowercase().into())
}

fn without_port(authority: &[u8]) -> &[u8] {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match authority[..authority.len() - digits] {
        // Not within an IPv6 address without brackets.
        [ref host @ .., b':'] if host.last() != Some(&b':') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use http::{Extensions, HeaderMap, Method, Uri};

    use super::*;
    use crate::http::{ClientAddress, activity::ActivityRules};

    /// Returns the referrer of a request to `shop.example:8080` with one more header.
    fn seen(rules: &ActivityRules, address: ClientAddress, url: &str, more: (&'static str, &str)) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "shop.example:8080"), ("referer", url), more] {
            headers.append(name, value.parse().unwrap());
        }
        let (method, uri, extensions) = (Method::GET, Uri::from_static("/"), Extensions::new());
        let head = RequestHead { method: &method, uri: &uri, headers: &headers, extensions: &extensions };
        let mut referrers = rules.referrers.clone();
        referrers.check().unwrap();
        match referrers.of(&Facts::of(&headers), head, ClientSettings { address }) {
            Referrer::Own => None,
            Referrer::Excluded => Some("excluded".into()),
            Referrer::Host(host) => Some(host.into()),
        }
    }

    #[test]
    fn referrer_is_normalised_and_never_this_site() {
        let rules = ActivityRules::new();
        let seen = |url: &str| seen(&rules, ClientAddress::Peer, url, ("x-forwarded-host", "news.example"));
        for (url, expected) in [
            ("https://News.example/article?id=7#x", "news.example"),
            ("https://news.example./", "news.example"),
            ("https://news.example.:8443", "news.example"),
            ("https://user:secret@news.example:8443/", "news.example"),
            ("https://www.news.example/", "www.news.example"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]"),
            ("https://shop.example.evil.example/", "shop.example.evil.example"),
            ("https://www.semalt.com/x", "excluded"),
        ] {
            assert_eq!(seen(url).as_deref(), Some(expected), "{url}");
        }
        for own_or_odd in [
            "https://shop.example/",
            "http://SHOP.example:80/x",
            "https://shop.example./",
            "https://Shop.Example.:443?x",
            "android-app://x.y",
            "about:blank",
            "https:///",
            "https://./",
            "x",
        ] {
            assert_eq!(seen(own_or_odd), None, "{own_or_odd}");
        }
    }

    #[test]
    fn exclude_referrers_matches_subdomains_but_not_suffixes() {
        let rules = ActivityRules::new().exclude_referrers(["Spam.example."]).exclude_known_spam(false);
        let seen = |url: &str| seen(&rules, ClientAddress::Peer, url, ("x-none", "x"));
        for (url, expected) in [
            ("https://spam.example/", "excluded"),
            ("https://a.b.SPAM.example./", "excluded"),
            ("https://notspam.example/", "notspam.example"),
            ("https://semalt.com/", "semalt.com"),
        ] {
            assert_eq!(seen(url).as_deref(), Some(expected), "{url}");
        }
    }
}
