//! What all nouns have in common: an id, a version, a table; and the statements that follow from it.
//!
//! A noun is a struct whose fields are its columns. What is done with any of them is written here
//! once; what one noun needs beyond that stands in its own file.

use crate::{
    Error, Tx,
    column::Column,
    engine::{Row, Value},
};

/// Rows that a list gives at most at a time (L10 of the reliability reference: nothing without a bound).
pub const PAGE_MAX: i64 = 200;

/// Something that is kept.
pub trait Noun: Sized + Send + Sync {
    /// What one is called.
    const NOUN: &'static str;

    /// Its id as text.
    fn id(&self) -> &str;

    /// Rises by one with each change; what a caller's `If-Match` is compared with.
    fn version(&self) -> i64;

    #[doc(hidden)]
    fn table(_: Seal) -> &'static Statements;
    #[doc(hidden)]
    fn raise(&mut self, _: Seal);
    #[doc(hidden)]
    fn read(row: Columns, _: Seal) -> Result<Self, Error>;
    #[doc(hidden)]
    fn write(&self, _: Seal) -> Values;
}

/// Only this room makes nouns.
#[doc(hidden)]
pub struct Seal(pub(crate) ());
#[doc(hidden)]
pub struct Columns(pub(crate) Row);
#[doc(hidden)]
pub struct Values(pub(crate) Vec<Value>);

/// The statements of a table. Built from names in this room's source, once; values are bound (T19).
#[doc(hidden)]
pub struct Statements {
    get: String,
    insert: String,
    update: String,
    delete: String,
    page: String,
    by: Vec<(&'static str, String)>,
}

impl Statements {
    pub(crate) fn new(table: &str, columns: &[&str], by: &[&'static str]) -> Self {
        let list = columns.join(", ");
        let places: Vec<_> = (1..=columns.len()).map(|place| format!("${place}")).collect();
        let set: Vec<_> = columns
            .iter()
            .zip(&places)
            .skip(1)
            .map(|(column, place)| format!("{column} = {place}"))
            .collect();
        let by = by.iter().map(|column| {
            let page = format!(
                "SELECT {list} FROM {table} WHERE {column} = $1 AND id > $2 ORDER BY id LIMIT $3"
            );
            (*column, page)
        });
        Self {
            get: format!("SELECT {list} FROM {table} WHERE id = $1"),
            insert: format!("INSERT INTO {table} ({list}) VALUES ({})", places.join(", ")),
            update: format!(
                "UPDATE {table} SET {} WHERE id = $1 AND version = ${}",
                set.join(", "),
                columns.len() + 1
            ),
            delete: format!("DELETE FROM {table} WHERE id = $1 AND version = $2"),
            page: format!("SELECT {list} FROM {table} WHERE id > $1 ORDER BY id LIMIT $2"),
            by: by.collect(),
        }
    }
}

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order they were made.
    pub items: Vec<T>,
    /// Give it as `after` to read on; `None` at the end.
    pub next: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    /// Those after this one; `None`: from the beginning.
    pub after: Option<String>,
    /// At most so many; [`PAGE_MAX`] at most, and 50 where nothing is said.
    pub limit: Option<i64>,
}

impl Slice {
    pub(crate) fn bound(&self) -> i64 {
        self.limit.unwrap_or(50).clamp(1, PAGE_MAX)
    }

    pub(crate) fn after(&self) -> String {
        self.after.clone().unwrap_or_default()
    }
}

impl Tx {
    /// The one with this id.
    ///
    /// # Errors
    /// [`Error::NotFound`], and what every question to the store may meet.
    pub async fn get<N: Noun>(&mut self, id: &str) -> Result<N, Error> {
        let found = self.query(&N::table(Seal(())).get, vec![id.to_owned().to_value()]).await?;
        let row = found.into_iter().next().ok_or_else(|| Error::not_found(N::NOUN, id))?;
        N::read(Columns(row), Seal(()))
    }

    /// Adds one. `name` is what it is called where its name is taken.
    ///
    /// # Errors
    /// [`Error::Exists`] where what has to be unique is not.
    pub async fn insert<N: Noun>(&mut self, new: &N, name: &str) -> Result<(), Error> {
        let done = self.execute(&N::table(Seal(())).insert, new.write(Seal(())).0).await;
        done.map(drop).map_err(|error| error.naming(N::NOUN, name))
    }

    /// Writes one as it is now over what it was, and raises its version.
    ///
    /// # Errors
    /// [`Error::Conflict`] where somebody else has changed it since it was read.
    pub async fn update<N: Noun>(&mut self, changed: &mut N, name: &str) -> Result<(), Error> {
        let read = changed.version();
        changed.raise(Seal(()));
        let mut values = changed.write(Seal(())).0;
        values.push(read.to_value());
        let done = self.execute(&N::table(Seal(())).update, values).await;
        match done.map_err(|error| error.naming(N::NOUN, name))? {
            0 => Err(self.why_not::<N>(changed.id(), read).await),
            _ => Ok(()),
        }
    }

