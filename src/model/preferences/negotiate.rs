//! Content negotiation for preferences: language and colour scheme.

use super::likely_subtags::{Fit, LikelyTags};

/// A colour scheme of `Sec-CH-Prefers-Color-Scheme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum ColorScheme {
    Light,
    Dark,
}

impl ColorScheme {
    /// Parses the value of `Sec-CH-Prefers-Color-Scheme`, an item of structured fields (RFC 8941).
    ///
    /// Chromium sends a token, `dark`; the draft of the header specifies a string, `"dark"`. Both
    /// are accepted, and parameters are ignored.
    ///
    /// ```
    /// use tower_guestbook::preferences::ColorScheme;
    ///
    /// assert_eq!(ColorScheme::from_header(b"dark"), Some(ColorScheme::Dark));
    /// assert_eq!(ColorScheme::from_header(br#""dark""#), Some(ColorScheme::Dark));
    /// assert_eq!(ColorScheme::from_header(b"no-preference"), None);
    /// ```
    pub fn from_header(value: &[u8]) -> Option<Self> {
        match item(value)? {
            b"light" | br#""light""# => Some(Self::Light),
            b"dark" | br#""dark""# => Some(Self::Dark),
            _ => None,
        }
    }
}

/// Parses the value of `Sec-CH-Prefers-Reduced-Motion`: whether the client asks for less motion.
pub(crate) fn reduced_motion(value: &[u8]) -> Option<bool> {
    match item(value)? {
        b"reduce" | br#""reduce""# => Some(true),
        b"no-preference" | br#""no-preference""# => Some(false),
        _ => None,
    }
}

/// Parses the value of `Save-Data`: whether the client asks for less data.
pub(crate) fn save_data(value: &[u8]) -> Option<bool> {
    let item = item(value)?.trim_ascii_end();
    item.eq_ignore_ascii_case(b"on").then_some(true)
}

/// Returns an item of structured fields (RFC 8941) without its parameters.
fn item(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (item, parameters) = value.split_at(value.iter().position(|byte| *byte == b';').unwrap_or(value.len()));
    parameters.iter().all(|byte| (b' '..=b'~').contains(byte)).then_some(item)
}

/// The number of language ranges to read from a header. Browsers send a few.
const MAX_RANGES: usize = 32;

/// Returns the supported language that fits an `Accept-Language` header best: the lookup of RFC
/// 4647, section 3.4, in the order of the weights.
///
/// `None` if no language fits, or only `*` does: use the default then. At most 32 language ranges
/// of the header are read.
///
/// With the feature `likely-subtags`, a range also finds a language that is spelled differently:
///
/// - A region implies a script, and a language its region (CLDR, likely subtags): `zh-TW` finds
///   `zh-Hant`, and not `zh`, which is simplified Chinese; `pt` finds `pt-BR`.
/// - Deprecated tags stand for their successors: `iw` finds `he`, `no` finds `nb`.
/// - Another region is better than another language: `en-AU` finds `en-GB`.
///
/// An exact match wins over these, these over a shorter tag in another script. A language that the
/// header refuses (`q=0`) is not found, nor are its regions.
///
/// ```
/// use tower_guestbook::preferences::lookup_language;
///
/// let supported = ["en", "de", "zh-Hant"];
/// assert_eq!(lookup_language("de-CH-1996, en;q=0.8", &supported), Some("de"));
/// assert_eq!(lookup_language("fr;q=0.9, EN-gb;q=0.8", &supported), Some("en"));
/// assert_eq!(lookup_language("zh-Hant-TW", &supported), Some("zh-Hant"));
/// assert_eq!(lookup_language("de;q=0, *", &supported), None);
/// # #[cfg(feature = "likely-subtags")]
/// assert_eq!(lookup_language("zh-TW", &supported), Some("zh-Hant"));
/// ```
pub fn lookup_language<'a, L: AsRef<str>>(header: &str, supported: &'a [L]) -> Option<&'a str> {
    lookup_language_index(header, supported, &LikelyTags::default()).map(|index| supported[index].as_ref())
}

/// As [`lookup_language`], but returns the index. `likely` is that of these languages. No
/// maintained crate implements this lookup with weights.
pub(crate) fn lookup_language_index<L: AsRef<str>>(
    header: &str,
    supported: &[L],
    likely: &LikelyTags,
) -> Option<usize> {
    let mut ranges: [Range<'_>; MAX_RANGES] = [(b"", 0); MAX_RANGES];
    let mut count = 0;
    for range in header.as_bytes().split(|byte| *byte == b',').take(MAX_RANGES).filter_map(range) {
        ranges[count] = range;
        count += 1;
    }
    let ranges = &mut ranges[..count];
    // A stable sort: the first of equal weights wins.
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let refused = ranges.iter().position(|(_, weight)| *weight == 0).unwrap_or(count);
    let (accepted, refused) = ranges.split_at(refused);
    accepted.iter().find_map(|(range, _)| look_up(range, supported, refused, likely))
}

/// A language range and its weight, in thousandths.
type Range<'a> = (&'a [u8], u16);

