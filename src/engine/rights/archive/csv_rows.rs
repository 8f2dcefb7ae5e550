//! [`CsvRows`]: rows as CSV (RFC 4180), for spreadsheets.

use std::borrow::Cow;

use csv::{Terminator, Writer, WriterBuilder};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

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

/// The rows of a file, as they are written: lines end in CRLF, and a field is quoted only if it must be.
pub(super) struct CsvRows {
    columns: &'static [&'static str],
    writer: Writer<Vec<u8>>,
}

impl CsvRows {
    pub(super) fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, writer: WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new()) }
    }

    /// Writes the header: the names of the columns.
    pub(super) fn header(&mut self) -> Result<()> {
        self.writer.write_record(self.columns).map_err(unwritable)
    }

    /// Writes a row. Text is written as it is, numbers and booleans as in JSON, null as an empty field, arrays and
    /// objects as JSON text.
    pub(super) fn row(&mut self, value: &Map<String, Value>) -> Result<()> {
        let fields = self.columns.iter().map(|column| match value.get(*column) {
            None | Some(Value::Null) => Cow::Borrowed(""),
            Some(Value::String(text)) => guarded(text.into()),
            // A negative number is no formula.
            Some(Value::Number(number)) => number.to_string().into(),
            Some(value) => guarded(value.to_string().into()),
        });
        let fields: Vec<_> = fields.collect();
        self.writer.write_record(fields.iter().map(|field| field.as_bytes())).map_err(unwritable)
    }

    /// Returns the bytes that were written.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        self.writer.into_inner().map_err(|error| unwritable(error.into_error().into()))
    }
}

/// Puts an apostrophe before a text that a spreadsheet would run as a formula: one that begins with `=`, `+`, `-`, `@`,
/// a tab or a line break. Other people may have written the text that a user opens.
fn guarded(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        return format!("'{text}").into();
    }
    text
}

fn unwritable(error: csv::Error) -> Error {
    Error::new(ErrorKind::Internal, "a record cannot be written as CSV").with_source(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        engine::rights::user_data::consent,
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
        let mut rows = CsvRows::new(&["a", "b"]);
        rows.row(value.as_object().unwrap()).unwrap();
        String::from_utf8(rows.into_bytes().unwrap()).unwrap()
    }

    #[test]
    fn row_quotes_only_fields_with_a_comma_a_quote_or_a_line_break() {
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
        let mut rows = CsvRows::new(&["a", "b"]);
        rows.header().unwrap();
        assert_eq!(rows.into_bytes().unwrap(), b"a,b\r\n");
    }

    #[test]
    fn row_puts_an_apostrophe_before_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "=HYPERLINK(\"http://x\",\"y\")", "\n=1", "＝1"] {
            let line = line(json!({ "a": text }));
            assert!(line.trim_start_matches('"').starts_with('\''), "{line}");
        }
        assert_eq!(line(json!({ "a": "a=1", "b": "1-2" })), "a=1,1-2\r\n", "only the beginning matters");
    }

    #[test]
    fn columns_cover_every_member_of_an_activity_and_of_a_consent_record() {
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
