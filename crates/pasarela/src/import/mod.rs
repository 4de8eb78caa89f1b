//! Getting the documents of a contract from beside a file, or from a folder where what came from elsewhere is kept.
//!
//! A WSDL is seldom alone: it imports others, and those import schemas. [`Beside`] finds them in the file system and
//! never looks at the network. A contract that came from elsewhere is kept in a folder of its own with a [`Lock`]: the
//! documents byte for byte as they came, where each came from, and its SHA-256.

mod beside;
mod lock;
mod url;

use std::path::Path;

use pasarela_soap::xsd::Document;

pub use beside::Beside;
pub use lock::{LOCK_FILE, Lock, LockError, Locked, digest};
pub use url::{Url, UrlError};

/// A document that was read from a file.
pub fn document(path: &Path, bytes: Vec<u8>) -> Document {
    Document { url: path.to_string_lossy().into_owned(), bytes }
}
