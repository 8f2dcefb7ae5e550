//! [`RetentionReport`]: what a run has deleted. [`RetentionStats`]: what all runs have.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{
    Keep, RetentionRules,
    rules::{Class, Fate},
};
use crate::{model::activity::EventType, time::Timestamp};

/// What a run has deleted, or would delete.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RetentionReport {
    /// Events that were deleted.
    pub activities_deleted: u64,
    /// Events that were anonymised.
    pub activities_anonymised: u64,
    /// Expired sessions that were removed.
    pub sessions_deleted: u64,
    /// How long events are kept whose type has no rule of its own. In JSON: days, `null` for ever.
    #[serde(rename = "retention_days", serialize_with = "days")]
    pub retention: Keep,
    /// What was older at this time.
    pub applied_at: Timestamp,
    /// What became of each class: that of all types without a rule of their own first.
    pub classes: Vec<ClassReport>,
    /// What became of entries of the audit trail.
    pub audit: ClassReport,
    /// In how many steps events were deleted.
    pub chunks: u64,
    /// How long it took.
    #[serde(rename = "duration_ms", serialize_with = "millis")]
    pub duration: Duration,
    /// Whether nothing was deleted, only looked at.
    pub dry_run: bool,
    /// Pages of the store that were given back to the system.
    pub pages_freed: u64,
    /// Whether it came to its end. `false` if a shutdown stopped it.
    pub complete: bool,
}

/// What became of the events of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassReport {
    /// Its name: `activities`, or `activities:` and the type; `audit` for the audit trail.
    pub class: String,
    /// The type whose events it has, if it is of one type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// How long they are kept. In JSON: days, `null` for ever; of events that are anonymised, how long they are somebody's.
    #[serde(rename = "keep_days", serialize_with = "days")]
    pub keep: Keep,
    /// How many were deleted.
    pub deleted: u64,
    /// How many were anonymised.
    pub anonymised: u64,
    /// How many are to be deleted and were not, because it was a dry run or was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_delete: Option<u64>,
    /// How many are to be anonymised and were not, for the same reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_anonymise: Option<u64>,
    /// When the first of those that are left was recorded; if they are to be anonymised, of those that are not yet.
    pub oldest_left: Option<Timestamp>,
    /// Whether they are more than [`max_fraction`](super::RetentionRules::max_fraction) allows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// What the runs of this process have done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RetentionStats {
    /// Runs that came to their end.
    pub runs: u64,
    /// Runs that met an error.
    pub failed: u64,
    /// Runs that were left to another process.
    pub elsewhere: u64,
    /// Classes that were refused.
    pub refused: u64,
    /// Events that were deleted.
    pub activities_deleted: u64,
    /// Events that were anonymised.
    pub activities_anonymised: u64,
    /// Expired sessions that were removed.
    pub sessions_deleted: u64,
    /// Pages of the store that were given back to the system.
    pub pages_freed: u64,
    /// When the last run began that came to its end without an error.
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

    /// So many of them would meet this fate.
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
