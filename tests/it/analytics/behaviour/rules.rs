//! Rules: which events count, the cost of queries, and refusals.

use std::time::Duration;

use tower_guestbook::{
    ErrorKind, Guestbook, GuestbookBuilder, Result, UserId,
    activity::{Event, EventType},
    analytics::{
        AdoptionQuery, Analytics, AnalyticsRules, CohortQuery, Experiment, FeatureQuery, Funnel, FunnelOrder,
        PathQuery, PatternQuery, Period, TransitionQuery,
    },
    consent::{Category, ConsentRules, Mode, Purpose, PurposeId, Purposes},
};

use super::{DAY, append, by, range, step};
use crate::support::{
    self,
    faulty_store::{Fault, FaultyStore},
};

async fn guestbook(
    events: &[Event],
    configure: impl FnOnce(GuestbookBuilder<FaultyStore>) -> GuestbookBuilder<FaultyStore>,
) -> (Guestbook, FaultyStore) {
    let store = FaultyStore::default();
    append(&store, events).await;
    (configure(support::builder(store.clone()).0).build().unwrap(), store)
}

/// Returns the labels that occur.
async fn labels(analytics: &Analytics) -> Vec<String> {
    let usage = analytics.feature_usage(range(0, DAY), FeatureQuery::new()).await.unwrap();
    let mut labels: Vec<_> = usage.features.into_iter().map(|feature| feature.label).collect();
    labels.sort();
    labels
}

fn some_events() -> Vec<Event> {
    ["page_view", "login", "purchase", "safety"]
        .into_iter()
        .map(|name| by(1, name, 0))
        .chain([by(2, "action", 0)])
        .collect()
}

#[tokio::test]
async fn excluded_types_do_not_count_and_cannot_be_queried() {
    let rules = AnalyticsRules::new().except_types([EventType::PURCHASE]).except_users([UserId::from(2)]);
    let (guestbook, _) = guestbook(&some_events(), |builder| builder.analytics(rules)).await;
    let analytics = guestbook.analytics();
    assert_eq!(labels(analytics).await, ["login", "page_view", "safety"]);
    let error = analytics.funnel(range(0, DAY), Funnel::new([step("login"), step("purchase")])).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("purchase")), (ErrorKind::InvalidInput, true));
    let error =
        analytics.feature_usage(range(0, DAY), FeatureQuery::new().types([EventType::PURCHASE])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // In strict order, only counted events come between.
    let strict = Funnel::new([step("login"), step("safety")]).order(FunnelOrder::Strict);
    assert_eq!(analytics.funnel(range(0, DAY), strict).await.unwrap().stages[1].actors, 1);
    let journey =
        async |user: i64| analytics.journey(UserId::from(user), None, range(0, DAY), 10).await.unwrap().steps.len();
    assert_eq!((journey(1).await, journey(2).await), (3, 0));
}

#[tokio::test]
async fn events_recorded_without_consent_do_not_count_under_consent() {
    let purposes = || {
        Purposes::builder()
            .purpose(Purpose::new("necessary", Category::Necessary).mode(Mode::Necessary))
            .purpose(Purpose::new("analytics", Category::Analytics).expiry(Duration::from_secs(86_400)))
            .build()
            .unwrap()
    };
    let necessary = || Some(PurposeId::new("necessary").unwrap());
    let consent = || {
        ConsentRules::new(purposes())
            .accept_grants_without_notice()
            .event_purpose(EventType::new("safety").unwrap(), necessary())
            .event_purpose(EventType::PURCHASE, Some(PurposeId::ANALYTICS))
    };
    let (asked, _) = guestbook(&some_events(), |builder| builder.consent(consent())).await;
    assert_eq!(labels(asked.analytics()).await, ["action", "page_view", "purchase"]);
    let rules = AnalyticsRules::new().count_types([EventType::LOGIN]);
    let (counted, _) = guestbook(&some_events(), |builder| builder.consent(consent()).analytics(rules)).await;
    assert_eq!(labels(counted.analytics()).await, ["action", "login", "page_view", "purchase"]);
    for purpose in [None, necessary()] {
        let rules = consent().activity_purpose(purpose);
        let (unasked, _) = guestbook(&some_events(), |builder| builder.consent(rules)).await;
        assert_eq!(labels(unasked.analytics()).await.len(), 5, "nobody is asked about anything");
    }
    let (without, _) = guestbook(&some_events(), |builder| builder).await;
    assert_eq!(labels(without.analytics()).await.len(), 5);
}

