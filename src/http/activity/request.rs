//! What of a request goes into its trace, and whether it leaves one.

use http::{HeaderMap, Uri, header};
use serde_json::{Map, Value};

use super::{
    rules::{ActivityRules, RequestHead},
    skipped::Reason,
};
use crate::{
    activity::{Campaign, EventData, EventLimits},
    client::{Agent, DeviceClass},
};

/// What the headers say. Read in one pass: looking each of them up takes twice as long.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) agent: &'a [u8],
    referrer: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    /// What the browser wants it for (`Sec-Fetch-Dest`).
    destination: Option<&'a [u8]>,
    is_prefetch: bool,
    /// It has a cookie or a language, as a person's browser does.
    is_personal: bool,
}

impl<'a> Facts<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut facts = Self::default();
        for (name, value) in headers {
            let value = value.as_bytes();
            // Well-known names are numbers: comparing those is faster than comparing texts.
            if *name == header::USER_AGENT {
                facts.agent = value;
            } else if *name == header::HOST {
                facts.host = Some(value);
            } else if *name == header::REFERER {
                facts.referrer = Some(value);
            } else if *name == header::ACCEPT_LANGUAGE || *name == header::COOKIE {
                facts.is_personal = true;
            } else {
                match name.as_str() {
                    "sec-fetch-dest" => facts.destination = Some(value),
                    "sec-purpose" | "purpose" | "x-moz" => facts.is_prefetch |= says_prefetch(value),
                    _ => {}
                }
            }
        }
        facts
    }

    /// Whether a script asked: the browser says that it wants neither a document nor a frame.
    pub(super) fn is_by_script(&self) -> bool {
        self.destination
            .is_some_and(|wanted| ![b"document".as_slice(), b"iframe", b"frame", b"fencedframe"].contains(&wanted))
    }
}

/// The extensions of files that pages consist of.
const STATIC_EXTENSIONS: &[&str] = &[
    "js",
    "mjs",
    "css",
    "map",
    "wasm",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "avif",
    "ico",
    "bmp",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "eot",
    "mp3",
    "mp4",
    "webm",
    "ogg",
    "wav",
    "webmanifest",
];

/// Why the request leaves no trace, by what it is; hooks and sampling come later.
pub(super) fn reason_to_skip(
    rules: &ActivityRules,
    request: RequestHead<'_>,
    facts: &Facts<'_>,
    agent: Agent,
    logged_in: bool,
) -> Option<Reason> {
    let (method, path) = (request.method, request.uri.path());
    if !rules.options && method == http::Method::OPTIONS {
        return Some(Reason::Options);
    }
    if !rules.health && rules.health_paths.iter().any(|known| is_at_or_below(path, known)) {
        return Some(Reason::Health);
    }
    if !rules.static_files
        && (method == http::Method::GET || method == http::Method::HEAD)
        && is_static(rules, path, facts)
    {
        return Some(Reason::Static);
    }
    if !rules.prefetch && facts.is_prefetch {
        return Some(Reason::Prefetch);
    }
    if !rules.bots && !logged_in {
        let is_bot = match &rules.is_bot {
            Some(detector) => detector(request),
            // No person's browser asks for a head alone, and like this.
            None => agent.device == DeviceClass::Bot || (method == http::Method::HEAD && !facts.is_personal),
        };
        return is_bot.then_some(Reason::Bot);
    }
    None
}

fn is_at_or_below(path: &str, known: &str) -> bool {
    // Most paths differ at once.
    (known.len() < 2 || path.as_bytes().get(1) == known.as_bytes().get(1))
        && path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || known.ends_with('/'))
}

fn is_static(rules: &ActivityRules, path: &str, facts: &Facts<'_>) -> bool {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|byte| matches!(byte, b'.' | b'/'));
    let extension = end.filter(|end| bytes[*end] == b'.').map(|end| &bytes[end + 1..]);
    rules.static_prefixes.iter().any(|prefix| path.starts_with(prefix.as_str()))
        || extension.is_some_and(|known| STATIC_EXTENSIONS.iter().any(|one| known.eq_ignore_ascii_case(one.as_bytes())))
        || facts.destination.is_some_and(is_part_of_a_page)
}

/// What a browser fetches for a page, not as one.
fn is_part_of_a_page(destination: &[u8]) -> bool {
    matches!(
        destination,
        b"image"
            | b"style"
            | b"script"
            | b"font"
            | b"audio"
            | b"video"
            | b"track"
            | b"manifest"
            | b"worker"
            | b"sharedworker"
            | b"serviceworker"
    )
}

fn says_prefetch(value: &[u8]) -> bool {
    value.windows(8).any(|part| part.eq_ignore_ascii_case(b"prefetch"))
}

/// The host that the client came from, if it is not this one.
pub(super) fn referrer(facts: &Facts<'_>, uri: &Uri) -> Option<Box<str>> {
    let referrer = facts.referrer?;
    if facts.host.is_some_and(|own| is_url_of(referrer, own)) {
        return None;
    }
    let referrer = host(referrer)?;
    let own = facts.host.or_else(|| uri.host().map(str::as_bytes)).map(without_port);
    if own.is_some_and(|own| own.eq_ignore_ascii_case(referrer)) {
        return None;
    }
    std::str::from_utf8(referrer).ok().map(|host| host.to_ascii_lowercase().into())
}

