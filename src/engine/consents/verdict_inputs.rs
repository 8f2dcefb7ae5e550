//! [`VerdictInputs`]: the facts of a request that a verdict depends on.

use crate::{
    model::consent::{Regime, Signals},
    time::Timestamp,
};

/// The facts of a request that a verdict depends on, apart from the decisions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VerdictInputs {
    pub(crate) signals: Signals,
    pub(crate) regime: Regime,
    /// When the request arrived. All verdicts of a request are as of this time.
    pub(crate) at: Timestamp,
}
