//! What the store held, kept on this disk for a start without it: two generations, each with its checksum (P5, F18).

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use pasarela_store::Holding;

/// The two files.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    folder: PathBuf,
}

const NEWEST: &str = "held.1";
const BEFORE: &str = "held.2";
const COMING: &str = "held.new";

impl Kept {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Keeps it; the one before stays beside it. A failure costs the start after the next loss of the
    /// store, so it is told and not more.
    pub(super) fn write(&self, held: &Holding) {
        if let Err(error) = self.try_write(&held.to_bytes()) {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot keep what the store holds");
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<()> {
        let at = |name: &str| self.folder.join(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(at(COMING))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match fs::rename(at(NEWEST), at(BEFORE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(at(COMING), at(NEWEST))?;
        fs::File::open(&self.folder)?.sync_all()
    }

    /// The newest one that is whole.
    pub(super) fn read(&self) -> Option<Holding> {
        [NEWEST, BEFORE].into_iter().find_map(|name| {
            let bytes = fs::read(self.folder.join(name)).ok()?;
            Holding::from_bytes(&bytes)
                .inspect_err(|error| tracing::error!(%error, name, "what was kept is not whole"))
                .ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f18_a_damaged_generation_leads_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::in_folder(folder.path());
        assert_eq!(kept.read(), None);
        let held = |generation| Holding { generation, ..Holding::default() };
        kept.write(&held(1));
        kept.write(&held(2));
        kept.write(&held(3));
        assert_eq!(kept.read(), Some(held(3)));
        let newest = folder.path().join(NEWEST);
        let mut bytes = fs::read(&newest).unwrap();
        bytes[20] ^= 1;
        fs::write(&newest, &bytes).unwrap();
        assert_eq!(kept.read(), Some(held(2)));
        fs::remove_file(folder.path().join(BEFORE)).unwrap();
        assert_eq!(kept.read(), None);
    }
}
