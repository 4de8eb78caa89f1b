//! The lock file beside a stored contract: which documents belong to it, where each came from, its SHA-256.
//!
//! Stored documents are never rewritten: what one imports is found by the URL it came from. A document whose bytes are
//! not those of the lock is refused, whoever changed it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Url;

/// The name of the file.
pub const LOCK_FILE: &str = "contract.lock";
/// Bytes of a lock file: its documents are few.
const LOCK_BYTES_MAX: u64 = 1 << 20;

/// The documents of a stored contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The first one is the contract itself.
    pub documents: Vec<Locked>,
}

/// One stored document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// Its file, in the folder of the lock.
    pub file: String,
    /// What it was asked for by: a URL, or a path relative to the folder of the contract.
    pub url: String,
    /// Where it was found in the end, if redirects led elsewhere.
    pub found: Option<String>,
    /// In hexadecimal digits.
    pub sha256: String,
}

/// Why a lock or what it locks is refused.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is there, and cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// It is there, and says something that it may not.
    #[error("{} is no lock file: {why}", .0.display(), why = .1)]
    Malformed(PathBuf, String),
    /// It locks other documents.
    #[error("{} does not stand in its lock file", .0.display())]
    Unknown(PathBuf),
    /// A document is gone.
    #[error("{}, which the lock file names, cannot be read", .0.display())]
    Missing(PathBuf, #[source] io::Error),
    /// A document has other bytes.
    #[error("{} was changed after it was locked: its SHA-256 is {now}", .0.display(), now = .1)]
    Changed(PathBuf, String),
}

impl LockError {
    /// The file it is about.
    pub fn file(&self) -> &Path {
        match self {
            Self::Unreadable(file, _)
            | Self::Malformed(file, _)
            | Self::Unknown(file)
            | Self::Missing(file, _)
            | Self::Changed(file, _) => file,
        }
    }
}

/// The SHA-256 of a document, in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Lock {
    /// The lock of the contract at `path`, if one lies beside it.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn of(path: &Path) -> Result<Option<Self>, LockError> {
        Self::in_folder(path.parent().unwrap_or(Path::new("")))
    }

    /// The lock in a folder.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn in_folder(folder: &Path) -> Result<Option<Self>, LockError> {
        let path = folder.join(LOCK_FILE);
        let unreadable = |error| LockError::Unreadable(path.clone(), error);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(file, LOCK_BYTES_MAX), &mut text)
            .map_err(unreadable)?;
        Self::parse(&text).map(Some).map_err(|why| LockError::Malformed(path.clone(), why))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if root["version"] != 1 {
            return Err("its version is not 1".to_owned());
        }
        let documents = root["documents"].as_array().ok_or("it lists no documents")?;
        let text = |entry: &Value, key: &str| entry[key].as_str().map(str::to_owned);
        let documents = documents.iter().map(|entry| {
            let file = text(entry, "file").filter(|file| is_plain(file))?;
            let sha256 = text(entry, "sha256")?;
            Some(Locked { file, url: text(entry, "url")?, found: text(entry, "found"), sha256 })
        });
        let documents: Vec<Locked> = documents
            .collect::<Option<_>>()
            .ok_or("an entry lacks `file`, `url` or `sha256`, or its file is in another folder")?;
        if documents.is_empty() {
            return Err("it lists no documents".to_owned());
        }
        Ok(Self { documents })
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let documents = self.documents.iter().map(|locked| {
            let mut entry = json!({ "file": locked.file, "url": locked.url });
            if let Some(found) = &locked.found {
                entry["found"] = found.as_str().into();
            }
            entry["sha256"] = locked.sha256.as_str().into();
            entry
        });
        let documents: Vec<Value> = documents.collect();
        format!("{:#}\n", json!({ "version": 1, "documents": documents }))
    }

    /// Every document of it that is not as it was locked; `root` is the contract that is to be used.
    pub fn verify(&self, root: &Path) -> Vec<LockError> {
        let folder = root.parent().unwrap_or(Path::new(""));
        let mut errors = Vec::new();
        if root.file_name().and_then(|name| self.by_file(name.to_str()?)).is_none() {
            errors.push(LockError::Unknown(root.to_path_buf()));
        }
        for locked in &self.documents {
            let path = folder.join(&locked.file);
            match fs::read(&path) {
                Err(error) => errors.push(LockError::Missing(path, error)),
                Ok(bytes) if digest(&bytes) != locked.sha256 => {
                    errors.push(LockError::Changed(path, digest(&bytes)));
                }
                Ok(_) => (),
            }
        }
        errors
    }

    /// The document in a file.
    pub fn by_file(&self, file: &str) -> Option<&Locked> {
        self.documents.iter().find(|locked| locked.file == file)
    }

    /// The document that is meant by `location` in the document in `base`.
    pub fn named(&self, base: &str, location: &str) -> Option<&Locked> {
        let base = self.by_file(base)?;
        let base = base.found.as_deref().unwrap_or(&base.url);
        let url = match Url::parse(base) {
            Ok(base) => base.join(location).ok()?.to_string(),
            Err(_) => match Url::parse(location) {
                Ok(url) => url.to_string(),
                Err(_) => super::beside::joined(Path::new(base), location).to_str()?.to_owned(),
            },
        };
        let fits = |locked: &&Locked| locked.url == url || locked.found.as_ref() == Some(&url);
        self.documents.iter().find(fits)
    }
}

