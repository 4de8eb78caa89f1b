//! The keys that our tokens are signed with: in a file of the data folder that nobody else may read, a new one each month.
//!
//! A key is published a day before it signs, so that whoever keeps the published ones has it in time; one that signs no more stays
//! until the last of its tokens has ended. Nodes that share a store share them ([`shared`]).

mod shared;

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use base64_simd::STANDARD;
use pasarela_gateway::oauth::new_key;
use pasarela_model::{LIFETIME_MAX, Secret, SigningKey, Snapshot};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::admin::{self, Desk};

const FILE: &str = "signing-keys.json";
const COMING: &str = "signing-keys.new";

/// Seconds that a key signs.
const SIGNS: u64 = 30 * DAY;
/// Seconds before that in which it is published.
const AHEAD: u64 = DAY;
/// Seconds that it is published afterwards: as long as a token lives, and an hour for clocks that differ.
const AFTER: u64 = LIFETIME_MAX.as_secs() + 3600;
const DAY: u64 = 24 * 3600;

/// The keys of a data folder; none are made before tokens are issued.
#[derive(Debug)]
pub(crate) struct Signing {
    folder: PathBuf,
    keys: Arc<[SigningKey]>,
    /// Whether tokens are issued.
    issues: watch::Sender<bool>,
    /// Says that the file is another one now, by way of the store.
    told: watch::Sender<()>,
    come: watch::Receiver<()>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    keys: Vec<WrittenKey>,
}

#[derive(Serialize, Deserialize)]
struct WrittenKey {
    pkcs8: String,
    from: u64,
    until: u64,
}

impl Signing {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let (told, come) = watch::channel(());
        let (issues, _) = watch::channel(false);
        Self { folder: folder.to_owned(), keys: Arc::default(), issues, told, come }
    }

    /// Has all nodes on this store sign with the same keys, from now on and for as long as the process lives.
    pub(crate) async fn share(&self, desk: &Desk, issues: bool) {
        if issues && let Some(control) = desk.get() {
            shared::look(&self.folder, control.store()).await;
        }
        let (folder, desk) = (self.folder.clone(), desk.clone());
        let shared = shared::share(folder, desk, self.issues.subscribe(), self.told.clone());
        tokio::task::spawn_local(shared);
    }

    /// Gives the keys to a snapshot that issues tokens.
    ///
    /// # Errors
    /// When there are none, and none can be kept.
    pub(crate) fn fill(&mut self, snapshot: &mut Snapshot) -> anyhow::Result<()> {
        self.issues
            .send_if_modified(|was| std::mem::replace(was, snapshot.issuing.is_some()) != *was);
        let Some(issuing) = &mut snapshot.issuing else { return Ok(()) };
        if let Err(error) = self.turn(now()) {
            let what = "the keys that tokens are signed with";
            if self.keys.is_empty() {
                return Err(error.context(what));
            }
            // Those that there are sign on.
            tracing::error!(error = %format!("{error:#}"), "cannot renew {what}");
        }
        issuing.keys = Arc::clone(&self.keys);
        Ok(())
    }

    /// Waits until a key comes or goes.
    pub(crate) async fn due(&mut self) {
        let gone = self.keys.iter().map(|key| key.until + AFTER);
        let next = gone.chain(self.keys.last().map(|last| last.until - AHEAD)).min();
        let due = async {
            loop {
                // A clock that is set forward is noticed within the hour; what failed is tried again in a minute.
                let left = next.unwrap_or(u64::MAX).saturating_sub(now()).clamp(60, 3600);
                tokio::time::sleep(Duration::from_secs(left)).await;
                if next.is_some_and(|next| now() >= next) {
                    return;
                }
            }
        };
        tokio::select! {
            () = due => {}
            // The other end is ours too, so it is never closed.
            _ = self.come.changed() => {}
        }
    }

    /// Has the keys that there should be now. The file counts: another process may have made them.
    fn turn(&mut self, now: u64) -> anyhow::Result<()> {
        let kept = read(&self.folder)?;
        self.keys = match grown(&kept, now)? {
            None => kept.into(),
            Some(keys) => {
                write(&self.folder, &keys)?;
                tracing::info!(keys = keys.len(), "the keys that sign tokens are renewed");
                keys.into()
            }
        };
        Ok(())
    }
}