    /// Removes one.
    ///
    /// # Errors
    /// [`Error::Conflict`] as above; [`Error::Invalid`] where something leans on it.
    pub async fn delete<N: Noun>(&mut self, gone: &N) -> Result<(), Error> {
        let values = vec![gone.id().to_owned().to_value(), gone.version().to_value()];
        match self.execute(&N::table(Seal(())).delete, values).await? {
            0 => Err(self.why_not::<N>(gone.id(), gone.version()).await),
            _ => Ok(()),
        }
    }

    async fn why_not<N: Noun>(&mut self, id: &str, version: i64) -> Error {
        match self.get::<N>(id).await {
            Ok(_) => Error::Conflict { noun: N::NOUN, id: id.to_owned(), version },
            Err(error) => error,
        }
    }

    /// All of them, a page at a time. What is added meanwhile comes at the end.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn page<N: Noun>(&mut self, slice: &Slice) -> Result<Page<N>, Error> {
        let limit = slice.bound();
        let values = vec![slice.after().to_value(), (limit + 1).to_value()];
        page(self.query(&N::table(Seal(())).page, values).await?, limit)
    }

    /// Those in which a column has a value, a page at a time.
    ///
    /// # Errors
    /// What every question to the store may meet.
    pub async fn page_by<N: Noun>(
        &mut self,
        column: &'static str,
        value: &str,
        slice: &Slice,
    ) -> Result<Page<N>, Error> {
        let limit = slice.bound();
        let values =
            vec![value.to_owned().to_value(), slice.after().to_value(), (limit + 1).to_value()];
        page(self.query(by::<N>(column)?, values).await?, limit)
    }

    /// The one that a unique column leads to.
    pub(crate) async fn find<N: Noun>(
        &mut self,
        column: &'static str,
        value: Value,
    ) -> Result<Option<N>, Error> {
        let values = vec![value, String::new().to_value(), 1.to_value()];
        let found = self.query(by::<N>(column)?, values).await?;
        found.into_iter().next().map(|row| N::read(Columns(row), Seal(()))).transpose()
    }

    /// Every one there is.
    pub(crate) async fn every<N: Noun>(&mut self) -> Result<Vec<N>, Error> {
        let values = vec![String::new().to_value(), i64::MAX.to_value()];
        let rows = self.query(&N::table(Seal(())).page, values).await?;
        rows.into_iter().map(|row| N::read(Columns(row), Seal(()))).collect()
    }
}

fn by<N: Noun>(column: &'static str) -> Result<&'static str, Error> {
    let statements = &N::table(Seal(())).by;
    let found = statements.iter().find(|(name, _)| *name == column);
    let none = || Error::Invalid(format!("a {} is not looked for by {column}", N::NOUN));
    found.map(|(_, sql)| sql.as_str()).ok_or_else(none)
}

/// One row more than the page holds was asked for: it says that there is a next page.
fn page<N: Noun>(rows: Vec<Row>, limit: i64) -> Result<Page<N>, Error> {
    let read = rows.into_iter().map(|row| N::read(Columns(row), Seal(())));
    let mut items = read.collect::<Result<Vec<N>, Error>>()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.id().to_owned());
    Ok(Page { items, next })
}

/// Declares a noun: its struct, and the table it is kept in. The first field is its id.
macro_rules! noun {
    ($(#[$doc:meta])* $name:ident = $one:literal in $table:literal, by [$($by:literal),*] {
        $($(#[$each:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$each])* pub $field: $type,)*
        }

        impl $crate::noun::Noun for $name {
            const NOUN: &'static str = $one;

            fn id(&self) -> &str {
                self.id.as_str()
            }

            fn version(&self) -> i64 {
                self.version
            }

            fn table(_: $crate::noun::Seal) -> &'static $crate::noun::Statements {
                static MADE: std::sync::LazyLock<$crate::noun::Statements> =
                    std::sync::LazyLock::new(|| {
                        $crate::noun::Statements::new($table, &[$(stringify!($field)),*], &[$($by),*])
                    });
                &MADE
            }

            fn raise(&mut self, _: $crate::noun::Seal) {
                self.version += 1;
            }

            fn read(
                mut row: $crate::noun::Columns,
                _: $crate::noun::Seal,
            ) -> Result<Self, $crate::Error> {
                Ok(Self { $($field: row.0.take()?,)* })
            }

            fn write(&self, _: $crate::noun::Seal) -> $crate::noun::Values {
                use $crate::column::Column as _;
                $crate::noun::Values(vec![$(self.$field.to_value()),*])
            }
        }
    };
}
pub(crate) use noun;
