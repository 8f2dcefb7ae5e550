//! What a `Cache-Control` says, directive by directive (RFC 9111, section 5.2).

use http::{HeaderMap, header};

/// Whether no shared cache keeps the response: it says `private` or `no-store`.
///
/// `private="Set-Cookie"` keeps back a header field only, and `community="private"` is a directive
/// of another name.
pub(super) fn is_private(headers: &HeaderMap) -> bool {
    directives(headers).any(|directive| is(directive, b"private") || is(directive, b"no-store"))
}

/// Whether the response is meant for everybody: it says `public` or `immutable`.
pub(super) fn is_public(headers: &HeaderMap) -> bool {
    directives(headers).any(|directive| is(directive, b"public") || is(directive, b"immutable"))
}

fn is(directive: &[u8], name: &[u8]) -> bool {
    directive.eq_ignore_ascii_case(name)
}

fn directives(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::CACHE_CONTROL).iter().flat_map(|line| elements(line.as_bytes()))
}

/// The elements of a list, split at commas that are not inside a quoted string (RFC 9110, section
/// 5.6).
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let elements = line.split(move |byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'"' if !was_escaped => is_quoted = !is_quoted,
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            b',' => return !is_quoted,
            _ => {}
        }
        false
    });
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::CACHE_CONTROL, line.parse().unwrap())).collect()
    }

    #[test]
    fn a_directive_is_found_as_a_whole_and_outside_of_quoted_strings() {
        for (lines, private, public) in [
            (&["private"][..], true, false),
            (&["max-age=60", "PRIVATE"], true, false),
            (&["max-age=60 ,\tno-store"], true, false),
            (&["public, max-age=600, community=\"private-beta\""], false, true),
            (&["public, community=\"a, private, no-store\""], false, true),
            (&["public, community=\"a\\\", private\""], false, true),
            (&["community=\"a\\\\\", private"], true, false),
            (&["private=\"set-cookie\", max-age=60"], false, false),
            (&["x-private, no-store-please, publicity"], false, false),
            (&["Public"], false, true),
            (&["max-age=31536000, immutable"], false, true),
            (&["community=\"public, private"], false, false),
            (&["", ",,"], false, false),
        ] {
            let headers = headers(lines);
            assert_eq!((is_private(&headers), is_public(&headers)), (private, public), "{lines:?}");
        }
    }
}
