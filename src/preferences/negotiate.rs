//! What a browser asks for before anybody has chosen: a language and a colour scheme.
//!
//! There is no maintained crate for the lookup of RFC 4647 over a header: those that there are leave the weights out, or
//! filter, which answers with several languages.

/// A colour scheme, as `Sec-CH-Prefers-Color-Scheme` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ColorScheme {
    Light,
    Dark,
}

impl ColorScheme {
    /// What `Sec-CH-Prefers-Color-Scheme` says: a string of structured fields, so with its quotes.
    ///
    /// ```
    /// use tower_guestbook::preferences::ColorScheme;
    ///
    /// assert_eq!(ColorScheme::from_header(br#""dark""#), Some(ColorScheme::Dark));
    /// assert_eq!(ColorScheme::from_header(b"dark"), None);
    /// ```
    pub fn from_header(value: &[u8]) -> Option<Self> {
        match value {
            br#""light""# => Some(Self::Light),
            br#""dark""# => Some(Self::Dark),
            _ => None,
        }
    }
}

/// So many ranges of a header are looked at. A browser sends a handful.
const MAX_RANGES: usize = 32;

/// The one of `supported` that fits `Accept-Language` best: the lookup of RFC 4647, section 3.4, in the order of the weights.
/// `None` if none fits, or only `*` does: then the default is as good as any.
///
/// ```
/// use tower_guestbook::preferences::lookup_language;
///
/// let supported = ["en", "de", "zh-Hant"];
/// assert_eq!(lookup_language("de-CH-1996, en;q=0.8", &supported), Some("de"));
/// assert_eq!(lookup_language("fr;q=0.9, EN-gb;q=0.8", &supported), Some("en"));
/// assert_eq!(lookup_language("zh-Hant-TW", &supported), Some("zh-Hant"));
/// assert_eq!(lookup_language("de;q=0, *", &supported), None);
/// ```
pub fn lookup_language<'a>(header: &str, supported: &[&'a str]) -> Option<&'a str> {
    let mut ranges: Vec<(&str, u16)> = header.split(',').take(MAX_RANGES).filter_map(range).collect();
    let refused: Vec<&str> = ranges.iter().filter(|(_, weight)| *weight == 0).map(|(range, _)| *range).collect();
    // Stable: of the same weight the first wins.
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let accepted = ranges.into_iter().filter(|(_, weight)| *weight > 0);
    accepted.into_iter().find_map(|(range, _)| look_up(range, supported, &refused))
}

/// A language range and its weight, in thousandths.
fn range(element: &str) -> Option<(&str, u16)> {
    let mut parts = element.split(';');
    let range = parts.next()?.trim();
    let weight = match parts.next().map(str::trim) {
        None => 1_000,
        Some(weight) => qvalue(weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?)?,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'*';
    (!range.is_empty() && range.bytes().all(allowed) && parts.next().is_none()).then_some((range, weight))
}

/// A qvalue of RFC 9110: `0` or `1`, with at most three decimals.
fn qvalue(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

/// Takes subtags from the end of `range` until it is one of `supported`.
fn look_up<'a>(range: &str, supported: &[&'a str], refused: &[&str]) -> Option<&'a str> {
    let mut range = range;
    loop {
        let found = supported.iter().find(|tag| tag.eq_ignore_ascii_case(range));
        if let Some(tag) = found.filter(|tag| !refused.iter().any(|refused| refused.eq_ignore_ascii_case(tag))) {
            return Some(tag);
        }
        range = &range[..range.rfind('-')?];
        // A single character introduces an extension and says nothing without it.
        if let Some((shorter, single)) = range.rsplit_once('-')
            && single.len() == 1
        {
            range = shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lookup_follows_weights_order_and_subtags() {
        let supported = ["en", "en-GB", "de", "zh-Hant", "pt-BR"];
        for (header, expected) in [
            ("", None),
            ("*", None),
            ("*;q=0.5, de;q=0.1", Some("de")),
            ("en-GB", Some("en-GB")),
            ("en-gb-oxendict", Some("en-GB")),
            ("en-US", Some("en")),
            ("de;q=0.5, en;q=0.5", Some("de")),
            ("de;q=0.5, en;q=0.501", Some("en")),
            ("zh-Hant-CN-x-private1-private2", Some("zh-Hant")),
            ("zh-x-y", None),
            ("pt", None),
            ("fr, de;q=0, en;q=0.1", Some("en")),
            ("de;q=0", None),
            ("en-US, en;q=0", None),
            ("de;q=2, en;q=0.1", Some("en")),
            ("de;q=0.1234, en;q=0.1", Some("en")),
            ("de;level=1, en", Some("en")),
            ("d\u{e9}, en", Some("en")),
            (";;;,,,q=1,-,--, en", Some("en")),
        ] {
            assert_eq!(lookup_language(header, &supported), expected, "{header}");
        }
        let long = format!("{}de", "fr,".repeat(100_000));
        assert_eq!(lookup_language(&long, &supported), None, "the first ranges only");
    }
}
