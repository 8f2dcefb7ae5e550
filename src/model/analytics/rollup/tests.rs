//! Compares rollups with the definition, event by event.

use std::collections::BTreeSet;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    id::{SessionId, UserId, VisitorId},
    model::{
        activity::{Activity, Event, EventData, EventLimits, EventType, RequestTrace},
        analytics::{Overview, OverviewBuilder, Range, Role, Zone},
        client::{Agent, DeviceClass},
    },
    time::Timestamp,
};

/// An event in numbers. Page 0 means no page.
#[derive(Clone, Copy, Debug)]
struct TestEvent {
    time: i64,
    kind: u32,
    user: Option<u32>,
    visitor: Option<u32>,
    session: Option<u32>,
    page: u32,
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const KINDS: [&str; 4] = ["page_view", "search", "noise", "heartbeat"];

impl TestEvent {
    fn page(&self) -> Option<String> {
        (self.kind == 0 && self.page > 0).then(|| format!("/page/{}", self.page))
    }

    fn role(&self) -> Role {
        [Role::View, Role::Interaction, Role::Interaction, Role::Passive][self.kind as usize]
    }

    fn device(&self) -> Option<DeviceClass> {
        (self.page > 0).then_some(if self.page > 2 { DeviceClass::Mobile } else { DeviceClass::Desktop })
    }

    fn referrer(&self) -> Option<&'static str> {
        (self.page == 2).then_some("elsewhere.example")
    }

    /// The event as it is without a store. The numbers become names.
    fn activity(&self, sequence: u64) -> Activity {
        let mut event =
            Event::new(EventType::new(KINDS[self.kind as usize]).unwrap(), Timestamp::from_millis(self.time));
        let uuid = |number: u32| Uuid::from_u128(u128::from(number) + 1);
        event.user = self.user.map(|user| UserId::try_from(format!("u{user}")).unwrap());
        event.visitor = self.visitor.map(|visitor| VisitorId::from(uuid(visitor)));
        event.session = self.session.map(|session| SessionId::from(uuid(session)));
        event.data = self
            .page()
            .map(|page| EventData::new(&serde_json::json!({ "page": page }), &EventLimits::default()).unwrap());
        event.request = self.device().map(|device| RequestTrace {
            referrer: self.referrer().map(Into::into),
            agent: Agent { device, ..Agent::default() },
            ..RequestTrace::default()
        });
        Activity::new(sequence, event)
    }
}

/// A store of these events.
struct TestStore<'a>(&'a [TestEvent]);

impl Lookups for TestStore<'_> {
    fn event_type(&self, number: u32) -> Result<String> {
        Ok(KINDS[number as usize].to_owned())
    }

    fn user(&self, number: u32) -> Result<UserId> {
        UserId::try_from(format!("u{number}"))
    }

    fn steps(&self, run: &Run) -> Result<Vec<(i64, Role, Option<String>)>> {
        let is_its = |event: &&TestEvent| match run.stream {
            Stream::Session(session) => event.session == Some(session),
            Stream::User(user) => event.session.is_none() && event.user == Some(user),
            Stream::Visitor(visitor) => {
                event.session.is_none() && event.user.is_none() && event.visitor == Some(visitor)
            }
        };
        let between = |event: &&TestEvent| (run.first..=run.last).contains(&event.time) && event.kind != 2;
        let mut steps: Vec<_> = self
            .0
            .iter()
            .filter(is_its)
            .filter(between)
            .map(|event| (event.time, event.role(), event.page()))
            .collect();
        steps.sort_by_key(|(time, ..)| *time);
        Ok(steps)
    }
}

/// Excludes "noise" and user 3; a "heartbeat" is passive.
fn exclusions() -> ExcludedEvents {
    let mut excluded = ExcludedEvents::new(BTreeSet::from([2]));
    excluded.passive_types = BTreeSet::from([3]);
    excluded.exclude(users([3]), &BTreeSet::from([0, 1, 2, 3]));
    excluded
}

