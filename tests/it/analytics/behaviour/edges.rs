//! Edge cases of behaviour queries: empty ranges, equal times, wrong clocks, duplicates, logins.

use std::time::Duration;

use serde_json::json;
use tower_guestbook::{
    Timestamp, UserId,
    activity::Event,
    analytics::{
        AdoptionQuery, AnalyticsActor, CohortQuery, Experiment, FeatureQuery, Funnel, FunnelOrder, PathQuery,
        PatternQuery, Period, Range, SampleSize, TransitionQuery, Zone,
    },
    consent::Subject,
};

use super::{Both, DAY, MINUTE, append, at, by, event, on_route, range, session, step, view, visitor, with_data};

async fn stages(both: &Both, range: Range, funnel: Funnel) -> Vec<u64> {
    let report = both.ask(async |analytics| analytics.funnel(range, funnel.clone()).await).await;
    report.stages.iter().map(|stage| stage.actors).collect()
}

fn two_steps() -> Funnel {
    Funnel::new([step("page_view"), step("purchase")])
}

/// Runs every query over an empty range.
async fn nothing(both: &Both, range: Range) {
    let funnel = both.ask(async |analytics| analytics.funnel(range, two_steps().breakdown("x")).await).await;
    assert_eq!((funnel.stages[0].actors, funnel.stages[1].from_previous, funnel.branches.len()), (0, None, 0));
    let common = both.ask(async |analytics| analytics.common_patterns(range, PatternQuery::new()).await).await;
    assert_eq!((common.visits, common.patterns.len()), (0, 0));
    let transitions = both.ask(async |analytics| analytics.transitions(range, TransitionQuery::new()).await).await;
    assert_eq!((transitions.visits, transitions.total), (0, 0));
    let around = both.ask(async |analytics| analytics.page_neighbours(range, "/", TransitionQuery::new()).await).await;
    assert_eq!(around.views, 0);
    let paths = both.ask(async |analytics| analytics.paths(range, PathQuery::to_end()).await).await;
    assert_eq!((paths.visits, paths.next.len()), (0, 0));
    let usage = both.ask(async |analytics| analytics.feature_usage(range, FeatureQuery::new()).await).await;
    assert_eq!((usage.active, usage.features.len()), (0, 0));
    let adoption = both.ask(async |analytics| analytics.adoption(range, AdoptionQuery::new(step("x"))).await).await;
    assert_eq!((adoption.active, adoption.share), (0, None));
    let cohorts =
        both.ask(async |analytics| analytics.cohort_retention(range, CohortQuery::new(Period::Day)).await).await;
    assert!(cohorts.cohorts.iter().all(|cohort| cohort.size == 0 && cohort.cells[0].share.is_none()));
    let experiment = || Experiment::new("x", step("purchase")).variant("a", 1).variant("b", 1);
    let report = both.ask(async |analytics| analytics.experiment(range, experiment()).await).await;
    assert!(report.variants.iter().all(|variant| variant.subjects == 0 && variant.interval.is_none()));
    assert_eq!(report.note, SampleSize::TooFew);
    let journey = both.ask(async |analytics| analytics.journey(UserId::from(1), None, range, 10).await).await;
    assert!(journey.steps.is_empty() && !journey.is_cut);
}

#[tokio::test]
async fn empty_range_gives_empty_answers() {
    nothing(&Both::with(&[]).await, range(0, DAY)).await;
    let events = [view(1, "/", 5), by(1, "purchase", 6)];
    let both = Both::with(&events).await;
    nothing(&both, range(5, 5)).await;
    nothing(&both, range(7, DAY)).await;
}

