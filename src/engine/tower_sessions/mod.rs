//! [`TowerSessionsStore`]: the sessions of a guestbook as a store of tower-sessions.

mod import;
mod record;
mod user;
mod versions;

use std::{fmt, sync::Arc, time::Duration};

pub use self::{
    import::{ImportProgress, ImportReport},
    record::{ImportRecord, RecordData},
    user::{AXUM_LOGIN_KEY, axum_login_user},
};
use crate::{
    engine::sessions::{Finding, Sessions, Usage},
    error::{Error, ErrorKind, Result},
    id::{SessionId, SessionKey, SessionToken, UserId, fill_random},
    model::session::{Changes, Lifetime, SessionHead, SessionRecord},
    store::{EpochRule, Loaded, Rotation, cache::Cache},
    time::Timestamp,
};

/// A store for `SessionManagerLayer` of tower-sessions that keeps its records as sessions of a
/// guestbook.
///
/// It implements `SessionStore` and `ExpiredDeletion` of tower-sessions-core 0.15 (feature
/// `tower-sessions`) and of 0.14 (feature `tower-sessions-0-14`, for axum-login 0.18). A clone is
/// another handle to the same store. The rules are on the [module
/// page](crate::session::tower_sessions).
///
/// ```
/// # #[cfg(feature = "tower-sessions")] {
/// use tower_guestbook::{Guestbook, UserId, session::tower_sessions::TowerSessionsStore, store::MemoryStore};
/// use tower_sessions::{SessionManagerLayer, SessionStore, session::Record};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
/// let store = TowerSessionsStore::new(guestbook.sessions())
///     .user_from(|data| Some(UserId::from(data.get("account")?.as_u64()?)));
/// let layer = SessionManagerLayer::new(store.clone());
///
/// let data = [("account".to_owned(), 7.into())].into();
/// let expiry_date = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
/// let mut record = Record { id: Default::default(), data, expiry_date };
/// store.create(&mut record).await?;
/// assert_eq!(guestbook.sessions().revoke_user(&UserId::from(7)).await?, 1);
/// assert_eq!(store.load(&record.id).await?, None);
/// # drop(layer); Ok(()) }
/// # }
/// ```
#[derive(Clone)]
pub struct TowerSessionsStore {
    sessions: Sessions,
    user_from: UserFrom,
    limit: Option<Lifetime>,
    /// Sessions of users that a request of this process has read. A save of one that is gone by
    /// then must not bring it back, however long ago it ended.
    served: Arc<Cache<SessionKey, ()>>,
}

type UserFrom = Arc<dyn Fn(&RecordData) -> Option<UserId> + Send + Sync>;

/// How often a step is tried again because a parallel request was faster.
const ATTEMPTS: usize = 8;

/// The number of sessions of users that are known to have been read, and for how long.
const SERVED_KEYS: usize = 16_384;
const SERVED_MEMORY: Duration = Duration::from_secs(60 * 60);

impl TowerSessionsStore {
    /// Returns a store of the sessions of a guestbook: of its realm, in its store. The user of a
    /// record is that of axum-login, as [`axum_login_user`] reads it.
    pub fn new(sessions: &Sessions) -> Self {
        Self {
            sessions: sessions.clone(),
            user_from: Arc::new(axum_login_user),
            limit: None,
            served: Arc::new(Cache::new(SERVED_KEYS, usize::MAX, SERVED_MEMORY)),
        }
    }

    /// Sets how the user of a record is found in its data. `None` is an anonymous session.
    ///
    /// The function is called for each record that is stored. Sessions that are stored already
    /// keep their user until they are saved again.
    #[must_use]
    pub fn user_from(mut self, user: impl Fn(&RecordData) -> Option<UserId> + Send + Sync + 'static) -> Self {
        self.user_from = Arc::new(user);
        self
    }

