//! Visitors who log in are followed.

use axum::{
    Router,
    body::Body,
    http::{Request, header},
    routing::get,
};
use serde_json::json;
use tower_guestbook::{
    Guestbook, Result, Session, UserId, VisitorId,
    activity::Event,
    analytics::{
        AdoptionQuery, AnalyticsRules, CohortQuery, Experiment, FeatureQuery, Funnel, Labels, PathQuery, PatternQuery,
        Period, TransitionQuery,
    },
    consent::{Decision, DecisionEvent, DecisionMethod, MergePolicy, Proof, PurposeId, Subject},
    store::{MemoryStore, SqliteStore, Store},
};

use super::{Both, DAY, MINUTE, append, at, by, event, on_route, range, step, view, visitor, with_data};
use crate::support::{self, faulty_store::FaultyStore, send};

fn experiment() -> Experiment {
    Experiment::new("checkout", step("purchase")).variant("old", 1).variant("new", 1)
}

fn of_visitor(number: u128, mut event: Event) -> Event {
    event.visitor = Some(visitor(number));
    event
}

fn exposure(variant: &str, event: Event) -> Event {
    with_data(event, &json!({ "experiment": "checkout", "variant": variant }))
}

#[tokio::test]
async fn experiment_follows_visitors_across_a_login() {
    let mut events = Vec::new();
    for number in 1..=400 {
        let (variant, time) = (["old", "new"][number as usize % 2], number as i64);
        events.push(exposure(variant, of_visitor(number, event("experiment_viewed", time))));
        // The request of the login has both ids; later ones have the user only.
        events.push(of_visitor(number, by(number as i64, "purchase", 1_000 + time)));
        if number % 4 == 0 {
            events.push(exposure(variant, by(number as i64, "experiment_viewed", 2_000 + time)));
        }
    }
    // One sees the other variant after the login, and one never logs in.
    events.push(exposure("old", by(7, "experiment_viewed", 3_000)));
    events.push(exposure("new", of_visitor(1_000, event("experiment_viewed", 1))));
    let both = Both::with(&events).await;
    let report = both.ask(async |analytics| analytics.experiment(range(0, DAY), experiment()).await).await;
    let counts: Vec<_> = report.variants.iter().map(|variant| (variant.subjects, variant.conversions)).collect();
    assert_eq!(counts, [(200, 200), (200, 199)]);
    assert_eq!((report.mixed, report.changed_identity), (1, 399));
}

#[tokio::test]
async fn all_person_queries_follow_a_login() {
    let of_visitor = |event| of_visitor(7, event);
    let both = Both::with(&[
        of_visitor(on_route(event("page_view", 0), "/a")),
        of_visitor(view(1, "/b", MINUTE)),
        view(1, "/c", 2 * MINUTE),
        by(1, "action", DAY + MINUTE),
    ])
    .await;
    let all = range(0, 2 * DAY);
    let funnel = Funnel::new([step("page_view"), step("page_view"), step("page_view"), step("action")]);
    let funnel = both.ask(async |analytics| analytics.funnel(all, funnel.clone()).await).await;
    assert_eq!(funnel.stages.iter().map(|stage| stage.actors).collect::<Vec<_>>(), [1, 1, 1, 1]);
    let cohorts = CohortQuery::new(Period::Day);
    let cohorts = both.ask(async |analytics| analytics.cohort_retention(all, cohorts.clone()).await).await;
    assert_eq!(cohorts.cohorts.iter().map(|cohort| cohort.size).sum::<u64>(), 1, "nobody is new twice");
    let features = FeatureQuery::new().labels(Labels::Types);
    let features = both.ask(async |analytics| analytics.feature_usage(all, features.clone()).await).await;
    assert_eq!((features.active, features.features[0].events, features.features[0].actors), (1, 3, 1));
    let adoption = AdoptionQuery::new(step("page_view"));
    let adoption = both.ask(async |analytics| analytics.adoption(all, adoption.clone()).await).await;
    assert_eq!((adoption.active, adoption.adopters), (1, 1));
    let transitions = both.ask(async |analytics| analytics.transitions(all, TransitionQuery::new()).await).await;
    assert_eq!((transitions.visits, transitions.total), (1, 2));
    let paths = both.ask(async |analytics| analytics.paths(all, PathQuery::from_beginning()).await).await;
    assert_eq!((paths.visits, paths.next[0].page.as_str()), (1, "/a"));
    let patterns = PatternQuery::new().longest(3).limit(100);
    let patterns = both.ask(async |analytics| analytics.common_patterns(all, patterns.clone()).await).await;
    let whole = ["page_view:/a", "page_view:/b", "page_view:/c"].map(str::to_owned);
    assert!(patterns.patterns.iter().any(|pattern| pattern.labels == whole));
}

