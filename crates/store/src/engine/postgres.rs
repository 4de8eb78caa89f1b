//! PostgreSQL: several nodes on one database.
//!
//! A transaction that writes holds one advisory lock, on every node: it is alone, as on SQLite, so
//! a verb that looks and then writes cannot be overtaken. Group commit makes that cheap.

use std::time::Duration;

use pasarela_model::Secret;
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Row as _, TypeInfo as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow},
};

use super::{Connection, Dialect, Engine, Row, Value};
use crate::{Boxed, Error};

/// Connections that read at a time; more wait.
const READERS: u32 = 8;
/// How long one waits for a connection (L44).
const WAIT: Duration = Duration::from_secs(1);

const DIALECT: Dialect = Dialect {
    // The number is "pasarela" in no alphabet; it only has to be the same everywhere.
    begin_write: "BEGIN; SELECT pg_advisory_xact_lock(7017276532810)",
    begin_read: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    // Ids and cursors compare by bytes, whatever language the database was made for.
    words: &[
        ("INTEGER", "BIGINT"),
        ("BLOB", "BYTEA"),
        ("TEXT", "TEXT COLLATE \"C\""),
        (") STRICT;", ");"),
    ],
    append_only: |table| {
        format!(
            "CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$;\n\
             CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse();\n"
        )
    },
    copy_into: None,
    self_check: None,
};

/// The engine over a server.
pub(crate) struct Postgres {
    writer: PgPool,
    readers: PgPool,
}

impl Postgres {
    /// Connects to `postgres://…`.
    pub(crate) async fn open(url: &Secret) -> Result<Self, Error> {
        // What is wrong with the address is not printed with it: it may hold a password.
        let text = std::str::from_utf8(url.expose()).ok();
        let options: PgConnectOptions = text
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::Invalid("the address of PostgreSQL cannot be read".to_owned()))?;
        let options = options.disable_statement_logging().application_name("pasarela").options([
            ("synchronous_commit", "on"),
            ("lock_timeout", "5s"),
            ("statement_timeout", "10s"),
            ("client_min_messages", "warning"),
            ("idle_in_transaction_session_timeout", "30s"),
        ]);
        let writer = pool(1).connect_with(options.clone()).await;
        let writer = writer.map_err(|error| Error::of_engine("connecting", error))?;
        Ok(Self { writer, readers: pool(READERS).connect_lazy_with(options) })
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(WAIT)
}

impl Engine for Postgres {
    fn writer(&self) -> Boxed<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(acquire(&self.writer))
    }

    fn reader(&self) -> Boxed<'_, Result<Box<dyn Connection>, Error>> {
        Box::pin(acquire(&self.readers))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn has_moved(&self) -> bool {
        false
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            self.readers.close().await;
            self.writer.close().await;
        })
    }
}

async fn acquire(pool: &PgPool) -> Result<Box<dyn Connection>, Error> {
    match pool.acquire().await {
        Ok(connection) => Ok(Box::new(Link { connection, begun: false })),
        Err(error) => Err(Error::of_engine("waiting for a connection", error)),
    }
}

struct Link {
    connection: PoolConnection<sqlx::Postgres>,
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

type Query = sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bound(sql: &'static str, values: Vec<Value>) -> Query {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    })
}

fn row(row: &PgRow) -> Result<Row, Error> {
    let value = |column: &sqlx::postgres::PgColumn| {
        let place = column.ordinal();
        match column.type_info().name() {
            "INT8" => row.try_get(place).map(Value::Int),
            "BYTEA" => row.try_get(place).map(Value::Bytes),
            _ => row.try_get(place).map(Value::Text),
        }
    };
    let values: Result<Vec<_>, sqlx::Error> = row.columns().iter().map(value).collect();
    values.map(Row::new).map_err(|error| Error::of_engine("reading", error))
}