    /// Ends sessions at the limits of `lifetime`, too. Default: only at the expiry date of the
    /// record.
    ///
    /// The absolute limit counts from when the record was created, which a login does anew. The
    /// idle limit counts from the last request, which is noted as in a session of the guestbook
    /// ([`Lifetime::touch_interval`]).
    #[must_use]
    pub fn limit_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.limit = Some(lifetime);
        self
    }

    /// Returns the public id of the live session with the given id of tower-sessions: the one by
    /// which [`Sessions::list`] names it and [`Sessions::revoke`] ends it.
    ///
    /// ```
    /// # #[cfg(feature = "tower-sessions")] {
    /// # use tower_guestbook::{Guestbook, session::tower_sessions::TowerSessionsStore, store::MemoryStore};
    /// # use tower_sessions::{SessionStore, session::Record};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let store = TowerSessionsStore::new(guestbook.sessions());
    /// # let data = [("axum-login.data".to_owned(), serde_json::json!({ "user_id": 7 }))].into();
    /// # let expiry_date = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    /// # let mut record = Record { id: Default::default(), data, expiry_date };
    /// # store.create(&mut record).await?;
    /// # let id = record.id;
    /// let current = store.session_id(id.0).await?; // in a handler: session.id().map(|id| id.0)
    /// let list = guestbook.sessions().list(&7.into()).await?;
    /// assert_eq!(list.iter().filter(|session| Some(session.id) == current).count(), 1);
    /// # Ok(()) }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn session_id(&self, id: i128) -> Result<Option<SessionId>> {
        match self.find(&key(id)).await? {
            State::Live(record) => Ok(Some(record.head.id)),
            _ => Ok(None),
        }
    }

    /// Stores a new record. It gets another id if a session has, or had a moment ago, the one that
    /// it comes with.
    async fn create_record(&self, record: &mut ImportRecord) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let key = key(record.id);
            // An id that has ended may be known to others, such as a request that is under way.
            if matches!(self.sessions.reload(&key).await?, Loaded::Unknown) {
                match self.insert(key, record).await {
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    result => return result,
                }
            }
            record.id = new_id()?;
        }
        Err(overtaken())
    }

    async fn load_record(&self, id: i128) -> Result<Option<ImportRecord>> {
        let key = key(id);
        let State::Live(record) = self.find(&key).await? else { return Ok(None) };
        if record.head.user.is_some() {
            self.served.put(key, (), self.sessions.now(), self.served.ticket(&key));
        }
        ImportRecord::from_session(id, &record).map(Some)
    }

    /// Stores a record in place of what is stored under its id.
    async fn save_record(&self, record: &ImportRecord) -> Result<()> {
        let key = key(record.id);
        for _ in 0..ATTEMPTS {
            match self.find(&key).await? {
                State::Live(current) => {
                    if self.replace(key, &current, record).await? {
                        return Ok(());
                    }
                }
                State::Ended => return dropped(),
                State::Unknown if self.served.get(&key, self.sessions.now()).is_some() => return dropped(),
                state @ (State::Expired | State::Unknown) => {
                    if matches!(state, State::Expired) {
                        self.end(key).await?;
                    }
                    match self.insert(key, record).await {
                        Err(error) if error.kind() == ErrorKind::Conflict => {}
                        result => return result,
                    }
                }
                State::OtherRealm => {
                    return Err(Error::new(ErrorKind::Conflict, "the id is that of a session of another realm"));
                }
            }
        }
        Err(overtaken())
    }

    async fn delete_record(&self, id: i128) -> Result<()> {
        self.end(key(id)).await
    }

    async fn delete_expired_records(&self) -> Result<()> {
        self.sessions.delete_expired().await.map(drop)
    }

    /// Ends whatever is stored under `key`. A parallel request may have bound it to a user
    /// meanwhile, which is another session.
    async fn end(&self, key: SessionKey) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Loaded::Found(record) = self.sessions.reload(&key).await? else { return Ok(()) };
            if self.sessions.delete(key, record.head.id).await? {
                return Ok(());
            }
        }
        Err(overtaken())
    }

    async fn find(&self, key: &SessionKey) -> Result<State> {
        if let Some(record) = self.sessions.cached(key, Usage::Counts, self.sessions.now()) {
            return Ok(State::Live(record));
        }
        Ok(match self.sessions.find(key, Usage::Counts, None).await?.finding {
            Finding::Live(record) => State::Live(record),
            Finding::Expired => State::Expired,
            Finding::Ended { .. } => State::Ended,
            Finding::OtherRealm => State::OtherRealm,
            Finding::Unknown => State::Unknown,
        })
    }

    async fn insert(&self, key: SessionKey, record: &ImportRecord) -> Result<()> {
        let (changes, user) = self.read(record)?;
        let data = changes.resolve(&self.sessions.settings().limits)?;
        let head = self.head(user, record.expiry)?;
        self.sessions.insert(key, SessionRecord { head, data }, EpochRule::Stamp, None).await.map(drop)
    }

    /// Replaces the data of the session, its expiry, and its user if the record has another one:
    /// that is a new session under the same key. `false` if the session was changed meanwhile.
    async fn replace(&self, key: SessionKey, current: &SessionRecord, record: &ImportRecord) -> Result<bool> {
        let (mut changes, user) = self.read(record)?;
        changes.replace_all();
        let (head, epoch) = if current.head.user == user {
            let mut head = current.head.clone();
            head.last_seen = self.sessions.now();
            head.lifetime = self.lifetime(head.created_at, record.expiry);
            (head, EpochRule::Keep)
        } else {
            (self.head(user, record.expiry)?, EpochRule::Stamp)
        };
        let rotation = Rotation { id: current.head.id, key, new_key: key, head, changes, epoch };
        Ok(self.sessions.rotate(rotation).await?.is_some())
    }

    fn read(&self, record: &ImportRecord) -> Result<(Changes, Option<UserId>)> {
        Ok((record.changes()?, (self.user_from)(&record.data)))
    }

    /// The head of a session that begins now. When the user proved who they are is not known.
    fn head(&self, user: Option<UserId>, expiry: Timestamp) -> Result<SessionHead> {
        let now = self.sessions.now();
        let mut head = SessionHead::new(SessionId::generate(now)?, now, self.lifetime(now, expiry));
        head.realm = self.sessions.realm();
        head.user = user;
        Ok(head)
    }

    fn lifetime(&self, created_at: Timestamp, expiry: Timestamp) -> Lifetime {
        let whole = expiry.since(created_at);
        match self.limit {
            Some(limit) => Lifetime::new(limit.idle.min(whole), limit.absolute.min(whole)),
            None => Lifetime::new(whole, whole),
        }
    }
}

/// What is stored under a key.
enum State {
    Live(Arc<SessionRecord>),
    Expired,
    Ended,
    OtherRealm,
    Unknown,
}

/// The key of an id, and so the one way from their sessions to ours.
fn key(id: i128) -> SessionKey {
    SessionToken::from_tower_sessions_id(id.to_le_bytes()).key()
}

fn new_id() -> Result<i128> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    Ok(i128::from_le_bytes(bytes))
}

/// The write of a request whose session has ended meanwhile.
fn dropped() -> Result<()> {
    tracing::info!("a session ended while a request used it: what the request wrote is not stored");
    Ok(())
}

fn overtaken() -> Error {
    Error::new(ErrorKind::Conflict, "parallel requests changed the session again and again")
}

impl fmt::Debug for TowerSessionsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerSessionsStore")
            .field("sessions", &self.sessions)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
