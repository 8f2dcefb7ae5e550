//! The same answers from an independent program (`tests/oracles/analytics.py`), over many events.
//!
//! It runs if there is a `python3` with time zones. With `GUESTBOOK_ORACLES=1` it is required.

mod behaviour;

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tower_guestbook::{
    Timestamp, UserId, VisitorId,
    activity::{Event, EventData, EventLimits, EventType, RequestTrace},
    analytics::{AnalyticsRules, EventFilter, Period, Range, Weekday, Zone},
    client::DeviceClass,
    store::{MemoryStore, SqliteStore},
};

use super::{at, guestbook, session};

/// Number of events: enough to cover each rule, few enough for the slow oracle.
const EVENTS: u64 = 3_000;
const USERS: [&str; 3] = ["1", "17", "999"];
const WINDOWS: [u64; 3] = [1, 7, 30];
const PERIODS: [Period; 6] = [
    Period::Hour,
    Period::Day,
    Period::Week,
    Period::WeekFrom(Weekday::Sunday),
    Period::WeekFrom(Weekday::Thursday),
    Period::Month,
];

#[tokio::test]
async fn overview_equals_the_python_oracle() {
    for (seed, zone, from, until) in [
        // Over the days on which clocks change, with ranges that begin and end within a day.
        (1, "Europe/Berlin", "2026-03-20T10:30:00Z", "2026-04-03T07:15:00Z"),
        (2, "America/New_York", "2026-10-25T00:00:00Z", "2026-11-08T05:00:00Z"),
        (3, "UTC", "2026-12-28T00:00:00Z", "2027-01-11T00:00:00Z"),
    ] {
        let range = Range::new(at(from), at(until)).unwrap();
        let events = history(seed, range);
        let Some(expected) = ask_the_other(&events, range, zone) else { return };
        if are_asked() {
            let third = ask("counts.py", question(range, zone), events.iter().map(line));
            assert_same(&third, &expected, &format!("the other two, seed {seed}"));
        }
        let rules = AnalyticsRules::new().except_types([EventType::API_CALL]).passive_types([EventType::FORM_SUBMIT]);
        let directory = tempfile::tempdir().unwrap();
        let file = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
        let file = guestbook(file, events.clone(), "2030-01-01T00:00:00Z", rules.clone()).await;
        let memory = guestbook(MemoryStore::new(), events, "2030-01-01T00:00:00Z", rules).await;
        for guestbook in [file, memory] {
            let (analytics, zone) = (guestbook.analytics(), Zone::named(zone).unwrap());
            let overview = analytics.overview(range, zone.clone(), EventFilter::new(), 5).await.unwrap();
            assert!(overview.events > EVENTS / 2, "most of them lie in the range");
            let mut series = BTreeMap::new();
            for period in PERIODS {
                let found = analytics.activity_series(range, period, zone.clone(), EventFilter::new()).await.unwrap();
                series.insert(period_name(period), found);
            }
            let active = analytics.active_users_series(range, zone, EventFilter::new()).await.unwrap();
            let mut windows = Vec::new();
            for days in WINDOWS {
                let window = Duration::from_secs(days * 24 * 60 * 60);
                windows.push(analytics.active_users(range.until(), window).await.unwrap());
            }
            let mut summaries = Vec::new();
            for user in USERS {
                summaries.push(analytics.user_summary(UserId::try_from(user).unwrap()).await.unwrap());
            }
            let found = json!({
                "overview": overview, "series": series, "active": active, "windows": windows, "summaries": summaries,
            });
            assert_same(&found, &expected, &format!("seed {seed}"));
        }
    }
}

/// Returns the answers of the oracle; `None` if it cannot run and is not required.
fn ask_the_other(events: &[Event], range: Range, zone: &str) -> Option<Value> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/analytics.py");
    let is_needed = are_asked();
    let mut command = Command::new("python3");
    command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound && !is_needed => return None,
        Err(error) => panic!("python3 does not start: {error}"),
    };
    let lines = std::iter::once(question(range, zone)).chain(events.iter().map(line)).map(|line| format!("{line}\n"));
    // It reads everything before it writes. If it ended early, its status says why.
    let _ = child.stdin.take().unwrap().write_all(lines.collect::<String>().as_bytes());
    let output = child.wait_with_output().unwrap();
    match output.status.code() {
        Some(3) if !is_needed => None,
        code => {
            assert_eq!(code, Some(0), "the other program failed");
            Some(serde_json::from_slice(&output.stdout).unwrap())
        }
    }
}

/// Returns the name of the period for the other programs: `week` begins on Monday, and
/// `week_sunday` on Sunday.
fn period_name(period: Period) -> String {
    match period {
        Period::WeekFrom(first) => format!("week_{first:?}").to_lowercase(),
        _ => format!("{period:?}").to_lowercase(),
    }
}

fn question(range: Range, zone: &str) -> Value {
    json!({
        "from": range.from(), "until": range.until(), "zone": zone, "limit": 5,
        "periods": PERIODS.map(period_name), "users": USERS, "windows": WINDOWS, "except_types": ["api_call"],
        "passive_types": ["form_submit"],
    })
}

