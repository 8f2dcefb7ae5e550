//! Bytes as hexadecimal digits.

use std::fmt;

/// Displays bytes as lowercase hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Returns the bytes of exactly `2 * N` hexadecimal digits of either case; `None` if `text` is
/// something else.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = (high? * 16 + low?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_hex_reads_what_hex_displays_and_nothing_else() {
        let bytes = [0x00, 0x0f, 0xa0, 0xff];
        assert_eq!(Hex(&bytes).to_string(), "000fa0ff");
        assert_eq!(from_hex("000fa0ff"), Some(bytes));
        assert_eq!(from_hex("000FA0FF"), Some(bytes));
        for wrong in ["", "000fa0f", "000fa0fff0", "+00fa0ff", "000fa0 f", "0\u{e9}fa0ff"] {
            assert_eq!(from_hex::<4>(wrong), None, "{wrong}");
        }
    }
}
