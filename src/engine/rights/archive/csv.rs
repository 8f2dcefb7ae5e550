//! Rows as CSV (RFC 4180), for spreadsheets.

use serde_json::{Map, Value};

/// The columns of `activities.csv`: all members that an event can have.
pub(super) const ACTIVITIES: &[&str] = &[
    "sequence",
    "event_type",
    "timestamp",
    "client_time",
    "user_id",
    "session_id",
    "visitor_id",
    "origin",
    "event_data",
    "request",
    "response",
];

/// The columns of `consent.csv`: all members that a record can have.
pub(super) const CONSENT: &[&str] = &[
    "id",
    "visitor_id",
    "purpose",
    "decision",
    "notice_version",
    "gpc_present",
    "dnt_present",
    "since",
    "valid_until",
    "method",
    "notice",
    "language",
    "source",
    "place",
    "regime",
    "given_at",
    "session",
    "network",
    "agent",
    "actor",
    "previous",
];

/// The line with the names.
pub(super) fn header(columns: &[&str]) -> Vec<u8> {
    (columns.join(",") + "\r\n").into_bytes()
}

/// A row: text as it is, numbers and yes or no as in JSON, nothing for null, and what has parts as JSON text.
pub(super) fn row(out: &mut Vec<u8>, columns: &[&str], value: &Map<String, Value>) {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value.get(*column) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => field(out, text),
            Some(Value::Number(number)) => out.extend_from_slice(number.to_string().as_bytes()),
            Some(value) => field(out, &value.to_string()),
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// A text. One that a spreadsheet would take for a formula, as it begins with `=`, `+`, `-`, `@`, a tab or a line break, gets an
/// apostrophe before it: what somebody else wrote must not be run when a user opens the file.
fn field(out: &mut Vec<u8>, text: &str) {
    let guard =
        if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) { "'" } else { "" };
    if !text.contains([',', '"', '\r', '\n']) {
        out.extend_from_slice(guard.as_bytes());
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(guard.as_bytes());
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        engine::rights::export::consent,
        id::{SessionId, UserId, VisitorId},
        model::{
            activity::{Activity, Event, EventData, EventLimits, EventType, Outcome, RequestTrace, ResponseTrace},
            consent::{
                Category, ConsentRecord, ConsentState, Decision, DecisionEvent, DecisionMethod, Proof, Purpose,
                PurposeId, Subject,
            },
        },
        time::Timestamp,
    };

    fn line(value: Value) -> String {
        let mut out = Vec::new();
        row(&mut out, &["a", "b"], value.as_object().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_quoted_where_the_rfc_asks_for_it() {
        for (value, expected) in [
            (json!({}), ","),
            (json!({ "a": null, "b": "" }), ","),
            (json!({ "a": "plain", "b": -7 }), "plain,-7"),
            (json!({ "a": "a,b", "b": "say \"yes\"" }), "\"a,b\",\"say \"\"yes\"\"\""),
            (json!({ "a": "two\r\nlines", "b": true }), "\"two\r\nlines\",true"),
            (json!({ "a": { "x": [1] }, "b": "ü" }), "\"{\"\"x\"\":[1]}\",ü"),
        ] {
            assert_eq!(line(value), format!("{expected}\r\n"));
        }
        assert_eq!(header(&["a", "b"]), b"a,b\r\n");
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "=HYPERLINK(\"http://x\",\"y\")", "\n=1", "＝1"] {
            let line = line(json!({ "a": text }));
            assert!(line.trim_start_matches('"').starts_with('\''), "{line}");
        }
        assert_eq!(line(json!({ "a": "a=1", "b": "1-2" })), "a=1,1-2\r\n", "only the beginning matters");
    }

    #[test]
    fn every_member_has_a_column() {
        let (user, visitor, now) = (UserId::from(7), VisitorId::generate().unwrap(), Timestamp::from_millis(1));
        let mut event = Event::new(EventType::ACTION, now).with_client_time(now);
        (event.user, event.visitor) = (Some(user), Some(visitor));
        event.session = Some(SessionId::generate(now).unwrap());
        event.origin = crate::model::activity::Origin::Client;
        event.data = Some(EventData::new(&json!({}), &EventLimits::default()).unwrap());
        event.request = Some(RequestTrace::default());
        event.response = Some(ResponseTrace::new(200, 1, 1, Outcome::Completed));
        let activity = serde_json::to_value(Activity::new(1, event)).unwrap();

        let purpose = Purpose::new("analytics", Category::Analytics);
        let consent_state = ConsentState::after(&purpose, &DecisionEvent::new(Decision::Granted, 1, now));
        let record = ConsentRecord::new(
            Subject::Visitor(visitor),
            PurposeId::ANALYTICS,
            consent_state,
            Proof::new(DecisionMethod::Custom, now),
        );
        let consent = consent(&record.unwrap()).unwrap();
        for (value, columns) in [(activity, ACTIVITIES), (consent, CONSENT)] {
            let mut members: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
            let mut columns = columns.to_vec();
            members.sort_unstable();
            columns.sort_unstable();
            assert_eq!(members, columns);
        }
    }
}
