//! A contract with all its documents: read from memory, and kept in a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pasarela_soap::xsd::{Document, Resolver};
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use super::{LOCK_FILE, Lock, Locked, Url, digest};

/// Characters of a stored document's name.
const NAME_MAX: usize = 80;

/// Endings that stay as they are.
const ENDINGS: [&str; 6] = ["wsdl", "xsd", "xml", "json", "yaml", "yml"];

/// A document as it came.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) url: String,
    pub(super) found: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// A contract with all its documents; the first is the contract itself.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// At least one.
    pub pieces: Vec<Piece>,
    lock: Lock,
}

/// A document and what is locked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its file and where it came from.
    pub locked: Locked,
    /// As it came.
    pub bytes: Vec<u8>,
}

/// Why documents were not stored.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written", .0.display())]
pub struct StoreError(pub PathBuf, #[source] pub io::Error);

impl Bundle {
    pub(super) fn new(arrivals: Vec<Arrival>) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        for Arrival { url, found, bytes } in arrivals {
            let there = found.as_deref().unwrap_or(&url);
            // Asked for by two names that lead to one place, it is one file.
            let twin = pieces.iter().find(|piece| piece.there() == there);
            let file = twin.map_or_else(
                || file_name(there, &bytes, &pieces),
                |piece| piece.locked.file.clone(),
            );
            let sha256 = digest(&bytes);
            pieces.push(Piece { locked: Locked { file, url, found, sha256 }, bytes });
        }
        Self::of(pieces)
    }

    /// What was put together elsewhere.
    pub fn of(pieces: Vec<Piece>) -> Self {
        let documents = pieces.iter().map(|piece| piece.locked.clone()).collect();
        Self { pieces, lock: Lock { documents } }
    }

    /// The document in a file.
    pub fn piece(&self, file: &str) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.locked.file == file)
    }

    /// The document that readers call so.
    pub fn called_at(&self, there: &str) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.there() == there)
    }

    /// The contract itself.
    pub fn root(&self) -> Document {
        self.pieces.first().map_or_else(
            || Document { url: String::new(), bytes: Vec::new() },
            |piece| piece.document(),
        )
    }

    /// The file of the contract itself.
    pub fn root_file(&self) -> &str {
        self.pieces.first().map_or("", |piece| &piece.locked.file)
    }

    /// Calls the file of the contract itself so: who names it need not change. Another document of that name steps aside.
    #[must_use]
    pub fn called(mut self, file: &str) -> Self {
        let old = self.root_file().to_owned();
        for piece in &mut self.pieces {
            if piece.locked.file == old {
                file.clone_into(&mut piece.locked.file);
            } else if piece.locked.file == file {
                old.clone_into(&mut piece.locked.file);
            }
        }
        self.lock = Lock { documents: self.pieces.iter().map(|p| p.locked.clone()).collect() };
        self
    }

    /// What is locked.
    pub const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Writes everything and its lock into a new folder.
    ///
    /// # Errors
    /// The first file that could not be written; nothing is left then.
    pub fn store(&self, folder: &Path) -> Result<(), StoreError> {
        let failed = |path: &Path, error| {
            let _ = fs::remove_dir_all(folder);
            StoreError(path.to_path_buf(), error)
        };
        fs::create_dir_all(folder).map_err(|error| StoreError(folder.to_path_buf(), error))?;
        let lock = self.lock.text();
        let documents = self.pieces.iter().map(|piece| (&*piece.locked.file, &*piece.bytes));
        for (name, bytes) in documents.chain([(LOCK_FILE, lock.as_bytes())]) {
            let path = folder.join(name);
            write_through(&path, bytes).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }

    /// Puts what was stored in `made` in the place of `folder`, whose content is then in `made`: nobody sees a mixture.
    ///
    /// # Errors
    /// When the file system does not do it.
    pub fn exchange(made: &Path, folder: &Path) -> Result<(), StoreError> {
        let exchanged = match renameat_with(CWD, made, CWD, folder, RenameFlags::EXCHANGE) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => in_three_steps(made, folder),
            exchanged => exchanged.map_err(io::Error::from),
        };
        exchanged.map_err(|error| StoreError(folder.to_path_buf(), error))
    }
}

/// For a moment nothing is in the place; whoever looks then keeps what it has.
fn in_three_steps(made: &Path, folder: &Path) -> io::Result<()> {
    let aside = made.with_extension("old");
    fs::rename(folder, &aside)?;
    if let Err(error) = fs::rename(made, folder) {
        fs::rename(&aside, folder)?;
        return Err(error);
    }
    fs::rename(&aside, made)
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

impl Piece {
    /// Where it is: what readers call it.
    pub fn there(&self) -> &str {
        self.locked.found.as_deref().unwrap_or(&self.locked.url)
    }

    fn document(&self) -> Document {
        Document { url: self.there().to_owned(), bytes: self.bytes.clone() }
    }
}

impl Resolver for &Bundle {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let Some(location) = location else { return Ok(None) };
        let Some(base) = self.pieces.iter().find(|piece| piece.there() == base) else {
            return Ok(None);
        };
        let Some(locked) = self.lock.named(&base.locked.file, location) else { return Ok(None) };
        let piece = self.pieces.iter().find(|piece| piece.locked == *locked);
        Ok(piece.map(Piece::document))
    }
}