/// Whether a URL is one of this very host: the usual case, told without taking it apart.
fn is_url_of(url: &[u8], host: &[u8]) -> bool {
    let rest = url.strip_prefix(b"https://").or_else(|| url.strip_prefix(b"http://"));
    let rest = rest.and_then(|rest| rest.strip_prefix(host));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?' | b'#')))
}

fn host(url: &[u8]) -> Option<&[u8]> {
    let after =
        |scheme: &[u8]| url.split_at_checked(scheme.len()).filter(|(start, _)| start.eq_ignore_ascii_case(scheme));
    let (_, rest) = after(b"https://").or_else(|| after(b"http://"))?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    let authority = &rest[..end];
    let begin = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    let host = without_port(&authority[begin..]);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.[]:".contains(byte);
    (!host.is_empty() && host.len() <= 253 && host.iter().all(allowed)).then_some(host)
}

fn without_port(authority: &[u8]) -> &[u8] {
    let digits = authority.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match authority[..authority.len() - digits] {
        // Not within an IPv6 address that is not in brackets.
        [ref host @ .., b':'] if host.last() != Some(&b':') => host,
        _ => authority,
    }
}

/// The `utm_*` parameters.
pub(super) fn campaign(uri: &Uri) -> Option<Box<Campaign>> {
    let query = uri.query().filter(|query| query.contains("utm_"))?;
    let mut campaign = Campaign::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let field = match &*key {
            "utm_source" => &mut campaign.source,
            "utm_medium" => &mut campaign.medium,
            "utm_campaign" => &mut campaign.campaign,
            "utm_term" => &mut campaign.term,
            "utm_content" => &mut campaign.content,
            _ => continue,
        };
        if field.is_none() && !value.is_empty() {
            *field = Some(clean(&value, 100).into());
        }
    }
    (campaign != Campaign::default()).then(|| Box::new(campaign))
}

/// What the rules allow of query and headers.
pub(super) fn data(rules: &ActivityRules, request: RequestHead<'_>, limits: &EventLimits) -> Option<EventData> {
    if rules.query_keys.is_empty() && rules.headers.is_empty() {
        return None;
    }
    let mut data = Map::new();
    let pairs = form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes());
    let query: Map<_, _> = pairs
        .filter(|(key, _)| rules.query_keys.iter().any(|allowed| *allowed == **key))
        .map(|(key, value)| (key.into_owned(), Value::from(clean(&value, 100))))
        .collect();
    let headers: Map<_, _> = rules
        .headers
        .iter()
        .filter_map(|name| {
            let value = request.headers.get(name)?;
            Some((name.as_str().to_owned(), clean(&String::from_utf8_lossy(value.as_bytes()), 200).into()))
        })
        .collect();
    for (name, part) in [("query", query), ("headers", headers)] {
        if !part.is_empty() {
            data.insert(name.into(), part.into());
        }
    }
    // Too much of it is as good as nothing: a request is recorded all the same.
    if data.is_empty() { None } else { EventData::new(&data, limits).ok() }
}

/// At most so many bytes, without control characters.
fn clean(text: &str, max_bytes: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(max_bytes));
    for character in text.chars().filter(|character| !character.is_control()) {
        if clean.len() + character.len_utf8() > max_bytes {
            break;
        }
        clean.push(character);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_referrer_only_a_foreign_host_is_kept() {
        let seen = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", "shop.example:8080".parse().unwrap());
            headers.insert("referer", value.parse().unwrap());
            referrer(&Facts::of(&headers), &Uri::from_static("/")).map(String::from)
        };
        assert_eq!(seen("https://News.example/article?id=7#x").as_deref(), Some("news.example"));
        assert_eq!(seen("https://user:secret@news.example:8443/").as_deref(), Some("news.example"));
        assert_eq!(seen("https://[2001:db8::1]:8443/").as_deref(), Some("[2001:db8::1]"));
        for own_or_odd in
            ["https://shop.example/", "http://SHOP.example:80/x", "android-app://x.y", "about:blank", "https:///", "x"]
        {
            assert_eq!(seen(own_or_odd), None, "{own_or_odd}");
        }
    }

    #[test]
    fn campaigns_are_short_and_clean() {
        let uri: Uri =
            format!("/?utm_source=a%00b&x=secret&utm_term={}&utm_source=second", "é".repeat(99)).parse().unwrap();
        let campaign = campaign(&uri).unwrap();
        assert_eq!(campaign.source.as_deref(), Some("ab"));
        assert_eq!(campaign.term.as_deref().map(str::len), Some(100));
        assert!(super::campaign(&Uri::from_static("/?utm_=1&utm_source=")).is_none());
    }

    #[test]
    fn paths_match_whole_segments() {
        for (path, expected) in [("/health", true), ("/health/live", true), ("/healthy", false), ("/", false)] {
            assert_eq!(is_at_or_below(path, "/health"), expected, "{path}");
        }
        assert!(is_at_or_below("/x", "/") && is_at_or_below("/", "/") && !is_at_or_below("/", "/x"));
    }
}
