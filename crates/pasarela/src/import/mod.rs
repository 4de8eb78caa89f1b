//! Getting the documents of a contract: from beside a file, from a folder where what came from elsewhere is kept, or from a
//! URL.
//!
//! A WSDL is seldom alone: it imports others, and those import schemas. [`Beside`] finds them in the file system and
//! never looks at the network. [`bring`] follows them to their ends, from a URL by way of the guard in `remote`, and gives
//! a [`Bundle`]: all of them or none. A bundle is kept in a folder of its own with a [`Lock`]: the documents byte for byte
//! as they came, where each came from, and its SHA-256.

mod beside;
mod bundle;
mod get;
mod lock;
mod networks;
mod remote;
mod single;
mod source;
mod url;

#[cfg(test)]
mod tests;

use std::path::Path;

use pasarela_soap::xsd::Document;

pub use beside::Beside;
pub use bundle::{Bundle, Piece, StoreError};
pub use lock::{LOCK_FILE, Lock, LockError, Locked, digest};
pub use single::single;
pub use source::{Allowed, BringError, Rules, Source, bring};
pub use url::{Url, UrlError};

use crate::finding::code_list as codes;

codes! {
    Failed = "CF0071", "A document cannot be fetched";
    Refused = "CF0072", "A document may not be fetched";
}

/// A document that was read from a file.
pub fn document(path: &Path, bytes: Vec<u8>) -> Document {
    Document { url: path.to_string_lossy().into_owned(), bytes }
}
