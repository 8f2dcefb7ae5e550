//! The questions, and their answers in the form in which they are compared.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tower_guestbook::{
    Result, Timestamp, UserId,
    activity::EventType,
    analytics::{
        AdoptionQuery, Analytics, CohortQuery, EventFilter, FeatureQuery, Funnel, FunnelStep, PathNode, PathQuery,
        PatternQuery, Period, Range, TransitionQuery, Zone,
    },
};

use crate::rows::{BEGIN, DAY, STEPS, Size};

pub const NAMES: [&str; 29] = [
    "overview_day",
    "overview_week",
    "overview_month",
    "series_hours_week",
    "series_days_month",
    "active_users_month",
    "daily_users",
    "pages",
    "top_users_week",
    "by_hour_week",
    "types_week",
    "system_report",
    "summary_light",
    "summary_middle",
    "summary_heavy",
    "report_heavy",
    "journey_light",
    "journey_middle",
    "journey_heavy",
    "journey_heavy_500",
    "funnel",
    "two_grams",
    "paths",
    "patterns_gapped_week",
    "transitions_week",
    "neighbours_week",
    "cohorts_weeks",
    "features_month",
    "adoption_month",
];

pub struct Questions {
    analytics: Analytics,
    size: Size,
}

/// How many entries an answer has, and the answer.
type Answer = Result<(usize, Value)>;

impl Questions {
    pub fn new(analytics: Analytics, size: Size) -> Self {
        Self { analytics, size }
    }

    pub async fn ask(&self, name: &str) -> Answer {
        match name {
            "overview_day" => self.overview(1).await,
            "overview_week" => self.overview(7).await,
            "overview_month" => self.overview(30).await,
            "series_hours_week" => self.series(7, Period::Hour).await,
            "series_days_month" => self.series(30, Period::Day).await,
            "active_users_month" => whole(1, &self.analytics.active_users(self.end(), days(30)).await?),
            "daily_users" => self.daily_users().await,
            "pages" => self.pages().await,
            "top_users_week" => {
                let users = self.analytics.top_users(self.last(7), EventFilter::new(), 100).await?;
                whole(users.len(), &users)
            }
            "by_hour_week" => {
                whole(24, &self.analytics.activity_by_hour(self.last(7), Zone::UTC, EventFilter::new()).await?)
            }
            "types_week" => {
                let types = self.analytics.event_breakdown(self.last(7), EventFilter::new()).await?;
                whole(types.len(), &types)
            }
            "system_report" => whole(1, &self.analytics.system_report(self.end()).await?),
            "summary_light" => self.summary(self.size.users - 1).await,
            "summary_middle" => self.summary(self.size.users / 16).await,
            "summary_heavy" => self.summary(0).await,
            "report_heavy" => whole(1, &self.analytics.user_report(UserId::from(0)).await?),
            "journey_light" => self.journey(self.size.users - 1, 100).await,
            "journey_middle" => self.journey(self.size.users / 16, 500).await,
            "journey_heavy" => self.journey(0, 100).await,
            "journey_heavy_500" => self.journey(0, 500).await,
            "funnel" => self.funnel().await,
            "two_grams" => self.two_grams().await,
            "paths" => self.paths().await,
            "patterns_gapped_week" => {
                let query = PatternQuery::new().longest(3).gapped(self.size.events / 2_000);
                let patterns = self.analytics.common_patterns(self.last(7), query).await?;
                whole(patterns.patterns.len(), &patterns)
            }
            "transitions_week" => {
                let transitions = self.analytics.transitions(self.last(7), TransitionQuery::new().limit(1_000)).await?;
                whole(transitions.transitions.len(), &transitions)
            }
            "neighbours_week" => {
                let neighbours =
                    self.analytics.page_neighbours(self.last(7), "/", TransitionQuery::new().limit(1_000)).await?;
                whole(neighbours.next.len(), &neighbours)
            }
            "cohorts_weeks" => {
                let all = self.last(self.size.days as i64);
                let cohorts = self.analytics.cohort_retention(all, CohortQuery::new(Period::Week)).await?;
                whole(cohorts.cohorts.len(), &cohorts)
            }
            "features_month" => {
                let usage = self.analytics.feature_usage(self.last(30), FeatureQuery::new()).await?;
                whole(usage.features.len(), &usage)
            }
            "adoption_month" => {
                let query = AdoptionQuery::new(FunnelStep::new(EventType::PURCHASE));
                let adoption = self.analytics.adoption(self.last(30), query).await?;
                whole(adoption.periods.len(), &adoption)
            }
            name => panic!("{name} is no question"),
        }
    }

