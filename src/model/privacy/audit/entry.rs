//! [`AuditEntry`]: a link of the chain, and what it takes to make one.
//!
//! # The encoding, version 1
//!
//! | what | is |
//! |---|---|
//! | `commitment` | SHA-256 of `guestbook audit payload 1\n`, the salt and the payload's text |
//! | `mac` of an entry | HMAC-SHA-256 of `guestbook audit entry 1\n`, sequence, time, action, kind of actor, actor, subject, commitment and the mac of the entry before |
//! | `signature` of a checkpoint | HMAC-SHA-256 of `guestbook audit checkpoint 1\n`, sequence and mac of the last entry that was dropped, and when |
//!
//! Before each field stands its length in 8 bytes, big-endian, as numbers are; what is not there has length 0. So no two entries
//! have the same encoding, and none is a checkpoint's.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest, Sha256};

use super::{Actor, ActorKind, AuditAction, AuditKey, AuditNote};
use crate::{
    error::{Error, ErrorKind, Result},
    hex::Hex,
    id::{UserId, fill_random},
    json::{self, MAX_DEPTH},
    mac::{HmacSha256, Mac},
    model::privacy::Pseudonym,
    time::Timestamp,
};

/// A hash or a MAC. In JSON and text: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditHash([u8; 32]);

/// The last entry of a trail. Kept elsewhere, it shows later whether entries were cut off or the
/// trail was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The number of the last entry; 0 if there is none.
    pub sequence: u64,
    /// The MAC of the last entry.
    pub mac: AuditHash,
}

/// An entry of the chain. It names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The number, from 1 without gaps.
    pub sequence: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What was done.
    pub action: AuditAction,
    /// The kind of actor.
    pub actor_kind: ActorKind,
    /// The pseudonym of the actor, unless it was the system.
    pub actor: Option<Pseudonym>,
    /// The pseudonym of the subject.
    pub subject: Option<Pseudonym>,
    /// The hash of the payload and its salt.
    pub commitment: AuditHash,
    /// The MAC of the entry before.
    pub previous: AuditHash,
    /// The MAC of all other fields.
    pub mac: AuditHash,
}

/// What an entry says about people, in clear text. It is stored beside the entry, so that it can be
/// erased.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditPayload {
    /// Random bytes, so that the payload cannot be guessed from its hash.
    pub salt: Vec<u8>,
    /// The payload as JSON.
    pub text: String,
}

/// The content of a payload. Its `Debug` omits the detail.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct AuditContent {
    /// Who did it.
    pub actor: Actor,
    /// Whose data it was about.
    pub subject: Option<UserId>,
    /// Further information.
    pub detail: Value,
}

/// An entry and its payload, as a store returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditRow {
    /// The entry.
    pub entry: AuditEntry,
    /// The payload, unless it was erased.
    pub payload: Option<AuditPayload>,
}

/// Where a trail begins whose old entries were deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditCheckpoint {
    /// The number of the last deleted entry.
    pub sequence: u64,
    /// The MAC of the last deleted entry.
    pub mac: AuditHash,
    /// When it was dropped.
    pub at: Timestamp,
    /// The MAC of the checkpoint.
    pub signature: AuditHash,
}

