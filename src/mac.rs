//! HMAC-SHA-256 (RFC 2104).

pub(crate) use hmac::Mac;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// Returns a new computation with `key`, of any length.
pub(crate) fn hmac(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("a key of HMAC has any length")
}
