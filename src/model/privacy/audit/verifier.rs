//! [`AuditVerifier`]: checks a chain, entry by entry.

use serde::Serialize;

use super::{AuditCheckpoint, AuditHead, AuditKey, AuditRow};

/// Checks a trail in order and finds its first fault, with constant memory.
///
/// ```
/// use tower_guestbook::{Timestamp, privacy::{Actor, AuditAction, AuditFlaw, AuditHead, AuditKey, AuditNote, AuditRow, AuditVerifier}};
///
/// let (key, secret) = (AuditKey::new([7; 32]), [1; 32]);
/// let mut head = AuditHead::BEGINNING;
/// let mut trail = Vec::new();
/// for millis in 0..3 {
///     let note = AuditNote::new(AuditAction::RetentionApplied, Actor::System, None, key.clone());
///     let row = AuditRow::new(&note, &head, &secret, Timestamp::from_millis(millis))?;
///     head = row.entry.head();
///     trail.push(row);
/// }
/// let verify = |trail: &[AuditRow], anchor| {
///     let mut verifier = AuditVerifier::new(key.clone(), None, anchor);
///     trail.iter().for_each(|row| verifier.feed(row));
///     verifier.finish()
/// };
/// assert!(verify(&trail, Some(head)).is_intact());
///
/// let cut = verify(&trail[..2], Some(head)).fault.unwrap();
/// assert_eq!((cut.sequence, cut.flaw), (3, AuditFlaw::Missing));
///
/// trail[1].entry.at = Timestamp::from_millis(9);
/// let altered = verify(&trail, None).fault.unwrap();
/// assert_eq!((altered.sequence, altered.flaw), (2, AuditFlaw::Altered));
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Debug)]
pub struct AuditVerifier {
    key: AuditKey,
    anchor: Option<AuditHead>,
    report: VerificationReport,
}

/// The result of an [`AuditVerifier`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerificationReport {
    /// The number of correct entries before the first fault.
    pub entries: u64,
    /// The last correct entry. Kept elsewhere, it is the anchor of the next verification.
    pub head: AuditHead,
    /// The number of the last entry that retention deleted; 0 if none was.
    pub dropped: u64,
    /// The number of entries without a payload. Erasures remove payloads; another removal is not
    /// found.
    pub without_payload: u64,
    /// Whether the anchor was found. An anchor that is older than the first entry is not found, and
    /// that is no fault.
    pub anchored: bool,
    /// The first fault.
    pub fault: Option<AuditFault>,
}

/// A fault and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditFault {
    /// The number of the faulty or missing entry.
    pub sequence: u64,
    /// The kind of fault.
    pub flaw: AuditFlaw,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditFlaw {
    /// The entry was changed, or the key is not that of the trail.
    Altered,
    /// The entry is missing.
    Missing,
    /// Another entry is in its place: entries were moved, within the trail or from another one.
    Misplaced,
    /// The payload was changed.
    Payload,
    /// The checkpoint, where a trail with deleted entries begins, was changed.
    Checkpoint,
    /// The entry is not the anchored one: somebody with the key made the trail anew up to there.
    Anchor,
}

impl AuditVerifier {
    /// Creates a verifier of a trail that begins after `checkpoint` and must contain `anchor`.
    pub fn new(key: AuditKey, checkpoint: Option<&AuditCheckpoint>, anchor: Option<AuditHead>) -> Self {
        let head = checkpoint.map_or(AuditHead::BEGINNING, AuditCheckpoint::head);
        let (dropped, fault) = (head.sequence, None);
        let report = VerificationReport { entries: 0, head, dropped, without_payload: 0, anchored: false, fault };
        let mut verifier = Self { key, anchor, report };
        if checkpoint.is_some_and(|checkpoint| !checkpoint.is_signed(&verifier.key)) {
            verifier.fail(head.sequence, AuditFlaw::Checkpoint);
        }
        verifier.compare_with_anchor();
        verifier
    }

