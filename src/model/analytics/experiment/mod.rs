//! [`Experiment`]: an A/B test, its assignment and its evaluation.

mod interval;
mod report;

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::{
    interval::Interval,
    report::{ExperimentReport, SampleRatio, SampleSize, VariantReport},
};
use super::{AnalyticsActor, DataFilter, FunnelStep, timelines::invalid};
use crate::{
    error::Result,
    model::{activity::EventType, consent::Subject},
};

/// An A/B test: two or more variants; each subject gets one of them.
///
/// # Assignment
///
/// A subject always gets the same variant. Nothing is stored; the variant is computed:
///
/// ```text
/// digest = SHA-256(length of name, 8 bytes big-endian ‖ name ‖ subject)
/// point  = first 8 bytes of digest, big-endian, mod sum of weights
/// ```
///
/// `subject` is the text `user:` and the user's id, `visitor:` and the visitor's UUID with hyphens,
/// or `key:` and your own key ([`variant_of_key`](Self::variant_of_key)). The variant is the first,
/// in the order of declaration, for which the sum of the weights up to it exceeds `point`.
/// Experiments with different names are independent. If you change weights, subjects change
/// variants: start a new experiment under a new name.
///
/// A login makes a visitor another subject, often with another variant. `Session::variant_of`
/// returns the same variant before and after the login.
///
/// # Evaluation
///
/// When a subject sees its variant, record an event (the *exposure*), by default of the type
/// `experiment_viewed` with the fields `experiment` and `variant`. Only subjects with an exposure
/// in the range count; assignment alone does not. A subject *converts* if the goal comes after the
/// first exposure, by time and sequence, at most [`window`](Self::window) later. Subjects exposed
/// to several variants, or to one that is not declared, are counted separately and not compared.
///
/// # Examples
///
/// ```
/// use tower_guestbook::{
///     UserId,
///     activity::EventType,
///     analytics::{Experiment, FunnelStep},
///     consent::Subject,
/// };
///
/// let experiment = Experiment::new("checkout", FunnelStep::new(EventType::PURCHASE)).variant("old", 50).variant("new", 50);
/// let ada = Subject::User(UserId::try_from("ada")?);
/// assert_eq!(experiment.variant_of(&ada)?, "old");
/// assert_eq!(experiment.variant_of(&Subject::User(UserId::try_from("zoe")?))?, "new");
/// # Ok::<(), tower_guestbook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Experiment {
    name: String,
    variants: Vec<(String, u32)>,
    goal: FunnelStep,
    exposure: EventType,
    pub(crate) window: Duration,
    pub(crate) actor: AnalyticsActor,
}

/// The field of an exposure that names the variant.
pub(crate) const VARIANT_FIELD: &str = "variant";
const EXPERIMENT_FIELD: &str = "experiment";

impl Experiment {
    /// The largest number of variants.
    pub const MAX_VARIANTS: usize = 10;
    /// The maximum length of the name of an experiment or a variant, in bytes.
    pub const MAX_NAME_BYTES: usize = 128;
    /// The maximum window: 366 days.
    pub const MAX_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// Creates an experiment without variants. Exposures have the type `experiment_viewed`, `goal`
    /// must follow within 14 days, and actors are [`AnalyticsActor::Person`].
    pub fn new(name: impl Into<String>, goal: FunnelStep) -> Self {
        Self {
            name: name.into(),
            variants: Vec::new(),
            goal,
            exposure: EventType::new("experiment_viewed").expect("it is a name"),
            window: Duration::from_secs(14 * 24 * 60 * 60),
            actor: AnalyticsActor::default(),
        }
    }

    /// Adds a variant with its weight. The first variant is the control that the others are
    /// compared with.
    pub fn variant(mut self, name: impl Into<String>, weight: u32) -> Self {
        self.variants.push((name.into(), weight));
        self
    }

    /// Sets the type of the exposure event. Default: `experiment_viewed`.
    pub fn exposure(mut self, event_type: EventType) -> Self {
        self.exposure = event_type;
        self
    }

    /// Sets how long after the exposure the goal counts. Default: 14 days.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets the unit that counts once. Default: [`AnalyticsActor::Person`].
    pub fn actor(mut self, actor: AnalyticsActor) -> Self {
        self.actor = actor;
        self
    }

    /// Returns the variant of a subject.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if there are fewer than two variants or
    /// more than [`MAX_VARIANTS`](Self::MAX_VARIANTS), two with the same name, or a sum of weights
    /// of 0.
    pub fn variant_of(&self, subject: &Subject) -> Result<&str> {
        self.variant_at(&match subject {
            Subject::User(user) => format!("user:{}", user.as_str()),
            Subject::Visitor(visitor) => format!("visitor:{}", visitor.as_uuid().as_hyphenated()),
        })
    }

    /// Returns the variant of your own key, for example of a device or a household.
    ///
    /// # Errors
    ///
    /// As for [`variant_of`](Self::variant_of).
    pub fn variant_of_key(&self, key: &str) -> Result<&str> {
        self.variant_at(&format!("key:{key}"))
    }

