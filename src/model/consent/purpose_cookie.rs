//! [`PurposeCookie`]: a cookie of a purpose, with the attributes that identify it.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// A cookie of a purpose, for [`Purpose::cookies`](super::Purpose::cookies).
///
/// Browsers identify a cookie by name, domain, path and partition (RFC 6265bis, section 5.7;
/// CHIPS). They remove a cookie only if all of them match. Text converts into a cookie with the
/// path `/` and the domains of
/// [`ConsentRules::cookie_domains`](crate::consent::ConsentRules::cookie_domains).
///
/// # Examples
///
/// ```
/// use tower_guestbook::consent::{Category, Purpose, PurposeCookie};
///
/// let marketing = Purpose::new("marketing", Category::Marketing).cookies([
///     PurposeCookie::from("ads_*"),
///     PurposeCookie::new("basket_hint").path("/shop"),
///     PurposeCookie::new("frame_id").partitioned(),
/// ]);
/// assert_eq!(marketing.cookie_names().collect::<Vec<_>>(), ["ads_*", "basket_hint", "frame_id"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PurposeCookie {
    name: String,
    paths: Vec<String>,
    domains: Vec<String>,
    is_partitioned: bool,
}

impl PurposeCookie {
    /// Creates a cookie with the path `/`. A name that ends with `*` stands for all names with this
    /// prefix: `_ga*`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), paths: Vec::new(), domains: Vec::new(), is_partitioned: false }
    }

    /// Declares a `Path` that the cookie is set with. Several calls declare several paths. Default:
    /// `/`.
    ///
    /// A request for another path does not carry such a cookie. The response to the request that
    /// withdraws the consent therefore removes it, whether or not the browser has it. A cookie
    /// whose name ends with `*` is removed when the browser sends it the next time.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Declares a `Domain` that the cookie is set with. Several calls declare several domains.
    /// Default: no domain, and the domains of
    /// [`ConsentRules::cookie_domains`](crate::consent::ConsentRules::cookie_domains).
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domains.push(domain.into());
        self
    }

    /// Declares that the cookie is set with `Partitioned`: browsers keep one for each embedding
    /// site.
    pub fn partitioned(mut self) -> Self {
        self.is_partitioned = true;
        self
    }

    /// Returns the name, or a prefix and `*`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the declared paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Returns the declared domains.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(String::as_str)
    }

    /// Returns whether the cookie is set with `Partitioned`.
    pub fn is_partitioned(&self) -> bool {
        self.is_partitioned
    }

    /// Returns what is wrong with the declaration, if anything.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let is_path = |path: &String| {
            path.starts_with('/') && path.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b';')
        };
        if !is_token(&self.name) {
            Some("the name of a cookie is a token (RFC 9110)")
        } else if !self.paths.iter().all(is_path) {
            Some("the path of a cookie begins with \"/\" and contains no \";\" and no control characters")
        } else if !self.domains.iter().all(|domain| is_cookie_domain(domain)) {
            Some("the domain of a cookie is a host name")
        } else if is_host_prefixed(self.name.as_bytes())
            && (!self.domains.is_empty() || self.paths.iter().any(|path| path != "/"))
        {
            Some("a cookie named __Host-… has no Domain and the Path \"/\"")
        } else {
            None
        }
    }
}

/// Returns whether `domain` is valid in a `Domain` attribute: a host name, with or without a
/// leading dot.
pub(crate) fn is_cookie_domain(domain: &str) -> bool {
    !domain.is_empty() && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// Returns whether browsers accept a cookie of this name only with `Secure`, without `Domain` and
/// with the path `/`. The prefix is case-insensitive (RFC 6265bis, section 4.1.3).
pub(crate) fn is_host_prefixed(name: &[u8]) -> bool {
    begins_with(name, b"__Host-")
}

/// Returns whether browsers accept a cookie of this name only with `Secure`.
pub(crate) fn is_secure_prefixed(name: &[u8]) -> bool {
    begins_with(name, b"__Secure-") || is_host_prefixed(name)
}

fn begins_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_token(name: &str) -> bool {
    let special = b"!#$%&'*+-.^_`|~";
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || special.contains(&byte))
}

impl From<&str> for PurposeCookie {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for PurposeCookie {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<Cow<'_, str>> for PurposeCookie {
    fn from(name: Cow<'_, str>) -> Self {
        Self::new(name)
    }
}

/// Serialises as the name.
impl Serialize for PurposeCookie {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_secure_prefixes_are_case_insensitive_and_exact() {
        for (name, host, secure) in [
            ("__Host-a", true, true),
            ("__HOST-a", true, true),
            ("__Secure-a", false, true),
            ("__secure-a", false, true),
            ("__utma", false, false),
            ("__Host_a", false, false),
            ("__", false, false),
            ("a__Host-", false, false),
        ] {
            assert_eq!(
                (is_host_prefixed(name.as_bytes()), is_secure_prefixed(name.as_bytes())),
                (host, secure),
                "{name}"
            );
        }
    }
}
