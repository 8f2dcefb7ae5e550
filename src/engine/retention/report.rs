//! [`RetentionReport`]: the result of a run. [`RetentionStats`]: the totals of all runs.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{
    Keep, RetentionRules,
    rules::{Class, Fate},
};
use crate::{model::activity::EventType, time::Timestamp};

/// The result of a run, or of a dry run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RetentionReport {
    /// The number of events that were deleted.
    pub activities_deleted: u64,
    /// The number of events that were anonymised.
    pub activities_anonymised: u64,
    /// The number of expired sessions that were deleted.
    pub sessions_deleted: u64,
    /// How long events are kept whose type has no rule of its own. In JSON: days; `null` is for
    /// ever.
    #[serde(rename = "retention_days", serialize_with = "days")]
    pub retention: Keep,
    /// The time at which the age was measured.
    pub applied_at: Timestamp,
    /// The result for each class: first that of all types without a rule of their own.
    pub classes: Vec<ClassReport>,
    /// The result for the audit trail.
    pub audit: ClassReport,
    /// The number of steps in which events were deleted.
    pub chunks: u64,
    /// How long the run took.
    #[serde(rename = "duration_ms", serialize_with = "millis")]
    pub duration: Duration,
    /// Whether it was a dry run, which deletes nothing.
    pub dry_run: bool,
    /// The number of pages that were returned to the system.
    pub pages_freed: u64,
    /// Whether the run was complete; `false` if a shutdown stopped it.
    pub complete: bool,
}

/// The result for a class of events.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassReport {
    /// The class: `activities`, `activities:` and the type, or `audit`.
    pub class: String,
    /// The type of the events, if the class has one type only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// How long they are kept. In JSON: days; `null` is for ever; for anonymised events, the age at
    /// which they are anonymised.
    #[serde(rename = "keep_days", serialize_with = "days")]
    pub keep: Keep,
    /// The number of events that were deleted.
    pub deleted: u64,
    /// The number of events that were anonymised.
    pub anonymised: u64,
    /// The number of events that were not deleted, because it was a dry run or was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_delete: Option<u64>,
    /// The number of events that were not anonymised, for the same reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_anonymise: Option<u64>,
    /// The time of the oldest event that is left. With anonymisation, of the oldest one that is not
    /// anonymised.
    pub oldest_left: Option<Timestamp>,
    /// Whether the run was refused because of
    /// [`max_fraction`](super::RetentionRules::max_fraction).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// The totals of the runs of this process since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetentionStats {
    /// Complete runs without an error.
    pub runs: u64,
    /// Runs with an error.
    pub failed: u64,
    /// Runs that were due while another process was running or had the turn.
    pub elsewhere: u64,
    /// Classes that were refused.
    pub refused: u64,
    /// Events that were deleted.
    pub activities_deleted: u64,
    /// Events that were anonymised.
    pub activities_anonymised: u64,
    /// Expired sessions that were deleted.
    pub sessions_deleted: u64,
    /// Pages that were returned to the system.
    pub pages_freed: u64,
    /// When the last complete run without an error began.
    pub last_success: Option<Timestamp>,
}

impl RetentionReport {
    pub(super) fn begin(rules: &RetentionRules, now: Timestamp, dry_run: bool) -> Self {
        Self {
            activities_deleted: 0,
            activities_anonymised: 0,
            sessions_deleted: 0,
            retention: rules.activities(),
            applied_at: now,
            classes: Vec::new(),
            audit: ClassReport::new("audit".to_owned(), None, rules.audit),
            chunks: 0,
            duration: Duration::ZERO,
            dry_run,
            pages_freed: 0,
            complete: true,
        }
    }
}

impl ClassReport {
    pub(super) fn begin(class: &Class) -> Self {
        Self::new(class.name.clone(), class.event_type.clone(), class.keep)
    }

    fn new(class: String, event_type: Option<EventType>, keep: Keep) -> Self {
        Self {
            class,
            event_type,
            keep,
            deleted: 0,
            anonymised: 0,
            would_delete: None,
            would_anonymise: None,
            oldest_left: None,
            refused: false,
        }
    }

    /// Records the number of events that were not deleted or anonymised.
    pub(super) fn would(&mut self, fate: Fate, count: u64) {
        let would = match fate {
            Fate::Deleted => &mut self.would_delete,
            Fate::Anonymised => &mut self.would_anonymise,
        };
        *would = Some(count);
    }
}

fn days<S: Serializer>(keep: &Keep, serializer: S) -> Result<S::Ok, S::Error> {
    const DAY: u64 = 24 * 60 * 60;
    match keep {
        Keep::Forever => serializer.serialize_none(),
        Keep::For(duration) | Keep::Anonymise { after: duration, .. } => {
            match duration.subsec_nanos() == 0 && duration.as_secs() % DAY == 0 {
                true => serializer.serialize_u64(duration.as_secs() / DAY),
                false => serializer.serialize_f64(duration.as_secs_f64() / DAY as f64),
            }
        }
    }
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
