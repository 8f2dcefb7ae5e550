//! The import of records from another store of tower-sessions.

use tokio::task::JoinSet;

use super::{ImportRecord, TowerSessionsStore, key};
use crate::{
    error::{Error, ErrorKind, Result},
    store::Loaded,
};

/// How far an [import](TowerSessionsStore::import) is. The numbers never go down, and all but the
/// first add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportProgress {
    /// The number of records that were read.
    pub read: u64,
    /// The number of records that are sessions now.
    pub imported: u64,
    /// The number of records whose session is there already, from an import before, or has ended a
    /// moment ago.
    pub present: u64,
    /// The number of records that had expired.
    pub expired: u64,
    /// The number of records that cannot be stored.
    pub refused: u64,
}

/// The result of an [import](TowerSessionsStore::import).
#[derive(Debug)]
#[non_exhaustive]
pub struct ImportReport {
    /// The numbers at the end.
    pub progress: ImportProgress,
    /// The first 100 records that were refused, and why: their places in the iterator, counted
    /// from 0.
    pub refusals: Vec<(u64, Error)>,
}

/// The most refusals that a report lists.
const LISTED: usize = 100;

/// The number of records that are stored at a time, and share a transaction if the store can do
/// that.
const BATCH: usize = 256;

enum Outcome {
    Imported,
    Present,
    Expired,
}

impl TowerSessionsStore {
    /// Makes sessions of records of another store, so that both this store and the guestbook's own
    /// session layer find them.
    ///
    /// Records are stored in batches; `progress` is called after each. A session that is there
    /// already is left as it is, so an import that was interrupted is simply done again. A record
    /// that cannot be stored is counted and listed: one that is larger than the
    /// [limits](crate::session::SessionLimits), has a key that begins with `guestbook.`, or belongs
    /// to a user who is erased.
    ///
    /// Import before the application writes to this store: a session that is imported, logged out,
    /// and imported again more than a minute later is live again. The bounds on sessions of one
    /// user and on anonymous sessions hold for imported ones, too.
    ///
    /// ```
    /// use tower_guestbook::{
    ///     Guestbook, Timestamp,
    ///     session::tower_sessions::{AXUM_LOGIN_KEY, ImportRecord, TowerSessionsStore},
    ///     store::MemoryStore,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> tower_guestbook::Result<()> {
    /// let guestbook = Guestbook::builder(MemoryStore::new()).build()?;
    /// let store = TowerSessionsStore::new(guestbook.sessions());
    /// let tomorrow = Timestamp::from_millis(Timestamp::now().as_millis() + 86_400_000);
    /// let records = (0..3).map(|id| {
    ///     let login = serde_json::json!({ "user_id": 7, "auth_hash": null });
    ///     ImportRecord::new(id, [(AXUM_LOGIN_KEY.to_owned(), login)].into(), tomorrow)
    /// });
    /// let report = store.import(records, |progress| println!("{} records", progress.read)).await?;
    /// assert_eq!((report.progress.read, report.progress.imported), (3, 3));
    /// assert_eq!(guestbook.sessions().list(&7.into()).await?.len(), 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The first error of the store, such as [`Unavailable`](ErrorKind::Unavailable). What was
    /// imported before stays.
    pub async fn import<R: Into<ImportRecord>>(
        &self,
        records: impl IntoIterator<Item = R>,
        mut progress: impl FnMut(&ImportProgress),
    ) -> Result<ImportReport> {
        let mut records = records.into_iter();
        let mut report = ImportReport { progress: ImportProgress::default(), refusals: Vec::new() };
        loop {
            let mut batch = JoinSet::new();
            for record in records.by_ref().take(BATCH) {
                let (store, record, place) = (self.clone(), record.into(), report.progress.read);
                report.progress.read += 1;
                batch.spawn(async move { (place, store.import_one(&record).await) });
            }
            if batch.is_empty() {
                report.refusals.sort_unstable_by_key(|(place, _)| *place);
                return Ok(report);
            }
            while let Some(done) = batch.join_next().await {
                let panicked = |panic| {
                    Error::new(ErrorKind::Internal, "the function that finds users panicked").with_source(panic)
                };
                let (place, outcome) = done.map_err(panicked)?;
                report.note(place, outcome)?;
            }
            progress(&report.progress);
        }
    }

    async fn import_one(&self, record: &ImportRecord) -> Result<Outcome> {
        if record.expiry <= self.sessions.now() {
            return Ok(Outcome::Expired);
        }
        let key = key(record.id);
        if !matches!(self.sessions.reload(&key).await?, Loaded::Unknown) {
            return Ok(Outcome::Present);
        }
        match self.insert(key, record).await {
            Ok(()) => Ok(Outcome::Imported),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Outcome::Present),
            Err(error) => Err(error),
        }
    }
}

impl ImportReport {
    fn note(&mut self, place: u64, outcome: Result<Outcome>) -> Result<()> {
        let counter = match outcome {
            Ok(Outcome::Imported) => &mut self.progress.imported,
            Ok(Outcome::Present) => &mut self.progress.present,
            Ok(Outcome::Expired) => &mut self.progress.expired,
            Err(error) if is_refusal(&error) => {
                if self.refusals.len() < LISTED {
                    self.refusals.push((place, error));
                }
                &mut self.progress.refused
            }
            Err(error) => return Err(error),
        };
        *counter += 1;
        Ok(())
    }
}

/// Whether the record is at fault, not the store.
fn is_refusal(error: &Error) -> bool {
    use ErrorKind::{InvalidInput, SessionLimit, TooLarge, UserErased};
    matches!(error.kind(), InvalidInput | SessionLimit | TooLarge | UserErased)
}
