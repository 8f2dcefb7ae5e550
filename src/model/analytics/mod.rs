//! Plain data for analytics: queries and reports. [`Analytics`](crate::analytics::Analytics) runs
//! the queries.

mod actor;
mod cohorts;
mod durations;
mod experiment;
mod features;
mod filter;
mod funnel;
mod journey;
mod overview;
mod pages;
mod paths;
mod patterns;
mod periods;
mod range;
mod report;
#[cfg(feature = "sqlite")]
pub(crate) mod rollup;
mod series;
mod stay;
mod summary;
mod timelines;
mod transitions;
mod visits;
mod zone;

pub use self::{
    actor::{AnalyticsActor, Labels},
    cohorts::{Cohort, CohortCell, CohortQuery, CohortRetention},
    durations::Durations,
    experiment::{Experiment, ExperimentReport, Interval, SampleRatio, SampleSize, VariantReport},
    features::{Adoption, AdoptionPeriod, AdoptionQuery, Feature, FeatureQuery, FeatureUsage},
    filter::{EventFilter, Slice},
    funnel::{DataFilter, Funnel, FunnelBranch, FunnelOrder, FunnelReport, FunnelStage, FunnelStep},
    journey::{Journey, JourneyStep},
    overview::{Count, Overview, UserEvents},
    pages::PageViews,
    paths::{PathNode, PathQuery, Paths},
    patterns::{CommonPatterns, Pattern, PatternQuery},
    range::Range,
    report::{SystemReport, UserReport},
    series::{ActiveDay, ActiveUsers, ActivitySeries, Bucket},
    summary::UserSummary,
    timelines::MAX_NAMES,
    transitions::{PageCount, PageNeighbours, Transition, TransitionQuery, Transitions},
    visits::{LONGEST_VISIT, VISIT_GAP, visits},
    zone::{Period, Weekday, Zone},
};
pub(crate) use self::{
    experiment::VARIANT_FIELD,
    funnel::{EXCLUDED, Mark, Matcher, Wanted},
    overview::OverviewBuilder,
    pages::page_in,
    series::Buckets,
    stay::Role,
    timelines::{Names, Step, Timelines, invalid, too_large},
};
