//! The elements of `Forwarded` (RFC 7239) and of lists like it, read from the right.
//!
//! Each trusted proxy appends one well-formed element. What stands left of those came from a
//! stranger and may be anything, also a quotation mark that is never closed. A parser that begins
//! at the left would let it swallow the trusted elements, and one that wants the whole header to be
//! right would let it hide them. So a line is taken apart from its end, and only the elements that
//! are asked for have to be right. The existing crates for RFC 7239 split at every comma and
//! semicolon, also within quotation marks.

use std::{borrow::Cow, net::IpAddr};

use http::{HeaderMap, HeaderName};

/// The elements of all lines of a list, the last first. Empty ones are no elements (RFC 9110,
/// section 5.6.1).
pub(super) fn elements_from_right<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let lines = headers.get_all(name).iter().rev().map(|line| line.as_bytes());
    lines.flat_map(|line| Elements(Some(line))).map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// What is left of a line.
struct Elements<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.0.take()?;
        let Some(comma) = last_comma(line) else { return Some(line) };
        self.0 = Some(&line[..comma]);
        Some(&line[comma + 1..])
    }
}

/// The last comma that is not within a quoted string, as seen from the end.
///
/// There, the first quotation mark closes a string, and the next one that no backslash escapes
/// opens it: it follows an equals sign, so whatever a stranger wrote before it has no say in that.
fn last_comma(line: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' => is_quoted = !is_quoted || is_escaped(&line[..at]),
            b',' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether the backslashes at the end of `before` escape what follows.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The value of a parameter of one element, without its quotation marks. `None` if the element does
/// not have it, has it twice, or is not well-formed.
pub(super) fn parameter<'a>(element: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let (mut rest, mut found) = (element, None);
    loop {
        rest = rest.trim_ascii_start();
        if !matches!(rest.first(), None | Some(b';')) {
            let equals = rest.iter().position(|byte| !is_token(*byte))?;
            let (key, value) = rest.split_at(equals);
            let value = value.strip_prefix(b"=")?;
            if key.is_empty() {
                return None;
            }
            let (value, after) = match value.strip_prefix(b"\"") {
                Some(quoted) => unquote(quoted)?,
                None => unquoted(value)?,
            };
            if key.eq_ignore_ascii_case(name.as_bytes()) && found.replace(value).is_some() {
                return None;
            }
            rest = after.trim_ascii_start();
        }
        match rest.split_first() {
            None => return found,
            Some((b';', after)) => rest = after,
            Some(_) => return None,
        }
    }
}

/// The text of a quoted string after its first quotation mark, and what follows it.
fn unquote(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let plain = text.iter().position(|byte| !is_plain(*byte))?;
    if text[plain] == b'"' {
        return Some((Cow::Borrowed(&text[..plain]), &text[plain + 1..]));
    }
    let mut value = Vec::with_capacity(text.len());
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((Cow::Owned(value), &text[at + 1..])),
            b'\\' => value.push(*bytes.next()?.1),
            byte if is_plain(*byte) => value.push(*byte),
            _ => return None,
        }
    }
    None
}

/// What of a quoted string stands for itself (`qdtext`).
fn is_plain(byte: u8) -> bool {
    byte != b'"' && byte != b'\\' && (byte == b'\t' || byte >= b' ') && byte != 0x7f
}

/// A value without quotation marks, and what follows it. The RFC wants a token; many proxies write
/// IPv6 addresses and ports so, too, which is as clear.
fn unquoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let end = text.iter().position(|byte| !is_token(*byte) && !b":[]".contains(byte)).unwrap_or(text.len());
    (end > 0).then(|| (Cow::Borrowed(&text[..end]), &text[end..]))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The address of a node: with or without a port; IPv6 with a port is in brackets. `None` for
/// `unknown` and for a name that hides the node.
pub(super) fn address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?;
    let Some(bracketed) = node.strip_prefix('[') else {
        return node.parse().ok().or_else(|| match node.split_once(':') {
            Some((address, port)) if is_port(port) => Some(IpAddr::V4(address.parse().ok()?)),
            _ => None,
        });
    };
    let (address, port) = bracketed.split_once(']')?;
    let is_right = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    if is_right { Some(IpAddr::V6(address.parse().ok()?)) } else { None }
}

