//! [`Merged`]: consecutive spans, merged.

use super::{
    ExcludedEvents, Part, Rollup,
    counts::{Counts, QUARTER, place_of},
    pages::RolledPages,
    people::{People, Tally},
    runs::{Page, Run, Runs, Stream},
    sessions::SessionSpans,
    slices::Slices,
};
use crate::{
    error::Result,
    model::{
        analytics::{Names, Role, stay::Stay},
        client::DeviceClass,
    },
};

/// A span of time that grows at its end, by rollups or by events.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) counts: Counts,
    pub(super) people: People,
    pub(super) tally: Tally,
    pub(super) pages: RolledPages,
    pub(super) runs: Runs,
    pub(super) sessions: SessionSpans,
    types: Slices,
    routes: Slices,
    devices: Slices,
    /// Names of pages.
    pub(super) names: Names,
    /// Events that are not yet part of a run.
    steps: Vec<Step>,
}

/// An event, in numbers of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) sequence: u64,
    pub(crate) time: i64,
    pub(crate) event_type: u32,
    pub(crate) user: Option<u32>,
    pub(crate) visitor: Option<u32>,
    pub(crate) session: Option<u32>,
    /// Whether it is a page view.
    pub(crate) is_view: bool,
    /// The page, if it is a view of a page with a name.
    pub(crate) page: Option<&'a str>,
    /// The route, if the event has a request.
    pub(crate) route: Option<u32>,
    /// The device class, if the event has a request.
    pub(crate) device: Option<DeviceClass>,
    pub(crate) referrer: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    stream: Stream,
    time: i64,
    sequence: u64,
    role: Role,
    page: Option<u32>,
}

impl Merged {
    /// Creates an empty span that begins at `from`.
    pub(crate) fn new(from: i64) -> Self {
        Self {
            from,
            until: from,
            counts: Counts::default(),
            people: People::default(),
            tally: Tally::default(),
            pages: RolledPages::default(),
            runs: Runs::new(from),
            sessions: SessionSpans::default(),
            types: Slices::default(),
            routes: Slices::default(),
            devices: Slices::default(),
            names: Names::default(),
            steps: Vec::new(),
        }
    }

    /// Appends the next span, with the parts that were read.
    pub(crate) fn append(&mut self, next: &Rollup) -> Result<()> {
        self.counts.add(next.part(Part::Counts))?;
        self.people.add(next.part(Part::People))?;
        self.tally.add(next.part(Part::Tally))?;
        self.pages.add(next.part(Part::Pages), &mut self.names)?;
        let runs = Runs::read(next.part(Part::Runs), next.from, &mut self.names)?;
        self.runs.append(runs, next.until, &mut self.pages);
        self.runs.visits.read(next.part(Part::Visits), &mut self.names)?;
        self.sessions.add(next.part(Part::Sessions), next.from)?;
        self.types.add(next.part(Part::Types))?;
        self.routes.add(next.part(Part::Routes))?;
        self.devices.add(next.part(Part::Devices))?;
        self.until = next.until;
        Ok(())
    }

    /// Adds an event of the next span. Events come in any order, until [`end_at`](Self::end_at)
    /// ends the span.
    pub(crate) fn add(&mut self, event: &Counted<'_>, excluded: &ExcludedEvents) -> Result<()> {
        if excluded.types.contains(&event.event_type) {
            self.counts.types_excluded.insert(event.event_type);
            return Ok(());
        }
        if excluded.excludes_person(event) {
            self.counts.types_partly_excluded.insert(event.event_type);
            // The types are known when all events have been added: see `finalize`.
            self.counts.exclusion.entry(Vec::new()).or_default().insert(event);
            return Ok(());
        }
        let page = event.page.map(|page| self.names.number(page)).transpose()?;
        let role = excluded.role(event);
        if role == Role::Passive {
            self.counts.types_passive.insert(event.event_type);
        }
        self.count(event);
        self.slice(event);
        self.attend(event, page);
        if let Some(session) = event.session {
            self.sessions.count(session, Stay::of(event.time, role));
        }
        if let Some(stream) = Stream::of(event) {
            self.steps.push(Step { stream, time: event.time, sequence: event.sequence, role, page });
        }
        Ok(())
    }

    fn count(&mut self, event: &Counted<'_>) {
        let counts = &mut self.counts;
        counts.events += 1;
        counts.widen(event.time, event.time);
        *counts.quarters.entry(event.time.div_euclid(QUARTER)).or_default() += 1;
        *counts.types.entry(event.event_type).or_default() += 1;
        if let Some(device) = event.device {
            *counts.devices.entry(place_of(device)).or_default() += 1;
        }
        if let Some(referrer) = event.referrer {
            match counts.referrers.get_mut(referrer) {
                Some(known) => *known += 1,
                None => drop(counts.referrers.insert(referrer.into(), 1)),
            }
        }
    }

    fn slice(&mut self, event: &Counted<'_>) {
        self.types.count(event.event_type, event.user);
        event.route.inspect(|route| self.routes.count(*route, event.user));
        event.device.inspect(|device| self.devices.count(place_of(*device), event.user));
    }

    fn attend(&mut self, event: &Counted<'_>, page: Option<u32>) {
        let page = page.map(|page| self.pages.page(page));
        match (event.user, event.visitor) {
            (Some(user), _) => {
                self.people.users.insert(user);
                self.tally.count(user, 1);
            }
            (None, Some(visitor)) => self.people.visitors.insert(visitor),
            (None, None) => {}
        }
        if let Some(page) = page {
            page.views += 1;
            match (event.user, event.visitor) {
                (Some(user), _) => page.users.insert(user),
                (None, Some(visitor)) => page.visitors.insert(visitor),
                (None, None) => {}
            }
        }
    }

    /// Ends the span and turns its events into runs.
    pub(crate) fn end_at(&mut self, until: i64) {
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_unstable_by_key(|step| (step.stream, step.time, step.sequence));
        let mut runs: Vec<Run> = Vec::new();
        for step in steps {
            let stay = Stay::of(step.time, step.role);
            let is_view = step.role == Role::View;
            let page = step.page.map(|number| Page { number, opened: step.time });
            let next = Run {
                stream: step.stream,
                first: step.time,
                last: step.time,
                stay,
                entry: step.page,
                exit: step.page,
                first_view: is_view.then_some(step.time),
                open: page,
            };
            match runs.last_mut() {
                Some(run) if run.goes_on_with(&next) => *run = run.joined(next, &mut self.pages),
                _ => runs.push(next),
            }
        }
        runs.sort_unstable_by_key(|run| (run.first, run.stream));
        self.runs.append(runs, until, &mut self.pages);
        self.until = until;
    }

    /// Returns the whole span as a rollup. It covers at most a few days, and the same events were
    /// excluded all the time.
    pub(crate) fn finalize(mut self, excluded: &ExcludedEvents) -> Rollup {
        self.counts.exclusion = self.counts.groups(&self.people, excluded);
        let open = self.runs.take_open();
        let parts = Part::ALL.map(|part| match part {
            Part::Counts => self.counts.write(),
            Part::People => self.people.write(),
            Part::Tally => self.tally.write(),
            Part::Pages => self.pages.write(&self.names),
            Part::Runs => Runs::write(&open, self.from, &self.names),
            Part::Visits => self.runs.visits.write(&self.names),
            Part::Sessions => self.sessions.write(self.from),
            Part::Types => self.types.write(),
            Part::Routes => self.routes.write(),
            Part::Devices => self.devices.write(),
        });
        Rollup { from: self.from, until: self.until, parts }
    }
}