fn range(element: &[u8]) -> Option<Range<'_>> {
    let element = element.trim_ascii();
    let end = element.iter().position(|byte| *byte == b';').unwrap_or(element.len());
    let (range, weight) = element.split_at(end);
    let range = range.trim_ascii_end();
    let weight = match weight.split_first() {
        None => 1_000,
        Some((_, weight)) => {
            let weight = weight.trim_ascii();
            qvalue(weight.strip_prefix(b"q=").or_else(|| weight.strip_prefix(b"Q="))?)?
        }
    };
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'*';
    (!range.is_empty() && range.iter().all(allowed)).then_some((range, weight))
}

/// Parses a qvalue (RFC 9110): `0` or `1`, with at most three decimals.
fn qvalue(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = text.split_first()?;
    let decimals = match decimals.split_first() {
        None => decimals,
        Some((b'.', decimals)) => decimals,
        Some(_) => return None,
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = decimals.iter().chain(std::iter::repeat(&b'0')).take(3);
    let thousandths = digits.fold(0, |thousandths, digit| thousandths * 10 + u16::from(digit - b'0'));
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

fn look_up<L: AsRef<str>>(range: &[u8], supported: &[L], refused: &[Range<'_>], likely: &LikelyTags) -> Option<usize> {
    let tag = |index: usize| supported[index].as_ref().as_bytes();
    let is_named = |index: usize| refused.iter().any(|(refused, _)| refused.eq_ignore_ascii_case(tag(index)));
    let exact = (0..supported.len()).find(|index| tag(*index).eq_ignore_ascii_case(range));
    if let Some(index) = exact.filter(|index| !is_named(*index)) {
        return Some(index);
    }
    if let Some(fit) = likely.of_range(range, supported) {
        // A language that no range names is not found below one that is refused.
        let is_refused = |index: usize| refused.iter().any(|(refused, _)| is_within(tag(index), refused));
        for least in [Fit::Region, Fit::Script] {
            let fits = |index: usize| fit(index) >= least && !is_refused(index);
            let found = truncated(range, supported, fits).or_else(|| (0..supported.len()).find(|index| fits(*index)));
            if found.is_some() {
                return found;
            }
        }
    }
    truncated(range, supported, |index| !is_named(index))
}

/// Returns whether `tag` is `range` or continues it (RFC 4647, section 3.3.1).
fn is_within(tag: &[u8], range: &[u8]) -> bool {
    tag.split_at_checked(range.len())
        .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(range) && rest.first().is_none_or(|byte| *byte == b'-'))
}

/// Removes subtags from the end of `range` until it is one of `supported` that is allowed.
fn truncated<L: AsRef<str>>(range: &[u8], supported: &[L], is_allowed: impl Fn(usize) -> bool) -> Option<usize> {
    let mut range = range;
    loop {
        let tag = |index: usize| supported[index].as_ref().as_bytes();
        let found = (0..supported.len()).find(|index| tag(*index).eq_ignore_ascii_case(range));
        if let Some(index) = found.filter(|index| is_allowed(*index)) {
            return Some(index);
        }
        range = &range[..range.iter().rposition(|byte| *byte == b'-')?];
        // A single character introduces an extension and is removed with it.
        if let [shorter @ .., b'-', _] = range {
            range = shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_header_accepts_a_token_or_a_string() {
        use ColorScheme::{Dark, Light};
        for (value, expected) in [
            (b"dark".as_slice(), Some(Dark)),
            (b"light", Some(Light)),
            (br#""dark""#, Some(Dark)),
            (br#""light""#, Some(Light)),
            (b"  dark ", Some(Dark)),
            (b"dark;q=1", Some(Dark)),
            (br#""light";a;b="c""#, Some(Light)),
            (b"", None),
            (b"\"dark", None),
            (b"dark\"", None),
            (b"'dark'", None),
            (b"DARK", None),
            (b"dark ;q=1", None),
            (b"dark, light", None),
            (b"dark;\xff", None),
            (b"?1", None),
        ] {
            assert_eq!(ColorScheme::from_header(value), expected, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn reduced_motion_and_save_data_accept_their_tokens() {
        for (value, expected) in [
            (b"reduce".as_slice(), Some(true)),
            (br#""reduce""#, Some(true)),
            (br#" "no-preference";a=1"#, Some(false)),
            (b"no-preference", Some(false)),
            (b"", None),
            (b"Reduce", None),
            (b"reduce, reduce", None),
            (b"?1", None),
        ] {
            assert_eq!(reduced_motion(value), expected, "{}", String::from_utf8_lossy(value));
        }
        for (value, expected) in [
            (b"on".as_slice(), Some(true)),
            (b" On ", Some(true)),
            (b"on; q=1", Some(true)),
            (b"on ;q", Some(true)),
            (b"", None),
            (b"off", None),
            (b"?1", None),
            (b"on, on", None),
            (b"on;\xff", None),
        ] {
            assert_eq!(save_data(value), expected, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn lookup_language_follows_weights_order_and_subtags() {
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
            ("pt", cfg!(feature = "likely-subtags").then_some("pt-BR")),
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
        assert_eq!(lookup_language(&long, &supported), None, "only the first 32 ranges are read");
    }
}