/// Returns whether programs that need more than Python are to be run.
fn are_asked() -> bool {
    std::env::var_os("GUESTBOOK_ORACLES").is_some_and(|value| value == "1")
}

/// Returns the answer of another program in `tests/oracles`.
fn ask(program: &str, question: Value, events: impl Iterator<Item = Value>) -> Value {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(program);
    let mut command = Command::new("python3");
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(program);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = std::iter::once(question).chain(events).map(|line| format!("{line}\n"));
    // It reads everything before it writes. If it ended early, its status says why.
    let _ = child.stdin.take().unwrap().write_all(lines.collect::<String>().as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the other program failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn line(event: &Event) -> Value {
    let request = event.request.as_ref();
    json!({
        "time": event.time,
        "type": event.event_type,
        "user": event.user,
        "session": event.session,
        "visitor": event.visitor,
        "page": event.data.as_ref().map(|data| data.read::<Value>().unwrap()["page"].clone()),
        "route": request.map(|request| &request.route),
        "referrer": request.and_then(|request| request.referrer.as_ref()),
        "device": request.map(|request| request.agent.device),
    })
}

/// Bursts of events: with and without user, session, page and request; late, at equal times, and at
/// the edges of gaps; some before the range and some after.
fn history(seed: u64, range: Range) -> Vec<Event> {
    let mut dice = Dice(seed);
    let first = range.from().as_millis() - 36 * 24 * 60 * 60_000;
    let length = u64::try_from(range.until().as_millis() - range.from().as_millis()).unwrap();
    // One session lasts for days.
    let busy = (0..200).map(|step: i64| {
        let mut event =
            Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(range.from().as_millis() + step * 29 * 60_000));
        (event.user, event.session) = (Some(UserId::from(17)), Some(session(1_000)));
        event.data = Some(EventData::new(&json!({ "page": "/busy" }), &EventLimits::default()).unwrap());
        event
    });
    let mut events: Vec<_> = busy.collect();
    while (events.len() as u64) < EVENTS {
        // A quarter of the bursts begins in the five weeks before, the others in the range, or
        // shortly after.
        let mut time = match dice.below(4) {
            0 => first + dice.below(36 * 24 * 60) as i64 * 60_000,
            _ => range.from().as_millis() + dice.below(length / 60_000 + 600) as i64 * 60_000,
        };
        // Few users come often.
        let user = 1 + dice.below(40) * dice.below(2);
        let (has_user, has_session, number) = (dice.below(4) > 0, dice.below(3) > 0, dice.below(300));
        let login_at = if dice.below(5) == 0 { 2 } else { 0 };
        for step in 0..1 + dice.below(8) {
            let kinds = [
                EventType::PAGE_VIEW,
                EventType::PAGE_VIEW,
                EventType::FORM_SUBMIT,
                EventType::PURCHASE,
                EventType::API_CALL,
            ];
            let kind = kinds[dice.below(5) as usize].clone();
            let mut event = Event::new(kind, Timestamp::from_millis(time));
            event.user = (has_user && step >= login_at).then(|| UserId::from(user as i64));
            event.session = has_session.then(|| session(u128::from(number + 1)));
            event.visitor = (dice.below(5) > 0).then(|| VisitorId::from(uuid::Uuid::from_u128(number.into())));
            if dice.below(3) > 0 {
                let data = json!({ "page": format!("/page/{}", dice.below(9)) });
                event.data = Some(EventData::new(&data, &EventLimits::default()).unwrap());
            }
            if dice.below(4) > 0 {
                let mut request = RequestTrace::default();
                request.route = format!("/route/{}", dice.below(4)).into();
                request.referrer = (dice.below(3) == 0).then(|| format!("host{}.example", dice.below(7)).into());
                let devices = [DeviceClass::Desktop, DeviceClass::Mobile, DeviceClass::Tablet, DeviceClass::Other];
                request.agent.device = devices[dice.below(4) as usize];
                event.request = Some(request);
            }
            events.push(event);
            // The same time, exactly half an hour, a millisecond more, or some minutes.
            time += match dice.below(6) {
                0 => 0,
                1 => 30 * 60_000,
                2 => 30 * 60_000 + 1,
                _ => 1_000 * dice.below(1_500) as i64,
            };
        }
        // Some are recorded late.
        if dice.below(3) == 0 {
            let (last, other) = (events.len() - 1, dice.below(events.len() as u64) as usize);
            events.swap(last, other);
        }
    }
    events
}

/// Fractions may differ in their last digit by the way they were written and read.
fn assert_same(found: &Value, expected: &Value, path: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            let (mut left, mut right) = (names(found), names(expected));
            left.sort();
            right.sort();
            assert_eq!(left, right, "{path}");
            found.iter().for_each(|(name, value)| assert_same(value, &expected[name], &format!("{path}.{name}")));
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{path}");
            let pairs = found.iter().zip(expected).enumerate();
            pairs.for_each(|(index, (found, expected))| assert_same(found, expected, &format!("{path}[{index}]")));
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() && right.is_f64() => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            assert!((left - right).abs() <= 1e-12 * left.abs().max(1.0), "{path}: {left}, {right}");
        }
        _ => assert_eq!(found, expected, "{path}"),
    }
}

/// A pseudo-random generator with a fixed seed: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
