//! The queries: for the library, and the same in JSON for the other program.

use std::time::Duration;

use serde_json::{Value, json};
use tower_guestbook::{
    activity::EventType,
    analytics::{
        AdoptionQuery, AnalyticsActor, CohortQuery, DataFilter, Experiment, FeatureQuery, Funnel, FunnelOrder,
        FunnelStep, Labels, PathQuery, PatternQuery, Period, TransitionQuery, Weekday, Zone,
    },
};

const MINUTE: i64 = 60_000;
const ACTORS: [(AnalyticsActor, &str); 4] = [
    (AnalyticsActor::Person, "person"),
    (AnalyticsActor::User, "user"),
    (AnalyticsActor::Visitor, "visitor"),
    (AnalyticsActor::Session, "session"),
];
const LABELS: [(Labels, &str); 3] =
    [(Labels::Types, "types"), (Labels::Pages, "pages"), (Labels::TypesAndPages, "places")];

pub(super) fn kind(name: &str) -> EventType {
    EventType::new(name).unwrap()
}

/// A step without and with a filter.
fn step((name, plan): (&str, Option<&str>)) -> FunnelStep {
    let step = FunnelStep::new(kind(name));
    plan.map_or(step.clone(), |plan| step.filter(DataFilter::equals("plan", plan)))
}

fn step_json((name, plan): (&str, Option<&str>)) -> Value {
    json!([name, plan.map(|_| "plan"), plan])
}

pub(super) fn funnels() -> Vec<(Funnel, Value)> {
    let shop = [("view_item", None), ("cart", None), ("purchase", None)];
    let gold = [("view_item", None), ("cart", Some("gold")), ("purchase", None)];
    // The same step twice, and one that includes another.
    let twice = [("page_view", None), ("cart", None), ("cart", Some("gold")), ("purchase", None)];
    let orders = [(FunnelOrder::Ordered, "ordered"), (FunnelOrder::Strict, "strict"), (FunnelOrder::Any, "any")];
    let mut all = Vec::new();
    for (order, order_name) in orders {
        for (steps, minutes, exclude, (actor, actor_name), breakdown) in [
            (&shop[..], 24 * 60, None, ACTORS[0], None),
            (&gold[..], 60, None, ACTORS[2], Some("plan")),
            (&shop[..], 24 * 60, Some(("refund", None)), ACTORS[0], Some("plan")),
            (&twice[..], 30, None, ACTORS[0], None),
            (&shop[..2], 60, Some(("search", None)), ACTORS[3], None),
            (&shop[..], 10 * 24 * 60, Some(("cart", Some("gold"))), ACTORS[1], Some("n")),
        ] {
            let mut funnel = Funnel::new(steps.iter().copied().map(step))
                .window(Duration::from_secs(minutes * 60))
                .order(order)
                .actor(actor);
            funnel = exclude.map_or(funnel.clone(), |exclude| funnel.exclude(step(exclude)));
            funnel = breakdown.map_or(funnel.clone(), |field| funnel.breakdown(field));
            let question = json!({
                "steps": steps.iter().copied().map(step_json).collect::<Vec<_>>(),
                "window": minutes as i64 * MINUTE,
                "order": order_name,
                "exclude": exclude.into_iter().map(step_json).collect::<Vec<_>>(),
                "actor": actor_name,
                "breakdown": breakdown,
            });
            all.push((funnel, question));
        }
    }
    all
}

pub(super) fn cohorts(zone: &str) -> Vec<(CohortQuery, Value)> {
    let mut all = Vec::new();
    let periods = [
        (Period::Day, "day"),
        (Period::Week, "week"),
        (Period::WeekFrom(Weekday::Sunday), "week_sunday"),
        (Period::Month, "month"),
    ];
    for (period, name) in periods {
        for (recurring, unbounded) in [(false, false), (false, true), (true, false), (true, true)] {
            for (begin, back, (actor, actor_name)) in
                [(None, None, ACTORS[0]), (Some(("view_item", None)), Some(("cart", Some("gold"))), ACTORS[1])]
            {
                let mut query = CohortQuery::new(period).zone(Zone::named(zone).unwrap()).actor(actor);
                query = begin.map_or(query.clone(), |begin| query.start_event(step(begin)));
                query = back.map_or(query.clone(), |back| query.return_event(step(back)));
                query = if recurring { query.recurring() } else { query };
                query = if unbounded { query.unbounded() } else { query };
                let question = json!({
                    "period": name, "actor": actor_name, "begin": begin.map(step_json), "back": back.map(step_json),
                    "recurring": recurring, "unbounded": unbounded,
                });
                all.push((query, question));
            }
        }
    }
    all
}