fn users<const N: usize>(users: [u32; N]) -> Persons {
    Persons { users: RoaringBitmap::from_iter(users), ..Persons::default() }
}

fn with_events(mut merged: Merged, events: &[TestEvent], excluded: &ExcludedEvents) -> Merged {
    add_events_without(&mut merged, events, 0, 3 * DAY, excluded);
    merged
}

/// Adds the events of `[from, until)` to those added before.
fn add_events(merged: &mut Merged, events: &[TestEvent], from: i64, until: i64) {
    add_events_without(merged, events, from, until, &exclusions());
}

fn add_events_without(merged: &mut Merged, events: &[TestEvent], from: i64, until: i64, excluded: &ExcludedEvents) {
    for (event, sequence) in events.iter().zip(1..).filter(|(event, _)| (from..until).contains(&event.time)) {
        let page = event.page();
        let counted = Counted {
            sequence,
            time: event.time,
            event_type: event.kind,
            user: event.user,
            visitor: event.visitor,
            session: event.session,
            is_view: event.kind == 0,
            page: page.as_deref(),
            route: event.device().map(|_| event.page),
            device: event.device(),
            referrer: event.referrer(),
        };
        merged.add(&counted, excluded).unwrap();
    }
    merged.end_at(until);
}

fn rollup(events: &[TestEvent], from: i64, until: i64) -> Rollup {
    let mut merged = Merged::new(from);
    add_events(&mut merged, events, from, until);
    merged.finalize(&exclusions())
}

fn ask(from: i64, until: i64, zone: Zone) -> OverviewQuery {
    let range = Range::new(Timestamp::from_millis(from), Timestamp::from_millis(until)).unwrap();
    OverviewQuery { range, zone, limit: 3 }
}

fn by_definition(events: &[TestEvent], ask: &OverviewQuery) -> Overview {
    let mut gathering = OverviewBuilder::new(ask.range, ask.zone.clone(), vec![EventType::new("heartbeat").unwrap()]);
    for (event, sequence) in events.iter().zip(1..) {
        let is_meant =
            ask.range.contains(Timestamp::from_millis(event.time)) && event.user != Some(3) && event.kind != 2;
        if is_meant {
            gathering.add(&event.activity(sequence));
        }
    }
    gathering.finish(ask.limit)
}

