//! [`SessionCookie`]: how the token travels in a cookie (RFC 6265bis), and how ours is found among others.

use std::{fmt::Write as _, time::Duration};

use cookie::Cookie;
use http::{HeaderMap, HeaderValue, header};

use crate::{
    error::{Error, ErrorKind, Result},
    id::SessionToken,
    model::consent::{is_host_prefixed, is_secure_prefixed},
};

/// The cookie that carries the token: `__Host-session`, `Secure`, `HttpOnly`, `SameSite=Lax`,
/// `Path=/`.
///
/// What loosens it says so in its name. Combinations that browsers refuse fail in `build()`.
///
/// ```
/// use tower_guestbook::{Guestbook, http::SessionCookie, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let with = |cookie| Guestbook::builder(MemoryStore::new()).cookie(cookie).build();
/// assert!(with(SessionCookie::new().name("sid")).is_ok());
/// assert!(with(SessionCookie::new().domain("example.com")).is_err(), "__Host- and Domain exclude each other");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SessionCookie {
    name: String,
    domain: Option<String>,
    path: String,
    same_site: SameSite,
    secure: bool,
    http_only: bool,
    partitioned: bool,
}

/// With which requests of other sites the browser sends the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With none: a link from another site arrives logged out.
    Strict,
    /// With links, not with forms, images or scripts. The default.
    Lax,
    /// With all. Only with `Secure`; guard unsafe methods with
    /// [`CrossOriginGuardLayer`](super::CrossOriginGuardLayer).
    None,
}

impl SessionCookie {
    /// The default cookie.
    pub fn new() -> Self {
        Self {
            name: "__Host-session".into(),
            domain: None,
            path: "/".into(),
            same_site: SameSite::Lax,
            secure: true,
            http_only: true,
            partitioned: false,
        }
    }

    /// Another name. Without the prefix `__Host-`, a sibling host can plant a cookie of that name
    /// (OWASP ASVS 3.3.3).
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sends the cookie to all hosts below `domain`. Needs a [`name`](Self::name) without
    /// `__Host-`.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sends the cookie only below `path`. Needs a [`name`](Self::name) without `__Host-`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// With which requests of other sites the cookie is sent.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Keeps a jar of its own for each site that embeds this one (CHIPS, `Partitioned`), so that
    /// browsers without third-party cookies send it in a frame. A user who logs in inside of one
    /// site's frame is logged in there only. Needs [`SameSite::None`] and `Secure`.
    #[must_use]
    pub fn partitioned(mut self) -> Self {
        self.partitioned = true;
        self
    }

    /// Lets the cookie travel over plain HTTP, where everybody on the way can take it: for
    /// development on loopback. Needs a [`name`](Self::name) without a prefix.
    #[must_use]
    pub fn insecure_without_secure(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Lets scripts read the cookie, also those that an attacker gets into a page.
    #[must_use]
    pub fn insecure_without_http_only(mut self) -> Self {
        self.http_only = false;
        self
    }

    /// The name under which the cookie is sent.
    pub fn as_name(&self) -> &str {
        &self.name
    }

    /// Another cookie with the same attributes. `with_prefix`: its name gets the prefix that this
    /// one's has.
    pub(crate) fn sibling(&self, name: &str, with_prefix: bool) -> Self {
        let prefix = ["__Host-", "__Secure-"].into_iter().find(|prefix| with_prefix && self.name.starts_with(prefix));
        Self { name: format!("{}{name}", prefix.unwrap_or_default()), http_only: true, ..self.clone() }
    }

    pub(crate) fn build(self) -> Result<CookieFormat> {
        let problem = if self.name.is_empty() || !self.name.bytes().all(is_token_byte) {
            Some("the cookie's name must be a token of RFC 9110")
        } else if is_host_prefixed(self.name.as_bytes()) && (self.domain.is_some() || self.path != "/") {
            Some("a cookie named __Host-… has no Domain and the Path \"/\": choose another .name()")
        } else if !self.secure && is_secure_prefixed(self.name.as_bytes()) {
            Some("a cookie named __Host-… or __Secure-… must be Secure: choose another .name()")
        } else if !self.secure && self.same_site == SameSite::None {
            Some("SameSite=None needs Secure")
        } else if self.partitioned && (!self.secure || self.same_site != SameSite::None) {
            Some("a partitioned cookie is for frames of other sites: it needs SameSite=None and Secure")
        } else if !self.path.starts_with('/') || !self.path.bytes().all(is_attribute_byte) {
            Some("the cookie's path must begin with \"/\" and have no \";\" or control characters")
        } else if self.domain.as_ref().is_some_and(|domain| domain.is_empty() || !domain.bytes().all(is_domain_byte)) {
            Some("the cookie's domain must be a host name")
        } else if self.name.len() + SessionToken::ENCODED_LEN > 4096 {
            Some("the cookie's name and value must have at most 4096 bytes")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(Error::new(ErrorKind::Configuration, problem));
        }
        let cookie = Cookie::build((&self.name, ""))
            .path(&self.path)
            .same_site(self.same_site.into())
            .secure(self.secure)
            .http_only(self.http_only)
            .partitioned(self.partitioned);
        let cookie = match &self.domain {
            Some(domain) => cookie.domain(domain),
            None => cookie,
        };
        let attributes = cookie.to_string().split_off(self.name.len() + 1);
        Ok(CookieFormat { name: self.name, attributes })
    }
}

impl From<SameSite> for cookie::SameSite {
    fn from(same_site: SameSite) -> Self {
        match same_site {
            SameSite::Strict => Self::Strict,
            SameSite::Lax => Self::Lax,
            SameSite::None => Self::None,
        }
    }
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self::new()
    }
}