pub(super) fn adoption(zone: &str) -> Vec<(AdoptionQuery, Value)> {
    let questions = [(Period::Day, "day", ("cart", None)), (Period::Week, "week", ("cart", Some("gold")))];
    let queries = questions.into_iter().zip(ACTORS).map(|((period, name, feature), (actor, actor_name))| {
        let query = AdoptionQuery::new(step(feature)).period(period).zone(Zone::named(zone).unwrap()).actor(actor);
        (query, json!({ "period": name, "actor": actor_name, "feature": step_json(feature) }))
    });
    queries.collect()
}

pub(super) fn patterns() -> Vec<(PatternQuery, Value)> {
    let mut all = Vec::new();
    for (number, (actor, actor_name)) in ACTORS.into_iter().enumerate() {
        let (labels, labels_name) = LABELS[number % 3];
        for (merges, gapped, types) in
            [(false, None, None), (true, None, Some(["page_view", "cart"])), (number % 2 == 0, Some(4), None)]
        {
            let longest = if gapped.is_some() { 3 } else { 4 };
            let mut query = PatternQuery::new().longest(longest).limit(300).labels(labels).actor(actor);
            query = if merges { query.merge_repeats() } else { query };
            query = gapped.map_or(query.clone(), |support| query.gapped(support));
            query = types.map_or(query.clone(), |types: [&str; 2]| query.types(types.map(kind)));
            let question = json!({
                "longest": longest, "limit": 300, "labels": labels_name, "actor": actor_name,
                "merge": merges, "gapped": gapped, "types": types,
            });
            all.push((query, question));
        }
    }
    all
}

pub(super) fn transitions() -> Vec<(TransitionQuery, Value)> {
    let queries = ACTORS.into_iter().zip([1_000, 7, 20, 1]).map(|((actor, name), limit)| {
        let query = TransitionQuery::new().actor(actor).limit(limit);
        let loops = limit != 20;
        let query = if loops { query } else { query.without_loops() };
        (query, json!({ "actor": name, "limit": limit, "loops": loops }))
    });
    queries.collect()
}

pub(super) fn neighbours() -> Vec<(&'static str, TransitionQuery, Value)> {
    let pages = ["/page/1", "/route/2", "/page/3", "/nowhere"];
    let queries = ACTORS.into_iter().zip(pages).map(|((actor, name), page)| {
        (page, TransitionQuery::new().actor(actor).limit(3), json!({ "actor": name, "limit": 3, "page": page }))
    });
    queries.collect()
}

pub(super) fn paths() -> Vec<(PathQuery, Value)> {
    let mut all = Vec::new();
    for (page, backward) in [(None, false), (None, true), (Some("/page/1"), false), (Some("/page/1"), true)] {
        for (loops, depth, width, (actor, name)) in [(true, 3, 4, ACTORS[0]), (false, 4, 2, ACTORS[3])] {
            let query = match (page, backward) {
                (None, false) => PathQuery::from_beginning(),
                (None, true) => PathQuery::to_end(),
                (Some(page), false) => PathQuery::from_page(page),
                (Some(page), true) => PathQuery::to_page(page),
            };
            let query = query.depth(depth).width(width).actor(actor);
            let query = if loops { query } else { query.without_loops() };
            let question = json!({
                "page": page, "backward": backward, "depth": depth, "width": width, "loops": loops, "actor": name,
            });
            all.push((query, question));
        }
    }
    all
}

pub(super) fn features() -> Vec<(FeatureQuery, Value)> {
    let mut all = Vec::new();
    for ((actor, actor_name), (labels, labels_name)) in ACTORS.into_iter().zip(LABELS) {
        for types in [None, Some(["page_view", "search"])] {
            let query = FeatureQuery::new().labels(labels).actor(actor).limit(10);
            let query = types.map_or(query.clone(), |types: [&str; 2]| query.types(types.map(kind)));
            let question = json!({ "labels": labels_name, "actor": actor_name, "limit": 10, "types": types });
            all.push((query, question));
        }
    }
    all
}

pub(super) fn experiments() -> Vec<(Experiment, Value)> {
    let mut all = Vec::new();
    for (goal, days, (actor, name)) in
        [(("cart", None), 2, ACTORS[0]), (("cart", Some("gold")), 1, ACTORS[1]), (("purchase", None), 9, ACTORS[3])]
    {
        let experiment = Experiment::new("button", step(goal))
            .variant("old", 2)
            .variant("new", 1)
            .window(Duration::from_secs(days * 24 * 60 * 60))
            .actor(actor);
        let question = json!({
            "name": "button", "variants": [["old", 2], ["new", 1]], "goal": step_json(goal),
            "window": days as i64 * 24 * 60 * MINUTE, "actor": name,
        });
        all.push((experiment, question));
    }
    all
}
