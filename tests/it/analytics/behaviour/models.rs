//! Random small histories: both stores equal a naive implementation of the definitions.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use tower_guestbook::{
    UserId, VisitorId,
    activity::Event,
    analytics::{
        AdoptionQuery, AnalyticsActor, CohortQuery, DataFilter, FeatureQuery, Funnel, FunnelOrder, Labels, PathQuery,
        PatternQuery, Period, TransitionQuery,
    },
};

use super::{Both, DAY, MINUTE, at, by, event, kind, on_route, range, session, step, visitor, with_data};

/// The random parts of an event: user, visitor, session, time, type.
type Draw = (u8, u8, u8, i64, usize, usize);

const TYPES: [&str; 3] = ["page_view", "purchase", "action"];

fn history(draws: &[Draw]) -> Vec<Event> {
    let events = draws.iter().map(|(user, number, stay, minutes, what, page)| {
        let millis = minutes * 17 * MINUTE;
        let mut event =
            if *user > 0 { by(i64::from(*user), TYPES[*what], millis) } else { event(TYPES[*what], millis) };
        event.visitor = (*number > 0).then(|| visitor(u128::from(*number)));
        event.session = (*stay > 0).then(|| session(u128::from(*stay)));
        match page {
            0 => event,
            1 => on_route(event, "/a"),
            2 => with_data(on_route(event, "/a"), &json!({ "page": "/b", "plan": "gold" })),
            _ => with_data(event, &json!({ "plan": 7 })),
        }
    });
    events.collect()
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    prop::collection::vec((0..4u8, 0..3u8, 0..4u8, 0..200i64, 0..3usize, 0..4usize), 0..22)
}

fn actors() -> impl Strategy<Value = AnalyticsActor> {
    prop::sample::select(vec![
        AnalyticsActor::Person,
        AnalyticsActor::User,
        AnalyticsActor::Visitor,
        AnalyticsActor::Session,
    ])
}

/// The first user with each visitor, in order of recording.
type Logins = BTreeMap<VisitorId, UserId>;

/// The events that a query reads.
fn logins<'a>(events: impl IntoIterator<Item = &'a Event>) -> Logins {
    let mut logins = Logins::new();
    for event in events {
        if let (Some(user), Some(visitor)) = (&event.user, event.visitor) {
            logins.entry(visitor).or_insert_with(|| user.clone());
        }
    }
    logins
}

/// Returns the actor of an event, as text.
fn whose(event: &Event, actor: AnalyticsActor, logins: &Logins) -> Option<String> {
    let named = |user: &UserId| format!("user {}", user.as_str());
    let user = event.user.as_ref().map(named);
    let visitor = event.visitor.map(|visitor| format!("visitor {}", visitor.as_uuid()));
    let logged_in_later = event.visitor.and_then(|visitor| logins.get(&visitor)).map(named);
    match actor {
        AnalyticsActor::User => user,
        AnalyticsActor::Visitor => visitor,
        AnalyticsActor::Session => event.session.map(|session| session.to_string()),
        _ => user.or(logged_in_later).or(visitor),
    }
}

/// Returns the events of each actor in order.
fn of_actors<'a>(events: &'a [Event], actor: AnalyticsActor, logins: &Logins) -> Vec<Vec<&'a Event>> {
    let mut all: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
    for event in events {
        if let Some(actor) = whose(event, actor, logins) {
            all.entry(actor).or_default().push(event);
        }
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.iter_mut().for_each(|events| events.sort_by_key(|event| event.time));
    all
}

fn page(event: &Event) -> Option<String> {
    let data: Option<serde_json::Value> = event.data.as_ref().map(|data| data.read().unwrap());
    let named = data.and_then(|data| Some(data["page"].as_str()?.to_owned()));
    named.or_else(|| event.request.as_ref().map(|request| request.route.to_string()))
}

fn label(event: &Event, labels: Labels) -> String {
    let name = event.event_type.as_str();
    let by_page = labels == Labels::TypesAndPages || (labels == Labels::Pages && name == "page_view");
    page(event).filter(|_| by_page).map_or_else(|| name.to_owned(), |page| format!("{name}:{page}"))
}

