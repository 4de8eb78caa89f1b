//! Where an API is written to: the configuration file, changed whole or not at all, and the folder of its documents.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{Code, Refusal, refusal};
use crate::{
    config::{USUAL_FILE, read_file},
    import::Bundle,
};

/// Bytes of a configuration, as its reader takes them.
const BYTES_MAX: u64 = 16 << 20;

/// A configuration file, or the place for one.
pub(super) struct Place {
    /// As it is called; what it names is relative to its folder.
    pub(super) path: PathBuf,
    /// The text; none when there is no file yet.
    pub(super) text: Option<String>,
    /// Keeps others of us out of the folder until it is dropped.
    _guard: File,
}

impl Place {
    /// The file that was named, or the usual one, which need not be there.
    pub(super) fn open(named: Option<&Path>) -> Result<Self, Refusal> {
        let path = named.unwrap_or(Path::new(USUAL_FILE)).to_path_buf();
        let none = |why: String| {
            let message = format!("{} cannot be used: {why}.", path.display());
            let cure = "Name the file that `pasarela serve` runs with, or leave --config out: to begin pasarela.yaml in this folder, or \
                after `pasarela login` to publish into the store of a gateway that runs from none.";
            refusal(Code::NoFile, message, cure.to_owned())
        };
        let guard = File::open(folder_of(&path)).and_then(|folder| {
            folder.lock()?;
            Ok(folder)
        });
        let guard = guard.map_err(|error| none(error.to_string()))?;
        let text = match read_file(&path, BYTES_MAX) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes);
                Some(text.map_err(|_| none("it is not UTF-8 text".to_owned()))?)
            }
            Err(_) if named.is_none() && fs::symlink_metadata(&path).is_err() => None,
            Err(why) => return Err(none(why)),
        };
        Ok(Self { path, text, _guard: guard })
    }

    /// The folder that what it names is relative to.
    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// Puts a text in the place of the old one: the file has the one or the other, whatever happens. Where the path is a
    /// link, it stays one.
    pub(super) fn write(&self, text: &str) -> Result<(), Refusal> {
        self.replace(text).map_err(|error| {
            let message = format!("{} cannot be written: {error}.", self.path.display());
            let cure = "See that this user may write the file and its folder, and try again.";
            refusal(Code::Unwritten, message, cure.to_owned())
        })
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let Some(old) = &self.text else {
            let mut made = tempfile::Builder::new()
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(self.folder())?;
            made.write_all(text.as_bytes())?;
            made.as_file().sync_all()?;
            made.persist_noclobber(&self.path).map_err(|error| error.error)?;
            return File::open(self.folder())?.sync_all();
        };
        let target = fs::canonicalize(&self.path)?;
        let about = fs::metadata(&target)?;
        let mut made = tempfile::NamedTempFile::new_in(folder_of(&target))?;
        made.write_all(text.as_bytes())?;
        fs::set_permissions(made.path(), about.permissions())?;
        // Only root may give a file away; who cannot keeps it.
        let _ = std::os::unix::fs::chown(made.path(), Some(about.uid()), Some(about.gid()));
        made.as_file().sync_all()?;
        if fs::read(&target)? != old.as_bytes() {
            return Err(io::Error::other("somebody changed it meanwhile"));
        }
        made.persist(&target).map_err(|error| error.error)?;
        File::open(folder_of(&target))?.sync_all()
    }
}

/// The folder a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Documents on their way into a folder; gone again unless they get there.
pub(super) struct Staged {
    made: PathBuf,
    folder: PathBuf,
}

impl Staged {
    /// Stores everything beside the folder that it is for.
    pub(super) fn new(bundle: &Bundle, folder: &Path) -> Result<Self, Refusal> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let made = folder.with_file_name(format!(".{name}.new"));
        let _ = fs::remove_dir_all(&made);
        let staged = Self { made, folder: folder.to_path_buf() };
        bundle.store(&staged.made).map_err(|error| {
            let cause = std::error::Error::source(&error).map_or(String::new(), |e| e.to_string());
            unwritten(&format!("{error}: {cause}"))
        })?;
        Ok(staged)
    }

    /// Where they are now.
    pub(super) fn made(&self) -> &Path {
        &self.made
    }

    /// Moves them to a folder that is not there yet.
    pub(super) fn put(self) -> Result<(), Refusal> {
        fs::rename(&self.made, &self.folder)
            .and_then(|()| File::open(folder_of(&self.folder))?.sync_all())
            .map_err(|error| unwritten(&format!("{}: {error}", self.folder.display())))
    }

    /// Moves them in the place of what is there. What others put into that folder stays.
    pub(super) fn exchange(self, ours: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
        let failed = |error: &io::Error| unwritten(&format!("{}: {error}", self.folder.display()));
        for entry in fs::read_dir(&self.folder).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let (name, to) = (entry.file_name(), self.made.join(entry.file_name()));
            if name.to_str().is_some_and(ours) || to.exists() {
                continue;
            }
            copy(&entry.path(), &to).map_err(|error| failed(&error))?;
        }
        Bundle::exchange(&self.made, &self.folder).map_err(|error| {
            let cause = std::error::Error::source(&error).map_or(String::new(), |e| e.to_string());
            unwritten(&format!("{error}: {cause}"))
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        take_back(&self.made);
    }
}

/// Removes documents that are not needed after all, and the folder around them where nothing else is in it.
pub(super) fn take_back(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    let _ = fs::remove_dir(folder_of(folder));
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(from)?;
    if about.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if !about.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn unwritten(why: &str) -> Refusal {
    let message = format!("The documents of the contract cannot be stored: {why}.");
    let cure = "See that this user may write there, and that there is room.";
    refusal(Code::Unwritten, message, cure.to_owned())
}
