//! [`ExperimentReport`]: the result of an experiment.

use serde::Serialize;

use super::{Experiment, Interval};
use crate::{
    model::analytics::{
        Range,
        funnel::Mark,
        timelines::{Names, share},
    },
    time::{Timestamp, to_millis},
};

/// The result of an [`Experiment`].
///
/// It names no winner. Look at the [interval](VariantReport::difference_interval), at
/// [`note`](Self::note) and at [`ratio`](Self::ratio). Decide how long the experiment runs before
/// it begins, not when a number looks good.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExperimentReport {
    /// The range of the exposures.
    pub range: Range,
    /// The variants, in the order of declaration.
    pub variants: Vec<VariantReport>,
    /// Number of subjects exposed to several variants. They are not compared.
    pub mixed: u64,
    /// Number of subjects exposed to an undeclared or unnamed variant. They are not compared.
    pub unknown: u64,
    /// Number of compared subjects who logged in during the experiment: they have events as a
    /// visitor and as a user, see
    /// [`AnalyticsActor::Person`](crate::analytics::AnalyticsActor::Person). If `mixed` is large
    /// compared with it, the variant changes at the login: see `Session::variant_of`.
    pub changed_identity: u64,
    /// Number of subjects that have not converted and whose window is still open.
    pub open: u64,
    /// Whether the sample is large enough.
    pub note: SampleSize,
    /// Whether subjects are distributed by weight; `None` below 100 subjects.
    pub ratio: Option<SampleRatio>,
}

/// A variant of an [`ExperimentReport`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VariantReport {
    /// Name of the variant.
    pub name: String,
    /// Weight of the variant.
    pub weight: u32,
    /// Number of subjects exposed to this variant and no other.
    pub subjects: u64,
    /// Number of these subjects that converted.
    pub conversions: u64,
    /// Conversion rate; `None` without subjects.
    pub rate: Option<f64>,
    /// 95 % confidence interval of the rate (Wilson).
    pub interval: Option<Interval>,
    /// Rate minus the rate of the first variant; `None` for the first variant.
    pub difference: Option<f64>,
    /// 95 % confidence interval of the difference (Newcombe). If it contains 0, the difference may
    /// be chance.
    pub difference_interval: Option<Interval>,
}

/// Whether the sample of an experiment is large enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SampleSize {
    /// A variant has fewer than 100 subjects, fewer than 10 conversions, or fewer than 10 subjects
    /// without conversion. The difference means next to nothing.
    TooFew,
    /// Large enough for the interval to be meaningful. It may still be too wide for your decision.
    Usable,
}

/// Whether subjects are distributed over the variants by weight (Pearson's chi-squared test).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SampleRatio {
    /// The chi-squared statistic over the variants with a weight.
    pub chi_squared: f64,
    /// Whether the distribution is wrong: by chance it would occur in fewer than 1 of 1,000
    /// experiments, or a subject was exposed to a variant without weight. Then the exposures are
    /// faulty and the rates cannot be compared.
    pub mismatch: bool,
}

/// The 99.9th percentiles of the chi-squared distribution with 1 to 9 degrees of freedom
/// (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4).
const CRITICAL: [f64; 9] = [10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.125, 27.877];

impl SampleRatio {
    /// Tests counts and weights; `None` below 100 subjects.
    fn of(counts: &[(u64, u32)]) -> Option<Self> {
        let total: u64 = counts.iter().map(|(count, _)| count).sum();
        if total < 100 {
            return None;
        }
        let weights: f64 = counts.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let weighted = counts.iter().filter(|(_, weight)| *weight > 0);
        let chi_squared = weighted.clone().map(|(count, weight)| {
            let expected = total as f64 * f64::from(*weight) / weights;
            (*count as f64 - expected).powi(2) / expected
        });
        let chi_squared = chi_squared.sum();
        let critical = weighted.count().checked_sub(2).and_then(|index| CRITICAL.get(index));
        let is_impossible = counts.iter().any(|(count, weight)| *count > 0 && *weight == 0);
        Some(Self { chi_squared, mismatch: is_impossible || critical.is_some_and(|critical| chi_squared > *critical) })
    }
}

/// The counts of a variant while subjects are read.
#[derive(Clone, Copy, Default)]
struct Tally {
    subjects: u64,
    conversions: u64,
}

