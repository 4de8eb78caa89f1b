//! Corpora that lie beside the workspace, unpacked into `target/corpus`; they are no part of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pasarela_soap::xsd::{Document, Resolver};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The folder of a corpus, unpacked if need be; nothing when it is not there.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let target = workspace().join("target/corpus");
    let unpacked = target.join(name);
    if unpacked.is_dir() {
        return Some(unpacked);
    }
    let archives = workspace().ancestors().map(|up| up.join("shared/corpus")).collect::<Vec<_>>();
    let archive = archives.iter().map(|up| up.join(format!("{name}.tar.xz"))).find(|a| a.is_file());
    let Some(archive) = archive else {
        eprintln!("skipped: there is no corpus {name} beside the workspace");
        return None;
    };
    // Tests are processes that run at the same time: each unpacks for itself, and the first is kept.
    let own = target.join(format!(".{name}-{}", std::process::id()));
    fs::create_dir_all(&own).unwrap();
    let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(&own).status();
    assert!(status.unwrap().success());
    let kept = fs::rename(own.join(name), &unpacked);
    fs::remove_dir_all(own).unwrap();
    assert!(kept.is_ok() || unpacked.is_dir(), "{kept:?}");
    Some(unpacked)
}

/// Every file below a folder with one of these endings, sorted.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Finds documents beside the one that names them, and nothing on the network.
pub(crate) struct Beside;

impl Resolver for Beside {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let Some(location) = location else { return Ok(None) };
        if location.contains("://") {
            return Ok(None);
        }
        let path = Path::new(base).parent().unwrap().join(location.split('#').next().unwrap());
        let Ok(path) = path.canonicalize() else {
            return Err(format!("there is no file {location:?}"));
        };
        let bytes = fs::read(&path).map_err(|error| format!("{location}: {error}"))?;
        Ok(Some(Document { url: path.to_string_lossy().into_owned(), bytes }))
    }
}
