//! What an engine has to do for the store, and what travels to it and back.
//!
//! The nouns are written once, in SQL that both engines understand. Statements are `&'static str`:
//! what somebody typed can only arrive as a value (T19).

mod postgres;
mod sqlite;

pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;

use crate::{Boxed, Error};

/// SQLite or PostgreSQL.
pub(crate) trait Engine: Send + Sync {
    /// A connection that writes; there is one at a time.
    fn writer(&self) -> Boxed<'_, Result<Box<dyn Connection>, Error>>;

    /// A connection that only reads.
    fn reader(&self) -> Boxed<'_, Result<Box<dyn Connection>, Error>>;

    /// How this engine says what the two say differently.
    fn dialect(&self) -> &'static Dialect;

    /// Whether what was opened is not what is there now: what is written to it would be lost.
    fn has_moved(&self) -> bool;

    /// Ends all connections.
    fn close(&self) -> Boxed<'_, ()>;
}

/// The few sentences in which the engines differ.
pub(crate) struct Dialect {
    /// Begins a transaction that writes, alone: no other one is under way anywhere.
    pub(crate) begin_write: &'static str,
    /// Begins one that reads and sees one instant.
    pub(crate) begin_read: &'static str,
    /// Words of our SQL, and this engine's for them.
    pub(crate) words: &'static [(&'static str, &'static str)],
    /// Keeps a table append-only.
    pub(crate) append_only: fn(&str) -> String,
    /// Copies the whole database into a file that is not there yet, where the engine can.
    pub(crate) copy_into: Option<&'static str>,
    /// Looks whether the engine finds its own file in order: one row, `ok`; where there is such a question.
    pub(crate) self_check: Option<&'static str>,
}

/// An open connection.
pub(crate) trait Connection: Send {
    /// Rows of a statement.
    fn query<'a>(
        &'a mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Boxed<'a, Result<Vec<Row>, Error>>;

    /// Runs a statement; how many rows it changed.
    fn execute<'a>(
        &'a mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Boxed<'a, Result<u64, Error>>;

    /// Runs statements without values: ours, from the binary.
    fn script<'a>(&'a mut self, sql: &'a str) -> Boxed<'a, Result<(), Error>>;

    /// Says whether something was begun on it that is not ended. Dropped like that, it is closed, and
    /// with it goes what was begun.
    fn begun(&mut self, begun: bool);
}

/// A value on its way in or out. An absent one has a type too: PostgreSQL wants to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A whole number.
    Int(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

/// One row of an answer, taken column by column from the left.
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next column.
    pub(crate) fn take<C: crate::column::Column>(&mut self) -> Result<C, Error> {
        C::from_value(self.0.next())
    }
}
