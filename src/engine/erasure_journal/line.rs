//! The lines of a journal file: JSON, with a checksum in each entry, so that a changed byte never
//! names another user.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    hex::{Hex, from_hex},
    model::privacy::{JournalEntry, JournalKind, Pseudonym, StoreFingerprint},
    time::Timestamp,
};

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    #[serde(rename = "guestbook_erasure_journal")]
    pub(super) version: u32,
    pub(super) store: String,
    /// Increases when lines are removed, so that an old position is recognised.
    pub(super) generation: u32,
}

#[derive(Serialize, Deserialize)]
struct Line {
    id: Uuid,
    pseudonym: String,
    at: i64,
    until: i64,
    kind: String,
    check: String,
}

impl Header {
    pub(super) fn new(store: StoreFingerprint, generation: u32) -> Self {
        Self { version: VERSION, store: store.to_string(), generation }
    }

    pub(super) fn line(&self) -> Vec<u8> {
        line(self)
    }

    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

pub(super) fn write(entry: &JournalEntry) -> Vec<u8> {
    let mut written = Line {
        id: *entry.id.as_uuid(),
        pseudonym: entry.pseudonym.to_string(),
        at: entry.at.as_millis(),
        until: entry.until.as_millis(),
        kind: match entry.kind {
            JournalKind::Erased => ERASED,
            JournalKind::Lifted => READMITTED,
        }
        .to_owned(),
        check: String::new(),
    };
    written.check = written.checksum();
    line(&written)
}

/// `None` if the line is damaged.
pub(super) fn parse(line: &[u8]) -> Option<JournalEntry> {
    let line: Line = serde_json::from_slice(line).ok()?;
    if line.check != line.checksum() {
        return None;
    }
    let kind = match line.kind.as_str() {
        ERASED => JournalKind::Erased,
        READMITTED => JournalKind::Lifted,
        _ => return None,
    };
    let pseudonym = from_hex(&line.pseudonym)?;
    let (at, until) = (Timestamp::from_millis(line.at), Timestamp::from_millis(line.until));
    Some(JournalEntry::new(line.id.into(), Pseudonym::from_bytes(pseudonym), at, until, kind))
}

impl Line {
    fn checksum(&self) -> String {
        let Self { id, pseudonym, at, until, kind, .. } = self;
        let hash: [u8; 32] = Sha256::digest(format!("{id} {pseudonym} {at} {until} {kind}")).into();
        Hex(&hash[..8]).to_string()
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("names and numbers can be written");
    line.push(b'\n');
    line
}

const ERASED: &str = "erased";
const READMITTED: &str = "readmitted";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::privacy::ErasureId;

    #[test]
    fn parse_reads_what_write_wrote_and_detects_each_changed_byte() {
        let (at, until) = (Timestamp::from_millis(1_800_000_000_000), Timestamp::from_millis(1_900_000_000_000));
        for kind in [JournalKind::Erased, JournalKind::Lifted] {
            let id = ErasureId::generate(at).unwrap();
            let entry = JournalEntry::new(id, Pseudonym::from_bytes([0xa5; 32]), at, until, kind);
            let line = write(&entry);
            assert_eq!(parse(&line), Some(entry));
            for index in 0..line.len() - 1 {
                for bit in 0..8 {
                    let mut changed = line.clone();
                    changed[index] ^= 1 << bit;
                    // The case of a digit says nothing.
                    assert!(parse(&changed).is_none_or(|read| read == entry), "byte {index}, bit {bit}");
                }
                assert_eq!(parse(&line[..index]), None, "cut off after {index}");
            }
        }
    }
}
