//! [`Writer`]: one thread that groups queued operations into transactions.

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

/// The caller's side.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Write(Box<dyn Write>),
    Close(oneshot::Sender<Result<()>>),
}

/// The operation of one caller, in two steps: inside the transaction, and after it.
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

/// How an operation uses transactions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TransactionMode {
    /// It shares a transaction with other queued operations.
    Others,
    /// It has a transaction of its own.
    None,
    /// It runs without a transaction.
    NoTransaction,
}

/// The writer's side.
struct Worker {
    database: Database,
    presence: Arc<Presence>,
    queue: mpsc::Receiver<Message>,
    durability: Durability,
    synchronous: Durability,
}

/// Maximum number of operations in one transaction, so that the first caller does not wait long.
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

    /// Queues `operation` and waits for the commit of its transaction. Once queued, it runs even if
    /// the caller leaves. With `durable` it waits for the disk, if the store is configured so.
    pub(super) async fn run<T, F>(&self, durable: bool, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T> + Send + 'static,
    {
        self.queue(durable, TransactionMode::Others, operation).await
    }

    /// Like [`run`](Self::run), in a transaction of its own. For operations that change many pages:
    /// the savepoint of a shared transaction copies each page first, which takes half of the time.
    pub(super) async fn run_exclusive<T, F>(&self, durable: bool, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T> + Send + 'static,
    {
        self.queue(durable, TransactionMode::None, operation).await
    }

    /// Runs outside a transaction: for operations that SQLite does not allow within one.
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

    /// Runs all of `batch` in one transaction. On an error nothing has happened.
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

    /// Runs the operation. A failed operation is rolled back; an error is returned only if the
    /// whole transaction fails.
    fn run(&mut self, database: &Database) -> Result<()> {
        let Some(operation) = self.operation.take() else { return Ok(()) };
        let run = AssertUnwindSafe(|| operation(database));
        let run = || {
            catch_unwind(run)
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "an operation of the store panicked")))
        };
        if self.is_alone() {
            // The transaction is its own savepoint.
            let result = run();
            let verdict = result.as_ref().map(drop).map_err(|error| Error::new(error.kind(), "the operation failed"));
            self.result = Some(result);
            return verdict;
        }
        let statement = |sql: &str| database.prepare_cached(sql).and_then(|mut statement| statement.execute([])).sql();
        statement("SAVEPOINT operation")?;
        let result = run();
        match result {
            // SQLite rolled back the whole transaction, for example because the disk is full.
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
