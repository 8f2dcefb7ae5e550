//! The data of a user, read for an export of either format.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::Rights;
use crate::{
    error::{Error, ErrorKind, Result},
    id::{UserId, VisitorId},
    model::{
        activity::{ActivityFilter, Cursor, HistoryPage, HistoryQuery, Order},
        consent::{ConsentId, ConsentRecord, Subject},
        privacy::{LegalHold, PrivacyRequest, Restriction},
        session::{SessionData, SessionInfo},
    },
    store::RequestQuery,
};

/// The version of the exported document.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// The requests of a user, and what restricts or holds their data.
#[derive(Serialize)]
pub(super) struct RightsStatus {
    restriction: Option<Restriction>,
    holds: Vec<LegalHold>,
    requests: Vec<PrivacyRequest>,
}

impl Rights {
    /// Reads the live sessions of the user with their data.
    pub(super) async fn sessions_of(&self, user: &UserId) -> Result<Vec<Box<RawValue>>> {
        let inner = &self.inner;
        let mut sessions = Vec::new();
        for session in inner.parts.sessions.list_of_all_realms(user).await? {
            let data = inner
                .runtime
                .tasks
                .within(inner.runtime.store.session_data(session.id, inner.runtime.clock.now()))
                .await?;
            // The session may have ended a moment ago.
            let Some(data) = data else { continue };
            sessions.push(self.session_with(&session, &data).map_err(unwritable)?);
        }
        Ok(sessions)
    }

    /// Writes a session with its data. Stored values are copied as text, so that each of them can
    /// be exported.
    fn session_with(&self, session: &SessionInfo, data: &SessionData) -> serde_json::Result<Box<RawValue>> {
        #[derive(Serialize)]
        struct Exported<'a> {
            #[serde(flatten)]
            session: Map<String, Value>,
            data: BTreeMap<&'a str, &'a RawValue>,
        }
        let mut head = object(session)?;
        // No session is the current one here.
        head.remove("current");
        let secret = &self.inner.config.register.secret_session_keys;
        let is_secret = |name: &str| secret.iter().any(|key| key == name);
        let value = |key| Ok((key, raw(if is_secret(key) { None } else { data.raw(key) })?));
        let data = data.keys().map(value).collect::<serde_json::Result<_>>()?;
        to_raw_value(&Exported { session: head, data })
    }

    /// Reads the preferences of the user.
    pub(super) async fn preferences_of(&self, user: &UserId) -> Result<Value> {
        let stored = self.inner.runtime.tasks.within(self.inner.runtime.store.preferences(user.clone())).await?;
        Ok(stored.overrides.to_value())
    }

    pub(super) async fn rights_status(&self, user: &UserId) -> Result<RightsStatus> {
        let requests = RequestQuery::new().user(user.clone()).limit(RequestQuery::MAX_LIMIT);
        Ok(RightsStatus {
            restriction: self.restriction_of(user).await?,
            holds: self.holds_of(user).await?,
            requests: self.requests(requests).await?,
        })
    }

    /// Reads a page of decisions and where the next one begins. Adds the visitors who were linked
    /// to the user.
    pub(super) async fn consent_page(
        &self,
        user: &UserId,
        before: Option<ConsentId>,
        limit: usize,
        visitors: &mut Vec<VisitorId>,
    ) -> Result<(Vec<ConsentRecord>, Option<ConsentId>)> {
        let history = self.inner.runtime.store.consent_history(Subject::User(user.clone()), limit, before);
        let records = self.inner.runtime.tasks.within(history).await?;
        let last = records.last().map(|record| record.id).filter(|_| records.len() == limit);
        for record in &records {
            if let Subject::Visitor(visitor) = record.subject
                && !visitors.contains(&visitor)
            {
                visitors.push(visitor);
            }
        }
        Ok((records, last))
    }

    /// Reads a page of events of the user, or of a visitor who was linked to them.
    pub(super) async fn activity_page(
        &self,
        user: &UserId,
        visitor: Option<VisitorId>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<HistoryPage> {
        let filter = ActivityFilter::new();
        let query = HistoryQuery::new(match visitor {
            None => filter.user(user.clone()),
            Some(visitor) => filter.visitor(visitor),
        });
        let query = query.order(Order::OldestFirst).limit(limit);
        let query = after.map_or(query.clone(), |after| query.after(after));
        let mut page = self.inner.runtime.tasks.within(self.inner.runtime.store.history(query)).await?;
        // Other users may have used the same browser, and the user's own events are exported already.
        page.activities.retain(|activity| visitor.is_none() || activity.event.user.is_none());
        Ok(page)
    }
}

/// A decision as it is exported: with `visitor_id` if a linked visitor made it.
pub(super) fn consent(record: &ConsentRecord) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(record)?;
    if let (Value::Object(value), Subject::Visitor(visitor)) = (&mut value, &record.subject) {
        value.insert("visitor_id".into(), serde_json::to_value(visitor)?);
    }
    Ok(value)
}

pub(super) fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "a record cannot be written as JSON").with_source(error)
}

fn raw(json: Option<&str>) -> serde_json::Result<&RawValue> {
    serde_json::from_str(json.unwrap_or("null"))
}

pub(super) fn object<T: Serialize>(value: &T) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(value)? {
        Value::Object(object) => Ok(object),
        _ => Ok(Map::new()),
    }
}
