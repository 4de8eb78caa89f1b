//! Migrations: numbered, forward only, and never changed once they were applied.
//!
//! All that are missing run in one transaction under the writer's lock: a crash between two
//! statements leaves the database as it was, and of several nodes one does the work. What was
//! applied is remembered with its digest. A database in which a migration reads differently than
//! here, or that is newer than this binary, is left alone.

use sha2::{Digest as _, Sha256};

use crate::{
    Error, Tx,
    column::Column as _,
    engine::{Dialect, Engine},
};

/// A step from one form of the database to the next.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    /// From 1, without a gap.
    pub(crate) number: i64,
    /// What it is about.
    pub(crate) name: &'static str,
    /// In the SQL of both engines; see [`text`].
    pub(crate) sql: &'static str,
}

/// Ours, oldest first.
pub(crate) const OURS: &[Migration] = &[
    Migration { number: 1, name: "nouns", sql: include_str!("../migrations/0001-nouns.sql") },
    Migration { number: 2, name: "apis", sql: include_str!("../migrations/0002-apis.sql") },
    Migration {
        number: 3,
        name: "signing keys",
        sql: include_str!("../migrations/0003-signing-keys.sql"),
    },
    Migration { number: 4, name: "letters", sql: include_str!("../migrations/0004-letters.sql") },
    Migration { number: 5, name: "quotas", sql: include_str!("../migrations/0005-quotas.sql") },
    Migration { number: 6, name: "clients", sql: include_str!("../migrations/0006-clients.sql") },
    Migration {
        number: 7,
        name: "plan scopes",
        sql: include_str!("../migrations/0007-plan-scopes.sql"),
    },
];

/// Why a database and this binary do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A newer binary was here.
    #[error(
        "the database has migration {has}, this binary knows {knows}: it was written by a newer version"
    )]
    Newer {
        /// The database's last.
        has: i64,
        /// Our last.
        knows: i64,
    },
    /// A migration was changed after it was applied.
    #[error("migration {number} ({name}) was applied in another form than this binary has")]
    Changed {
        /// Its number.
        number: i64,
        /// Its name.
        name: String,
    },
    /// A number is missing among those that were applied.
    #[error("migration {number} is missing in the database, though later ones are there")]
    Gap {
        /// The missing one.
        number: i64,
    },
}

/// Brings a database up to date.
pub(crate) async fn run(engine: &dyn Engine, known: &[Migration]) -> Result<(), Error> {
    let mut tx = Tx::new(engine.writer().await?);
    tx.begin(engine.dialect().begin_write).await?;
    tx.script(&text(LEDGER, engine.dialect())).await?;
    let has = check(&applied(&mut tx).await?, known)?;
    for migration in known.iter().filter(|migration| migration.number > has) {
        tracing::info!(number = migration.number, name = migration.name, "migrating the store");
        tx.script(&text(migration.sql, engine.dialect())).await?;
        let values = vec![
            migration.number.to_value(),
            migration.name.to_owned().to_value(),
            digest(migration).to_value(),
        ];
        tx.execute("INSERT INTO migrations (number, name, digest) VALUES ($1, $2, $3)", values)
            .await?;
    }
    tx.end("COMMIT").await
}

/// The last migration that a database has; 0 for one that has none.
pub(crate) async fn state(engine: &dyn Engine, known: &[Migration]) -> Result<i64, Error> {
    let mut tx = Tx::new(engine.writer().await?);
    tx.begin(engine.dialect().begin_write).await?;
    // Undone below: looking changes nothing.
    tx.script(&text(LEDGER, engine.dialect())).await?;
    let has = check(&applied(&mut tx).await?, known);
    tx.end("ROLLBACK").await?;
    Ok(has?)
}

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;";

/// Our SQL in an engine's words. A line `-- append-only: TABLE` becomes what keeps it so.
fn text(sql: &str, dialect: &Dialect) -> String {
    let mut out = String::with_capacity(sql.len());
    for line in sql.lines() {
        match line.strip_prefix("-- append-only: ") {
            Some(table) => out += &(dialect.append_only)(table.trim()),
            None if line.trim_start().starts_with("--") => {}
            None => {
                let worded = dialect
                    .words
                    .iter()
                    .fold(line.to_owned(), |line, (ours, theirs)| line.replace(ours, theirs));
                out += &worded;
                out.push('\n');
            }
        }
    }
    out
}

fn digest(migration: &Migration) -> [u8; 32] {
    Sha256::digest(migration.sql.as_bytes()).into()
}

struct Applied {
    number: i64,
    name: String,
    digest: [u8; 32],
}

async fn applied(tx: &mut Tx) -> Result<Vec<Applied>, Error> {
    let sql = "SELECT number, name, digest FROM migrations ORDER BY number";
    let rows = tx.query(sql, Vec::new()).await?;
    let read = rows
        .into_iter()
        .map(|mut row| Ok(Applied { number: row.take()?, name: row.take()?, digest: row.take()? }));
    read.collect()
}

/// Whether what was applied is what we know; the last one.
fn check(applied: &[Applied], known: &[Migration]) -> Result<i64, Fault> {
    let knows = known.last().map_or(0, |last| last.number);
    let has = applied.last().map_or(0, |last| last.number);
    if has > knows {
        return Err(Fault::Newer { has, knows });
    }
    for (number, one) in (1..).zip(applied) {
        if one.number != number {
            return Err(Fault::Gap { number });
        }
        let same = known.iter().any(|known| known.number == number && digest(known) == one.digest);
        if !same {
            return Err(Fault::Changed { number, name: one.name.clone() });
        }
    }
    Ok(has)
}
