//! SQLite: one file, one writer, readers that see an instant while it writes.
//!
//! WAL with `synchronous=FULL`: a commit returns when it is on the disk (P1). The file belongs to
//! its user alone.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Row as _, TypeInfo as _, ValueRef as _,
    pool::PoolConnection,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};

use super::{Connection, Dialect, Engine, Row, Value};
use crate::{Boxed, Error};

/// Connections that read at a time; more wait.
const READERS: u32 = 4;
/// How long one waits for a connection (L44).
const WAIT: Duration = Duration::from_secs(1);
/// How long SQLite itself waits for another process that writes (an upgrade has two for a moment).
const BUSY: Duration = Duration::from_secs(5);
/// Before 3.51.3 a checkpoint that races a writer can damage the file.
const OLDEST: [u32; 3] = [3, 51, 3];

const DIALECT: Dialect = Dialect {
    begin_write: "BEGIN IMMEDIATE",
    begin_read: "BEGIN DEFERRED",
    words: &[],
    append_only: |table| {
        ["UPDATE", "DELETE"]
            .map(|verb| {
                format!(
                    "CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} \
                     BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;\n"
                )
            })
            .concat()
    },
    copy_into: Some("VACUUM INTO $1"),
    self_check: Some("PRAGMA quick_check(1)"),
};

/// The engine over a file.
pub(crate) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    file: PathBuf,
    /// Device and number of the file that was opened.
    which: Option<(u64, u64)>,
}

impl Sqlite {
    /// Opens, or makes, `store.db` in a folder.
    pub(crate) async fn open(folder: &Path) -> Result<Self, Error> {
        let file = folder.join("store.db");
        make_private(folder, &file)
            .map_err(|error| Error::unavailable("opening the file", sqlx::Error::Io(error)))?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            // L42: what a checkpoint leaves of the log.
            .pragma("journal_size_limit", "268435456")
            .pragma("trusted_schema", "OFF")
            .disable_statement_logging();
        let writer = pool(1).connect_with(options.clone()).await;
        let writer = writer.map_err(|error| Error::of_engine("opening the file", error))?;
        check_version(&writer).await?;
        let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        let which = which(&file);
        Ok(Self { writer, readers, file, which })
    }
}

/// SQLite writes on into a file that was moved or removed, and nobody would find it there again.
fn which(file: &Path) -> Option<(u64, u64)> {
    fs::metadata(file).ok().map(|found| (found.dev(), found.ino()))
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(WAIT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// SQLite gives its log and its index the rights of the file.
fn make_private(folder: &Path, file: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Not truncated: it may hold everything there is.
    fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map(drop)
}

async fn check_version(pool: &SqlitePool) -> Result<(), Error> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(pool)
        .await
        .map_err(|error| Error::of_engine("asking for the version", error))?;
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts.as_slice() < OLDEST.as_slice() {
        return Err(Error::Invalid(format!("SQLite {version} can damage files; 3.51.3 does not")));
    }
    Ok(())
}

impl Engine for Sqlite {
    fn writer(&self) -> Boxed<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(self.acquire(&self.writer))
    }

    fn reader(&self) -> Boxed<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(self.acquire(&self.readers))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn has_moved(&self) -> bool {
        self.which.is_none() || which(&self.file) != self.which
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            self.readers.close().await;
            self.writer.close().await;
        })
    }
}

impl Sqlite {
    async fn acquire(&self, pool: &SqlitePool) -> Result<Box<dyn Connection>, Error> {
        if self.has_moved() {
            return Err(Error::unavailable(
                "looking for the file, which is not there any more",
                None,
            ));
        }
        match pool.acquire().await {
            Ok(connection) => Ok(Box::new(Link { connection, begun: false })),
            Err(error) => Err(Error::of_engine("waiting for a connection", error)),
        }
    }
}

struct Link {
    connection: PoolConnection<sqlx::Sqlite>,
    begun: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.begun {
            self.connection.close_on_drop();
        }
    }
}

impl Connection for Link {
    fn query<'a>(
        &'a mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Boxed<'a, Result<Vec<Row>, Error>> {
        Box::pin(async move {
            let rows = bound(sql, values).fetch_all(&mut *self.connection).await;
            let rows = rows.map_err(|error| Error::of_engine("reading", error))?;
            rows.iter().map(row).collect()
        })
    }

    fn execute<'a>(
        &'a mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Boxed<'a, Result<u64, Error>> {
        Box::pin(async move {
            let done = bound(sql, values).execute(&mut *self.connection).await;
            Ok(done.map_err(|error| Error::of_engine("writing", error))?.rows_affected())
        })
    }

    fn script<'a>(&'a mut self, sql: &'a str) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let done =
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *self.connection).await;
            done.map(drop).map_err(|error| Error::of_engine("writing", error))
        })
    }

    fn begun(&mut self, begun: bool) {
        self.begun = begun;
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bound(sql: &'static str, values: Vec<Value>) -> Query {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    })
}

fn row(row: &SqliteRow) -> Result<Row, Error> {
    let value = |column: &sqlx::sqlite::SqliteColumn| {
        let place = column.ordinal();
        let raw = row.try_get_raw(place)?;
        match raw.type_info().name() {
            "INTEGER" => row.try_get(place).map(Value::Int),
            "BLOB" => row.try_get(place).map(Value::Bytes),
            // An absent value reads as an absent text; `Row` takes it for any type.
            _ if raw.is_null() => Ok(Value::Text(None)),
            _ => row.try_get(place).map(Value::Text),
        }
    };
    let values: Result<Vec<_>, sqlx::Error> = row.columns().iter().map(value).collect();
    values.map(Row::new).map_err(|error| Error::of_engine("reading", error))
}