/// Returns the visits of actors, mapped by `what`.
fn visits(
    events: &[Event],
    actor: AnalyticsActor,
    logins: &Logins,
    what: impl Fn(&Event) -> Option<String>,
) -> Vec<Vec<String>> {
    let mut visits: Vec<Vec<String>> = Vec::new();
    for events in of_actors(events, actor, logins) {
        let (mut first, mut last) = (i64::MIN, i64::MIN);
        for event in events {
            let Some(what) = what(event) else { continue };
            let time = event.time.as_millis();
            if last == i64::MIN || time - last > 30 * MINUTE || time - first > DAY {
                visits.push(Vec::new());
                first = time;
            }
            last = time;
            visits.last_mut().unwrap().push(what);
        }
    }
    visits
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn funnel_equals_the_definition(
        draws in draws(),
        actor in actors(),
        window in 0..2_000i64,
        order in prop::sample::select(vec![FunnelOrder::Ordered, FunnelOrder::Strict]),
        golden in any::<bool>(),
    ) {
        let events = history(&draws);
        let (from, until) = (200 * MINUTE, 2_500 * MINUTE);
        let second = if golden { step("purchase").filter(DataFilter::equals("plan", "gold")) } else { step("purchase") };
        let matches = |place: usize, event: &Event| match place {
            1 => event.event_type.as_str() == "purchase" && (!golden || page(event).as_deref() == Some("/b")),
            _ => event.event_type.as_str() == "page_view",
        };
        let funnel = Funnel::new([step("page_view"), second, step("page_view")])
            .window(std::time::Duration::from_secs(window as u64 * 60))
            .order(order)
            .actor(actor);
        // Nothing later than the window matters: events between must be in the scan.
        let looked_at = events.iter().filter(|event| {
            let end = at(until).after(std::time::Duration::from_secs(window as u64 * 60));
            let is_a_step = ["page_view", "purchase"].contains(&event.event_type.as_str());
            (at(from)..end).contains(&event.time) && (order == FunnelOrder::Strict || is_a_step)
        });
        let logins = logins(looked_at);
        let mut counts = [0; 3];
        for own in of_actors(&events, actor, &logins) {
            let own: Vec<_> = own.into_iter().filter(|event| event.time >= at(from)).collect();
            let mut longest = 0;
            for set in 1u32..1 << own.len() {
                let chain: Vec<usize> = (0..own.len()).filter(|place| set & (1 << place) != 0).collect();
                let is_chain = chain.len() <= 3
                    && chain.iter().enumerate().all(|(place, index)| matches(place, own[*index]))
                    && own[chain[0]].time < at(until)
                    && own[*chain.last().unwrap()].time.since(own[chain[0]].time).as_millis() as i64 <= window * MINUTE
                    && (order == FunnelOrder::Ordered || chain.windows(2).all(|pair| pair[1] == pair[0] + 1));
                if is_chain {
                    longest = longest.max(chain.len());
                }
            }
            counts[..longest].iter_mut().for_each(|count| *count += 1);
        }
        block_on(async {
            let both = Both::with(&events).await;
            let report = both.ask(async |analytics| analytics.funnel(range(from, until), funnel.clone()).await).await;
            assert_eq!(report.stages.iter().map(|stage| stage.actors).collect::<Vec<_>>(), counts);
        });
    }

    #[test]
    fn patterns_features_transitions_and_paths_equal_the_definitions(
        draws in draws(),
        actor in actors(),
        labels in prop::sample::select(vec![Labels::Types, Labels::Pages, Labels::TypesAndPages]),
    ) {
        let all = history(&draws);
        let range = range(100 * MINUTE, 3_000 * MINUTE);
        let events: Vec<_> = all.iter().filter(|event| range.contains(event.time)).cloned().collect();
        block_on(async {
            let both = Both::with(&all).await;

            let query = PatternQuery::new().longest(2).limit(1_000).labels(labels).actor(actor);
            let common = both.ask(async |analytics| analytics.common_patterns(range, query.clone()).await).await;
            let found = visits(&events, actor, &logins(&events), |event| Some(label(event, labels)));
            let mut support: BTreeMap<Vec<String>, u64> = BTreeMap::new();
            for visit in &found {
                for pair in visit.windows(2).collect::<BTreeSet<_>>() {
                    *support.entry(pair.to_vec()).or_default() += 1;
                }
            }
            let told = common.patterns.iter().map(|pattern| (pattern.labels.clone(), pattern.visits));
            assert_eq!((common.visits, told.collect::<BTreeMap<_, _>>()), (found.len() as u64, support));

            let query = FeatureQuery::new().labels(labels).actor(actor).types([kind("page_view"), kind("action")]);
            let usage = both.ask(async |analytics| analytics.feature_usage(range, query.clone()).await).await;
            let counted: Vec<_> = events.iter().filter(|event| event.event_type != kind("purchase")).collect();
            let logins_of_counted = logins(counted.iter().copied());
            let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for event in &counted {
                if let Some(actor) = whose(event, actor, &logins_of_counted) {
                    users.entry(label(event, labels)).or_default().push(actor);
                }
            }
            let distinct = |actors: &[String]| actors.iter().collect::<BTreeSet<_>>().len() as u64;
            let expected: BTreeMap<_, _> =
                users.iter().map(|(label, actors)| (label.as_str(), (actors.len() as u64, distinct(actors)))).collect();
            let told = usage.features.iter().map(|feature| (feature.label.as_str(), (feature.events, feature.actors)));
            assert_eq!(told.collect::<BTreeMap<_, _>>(), expected);
            assert_eq!(usage.active, distinct(&users.into_values().flatten().collect::<Vec<_>>()));

            let view = |event: &Event| page(event).filter(|_| event.event_type == kind("page_view"));
            let query = TransitionQuery::new().actor(actor).limit(1_000);
            let transitions = both.ask(async |analytics| analytics.transitions(range, query).await).await;
            let logins_of_views = logins(events.iter().filter(|event| event.event_type == kind("page_view")));
            let views = visits(&events, actor, &logins_of_views, view);
            let mut pairs: BTreeMap<(String, String), u64> = BTreeMap::new();
            for pair in views.iter().flat_map(|visit| visit.windows(2)) {
                *pairs.entry((pair[0].clone(), pair[1].clone())).or_default() += 1;
            }
            let told = transitions.transitions.iter().map(|one| ((one.from.clone(), one.to.clone()), one.count));
            assert_eq!((transitions.visits, told.collect::<BTreeMap<_, _>>()), (views.len() as u64, pairs));

            let around = both.ask(async |analytics| analytics.page_neighbours(range, "/a", query).await).await;
            assert_eq!(around.views, views.iter().flatten().filter(|page| *page == "/a").count() as u64);

            for query in [PathQuery::from_beginning(), PathQuery::to_end()] {
                let query = query.actor(actor).depth(1);
                let paths = both.ask(async |analytics| analytics.paths(range, query.clone()).await).await;
                let mut ends: BTreeMap<String, u64> = BTreeMap::new();
                for visit in &views {
                    let end = if paths.backward { visit.last() } else { visit.first() };
                    *ends.entry(end.unwrap().clone()).or_default() += 1;
                }
                let told = paths.next.iter().map(|place| (place.page.clone(), place.visits));
                assert_eq!(told.collect::<BTreeMap<_, _>>(), ends);
            }
        });
    }

    #[test]
    fn cohorts_and_adoption_equal_the_definitions(draws in draws(), actor in actors()) {
        let all = history(&draws);
        let range = range(0, 3 * DAY);
        let events: Vec<_> = all.iter().filter(|event| range.contains(event.time)).cloned().collect();
        // START is some hours after midnight.
        let day = |event: &Event| (event.time.as_millis() / DAY - at(0).as_millis() / DAY) as usize;
        block_on(async {
            let both = Both::with(&all).await;
            let query = CohortQuery::new(Period::Day).actor(actor).return_event(step("purchase"));
            let retention = both.ask(async |analytics| analytics.cohort_retention(range, query.clone()).await).await;
            let days = retention.cohorts.len();
            let mut expected = vec![vec![0; days]; days];
            for own in of_actors(&events, actor, &logins(&events)) {
                let cohort = day(own[0]);
                for (period, count) in expected[cohort].iter_mut().enumerate().skip(cohort) {
                    let is_back = |event: &&&Event| event.event_type == kind("purchase") && day(event) == period;
                    *count += u64::from(period == cohort || own.iter().any(|event| is_back(&event)));
                }
            }
            for (number, cohort) in retention.cohorts.iter().enumerate() {
                let cells: Vec<_> = cohort.cells.iter().map(|cell| cell.actors).collect();
                assert_eq!((cohort.size, &cells[..]), (expected[number][number], &expected[number][number..]));
            }

            let query = AdoptionQuery::new(step("action")).actor(actor);
            let adoption = both.ask(async |analytics| analytics.adoption(range, query.clone()).await).await;
            let own = of_actors(&events, actor, &logins(&events));
            let first = |own: &Vec<&Event>| own.iter().find(|event| event.event_type == kind("action")).map(|event| day(event));
            let firsts: Vec<_> = own.iter().filter_map(first).collect();
            assert_eq!((adoption.active, adoption.adopters), (own.len() as u64, firsts.len() as u64));
            for (number, period) in adoption.periods.iter().enumerate() {
                assert_eq!(period.total, firsts.iter().filter(|day| **day <= number).count() as u64);
            }
        });
    }
}
