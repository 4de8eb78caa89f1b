//! `--name value` pairs, and nothing cleverer: the only caller is our own `xtask`.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};

/// The options of one subcommand.
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut values = BTreeMap::new();
        while let Some(word) = words.next() {
            let name =
                word.strip_prefix("--").with_context(|| format!("expected --name, got {word}"))?;
            let value = words.next().with_context(|| format!("--{name} needs a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self(values))
    }

    /// A value that has to be there.
    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        self.optional(name).ok_or_else(|| anyhow!("--{name} is missing"))
    }

    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A value of a type, or its default.
    pub(crate) fn get<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        match self.0.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| anyhow!("--{name} {text} cannot be read")),
        }
    }
}
