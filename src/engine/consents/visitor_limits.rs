//! [`VisitorLimits`]: how many decisions of visitors are recorded.

use std::{sync::Arc, time::Duration};

use crate::{
    engine::rate::{Allowances, RateLimit},
    error::{Error, ErrorKind, Result},
    id::VisitorId,
    model::client::TruncatedAddress,
    time::Timestamp,
};

/// The recent decisions of visitors and of their networks. A clone is another handle.
#[derive(Clone, Debug)]
pub(super) struct VisitorLimits {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    visitors: Allowances,
    networks: Allowances,
}

/// The number of visitors and the number of networks to remember. Each takes about 100 bytes.
const REMEMBERED: usize = 65_536;

/// A reservation of one decision. Dropping it returns the reservation unless it was
/// [committed](Self::commit).
pub(crate) struct DecisionPermit {
    limits: VisitorLimits,
    visitor: Option<VisitorId>,
    network: Option<TruncatedAddress>,
}

impl VisitorLimits {
    pub(super) fn new(per_visitor: RateLimit, per_network: RateLimit) -> Self {
        let visitors = Allowances::new(per_visitor, REMEMBERED);
        let networks = Allowances::new(per_network, REMEMBERED);
        Self { inner: Arc::new(Inner { visitors, networks }) }
    }

    /// Reserves one decision for the network and, if it is known, for the visitor.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] if a limit is exhausted.
    pub(super) fn reserve(
        &self,
        visitor: Option<VisitorId>,
        network: Option<TruncatedAddress>,
        now: Timestamp,
    ) -> Result<Option<DecisionPermit>> {
        let mut permit = DecisionPermit { limits: self.clone(), visitor: None, network: None };
        if let Some(network) = network {
            self.inner.networks.take(&network, now).map_err(|wait| too_many("the network of the visitor", wait))?;
            permit.network = Some(network);
        }
        if let Some(visitor) = visitor {
            self.inner.visitors.take(&visitor, now).map_err(|wait| too_many("the visitor", wait))?;
            permit.visitor = Some(visitor);
        }
        Ok(Some(permit))
    }
}

impl DecisionPermit {
    /// Keeps the reservation, because a record was added.
    pub(crate) fn commit(mut self) {
        (self.visitor, self.network) = (None, None);
    }
}

impl Drop for DecisionPermit {
    fn drop(&mut self) {
        let limits = &self.limits.inner;
        if let Some(visitor) = &self.visitor {
            limits.visitors.give_back(visitor);
        }
        if let Some(network) = &self.network {
            limits.networks.give_back(network);
        }
    }
}

fn too_many(who: &str, wait: Duration) -> Error {
    let seconds = wait.as_millis().div_ceil(1_000);
    Error::new(ErrorKind::RateLimited, format!("{who} has made too many decisions: try again in {seconds} seconds"))
        .with_retry_after(wait)
}
