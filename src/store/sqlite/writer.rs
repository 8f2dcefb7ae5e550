//! [`Writer`]: one thread, one transaction for all that waits, an answer to each caller after the commit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    Durability, Settings,
    connection::{self},
    database::Database,
    presence::Presence,
    sql::Sql,
};
use crate::{
    error::{Error, ErrorKind, Result},
    store::sqlite::log,
};

/// The caller's end.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Write(Box<dyn Write>),
    Close(oneshot::Sender<Result<()>>),
}

/// One caller's operation, in two steps: inside the transaction, and after it.
trait Write: Send {
    fn is_durable(&self) -> bool;
    fn is_alone(&self) -> bool;
    fn is_bare(&self) -> bool;
    fn run(&mut self, database: &Database) -> Result<()>;
    fn answer(self: Box<Self>, commit: &Result<(), Arc<Error>>);
}

struct Call<T, F> {
    durable: bool,
    company: TransactionMode,
    operation: Option<F>,
    result: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

/// With what an operation shares its transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TransactionMode {
    /// With whatever waits.
    Others,
    /// With nothing.
    None,
    /// There is no transaction.
    NoTransaction,
}

/// The writer's end.
struct Worker {
    database: Database,
    presence: Arc<Presence>,
    queue: mpsc::Receiver<Message>,
    durability: Durability,
    synchronous: Durability,
}

/// The most operations that share a transaction: a batch must not keep its first caller waiting
/// for long.
const BATCH: usize = 256;

impl Writer {
    pub(super) fn start(database: Database, settings: &Settings, presence: Arc<Presence>) -> Result<Self> {
        let (sender, queue) = mpsc::channel(settings.queue);
        let durability = settings.durability;
        let worker = Worker { database, presence, queue, durability, synchronous: durability };
        thread::Builder::new()
            .name("guestbook-sqlite".into())
            .spawn(|| worker.run())
            .map_err(|error| Error::new(ErrorKind::Internal, "no thread for writing").with_source(error))?;
        Ok(Self { queue: sender })
    }

    /// Queues `operation` and waits for the commit of its transaction. Once queued, it happens
    /// whether or not anybody waits. `durable`: the disk is waited for, if the store is set to do
    /// that.
    pub(super) async fn run<T, F>(&self, durable: bool, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T> + Send + 'static,
    {
        self.queue(durable, TransactionMode::Others, operation).await
    }

    /// As [`run`](Self::run), in a transaction of its own. For what changes many pages: a
    /// savepoint, which operations that share a transaction need, copies each of them first, and
    /// that takes half of the time.
    pub(super) async fn run_exclusive<T, F>(&self, durable: bool, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T> + Send + 'static,
    {
        self.queue(durable, TransactionMode::None, operation).await
    }

    /// Outside a transaction: for what SQLite does not do within one.
    pub(super) async fn run_without_transaction<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T> + Send + 'static,
    {
        self.queue(false, TransactionMode::NoTransaction, operation).await
    }

    async fn queue<T, F>(&self, durable: bool, company: TransactionMode, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let call = Call { durable, company, operation: Some(operation), result: None, caller };
        self.queue.send(Message::Write(Box::new(call))).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    pub(super) async fn close(&self) -> Result<()> {
        let (caller, answer) = oneshot::channel();
        match self.queue.send(Message::Close(caller)).await {
            Ok(()) => answer.await.map_err(|_| closed())?,
            Err(_) => Ok(()),
        }
    }
}

impl Worker {
    fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let (mut batch, mut close) = (Vec::new(), None);
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Write(write) => batch.push(write),
                    Message::Close(caller) => close = Some(caller),
                }
                next = if batch.len() < BATCH && close.is_none() { self.queue.try_recv().ok() } else { None };
            }
            let mut batch = batch.into_iter().peekable();
            while let Some(first) = batch.next() {
                let alone = first.is_alone();
                let mut group = vec![first];
                while let Some(next) = batch.next_if(|next| !alone && !next.is_alone()) {
                    group.push(next);
                }
                let commit = self.commit(&mut group).map_err(Arc::new);
                group.into_iter().for_each(|write| write.answer(&commit));
            }
            if let Some(caller) = close {
                let checkpoint = log::checkpoint(&self.database);
                drop(self);
                // The caller may have left.
                let _ = caller.send(checkpoint);
                return;
            }
        }
    }

    /// One transaction for all of `batch`. On an error none of it has happened.
    fn commit(&mut self, batch: &mut [Box<dyn Write>]) -> Result<()> {
        self.presence.check()?;
        if let [only] = batch
            && only.is_bare()
        {
            return only.run(&self.database);
        }
        let durable = batch.iter().any(|write| write.is_durable());
        let synchronous = if durable { self.durability } else { Durability::Normal };
        if synchronous != self.synchronous {
            connection::set_synchronous(&self.database, synchronous)?;
            self.synchronous = synchronous;
        }
        self.statement("BEGIN IMMEDIATE")?;
        let written = batch.iter_mut().try_for_each(|write| write.run(&self.database));
        let result = written.and_then(|()| self.statement("COMMIT"));
        if result.is_err() {
            self.database.delete_interned();
        }
        if result.is_err() && !self.database.is_autocommit() {
            self.statement("ROLLBACK")?;
        }
        result
    }

    fn statement(&self, sql: &str) -> Result<()> {
        self.database.prepare_cached(sql).and_then(|mut statement| statement.execute([])).sql()?;
        Ok(())
    }
}

impl<T, F> Write for Call<T, F>
where
    T: Send,
    F: FnOnce(&Database) -> Result<T> + Send,
{
    fn is_durable(&self) -> bool {
        self.durable
    }

    fn is_alone(&self) -> bool {
        self.company != TransactionMode::Others
    }

    fn is_bare(&self) -> bool {
        self.company == TransactionMode::NoTransaction
    }

    /// An operation that fails undoes itself; only what makes the transaction impossible is an
    /// error here.
    fn run(&mut self, database: &Database) -> Result<()> {
        let Some(operation) = self.operation.take() else { return Ok(()) };
        let run = AssertUnwindSafe(|| operation(database));
        let run = || {
            catch_unwind(run)
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "an operation of the store panicked")))
        };
        if self.is_alone() {
            // The transaction is its savepoint.
            let result = run();
            let verdict = result.as_ref().map(drop).map_err(|error| Error::new(error.kind(), "the operation failed"));
            self.result = Some(result);
            return verdict;
        }
        let statement = |sql: &str| database.prepare_cached(sql).and_then(|mut statement| statement.execute([])).sql();
        statement("SAVEPOINT operation")?;
        let result = run();
        match result {
            // SQLite gave up the whole transaction: the disk is full, say.
            Err(error) if database.is_autocommit() => return Err(error),
            Err(error) => {
                self.result = Some(Err(error));
                database.delete_interned();
                statement("ROLLBACK TO operation")?;
            }
            Ok(value) => self.result = Some(Ok(value)),
        }
        statement("RELEASE operation")?;
        Ok(())
    }

    fn answer(self: Box<Self>, commit: &Result<(), Arc<Error>>) {
        let result = match (commit, self.result) {
            (Ok(()), result) => result.unwrap_or_else(|| Err(closed())),
            (Err(_), Some(Err(error))) => Err(error),
            (Err(error), _) => Err(Error::new(error.kind(), "the transaction was undone").with_source(error.clone())),
        };
        // A caller that left does not care.
        let _ = self.caller.send(result);
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the SQLite store is closed")
}
