//! Where the pepper of the store is: in a file of its own, so that whoever has the database has no secret to try (L31).
//!
//! The first start makes it, in the data folder; nodes that share a store share the file, whose place `PASARELA_PEPPER_FILE` may say. Until the
//! store was opened with a new one it is called `….new`: a start that came to nothing leaves no pepper that nothing is mixed with.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use pasarela_model::Pepper;
use pasarela_store::{Error, Place, Store};

/// Says where the file is, where it is not in the data folder.
const VARIABLE: &str = "PASARELA_PEPPER_FILE";
const NAME: &str = "pepper";

/// A pepper, and where it is.
#[derive(Debug, Clone)]
pub(crate) struct PepperFile {
    path: PathBuf,
    pepper: Pepper,
}

impl PepperFile {
    /// The one that is there, or a new one.
    pub(crate) fn of(data: &Path) -> anyhow::Result<Self> {
        let said = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        Self::at(said.map_or_else(|| data.join(NAME), PathBuf::from))
    }

    fn at(path: PathBuf) -> anyhow::Result<Self> {
        for file in [path.clone(), coming(&path)] {
            match fs::read_to_string(&file) {
                Ok(text) => {
                    let bits = bits(text.trim()).with_context(|| {
                        format!("{} is no pepper: it has 64 hexadecimal digits", file.display())
                    })?;
                    private(&file);
                    return Ok(Self { path, pepper: Pepper::new(&bits) });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("the pepper of the store cannot be read from {}", file.display())
                    });
                }
            }
        }
        let bits = super::seed()?;
        write(&coming(&path), &bits).with_context(|| {
            format!("the pepper of the store cannot be written to {}", path.display())
        })?;
        Ok(Self { path, pepper: Pepper::new(&bits) })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The pepper.
    pub(crate) const fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// Opens the store with it, after which it stays.
    ///
    /// # Errors
    /// What opening meets.
    pub(crate) async fn open(&self, place: &Place) -> Result<Store, Error> {
        let opened = Store::open(place, &self.pepper).await;
        match &opened {
            Ok(_) => {
                // A failure is met again at the next start, which finds it under this name.
                if let Err(error) = stays(&self.path) {
                    tracing::error!(%error, path = %self.path.display(), "the pepper of the store is not kept");
                }
            }
            Err(Error::OtherPepper) if !self.path.exists() => {
                let _ = fs::remove_file(coming(&self.path));
            }
            Err(_) => {}
        }
        opened
    }

    /// What to say about a store that does not open with it.
    pub(crate) fn explain(&self, error: Error) -> anyhow::Error {
        let why = match error {
            Error::OtherPepper if self.path.exists() => format!(
                "{} holds another pepper than the one that the secrets in the store are mixed with; put that one there: it is in \
                 the data folder of each node that has served this store",
                self.path.display()
            ),
            Error::OtherPepper => format!(
                "the pepper that the secrets in the store are mixed with is missing at {}; put it there: it is in your backup, and in the data \
                 folder of each node that has served this store. Without it every key, token and invitation has to be given anew",
                self.path.display()
            ),
            _ => "the store cannot be opened".to_owned(),
        };
        anyhow::Error::new(error).context(why)
    }
}

fn coming(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn write(path: &Path, bits: &[u8; 32]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    let hex: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    file.write_all(format!("{hex}\n").as_bytes())?;
    file.sync_all()
}

fn stays(path: &Path) -> io::Result<()> {
    match fs::rename(coming(path), path) {
        // It did already.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        done => done?,
    }
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// Whoever may read it should be us.
fn private(path: &Path) {
    let mode = fs::metadata(path).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o007 != 0) {
        tracing::warn!(path = %path.display(), "everybody on this machine can read the pepper of the store");
    }
}

fn bits(text: &str) -> anyhow::Result<[u8; 32]> {
    let mut bits = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        bail!("this is something else");
    }
    for (byte, digits) in bits.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits)?, 16)?;
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(folder: &Path, pepper: &str) -> Result<(), String> {
        let file = PepperFile::at(folder.join(pepper)).map_err(|error| format!("{error:#}"))?;
        let place = Place::Sqlite(folder.to_owned());
        match file.open(&place).await {
            Ok(store) => store.close().await,
            Err(error) => return Err(format!("{:#}", file.explain(error))),
        }
        Ok(())
    }

    #[tokio::test]
    async fn l31_a_store_opens_with_its_pepper_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        open(folder, "pepper").await.unwrap();
        let text = fs::read_to_string(folder.join("pepper")).unwrap();
        assert_eq!(text.trim().len(), 64);
        let mode = fs::metadata(folder.join("pepper")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        open(folder, "pepper").await.unwrap();
        // Lost: a new one is no help, and is not left behind.
        fs::rename(folder.join("pepper"), folder.join("safe")).unwrap();
        for _ in 0..2 {
            let refused = open(folder, "pepper").await.unwrap_err();
            assert!(refused.contains("is missing at"), "{refused}");
            assert!(!folder.join("pepper").exists() && !folder.join("pepper.new").exists());
        }
        fs::write(folder.join("pepper"), "ab".repeat(32)).unwrap();
        let refused = open(folder, "pepper").await.unwrap_err();
        assert!(refused.contains("holds another pepper"), "{refused}");
        fs::write(folder.join("pepper"), "not a pepper").unwrap();
        let refused = open(folder, "pepper").await.unwrap_err();
        assert!(refused.contains("is no pepper: it has 64 hexadecimal digits"), "{refused}");
        // Found again, under the name that a start which was cut off has left.
        fs::remove_file(folder.join("pepper")).unwrap();
        fs::rename(folder.join("safe"), folder.join("pepper.new")).unwrap();
        open(folder, "pepper").await.unwrap();
        assert_eq!(fs::read_to_string(folder.join("pepper")).unwrap(), text);
    }
}
