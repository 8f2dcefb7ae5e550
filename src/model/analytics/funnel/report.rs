//! [`FunnelReport`]: actors, conversion and times of each stage.

use serde::Serialize;

use super::{
    Funnel,
    chain::{Mark, Walk, Walker},
};
use crate::{
    model::analytics::{
        Range,
        timelines::{Names, share},
    },
    time::{Timestamp, to_millis},
};

/// The answer to a [`Funnel`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunnelReport {
    /// The range of the entries.
    pub range: Range,
    /// The stages, one for each step.
    pub stages: Vec<FunnelStage>,
    /// Number of excluded actors.
    pub excluded: u64,
    /// Number of actors that entered, did not finish, and whose window is still open.
    pub open: u64,
    /// The same figures for each value of the breakdown field: the most frequent value first, then
    /// by value, entries without a value last. Empty without a breakdown.
    pub branches: Vec<FunnelBranch>,
}

/// A stage of a [`Funnel`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunnelStage {
    /// Event type of the step. With [`FunnelOrder::Any`](super::FunnelOrder::Any), the step at this place of the list,
    /// whichever steps were done.
    pub event_type: String,
    /// Number of actors that reached this stage.
    pub actors: u64,
    /// Number of actors lost since the previous stage; 0 for the first stage.
    pub dropped: u64,
    /// Share of the previous stage; `None` for the first stage, and if the previous stage has no
    /// actors.
    pub from_previous: Option<f64>,
    /// Share of the first stage; `None` if the first stage has no actors.
    pub from_first: Option<f64>,
    /// Median time since the previous stage, in milliseconds.
    pub median_ms: Option<u64>,
    /// Mean time since the previous stage, in milliseconds.
    pub mean_ms: Option<f64>,
}

/// The stages of the actors whose first event had one value of the breakdown field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FunnelBranch {
    /// The value; `None` if the field is missing or `null`. A value that is not a string is JSON.
    pub value: Option<String>,
    /// The stages.
    pub stages: Vec<FunnelStage>,
    /// As in [`FunnelReport`].
    pub excluded: u64,
    /// As in [`FunnelReport`].
    pub open: u64,
}

impl Funnel {
    /// Computes the report from `marks`, in the order of their sequence.
    pub(crate) fn report(&self, range: Range, mut marks: Vec<Mark>, branches: &Names, now: Timestamp) -> FunnelReport {
        // The sort is stable: events of one time stay in the order of their sequence.
        marks.sort_by_key(|mark| (mark.actor, mark.time));
        let window = to_millis(self.window);
        let walker = Walker { steps: self.steps.len(), order: self.order, window, entry: range };
        let mut all = Tally::new(self.steps.len());
        let mut of_branches: Vec<Tally> = Vec::new();
        if self.breakdown.is_some() {
            of_branches.resize_with(branches.len() + 1, || Tally::new(self.steps.len()));
        }
        for marks in marks.chunk_by(|one, next| one.actor == next.actor) {
            let walk = walker.walk(marks);
            let Some(first) = walk.chain.as_slice().first() else { continue };
            let is_open = walk.last_entry.is_some_and(|entry| entry.saturating_add(window) >= now.as_millis());
            all.add(&walk, marks, is_open);
            if let Some(tally) = of_branches.get_mut(usize::from(marks[*first as usize].branch)) {
                tally.add(&walk, marks, is_open);
            }
        }
        let mut branches: Vec<_> = (0..)
            .zip(of_branches)
            .filter(|(_, tally)| !tally.is_empty())
            .map(|(number, tally)| {
                let value = (number > 0).then(|| branches.name(number - 1).to_owned());
                FunnelBranch { value, excluded: tally.excluded, open: tally.open, stages: self.stages(tally) }
            })
            .collect();
        branches.sort_by(|one, other| {
            let key = |branch: &FunnelBranch| (std::cmp::Reverse(branch.stages[0].actors), branch.value.is_none());
            key(one).cmp(&key(other)).then_with(|| one.value.cmp(&other.value))
        });
        FunnelReport { range, excluded: all.excluded, open: all.open, stages: self.stages(all), branches }
    }

