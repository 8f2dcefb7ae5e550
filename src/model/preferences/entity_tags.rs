//! [`EntityTags`]: the entity tags that a request names.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, header};

use crate::error::{Error, ErrorKind, Result};

/// The entity tags of `If-Match` or `If-None-Match` (RFC 9110, sections 13.1.1 and 13.1.2).
///
/// One tag that matches suffices. A tag is compared as a whole, and a comma inside its quotes is a part of it. `*` matches
/// every tag. A header that is not well-formed matches nothing: a conditional change is refused then, and a conditional read
/// gets the whole answer.
///
/// ```
/// use http::{HeaderMap, header};
/// use tower_guestbook::preferences::EntityTags;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(EntityTags::if_match(&headers), None);
/// headers.insert(header::IF_MATCH, r#""one,with,commas", W/"two""#.parse().unwrap());
/// let tags = EntityTags::if_match(&headers).unwrap();
/// assert!(tags.match_strongly(r#""one,with,commas""#) && !tags.match_strongly(r#""two""#));
/// assert!(tags.match_weakly(r#""two""#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTags(Named);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Any,
    /// Weak or not, and what is between the quotes.
    These(Vec<(bool, Vec<u8>)>),
}

impl EntityTags {
    /// The tags of `If-Match`; `None` if there is no such header.
    pub fn if_match(headers: &HeaderMap) -> Option<Self> {
        Self::from_headers(headers, header::IF_MATCH)
    }

    /// The tags of `If-None-Match`; `None` if there is no such header.
    pub fn if_none_match(headers: &HeaderMap) -> Option<Self> {
        Self::from_headers(headers, header::IF_NONE_MATCH)
    }

    /// Whether one of them is this tag, by the strong comparison of `If-Match`: no weak tag matches.
    pub fn match_strongly(&self, etag: &str) -> bool {
        match &self.0 {
            Named::Any => true,
            Named::These(tags) => opaque(etag)
                .is_some_and(|(is_weak, etag)| !is_weak && tags.iter().any(|(is_weak, tag)| !is_weak && tag == etag)),
        }
    }

    /// Whether one of them is this tag, by the weak comparison of `If-None-Match`.
    pub fn match_weakly(&self, etag: &str) -> bool {
        match &self.0 {
            Named::Any => true,
            Named::These(tags) => opaque(etag).is_some_and(|(_, etag)| tags.iter().any(|(_, tag)| tag == etag)),
        }
    }

    /// Several lines are one list (RFC 9110, section 5.3).
    fn from_headers(headers: &HeaderMap, name: HeaderName) -> Option<Self> {
        let lines: Vec<_> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
        if lines.is_empty() {
            return None;
        }
        Some(Self(parse(&lines.join(&b','))))
    }
}

impl FromStr for EntityTags {
    type Err = Error;

    /// The tags of a list as a header has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is neither `*` nor a list of entity tags.
    fn from_str(list: &str) -> Result<Self> {
        match parse(list.as_bytes()) {
            Named::These(tags) if tags.is_empty() => {
                Err(Error::new(ErrorKind::InvalidInput, "this is no list of entity tags"))
            }
            named => Ok(Self(named)),
        }
    }
}

fn parse(list: &[u8]) -> Named {
    if list.trim_ascii() == b"*" {
        return Named::Any;
    }
    Named::These(tags(list).unwrap_or_default())
}

/// The tags of a list; `None` if it is not well-formed.
fn tags(mut rest: &[u8]) -> Option<Vec<(bool, Vec<u8>)>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        // A list may have empty elements (RFC 9110, section 5.6.1.2).
        while let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            return Some(found);
        }
        let (is_weak, quoted) = match rest.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| *byte == b'"')?;
        let (tag, after) = (&inner[..end], inner[end + 1..].trim_ascii_start());
        if !tag.iter().all(|byte| is_of_a_tag(*byte)) || !(after.is_empty() || after.starts_with(b",")) {
            return None;
        }
        found.push((is_weak, tag.to_vec()));
        rest = after;
    }
}

/// The characters of a tag (`etagc`).
fn is_of_a_tag(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

/// Whether a tag is weak, and what is between its quotes.
fn opaque(etag: &str) -> Option<(bool, &[u8])> {
    let (is_weak, quoted) = match etag.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, etag),
    };
    Some((is_weak, quoted.strip_prefix('"')?.strip_suffix('"')?.as_bytes()))
}
