//! Behaviour: funnels, patterns, transitions, paths, features, cohorts, experiments.

use std::time::Duration;

use super::{
    Analytics,
    actors::Identities,
    gather::{LabelBy, Which},
};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::{
    error::Result,
    model::{
        activity::EventType,
        analytics::{
            Adoption, AdoptionQuery, CohortQuery, CohortRetention, CommonPatterns, Experiment, ExperimentReport,
            FeatureQuery, FeatureUsage, Funnel, FunnelOrder, FunnelReport, Matcher, PageNeighbours, PathQuery, Paths,
            PatternQuery, Range, TransitionQuery, Transitions, VARIANT_FIELD,
        },
        consent::Subject,
    },
};

/// # Behaviour
///
/// Only events of the range are looked at: a visit that began before it begins with the first of
/// them. The events that count are those of [`AnalyticsRules`](super::AnalyticsRules).
///
/// Whose events belong together says [`AnalyticsActor`](crate::analytics::AnalyticsActor): by
/// default a person, who is followed across a login.
///
/// These questions have no table of answers: each looks at every event of its range that counts,
/// from one snapshot, some three million a second, and keeps 16 bytes of each that matters. Other
/// readers and the writer are not held up.
///
/// All of them fail with [`InvalidInput`](ErrorKind::InvalidInput), naming the parameter, if the
/// question makes no sense; [`TooLarge`](ErrorKind::TooLarge), naming the limit, if there is too
/// much to look at: an answer is never cut in silence; [`Timeout`](ErrorKind::Timeout) after
/// [`AnalyticsRules::time_limit`](super::AnalyticsRules::time_limit); and with what the store
/// reports.
impl Analytics {
    /// How many of those who come in within `range` come how far: see [`Funnel`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn funnel(&self, range: Range, funnel: Funnel) -> Result<FunnelReport> {
        funnel.check()?;
        let steps = funnel.steps.iter().cloned().map(Some);
        let matcher = Matcher::new(steps, funnel.exclusions.clone(), funnel.breakdown.clone());
        let entries = if funnel.order == FunnelOrder::Any { (1 << funnel.steps.len()) - 1 } else { 1 };
        let which = Which { keeps_all: funnel.order == FunnelOrder::Strict, entries };
        let (now, actor) = (self.inner.runtime.clock.now(), funnel.actor);
        let looked_at = longer(range, funnel.window)?;
        let fold = move |marks, branches, _| Ok(funnel.report(range, marks, &branches, now));
        self.marks(looked_at, actor, matcher, which, fold).await
    }

    /// Which sequences of events occur in the most visits: see [`PatternQuery`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn common_patterns(&self, range: Range, query: PatternQuery) -> Result<CommonPatterns> {
        query.check()?;
        let (actor, labels, types) = (query.actor, LabelBy::Label(query.labels), query.types.clone());
        self.timelines(range, actor, labels, types, move |lines| query.answer(&lines)).await
    }

    /// From which page people go to which: see [`TransitionQuery`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn transitions(&self, range: Range, query: TransitionQuery) -> Result<Transitions> {
        query.check()?;
        self.timelines(range, query.actor, LabelBy::Page, views(), move |lines| query.answer(&lines)).await
    }

    /// What comes before and after a page: see [`PageNeighbours`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn page_neighbours(
        &self,
        range: Range,
        page: impl Into<String>,
        query: TransitionQuery,
    ) -> Result<PageNeighbours> {
        query.check()?;
        let page = page.into();
        let fold = move |lines| Ok(query.around(&page, &lines));
        self.timelines(range, query.actor, LabelBy::Page, views(), fold).await
    }

    /// Where people go from a page, or where they come from: see [`PathQuery`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn paths(&self, range: Range, query: PathQuery) -> Result<Paths> {
        query.check()?;
        self.timelines(range, query.actor, LabelBy::Page, views(), move |lines| query.answer(&lines)).await
    }

    /// What is used, by how many: see [`FeatureQuery`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn feature_usage(&self, range: Range, query: FeatureQuery) -> Result<FeatureUsage> {
        query.check()?;
        let (actor, labels, types) = (query.actor, LabelBy::Label(query.labels), query.types.clone());
        self.timelines(range, actor, labels, types, move |lines| Ok(query.answer(&lines))).await
    }

    /// How many have begun to use a feature, by when: see [`AdoptionQuery`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn adoption(&self, range: Range, query: AdoptionQuery) -> Result<Adoption> {
        let (periods, now) = (query.periods(range)?, self.inner.runtime.clock.now());
        let matcher = Matcher::new([Some(query.feature)], Vec::new(), None);
        let which = Which { keeps_all: true, entries: 0 };
        let fold = move |marks, _, _| Ok(AdoptionQuery::answer(&periods, marks, now));
        self.marks(range, query.actor, matcher, which, fold).await
    }

    /// Who comes back: see [`CohortQuery`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn cohort_retention(&self, range: Range, query: CohortQuery) -> Result<CohortRetention> {
        let (periods, now, actor) = (query.periods(range)?, self.inner.runtime.clock.now(), query.actor);
        let matcher = Matcher::new([query.begin.clone(), query.back.clone()], Vec::new(), None);
        let which = Which { keeps_all: query.begin.is_none() || query.back.is_none(), entries: 0 };
        let fold = move |marks, _, _| Ok(query.answer(&periods, marks, now));
        self.marks(range, actor, matcher, which, fold).await
    }

    /// What came of an experiment, of those who were exposed within `range`: see [`Experiment`].
    ///
    /// # Errors
    ///
    /// As for all questions of behaviour, above.
    pub async fn experiment(&self, range: Range, experiment: Experiment) -> Result<ExperimentReport> {
        experiment.check()?;
        let matcher = Matcher::new(experiment.steps().map(Some), Vec::new(), Some(VARIANT_FIELD.to_owned()));
        let (now, actor) = (self.inner.runtime.clock.now(), experiment.actor);
        let looked_at = longer(range, experiment.window)?;
        let fold = move |marks, branches, identities: Identities| {
            Ok(experiment.report(range, marks, &branches, |actor| identities.has_changed(actor), now))
        };
        self.marks(looked_at, actor, matcher, Which { keeps_all: false, entries: 1 }, fold).await
    }

    /// The variant that a subject gets: [`Experiment::variant_of`]. Who logs in is another subject:
    /// within a request, [`Session::variant_of`](crate::Session::variant_of) gives the same variant
    /// before and after. It records nothing: record the exposure where the subject meets the
    /// variant.
    ///
    /// # Errors
    ///
    /// As for [`Experiment::variant_of`].
    pub fn assign<'a>(&self, experiment: &'a Experiment, subject: &Subject) -> Result<&'a str> {
        experiment.variant_of(subject)
    }
}

fn views() -> Option<Vec<EventType>> {
    Some(vec![EventType::PAGE_VIEW])
}

/// The range, extended past its end by `after`.
fn longer(range: Range, window: Duration) -> Result<Range> {
    let is_empty = range.from() == range.until();
    Range::new(range.from(), if is_empty { range.until() } else { range.until().after(window) })
}
