//! Noticing that files have changed: certificates, keys, contracts, the configuration itself.
//!
//! Looks at the files from time to time instead of asking the kernel to tell: that works the same
//! for an editor that renames, for Kubernetes swapping its `..data` link, for NFS and for files
//! that do not exist yet. A change is told once the files have stopped changing, well within the
//! second that a certificate may take to be served (L49).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// Looks after which a file that never stands still is told as changed anyway.
const RESTLESS_LOOKS: u32 = 4;
/// With very many files looking takes time: it gets at most one part in so many of a core.
const SHARE: u32 = 50;

/// What a file looks like from outside; equal as long as nobody touched it. Links are followed,
/// so that a link to another file looks different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: there is no such file, or it may not be looked at.
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            // Also notices a file put in place with its old time (`mv`, `cp -p`).
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Watches a set of files. Make it before reading them, so that no change falls between.
#[derive(Debug)]
pub struct FileWatch {
    paths: Arc<[PathBuf]>,
    told: Vec<Option<Stamp>>,
    next_look: Instant,
    pause: Duration,
    unrest: Option<Unrest>,
}

/// Files differ from what was told; waiting until they stand still.
#[derive(Debug)]
struct Unrest {
    stamps: Vec<Option<Stamp>>,
    looks: u32,
}

impl FileWatch {
    /// Watches `paths`, which need not exist, from how they are now.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let paths: Arc<[PathBuf]> = paths.into_iter().collect();
        let told = look(&paths);
        Self { paths, told, next_look: Instant::now() + PAUSE, pause: PAUSE, unrest: None }
    }

    /// Watches another set from now on. For files that stay in the set, a change that was not
    /// told yet will be.
    pub fn watch(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let known: HashMap<&PathBuf, Option<Stamp>> =
            self.paths.iter().zip(self.told.iter().copied()).collect();
        let paths: Arc<[PathBuf]> = paths.into_iter().collect();
        let told = paths
            .iter()
            .map(|path| known.get(path).copied().unwrap_or_else(|| Stamp::of(path)))
            .collect();
        self.paths = paths;
        self.told = told;
        self.unrest = None;
    }

    /// How the files are now is known to whoever is about to read them: it will not be told.
    pub fn take_as_read(&mut self) {
        self.told = look(&self.paths);
        self.unrest = None;
    }

    /// Waits until files have changed, appeared or gone, and tells which. Cancelling it loses
    /// nothing.
    pub async fn changed(&mut self) -> Vec<PathBuf> {
        loop {
            tokio::time::sleep_until(self.next_look).await;
            let began = Instant::now();
            let paths = Arc::clone(&self.paths);
            // Off the runtime's thread: a network file system may hang. A look that failed (the
            // runtime is ending) is as good as one that saw nothing new.
            let stamps = tokio::task::spawn_blocking(move || look(&paths)).await;
            self.pause = PAUSE.max(began.elapsed() * SHARE);
            self.next_look = Instant::now() + self.pause;
            if let Ok(stamps) = stamps
                && let Some(changed) = self.judge(stamps)
            {
                return changed;
            }
        }
    }

    /// Decides on a fresh look whether a change is to be told.
    fn judge(&mut self, stamps: Vec<Option<Stamp>>) -> Option<Vec<PathBuf>> {
        if stamps == self.told {
            self.unrest = None;
            return None;
        }
        let looks = match &self.unrest {
            Some(unrest) if unrest.stamps == stamps => RESTLESS_LOOKS,
            Some(unrest) => unrest.looks + 1,
            None => 1,
        };
        if looks < RESTLESS_LOOKS {
            self.unrest = Some(Unrest { stamps, looks });
            return None;
        }
        let changed = self
            .paths
            .iter()
            .zip(self.told.iter().zip(&stamps))
            .filter(|(_, (before, now))| before != now)
            .map(|(path, _)| path.clone())
            .collect();
        self.told = stamps;
        self.unrest = None;
        Some(changed)
    }
}

