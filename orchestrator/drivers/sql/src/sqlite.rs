//! What is SQLite's own: its URL, files and locks, its settings, its migrations and its result codes.

mod migrate;

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use sagabus_ports::{Error, Kind, Result, Retry};
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::Access;

/// How long a statement waits for another process that is writing: longer than any batch takes, shorter than people's
/// patience.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections for reading. Each is a thread; readers never wait for the writer, so a few are enough.
const READERS: u32 = 4;

/// The write-ahead log is cut back to this size after a checkpoint, in bytes: a reader that was slow once must not cost
/// its disk space for ever.
const LOG_SIZE_LIMIT: &str = "67108864";

/// An open database: one connection that writes, a few that read, and the lock of its owner.
pub(crate) struct Database {
    /// Absent if it was opened for reading.
    writer: Option<SqlitePool>,
    readers: SqlitePool,
    in_memory: bool,
    /// Held, never read: the lock goes when the file is closed, by a crash too.
    _ownership: Option<File>,
}

impl Database {
    pub(crate) async fn open(url: &str, access: Access) -> Result<Self> {
        match Location::parse(url)? {
            Location::Memory => Self::open_memory(access).await,
            Location::File(path) => Self::open_file(&path, access).await,
        }
    }

    async fn open_memory(access: Access) -> Result<Self> {
        if access != Access::Own {
            return Err(Error::new(
                Kind::Invalid,
                Retry::Never,
                "open `sqlite::memory:` beside its owner: a store in memory belongs to one process; name a file",
            ));
        }
        // One connection is the database: it both reads and writes, and must never be closed.
        let options = SqliteConnectOptions::new().in_memory(true).synchronous(SqliteSynchronous::Full);
        let pool = pool(1).connect_with(options).await.map_err(failure("open a store in memory"))?;
        migrate::bring_up_to_date(&pool, "sqlite::memory:").await?;
        Ok(Self { writer: Some(pool.clone()), readers: pool, in_memory: true, _ownership: None })
    }

    async fn open_file(path: &Path, access: Access) -> Result<Self> {
        let name = path.display();
        if access != Access::Own && !path.exists() {
            let text = format!("open the store `{name}`: there is no such file; `sagabus serve` or `run` creates it");
            return Err(Error::new(Kind::NotFound, Retry::Never, text));
        }
        let ownership = if access == Access::Own { Some(take_ownership(path)?) } else { None };
        let operation = format!("open the store `{name}`");
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
        let mut writer = None;
        if access != Access::Read {
            let options = options
                .clone()
                .create_if_missing(access == Access::Own)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("journal_size_limit", LOG_SIZE_LIMIT);
            let pool = pool(1)
                .after_connect(|connection, _| Box::pin(check_durability(connection)))
                .connect_with(options)
                .await
                .map_err(failure(operation.as_str()))?;
            if access == Access::Own {
                migrate::bring_up_to_date(&pool, &name.to_string()).await?;
            }
            writer = Some(pool);
        }
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(failure(operation.as_str()))?;
        if access != Access::Own {
            migrate::check(&readers, &name.to_string()).await?;
        }
        Ok(Self { writer, readers, in_memory: false, _ownership: ownership })
    }

    /// The connection that writes; waits for its turn.
    pub(crate) async fn writer(&self, operation: &str) -> Result<PoolConnection<Sqlite>> {
        let Some(writer) = &self.writer else {
            let text = format!("{operation}: the store was opened for reading only");
            return Err(Error::new(Kind::Invalid, Retry::Never, text));
        };
        writer.acquire().await.map_err(failure(operation))
    }

    /// A connection that reads.
    pub(crate) async fn reader(&self, operation: &str) -> Result<PoolConnection<Sqlite>> {
        self.readers.acquire().await.map_err(failure(operation))
    }

    /// Ends a use of the writing connection. After any failure a new one is opened for the next use: after an I/O error
    /// nobody knows what the old one believes to be on disk.
    pub(crate) async fn give_back(&self, writer: PoolConnection<Sqlite>, well: bool) {
        if !well && !self.in_memory {
            // It is being thrown away: what it says to that changes nothing.
            let _ = writer.close().await;
        }
    }
}

