//! Decides whether a request is recorded, and with which data.

use http::Uri;
use serde_json::{Map, Value};

use super::{RequestHead, facts::Facts, referrer::Referrer, rules::ActivityRules, skipped::Reason};
use crate::model::{
    activity::{Campaign, EventData, EventLimits},
    client::{Agent, DeviceClass},
};

/// File extensions of static files.
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

/// Returns why the request is not recorded, judged by the request itself. Hooks and sampling come
/// later.
pub(super) fn reason_to_skip(rules: &ActivityRules, request: RequestHead<'_>, facts: &Facts<'_>) -> Option<Reason> {
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
    None
}

/// Returns why the request is not recorded, judged by its sender, if nobody is logged in.
pub(super) fn reason_to_skip_sender(
    rules: &ActivityRules,
    request: RequestHead<'_>,
    facts: &Facts<'_>,
    agent: Agent,
    referrer: &Referrer,
) -> Option<Reason> {
    let is_bot = || match &rules.is_bot {
        Some(detector) => detector(request),
        // A person's browser does not send such a `HEAD` request.
        None => agent.device == DeviceClass::Bot || (request.method == http::Method::HEAD && !facts.is_personal),
    };
    if !rules.bots && is_bot() {
        return Some(Reason::Bot);
    }
    (*referrer == Referrer::Excluded).then_some(Reason::ReferrerSpam)
}

fn is_at_or_below(path: &str, known: &str) -> bool {
    // Most paths differ in the first byte.
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

/// Returns whether a browser loads this as a part of a page.
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

/// Returns the `utm_*` parameters.
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

/// Returns the allowed parts of the query and the headers.
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
    // Too much data is dropped: the request is recorded all the same.
    if data.is_empty() { None } else { EventData::new(&data, limits).ok() }
}

/// Returns at most `max_bytes` bytes of the text, without control characters.
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
    fn campaign_is_short_and_clean() {
        let uri: Uri =
            format!("/?utm_source=a%00b&x=secret&utm_term={}&utm_source=second", "é".repeat(99)).parse().unwrap();
        let campaign = campaign(&uri).unwrap();
        assert_eq!(campaign.source.as_deref(), Some("ab"));
        assert_eq!(campaign.term.as_deref().map(str::len), Some(100));
        assert!(super::campaign(&Uri::from_static("/?utm_=1&utm_source=")).is_none());
    }

    #[test]
    fn is_at_or_below_compares_whole_segments() {
        for (path, expected) in [("/health", true), ("/health/live", true), ("/healthy", false), ("/", false)] {
            assert_eq!(is_at_or_below(path, "/health"), expected, "{path}");
        }
        assert!(is_at_or_below("/x", "/") && is_at_or_below("/", "/") && !is_at_or_below("/", "/x"));
    }
}