#[tokio::test]
async fn single_event_is_a_visit_and_an_entry_without_a_pattern() {
    let both = Both::with(&[view(1, "/", 5)]).await;
    assert_eq!(stages(&both, range(5, 6), two_steps()).await, [1, 0]);
    let common = both.ask(async |analytics| analytics.common_patterns(range(0, DAY), PatternQuery::new()).await).await;
    assert_eq!((common.visits, common.patterns.len()), (1, 0));
    let paths = both.ask(async |analytics| analytics.paths(range(0, DAY), PathQuery::from_beginning()).await).await;
    assert_eq!((paths.next[0].page.as_str(), paths.next[0].visits, paths.next[0].ends), ("/", 1, 1));
    let journey = both.ask(async |analytics| analytics.journey(UserId::from(1), None, range(0, DAY), 1).await).await;
    assert_eq!((journey.steps[0].page.as_deref(), journey.steps[0].new_visit), (Some("/"), true));
}

#[tokio::test]
async fn events_of_one_time_are_ordered_by_sequence() {
    let both = Both::with(&[by(1, "purchase", 5), view(1, "/", 5), view(2, "/", 5), by(2, "purchase", 5)]).await;
    assert_eq!(stages(&both, range(0, DAY), two_steps()).await, [2, 1]);
}

#[tokio::test]
async fn events_are_ordered_by_time_when_the_clock_goes_back() {
    // Stored late, but earlier in time.
    let both = Both::with(&[by(1, "purchase", 9), view(1, "/", 5), view(2, "/", 9), by(2, "purchase", 5)]).await;
    assert_eq!(stages(&both, range(0, DAY), two_steps()).await, [2, 1]);
    let journey = both.ask(async |analytics| analytics.journey(UserId::from(1), None, range(0, DAY), 10).await).await;
    assert_eq!(journey.steps.iter().map(|step| step.time).collect::<Vec<_>>(), [at(5), at(9)]);
}

#[tokio::test]
async fn future_events_count_at_their_time() {
    // The clock shows START.
    let both = Both::with(&[view(1, "/", 10 * DAY), by(1, "purchase", 11 * DAY)]).await;
    assert_eq!(stages(&both, range(0, DAY), two_steps()).await, [0, 0]);
    assert_eq!(stages(&both, range(0, 20 * DAY), two_steps()).await, [1, 1]);
    let cohorts = both.ask(async |analytics| {
        analytics.cohort_retention(range(9 * DAY, 12 * DAY), CohortQuery::new(Period::Day)).await
    });
    assert!(cohorts.await.cohorts.iter().flat_map(|cohort| &cohort.cells).all(|cell| !cell.complete));
}

#[tokio::test]
async fn actor_person_follows_a_login_and_actor_user_starts_there() {
    let of_visitor = |mut event: Event| {
        event.visitor = Some(visitor(7));
        event
    };
    let both = Both::with(&[of_visitor(event("page_view", 0)), of_visitor(by(1, "purchase", 5))]).await;
    assert_eq!(stages(&both, range(0, DAY), two_steps()).await, [1, 1]);
    assert_eq!(stages(&both, range(0, DAY), two_steps().actor(AnalyticsActor::Visitor)).await, [1, 1]);
    assert_eq!(stages(&both, range(0, DAY), two_steps().actor(AnalyticsActor::User)).await, [0, 0]);
}

#[tokio::test]
async fn user_and_visitor_with_equal_ids_are_distinct() {
    let mut of_visitor = event("page_view", 0);
    of_visitor.visitor = Some(visitor(1));
    let both = Both::with(&[by(1, "page_view", 0), of_visitor]).await;
    assert_eq!(stages(&both, range(0, DAY), two_steps()).await, [2, 0]);
}

#[tokio::test]
async fn visit_continues_across_midnight_and_clock_changes() {
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    for midnight in ["2026-03-28T23:50:00Z", "2026-03-29T00:50:00Z", "2026-10-25T00:50:00Z"] {
        let begin = time(midnight) - at(0).as_millis();
        let both = Both::with(&[view(1, "/a", begin), view(1, "/b", begin + 20 * MINUTE)]).await;
        let all = range(begin - DAY, begin + DAY);
        let transitions = both.ask(async |analytics| analytics.transitions(all, TransitionQuery::new()).await).await;
        assert_eq!((transitions.visits, transitions.total), (1, 1), "{midnight}");
    }
}

