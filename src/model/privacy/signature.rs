//! [`ReceiptSignature`]: the signature of an erasure receipt.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use crate::{
    hex::{Hex, from_hex},
    mac::{HmacSha256, Mac, hmac},
};

/// The signature of a receipt: an HMAC-SHA-256 over a canonical encoding of its members, with a key
/// made from the store's secret. In JSON: 64 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiptSignature([u8; 32]);

impl ReceiptSignature {
    /// Signs these members, except `signature`.
    pub fn of(members: &Map<String, Value>, secret: &[u8; 32]) -> Self {
        Self(mac(members, secret).finalize().into_bytes().into())
    }

    /// Returns whether this is the signature of these members, in constant time.
    pub fn is_of(&self, members: &Map<String, Value>, secret: &[u8; 32]) -> bool {
        mac(members, secret).verify_slice(&self.0).is_ok()
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The MAC of all members but the signature.
fn mac(members: &Map<String, Value>, secret: &[u8; 32]) -> HmacSha256 {
    let key = hmac(secret).chain_update(b"guestbook receipt 1").finalize().into_bytes();
    let mut mac = hmac(&key);
    update_object(&mut mac, members.iter().filter(|(name, _)| *name != "signature"));
    mac
}

/// Encodes a value as a letter for its kind, its length or number of parts, and itself. So no two
/// values have the same encoding, and neither order nor white space matters.
fn update(mac: &mut HmacSha256, value: &Value) {
    match value {
        Value::Null => mac.update(b"n"),
        Value::Bool(false) => mac.update(b"f"),
        Value::Bool(true) => mac.update(b"t"),
        Value::Number(number) => update_text(mac, b"#", &number.to_string()),
        Value::String(text) => update_text(mac, b"s", text),
        Value::Array(values) => {
            update_length(mac, b"[", values.len());
            values.iter().for_each(|value| update(mac, value));
        }
        Value::Object(members) => update_object(mac, members.iter()),
    }
}

fn update_object<'a>(mac: &mut HmacSha256, members: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut members: Vec<_> = members.collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    update_length(mac, b"{", members.len());
    for (name, value) in members {
        update_text(mac, b"k", name);
        update(mac, value);
    }
}

fn update_text(mac: &mut HmacSha256, kind: &[u8; 1], text: &str) {
    update_length(mac, kind, text.len());
    mac.update(text.as_bytes());
}

fn update_length(mac: &mut HmacSha256, kind: &[u8; 1], length: usize) {
    mac.update(kind);
    mac.update(&(length as u64).to_be_bytes());
}

impl fmt::Display for ReceiptSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for ReceiptSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptSignature({self})")
    }
}

impl Serialize for ReceiptSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReceiptSignature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_hex(&text).map(Self).ok_or_else(|| de::Error::custom("a signature has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signed(value: &Value, secret: u8) -> ReceiptSignature {
        ReceiptSignature::of(value.as_object().unwrap(), &[secret; 32])
    }

    #[test]
    fn neither_the_order_of_members_nor_the_signature_itself_is_signed() {
        let signature = signed(&json!({ "a": 1, "b": [null] }), 1);
        let parsed: Value = serde_json::from_str(r#"{ "signature": "x", "b": [ null ], "a": 1 }"#).unwrap();
        assert_eq!(signed(&parsed, 1), signature);
        assert!(signature.is_of(parsed.as_object().unwrap(), &[1; 32]));
        assert!(!signature.is_of(parsed.as_object().unwrap(), &[2; 32]), "the key counts");
    }

    #[test]
    fn no_two_values_have_one_signature() {
        let values = [
            json!({}),
            json!({ "a": null }),
            json!({ "a": false }),
            json!({ "a": true }),
            json!({ "a": 1 }),
            json!({ "a": "1" }),
            json!({ "a": "1", "b": "" }),
            json!({ "a": ["1"] }),
            json!({ "a": ["1", []] }),
            json!({ "a": [["1"]] }),
            json!({ "a": { "1": 1 } }),
            json!({ "ab": "" }),
            json!({ "a": "b" }),
            json!({ "a": ["ab", "c"] }),
            json!({ "a": ["a", "bc"] }),
        ];
        for (index, value) in values.iter().enumerate() {
            assert!(values[..index].iter().all(|other| signed(other, 1) != signed(value, 1)), "{value}");
        }
    }

    #[test]
    fn a_signature_is_read_as_it_is_written() {
        let signature = signed(&json!({}), 1);
        let json = serde_json::to_string(&signature).unwrap();
        assert_eq!(serde_json::from_str::<ReceiptSignature>(&json).unwrap(), signature);
        let damaged = [json.replace('"', ""), json.replacen(|c: char| c.is_ascii_hexdigit(), "x", 1), "\"ü\"".into()];
        assert!(damaged.iter().all(|text| serde_json::from_str::<ReceiptSignature>(text).is_err()));
    }
}