/// A name for a document in a folder, as much like what it is called as a file's name may be.
fn file_name(there: &str, bytes: &[u8], pieces: &[Piece]) -> String {
    let (path, query) = match Url::parse(there) {
        Ok(url) => {
            let (path, query) = url.target.split_once('?').unwrap_or((&url.target, ""));
            (path.to_owned(), query.to_owned())
        }
        Err(_) => (there.to_owned(), String::new()),
    };
    let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("contract");
    // `Service.svc?xsd=xsd0` and `Service.svc?xsd=xsd1` are documents of their own.
    let told = query.is_empty() || query.eq_ignore_ascii_case("wsdl");
    let whole = if told { last.to_owned() } else { format!("{last}-{query}") };
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    let whole: String = whole.chars().map(plain).take(NAME_MAX).collect();
    let whole = whole.trim_start_matches(['.', '-']);
    let (stem, ending) = match whole.rsplit_once('.') {
        Some((stem, ending)) if ENDINGS.contains(&ending) && !stem.is_empty() => (stem, ending),
        _ => (whole, ending(bytes, whole)),
    };
    let stem = if stem.is_empty() { "contract" } else { stem };
    let taken = |name: &String| {
        name == LOCK_FILE || pieces.iter().any(|piece| piece.locked.file.eq_ignore_ascii_case(name))
    };
    let numbered = (2..).map(|number: usize| format!("{stem}-{number}.{ending}"));
    let mut names = std::iter::once(format!("{stem}.{ending}")).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default()
}

/// What the name of a document ends in, by what it is: readers go by it.
fn ending(bytes: &[u8], name: &str) -> &'static str {
    match pasarela_contract::openapi_syntax(bytes, name) {
        Some(pasarela_contract::tree::Syntax::Json) => "json",
        Some(pasarela_contract::tree::Syntax::Yaml) => "yaml",
        None => {
            let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(4096)).unwrap_or(bytes));
            let schema = text.contains("schema") && !text.contains("definitions");
            if schema { "xsd" } else { "wsdl" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_change_places_in_one_step_or_in_three() {
        let at = tempfile::tempdir().unwrap();
        let (made, folder) = (at.path().join(".a.new"), at.path().join("a"));
        for (path, text) in [(&made, "new"), (&folder, "old")] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("f"), text).unwrap();
        }
        let read = |path: &Path| fs::read_to_string(path.join("f")).unwrap();
        Bundle::exchange(&made, &folder).unwrap();
        assert_eq!((read(&made), read(&folder)), ("old".to_owned(), "new".to_owned()));
        in_three_steps(&made, &folder).unwrap();
        assert_eq!((read(&made), read(&folder)), ("new".to_owned(), "old".to_owned()));
        fs::remove_dir_all(&made).unwrap();
        in_three_steps(&made, &folder).unwrap_err();
        assert_eq!(read(&folder), "old");
        assert_eq!(fs::read_dir(at.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_document_is_called_as_it_was_as_far_as_a_file_may_be() {
        let arrival = |url: &str, text: &str| Arrival {
            url: url.to_owned(),
            found: None,
            bytes: text.as_bytes().to_vec(),
        };
        let long = format!("http://a/{}", "x".repeat(300));
        let wsdl = "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>";
        let xsd = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'/>";
        let bundle = Bundle::new(vec![
            arrival("http://a/Orders.svc?wsdl", wsdl),
            arrival("http://a/Orders.svc?xsd=xsd0", xsd),
            arrival("http://a/Orders.svc?xsd=../../etc/passwd", xsd),
            arrival("http://a/", wsdl),
            arrival("http://a/..%2f..%2fx.xsd", xsd),
            arrival("http://a/.hidden.xsd", xsd),
            arrival("http://a/b/TYPES.xsd", xsd),
            arrival("http://a/c/types.xsd", xsd),
            arrival("http://a/contract.lock", "openapi: 3.1.0"),
            arrival("http://a/api", "{}"),
            arrival(&long, xsd),
        ]);
        let names: Vec<_> = bundle.pieces.iter().map(|piece| piece.locked.file.as_str()).collect();
        let long = format!("{}.xsd", "x".repeat(NAME_MAX));
        assert_eq!(
            names,
            [
                "Orders.svc.wsdl",
                "Orders.svc-xsd-xsd0.xsd",
                "Orders.svc-xsd-..-..-etc-passwd.xsd",
                "contract.wsdl",
                "2f..-2fx.xsd",
                "hidden.xsd",
                "TYPES.xsd",
                "types-2.xsd",
                "contract.lock.yaml",
                "api.json",
                &long,
            ]
        );
    }
}