impl AuditHash {
    /// Creates a hash from stored bytes. Bytes of another length become a hash that no entry has.
    pub fn stored(bytes: &[u8]) -> Self {
        Self(exactly(bytes))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AuditHead {
    /// The head of an empty trail.
    pub const BEGINNING: Self = Self { sequence: 0, mac: AuditHash([0; 32]) };
}

impl AuditRow {
    /// Creates the row of a note after `head`, for a store with this secret. A store calls it in
    /// the transaction of what the note records.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the payload has more than 16 KiB. [`ErrorKind::Internal`] if the
    /// operating system provides no random bytes.
    pub fn new(note: &AuditNote, head: &AuditHead, secret: &[u8; 32], now: Timestamp) -> Result<Self> {
        let payload = AuditPayload::new(note)?;
        let actor = match &note.actor {
            Actor::System => None,
            Actor::User(user) => Some(Pseudonym::of(user, secret)),
            Actor::Operator(name) => Some(Pseudonym::of_operator(name, secret)),
        };
        let subject = note.subject.as_ref().map(|user| Pseudonym::of(user, secret)).or(note.pseudonym);
        let mut entry = AuditEntry {
            sequence: head.sequence + 1,
            at: now,
            action: note.action.clone(),
            actor_kind: note.actor.kind(),
            actor,
            subject,
            commitment: payload.commitment(),
            previous: head.mac,
            mac: AuditHead::BEGINNING.mac,
        };
        entry.mac = AuditHash(entry.hmac(&note.key).finalize().into_bytes().into());
        Ok(Self { entry, payload: Some(payload) })
    }

    /// Creates a row from what a store has kept.
    pub const fn stored(entry: AuditEntry, payload: Option<AuditPayload>) -> Self {
        Self { entry, payload }
    }

    /// Returns the content of the payload, or `None` if it was erased.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if the payload was changed and cannot be read.
    pub fn content(&self) -> Result<Option<AuditContent>> {
        self.payload.as_ref().map(AuditPayload::read).transpose()
    }

    /// The row as an export has it: with the kind of the actor only.
    pub(crate) fn exported(&self) -> serde_json::Result<Value> {
        // A verification finds a payload that cannot be read; the export continues.
        let detail = self.content().ok().flatten().map(|content| content.detail);
        let AuditEntry { sequence, at, action, actor_kind, .. } = &self.entry;
        Ok(json!({ "sequence": sequence, "at": at, "action": action, "actor": actor_kind, "detail": detail }))
    }
}

impl AuditEntry {
    /// An entry as it was stored: number, time, names of action and kind of actor, the pseudonyms of actor and subject, then
    /// commitment, previous MAC and MAC. Whether it is right a [`AuditVerifier`](super::AuditVerifier) says.
    pub fn stored(
        sequence: u64,
        at: Timestamp,
        (action, actor_kind): (&str, &str),
        [actor, subject]: [Option<&[u8]>; 2],
        [commitment, previous, mac]: [&[u8]; 3],
    ) -> Self {
        let pseudonym = |bytes: &[u8]| Pseudonym::from_bytes(exactly(bytes));
        Self {
            sequence,
            at,
            action: AuditAction::stored(action),
            actor_kind: ActorKind::stored(actor_kind),
            actor: actor.map(pseudonym),
            subject: subject.map(pseudonym),
            commitment: AuditHash::stored(commitment),
            previous: AuditHash::stored(previous),
            mac: AuditHash::stored(mac),
        }
    }

    /// Returns the head of a trail that ends with this entry.
    pub const fn head(&self) -> AuditHead {
        AuditHead { sequence: self.sequence, mac: self.mac }
    }

    pub(super) fn is_signed(&self, key: &AuditKey) -> bool {
        self.hmac(key).verify_slice(&self.mac.0).is_ok()
    }

    fn hmac(&self, key: &AuditKey) -> HmacSha256 {
        let mut mac = key.mac(b"guestbook audit entry 1\n");
        let pseudonym = |of: &Option<Pseudonym>| of.map_or(Vec::new(), |pseudonym| pseudonym.as_bytes().to_vec());
        field(&mut mac, &self.sequence.to_be_bytes());
        field(&mut mac, &self.at.as_millis().to_be_bytes());
        field(&mut mac, self.action.as_str().as_bytes());
        field(&mut mac, self.actor_kind.as_str().as_bytes());
        field(&mut mac, &pseudonym(&self.actor));
        field(&mut mac, &pseudonym(&self.subject));
        field(&mut mac, &self.commitment.0);
        field(&mut mac, &self.previous.0);
        mac
    }
}

/// The text of a payload. The detail is parsed separately: it may have as many levels as a parser
/// accepts.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    actor_kind: Cow<'a, str>,
    #[serde(borrow)]
    actor: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

impl AuditPayload {
    fn new(note: &AuditNote) -> Result<Self> {
        let actor = match &note.actor {
            Actor::System => None,
            Actor::User(user) => Some(user.as_str()),
            Actor::Operator(name) => Some(&**name),
        };
        if !json::is_within(&note.detail, MAX_DEPTH) {
            let problem =
                format!("the detail of an entry of the audit trail has at most {MAX_DEPTH} levels of nesting");
            return Err(Error::new(ErrorKind::TooLarge, problem));
        }
        let payload = json!({
            "actor_kind": note.actor.kind(), "actor": actor, "subject": note.subject, "detail": note.detail,
        });
        let text = payload.to_string();
        if text.len() > MAX_BYTES {
            return Err(Error::new(ErrorKind::TooLarge, "an entry of the audit trail has more than 16 KiB to say"));
        }
        let mut salt = vec![0; 16];
        fill_random(&mut salt)?;
        Ok(Self { salt, text })
    }

    pub(super) fn commitment(&self) -> AuditHash {
        let mut hash = Sha256::new();
        hash.update(b"guestbook audit payload 1\n");
        for part in [&self.salt[..], self.text.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        AuditHash(hash.finalize().into())
    }

    fn read(&self) -> Result<AuditContent> {
        let damaged = || Error::new(ErrorKind::Corrupt, "a payload of the audit trail is damaged");
        let stored: Stored<'_> = serde_json::from_str(&self.text).map_err(|_| damaged())?;
        let actor = match (&*stored.actor_kind, stored.actor) {
            ("user", Some(name)) => Actor::User(UserId::try_from(&*name).map_err(|_| damaged())?),
            ("operator", Some(name)) => Actor::Operator(name.into()),
            ("system", None) => Actor::System,
            _ => return Err(damaged()),
        };
        let subject = stored.subject.as_deref().map(UserId::try_from).transpose().map_err(|_| damaged())?;
        let detail = serde_json::from_str(stored.detail.get()).map_err(|_| damaged())?;
        Ok(AuditContent { actor, subject, detail })
    }
}

impl AuditCheckpoint {
    /// Creates the checkpoint of a trail whose entries up to `head` are deleted.
    pub fn new(head: AuditHead, key: &AuditKey, now: Timestamp) -> Self {
        let mut checkpoint =
            Self { sequence: head.sequence, mac: head.mac, at: now, signature: AuditHead::BEGINNING.mac };
        checkpoint.signature = AuditHash(checkpoint.hmac(key).finalize().into_bytes().into());
        checkpoint
    }

    /// Creates a checkpoint from what a store has kept.
    pub const fn stored(head: AuditHead, at: Timestamp, signature: AuditHash) -> Self {
        Self { sequence: head.sequence, mac: head.mac, at, signature }
    }

    /// The last entry that was dropped.
    pub const fn head(&self) -> AuditHead {
        AuditHead { sequence: self.sequence, mac: self.mac }
    }

    pub(super) fn is_signed(&self, key: &AuditKey) -> bool {
        self.hmac(key).verify_slice(&self.signature.0).is_ok()
    }

    fn hmac(&self, key: &AuditKey) -> HmacSha256 {
        let mut mac = key.mac(b"guestbook audit checkpoint 1\n");
        field(&mut mac, &self.sequence.to_be_bytes());
        field(&mut mac, &self.mac.0);
        field(&mut mac, &self.at.as_millis().to_be_bytes());
        mac
    }
}

fn field(mac: &mut HmacSha256, bytes: &[u8]) {
    mac.update(&(bytes.len() as u64).to_be_bytes());
    mac.update(bytes);
}

/// Stored bytes of another length stay readable: a changed trail must be read to find the change.
fn exactly(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or([0xff; 32])
}

/// The largest payload, in bytes.
const MAX_BYTES: usize = 16 * 1024;

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditHash({self})")
    }
}

impl Serialize for AuditHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.bytes().map(|byte| char::from(byte).to_digit(16)).collect::<Option<Vec<_>>>();
        let digits = digits.filter(|digits| digits.len() == 64);
        let digits = digits.ok_or_else(|| de::Error::custom("a hash has 64 hexadecimal digits"))?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = (pair[0] * 16 + pair[1]) as u8;
        }
        Ok(Self(bytes))
    }
}