    fn stages(&self, tally: Tally) -> Vec<FunnelStage> {
        let counts = tally.actors.clone();
        let stages = self.steps.iter().zip(tally.times).enumerate().map(|(index, (step, mut times))| {
            let (actors, before) = (counts[index], index.checked_sub(1).map(|before| counts[before]));
            times.sort_unstable();
            let total: f64 = times.iter().map(|time| *time as f64).sum();
            FunnelStage {
                event_type: step.event_type.as_str().to_owned(),
                actors,
                dropped: before.map_or(0, |before| before - actors),
                from_previous: before.and_then(|before| share(actors, before)),
                from_first: share(actors, counts[0]),
                median_ms: times.len().checked_sub(1).map(|last| times[last / 2]),
                mean_ms: (!times.is_empty()).then(|| total / times.len() as f64),
            }
        });
        stages.collect()
    }
}

/// Counts while actors are evaluated.
struct Tally {
    actors: Vec<u64>,
    /// Times since the previous stage.
    times: Vec<Vec<u64>>,
    excluded: u64,
    open: u64,
}

impl Tally {
    fn new(steps: usize) -> Self {
        Self { actors: vec![0; steps], times: vec![Vec::new(); steps], excluded: 0, open: 0 }
    }

    fn is_empty(&self) -> bool {
        self.actors[0] == 0 && self.excluded == 0
    }

    fn add(&mut self, walk: &Walk, marks: &[Mark], is_open: bool) {
        if walk.is_excluded {
            self.excluded += 1;
            return;
        }
        let chain = walk.chain.as_slice();
        let time = |place: usize| marks[chain[place] as usize].time;
        for place in 0..chain.len() {
            self.actors[place] += 1;
            if place > 0 {
                self.times[place].push(time(place).saturating_sub(time(place - 1)).unsigned_abs());
            }
        }
        self.open += u64::from(is_open && chain.len() < self.actors.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Result,
        model::{activity::EventType, analytics::FunnelStep},
    };

    fn mark(actor: u32, time: i64, step: u16, branch: u16) -> Mark {
        Mark { time, actor, bits: 1 << step, branch }
    }

    #[test]
    fn report_counts_stages_branches_and_open_windows() -> Result<()> {
        let step = |name| EventType::new(name).map(FunnelStep::new);
        let funnel = Funnel::new([step("see")?, step("buy")?, step("praise")?])
            .window(std::time::Duration::from_millis(100))
            .breakdown("from");
        let mut names = Names::default();
        names.number("x")?;
        names.number("y")?;
        let marks = vec![
            mark(1, 0, 0, 1),
            mark(2, 1, 0, 1),
            mark(3, 2, 0, 0),
            mark(4, 60, 0, 2),
            mark(1, 10, 1, 0),
            mark(2, 21, 1, 0),
            mark(4, 100, 1, 0),
            mark(1, 15, 2, 0),
            mark(5, 15, 1, 0),
        ];
        let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(1_000))?;
        let report = funnel.report(range, marks.clone(), &names, Timestamp::from_millis(160));
        let counts: Vec<_> = report.stages.iter().map(|stage| (stage.actors, stage.dropped)).collect();
        assert_eq!(counts, [(4, 0), (3, 1), (1, 2)]);
        assert_eq!((report.stages[1].median_ms, report.stages[1].mean_ms), (Some(20), Some(70.0 / 3.0)));
        assert_eq!((report.stages[0].from_previous, report.stages[0].from_first), (None, Some(1.0)));
        assert_eq!((report.stages[2].from_previous, report.stages[2].from_first), (Some(1.0 / 3.0), Some(0.25)));
        assert_eq!(report.open, 1, "the window of 4 closes after 160");
        assert_eq!(funnel.report(range, marks, &names, Timestamp::from_millis(161)).open, 0);
        let branches: Vec<_> =
            report.branches.iter().map(|branch| (branch.value.as_deref(), branch.stages[1].actors)).collect();
        assert_eq!(branches, [(Some("x"), 2), (Some("y"), 1), (None, 0)]);
        let nobody = funnel.report(range, Vec::new(), &names, Timestamp::from_millis(0));
        assert!(nobody.stages.iter().all(|stage| stage.from_first.is_none() && stage.from_previous.is_none()));
        assert!(nobody.branches.is_empty());
        Ok(())
    }
}