async fn decide<S: Store>(store: &S, visitor: VisitorId) {
    let proof = Proof::new(DecisionMethod::Custom, at(0));
    let decided = DecisionEvent::new(Decision::Granted, 1, at(0));
    let purpose = tower_guestbook::consent::Purpose::new(
        PurposeId::ANALYTICS.as_str(),
        tower_guestbook::consent::Category::Analytics,
    );
    let consent_state = tower_guestbook::consent::ConsentState::after(&purpose, &decided);
    let record = tower_guestbook::consent::ConsentRecord::new(
        Subject::Visitor(visitor),
        PurposeId::ANALYTICS,
        consent_state,
        proof,
    );
    store.record_consents(vec![record.unwrap()]).await.unwrap();
}

/// No event has both ids: only the store knows who logged in.
async fn the_store_knows<S: Store + Clone>(store: S) {
    let events = [
        of_visitor(7, event("page_view", 0)),
        by(1, "purchase", 5),
        of_visitor(8, event("page_view", 0)),
        by(2, "purchase", 5),
        of_visitor(9, event("page_view", 0)),
        by(3, "purchase", 5),
    ];
    append(&store, &events).await;
    for (number, user) in [(7, 1), (8, 2)] {
        decide(&store, visitor(number)).await;
        store.link_visitor(visitor(number), UserId::from(user), MergePolicy::default(), at(1)).await.unwrap();
    }
    let funnel = || Funnel::new([step("page_view"), step("purchase")]);
    let stages = async |rules: AnalyticsRules| {
        let guestbook = support::builder(store.clone()).0.analytics(rules).build().unwrap();
        let report = guestbook.analytics().funnel(range(0, DAY), funnel()).await.unwrap();
        report.stages.iter().map(|stage| stage.actors).collect::<Vec<_>>()
    };
    assert_eq!(stages(AnalyticsRules::new()).await, [3, 2], "the third has never been linked");
    assert_eq!(stages(AnalyticsRules::new().follow_logins(false)).await, [3, 0]);
    // An excluded user is excluded as a visitor, too.
    assert_eq!(stages(AnalyticsRules::new().except_users([UserId::from(2)])).await, [2, 1]);
}

#[tokio::test]
async fn linked_visitors_are_followed_except_to_excluded_users() {
    the_store_knows(FaultyStore::default()).await;
    let directory = tempfile::tempdir().unwrap();
    the_store_knows(SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).await;
}

#[tokio::test]
async fn variant_of_is_stable_across_a_login() {
    let guestbook: Guestbook = support::builder(MemoryStore::new()).0.build().unwrap();
    async fn variant(session: Session) -> Result<String> {
        session.variant_of(&experiment()).map(str::to_owned)
    }
    async fn login(session: Session) -> Result<()> {
        session.login("ada").await
    }
    let app = Router::new().route("/", get(variant)).route("/login", get(login)).layer(guestbook.layer());
    let ask = async |path: &str, cookie: &str| {
        let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        let answer = send(&app, request).await;
        assert!(answer.status.is_success(), "{}", answer.body);
        let set = answer.headers.get(header::SET_COOKIE);
        let set = set.map(|set| set.to_str().unwrap().split(';').next().unwrap().to_owned());
        (answer.body, set.unwrap_or_else(|| cookie.to_owned()))
    };
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..40 {
        let (before, cookie) = ask("/", "").await;
        assert_eq!(ask("/", &cookie).await.0, before);
        let (_, cookie) = ask("/login", &cookie).await;
        assert_eq!(ask("/", &cookie).await.0, before);
        *seen.entry(before).or_insert(0) += 1;
    }
    // 40 fair throws: all equal once in 500,000 million times.
    assert_eq!(seen.len(), 2);
    // A user without an earlier variant has the variant of the user id, on each device.
    let own = experiment().variant_of(&Subject::User(UserId::try_from("ada").unwrap())).unwrap().to_owned();
    for _ in 0..2 {
        let (_, cookie) = ask("/login", "").await;
        assert_eq!(ask("/", &cookie).await.0, own);
    }
}
