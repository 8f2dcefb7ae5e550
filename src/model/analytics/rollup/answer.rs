//! Overviews computed from merged rollups.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Merged, Run,
    counts::{DEVICES, QUARTER},
    people::Tally,
    runs::Visits,
};
use crate::{
    error::Result,
    id::UserId,
    model::analytics::{Count, Names, Overview, PageViews, Range, Role, UserEvents, Zone, stay::Stay, visits::split},
    time::Timestamp,
};

/// The parameters of an overview.
#[derive(Clone, Debug)]
pub(crate) struct OverviewQuery {
    pub(crate) range: Range,
    pub(crate) zone: Zone,
    /// Maximum number of entries in each list.
    pub(crate) limit: usize,
}

/// Lookups that only the store can do.
pub(crate) trait Lookups {
    fn event_type(&self, number: u32) -> Result<String>;
    fn user(&self, number: u32) -> Result<UserId>;
    /// Returns time, role and page of each event of a run, in order.
    fn steps(&self, run: &Run) -> Result<Vec<(i64, Role, Option<String>)>>;
}

impl Merged {
    /// Computes the overview. `None` if the zone's offset was not a multiple of a quarter of an
    /// hour, as long ago in some places.
    pub(crate) fn overview(mut self, ask: &OverviewQuery, lookups: &impl Lookups) -> Result<Option<Overview>> {
        let Some((hours, days)) = clock(&self.counts.quarters, &ask.zone) else { return Ok(None) };
        let open = self.runs.take_open();
        let mut visits = std::mem::take(&mut self.runs.visits);
        for mut run in open {
            run.end(&mut self.pages);
            if run.is_long() {
                look_closer(&run, &mut visits, &mut self.names, lookups)?;
            } else {
                visits.add(&run);
            }
        }
        let mut sessions = visits.alone.clone();
        self.sessions.measure(&mut sessions);
        let mut all_visits = visits.in_sessions;
        all_visits.append(visits.alone);
        let named = |counts: HashMap<u32, u64, _>| {
            Count::most(counts.into_iter().map(|(page, count)| (self.names.name(page), count)), ask.limit)
        };
        let types = self.counts.types.iter().map(|(number, count)| Ok((lookups.event_type(*number)?, *count)));
        let devices =
            self.counts.devices.iter().filter_map(|(place, count)| Some((DEVICES.get(*place as usize)?, count)));
        Ok(Some(Overview {
            range: ask.range,
            unread: Vec::new(),
            events: self.counts.events,
            active_users: self.people.users.count(),
            visitors: self.people.visitors.count(),
            first_activity: self.counts.span.map(|(first, _)| Timestamp::from_millis(first)),
            last_activity: self.counts.span.map(|(_, last)| Timestamp::from_millis(last)),
            days_active: days,
            event_breakdown: types.collect::<Result<_>>()?,
            popular_pages: self.popular(ask.limit),
            entry_pages: named(visits.entries),
            exit_pages: named(visits.exits),
            devices: Count::most(devices.map(|(device, count)| (device.as_str(), *count)), ask.limit),
            top_users: top(&self.tally, ask.limit, lookups)?,
            activity_by_hour: hours,
            visits: all_visits.finish(),
            sessions: sessions.finish(),
            referrers: Count::most(std::mem::take(&mut self.counts.referrers), ask.limit),
        }))
    }

    fn popular(&self, limit: usize) -> Vec<PageViews> {
        let named = self.pages.viewed().map(|(number, page)| (self.names.name(number), page));
        let mut pages: Vec<_> = named.collect();
        pages.sort_unstable_by(|(name, page), (other_name, other)| {
            other.views.cmp(&page.views).then_with(|| name.cmp(other_name))
        });
        pages.truncate(limit);
        let views = pages.into_iter().map(|(name, page)| PageViews {
            page: name.to_owned(),
            views: page.views,
            unique_users: page.users.count() + page.visitors.count(),
            average_time_ms: page.time.checked_div(page.timed),
        });
        views.collect()
    }
}

/// Returns the events by hour of the day, and the number of days with events.
fn clock(quarters: &BTreeMap<i64, u64>, zone: &Zone) -> Option<([u64; 24], u64)> {
    let (mut hours, mut days) = ([0; 24], BTreeSet::new());
    for (quarter, count) in quarters {
        let shown = |time: i64| zone.shown(Timestamp::from_millis(time));
        let start = quarter * QUARTER;
        let (day, hour) = shown(start)?;
        if shown(start + QUARTER - 1)? != (day, hour) {
            return None;
        }
        hours[hour] += count;
        days.insert(day);
    }
    Some((hours, days.len() as u64))
}

/// Splits a run that is longer than the longest visit.
fn look_closer(run: &Run, visits: &mut Visits, names: &mut Names, lookups: &impl Lookups) -> Result<()> {
    let steps = lookups.steps(run)?;
    for visit in split(&steps, |(time, ..)| *time) {
        let steps = &steps[visit];
        let mut pages = steps.iter().filter_map(|(_, _, page)| page.as_deref());
        let entry = pages.next().map(|page| names.number(page)).transpose()?;
        let exit = pages.next_back().map(|page| names.number(page)).transpose()?.or(entry);
        if let Some(stay) = steps.iter().map(|(time, role, _)| Stay::of(*time, *role)).reduce(Stay::joined) {
            visits.add(&Run { stay, entry, exit, ..*run });
        }
    }
    Ok(())
}

/// Returns the users with the most events. Only they are looked up, and those with as many events
/// as the last of them.
fn top(tally: &Tally, limit: usize, lookups: &impl Lookups) -> Result<Vec<UserEvents>> {
    let mut users: Vec<_> = tally.users().map(|(user, events)| (events, user)).collect();
    let Some(last) = limit.min(users.len()).checked_sub(1) else { return Ok(Vec::new()) };
    let (_, (least, _), _) = users.select_nth_unstable_by(last, |one, other| other.cmp(one));
    let least = *least;
    users.retain(|(events, _)| *events >= least);
    let named = users.into_iter().map(|(events, user)| Ok(UserEvents { user_id: lookups.user(user)?, events }));
    let mut users = named.collect::<Result<Vec<_>>>()?;
    users.sort_unstable_by(|a, b| b.events.cmp(&a.events).then_with(|| a.user_id.cmp(&b.user_id)));
    users.truncate(limit);
    Ok(users)
}