fn event() -> impl Strategy<Value = TestEvent> {
    // Many events at the same time, many near edges, some gaps of exactly half an hour.
    let time = prop_oneof![
        (0..3 * 48i64).prop_map(|half| half * 30 * MINUTE),
        (0..3 * DAY),
        (0..72i64, -2..3i64).prop_map(|(hour, off)| (hour * HOUR + off).max(0)),
        (0..300i64).prop_map(|step| 20 * HOUR + step * 10 * MINUTE),
    ];
    let number = || prop::option::of(0..5u32);
    (time, 0..4u32, number(), number(), number(), 0..5u32)
        .prop_map(|(time, kind, user, visitor, session, page)| TestEvent { time, kind, user, visitor, session, page })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn merged_rollups_answer_as_their_events_at_any_cut(
        events in prop::collection::vec(event(), 0..120),
        mut cuts in prop::collection::vec((0..3 * 96i64).prop_map(|quarter| quarter * 15 * MINUTE), 0..30),
        in_new_york in any::<bool>(),
        // A program that never stops.
        polls in prop::option::of((10..31i64, prop::sample::select(vec![0u32, 1, 3]))),
    ) {
        let mut events = events;
        if let Some((minutes, kind)) = polls {
            let poll = |step: i64| TestEvent { time: step * minutes * MINUTE, kind, user: Some(4), visitor: None, session: None, page: 1 + step as u32 % 4 };
            events.extend((0..3 * DAY / (minutes * MINUTE)).map(poll));
        }
        let zone = if in_new_york { Zone::named("America/New_York").unwrap() } else { Zone::UTC };
        let (from, until) = (2 * HOUR, 3 * DAY - HOUR);
        cuts.push(from);
        cuts.push(until);
        cuts.retain(|cut| (from..=until).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        let mut merged = Merged::new(from);
        for (index, edges) in cuts.windows(2).enumerate() {
            // Some spans are read as rollups, some as events.
            if index % 3 == 0 {
                add_events(&mut merged, &events, edges[0], edges[1]);
            } else {
                merged.append(&rollup(&events, edges[0], edges[1])).unwrap();
            }
        }
        let ask = ask(from, until, zone);
        let answer = merged.overview(&ask, &TestStore(&events)).unwrap().unwrap();
        prop_assert_eq!(answer, by_definition(&events, &ask));
    }

    #[test]
    fn merged_hours_equal_the_day_rollup_byte_for_byte(events in prop::collection::vec(event(), 0..120)) {
        let mut merged = Merged::new(DAY);
        for hour in 24..48 {
            merged.append(&rollup(&events, hour * HOUR, (hour + 1) * HOUR)).unwrap();
        }
        prop_assert_eq!(merged.finalize(&exclusions()), rollup(&events, DAY, 2 * DAY));
    }

    #[test]
    fn is_made_for_detects_other_exclusions(
        events in prop::collection::vec(event(), 0..40),
        (user, visitor) in (0..5u32, 0..5u32),
        kinds in prop::collection::btree_set(0..4u32, 0..3),
    ) {
        let made = rollup(&events, 0, 3 * DAY);
        prop_assert!(made.is_made_for(&exclusions()).unwrap());

        // A person is excluded from one more type that has events here.
        let mut more = exclusions();
        more.exclude(Persons { users: [user].into(), visitors: [visitor].into() }, &kinds);
        let is_there = |event: &&TestEvent| match event.user {
            Some(there) => there == user && user != 3,
            None => event.visitor == Some(visitor),
        };
        let has_type = |event: &&TestEvent| kinds.contains(&event.kind) && event.kind != 2;
        let counts = |event: &&TestEvent| event.kind != 2;
        let is_other = events.iter().filter(counts).any(|event| is_there(&event)) && events.iter().any(|event| has_type(&event));
        prop_assert_eq!(made.is_made_for(&more).unwrap(), !is_other);
        let again = Merged::new(0);
        let again = with_events(again, &events, &more).finalize(&more);
        prop_assert!(again.is_made_for(&more).unwrap());
        prop_assert_eq!(again.is_made_for(&exclusions()).unwrap(), !is_other);

        let mut other = exclusions();
        other.passive_types = kinds.iter().copied().filter(|kind| *kind != 0).collect();
        let changes = |event: &&TestEvent| event.kind != 2 && event.kind != 0 && event.user != Some(3);
        let is_other = events.iter().filter(changes).any(|event| kinds.contains(&event.kind) != (event.kind == 3));
        prop_assert_eq!(made.is_made_for(&other).unwrap(), !is_other);

        let mut more = exclusions();
        more.types.extend(&kinds);
        let is_other = events.iter().any(|event| has_type(&event));
        prop_assert_eq!(made.is_made_for(&more).unwrap(), !is_other);
    }

    #[test]
    fn damaged_rollup_never_panics(
        events in prop::collection::vec(event(), 1..40),
        (part, place, bit) in (0..Part::ALL.len(), any::<prop::sample::Index>(), 0..8u8),
        is_cut in any::<bool>(),
    ) {
        let mut rollup = rollup(&events, 0, 3 * DAY);
        let bytes = &mut rollup.parts[part];
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            if is_cut { bytes.truncate(place) } else { bytes[place] ^= 1 << bit }
        }
        let mut merged = Merged::new(0);
        if merged.append(&rollup).is_ok() {
            let _ = rollup.is_made_for(&exclusions()).is_ok();
        }
    }
}
