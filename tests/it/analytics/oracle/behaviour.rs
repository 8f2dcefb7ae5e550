//! Behaviour queries against DuckDB and pandas (`tests/oracles/behaviour.py`), if
//! `GUESTBOOK_ORACLES=1` says that they are installed.

mod questions;

use serde_json::{Value, json};
use tower_guestbook::{
    SessionId, Timestamp, UserId, VisitorId,
    activity::{Event, EventData, EventLimits, EventType, RequestTrace},
    analytics::{
        AdoptionQuery, Analytics, AnalyticsRules, CohortQuery, Experiment, FeatureQuery, Funnel, PathQuery,
        PatternQuery, Range, TransitionQuery,
    },
    store::{MemoryStore, SqliteStore},
};
use uuid::Uuid;

use self::questions::kind;
use super::{Dice, are_asked, ask, assert_same};
use crate::analytics::{at, guestbook};

const EVENTS: usize = 4_000;
const MINUTE: i64 = 60_000;

#[tokio::test]
async fn behaviour_equals_duckdb_and_pandas() {
    if !are_asked() {
        return;
    }
    for (seed, zone, from, until, now) in [
        // Over the days on which clocks change; now lies within the range, or shortly after it.
        (1, "Europe/Berlin", "2026-03-20T10:30:00Z", "2026-04-10T07:15:00Z", "2026-04-07T12:00:00Z"),
        (2, "America/New_York", "2026-10-20T04:00:00Z", "2026-11-11T05:00:00Z", "2026-11-11T06:00:00Z"),
        (3, "UTC", "2026-12-21T00:00:00Z", "2027-01-11T00:00:00Z", "2030-01-01T00:00:00Z"),
    ] {
        let range = Range::new(at(from), at(until)).unwrap();
        let events = history(seed, range);
        let (questions, mut asked) = (Questions::new(zone), Questions::new(zone).as_json());
        asked["from"] = json!(range.from());
        asked["until"] = json!(range.until());
        asked["now"] = json!(at(now));
        let expected = ask("behaviour.py", asked, events.iter().map(line));
        let rules = AnalyticsRules::new().except_types([EventType::API_CALL]);
        let directory = tempfile::tempdir().unwrap();
        let file = SqliteStore::open(directory.path().join("guestbook.db")).unwrap();
        let file = guestbook(file, events.clone(), now, rules.clone()).await;
        let memory = guestbook(MemoryStore::new(), events, now, rules).await;
        for guestbook in [file, memory] {
            let found = questions.answers(guestbook.analytics(), range).await;
            assert_same(&found, &expected, &format!("seed {seed}"));
        }
    }
}

/// Each query twice: for the library, and in JSON for the other program.
struct Questions {
    zone: &'static str,
    funnels: Vec<(Funnel, Value)>,
    cohorts: Vec<(CohortQuery, Value)>,
    adoption: Vec<(AdoptionQuery, Value)>,
    patterns: Vec<(PatternQuery, Value)>,
    transitions: Vec<(TransitionQuery, Value)>,
    neighbours: Vec<(&'static str, TransitionQuery, Value)>,
    paths: Vec<(PathQuery, Value)>,
    features: Vec<(FeatureQuery, Value)>,
    experiments: Vec<(Experiment, Value)>,
}

impl Questions {
    fn new(zone: &'static str) -> Self {
        Self {
            zone,
            funnels: questions::funnels(),
            cohorts: questions::cohorts(zone),
            adoption: questions::adoption(zone),
            patterns: questions::patterns(),
            transitions: questions::transitions(),
            neighbours: questions::neighbours(),
            paths: questions::paths(),
            features: questions::features(),
            experiments: questions::experiments(),
        }
    }

    fn as_json(&self) -> Value {
        fn all<T>(questions: &[(T, Value)]) -> Vec<&Value> {
            questions.iter().map(|(_, question)| question).collect()
        }
        json!({
            "zone": self.zone,
            "except_types": ["api_call"],
            "funnels": all(&self.funnels),
            "cohorts": all(&self.cohorts),
            "adoption": all(&self.adoption),
            "patterns": all(&self.patterns),
            "transitions": all(&self.transitions),
            "neighbours": self.neighbours.iter().map(|(.., question)| question).collect::<Vec<_>>(),
            "paths": all(&self.paths),
            "features": all(&self.features),
            "experiments": all(&self.experiments),
        })
    }