    /// Checks the next entry. Nothing is checked after a fault.
    pub fn feed(&mut self, row: &AuditRow) {
        if self.has_failed() {
            return;
        }
        let (entry, head) = (&row.entry, self.report.head);
        let expected = head.sequence + 1;
        if entry.sequence > expected {
            return self.fail(expected, AuditFlaw::Missing);
        }
        if entry.sequence < expected {
            return self.fail(entry.sequence, AuditFlaw::Misplaced);
        }
        if entry.previous != head.mac {
            // It may be the right one, with a wrong word on what was before it.
            let mut mended = entry.clone();
            mended.previous = head.mac;
            let is_itself = mended.is_signed(&self.key);
            return self.fail(expected, if is_itself { AuditFlaw::Altered } else { AuditFlaw::Misplaced });
        }
        if !entry.is_signed(&self.key) {
            return self.fail(expected, AuditFlaw::Altered);
        }
        match &row.payload {
            Some(payload) if payload.commitment() != entry.commitment => {
                return self.fail(expected, AuditFlaw::Payload);
            }
            Some(_) => {}
            None => self.report.without_payload += 1,
        }
        self.report.head = entry.head();
        self.report.entries += 1;
        self.compare_with_anchor();
    }

    /// Returns the report after the last entry.
    pub fn finish(mut self) -> VerificationReport {
        let head = self.report.head.sequence;
        if !self.has_failed() && self.anchor.is_some_and(|anchor| anchor.sequence > head) {
            self.fail(head + 1, AuditFlaw::Missing);
        }
        self.report
    }

    /// Returns whether a fault was found.
    pub fn has_failed(&self) -> bool {
        self.report.fault.is_some()
    }

    fn compare_with_anchor(&mut self) {
        let head = self.report.head;
        match self.anchor {
            Some(anchor) if anchor == head => self.report.anchored = true,
            Some(anchor) if anchor.sequence == head.sequence && !self.has_failed() => {
                self.fail(head.sequence, AuditFlaw::Anchor);
            }
            _ => {}
        }
    }

    fn fail(&mut self, sequence: u64, flaw: AuditFlaw) {
        self.report.fault = Some(AuditFault { sequence, flaw });
    }
}

impl VerificationReport {
    /// Returns whether there is no fault.
    pub fn is_intact(&self) -> bool {
        self.fault.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        id::UserId,
        model::privacy::{Actor, AuditAction, AuditHash, AuditNote, Pseudonym},
        time::Timestamp,
    };

    fn key() -> AuditKey {
        AuditKey::new([7; 32])
    }

    fn trail(length: i64) -> Vec<AuditRow> {
        let mut head = AuditHead::BEGINNING;
        let ada = UserId::try_from("ada").unwrap();
        (0..length)
            .map(|millis| {
                let note = AuditNote::new(AuditAction::Exported, Actor::User(ada.clone()), Some(ada.clone()), key());
                let note = note.detail(json!({ "number": millis }));
                let row = AuditRow::new(&note, &head, &[1; 32], Timestamp::from_millis(millis)).unwrap();
                head = row.entry.head();
                row
            })
            .collect()
    }

    fn verify(
        trail: &[AuditRow],
        checkpoint: Option<&AuditCheckpoint>,
        anchor: Option<AuditHead>,
    ) -> VerificationReport {
        let mut verifier = AuditVerifier::new(key(), checkpoint, anchor);
        trail.iter().for_each(|row| verifier.feed(row));
        verifier.finish()
    }

    fn fault(report: VerificationReport) -> (u64, AuditFlaw) {
        let fault = report.fault.expect("a fault is found");
        (fault.sequence, fault.flaw)
    }

