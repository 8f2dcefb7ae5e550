//! [`Interval`]: confidence intervals of a share and of a difference.

use serde::Serialize;

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

impl Interval {
    /// Returns the interval of a share: Wilson's score interval without continuity correction
    /// (Wilson 1927; method 3 of Newcombe, "Two-sided confidence intervals for the single
    /// proportion", 1998). `None` if `whole` is 0.
    pub(super) fn of_share(part: u64, whole: u64) -> Option<Self> {
        let (n, x) = (whole as f64, part as f64);
        let root = Z * (Z * Z + 4.0 * x * (1.0 - x / n)).sqrt();
        let (middle, width) = (2.0 * x + Z * Z, 2.0 * (n + Z * Z));
        let (low, high) = ((middle - root) / width, (middle + root) / width);
        (whole > 0).then(|| Self { low: low.max(0.0), high: high.min(1.0) })
    }

    /// Returns the interval of the share `one` minus the share `other`, each given as part and
    /// whole. It is computed from the score intervals of both (method 10 of Newcombe, "Interval
    /// estimation for the difference between independent proportions", 1998). `None` if a whole is
    /// 0.
    pub(super) fn of_difference(one: (u64, u64), other: (u64, u64)) -> Option<Self> {
        let (first, second) = (Self::of_share(one.0, one.1)?, Self::of_share(other.0, other.1)?);
        let (p, q) = (one.0 as f64 / one.1 as f64, other.0 as f64 / other.1 as f64);
        Some(Self {
            low: p - q - (p - first.low).hypot(second.high - q),
            high: p - q + (first.high - p).hypot(q - second.low),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(interval: Option<Interval>) -> (i64, i64) {
        let interval = interval.unwrap();
        ((interval.low * 10_000.0).round() as i64, (interval.high * 10_000.0).round() as i64)
    }

    /// Table I of Newcombe's paper on one proportion, method 3.
    #[test]
    fn of_share_matches_the_published_table() {
        for (part, whole, low, high) in
            [(81, 263, 2_553, 3_662), (15, 148, 624, 1_605), (0, 20, 0, 1_611), (1, 29, 61, 1_718)]
        {
            assert_eq!(rounded(Interval::of_share(part, whole)), (low, high), "{part} of {whole}");
        }
        assert_eq!(Interval::of_share(0, 0), None);
    }

    /// Table II of Newcombe's paper on two proportions, method 10.
    #[test]
    fn of_difference_matches_the_published_table() {
        for (one, other, low, high) in [
            ((56, 70), (48, 80), 524, 3_339),
            ((9, 10), (3, 10), 1_705, 8_090),
            ((6, 7), (2, 7), 582, 8_062),
            ((5, 56), (0, 29), -381, 1_926),
            ((0, 10), (0, 20), -1_611, 2_775),
            ((0, 10), (0, 10), -2_775, 2_775),
            ((10, 10), (0, 20), 6_791, 10_000),
            ((10, 10), (0, 10), 6_075, 10_000),
        ] {
            assert_eq!(rounded(Interval::of_difference(one, other)), (low, high), "{one:?} {other:?}");
        }
        assert_eq!(Interval::of_difference((1, 2), (0, 0)), None);
    }
}
