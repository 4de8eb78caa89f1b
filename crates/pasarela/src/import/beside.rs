//! Finds the documents that a contract or a schema names in the file system, relative to the one that names them.
//!
//! Nothing is fetched. In a folder with a lock file, a document is also found by the URL it came from.

use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
};

use pasarela_soap::xsd::{Document, Resolver};

use super::{Lock, document};
use crate::config::read_file;

/// Bytes of a document in a file.
const DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// A resolver for what lies beside.
#[derive(Debug, Default)]
pub struct Beside {
    /// The locks of the folders that were looked into.
    locks: HashMap<PathBuf, Option<Lock>>,
    /// Every file that was read or looked for, in that order, so that a watcher notices when one changes.
    pub looked_for: Vec<PathBuf>,
}

impl Beside {
    /// The stored file that a lock gives for a location; `None` where no lock has a say. What belongs to a locked contract is
    /// what its lock says, and nothing else that may lie around.
    fn locked(&mut self, base: &Path, location: &str) -> Result<Option<Option<PathBuf>>, String> {
        let folder = base.parent().unwrap_or(Path::new(""));
        if !self.locks.contains_key(folder) {
            let lock = Lock::in_folder(folder).map_err(|error| error.to_string())?;
            self.locks.insert(folder.to_path_buf(), lock);
        }
        let file = base.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let lock = self.locks.get(folder).and_then(Option::as_ref);
        let Some(lock) = lock.filter(|lock| lock.by_file(file).is_some()) else { return Ok(None) };
        Ok(Some(lock.named(file, location).map(|locked| folder.join(&locked.file))))
    }
}

impl Resolver for Beside {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let Some(location) = location else { return Ok(None) };
        let path = match self.locked(Path::new(base), location)? {
            Some(Some(path)) => path,
            Some(None) => return Ok(None),
            None if location.contains("://") => return Ok(None),
            None => joined(Path::new(base), location),
        };
        self.looked_for.push(path.clone());
        match read_file(&path, DOCUMENT_BYTES_MAX) {
            Ok(bytes) => Ok(Some(document(&path, bytes))),
            Err(reason) => Err(format!("{} cannot be read: {reason}", path.display())),
        }
    }
}

/// What `location` means in the file `base`.
pub(super) fn joined(base: &Path, location: &str) -> PathBuf {
    normal(&base.parent().unwrap_or(Path::new("")).join(location))
}

/// A path without `.` and `..`, so that one file has one name however it is reached.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(normal.components().next_back(), Some(Component::Normal(_))) =>
            {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}
