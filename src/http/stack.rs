//! [`GuestbookLayer`]: all layers in the right order.

use tower_layer::{Layer, Stack};

use super::{ActivityLayer, ActivityService, ConsentLayer, ConsentService, SessionLayer, SessionService};

/// The session layer, inside it the consent layer, and inside that the activity layer, as one. Made
/// by [`Guestbook::layer`](crate::Guestbook::layer).
#[derive(Clone, Debug)]
pub struct GuestbookLayer {
    layers: Stack<ActivityLayer, Stack<ConsentLayer, SessionLayer>>,
}

impl GuestbookLayer {
    pub(crate) fn new(session: SessionLayer, consent: ConsentLayer, activity: ActivityLayer) -> Self {
        Self { layers: Stack::new(activity, Stack::new(consent, session)) }
    }
}

impl<S> Layer<S> for GuestbookLayer {
    type Service = SessionService<ConsentService<ActivityService<S>>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layers.layer(inner)
    }
}