fn look(paths: &[PathBuf]) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| Stamp::of(path)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn what_was_taken_as_read_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let mut watch = FileWatch::new([path.clone()]);
        fs::write(&path, "two").unwrap();
        watch.take_as_read();
        let told = tokio::time::timeout(Duration::from_millis(700), watch.changed()).await;
        assert!(told.is_err(), "{told:?}");
        fs::write(&path, "three").unwrap();
        told_within_a_second(&mut watch).await;
    }

    /// Told a second after the change at the latest (L49), by the pauses between looks: the first may have just passed, the
    /// next sees the change, the one after it sees that it stands still. The clock is given more: the machine may be busy.
    async fn told_within_a_second(watch: &mut FileWatch) -> Vec<PathBuf> {
        const { assert!(PAUSE.as_millis() * 3 < 1000) };
        tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("told at all")
    }

    async fn quiet(watch: &mut FileWatch) {
        let told = tokio::time::timeout(Duration::from_millis(600), watch.changed()).await;
        assert!(told.is_err(), "nothing has changed, yet it tells {told:?}");
    }

    #[tokio::test]
    async fn l49_a_file_renamed_into_place_is_noticed_within_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("a.pem"), folder.path().join("a.key"));
        fs::write(&cert, "one").unwrap();
        let mut watch = FileWatch::new([cert.clone(), key.clone()]);
        quiet(&mut watch).await;

        // Same size, as certificates often have.
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), &cert).unwrap();
        assert_eq!(told_within_a_second(&mut watch).await, std::slice::from_ref(&cert));

        fs::write(&key, "appears").unwrap();
        assert_eq!(told_within_a_second(&mut watch).await, std::slice::from_ref(&key));
        fs::remove_file(&key).unwrap();
        assert_eq!(told_within_a_second(&mut watch).await, [key]);
        quiet(&mut watch).await;
    }

    #[tokio::test]
    async fn l49_kubernetes_swaps_a_link_and_all_files_behind_it_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for version in ["..1", "..2"] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("tls.crt"), version).unwrap();
        }
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/tls.crt", root.join("tls.crt")).unwrap();
        let mut watch = FileWatch::new([root.join("tls.crt")]);

        symlink("..2", root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        assert_eq!(told_within_a_second(&mut watch).await, [root.join("tls.crt")]);
    }

    #[test]
    fn half_written_files_are_waited_for_but_not_for_ever() {
        let stamp = |size| {
            vec![Some(Stamp { device: 1, inode: 1, size, modified: (0, 0), changed: (0, 0) })]
        };
        let mut watch = FileWatch {
            paths: Arc::from([PathBuf::from("a")]),
            told: stamp(1),
            next_look: Instant::now(),
            pause: PAUSE,
            unrest: None,
        };
        assert_eq!(watch.judge(stamp(0)), None, "it has only begun to change");
        assert_eq!(watch.judge(stamp(2)), None, "it goes on changing");
        assert_eq!(watch.judge(stamp(2)), Some(vec![PathBuf::from("a")]), "it stands still");
        assert_eq!(watch.judge(stamp(2)), None, "told once");

        assert_eq!(watch.judge(stamp(3)), None);
        assert_eq!(watch.judge(stamp(2)), None, "back to what it was: no change");
        let told = (10..10 + u64::from(RESTLESS_LOOKS))
            .filter(|size| watch.judge(stamp(*size)).is_some())
            .count();
        assert_eq!(told, 1, "a log file given by mistake is told from time to time");
    }

    #[tokio::test]
    async fn another_set_keeps_what_was_not_told_yet() {
        let folder = tempfile::tempdir().unwrap();
        let (stays, comes) = (folder.path().join("stays"), folder.path().join("comes"));
        fs::write(&stays, "1").unwrap();
        fs::write(&comes, "1").unwrap();
        let mut watch = FileWatch::new([stays.clone()]);
        fs::write(&stays, "22").unwrap();
        watch.watch([comes, stays.clone()]);
        assert_eq!(told_within_a_second(&mut watch).await, [stays]);
    }
}