    fn end(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + self.size.days as i64 * DAY)
    }

    fn last(&self, days: i64) -> Range {
        let end = self.end();
        Range::new(Timestamp::from_millis(end.as_millis() - days * DAY), end).expect("in order")
    }

    async fn overview(&self, days: i64) -> Answer {
        whole(1, &self.analytics.overview(self.last(days), Zone::UTC, EventFilter::new(), 10).await?)
    }

    async fn series(&self, days: i64, period: Period) -> Answer {
        let series = self.analytics.activity_series(self.last(days), period, Zone::UTC, EventFilter::new()).await?;
        whole(series.buckets.len(), &series)
    }

    /// Beside the days it counts the weeks and months that end with them.
    async fn daily_users(&self) -> Answer {
        let users = self.analytics.active_users_series(self.last(30), Zone::UTC, EventFilter::new()).await?;
        let daily: Vec<_> = users.days.iter().map(|day| day.daily).collect();
        Ok((daily.len(), json!(daily)))
    }

    async fn pages(&self) -> Answer {
        let pages = self.analytics.popular_pages(self.last(7), EventFilter::new(), 1_000).await?;
        let rows: Vec<_> = pages.iter().map(|page| json!([page.page, page.views, page.unique_users])).collect();
        Ok((rows.len(), json!(rows)))
    }

    async fn summary(&self, user: u64) -> Answer {
        let summary = self.analytics.user_summary(UserId::from(user as i64)).await?;
        whole(summary.total_activities as usize, &summary)
    }

    async fn journey(&self, user: u64, limit: usize) -> Answer {
        let all = self.last(self.size.days as i64);
        let journey = self.analytics.journey(UserId::from(user as i64), None, all, limit).await?;
        whole(journey.steps.len(), &journey)
    }

    async fn funnel(&self) -> Answer {
        let steps = STEPS.map(|name| FunnelStep::new(EventType::new(name).expect("it is a name")));
        let report = self.analytics.funnel(self.last(30), Funnel::new(steps)).await?;
        let actors: Vec<_> = report.stages.iter().map(|stage| stage.actors).collect();
        Ok((actors.len(), json!(actors)))
    }

    async fn two_grams(&self) -> Answer {
        let query = PatternQuery::new().longest(2).limit(1_000);
        let found = self.analytics.common_patterns(self.last(7), query).await?;
        let patterns: Vec<_> = found
            .patterns
            .iter()
            .map(|pattern| json!([pattern.labels[0], pattern.labels[1], pattern.visits]))
            .collect();
        Ok((patterns.len(), json!({ "visits": found.visits, "different": found.distinct, "patterns": patterns })))
    }

    async fn paths(&self) -> Answer {
        let paths = self.analytics.paths(self.last(7), PathQuery::from_beginning()).await?;
        let next: Vec<_> = paths.next.iter().map(place).collect();
        Ok((next.len(), json!([null, paths.visits, paths.ends, paths.other, next])))
    }
}

fn place(place: &PathNode) -> Value {
    let next: Vec<_> = place.next.iter().map(self::place).collect();
    json!([place.page, place.visits, place.ends, place.other, next])
}

fn whole(rows: usize, answer: &impl Serialize) -> Answer {
    Ok((rows, serde_json::to_value(answer).expect("it is JSON")))
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}