/// What a URL names.
#[derive(PartialEq, Eq, Debug)]
enum Location {
    Memory,
    File(PathBuf),
}

impl Location {
    fn parse(url: &str) -> Result<Self> {
        let invalid = |text: String| Error::new(Kind::Invalid, Retry::Never, text);
        let Some(rest) = url.strip_prefix("sqlite:") else {
            // The scheme only: the rest of a URL may hold a password.
            let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
            return Err(invalid(format!("open a store at `{scheme}:…`: use `sqlite:PATH` or `sqlite::memory:`")));
        };
        match rest.strip_prefix("//").unwrap_or(rest) {
            ":memory:" => Ok(Self::Memory),
            "" => Err(invalid(format!("open the store `{url}`: it names no file; use `sqlite:PATH`"))),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // A local file does not go away: connections are neither tested before use nor closed for their age.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Takes the lock that says that this process owns the store. A lock of the operating system, because it goes with
/// its process however that ends; on a file of its own, because SQLite's locks and others on one file undo each other.
fn take_ownership(path: &Path) -> Result<File> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let (name, lock_name) = (path.display(), lock_path.display());
    let file = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(|error| {
        Error::new(kind_of_io(&error), Retry::Never, format!("create `{lock_name}` beside the store `{name}`"))
            .caused_by(error)
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            Kind::Unreachable,
            Retry::Later,
            format!("own the store `{name}`: another process owns it; stop that one or use another `--db`"),
        )),
        Err(TryLockError::Error(error)) => {
            Err(Error::new(Kind::Other, Retry::Never, format!("lock `{lock_name}`")).caused_by(error))
        }
    }
}

fn kind_of_io(error: &std::io::Error) -> Kind {
    match error.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Kind::Full,
        _ => Kind::Unreachable,
    }
}

/// Refuses a connection on which a commit would not be durable: `synchronous` below FULL syncs no commit in WAL mode,
/// and some file systems refuse WAL.
async fn check_durability(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
    let journal_mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    // 2 is FULL, 3 is EXTRA.
    if synchronous < 2 || journal_mode != "wal" {
        let text = format!("commits would not be durable: synchronous={synchronous}, journal_mode={journal_mode}");
        return Err(sqlx::Error::Configuration(text.into()));
    }
    Ok(())
}

/// Turns what sqlx reports into our error, by SQLite's result codes (<https://sqlite.org/rescode.html>).
pub(crate) fn failure(operation: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| {
        let (kind, retry) = classify(&error);
        Error::new(kind, retry, operation).caused_by(error)
    }
}

/// SQLITE_FULL, and IOERR_SHMSIZE, which is what a full disk gives when the index of the log cannot grow.
const FULL: [i64; 2] = [13, 10 | (19 << 8)];

fn classify(error: &sqlx::Error) -> (Kind, Retry) {
    let code = match error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<i64>().ok()).unwrap_or(1),
        sqlx::Error::PoolTimedOut => return (Kind::Unreachable, Retry::Later),
        sqlx::Error::Configuration(_) => return (Kind::Invalid, Retry::Never),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => return (Kind::Corrupt, Retry::Never),
        _ => return (Kind::Other, Retry::Never),
    };
    if FULL.contains(&code) {
        return (Kind::Full, Retry::Later);
    }
    match code & 0xff {
        // BUSY and LOCKED: another process writes.
        5 | 6 => (Kind::Unreachable, Retry::Later),
        // PERM, READONLY, CANTOPEN, AUTH.
        3 | 8 | 14 | 23 => (Kind::Unreachable, Retry::Never),
        // CORRUPT, NOTADB.
        11 | 26 => (Kind::Corrupt, Retry::Never),
        // TOOBIG, CONSTRAINT, MISMATCH.
        18..=20 => (Kind::Invalid, Retry::Never),
        // IOERR above all: after a failed sync nobody knows what is on disk, so it is not tried again.
        _ => (Kind::Other, Retry::Never),
    }
}
