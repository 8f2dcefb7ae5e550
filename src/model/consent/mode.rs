//! [`Mode`] and [`Regime`]: the rule that applies until the person decides.

use serde::{Deserialize, Serialize};

/// The rule that applies to a purpose until the person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Always allowed. The person cannot decide about it.
    Necessary,
    /// Allowed until the person objects. For processing that a law exempts from consent, such as
    /// simple audience measurement.
    ExemptWithObjection,
    /// Not allowed until the person agrees.
    OptIn,
    /// Allowed until the person declines.
    OptOut,
    /// Allowed, and the person is informed.
    NoticeOnly,
}

/// The kind of consent law that applies to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Regime {
    /// Prior consent, as in the EU. Each purpose follows its [mode](super::Purpose::mode). The
    /// default, and the regime of requests whose place is unknown.
    #[default]
    Strictest,
    /// Opt-out, as in California. A purpose follows its
    /// [mode for this regime](super::Purpose::mode_in_opt_out_regime), if it has one.
    #[serde(rename = "declining_is_enough")]
    OptOut,
}