/// A number, or a name that hides it.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(hidden) => {
            !hidden.is_empty() && hidden.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::FORWARDED};
    use proptest::prelude::*;

    use super::*;

    fn lines(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    /// The `for` of the element that is the `index`-th from the right.
    fn client(values: &[&[u8]], index: usize) -> Option<String> {
        let headers = lines(values);
        let element = elements_from_right(&headers, &FORWARDED).nth(index)?;
        parameter(element, "for").map(|node| String::from_utf8(node.into_owned()).unwrap())
    }

    #[test]
    fn parameter_reads_quoted_strings_quoted_pairs_and_refuses_what_is_not_well_formed() {
        let host = |element: &str| {
            parameter(element.as_bytes(), "host").map(|host| String::from_utf8(host.into_owned()).unwrap())
        };
        for (element, expected) in [
            ("host=a.example", Some("a.example")),
            ("for=1.2.3.4;HOST=a.example;proto=https", Some("a.example")),
            (" for=1.2.3.4 ; host=a.example ", Some("a.example")),
            (r#"host="a;b,c=d""#, Some("a;b,c=d")),
            (r#"host="a\"b\\c""#, Some(r#"a"b\c"#)),
            (r#"host="""#, Some("")),
            (";;host=a;;", Some("a")),
            ("host=a:8080", Some("a:8080")),
            ("", None),
            ("for=1.2.3.4", None),
            ("host", None),
            ("host=", None),
            ("=a", None),
            ("host =a", None),
            ("host= a", None),
            (r#"host="a"#, None),
            (r#"host="a\"#, None),
            (r#"host="a"b"#, None),
            (r#"host=a"b""#, None),
            ("host=a;host=b", None),
            ("host=a;for", None),
            ("host=a/b", None),
        ] {
            assert_eq!(host(element).as_deref(), expected, "{element}");
        }
    }

    #[test]
    fn elements_are_taken_from_the_right_whatever_stands_left_of_them() {
        for (values, expected) in [
            (vec![br#"for=203.0.113.9;host="a,for=198.51.100.66""#.as_slice()], "203.0.113.9"),
            (vec![br#"for=198.51.100.66;host="a, for=203.0.113.9;host=b"#], "203.0.113.9"),
            (vec![br#"for="198.51.100.66, for=203.0.113.9;host="b\",c""#], "203.0.113.9"),
            (vec![b"for=\xff\\\", for=203.0.113.9"], "203.0.113.9"),
            (vec![b"for=\"", b"for=203.0.113.9"], "203.0.113.9"),
            (vec![b"for=198.51.100.66", b"", b"for=203.0.113.9,", b" "], "203.0.113.9"),
        ] {
            assert_eq!(client(&values, 0).as_deref(), Some(expected), "{values:?}");
        }
        assert_eq!(client(&[b"for=a, for=b", b"for=c"], 1).as_deref(), Some("b"));
        assert_eq!(client(&[b"for=a, for=b", b"for=c"], 3), None);
    }

    #[test]
    fn addresses_have_ports_and_brackets_or_none() {
        for (node, expected) in [
            ("203.0.113.9", Some("203.0.113.9")),
            ("203.0.113.9:80", Some("203.0.113.9")),
            ("203.0.113.9:_obscure", Some("203.0.113.9")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("[2001:db8::7]", Some("2001:db8::7")),
            ("[2001:db8::7]:4711", Some("2001:db8::7")),
            ("[2001:db8::7]4711", None),
            ("[203.0.113.9]", None),
            ("203.0.113.9:", None),
            ("203.0.113.9:http", None),
            ("203.0.113.9, 198.51.100.66", None),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
        ] {
            assert_eq!(address(node.as_bytes()).map(|address| address.to_string()).as_deref(), expected, "{node}");
        }
    }

    /// A quoted string of this text.
    fn quoted(text: &[u8]) -> Vec<u8> {
        let escaped = text.iter().flat_map(|byte| match byte {
            b'"' | b'\\' => vec![b'\\', *byte],
            byte => vec![*byte],
        });
        [b'"'].into_iter().chain(escaped).chain([b'"']).collect()
    }

    fn visible() -> impl Strategy<Value = Vec<u8>> {
        let odd = prop::sample::select(b"\",;=\\ \t\xff[]".to_vec());
        prop::collection::vec(prop_oneof![odd, 0x20..=0x7e_u8], 0..24)
    }

    proptest! {
        #[test]
        fn what_a_stranger_writes_changes_nothing_of_what_the_proxies_append(
            stranger in prop::collection::vec(visible(), 0..3),
            hosts in prop::collection::vec(visible(), 1..4),
            is_own_line in any::<bool>(),
        ) {
            let appended: Vec<Vec<u8>> = hosts.iter().enumerate().map(|(number, host)| {
                [format!("for=203.0.113.{number};host=").into_bytes(), quoted(host)].concat()
            }).collect();
            let appended = appended.join(b", ".as_slice());
            let mut values = stranger;
            match values.last_mut().filter(|_| !is_own_line) {
                Some(last) => {
                    last.extend_from_slice(b", ");
                    last.extend_from_slice(&appended);
                }
                None => values.push(appended),
            }
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let headers = lines(&values);
            for (index, host) in hosts.iter().rev().enumerate() {
                let element = elements_from_right(&headers, &FORWARDED).nth(index).unwrap();
                let number = hosts.len() - 1 - index;
                let expected = format!("203.0.113.{number}");
                prop_assert_eq!(&*parameter(element, "for").unwrap(), expected.as_bytes());
                prop_assert_eq!(&*parameter(element, "host").unwrap(), host.as_slice());
            }
        }

        #[test]
        fn nothing_that_is_no_header_value_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
            for element in Elements(Some(&value)) {
                let _ = (parameter(element, "for"), address(element));
            }
        }
    }
}
