//! Activities as columns of a Parquet file.

use parquet::data_type::ByteArray;

use crate::model::activity::{Activity, EventData};

/// The schema in Parquet's message format. [`Rows::push`] follows its order.
pub(super) const SCHEMA: &str = "message activity {
    required int64 sequence;
    required int64 time (TIMESTAMP(MILLIS, true));
    optional int64 client_time (TIMESTAMP(MILLIS, true));
    required binary event_type (STRING);
    optional binary user_id (STRING);
    optional binary session_id (STRING);
    optional binary visitor_id (STRING);
    optional binary method (STRING);
    optional binary route (STRING);
    optional binary referrer (STRING);
    optional binary utm_source (STRING);
    optional binary utm_medium (STRING);
    optional binary utm_campaign (STRING);
    optional binary utm_term (STRING);
    optional binary utm_content (STRING);
    optional binary browser (STRING);
    optional int32 browser_major;
    optional binary system (STRING);
    optional binary device (STRING);
    optional binary network (STRING);
    optional int32 status;
    optional int64 latency_us;
    optional int64 bytes;
    optional binary outcome (STRING);
    optional binary event_data (STRING);
    required binary origin (STRING);
}";

/// Activities, column by column.
#[derive(Default)]
pub(super) struct Rows {
    count: usize,
    columns: Vec<Column>,
}

/// The values of a column, and for each row whether it has one.
#[derive(Default)]
pub(super) struct Column {
    pub(super) values: Values,
    pub(super) levels: Vec<i16>,
}

#[derive(Default)]
pub(super) enum Values {
    /// No value yet.
    #[default]
    None,
    Long(Vec<i64>),
    Int(Vec<i32>),
    Text(Vec<ByteArray>),
}

/// One value.
enum Value<'a> {
    Long(i64),
    Int(i32),
    Text(&'a str),
}

impl Rows {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(super) fn push(&mut self, activity: &Activity, user: Option<String>) {
        let event = &activity.event;
        let (request, response) = (event.request.as_ref(), event.response.as_ref());
        let agent = request.map(|request| &request.agent);
        let campaign = request.and_then(|request| request.campaign.as_deref());
        let (session, visitor) =
            (event.session.map(|id| id.to_string()), event.visitor.map(|id| id.as_uuid().to_string()));
        let network = request.and_then(|request| request.network).map(|network| network.to_string());
        let outcome = response.and_then(|response| serde_json::to_value(response.outcome).ok());
        let utm = |part: Option<&Option<Box<str>>>| part.cloned().flatten();
        let utm = [
            utm(campaign.map(|campaign| &campaign.source)),
            utm(campaign.map(|campaign| &campaign.medium)),
            utm(campaign.map(|campaign| &campaign.campaign)),
            utm(campaign.map(|campaign| &campaign.term)),
            utm(campaign.map(|campaign| &campaign.content)),
        ];
        let [source, medium, name, term, content] = utm.each_ref().map(|part| part.as_deref().map(Value::Text));
        let row = [
            Some(Value::Long(whole(activity.sequence))),
            Some(Value::Long(event.time.as_millis())),
            event.client_time.map(|time| Value::Long(time.as_millis())),
            Some(Value::Text(event.event_type.as_str())),
            user.as_deref().map(Value::Text),
            session.as_deref().map(Value::Text),
            visitor.as_deref().map(Value::Text),
            request.map(|request| Value::Text(request.method.as_str())),
            request.map(|request| Value::Text(&request.route)),
            request.and_then(|request| request.referrer.as_deref()).map(Value::Text),
            source,
            medium,
            name,
            term,
            content,
            agent.and_then(|agent| agent.browser).map(Value::Text),
            agent.and_then(|agent| agent.browser_major).map(|major| Value::Int(i32::from(major))),
            agent.and_then(|agent| agent.system).map(Value::Text),
            agent.map(|agent| Value::Text(agent.device.as_str())),
            network.as_deref().map(Value::Text),
            response.map(|response| Value::Int(i32::from(response.status))),
            response.map(|response| Value::Long(whole(response.latency))),
            response.map(|response| Value::Long(whole(response.bytes))),
            outcome.as_ref().and_then(|outcome| outcome.as_str()).map(Value::Text),
            event.data.as_ref().map(EventData::as_json).map(Value::Text),
            Some(Value::Text(event.origin.as_str())),
        ];
        self.columns.resize_with(row.len(), Column::default);
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
        self.count += 1;
    }
}

impl Column {
    fn push(&mut self, value: Option<Value<'_>>) {
        self.levels.push(i16::from(value.is_some()));
        match (&mut self.values, value) {
            (_, None) => {}
            (Values::Long(values), Some(Value::Long(value))) => values.push(value),
            (Values::Int(values), Some(Value::Int(value))) => values.push(value),
            (Values::Text(values), Some(Value::Text(value))) => values.push(value.into()),
            (values, Some(Value::Long(value))) => *values = Values::Long(vec![value]),
            (values, Some(Value::Int(value))) => *values = Values::Int(vec![value]),
            (values, Some(Value::Text(value))) => *values = Values::Text(vec![value.into()]),
        }
    }
}

/// Parquet's integers are signed.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