impl Experiment {
    /// Computes the report from `marks`, in the order of their sequence. Bit 0 is an exposure, with
    /// the variant as its branch; bit 1 is the goal.
    pub(crate) fn report(
        &self,
        range: Range,
        mut marks: Vec<Mark>,
        branches: &Names,
        has_changed: impl Fn(u32) -> bool,
        now: Timestamp,
    ) -> ExperimentReport {
        marks.sort_by_key(|mark| (mark.actor, mark.time));
        let window = to_millis(self.window);
        // By branch; 0 is an exposure without a variant.
        let mut variants = vec![None; branches.len() + 1];
        for (index, (name, _)) in self.variants.iter().enumerate() {
            if let Some(branch) = branches.find(name) {
                variants[branch as usize + 1] = Some(index);
            }
        }
        let mut tallies = vec![Tally::default(); self.variants.len()];
        let (mut mixed, mut unknown, mut changed_identity, mut open) = (0, 0, 0, 0);
        for marks in marks.chunk_by(|one, next| one.actor == next.actor) {
            let is_exposure = |mark: &&Mark| mark.bits & 1 != 0 && range.contains(Timestamp::from_millis(mark.time));
            let exposures = marks.iter().filter(is_exposure);
            let Some(place) = marks.iter().position(|mark| is_exposure(&mark)) else { continue };
            let first = marks[place];
            if exposures.clone().any(|mark| mark.branch != first.branch) {
                mixed += 1;
                continue;
            }
            let Some(variant) = variants[usize::from(first.branch)] else {
                unknown += 1;
                continue;
            };
            let in_time = |mark: &Mark| mark.time.saturating_sub(first.time) <= window;
            let converted = marks[place + 1..].iter().any(|mark| mark.bits & 2 != 0 && in_time(mark));
            tallies[variant].subjects += 1;
            tallies[variant].conversions += u64::from(converted);
            changed_identity += u64::from(has_changed(first.actor));
            open += u64::from(!converted && first.time.saturating_add(window) >= now.as_millis());
        }
        let is_small =
            |tally: &Tally| tally.subjects < 100 || tally.conversions.min(tally.subjects - tally.conversions) < 10;
        let note = if tallies.iter().any(is_small) { SampleSize::TooFew } else { SampleSize::Usable };
        let counts: Vec<_> =
            tallies.iter().zip(&self.variants).map(|(tally, (_, weight))| (tally.subjects, *weight)).collect();
        let ratio = SampleRatio::of(&counts);
        let first = tallies[0];
        let variants = self.variants.iter().zip(tallies).enumerate().map(|(index, ((name, weight), tally))| {
            let Tally { subjects, conversions } = tally;
            let rate = share(conversions, subjects);
            let reference = share(first.conversions, first.subjects).filter(|_| index > 0);
            let (one, other) = ((conversions, subjects), (first.conversions, first.subjects));
            VariantReport {
                name: name.clone(),
                weight: *weight,
                subjects,
                conversions,
                rate,
                interval: Interval::of_share(conversions, subjects),
                difference: rate.zip(reference).map(|(rate, reference)| rate - reference),
                difference_interval: if index == 0 { None } else { Interval::of_difference(one, other) },
            }
        });
        ExperimentReport { range, variants: variants.collect(), mixed, unknown, changed_identity, open, note, ratio }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{activity::EventType, analytics::FunnelStep};

    fn experiment() -> Experiment {
        let goal = FunnelStep::new(EventType::PURCHASE);
        let window = std::time::Duration::from_millis(10);
        Experiment::new("x", goal).variant("old", 1).variant("new", 1).window(window)
    }

    fn names() -> Names {
        let mut names = Names::default();
        // Not in the order of the variants, and one undeclared name.
        for name in ["new", "odd", "old"] {
            names.number(name).unwrap();
        }
        names
    }

    proptest! {
        #[test]
        fn report_counts_subjects_as_documented(
            events in prop::collection::vec((0..6u32, 0..40i64, 0..4u16, 0..4u16), 0..25),
        ) {
            let range = Range::new(Timestamp::from_millis(5), Timestamp::from_millis(30)).unwrap();
            let marks: Vec<_> = events.iter().map(|(actor, time, bits, branch)| {
                Mark { actor: *actor, time: *time, bits: *bits, branch: if bits & 1 != 0 { *branch } else { 0 } }
            }).collect();
            let report = experiment().report(range, marks.clone(), &names(), |_| false, Timestamp::from_millis(25));
            let mut expected = ([0; 2], [0; 2], 0, 0, 0);
            for actor in 0..6 {
                let mut own: Vec<_> = marks.iter().filter(|mark| mark.actor == actor).collect();
                own.sort_by_key(|mark| mark.time);
                let exposures: Vec<_> = (0..own.len()).filter(|place| own[*place].bits & 1 != 0 && (5..30).contains(&own[*place].time)).collect();
                let seen: std::collections::BTreeSet<_> = exposures.iter().map(|place| own[*place].branch).collect();
                let variant = match seen.iter().collect::<Vec<_>>()[..] {
                    [] => continue,
                    [3] => 0,
                    [1] => 1,
                    [_] => { expected.3 += 1; continue }
                    _ => { expected.2 += 1; continue }
                };
                let first = exposures[0];
                let converts = (first + 1..own.len()).any(|place| own[place].bits & 2 != 0 && own[place].time - own[first].time <= 10);
                expected.0[variant] += 1;
                expected.1[variant] += u64::from(converts);
                expected.4 += u64::from(!converts && own[first].time + 10 >= 25);
            }
            let found = |count: fn(&VariantReport) -> u64| [count(&report.variants[0]), count(&report.variants[1])];
            prop_assert_eq!(
                (found(|variant| variant.subjects), found(|variant| variant.conversions), report.mixed, report.unknown, report.open),
                expected
            );
            prop_assert_eq!(report.note, SampleSize::TooFew);
        }
    }

    /// Marks of a variant with these numbers of subjects and conversions.
    fn sample(actor: &mut u32, branch: u16, subjects: u64, conversions: u64) -> Vec<Mark> {
        let mut marks = Vec::new();
        for number in 0..subjects {
            *actor += 1;
            marks.push(Mark { actor: *actor, time: 1, bits: 1, branch });
            if number < conversions {
                marks.push(Mark { actor: *actor, time: 2, bits: 2, branch: 0 });
            }
        }
        marks
    }

    #[test]
    fn report_has_difference_interval_sample_size_and_ratio() {
        let range = Range::new(Timestamp::from_millis(0), Timestamp::from_millis(30)).unwrap();
        let report = |old: (u64, u64), new: (u64, u64)| {
            let mut actor = 0;
            let mut marks = sample(&mut actor, 3, old.0, old.1);
            marks.extend(sample(&mut actor, 1, new.0, new.1));
            experiment().report(range, marks, &names(), |_| false, Timestamp::from_millis(1_000))
        };
        let usable = report((1_000, 100), (1_010, 150));
        assert_eq!(usable.note, SampleSize::Usable);
        let [old, new] = &usable.variants[..] else { panic!("two variants") };
        assert_eq!((old.difference, old.difference_interval), (None, None));
        assert!((new.difference.unwrap() - (150.0 / 1_010.0 - 0.1)).abs() < 1e-12);
        let interval = new.difference_interval.unwrap();
        assert!(
            interval.low > 0.0 && interval.low < new.difference.unwrap() && interval.high > new.difference.unwrap()
        );
        assert!(!usable.ratio.unwrap().mismatch);
        for few in [report((99, 20), (1_000, 100)), report((1_000, 9), (1_000, 100)), report((100, 91), (100, 50))] {
            assert_eq!(few.note, SampleSize::TooFew);
        }
        assert_eq!(report((49, 1), (50, 1)).ratio, None);
        let (uneven, even) =
            (report((1_000, 1), (1_150, 1)).ratio.unwrap(), report((1_000, 1), (1_140, 1)).ratio.unwrap());
        // 75²/1075 · 2 = 10.47 and 70²/1070 · 2 = 9.16 are below 10.828; 80²/1080 · 2 = 11.85 is
        // above.
        assert!(!uneven.mismatch && !even.mismatch && (uneven.chi_squared - 10.465).abs() < 0.001);
        assert!(report((1_000, 1), (1_160, 1)).ratio.unwrap().mismatch);
    }
}
