//! Collects the events of a scan, each in as few bytes as possible.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Analytics,
    actors::{Actors, Identities, Numbers},
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::{
        activity::EventType,
        analytics::{
            AnalyticsActor, EXCLUDED, Funnel, Labels, Mark, Matcher, Names, Range, Step, Timelines, Wanted, page_in,
            too_large,
        },
    },
    store::{Scan, ScannedEvent},
};

impl Analytics {
    /// Scans events into a state with `add`, and computes the answer from it with `fold` on a
    /// blocking thread.
    pub(super) async fn answer<T, A>(
        &self,
        scan: Scan,
        state: T,
        mut add: impl FnMut(&mut T, &ScannedEvent<'_>) -> Result<()> + Send + 'static,
        fold: impl FnOnce(T) -> Result<A> + Send + 'static,
    ) -> Result<A>
    where
        T: Send + 'static,
        A: Send + 'static,
    {
        let rules = &self.inner.rules;
        // Waits before it reads the exclusions, because they may change meanwhile.
        let permit = self.permit(scan.clone(), rules.max_events).await?;
        let mut scan = scan.exclusion(self.exclusion().await?);
        scan.except_types.extend(rules.except_types.iter().cloned());
        let gathered = Arc::new(Mutex::new(Some((state, Ok(())))));
        // The scan may run on for a moment after the caller has left.
        let (own, scanning) = (gathered.clone(), permit.clone());
        let each = move |event: &ScannedEvent<'_>| {
            let _ = &scanning;
            // Nobody else locks this while the scan runs, so locking is cheap.
            let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((state, result)) = own.as_mut() else { return ControlFlow::Break(()) };
            *result = add(state, event);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let answer = async {
            self.inner.runtime.store.scan(scan, Box::new(each)).await?;
            let gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner).take();
            let (state, result) = gathered.ok_or_else(|| Error::new(ErrorKind::Internal, "a scan answered twice"))?;
            result?;
            let folding = tokio::task::spawn_blocking(move || {
                let answer = fold(state);
                drop(permit);
                answer
            });
            folding.await.map_err(|panic| Error::new(ErrorKind::Internal, "an answer panicked").with_source(panic))?
        };
        self.in_time(answer).await
    }

    fn actors_of(&self, actor: AnalyticsActor, scan: Scan) -> Scan {
        match actor {
            AnalyticsActor::Session => scan.sessions(),
            AnalyticsActor::Person if self.inner.rules.follow_logins => scan.with_person().links(),
            AnalyticsActor::Person | AnalyticsActor::User | AnalyticsActor::Visitor => scan.with_person(),
        }
    }

    /// Collects the timelines of the actors.
    pub(super) async fn timelines<A: Send + 'static>(
        &self,
        range: Range,
        actor: AnalyticsActor,
        labels: LabelBy,
        types: Option<Vec<EventType>>,
        fold: impl FnOnce(Timelines) -> Result<A> + Send + 'static,
    ) -> Result<A> {
        self.inner.rules.check_types(types.iter().flatten())?;
        let mut scan = self.actors_of(actor, Scan::new(range));
        scan.types = types;
        if labels != LabelBy::Label(Labels::Types) {
            scan = scan.routes().data();
        }
        let max = self.inner.rules.max_events;
        let lines = Lines {
            actors: Actors::new(actor, self.inner.rules.follow_logins),
            labels,
            known: Numbers::default(),
            names: Names::default(),
            steps: Vec::new(),
        };
        self.answer(
            scan,
            lines,
            move |lines, event| lines.add(event, max),
            |mut lines| {
                let identities = lines.actors.finish();
                lines.steps.iter_mut().for_each(|step| step.actor = identities.actor(step.actor));
                fold(Timelines::new(lines.steps, lines.names))
            },
        )
        .await
    }

    /// Collects the events that match a step; all events with `keeps_all`.
    pub(super) async fn marks<A: Send + 'static>(
        &self,
        range: Range,
        actor: AnalyticsActor,
        matcher: Matcher,
        which: Selection,
        fold: impl FnOnce(Vec<Mark>, Names, Identities) -> Result<A> + Send + 'static,
    ) -> Result<A> {
        self.inner.rules.check_types(&matcher.types())?;
        let mut scan = self.actors_of(actor, Scan::new(range));
        if !which.keeps_all {
            scan.types = Some(matcher.types());
        }
        scan.has_data = matcher.needs_data();
        let max = self.inner.rules.max_events;
        let matched = Matched {
            actors: Actors::new(actor, self.inner.rules.follow_logins),
            matcher,
            which,
            known: Numbers::default(),
            branches: Names::default(),
            marks: Vec::new(),
        };
        self.answer(
            scan,
            matched,
            move |matched, event| matched.add(event, max),
            |mut matched| {
                let identities = matched.actors.finish();
                matched.marks.iter_mut().for_each(|mark| mark.actor = identities.actor(mark.actor));
                fold(matched.marks, matched.branches, identities)
            },
        )
        .await
    }
}