/// With what the payload says, if it is there and can be read.
impl Serialize for AuditRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = self.content().ok().flatten();
        let name = |actor: &Actor| match actor {
            Actor::System => None,
            Actor::User(user) => Some(user.as_str().to_owned()),
            Actor::Operator(name) => Some(String::from(&**name)),
        };
        let mut row = serializer.serialize_struct("AuditRow", 9)?;
        row.serialize_field("sequence", &self.entry.sequence)?;
        row.serialize_field("at", &self.entry.at)?;
        row.serialize_field("action", &self.entry.action)?;
        row.serialize_field("actor_kind", &self.entry.actor_kind)?;
        row.serialize_field("actor", &content.as_ref().and_then(|content| name(&content.actor)))?;
        row.serialize_field("subject", &content.as_ref().and_then(|content| content.subject.as_ref()))?;
        row.serialize_field("subject_pseudonym", &self.entry.subject)?;
        row.serialize_field("detail", &content.as_ref().map(|content| &content.detail))?;
        row.serialize_field("mac", &self.entry.mac)?;
        row.end()
    }
}

impl fmt::Debug for AuditContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { actor, subject, .. } = self;
        f.debug_struct("AuditContent").field("actor", actor).field("subject", subject).finish_non_exhaustive()
    }
}

/// Redacted: it names persons.
impl fmt::Debug for AuditPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditPayload(redacted)")
    }
}
