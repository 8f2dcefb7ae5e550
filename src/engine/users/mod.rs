//! [`Users`]: the application's users, loaded and cached.

mod loader;

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    hash::BuildHasher,
    sync::Arc,
    time::Duration,
};

pub use self::loader::{Permission, UserLoader};
use crate::{
    engine::runtime::Runtime,
    error::{Error, ErrorKind, Result},
    id::UserId,
    model::session::CredentialStamp,
    store::{
        cache::{Cache, CacheKey, CacheValue},
        dyn_store::BoxFuture,
    },
};

/// The application's users. A clone is another handle.
#[derive(Clone)]
pub(crate) struct Users {
    inner: Arc<Inner>,
}

struct Inner {
    loader: Box<dyn DynUserLoader>,
    cache: Option<Cache<UserId, LoadedUser>>,
    runtime: Runtime,
}

/// A user as the loader returned it.
#[derive(Clone)]
pub(crate) struct LoadedUser {
    user: Arc<dyn Any + Send + Sync>,
    stamp: Option<CredentialStamp>,
}

/// A [`UserLoader`] of any type of user.
pub(crate) trait DynUserLoader: Send + Sync {
    fn load<'a>(&'a self, id: &'a UserId) -> BoxFuture<'a, Result<Option<LoadedUser>>>;

    fn has_role(&self, user: &LoadedUser, role: &str) -> bool;

    /// The type of the users, and its name.
    fn user_type(&self) -> (TypeId, &'static str);
}

impl<L: UserLoader> DynUserLoader for L {
    fn load<'a>(&'a self, id: &'a UserId) -> BoxFuture<'a, Result<Option<LoadedUser>>> {
        Box::pin(async move {
            let user = UserLoader::load(self, id).await.map_err(|error| {
                Error::new(ErrorKind::Unavailable, "the user could not be loaded").with_source(error)
            })?;
            Ok(user.map(|user| LoadedUser { stamp: self.stamp(&user), user: Arc::new(user) }))
        })
    }

    fn has_role(&self, user: &LoadedUser, role: &str) -> bool {
        user.user.downcast_ref().is_some_and(|user| UserLoader::has_role(self, user, role))
    }

    fn user_type(&self) -> (TypeId, &'static str) {
        (TypeId::of::<L::User>(), type_name::<L::User>())
    }
}

impl LoadedUser {
    /// Returns the user as the application's type; `None` if it is another one.
    pub(crate) fn downcast<U: Send + Sync + 'static>(&self) -> Option<Arc<U>> {
        self.user.clone().downcast().ok()
    }

    pub(crate) fn downcast_ref<U: 'static>(&self) -> Option<&U> {
        self.user.downcast_ref()
    }

    /// Whether a session with this stamp belongs to the current credentials. A session without one
    /// is bound to none.
    fn agrees_with(&self, stamp: Option<CredentialStamp>) -> bool {
        match (stamp, self.stamp) {
            (Some(of_session), Some(current)) => of_session == current,
            _ => true,
        }
    }
}

impl Users {
    /// `max_age`: how long a loaded user is used again; zero for not at all.
    pub(crate) fn new(loader: Box<dyn DynUserLoader>, max_age: Duration, runtime: Runtime) -> Self {
        let cache = (!max_age.is_zero()).then(|| Cache::new(MAX_CACHED, usize::MAX, max_age));
        Self { inner: Arc::new(Inner { loader, cache, runtime }) }
    }

    /// Returns the user of a session with this stamp; `None` if the user must not use the service,
    /// or the credentials have changed since the session began.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] and [`ErrorKind::Timeout`].
    pub(crate) async fn find(&self, id: &UserId, stamp: Option<CredentialStamp>) -> Result<Option<LoadedUser>> {
        let cached = self.inner.cache.as_ref().and_then(|cache| cache.get(id, self.inner.runtime.clock.now()));
        // A cached user may be from before the change that the session is from after.
        if let Some(user) = cached.filter(|user| user.agrees_with(stamp)) {
            return Ok(Some(user));
        }
        Ok(self.load(id).await?.filter(|user| user.agrees_with(stamp)))
    }

    /// Returns the user as the application knows it now; `None` if it must not use the service.
    ///
    /// # Errors
    ///
    /// As for [`find`](Self::find).
    pub(crate) async fn load(&self, id: &UserId) -> Result<Option<LoadedUser>> {
        let Inner { loader, cache, runtime } = &*self.inner;
        let ticket = cache.as_ref().map(|cache| cache.ticket(id));
        let now = runtime.clock.now();
        let loaded = tokio::time::timeout(runtime.tasks.timeout(), loader.load(id)).await.map_err(|elapsed| {
            Error::new(ErrorKind::Timeout, "the user loader did not answer in time").with_source(elapsed)
        })??;
        if let Some((cache, ticket)) = cache.as_ref().zip(ticket) {
            match &loaded {
                Some(user) => cache.put(id.clone(), user.clone(), now, ticket),
                None => cache.remove(id),
            }
        }
        Ok(loaded)
    }

    /// Returns the stamp of the user's credentials as they are now; `None` if the loader makes none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the loader does not know the user, and as for
    /// [`find`](Self::find).
    pub(crate) async fn current_stamp(&self, id: &UserId) -> Result<Option<CredentialStamp>> {
        let unknown = || Error::new(ErrorKind::InvalidInput, "the user loader does not know this user");
        Ok(self.load(id).await?.ok_or_else(unknown)?.stamp)
    }

    pub(crate) fn has_role(&self, user: &LoadedUser, role: &str) -> bool {
        self.inner.loader.has_role(user, role)
    }

    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the users are not of type `U`.
    pub(crate) fn check_type<U: 'static>(&self) -> Result<()> {
        let (id, name) = self.inner.loader.user_type();
        if id == TypeId::of::<U>() {
            return Ok(());
        }
        let wanted = type_name::<U>();
        let text = format!("the user loader returns users of type {name}, and {wanted} is asked for");
        Err(Error::new(ErrorKind::Configuration, text))
    }
}

impl CacheKey for UserId {
    type Hasher = foldhash::fast::RandomState;

    fn number(&self, hasher: &Self::Hasher) -> usize {
        (hasher.hash_one(self) >> 32) as usize
    }
}

impl CacheValue for LoadedUser {
    fn weight(&self) -> usize {
        0
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("user_type", &self.inner.loader.user_type().1).finish_non_exhaustive()
    }
}

/// The most users in the cache.
const MAX_CACHED: usize = 10_000;