#[tokio::test]
async fn query_beyond_max_events_is_too_large() {
    let events: Vec<_> = (0..4).map(|millis| by(1, "page_view", millis)).collect();
    let (guestbook, _) = guestbook(&events, |builder| builder.analytics(AnalyticsRules::new().max_events(3))).await;
    let analytics = guestbook.analytics();
    for error in [
        analytics.feature_usage(range(0, DAY), FeatureQuery::new()).await.unwrap_err(),
        analytics.funnel(range(0, DAY), Funnel::new([step("page_view")])).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.to_string().contains("max_events")), (ErrorKind::TooLarge, true));
    }
    assert_eq!(analytics.feature_usage(range(0, 3), FeatureQuery::new()).await.unwrap().features[0].events, 3);
}

#[tokio::test(start_paused = true)]
async fn query_reports_store_errors_and_timeouts() {
    let (guestbook, store) = guestbook(&some_events(), |builder| builder).await;
    let analytics = guestbook.analytics();
    for (mood, kind) in [(Fault::Failing, ErrorKind::Unavailable), (Fault::Stuck, ErrorKind::Timeout)] {
        store.set(mood);
        let error = analytics.feature_usage(range(0, DAY), FeatureQuery::new()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let error = analytics.journey(UserId::from(1), None, range(0, DAY), 10).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    store.set(Fault::Good);
    assert_eq!(labels(analytics).await.len(), 5);
}

#[tokio::test]
async fn invalid_query_is_refused_before_the_store_is_read() {
    let (guestbook, store) = guestbook(&[], |builder| builder).await;
    let (analytics, day) = (guestbook.analytics(), range(0, DAY));
    let before = store.asked();
    let refused = |answer: Result<()>, parameter: &str| {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains(parameter)), (ErrorKind::InvalidInput, true), "{error}");
    };
    let steps = |count: usize| Funnel::new(vec![step("x"); count]);
    let filtered = (0..11).fold(step("x"), |step, _| step.filter(tower_guestbook::analytics::DataFilter::exists("a")));
    for (funnel, parameter) in [
        (steps(0), "steps"),
        (steps(11), "steps"),
        (steps(7).order(FunnelOrder::Any), "steps"),
        (steps(1).window(Funnel::MAX_WINDOW + Duration::from_millis(1)), "window"),
        ((0..11).fold(steps(1), |funnel, _| funnel.exclude(step("y"))), "exclude"),
        (Funnel::new([filtered]), "filter"),
    ] {
        refused(analytics.funnel(day, funnel).await.map(drop), parameter);
    }
    refused(analytics.common_patterns(day, PatternQuery::new().longest(99)).await.map(drop), "longest");
    refused(analytics.transitions(day, TransitionQuery::new().limit(0)).await.map(drop), "limit");
    refused(analytics.page_neighbours(day, "/", TransitionQuery::new().limit(0)).await.map(drop), "limit");
    refused(analytics.paths(day, PathQuery::to_end().depth(99)).await.map(drop), "depth");
    refused(analytics.feature_usage(day, FeatureQuery::new().limit(0)).await.map(drop), "limit");
    let minutes = AdoptionQuery::new(step("x")).period(Period::Minute);
    refused(analytics.adoption(day, minutes).await.map(drop), "range");
    refused(analytics.cohort_retention(day, CohortQuery::new(Period::Minute)).await.map(drop), "period");
    refused(analytics.experiment(day, Experiment::new("x", step("y"))).await.map(drop), "variant");
    for limit in [0, Analytics::MAX_JOURNEY + 1] {
        refused(analytics.journey(UserId::from(1), None, day, limit).await.map(drop), "limit");
    }
    assert_eq!(store.asked(), before);
}

#[tokio::test]
async fn build_refuses_invalid_analytics_rules() {
    for rules in [AnalyticsRules::new().max_events(0), AnalyticsRules::new().time_limit(Duration::ZERO)] {
        let error = support::builder(FaultyStore::default()).0.analytics(rules).build().unwrap_err();
        assert_eq!((error.kind(), error.to_string().contains("analytics()")), (ErrorKind::Configuration, true));
    }
}