#[tokio::test]
async fn cohort_days_follow_the_zone() {
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond() - at(0).as_millis();
    // In Berlin both are on Sunday, which has 23 hours; in UTC on Saturday and Sunday.
    let both = Both::with(&[by(1, "x", time("2026-03-28T23:30:00Z")), by(1, "x", time("2026-03-29T21:30:00Z"))]).await;
    let all = range(time("2026-03-28T00:00:00Z"), time("2026-03-31T00:00:00Z"));
    for (zone, cells) in [("Europe/Berlin", [0, 1, 0, 0]), ("UTC", [1, 1, 0, 0])] {
        let zone = Zone::named(zone).unwrap();
        let query = || CohortQuery::new(Period::Day).zone(zone.clone()).recurring();
        let retention = both.ask(async |analytics| analytics.cohort_retention(all, query()).await).await;
        let sizes: Vec<_> = retention.cohorts.iter().map(|cohort| cohort.size).collect();
        assert_eq!(sizes, cells[..retention.cohorts.len()]);
    }
}

#[tokio::test]
async fn funnel_with_a_repeated_step_needs_two_events() {
    let twice = || Funnel::new([step("purchase"), step("purchase")]);
    let both = Both::with(&[by(1, "purchase", 0), by(2, "purchase", 0), by(2, "purchase", 0)]).await;
    for order in [FunnelOrder::Ordered, FunnelOrder::Strict, FunnelOrder::Any] {
        assert_eq!(stages(&both, range(0, DAY), twice().order(order)).await, [2, 1]);
    }
}

