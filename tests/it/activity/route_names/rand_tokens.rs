//! Tokens as applications create them, from a fixed seed.

/// A small generator of pseudo-random texts.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        (0..length).map(|_| alphabet.as_bytes()[self.below(alphabet.len())] as char).collect()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum TokenKind {
    Hex32,
    Hex40,
    Hex64,
    Base64Url22,
    Base64Url43,
    Letters22,
    Uuid,
    Ulid,
    NanoId,
    Decimal,
    Jwt,
    PercentEncoded,
    Base32,
    WordsWithDigits,
    Words,
    ShortCode,
}

impl TokenKind {
    pub(super) const ALL: [Self; 16] = [
        Self::Hex32,
        Self::Hex40,
        Self::Hex64,
        Self::Base64Url22,
        Self::Base64Url43,
        Self::Letters22,
        Self::Uuid,
        Self::Ulid,
        Self::NanoId,
        Self::Decimal,
        Self::Jwt,
        Self::PercentEncoded,
        Self::Base32,
        Self::WordsWithDigits,
        Self::Words,
        Self::ShortCode,
    ];

    pub(super) fn token(self, dice: &mut Dice) -> String {
        match self {
            Self::Hex32 => dice.text(HEX, 32),
            Self::Hex40 => dice.text(HEX, 40),
            Self::Hex64 => dice.text(HEX, 64),
            Self::Base64Url22 => dice.text(BASE64_URL, 22),
            Self::Base64Url43 => dice.text(BASE64_URL, 43),
            Self::Letters22 => dice.text(&BASE64_URL[..52], 22),
            Self::Uuid => {
                let mut part = |length| dice.text(HEX, length);
                format!("{}-{}-4{}-a{}-{}", part(8), part(4), part(3), part(3), part(12))
            }
            Self::Ulid => format!("01J{}", dice.text(CROCKFORD, 23)),
            Self::NanoId => dice.text(BASE64_URL, 21),
            Self::Decimal => {
                let length = 4 + dice.below(16);
                dice.text("0123456789", length)
            }
            Self::Jwt => {
                let mut part = |length| dice.text(BASE64_URL, length);
                format!("eyJ{}.eyJ{}.{}", part(33), part(60), part(43))
            }
            Self::PercentEncoded => {
                let (name, host) = (2 + dice.below(8), 3 + dice.below(8));
                let mut part = |length| dice.text("abcdefghijklmnopqrstuvwxyz", length);
                format!("{}%40{}.example", part(name), part(host))
            }
            Self::Base32 => dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 26),
            Self::WordsWithDigits => {
                let (word, digits) = (WORDS[dice.below(WORDS.len())], 1 + dice.below(4));
                format!("{word}{}{}", dice.text("0123456789", digits), WORDS[dice.below(WORDS.len())])
            }
            Self::Words => [(); 4].map(|()| WORDS[dice.below(WORDS.len())]).join("-"),
            Self::ShortCode => dice.text("ABCDEFGHJKLMNPQRSTUVWXYZ", 6),
        }
    }
}

const HEX: &str = "0123456789abcdef";
const BASE64_URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CROCKFORD: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const WORDS: [&str; 12] =
    ["blue", "horse", "reset", "correct", "battery", "staple", "river", "stone", "users", "apple", "winter", "about"];