/// A file's name, and not a way to somewhere else.
fn is_plain(file: &str) -> bool {
    !file.is_empty() && !file.contains(['/', '\\', '\0']) && file != "." && file != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let locked = |file: &str, url: &str, found: Option<&str>| Locked {
            file: file.to_owned(),
            url: url.to_owned(),
            found: found.map(str::to_owned),
            sha256: digest(file.as_bytes()),
        };
        Lock {
            documents: vec![
                locked("a.wsdl", "http://a.example/a?wsdl", Some("http://a.example/v2/a?wsdl")),
                locked("b.xsd", "http://a.example/v2/b.xsd", None),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(Lock::parse(&lock().text()).unwrap(), lock());
    }

    #[test]
    fn an_import_is_found_by_where_its_document_came_from() {
        let lock = lock();
        assert_eq!(lock.named("a.wsdl", "b.xsd").unwrap().file, "b.xsd");
        assert_eq!(lock.named("b.xsd", "http://a.example/a?wsdl#x").unwrap().file, "a.wsdl");
        assert_eq!(lock.named("a.wsdl", "../b.xsd"), None);
        assert_eq!(lock.named("c.wsdl", "b.xsd"), None);
    }

    #[test]
    fn a_lock_leads_out_of_its_folder_never() {
        for file in ["../a.wsdl", "/etc/passwd", "..", "", "a\\b"] {
            let text = lock().text().replace("b.xsd\",", &format!("{}\",", file.escape_default()));
            assert!(Lock::parse(&text).is_err(), "{file}");
        }
    }

    #[test]
    fn a_changed_a_missing_and_a_foreign_document_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a.wsdl");
        fs::write(folder.path().join(LOCK_FILE), lock().text()).unwrap();
        fs::write(&root, "a.wsdl").unwrap();
        fs::write(folder.path().join("b.xsd"), "b.xsd").unwrap();
        let found = Lock::of(&root).unwrap().unwrap();
        assert!(found.verify(&root).is_empty());
        assert!(matches!(*found.verify(&folder.path().join("c.wsdl")), [LockError::Unknown(_)]));
        fs::write(&root, "a.wsdl ").unwrap();
        fs::remove_file(folder.path().join("b.xsd")).unwrap();
        let errors = found.verify(&root);
        assert!(matches!(*errors, [LockError::Changed(..), LockError::Missing(..)]), "{errors:?}");
    }
}
