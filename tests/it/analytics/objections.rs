//! Users who refuse a purpose do not count under it, including earlier events.

use tower_guestbook::{
    GuestbookBuilder, VisitorId,
    activity::HistoryQuery,
    analytics::{EventFilter, Funnel, FunnelStep},
    consent::{
        Category, Choices, ConsentRules, Decision, DecisionContext, DecisionMethod, MergePolicy, Mode, Purpose,
        PurposeId, Purposes, Subject,
    },
    privacy::RestrictionReason,
    store::ConsentStore,
};

use super::*;
use crate::support::faulty_store::FaultyStore;

const TODAY: (&str, &str) = ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");

fn shopping() -> PurposeId {
    PurposeId::new("shopping").unwrap()
}

/// Views are analytics, purchases have a purpose of their own, logins have none.
fn rules(mode: Mode) -> ConsentRules {
    let days = std::time::Duration::from_secs(180 * 86_400);
    let purposes = Purposes::builder()
        .purpose(Purpose::new("analytics", Category::Analytics).mode(mode).expiry(days))
        .purpose(Purpose::new("shopping", Category::Analytics).mode(mode).expiry(days))
        .build();
    ConsentRules::new(purposes.unwrap())
        .accept_grants_without_notice()
        .event_purpose(EventType::PURCHASE, Some(shopping()))
}

fn by(user: Option<i64>, visitor: Option<VisitorId>, event_type: EventType) -> Event {
    let mut event = Event::new(event_type, at("2026-11-25T12:00:00Z"));
    (event.user, event.visitor) = (user.map(UserId::from), visitor);
    event
}

async fn asking<S: Store>(store: S, events: Vec<Event>, consent: ConsentRules, analytics: AnalyticsRules) -> Guestbook {
    let entries: Arc<[Entry]> =
        (1..).zip(events).map(|(number, event)| Entry { id: EventId { origin: 1, number }, event }).collect();
    store.append(entries, Commit::Relaxed).await.unwrap();
    let builder: GuestbookBuilder<S> = Guestbook::builder(store).clock(Clock::manual(at(TODAY.1)));
    builder.consent(consent).analytics(analytics.count_types([EventType::LOGIN])).build().unwrap()
}

async fn decide(guestbook: &Guestbook, who: &Subject, purpose: PurposeId, decision: Decision) {
    let choices = Choices::new(DecisionMethod::Custom).decide(purpose, decision);
    guestbook.consents().unwrap().decide(who, choices, &DecisionContext::default()).await.unwrap();
}

/// Events and users of an overview, actors with a view, a purchase, a login, and steps of the
/// journey of user 1.
async fn figures(guestbook: &Guestbook) -> [u64; 6] {
    let (analytics, today) = (guestbook.analytics(), range(TODAY.0, TODAY.1));
    let overview = analytics.overview(today, Zone::UTC, EventFilter::new(), 10).await.unwrap();
    let mut actors = Vec::new();
    for event_type in [EventType::PAGE_VIEW, EventType::PURCHASE, EventType::LOGIN] {
        let funnel = analytics.funnel(today, Funnel::new([FunnelStep::new(event_type)])).await.unwrap();
        actors.push(serde_json::to_value(funnel).unwrap()["stages"][0]["actors"].as_u64().unwrap());
    }
    let journey = analytics.journey(UserId::from(1), None, today, 2).await.unwrap();
    [overview.events, overview.active_users, actors[0], actors[1], actors[2], journey.steps.len() as u64]
}

