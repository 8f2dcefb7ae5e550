//! Integers in JSON that do not fit into 64 bits.

/// Returns whether JSON has an integer of more than 64 bits outside of strings.
pub(super) fn has_long_integer(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => loop {
                match rest {
                    [b'\\', _, after @ ..] => rest = after,
                    [b'"', after @ ..] => {
                        rest = after;
                        break;
                    }
                    [_, after @ ..] => rest = after,
                    [] => break,
                }
            },
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = rest.iter().take_while(|byte| is_part(byte)).count();
                let (digits, after) = rest.split_at(length);
                rest = after;
                // A shorter integer fits.
                let is_long = length > 17 && digits.iter().all(u8::is_ascii_digit);
                let number = || std::str::from_utf8(digits).unwrap_or_default();
                let fits = || match byte {
                    b'-' => format!("-{}", number()).parse::<i64>().is_ok(),
                    first => format!("{}{}", char::from(*first), number()).parse::<u64>().is_ok(),
                };
                if is_long && !fits() {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_long_integer_ignores_strings() {
        for (json, is_long) in [
            (r#"{"a":123456789012345678901234567890}"#, true),
            (r#"[1,-9223372036854775809]"#, true),
            (r#"18446744073709551616"#, true),
            (r#"{"a\\\"":"x","b":[18446744073709551616]}"#, true),
            (r#"18446744073709551615"#, false),
            (r#"-9223372036854775808"#, false),
            (r#"{"a":"123456789012345678901234567890"}"#, false),
            (r#"{"123456789012345678901234567890":"\\\"123456789012345678901234567890"}"#, false),
            (r#"[0.123456789012345678901234567890,123456789012345678901e3]"#, false),
            (r#""unfinished 123456789012345678901234567890"#, false),
        ] {
            assert_eq!(has_long_integer(json.as_bytes()), is_long, "{json}");
        }
    }
}