/// How events are labelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelBy {
    Label(Labels),
    /// By page. Events without a page do not count.
    Page,
}

/// Selection of the scanned events are kept.
#[derive(Clone, Copy)]
pub(super) struct Selection {
    /// Whether events that match no step are kept.
    pub(super) keeps_all: bool,
    /// The steps whose branch is needed.
    pub(super) entries: u16,
}

struct Lines {
    actors: Actors,
    labels: LabelBy,
    /// Labels of known types and routes.
    known: Numbers<(u64, Option<u64>), u32>,
    names: Names,
    steps: Vec<Step>,
}

impl Lines {
    fn add(&mut self, event: &ScannedEvent<'_>, max: usize) -> Result<()> {
        let Some(actor) = self.actors.number(event) else { return Ok(()) };
        let Some(label) = self.label(event)? else { return Ok(()) };
        room(self.steps.len(), max)?;
        self.steps.push(Step { actor, label, time: event.time.as_millis() });
        Ok(())
    }

    fn label(&mut self, event: &ScannedEvent<'_>) -> Result<Option<u32>> {
        let by_page = match self.labels {
            LabelBy::Label(Labels::Types) => false,
            LabelBy::Label(Labels::Pages) => event.event_type.name == EventType::PAGE_VIEW.as_str(),
            LabelBy::Label(Labels::TypesAndPages) | LabelBy::Page => true,
        };
        if !by_page {
            return self.known(event, None).map(Some);
        }
        if let Some(page) = event.data.and_then(page_in) {
            let name = self.name(event, &page);
            return self.names.number(&name).map(Some);
        }
        match event.route {
            None if self.labels == LabelBy::Page => Ok(None),
            route => self.known(event, route.map(|route| (route.number, route.name))).map(Some),
        }
    }

    fn known(&mut self, event: &ScannedEvent<'_>, route: Option<(u64, &str)>) -> Result<u32> {
        let key = (event.event_type.number, route.map(|route| route.0));
        if let Some(label) = self.known.get(&key) {
            return Ok(*label);
        }
        let name = route.map_or_else(|| event.event_type.name.to_owned(), |(_, page)| self.name(event, page));
        let label = self.names.number(&name)?;
        self.known.insert(key, label);
        Ok(label)
    }

    fn name(&self, event: &ScannedEvent<'_>, page: &str) -> String {
        match self.labels {
            LabelBy::Page => page.to_owned(),
            LabelBy::Label(_) => format!("{}:{page}", event.event_type.name),
        }
    }
}

struct Matched {
    actors: Actors,
    matcher: Matcher,
    which: Selection,
    /// Possible matches of known types.
    known: Numbers<u64, Wanted>,
    branches: Names,
    marks: Vec<Mark>,
}

impl Matched {
    fn add(&mut self, event: &ScannedEvent<'_>, max: usize) -> Result<()> {
        let Some(actor) = self.actors.number(event) else { return Ok(()) };
        let matcher = &self.matcher;
        let wanted =
            *self.known.entry(event.event_type.number).or_insert_with(|| matcher.wanted(event.event_type.name));
        let found = matcher.look(wanted, event.data);
        let bits = found.steps | if found.is_excluded { EXCLUDED } else { 0 };
        if bits == 0 && !self.which.keeps_all {
            return Ok(());
        }
        let mut branch = 0;
        if let Some(value) = found.branch.filter(|_| bits & self.which.entries != 0) {
            let number = self.branches.number(&value)? as usize + 1;
            if number > Funnel::MAX_BRANCHES {
                return Err(too_large("MAX_BRANCHES", "distinct values", Funnel::MAX_BRANCHES));
            }
            branch = number as u16;
        }
        room(self.marks.len(), max)?;
        self.marks.push(Mark { time: event.time.as_millis(), actor, bits, branch });
        Ok(())
    }
}

fn room(events: usize, max: usize) -> Result<()> {
    if events < max { Ok(()) } else { Err(too_large("AnalyticsRules::max_events", "events", max)) }
}