async fn refusing_users_do_not_count<S: Store>(store: S) {
    let phone = VisitorId::generate().unwrap();
    let kinds = [EventType::PAGE_VIEW, EventType::PURCHASE, EventType::LOGIN];
    let mut events: Vec<_> =
        [1, 2].iter().flat_map(|user| kinds.clone().map(|kind| by(Some(*user), None, kind))).collect();
    events.extend([by(None, Some(phone), EventType::PAGE_VIEW), by(None, None, EventType::PAGE_VIEW)]);
    let guestbook = asking(store, events, rules(Mode::OptIn), AnalyticsRules::new()).await;
    let one: Subject = UserId::from(1).into();
    assert_eq!(figures(&guestbook).await, [8, 2, 3, 2, 2, 2]);
    for purpose in [PurposeId::ANALYTICS, shopping()] {
        decide(&guestbook, &one, purpose, Decision::Granted).await;
    }
    assert_eq!(figures(&guestbook).await, [8, 2, 3, 2, 2, 2]);
    decide(&guestbook, &one, shopping(), Decision::Withdrawn).await;
    assert_eq!(figures(&guestbook).await, [7, 2, 3, 1, 2, 2], "purchases only");
    decide(&guestbook, &one, PurposeId::ANALYTICS, Decision::Objected).await;
    assert_eq!(figures(&guestbook).await, [6, 2, 2, 1, 2, 1], "what has no purpose still counts");
    decide(&guestbook, &phone.into(), PurposeId::ANALYTICS, Decision::Withdrawn).await;
    assert_eq!(figures(&guestbook).await, [5, 2, 1, 1, 2, 1], "a visitor, too");
    let shown = async |filter: ActivityFilter| {
        let page = guestbook.activities().history_for_others(HistoryQuery::new(filter)).await.unwrap();
        page.activities.into_iter().map(|activity| activity.event).collect::<Vec<_>>()
    };
    let all = shown(ActivityFilter::new()).await;
    assert_eq!(all.len(), 5, "one login of user 1, all of user 2, and nobody's view");
    let of = |user: i64| ActivityFilter::new().user(UserId::from(user));
    let of_one: Vec<_> = shown(of(1)).await.into_iter().map(|event| event.event_type).collect();
    assert_eq!((of_one, shown(of(2)).await.len()), (vec![EventType::LOGIN], 3));
    let history = guestbook.activities().history(HistoryQuery::new(ActivityFilter::new())).await.unwrap();
    assert_eq!(history.activities.len(), 8, "it is there, and nobody looks at it");
    for purpose in [PurposeId::ANALYTICS, shopping()] {
        decide(&guestbook, &one, purpose, Decision::Granted).await;
    }
    assert_eq!(figures(&guestbook).await, [7, 2, 2, 2, 2, 2], "who agrees again counts again");
}

#[tokio::test]
async fn refusing_users_do_not_count_until_they_agree_again() {
    refusing_users_do_not_count(MemoryStore::new()).await;
}

#[tokio::test]
async fn refusing_users_do_not_count_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    refusing_users_do_not_count(SqliteStore::open(directory.path().join("guestbook.db")).unwrap()).await;
}

#[tokio::test]
async fn refusal_covers_the_users_earlier_visitor_events_only() {
    let store = FaultyStore::default();
    let phone = VisitorId::generate().unwrap();
    let events = vec![
        by(None, Some(phone), EventType::PAGE_VIEW),
        by(Some(1), Some(phone), EventType::PAGE_VIEW),
        by(Some(2), Some(phone), EventType::PAGE_VIEW),
    ];
    let guestbook = asking(store.clone(), events, rules(Mode::OptIn), AnalyticsRules::new()).await;
    decide(&guestbook, &phone.into(), PurposeId::ANALYTICS, Decision::Granted).await;
    store.link_visitor(phone, UserId::from(1), MergePolicy::default(), at(TODAY.1)).await.unwrap();
    assert_eq!(figures(&guestbook).await[..2], [3, 2]);
    decide(&guestbook, &UserId::from(1).into(), PurposeId::ANALYTICS, Decision::Withdrawn).await;
    assert_eq!(figures(&guestbook).await[..2], [1, 1]);
}

#[tokio::test]
async fn denial_excludes_only_where_events_precede_consent() {
    for (mode, counted) in [(Mode::OptIn, 1), (Mode::OptOut, 0)] {
        let events = vec![by(Some(1), None, EventType::PAGE_VIEW)];
        let guestbook = asking(MemoryStore::new(), events, rules(mode), AnalyticsRules::new()).await;
        decide(&guestbook, &UserId::from(1).into(), PurposeId::ANALYTICS, Decision::Denied).await;
        assert_eq!(figures(&guestbook).await[0], counted, "{mode:?}");
    }
}

