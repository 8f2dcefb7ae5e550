//! A request as a store keeps it.

use serde::{Deserialize, Serialize, Serializer};

use super::{Challenge, PrivacyRequest, RequestId, RequestKind, RequestState, RequestSubject};
use crate::{
    error::{Error, ErrorKind, Result},
    id::UserId,
    time::Timestamp,
};

/// The part of a request that a store need not understand.
#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(flatten)]
    state: RequestState,
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    extended: Option<Box<str>>,
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    message: Option<Box<str>>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
}

/// The fields by which a store finds a request, beside [`PrivacyRequest::to_json`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a store must name each field to keep it")]
pub struct StoredRequest {
    /// See [`PrivacyRequest::id`].
    pub id: RequestId,
    /// See [`PrivacyRequest::kind`].
    pub kind: RequestKind,
    /// See [`PrivacyRequest::subject`].
    pub subject: RequestSubject,
    /// See [`PrivacyRequest::received_at`].
    pub received_at: Timestamp,
    /// See [`PrivacyRequest::due_at`].
    pub due_at: Timestamp,
    /// See [`PrivacyRequest::closed_at`].
    pub closed_at: Option<Timestamp>,
    /// See [`PrivacyRequest::version`].
    pub version: u64,
}

impl PrivacyRequest {
    /// Returns the other fields as a JSON object, without the user's name.
    pub fn to_json(&self) -> String {
        let body = Body {
            state: self.state.clone(),
            extended: self.extended.clone(),
            message: self.message.clone(),
            challenge: self.challenge.clone(),
        };
        serde_json::to_string(&body).expect("texts and numbers can be written")
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) if the JSON is something else.
    pub fn stored(stored: StoredRequest, json: &[u8]) -> Result<Self> {
        let body: Body = serde_json::from_slice(json)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "a stored request is damaged").with_source(error))?;
        let StoredRequest { id, kind, subject, received_at, due_at, closed_at, version } = stored;
        let Body { state, extended, message, challenge } = body;
        Ok(Self { id, kind, subject, state, received_at, due_at, extended, closed_at, message, version, challenge })
    }
}

/// The form that is shown to the user and to the operator.
impl Serialize for PrivacyRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            id: RequestId,
            kind: RequestKind,
            #[serde(skip_serializing_if = "Option::is_none")]
            user_id: Option<&'a UserId>,
            #[serde(flatten)]
            state: &'a RequestState,
            received_at: Timestamp,
            due_at: Timestamp,
            extended: &'a Option<Box<str>>,
            closed_at: Option<Timestamp>,
            message: &'a Option<Box<str>>,
        }
        let Self { id, kind, state, received_at, due_at, extended, closed_at, message, .. } = self;
        let (id, kind, received_at, due_at, closed_at) = (*id, *kind, *received_at, *due_at, *closed_at);
        let user_id = self.user();
        Shown { id, kind, user_id, state, received_at, due_at, extended, closed_at, message }.serialize(serializer)
    }
}