    fn variant_at(&self, subject: &str) -> Result<&str> {
        self.check()?;
        let total: u64 = self.variants.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut point = self.hash(subject) % total;
        for (name, weight) in &self.variants {
            match point.checked_sub(u64::from(*weight)) {
                Some(rest) => point = rest,
                None => return Ok(name),
            }
        }
        Err(invalid("variant", "the weights sum to nothing"))
    }

    fn hash(&self, subject: &str) -> u64 {
        let mut hash = Sha256::new();
        hash.update((self.name.len() as u64).to_be_bytes());
        hash.update(&self.name);
        hash.update(subject);
        let digest = hash.finalize();
        u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
    }

    pub(crate) fn check(&self) -> Result<()> {
        let names = || self.variants.iter().map(|(name, _)| name.as_str());
        if !(2..=Self::MAX_VARIANTS).contains(&self.variants.len()) {
            return Err(invalid("variant", &format!("an experiment has 2 to {} variants", Self::MAX_VARIANTS)));
        }
        let is_short = |name: &str| (1..=Self::MAX_NAME_BYTES).contains(&name.len());
        if !is_short(&self.name) || !names().all(is_short) {
            return Err(invalid("name", &format!("a name has 1 to {} bytes", Self::MAX_NAME_BYTES)));
        }
        if (1..self.variants.len()).any(|index| names().take(index).any(|name| name == self.variants[index].0)) {
            return Err(invalid("variant", "two variants have one name"));
        }
        if self.variants.iter().all(|(_, weight)| *weight == 0) {
            return Err(invalid("variant", "the weights sum to nothing"));
        }
        if self.window > Self::MAX_WINDOW {
            return Err(invalid("window", "it is at most 366 days long"));
        }
        self.goal.check()
    }

    /// Returns the steps to match: the exposure and the goal.
    pub(crate) fn steps(&self) -> [FunnelStep; 2] {
        let name = Value::from(self.name.as_str());
        let exposure = FunnelStep::new(self.exposure.clone()).filter(DataFilter::equals(EXPERIMENT_FIELD, name));
        [exposure, self.goal.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::ErrorKind,
        id::{UserId, VisitorId},
    };

    fn experiment(name: &str, weights: &[u32]) -> Experiment {
        let goal = FunnelStep::new(EventType::PURCHASE);
        (0..).zip(weights).fold(Experiment::new(name, goal), |experiment, (number, weight)| {
            experiment.variant(format!("{number}"), *weight)
        })
    }

    fn user(name: &str) -> Subject {
        Subject::User(UserId::try_from(name).unwrap())
    }

    /// Computed by an independent program from the rule in the docs. The values must never change.
    #[test]
    fn variant_of_returns_known_values() {
        let visitor = Subject::Visitor(VisitorId::from(uuid::Uuid::from_u128(7)));
        let text = |subject: &Subject| match subject {
            Subject::User(user) => format!("user:{}", user.as_str()),
            Subject::Visitor(visitor) => format!("visitor:{}", visitor.as_uuid()),
        };
        for (name, subject, weights, hash, variant) in [
            ("checkout", user("1"), &[1, 1][..], 0xb704_bc3a_2f66_b894, "0"),
            ("checkout", user("ada"), &[38, 1, 61], 0x2282_0ae9_3513_b846, "1"),
            ("checkout", user("für"), &[1, 1, 1], 0xd275_696c_bf42_83ac, "2"),
            ("checkout", visitor, &[7, 1, 92], 0x3627_b11b_691f_65b7, "1"),
        ] {
            let experiment = experiment(name, weights);
            assert_eq!(experiment.hash(&text(&subject)), hash);
            assert_eq!(experiment.variant_of(&subject).unwrap(), variant);
        }
        // The hash covers where the name ends.
        assert_ne!(experiment("x", &[1, 1]).hash("user:user:1"), experiment("xuser:", &[1, 1]).hash("user:1"));
    }

    #[test]
    fn variant_of_follows_weights_and_never_picks_a_zero_weight() {
        let experiment = experiment("shares", &[0, 1, 3]);
        let mut counts = [0; 3];
        for number in 0..10_000 {
            let variant: usize = experiment.variant_of(&user(&number.to_string())).unwrap().parse().unwrap();
            counts[variant] += 1;
        }
        // Four standard deviations are 173.
        assert_eq!(counts[0], 0);
        assert!((2_327..2_673).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn variant_of_rejects_invalid_experiments() {
        let twice = experiment("x", &[1]).variant("0", 1);
        let long = experiment(&"x".repeat(129), &[1, 1]);
        let late = experiment("x", &[1, 1]).window(Experiment::MAX_WINDOW + Duration::from_secs(1));
        for (experiment, parameter) in [
            (experiment("x", &[1]), "variant"),
            (experiment("x", &[1; 11]), "variant"),
            (experiment("x", &[0, 0]), "variant"),
            (experiment("", &[1, 1]), "name"),
            (twice, "variant"),
            (long, "name"),
            (late, "window"),
        ] {
            let error = experiment.variant_of(&user("1")).unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string().contains(parameter)),
                (ErrorKind::InvalidInput, true),
                "{error}"
            );
        }
    }
}
