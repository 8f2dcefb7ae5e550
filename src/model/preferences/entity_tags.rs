//! [`EntityTags`]: the entity tags of a conditional request.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, header};

use crate::error::{Error, ErrorKind, Result};

/// The entity tags of an `If-Match` or `If-None-Match` header (RFC 9110, sections 13.1.1 and
/// 13.1.2).
///
/// One matching tag suffices, and `*` matches every tag. A comma inside the quotes is part of a
/// tag. A malformed header matches nothing: a conditional change is then refused, and a conditional
/// read gets the full response.
///
/// # Examples
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
pub struct EntityTags(Tags);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Whether the tag is weak, and the text between its quotes.
    List(Vec<(bool, Vec<u8>)>),
}

impl EntityTags {
    /// Returns the tags of `If-Match`; `None` without that header.
    ///
    /// The result is what [`Preferences::update`](crate::Preferences::update) takes.
    pub fn if_match(headers: &HeaderMap) -> Option<Self> {
        Self::from_headers(headers, header::IF_MATCH)
    }

    /// Returns the tags of `If-None-Match`; `None` without that header.
    pub fn if_none_match(headers: &HeaderMap) -> Option<Self> {
        Self::from_headers(headers, header::IF_NONE_MATCH)
    }

    /// Returns whether one of the tags matches by strong comparison, as `If-Match` requires: a weak
    /// tag never matches.
    pub fn match_strongly(&self, etag: &str) -> bool {
        match &self.0 {
            Tags::Any => true,
            Tags::List(tags) => opaque(etag)
                .is_some_and(|(is_weak, etag)| !is_weak && tags.iter().any(|(is_weak, tag)| !is_weak && tag == etag)),
        }
    }

    /// Returns whether one of the tags matches by weak comparison, as for `If-None-Match`.
    pub fn match_weakly(&self, etag: &str) -> bool {
        match &self.0 {
            Tags::Any => true,
            Tags::List(tags) => opaque(etag).is_some_and(|(_, etag)| tags.iter().any(|(_, tag)| tag == etag)),
        }
    }

    /// Joins several header lines into one list (RFC 9110, section 5.3).
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

    /// Parses the value of a header.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the text is neither `*` nor a list of entity tags.
    fn from_str(list: &str) -> Result<Self> {
        match parse(list.as_bytes()) {
            Tags::List(tags) if tags.is_empty() => {
                Err(Error::new(ErrorKind::InvalidInput, "the text is neither `*` nor a list of entity tags"))
            }
            tags => Ok(Self(tags)),
        }
    }
}

fn parse(list: &[u8]) -> Tags {
    if list.trim_ascii() == b"*" {
        return Tags::Any;
    }
    Tags::List(tags(list).unwrap_or_default())
}

/// Parses a list of tags; `None` if it is malformed.
fn tags(mut rest: &[u8]) -> Option<Vec<(bool, Vec<u8>)>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        // A list may contain empty elements (RFC 9110, section 5.6.1.2).
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
        if !tag.iter().all(|byte| is_etagc(*byte)) || !(after.is_empty() || after.starts_with(b",")) {
            return None;
        }
        found.push((is_weak, tag.to_vec()));
        rest = after;
    }
}

/// Returns whether a byte may occur between the quotes (`etagc`).
fn is_etagc(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

/// Returns whether a tag is weak, and the text between its quotes.
fn opaque(etag: &str) -> Option<(bool, &[u8])> {
    let (is_weak, quoted) = match etag.strip_prefix("W/") {
        Some(quoted) => (true, quoted),
        None => (false, etag),
    };
    Some((is_weak, quoted.strip_prefix('"')?.strip_suffix('"')?.as_bytes()))
}
