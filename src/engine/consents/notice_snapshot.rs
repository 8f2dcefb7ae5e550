//! [`NoticeSnapshot`]: signed proof of which notices were shown to whom.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    mac::{HmacSha256, Mac, hmac},
    model::consent::{ConsentStates, NoticeHash, PurposeId, Subject},
    time::Timestamp,
};

/// The notices that were shown, with time, language and expiry. The signature covers the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NoticeSnapshot {
    #[serde(rename = "s")]
    pub(super) served_at: Timestamp,
    #[serde(rename = "e")]
    pub(super) expires_at: Timestamp,
    #[serde(rename = "l")]
    pub(super) language: String,
    /// The notice version of each purpose, and the hash of its text if there is one.
    #[serde(rename = "p")]
    pub(super) shown: BTreeMap<PurposeId, (u32, Option<NoticeHash>)>,
}

/// The longest payload to verify, in bytes. A hundred purposes take a tenth of it.
const MAX_LENGTH: usize = 64 * 1024;

impl NoticeSnapshot {
    /// Signs the snapshot for `subject`; `None` is a visitor without decisions, who cannot be
    /// identified.
    pub(super) fn sign(&self, secret: &[u8; 32], subject: Option<&Subject>) -> String {
        let payload = serde_json::to_vec(self).expect("names and numbers serialise");
        let tag = mac(secret, &payload, subject).finalize().into_bytes();
        format!("{}.{}", BASE64URL.encode(payload), BASE64URL.encode(tag))
    }

    /// Verifies the output of [`sign`](Self::sign) for `subject`, whose states are
    /// `consent_states`.
    ///
    /// A snapshot for an unidentified visitor is valid for every visitor who had decided nothing
    /// when it was served.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if it was changed, made for another subject, or has expired.
    pub(super) fn verify(
        text: &str,
        secret: &[u8; 32],
        subject: &Subject,
        consent_states: &ConsentStates,
        now: Timestamp,
    ) -> Result<Self> {
        let forged =
            || Error::new(ErrorKind::Conflict, "this notice was not shown to this person: get a new consent prompt");
        let (payload, tag) =
            text.split_once('.').filter(|(payload, _)| payload.len() <= MAX_LENGTH).ok_or_else(forged)?;
        let payload = BASE64URL.decode(payload).map_err(|_| forged())?;
        let tag = BASE64URL.decode(tag).map_err(|_| forged())?;
        let is_for = |subject| mac(secret, &payload, subject).verify_slice(&tag).is_ok();
        let is_theirs = is_for(Some(subject));
        let is_shared = matches!(subject, Subject::Visitor(_)) && is_for(None);
        if !is_theirs && !is_shared {
            return Err(forged());
        }
        let snapshot: Self = serde_json::from_slice(&payload).map_err(|_| forged())?;
        if !is_theirs && consent_states.iter().any(|(_, recorded)| recorded.consent_state.since < snapshot.served_at) {
            return Err(forged());
        }
        if snapshot.expires_at <= now {
            return Err(stale_notice());
        }
        Ok(snapshot)
    }
}

pub(super) fn stale_notice() -> Error {
    Error::new(ErrorKind::Conflict, "the notice is no longer current: get a new consent prompt")
}

fn mac(secret: &[u8; 32], payload: &[u8], subject: Option<&Subject>) -> HmacSha256 {
    let mut mac = hmac(secret);
    mac.update(b"guestbook notice 2\n");
    // The payload is JSON without line breaks, so the parts cannot run into each other.
    mac.update(payload);
    match subject {
        None => mac.update(b"\nnobody"),
        Some(Subject::Visitor(visitor)) => {
            mac.update(b"\nvisitor ");
            mac.update(visitor.as_uuid().as_bytes());
        }
        Some(Subject::User(user)) => {
            mac.update(b"\nuser ");
            mac.update(user.as_str().as_bytes());
        }
    }
    mac
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        id::{UserId, VisitorId},
        model::consent::{ConsentRecord, ConsentState, Decision, DecisionEvent, DecisionMethod, Proof, Purpose},
    };

    #[test]
    fn verify_accepts_the_subject_the_snapshot_was_signed_for_only() {
        let (secret, now) = ([7; 32], Timestamp::from_millis(1_000));
        let expires_at = Timestamp::from_millis(2_000);
        let snapshot = NoticeSnapshot { served_at: now, expires_at, language: "en".into(), shown: BTreeMap::new() };
        let visitor = |number| Subject::Visitor(VisitorId::from(Uuid::from_u128(number)));
        let user = |name| Subject::User(UserId::try_from(name).unwrap());
        let subjects = [user("ada"), user("bob"), visitor(1), visitor(2)];
        let verifies = |text: &str, subject: &Subject, consent_states: &ConsentStates| {
            NoticeSnapshot::verify(text, &secret, subject, consent_states, now).is_ok()
        };
        for signed_for in &subjects {
            let text = snapshot.sign(&secret, Some(signed_for));
            for subject in &subjects {
                assert_eq!(verifies(&text, subject, &ConsentStates::default()), subject == signed_for, "{subject:?}");
            }
        }
        let decided_at = |millis| {
            let purpose = Purpose::new("analytics", crate::model::consent::Category::Analytics);
            let decided = DecisionEvent::new(Decision::Denied, 1, Timestamp::from_millis(millis));
            let proof = Proof::new(DecisionMethod::Custom, now);
            let record =
                ConsentRecord::new(visitor(1), PurposeId::ANALYTICS, ConsentState::after(&purpose, &decided), proof);
            ConsentStates::rebuild([&record.unwrap()])
        };
        let for_nobody = snapshot.sign(&secret, None);
        for (subject, consent_states, expected) in [
            (visitor(1), ConsentStates::default(), true),
            (visitor(1), decided_at(1_000), true),
            (visitor(1), decided_at(999), false),
            (user("ada"), ConsentStates::default(), false),
        ] {
            assert_eq!(verifies(&for_nobody, &subject, &consent_states), expected, "{subject:?} {consent_states:?}");
        }
    }

    #[test]
    fn verify_accepts_an_unchanged_current_snapshot_and_nothing_else() {
        let (secret, now) = ([7; 32], Timestamp::from_millis(1_000));
        let shown = [(PurposeId::ANALYTICS, (3, Some(NoticeHash::of("We count."))))].into_iter().collect();
        let (served_at, expires_at) = (Timestamp::from_millis(900), Timestamp::from_millis(1_001));
        let snapshot = NoticeSnapshot { served_at, expires_at, language: "en".into(), shown };
        let (ada, nothing) = (Subject::User(UserId::from(1)), ConsentStates::default());
        let text = snapshot.sign(&secret, Some(&ada));
        assert_eq!(NoticeSnapshot::verify(&text, &secret, &ada, &nothing, now).unwrap(), snapshot);
        let kind = |text: &str, secret, at| {
            let now = Timestamp::from_millis(at);
            NoticeSnapshot::verify(text, secret, &ada, &nothing, now).unwrap_err().kind()
        };
        assert_eq!(kind(&text, &secret, 1_001), ErrorKind::Conflict, "too late");
        assert_eq!(kind(&text, &[8; 32], 1_000), ErrorKind::Conflict, "a secret of another guestbook");
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character of a part has spare bits, which the decoder requires to be zero.
            assert_eq!(kind(&changed, &secret, 1_000), ErrorKind::Conflict, "{index}");
        }
        for odd in ["", ".", "a.b", "..", "eyJ9.", "\u{e9}.\u{e9}"] {
            assert_eq!(kind(odd, &secret, 1_000), ErrorKind::Conflict, "{odd}");
        }
    }
}