    #[test]
    fn each_field_of_an_entry_is_under_its_mac() {
        let whole = trail(9);
        assert_eq!(verify(&whole, None, None).entries, 9);
        let other = AuditHash::stored(&[3; 32]);
        let changes: [fn(&mut AuditRow, AuditHash); 7] = [
            |row, _| row.entry.at = Timestamp::from_millis(99),
            |row, _| row.entry.action = AuditAction::Imported,
            |row, _| row.entry.actor_kind = crate::model::privacy::ActorKind::Operator,
            |row, _| row.entry.actor = None,
            |row, _| row.entry.subject = Some(Pseudonym::from_bytes([3; 32])),
            |row, other| row.entry.commitment = other,
            |row, other| row.entry.mac = other,
        ];
        for change in changes {
            let mut trail = whole.clone();
            change(&mut trail[4], other);
            assert_eq!(fault(verify(&trail, None, None)), (5, AuditFlaw::Altered));
        }
        let mut trail = whole.clone();
        trail[4].entry.previous = other;
        assert_eq!(fault(verify(&trail, None, None)), (5, AuditFlaw::Altered));
        // A name moved from one field to the next is another encoding.
        let mut trail = whole;
        (trail[4].entry.subject, trail[4].entry.actor) = (None, trail[4].entry.subject);
        assert_eq!(fault(verify(&trail, None, None)), (5, AuditFlaw::Altered));
    }

    #[test]
    fn order_and_number_are_told_apart() {
        let whole = trail(9);
        let mut swapped = whole.clone();
        swapped.swap(3, 4);
        assert_eq!(fault(verify(&swapped, None, None)), (4, AuditFlaw::Missing), "fed in another order");
        for (row, sequence) in swapped.iter_mut().zip(1..) {
            row.entry.sequence = sequence;
        }
        assert_eq!(fault(verify(&swapped, None, None)), (4, AuditFlaw::Misplaced), "and numbered again");
        let mut twice = whole.clone();
        twice.insert(5, whole[4].clone());
        assert_eq!(fault(verify(&twice, None, None)), (5, AuditFlaw::Misplaced));
        let mut without = whole;
        without.remove(4);
        assert_eq!(fault(verify(&without, None, None)), (5, AuditFlaw::Missing));
    }

    #[test]
    fn a_checkpoint_and_an_anchor_hold_the_two_ends() {
        let whole = trail(9);
        let (third, last) = (whole[2].entry.head(), whole[8].entry.head());
        let checkpoint = AuditCheckpoint::new(third, &key(), Timestamp::from_millis(50));
        let report = verify(&whole[3..], Some(&checkpoint), Some(last));
        assert_eq!((report.entries, report.dropped, report.anchored, report.fault), (6, 3, true, None));
        let report = verify(&whole[3..], Some(&checkpoint), Some(third));
        assert!(report.anchored && report.is_intact());
        let report = verify(&whole[3..], Some(&checkpoint), Some(whole[1].entry.head()));
        assert!(!report.anchored && report.is_intact(), "it is older than what is there");
        assert_eq!(fault(verify(&whole[3..], None, None)), (1, AuditFlaw::Missing));
        assert_eq!(fault(verify(&whole[4..], Some(&checkpoint), None)), (4, AuditFlaw::Missing));
        for change in 0..3 {
            let mut forged = checkpoint.clone();
            match change {
                0 => forged.sequence = 4,
                1 => forged.at = Timestamp::from_millis(51),
                _ => forged.mac = whole[3].entry.mac,
            }
            assert_eq!(fault(verify(&whole[4..], Some(&forged), None)), (forged.sequence, AuditFlaw::Checkpoint));
        }
        assert_eq!(fault(verify(&whole[..8], None, Some(last))), (9, AuditFlaw::Missing));
        let mut remade = trail(9);
        assert_eq!(fault(verify(&remade, None, Some(last))), (9, AuditFlaw::Anchor), "with the key, but not the salts");
        remade[3].payload = None;
        assert_eq!(verify(&remade, None, None).without_payload, 1);
    }

    #[test]
    fn a_head_is_read_back_as_it_was_written() {
        let head = trail(2)[1].entry.head();
        let text = serde_json::to_string(&head).unwrap();
        assert_eq!(serde_json::from_str::<AuditHead>(&text).unwrap(), head);
        for wrong in [text.replace("\"mac\":\"", "\"mac\":\"0"), text.replace("\"mac\":\"", "\"mac\":\"zz")] {
            assert!(serde_json::from_str::<AuditHead>(&wrong).is_err());
        }
    }
}