    async fn answers(&self, analytics: &Analytics, range: Range) -> Value {
        let mut answers = json!({});
        let mut list: Vec<Value> = Vec::new();
        for (funnel, _) in &self.funnels {
            list.push(json!(analytics.funnel(range, funnel.clone()).await.unwrap()));
        }
        assert!(list[0]["stages"][2]["actors"].as_u64() > Some(10), "many come to the end: {:#}", list[0]);
        assert!(list[2]["excluded"].as_u64() > Some(0) && list[2]["branches"][3].is_object(), "{:#}", list[2]);
        answers["funnels"] = std::mem::take(&mut list).into();
        for (query, _) in &self.cohorts {
            list.push(json!(analytics.cohort_retention(range, query.clone()).await.unwrap()));
        }
        answers["cohorts"] = std::mem::take(&mut list).into();
        for (query, _) in &self.adoption {
            list.push(json!(analytics.adoption(range, query.clone()).await.unwrap()));
        }
        answers["adoption"] = std::mem::take(&mut list).into();
        for (query, _) in &self.patterns {
            list.push(json!(analytics.common_patterns(range, query.clone()).await.unwrap()));
        }
        assert!(list[0]["visits"].as_u64() > Some(300), "they came often: {}", list[0]["visits"]);
        answers["patterns"] = std::mem::take(&mut list).into();
        for (query, _) in &self.transitions {
            list.push(json!(analytics.transitions(range, *query).await.unwrap()));
        }
        answers["transitions"] = std::mem::take(&mut list).into();
        for (page, query, _) in &self.neighbours {
            list.push(json!(analytics.page_neighbours(range, *page, *query).await.unwrap()));
        }
        answers["neighbours"] = std::mem::take(&mut list).into();
        for (query, _) in &self.paths {
            list.push(json!(analytics.paths(range, query.clone()).await.unwrap()));
        }
        answers["paths"] = std::mem::take(&mut list).into();
        for (query, _) in &self.features {
            list.push(json!(analytics.feature_usage(range, query.clone()).await.unwrap()));
        }
        answers["features"] = std::mem::take(&mut list).into();
        for (experiment, _) in &self.experiments {
            list.push(json!(analytics.experiment(range, experiment.clone()).await.unwrap()));
        }
        assert!(list[0]["mixed"].as_u64() > Some(0) && list[0]["unknown"].as_u64() > Some(0), "{:#}", list[0]);
        answers["experiments"] = list.into();
        answers
    }
}

fn line(event: &Event) -> Value {
    json!({
        "time": event.time,
        "type": event.event_type,
        "user": event.user,
        "session": event.session,
        "visitor": event.visitor,
        "route": event.request.as_ref().map(|request| &request.route),
        "data": event.data.as_ref().map(|data| data.read::<Value>().unwrap()),
    })
}

/// Bursts of events in a shop, some before and after the range, some late, many at equal times,
/// some just within a gap or a window and some a millisecond beyond; visitors log in on the way.
fn history(seed: u64, range: Range) -> Vec<Event> {
    let mut dice = Dice(seed * 1_000);
    let first = range.from().as_millis() - 3 * 24 * 60 * MINUTE;
    let length = u64::try_from(range.until().as_millis() - first).unwrap() / MINUTE as u64 + 4 * 24 * 60;
    // One visit lasts for days.
    let mut events: Vec<Event> = (0..150)
        .map(|step: i64| {
            let mut event =
                Event::new(EventType::PAGE_VIEW, Timestamp::from_millis(range.from().as_millis() + step * 29 * MINUTE));
            (event.user, event.session) = (Some(UserId::from(999)), Some(SessionId::from(Uuid::from_u128(999))));
            event.data = Some(
                EventData::new(&json!({ "page": format!("/page/{}", step % 2) }), &EventLimits::default()).unwrap(),
            );
            event
        })
        .collect();
    while events.len() < EVENTS {
        let mut time = first + dice.below(length) as i64 * MINUTE + dice.below(3) as i64 * 20_000;
        let who = 1 + dice.below(150);
        let login_at = [0, 0, 2, 100][dice.below(4) as usize];
        let (has_session, has_visitor) = (dice.below(4) > 0, dice.below(3) > 0);
        for step in 0..1 + dice.below(9) {
            events.push(shopping(&mut dice, time, who));
            let last = events.len() - 1;
            let event = &mut events[last];
            event.user = (step >= login_at).then(|| UserId::from(who as i64 % 120));
            event.session = has_session.then(|| SessionId::from(Uuid::from_u128(u128::from(who * 10 + step / 5))));
            event.visitor = has_visitor.then(|| VisitorId::from(Uuid::from_u128(u128::from(who % 90 + 1))));
            time += match dice.below(8) {
                0..=2 => 0,
                3 => 30 * MINUTE,
                4 => 30 * MINUTE + 1,
                5 => 60 * MINUTE - 10,
                _ => dice.below(20 * 60) as i64 * 1_000,
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

/// An event in a shop.
fn shopping(dice: &mut Dice, time: i64, who: u64) -> Event {
    let kinds = [
        "page_view",
        "page_view",
        "page_view",
        "view_item",
        "view_item",
        "cart",
        "cart",
        "purchase",
        "search",
        "refund",
        "api_call",
        "experiment_viewed",
    ];
    let name = kinds[dice.below(kinds.len() as u64) as usize];
    let mut event = Event::new(kind(name), Timestamp::from_millis(time));
    let data = match name {
        // Most see their own variant; some several, an unknown one or none.
        "experiment_viewed" => match dice.below(12) {
            0 => json!({ "experiment": "button" }),
            1 => json!({ "experiment": "button", "variant": "odd" }),
            2 => json!({ "experiment": "another", "variant": "new" }),
            3 => json!({ "experiment": "button", "variant": (["old", "new"][dice.below(2) as usize]) }),
            _ => json!({ "experiment": "button", "variant": (["old", "old", "new"][who as usize % 3]) }),
        },
        _ => match dice.below(8) {
            0 | 1 => json!({ "plan": "gold", "page": format!("/page/{}", dice.below(5)) }),
            2 => json!({ "plan": "plain", "n": dice.below(3) }),
            3 => json!({ "plan": null, "page": 7 }),
            4 => json!({ "plan": 5 }),
            5 => json!({ "page": format!("/page/{}", dice.below(5)) }),
            _ => Value::Null,
        },
    };
    if !data.is_null() {
        event.data = Some(EventData::new(&data, &EventLimits::default()).unwrap());
    }
    if dice.below(4) > 0 {
        let mut request = RequestTrace::default();
        request.route = format!("/route/{}", dice.below(4)).into();
        event.request = Some(request);
    }
    event
}
