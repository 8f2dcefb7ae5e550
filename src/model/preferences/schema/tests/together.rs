//! Values that are valid only in combination.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::*;

/// Quiet hours, which begin before they end, and a signature, whose fields depend on its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Settings {
    quiet: Hours,
    signature: Signature,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
struct Range(u8, u8);

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Hours {
    from: u8,
    to: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Signature {
    #[default]
    None,
    Text {
        text: String,
    },
}

impl TryFrom<(u8, u8)> for Range {
    type Error = String;

    fn try_from((from, to): (u8, u8)) -> Result<Self, String> {
        if from < to { Ok(Self(from, to)) } else { Err("backwards".into()) }
    }
}

impl From<Range> for (u8, u8) {
    fn from(range: Range) -> Self {
        (range.0, range.1)
    }
}

impl Default for Hours {
    fn default() -> Self {
        Self { from: 9, to: 17 }
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Plain {
            from: u8,
            to: u8,
        }
        let Plain { from, to } = Plain::deserialize(deserializer)?;
        Range::try_from((from, to)).map(|Range(from, to)| Self { from, to }).map_err(serde::de::Error::custom)
    }
}

#[test]
fn merge_validates_values_together() {
    let schema = Schema::<Settings>::new().unwrap();
    let none = Overrides::default();
    let evening = schema.merge(&none, &json!({ "quiet": { "from": 18, "to": 20 } })).unwrap();
    assert_eq!(evening.to_json(), r#"{"quiet":{"from":18,"to":20}}"#);
    let late = schema.merge(&evening, &json!({ "quiet": { "to": 22 } })).unwrap();
    assert_eq!(schema.effective(&[&late]).value.quiet, Hours { from: 18, to: 22 });
    for (before, patch, named) in [
        (&none, json!({ "quiet": { "from": 16, "to": 10 } }), "incompatible"),
        (&none, json!({ "quiet": { "from": 18 } }), "quiet.from"),
        (&evening, json!({ "quiet": { "to": null } }), "incompatible"),
    ] {
        let error = schema.merge(before, &patch).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidInput && error.to_string().contains(named), "{patch}: {error}");
    }
    let signed = json!({ "signature": { "kind": "text", "text": "Ada" } });
    let signed = schema.merge(&none, &signed).unwrap();
    assert_eq!(schema.effective(&[&signed]).value.signature, Signature::Text { text: "Ada".into() });
}