/// A cookie whose attributes are rendered once, for setting and for removing alike: a removal that
/// differs in Path, Domain or Secure leaves the cookie where it is.
#[derive(Debug)]
pub(crate) struct CookieFormat {
    name: String,
    attributes: String,
}

impl CookieFormat {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set(&self, token: &SessionToken, max_age: Option<Duration>) -> HeaderValue {
        self.set_text(&token.expose_secret(), max_age)
    }

    pub(crate) fn set_text(&self, token: &str, max_age: Option<Duration>) -> HeaderValue {
        let mut value = format!("{}={token}{}", self.name, self.attributes);
        if let Some(max_age) = max_age {
            write!(value, "; Max-Age={}", max_age.as_secs()).expect("writing to a string cannot fail");
        }
        header_value(value)
    }

    pub(crate) fn remove(&self) -> HeaderValue {
        header_value(format!("{}={}; Max-Age=0", self.name, self.attributes))
    }

    /// The values of our cookie, the first four.
    ///
    /// Names are matched byte for byte and only SP and HTAB are stripped. A parser that decodes
    /// names or strips Unicode space, as that of the `cookie` crate does, lets a sibling host forge
    /// a cookie named `__Host-…`.
    pub(crate) fn values<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
        let pairs = headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        pairs.filter_map(|pair| self.value(pair)).take(MAX_CANDIDATES)
    }

    fn value<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let start = pair.iter().position(|byte| !is_space(*byte))?;
        let rest = pair[start..].strip_prefix(self.name.as_bytes())?;
        let equals = rest.iter().position(|byte| !is_space(*byte))?;
        let value = rest[equals..].strip_prefix(b"=")?;
        let start = value.iter().position(|byte| !is_space(*byte)).unwrap_or(value.len());
        let end = value.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
        Some(&value[start..end])
    }
}

/// Maximum number of cookies tried, because a parent domain can plant cookies of our name.
pub(crate) const MAX_CANDIDATES: usize = 4;

fn header_value(text: String) -> HeaderValue {
    let mut value = HeaderValue::try_from(text).expect("name and attributes were checked when the cookie was built");
    value.set_sensitive(true);
    value
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_attribute_byte(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b';'
}

fn is_domain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(lines: &[&[u8]]) -> Vec<Vec<u8>> {
        let format = SessionCookie::new().build().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        format.values(&headers).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn a_name_is_matched_byte_for_byte() {
        assert_eq!(values(&[b"a=1; __Host-session=x; b=2"]), [b"x"]);
        assert_eq!(values(&[b"a=1;\t__Host-session \t= x \t"]), [b"x"]);
        for forged in [
            "\u{2000}__Host-session=x",
            "\u{a0}__Host-session=x",
            "__%48ost-session=x",
            "__host-session=x",
            "__Host-session2=x",
            "x__Host-session=x",
            "__Host-session",
            "\"__Host-session\"=x",
            "a=__Host-session=x",
        ] {
            assert!(values(&[forged.as_bytes()]).is_empty(), "{forged}");
        }
    }

    #[test]
    fn duplicates_are_seen_up_to_four() {
        let many = b"__Host-session=1; __Host-session=2; __Host-session=3";
        assert_eq!(values(&[many, many]), [b"1", b"2", b"3", b"1"]);
        assert_eq!(values(&[b"__Host-session="]), [b""]);
    }

    #[test]
    fn setting_and_removing_have_the_same_attributes() {
        let format = SessionCookie::new().build().unwrap();
        let token = SessionToken::generate().unwrap();
        let set = format.set(&token, Some(Duration::from_secs(60)));
        let text = &*token.expose_secret();
        let attributes = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age";
        assert_eq!(set.to_str().unwrap(), format!("__Host-session={text}; {attributes}=60"));
        assert_eq!(format.remove().to_str().unwrap(), format!("__Host-session=; {attributes}=0"));
    }

    #[test]
    fn what_browsers_refuse_is_refused_at_build() {
        let base = SessionCookie::new;
        for wrong in [
            base().name("a b"),
            base().name(""),
            base().domain("example.com"),
            base().path("/app"),
            base().insecure_without_secure(),
            base().name("__Secure-s").insecure_without_secure(),
            base().name("__HOST-s").insecure_without_secure(),
            base().name("__host-s").path("/app"),
            base().name("s").same_site(SameSite::None).insecure_without_secure(),
            base().partitioned(),
            base().partitioned().same_site(SameSite::Lax),
            base().name("s").path("/a;b"),
            base().name("s").path("app"),
            base().name("s").domain("a b"),
            base().name("x".repeat(4054)),
        ] {
            assert_eq!(wrong.build().unwrap_err().kind(), ErrorKind::Configuration);
        }
        let framed = base().same_site(SameSite::None).partitioned().build().unwrap();
        let attributes = "HttpOnly; SameSite=None; Partitioned; Secure; Path=/; Max-Age=0";
        assert_eq!(framed.remove().to_str().unwrap(), format!("__Host-session=; {attributes}"));
        let loose = base().name("s").domain("example.com").path("/app").same_site(SameSite::Strict);
        let format = loose.insecure_without_secure().insecure_without_http_only().build().unwrap();
        assert_eq!(format.remove().to_str().unwrap(), "s=; SameSite=Strict; Path=/app; Domain=example.com; Max-Age=0");
    }
}
