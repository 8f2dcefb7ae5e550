//! Gathering events from a scan, as small as they can be.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use foldhash::fast::RandomState;

use super::Analytics;
use crate::{
    activity::EventType,
    analysis::{
        Actor, EXCLUDED, Funnel, Labels, Mark, Matcher, Names, Range, Step, Timelines, Wanted, page_in, too_large,
    },
    error::{Error, ErrorKind, Result},
    store::{Scan, ScannedEvent},
};

type Numbers<K, V> = HashMap<K, V, RandomState>;

impl Analytics {
    /// What becomes of the events that `scan` means: each is `add`ed to the state, and `fold` makes the answer of it, on a thread
    /// for such things.
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
        let mut scan = scan.left_out(self.left_out().await?);
        scan.except_types.extend(rules.except_types.iter().cloned());
        let gathered = Arc::new(Mutex::new(Some((state, Ok(())))));
        let own = gathered.clone();
        let each = move |event: &ScannedEvent<'_>| {
            // Nobody else looks while the scan runs: this takes nothing to speak of.
            let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((state, result)) = own.as_mut() else { return ControlFlow::Break(()) };
            *result = add(state, event);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let answer = async {
            self.inner.store.scan(scan, Box::new(each)).await?;
            let gathered = gathered.lock().unwrap_or_else(PoisonError::into_inner).take();
            let (state, result) = gathered.ok_or_else(|| Error::new(ErrorKind::Internal, "a scan answered twice"))?;
            result?;
            let folding = tokio::task::spawn_blocking(move || fold(state));
            folding.await.map_err(|panic| Error::new(ErrorKind::Internal, "an answer panicked").with_source(panic))?
        };
        self.in_time(answer).await
    }

    /// The timelines of the actors.
    pub(super) async fn timelines<A: Send + 'static>(
        &self,
        range: Range,
        actor: Actor,
        labels: LabelBy,
        types: Option<Vec<EventType>>,
        fold: impl FnOnce(Timelines) -> Result<A> + Send + 'static,
    ) -> Result<A> {
        self.inner.rules.check_types(types.iter().flatten())?;
        let mut scan = actors_of(actor, Scan::new(range));
        scan.types = types;
        if labels != LabelBy::Label(Labels::Types) {
            scan = scan.routes().data();
        }
        let max = self.inner.rules.max_events;
        let lines = Lines {
            actors: Actors::new(actor),
            labels,
            known: Numbers::default(),
            names: Names::default(),
            steps: Vec::new(),
        };
        self.answer(
            scan,
            lines,
            move |lines, event| lines.add(event, max),
            |lines| fold(Timelines::new(lines.steps, lines.names)),
        )
        .await
    }

    /// The events that match something; all of them if it `keeps_all`.
    pub(super) async fn marks<A: Send + 'static>(
        &self,
        range: Range,
        actor: Actor,
        matcher: Matcher,
        which: Which,
        fold: impl FnOnce(Vec<Mark>, Names) -> Result<A> + Send + 'static,
    ) -> Result<A> {
        self.inner.rules.check_types(&matcher.types())?;
        let mut scan = actors_of(actor, Scan::new(range));
        if !which.keeps_all {
            scan.types = Some(matcher.types());
        }
        scan.has_data = matcher.needs_data();
        let max = self.inner.rules.max_events;
        let matched = Matched {
            actors: Actors::new(actor),
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
            |matched| fold(matched.marks, matched.branches),
        )
        .await
    }
}

/// What an event is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelBy {
    Label(Labels),
    /// By its page; what has none does not count.
    Page,
}

/// Which events are kept of those that are looked at.
#[derive(Clone, Copy)]
pub(super) struct Which {
    /// Whether those are kept that match nothing.
    pub(super) keeps_all: bool,
    /// The steps whose branch matters.
    pub(super) entries: u16,
}

fn actors_of(actor: Actor, scan: Scan) -> Scan {
    match actor {
        Actor::Session => scan.sessions(),
        Actor::Person | Actor::User | Actor::Visitor => scan.with_person(),
    }
}

/// Actors by number, in the order in which they came.
struct Actors {
    kind: Actor,
    /// Those with a small key, by it, from 1 on; 0 has not come. To hash them took a tenth of a question.
    near: Vec<u32>,
    far: Numbers<u64, u32>,
    count: u32,
}

/// So many keys are looked up without a hash: 16 MiB at most.
const NEAR: u64 = 1 << 22;

impl Actors {
    fn new(kind: Actor) -> Self {
        Self { kind, near: Vec::new(), far: Numbers::default(), count: 0 }
    }

    fn number(&mut self, event: &ScannedEvent<'_>) -> Option<u32> {
        // Users and visitors are numbered on their own.
        let user = || event.user.map(|user| user << 1);
        let visitor = || event.visitor.map(|visitor| visitor << 1 | 1);
        let key = match self.kind {
            Actor::Person => user().or_else(visitor),
            Actor::User => user(),
            Actor::Visitor => visitor(),
            Actor::Session => event.session,
        };
        key.map(|key| self.number_of(key))
    }

    fn number_of(&mut self, key: u64) -> u32 {
        let known = if key < NEAR {
            let key = key as usize;
            if key >= self.near.len() {
                self.near.resize(key + 1, 0);
            }
            &mut self.near[key]
        } else {
            self.far.entry(key).or_default()
        };
        if *known == 0 {
            self.count += 1;
            *known = self.count;
        }
        *known - 1
    }
}

struct Lines {
    actors: Actors,
    labels: LabelBy,
    /// Labels of types and routes that were seen before.
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
            LabelBy::Label(Labels::Places) | LabelBy::Page => true,
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
    which: Which,
    /// What types may match that were seen before.
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
                return Err(too_large("MAX_BRANCHES", "different values", Funnel::MAX_BRANCHES));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_are_numbered_as_they_come_whatever_their_keys_are() {
        let mut actors = Actors::new(Actor::Person);
        let keys = [7, NEAR, 0, NEAR - 1, 7, u64::MAX, NEAR, 0, u64::MAX, 3];
        assert_eq!(keys.map(|key| actors.number_of(key)), [0, 1, 2, 3, 0, 4, 1, 2, 4, 5]);
    }
}
