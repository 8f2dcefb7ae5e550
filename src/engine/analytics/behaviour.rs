//! Queries on behaviour: funnels, patterns, transitions, paths, features, cohorts, experiments.

use std::time::Duration;

use super::{
    Analytics,
    actors::Identities,
    gather::{LabelBy, Selection},
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
/// These queries look at the order of events. They read only events within the range: a visit that
/// began earlier begins with its first event in the range.
/// [`AnalyticsRules`](super::AnalyticsRules) decides which events count.
/// [`AnalyticsActor`](crate::analytics::AnalyticsActor) decides whose events are grouped together:
/// by default those of a person, who is followed across a login.
///
/// They do not use rollups. Each query reads every counted event of its range from one snapshot,
/// about three million per second, and keeps 16 bytes of each event that matters. It blocks neither
/// other readers nor the writer.
///
/// They all fail with
///
/// - [`InvalidInput`](ErrorKind::InvalidInput) if a parameter is invalid; the error names it;
/// - [`TooLarge`](ErrorKind::TooLarge) if a limit is exceeded; the error names it. An answer is
///   never truncated silently;
/// - [`Timeout`](ErrorKind::Timeout) after
///   [`AnalyticsRules::time_limit`](super::AnalyticsRules::time_limit);
/// - any error of the store.
impl Analytics {
    /// Returns how many actors that enter within `range` reach each stage of a [`Funnel`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn funnel(&self, range: Range, funnel: Funnel) -> Result<FunnelReport> {
        funnel.check()?;
        let steps = funnel.steps.iter().cloned().map(Some);
        let matcher = Matcher::new(steps, funnel.exclusions.clone(), funnel.breakdown.clone());
        let entries = if funnel.order == FunnelOrder::Any { (1 << funnel.steps.len()) - 1 } else { 1 };
        let which = Selection { keeps_all: funnel.order == FunnelOrder::Strict, entries };
        let (now, actor) = (self.inner.runtime.clock.now(), funnel.actor);
        let looked_at = longer(range, funnel.window)?;
        let fold = move |marks, branches, _| Ok(funnel.report(range, marks, &branches, now));
        self.marks(looked_at, actor, matcher, which, fold).await
    }

    /// Returns the sequences of events that occur in the most visits: see [`PatternQuery`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn common_patterns(&self, range: Range, query: PatternQuery) -> Result<CommonPatterns> {
        query.check()?;
        let (actor, labels, types) = (query.actor, LabelBy::Label(query.labels), query.types.clone());
        self.timelines(range, actor, labels, types, move |lines| query.answer(&lines)).await
    }

    /// Returns how often one page follows another: see [`TransitionQuery`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn transitions(&self, range: Range, query: TransitionQuery) -> Result<Transitions> {
        query.check()?;
        self.timelines(range, query.actor, LabelBy::Page, views(), move |lines| query.answer(&lines)).await
    }

    /// Returns the pages before and after a page: see [`PageNeighbours`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
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

    /// Returns the paths from a page, or to a page: see [`PathQuery`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn paths(&self, range: Range, query: PathQuery) -> Result<Paths> {
        query.check()?;
        self.timelines(range, query.actor, LabelBy::Page, views(), move |lines| query.answer(&lines)).await
    }

    /// Returns which features are used, and by how many actors: see [`FeatureQuery`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn feature_usage(&self, range: Range, query: FeatureQuery) -> Result<FeatureUsage> {
        query.check()?;
        let (actor, labels, types) = (query.actor, LabelBy::Label(query.labels), query.types.clone());
        self.timelines(range, actor, labels, types, move |lines| Ok(query.answer(&lines))).await
    }

    /// Returns how many actors have started to use a feature, and when: see [`AdoptionQuery`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn adoption(&self, range: Range, query: AdoptionQuery) -> Result<Adoption> {
        let (periods, now) = (query.periods(range)?, self.inner.runtime.clock.now());
        let matcher = Matcher::new([Some(query.feature)], Vec::new(), None);
        let which = Selection { keeps_all: true, entries: 0 };
        let fold = move |marks, _, _| Ok(AdoptionQuery::answer(&periods, marks, now));
        self.marks(range, query.actor, matcher, which, fold).await
    }

    /// Returns the retention of each cohort: see [`CohortQuery`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn cohort_retention(&self, range: Range, query: CohortQuery) -> Result<CohortRetention> {
        let (periods, now, actor) = (query.periods(range)?, self.inner.runtime.clock.now(), query.actor);
        let matcher = Matcher::new([query.start_event.clone(), query.return_event.clone()], Vec::new(), None);
        let which = Selection { keeps_all: query.start_event.is_none() || query.return_event.is_none(), entries: 0 };
        let fold = move |marks, _, _| Ok(query.answer(&periods, marks, now));
        self.marks(range, actor, matcher, which, fold).await
    }

    /// Returns the result of an experiment for the subjects exposed within `range`: see
    /// [`Experiment`].
    ///
    /// # Errors
    ///
    /// As for all queries on behaviour, above.
    pub async fn experiment(&self, range: Range, experiment: Experiment) -> Result<ExperimentReport> {
        experiment.check()?;
        let matcher = Matcher::new(experiment.steps().map(Some), Vec::new(), Some(VARIANT_FIELD.to_owned()));
        let (now, actor) = (self.inner.runtime.clock.now(), experiment.actor);
        let looked_at = longer(range, experiment.window)?;
        let fold = move |marks, branches, identities: Identities| {
            Ok(experiment.report(range, marks, &branches, |actor| identities.has_changed(actor), now))
        };
        self.marks(looked_at, actor, matcher, Selection { keeps_all: false, entries: 1 }, fold).await
    }

    /// Returns the variant of a subject: [`Experiment::variant_of`].
    ///
    /// A login makes a visitor another subject. Within a request,
    /// [`Session::variant_of`](crate::Session::variant_of) returns the same variant before and
    /// after it. This method records nothing: record the exposure where the subject sees the
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

/// Returns the range, extended past its end by `window`.
fn longer(range: Range, window: Duration) -> Result<Range> {
    let is_empty = range.from() == range.until();
    Range::new(range.from(), if is_empty { range.until() } else { range.until().after(window) })
}
