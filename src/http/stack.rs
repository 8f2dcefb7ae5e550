//! [`GuestbookLayer`]: all layers in the right order.

use tower_layer::Layer;

use super::{ActivityLayer, ActivityService, SessionLayer, SessionService};

/// The session layer and inside it the activity layer, as one. Made by [`Guestbook::layer`](crate::Guestbook::layer).
#[derive(Clone, Debug)]
pub struct GuestbookLayer {
    session: SessionLayer,
    activity: ActivityLayer,
}

impl GuestbookLayer {
    pub(crate) fn new(session: SessionLayer, activity: ActivityLayer) -> Self {
        Self { session, activity }
    }
}

impl<S> Layer<S> for GuestbookLayer {
    type Service = SessionService<ActivityService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.session.layer(self.activity.layer(inner))
    }
}
