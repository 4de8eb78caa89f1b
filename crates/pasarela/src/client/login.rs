//! Who asks from this account of the machine: written by `pasarela login`, for its user alone.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use serde_json::{Value, json};

/// Bytes of the file.
const BYTES_MAX: u64 = 64 << 10;

/// What is in the file.
#[derive(Clone)]
pub(crate) struct Login {
    /// The console's address.
    pub(crate) admin: String,
    /// A member's token.
    pub(crate) token: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("admin", &self.admin).finish_non_exhaustive()
    }
}

impl Login {
    /// The file: `PASARELA_LOGIN`, or in the user's folder of settings.
    pub(crate) fn file() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(file) = set("PASARELA_LOGIN") {
            return Some(file.into());
        }
        let settings = set("XDG_CONFIG_HOME").map(PathBuf::from);
        let settings = settings.or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))?;
        Some(settings.join("pasarela/login.json"))
    }

    /// What was written; `None` where nothing was.
    pub(crate) fn read() -> Result<Option<Self>, String> {
        let Some(file) = Self::file().filter(|file| file.exists()) else { return Ok(None) };
        let unusable = |why: String| format!("{} cannot be used: {why}", file.display());
        let bytes = crate::config::read_file(&file, BYTES_MAX).map_err(unusable)?;
        let read: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        match (read["admin"].as_str(), read["token"].as_str()) {
            (Some(admin), Some(token)) => {
                Ok(Some(Self { admin: admin.to_owned(), token: token.to_owned() }))
            }
            _ => Err(unusable("it is not what `pasarela login` writes; log in again".to_owned())),
        }
    }

    /// Writes it, in the place of what was there, whole; where.
    pub(crate) fn write(&self) -> io::Result<PathBuf> {
        let file = Self::file().ok_or_else(|| io::Error::other("there is no HOME to write to"))?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let coming = file.with_extension("new");
        // One that was left behind may be open to others.
        let _ = fs::remove_file(&coming);
        let mut options = fs::OpenOptions::new();
        let mut made = options.write(true).create_new(true).mode(0o600).open(&coming)?;
        let text = format!("{:#}\n", json!({ "admin": self.admin, "token": self.token }));
        made.write_all(text.as_bytes())?;
        made.sync_all()?;
        fs::rename(&coming, &file)?;
        Ok(file)
    }
}
