//! [`Snapshot`]: what was shown, signed, so that a decision cannot claim a text that was not served.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    consent::{NoticeHash, PurposeId},
    error::{Error, ErrorKind, Result},
    time::Timestamp,
};

/// What was shown, in which language and until when an answer to it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    #[serde(rename = "e")]
    pub(super) expires_at: Timestamp,
    #[serde(rename = "l")]
    pub(super) language: String,
    /// The version of each purpose, and the hash of its text where it has one.
    #[serde(rename = "p")]
    pub(super) shown: BTreeMap<PurposeId, (u32, Option<NoticeHash>)>,
}

/// A snapshot of a hundred purposes has a tenth of that.
const MAX_LENGTH: usize = 64 * 1024;

impl Snapshot {
    pub(super) fn sign(&self, secret: &[u8; 32]) -> String {
        let payload = serde_json::to_vec(self).expect("names and numbers can be written");
        let tag = mac(secret, &payload).finalize().into_bytes();
        format!("{}.{}", BASE64URL.encode(payload), BASE64URL.encode(tag))
    }

    /// Reads what [`sign`](Self::sign) wrote, if nobody changed it and it is not too old.
    pub(super) fn verify(text: &str, secret: &[u8; 32], now: Timestamp) -> Result<Self> {
        let forged = || Error::new(ErrorKind::Conflict, "this notice was not served: ask for the current one");
        let (payload, tag) =
            text.split_once('.').filter(|(payload, _)| payload.len() <= MAX_LENGTH).ok_or_else(forged)?;
        let payload = BASE64URL.decode(payload).map_err(|_| forged())?;
        let tag = BASE64URL.decode(tag).map_err(|_| forged())?;
        mac(secret, &payload).verify_slice(&tag).map_err(|_| forged())?;
        let snapshot: Self = serde_json::from_slice(&payload).map_err(|_| forged())?;
        if snapshot.expires_at <= now {
            return Err(stale());
        }
        Ok(snapshot)
    }
}

pub(super) fn stale() -> Error {
    Error::new(ErrorKind::Conflict, "the notice is not the current one any more: ask for it again")
}

fn mac(secret: &[u8; 32], payload: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of HMAC has any length");
    mac.update(b"guestbook notice 1\n");
    mac.update(payload);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_read_back_and_nothing_else() {
        let (secret, now) = ([7; 32], Timestamp::from_millis(1_000));
        let shown = [(PurposeId::ANALYTICS, (3, Some(NoticeHash::of("We count."))))].into_iter().collect();
        let snapshot = Snapshot { expires_at: Timestamp::from_millis(1_001), language: "en".into(), shown };
        let text = snapshot.sign(&secret);
        assert_eq!(Snapshot::verify(&text, &secret, now).unwrap(), snapshot);
        let kind =
            |text: &str, secret, at| Snapshot::verify(text, secret, Timestamp::from_millis(at)).unwrap_err().kind();
        assert_eq!(kind(&text, &secret, 1_001), ErrorKind::Conflict, "too late");
        assert_eq!(kind(&text, &[8; 32], 1_000), ErrorKind::Conflict, "another guestbook's");
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character of a part has spare bits, which the decoder wants to be zero.
            assert_eq!(kind(&changed, &secret, 1_000), ErrorKind::Conflict, "{index}");
        }
        for odd in ["", ".", "a.b", "..", "eyJ9.", "\u{e9}.\u{e9}"] {
            assert_eq!(kind(odd, &secret, 1_000), ErrorKind::Conflict, "{odd}");
        }
    }
}
