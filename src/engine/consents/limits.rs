//! [`VisitorLimits`]: how many decisions visitors may record.

use std::time::Duration;

use super::Consents;
use crate::{
    engine::rate::Allowances,
    error::{Error, ErrorKind, Result},
    id::VisitorId,
    model::{
        client::TruncatedAddress,
        consent::{Choice, Choices, ConsentStates, Decision},
    },
};

/// What visitors and their networks have used up lately.
#[derive(Debug)]
pub(super) struct VisitorLimits {
    pub(super) visitors: Allowances,
    pub(super) networks: Allowances,
}

/// How many visitors and how many networks are remembered. Each takes some 100 bytes.
pub(super) const REMEMBERED: usize = 65_536;

/// What a decision has taken from the limits; given back unless it is [committed](Self::commit).
pub(crate) struct DecisionPermit {
    consents: Consents,
    visitor: Option<VisitorId>,
    network: Option<TruncatedAddress>,
}

impl Consents {
    /// Takes one decision of a visitor from the limits; of `None`, who has decided nothing yet, from that of the network.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] if there is nothing left.
    pub(crate) fn reserve_decision(
        &self,
        visitor: Option<VisitorId>,
        network: Option<TruncatedAddress>,
        choices: &Choices,
        consent_states: &ConsentStates,
    ) -> Result<Option<DecisionPermit>> {
        // Taking a grant back is as easy as giving it (GDPR, Article 7(3)), and needs a grant that was counted.
        let is_no = |choice: &Choice| *choice != Choice::Decision(Decision::Granted);
        let is_granted =
            |id| consent_states.get(id).is_some_and(|consent_state| consent_state.decision == Decision::Granted);
        if choices.made.iter().all(|(_, choice)| is_no(choice)) && choices.made.iter().any(|(id, _)| is_granted(id)) {
            return Ok(None);
        }
        let (limits, now) = (&self.inner.limits, self.now());
        let mut taken = DecisionPermit { consents: self.clone(), visitor: None, network: None };
        if let Some(network) = network {
            limits.networks.take(&network, now).map_err(|wait| too_many("the network of the visitor", wait))?;
            taken.network = Some(network);
        }
        if let Some(visitor) = visitor {
            limits.visitors.take(&visitor, now).map_err(|wait| too_many("the visitor", wait))?;
            taken.visitor = Some(visitor);
        }
        Ok(Some(taken))
    }
}

impl DecisionPermit {
    /// A record was added.
    pub(crate) fn commit(mut self) {
        (self.visitor, self.network) = (None, None);
    }
}

impl Drop for DecisionPermit {
    fn drop(&mut self) {
        let limits = &self.consents.inner.limits;
        if let Some(visitor) = &self.visitor {
            limits.visitors.give_back(visitor);
        }
        if let Some(network) = &self.network {
            limits.networks.give_back(network);
        }
    }
}

fn too_many(whose: &str, wait: Duration) -> Error {
    let seconds = wait.as_millis().div_ceil(1_000);
    Error::new(ErrorKind::RateLimited, format!("{whose} has decided too often: try again in {seconds} seconds"))
        .with_retry_after(wait)
}