#[tokio::test]
async fn event_stored_twice_counts_once() {
    let events = [by(1, "purchase", 0), view(1, "/", 1)];
    let store = tower_guestbook::store::MemoryStore::new();
    append(&store, &events).await;
    append(&store, &events).await;
    let guestbook = crate::support::builder(store).0.build().unwrap();
    let usage = guestbook.analytics().feature_usage(range(0, DAY), FeatureQuery::new()).await.unwrap();
    assert_eq!(usage.features.iter().map(|feature| feature.events).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn funnel_continues_after_the_range_and_applies_exclusions() {
    let both = Both::with(&[
        view(1, "/", 9),
        by(1, "purchase", 20),
        view(2, "/", 9),
        by(2, "refund", 10),
        by(2, "purchase", 11),
        view(3, "/", 9),
        view(4, "/", 10),
        by(4, "purchase", 11),
    ])
    .await;
    let funnel = || two_steps().window(Duration::from_millis(11));
    assert_eq!(stages(&both, range(0, 10), funnel()).await, [3, 2]);
    let strict =
        both.ask(async |analytics| analytics.funnel(range(0, 10), funnel().order(FunnelOrder::Strict)).await).await;
    assert_eq!((strict.stages[1].actors, strict.open), (1, 2), "the clock shows START: nobody's window is over");
    let out = both.ask(async |analytics| analytics.funnel(range(0, 10), funnel().exclude(step("refund"))).await).await;
    assert_eq!((out.stages[0].actors, out.stages[1].actors, out.excluded, out.open), (2, 1, 1, 1));
}

#[tokio::test]
async fn funnel_breakdown_uses_the_first_event() {
    let from = |event: Event, value: serde_json::Value| with_data(event, &json!({ "from": value }));
    let both = Both::with(&[
        from(view(1, "/", 1), json!("news")),
        from(by(1, "purchase", 2), json!("elsewhere")),
        from(view(2, "/", 1), json!("news")),
        from(view(3, "/", 1), json!(7)),
        view(4, "/", 1),
    ])
    .await;
    let report = both.ask(async |analytics| analytics.funnel(range(0, DAY), two_steps().breakdown("from")).await).await;
    let branches: Vec<_> = report
        .branches
        .iter()
        .map(|branch| (branch.value.as_deref(), branch.stages[0].actors, branch.stages[1].actors))
        .collect();
    assert_eq!(branches, [(Some("news"), 2, 1), (Some("7"), 1, 0), (None, 1, 0)]);
}

#[tokio::test]
async fn journey_returns_the_last_events_of_a_session() {
    let in_session = |number: u128, millis: i64| {
        let mut event = by(1, "page_view", millis);
        event.session = Some(session(number));
        on_route(event, "/x")
    };
    let both = Both::with(&[in_session(1, 0), in_session(2, 1), in_session(1, 2), in_session(1, 3)]).await;
    let journey = async |number: Option<u128>, limit: usize| {
        let journey = both
            .ask(async |analytics| analytics.journey(UserId::from(1), number.map(session), range(0, DAY), limit).await);
        let journey = journey.await;
        (journey.steps.iter().map(|step| step.time.as_millis() - at(0).as_millis()).collect::<Vec<_>>(), journey.is_cut)
    };
    assert_eq!(journey(None, 10).await, (vec![0, 1, 2, 3], false));
    assert_eq!(journey(Some(1), 10).await, (vec![0, 2, 3], false));
    assert_eq!(journey(Some(1), 2).await, (vec![2, 3], true));
    assert_eq!(journey(Some(3), 2).await, (vec![], false));
}

#[tokio::test]
async fn experiment_counts_exposures_and_conversions() {
    let experiment = || Experiment::new("checkout", step("purchase")).variant("old", 1).variant("new", 1);
    let exposure = |user: i64, variant: &str, name: &str| {
        with_data(by(user, "experiment_viewed", 1), &json!({ "experiment": name, "variant": variant }))
    };
    let mut events = Vec::new();
    let mut expected = std::collections::BTreeMap::from([("old".to_owned(), (0, 0)), ("new".to_owned(), (0, 0))]);
    for user in 0..20 {
        let experiment = experiment();
        let variant = experiment.variant_of(&Subject::User(UserId::from(user))).unwrap();
        events.push(exposure(user, variant, "checkout"));
        let counts = expected.get_mut(variant).unwrap();
        counts.0 += 1;
        if user % 3 == 0 {
            events.push(by(user, "purchase", 2));
            counts.1 += 1;
        }
    }
    // Bought before, saw both, saw another experiment, saw an undeclared variant.
    events.extend([by(30, "purchase", 0), exposure(30, "old", "checkout")]);
    expected.get_mut("old").unwrap().0 += 1;
    events.extend([exposure(31, "old", "checkout"), exposure(31, "new", "checkout")]);
    events.push(exposure(32, "old", "another"));
    events.push(exposure(33, "odd", "checkout"));
    let both = Both::with(&events).await;
    let report = both.ask(async |analytics| analytics.experiment(range(0, DAY), experiment()).await).await;
    let found = report.variants.iter().map(|variant| (variant.name.clone(), (variant.subjects, variant.conversions)));
    assert_eq!(found.collect::<std::collections::BTreeMap<_, _>>(), expected);
    assert_eq!((report.mixed, report.unknown, report.note), (1, 1, SampleSize::TooFew));
    let seven = Subject::User(UserId::from(7));
    let (own, assigned) = (experiment(), experiment());
    let analytics = both.memory.analytics();
    assert_eq!(analytics.assign(&assigned, &seven).unwrap(), own.variant_of(&seven).unwrap());
}

#[tokio::test]
async fn erased_user_is_in_no_answer() {
    let both = Both::with(&[view(1, "/", 0), by(1, "purchase", 1), view(2, "/", 0)]).await;
    for guestbook in [&both.memory, &both.sqlite] {
        guestbook.rights().erase(&UserId::from(1)).await.unwrap();
    }
    assert_eq!(stages(&both, range(0, DAY), two_steps()).await, [1, 0]);
    let everything = Range::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).unwrap();
    let usage = both.ask(async |analytics| analytics.feature_usage(everything, FeatureQuery::new()).await).await;
    assert_eq!((usage.active, usage.features[0].label.as_str()), (1, "page_view:/"));
}