fn read(folder: &Path) -> anyhow::Result<Vec<SigningKey>> {
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => Secret::new(read.with_context(|| path.display().to_string())?),
    };
    // What is wrong with it is not told: it would show some of it.
    let unread = || anyhow::anyhow!("{} is not what was written there", path.display());
    let written: Written = serde_json::from_slice(bytes.expose()).map_err(|_| unread())?;
    let keys = written.keys.into_iter().map(|key| {
        let pkcs8 = STANDARD.decode_to_vec(key.pkcs8).map_err(|_| unread())?;
        Ok(SigningKey { pkcs8: Secret::new(pkcs8), from: key.from, until: key.until })
    });
    keys.collect()
}

fn write(folder: &Path, keys: &[SigningKey]) -> anyhow::Result<()> {
    let keys = keys.iter().map(|key| WrittenKey {
        pkcs8: STANDARD.encode_to_string(key.pkcs8.expose()),
        from: key.from,
        until: key.until,
    });
    let text = Secret::new(serde_json::to_vec(&Written { keys: keys.collect() })?);
    let (coming, path) = (folder.join(COMING), folder.join(FILE));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = || {
        let mut file = options.open(&coming)?;
        file.write_all(text.expose())?;
        file.sync_all()?;
        fs::rename(&coming, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    written().with_context(|| path.display().to_string())
}

/// The keys with those that are missing and without those that nobody needs; `None`: all is as it should be.
fn grown(keys: &[SigningKey], now: u64) -> anyhow::Result<Option<Vec<SigningKey>>> {
    let Some((mut keys, missing)) = turned(keys, now) else { return Ok(None) };
    if let Some((from, until)) = missing {
        let pkcs8 = new_key().context("the system gives no random numbers")?;
        keys.push(SigningKey { pkcs8, from, until });
    }
    Ok(Some(keys))
}

/// When a new key signs, and until when.
type Missing = (u64, u64);

/// Which keys stay, and whether one is missing; `None`: all is as it should be.
fn turned(keys: &[SigningKey], now: u64) -> Option<(Vec<SigningKey>, Option<Missing>)> {
    let stay: Vec<_> = keys.iter().filter(|key| now < key.until + AFTER).cloned().collect();
    let missing = match stay.last() {
        // Nobody can have kept others yet.
        None => Some(now),
        Some(last) => (now + AHEAD >= last.until).then(|| last.until.max(now)),
    };
    let changed = missing.is_some() || stay.len() != keys.len();
    changed.then(|| (stay, missing.map(|from| (from, from + SIGNS))))
}

fn now() -> u64 {
    u64::try_from(admin::now().millis() / 1000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: u64 = 1_795_594_500;

    fn times(signing: &Signing) -> Vec<(u64, u64)> {
        signing.keys.iter().map(|key| (key.from - NOW, key.until - NOW)).collect()
    }

    #[test]
    fn a_key_is_there_a_day_before_it_signs_and_stays_while_its_tokens_may_live() {
        let folder = tempfile::tempdir().unwrap();
        let mut signing = Signing::in_folder(folder.path());
        let mut at = |after: u64| {
            signing.turn(NOW + after).unwrap();
            times(&signing)
        };
        let (first, second) = ((0, SIGNS), (SIGNS, 2 * SIGNS));
        assert_eq!(at(0), [first]);
        assert_eq!(at(SIGNS - AHEAD - 1), [first]);
        assert_eq!(at(SIGNS - AHEAD), [first, second]);
        assert_eq!(at(SIGNS + AFTER - 1), [first, second]);
        assert_eq!(at(SIGNS + AFTER), [second]);
        // After a year in which nobody was there, no key begins in the past.
        assert_eq!(at(365 * DAY), [(365 * DAY, 395 * DAY)]);
    }

    #[test]
    fn keys_are_read_again_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut signing = Signing::in_folder(folder.path());
        signing.turn(NOW).unwrap();
        let mut again = Signing::in_folder(folder.path());
        again.turn(NOW + 1).unwrap();
        assert_eq!(signing.keys, again.keys);
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{\"keys\":[{\"pkcs8\":\"CANARY\"}]}").unwrap();
        let error = format!("{:#}", again.turn(NOW).unwrap_err());
        assert!(error.contains(FILE) && !error.contains("CANARY"), "{error}");
    }

    #[test]
    fn without_issuing_no_key_is_made() {
        let folder = tempfile::tempdir().unwrap();
        Signing::in_folder(folder.path()).fill(&mut Snapshot::default()).unwrap();
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
