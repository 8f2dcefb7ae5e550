//! The variant of an experiment, stable across a login.

use crate::{
    error::Result,
    id::SessionId,
    model::{analytics::Experiment, consent::Subject},
    request::{Session, session::RESERVED},
};

impl Session {
    /// Returns the variant of an experiment for the user of this session: the same before and after
    /// a login.
    ///
    /// At the first call without a login, a random key is put into the session's data, and the
    /// variant is [that of the key](Experiment::variant_of_key). A login keeps the data. A user
    /// whose session has no such key gets [their own variant](Experiment::variant_of), on each of
    /// their devices. A user who meets the experiment before the login on one device and after it
    /// on another may see two variants, and is counted as
    /// [mixed](crate::analytics::ExperimentReport::mixed).
    ///
    /// The key creates a session, with its cookie, if there is none: call this only if consent
    /// allows it. Nothing is recorded: record the exposure where the user sees the variant.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_guestbook::{
    ///     Guestbook, Result, Session,
    ///     activity::EventType,
    ///     analytics::{Experiment, FunnelStep},
    ///     store::MemoryStore,
    /// };
    ///
    /// async fn page(session: Session) -> Result<String> {
    ///     let goal = FunnelStep::new(EventType::PURCHASE);
    ///     let experiment = Experiment::new("checkout", goal).variant("old", 50).variant("new", 50);
    ///     let before = session.variant_of(&experiment)?;
    ///     session.login("ada").await?;
    ///     assert_eq!(session.variant_of(&experiment)?, before);
    ///     Ok(before.to_owned())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let app: Router = Router::new().route("/", get(page)).layer(guestbook.layer());
    /// # use tower::ServiceExt;
    /// let response = app.oneshot(http::Request::get("/").body(axum::body::Body::empty()).unwrap()).await.unwrap();
    /// assert_eq!(response.status(), 200);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Experiment::variant_of`] and [`insert`](Self::insert).
    pub fn variant_of<'a>(&self, experiment: &'a Experiment) -> Result<&'a str> {
        let key = format!("{RESERVED}experiments");
        if let Some(known) = self.get::<String>(&key)? {
            return experiment.variant_of_key(&known);
        }
        if let (Some(user), _) = self.context.who() {
            return experiment.variant_of(&Subject::User(user));
        }
        let random = SessionId::generate(self.request_time())?.to_string();
        let variant = experiment.variant_of_key(&random)?;
        self.change(|changes| changes.set(&key, &random))?;
        Ok(variant)
    }
}