#[tokio::test]
async fn too_many_refusing_users_are_too_large() {
    let events = vec![by(Some(1), None, EventType::PAGE_VIEW)];
    let guestbook =
        asking(MemoryStore::new(), events, rules(Mode::OptOut), AnalyticsRules::new().max_excluded_people(2)).await;
    let today = range(TODAY.0, TODAY.1);
    for user in 1..=3 {
        assert!(guestbook.analytics().overview(today, Zone::UTC, EventFilter::new(), 10).await.is_ok());
        let purpose = if user == 2 { shopping() } else { PurposeId::ANALYTICS };
        decide(&guestbook, &UserId::from(user).into(), purpose, Decision::Objected).await;
    }
    let error = guestbook.analytics().overview(today, Zone::UTC, EventFilter::new(), 10).await.unwrap_err();
    assert_eq!(error.kind(), tower_guestbook::ErrorKind::TooLarge);
    assert!(error.to_string().contains("max_excluded_people"), "{error}");
    assert!(error.to_string().contains("restricted or refuse"), "{error}");
    let funnel = Funnel::new([FunnelStep::new(EventType::PAGE_VIEW)]);
    assert_eq!(
        guestbook.analytics().funnel(today, funnel).await.unwrap_err().kind(),
        tower_guestbook::ErrorKind::TooLarge
    );
}

#[tokio::test]
async fn history_for_others_excludes_restricted_users() {
    let events = [1, 2].map(|user| by(Some(user), None, EventType::LOGIN)).to_vec();
    let guestbook = asking(MemoryStore::new(), events, rules(Mode::OptIn), AnalyticsRules::new()).await;
    let shown = async |filter: ActivityFilter| {
        let page = guestbook.activities().history_for_others(HistoryQuery::new(filter)).await.unwrap();
        page.activities.len()
    };
    let (one, of_one) = (UserId::from(1), || ActivityFilter::new().user(UserId::from(1)));
    assert_eq!((shown(of_one()).await, shown(ActivityFilter::new()).await), (1, 2));
    guestbook.rights().restrict(&one, tower_guestbook::privacy::RestrictionReason::Claims).await.unwrap();
    assert_eq!((shown(of_one()).await, shown(ActivityFilter::new()).await), (0, 1));
    assert_eq!(guestbook.activities().count(of_one()).await.unwrap(), 1, "it is there");
    guestbook.rights().lift_restriction(&one).await.unwrap();
    assert_eq!(shown(of_one()).await, 1);
}

#[tokio::test]
async fn too_many_restricted_users_are_too_large() {
    let events = vec![by(Some(1), None, EventType::PAGE_VIEW)];
    let guestbook =
        asking(MemoryStore::new(), events, rules(Mode::OptOut), AnalyticsRules::new().max_excluded_people(2)).await;
    let today = range(TODAY.0, TODAY.1);
    for user in 1..=3 {
        assert!(guestbook.analytics().overview(today, Zone::UTC, EventFilter::new(), 10).await.is_ok());
        guestbook.rights().restrict(&UserId::from(user), RestrictionReason::Accuracy).await.unwrap();
    }
    let error = guestbook.analytics().overview(today, Zone::UTC, EventFilter::new(), 10).await.unwrap_err();
    assert_eq!(error.kind(), tower_guestbook::ErrorKind::TooLarge);
    assert!(error.to_string().contains("max_excluded_people"), "{error}");
    // Refusals and restrictions count together.
    guestbook.rights().lift_restriction(&UserId::from(3)).await.unwrap();
    assert!(guestbook.analytics().overview(today, Zone::UTC, EventFilter::new(), 10).await.is_ok());
    decide(&guestbook, &UserId::from(4).into(), PurposeId::ANALYTICS, Decision::Objected).await;
    assert!(guestbook.analytics().overview(today, Zone::UTC, EventFilter::new(), 10).await.is_err());
}
