//! What the store held, kept on this disk for a start without it (P5, F18, F23).
//!
//! A file says which pepper the keys in it are mixed with; then comes the whole with its checksum, and behind it what changed since, change
//! by change, each sealed to the one before. Reading
//! ends where a seal does not fit: what a crash has cut off is lost, and nothing else. When what follows has become as long as the whole, that
//! is written anew, and the file before stays beside it as the second generation.
//!
//! One process writes. A successor that takes over while its predecessor still drains finds the file locked and writes one of its own;
//! the predecessor sees that and leaves off.

use std::{
    fs, io,
    io::{Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use pasarela_model::Pepper;
use pasarela_store::{Delta, Holding};
use sha2::{Digest as _, Sha256};

const NEWEST: &str = "held.1";
const BEFORE: &str = "held.2";
const COMING: &str = "held.new";

/// Bytes of changes below which the whole is not written anew, however short it is.
const CHANGES_BYTES: u64 = 1 << 20;
const SUM: usize = 32;
/// Bytes before the whole: which pepper, and how long it is.
const HEAD: usize = SUM + 8;

/// The two files.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    /// Says which pepper the keys in it are mixed with; under another one they are of no use.
    pepper: [u8; SUM],
    /// The newest one, as far as changes can be written behind it.
    open: Option<Open>,
    /// Another process keeps what there is.
    superseded: bool,
}

#[derive(Debug)]
struct Open {
    file: fs::File,
    /// Bytes of the whole…
    whole: u64,
    /// …and of all that is good.
    length: u64,
    /// The last seal.
    seal: [u8; SUM],
}

/// Something to keep.
#[derive(Debug)]
pub(super) enum Page {
    /// All there is.
    Whole(Vec<u8>),
    /// What changed.
    Changes(Vec<Vec<u8>>),
}

impl Kept {
    pub(super) fn in_folder(folder: &Path, pepper: &Pepper) -> Self {
        let pepper = pepper.proof().0;
        Self { folder: folder.to_owned(), pepper, open: None, superseded: false }
    }

    /// Whether the whole is wanted next, and not only what changed.
    pub(super) fn wants_all(&self) -> bool {
        let full = |open: &Open| open.length - open.whole > open.whole.max(CHANGES_BYTES);
        !self.superseded && self.open.as_ref().is_none_or(full)
    }

    /// Keeps it; whether that was possible. A failure costs the start after the next loss of the store, so it is told and not more.
    pub(super) fn keep(&mut self, page: Page) -> bool {
        let done = match page {
            _ if self.superseded => Ok(()),
            Page::Whole(bytes) => self.write(&bytes),
            Page::Changes(all) => self.append(&all),
        };
        if let Err(error) = &done {
            // What stands behind the last good change is not to be written behind.
            self.open = None;
            tracing::warn!(%error, folder = %self.folder.display(), "cannot keep what the store holds");
        }
        done.is_ok()
    }

    fn write(&mut self, whole: &[u8]) -> io::Result<()> {
        let at = |name: &str| self.folder.join(name);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(at(COMING))?;
        file.write_all(&self.pepper)?;
        file.write_all(&(whole.len() as u64).to_be_bytes())?;
        file.write_all(whole)?;
        file.sync_all()?;
        // Nobody else can have it yet.
        let _ = file.try_lock();
        match fs::rename(at(NEWEST), at(BEFORE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(at(COMING), at(NEWEST))?;
        fs::File::open(&self.folder)?.sync_all()?;
        let length = (HEAD + whole.len()) as u64;
        self.open = Some(Open { file, whole: length, length, seal: seal_of(whole) });
        Ok(())
    }

    fn append(&mut self, changes: &[Vec<u8>]) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        match fs::metadata(self.folder.join(NEWEST)) {
            Ok(there) if there.ino() != open.file.metadata()?.ino() => {
                (self.superseded, self.open) = (true, None);
                return Ok(());
            }
            there => there.map(drop)?,
        }
        let (mut bytes, mut seal) = (Vec::new(), open.seal);
        for change in changes {
            let length = u32::try_from(change.len()).map_err(io::Error::other)?;
            seal = sealed(&seal, change);
            bytes.extend(length.to_be_bytes());
            bytes.extend(change);
            bytes.extend(seal);
        }
        open.file.write_all(&bytes)?;
        open.file.sync_data()?;
        (open.length, open.seal) = (open.length + bytes.len() as u64, seal);
        Ok(())
    }

    /// The newest one that is whole.
    pub(super) fn read(&mut self) -> Option<Holding> {
        let newest = self.read_one(NEWEST);
        if let Some((held, open)) = newest {
            self.open = open
                .inspect_err(|error| tracing::warn!(%error, "what was kept is not written on"))
                .ok()
                .flatten();
            return Some(held);
        }
        self.read_one(BEFORE).map(|(held, _)| held)
    }

    fn read_one(&self, name: &str) -> Option<(Holding, io::Result<Option<Open>>)> {
        let path = self.folder.join(name);
        let bytes = fs::read(&path).ok()?;
        let read = read(&bytes, &self.pepper)
            .inspect_err(|error| tracing::error!(%error, name, "what was kept is not whole"));
        let Read { held, whole, length, seal } = read.ok()?;
        if length < bytes.len() {
            tracing::warn!(
                name,
                bytes = bytes.len() - length,
                "the end of what was kept was cut off"
            );
        }
        let open = || {
            let mut file = fs::OpenOptions::new().read(true).write(true).open(&path)?;
            if file.try_lock().is_err() {
                return Ok(None);
            }
            file.set_len(length as u64)?;
            file.seek(io::SeekFrom::End(0))?;
            Ok(Some(Open { file, whole: whole as u64, length: length as u64, seal }))
        };
        Some((held, open()))
    }
}

struct Read {
    held: Holding,
    /// Bytes of the whole, and of all that is good.
    whole: usize,
    length: usize,
    seal: [u8; SUM],
}

fn read(bytes: &[u8], pepper: &[u8; SUM]) -> Result<Read, pasarela_store::Error> {
    let cut = || pasarela_store::Error::Corrupt("the end of what was kept is missing".to_owned());
    let (its_pepper, rest) = bytes.split_first_chunk::<SUM>().ok_or_else(cut)?;
    if its_pepper != pepper {
        return Err(pasarela_store::Error::OtherPepper);
    }
    let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| cut())?;
    let (whole, mut changes) = rest.split_at_checked(length).ok_or_else(cut)?;
    let mut held = Holding::from_bytes(whole)?;
    let mut seal = seal_of(whole);
    while let Some((delta, its_seal, behind)) = next(changes, &seal) {
        held.follow(&delta);
        (seal, changes) = (its_seal, behind);
    }
    let length = bytes.len() - changes.len();
    Ok(Read { held, whole: HEAD + whole.len(), length, seal })
}

/// The next change, its seal and what is behind it; `None` where there is none that is whole.
fn next<'b>(bytes: &'b [u8], before: &[u8; SUM]) -> Option<(Delta, [u8; SUM], &'b [u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (change, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let (seal, rest) = rest.split_first_chunk()?;
    let good = sealed(before, change) == *seal;
    good.then(|| Delta::from_bytes(change).ok()).flatten().map(|delta| (delta, *seal, rest))
}

fn sealed(before: &[u8; SUM], change: &[u8]) -> [u8; SUM] {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(change);
    hash.finalize().into()
}

/// The checksum at the end of the whole is where the seals begin.
fn seal_of(whole: &[u8]) -> [u8; SUM] {
    whole.last_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pasarela_model::{Id as _, OrganisationId, OrganisationKind, Timestamp};
    use pasarela_store::{Changed, Mark, Organisation, Standing};

    use super::*;

    fn pepper() -> Pepper {
        Pepper::new(&[3; 32])
    }

    fn mark(generation: i64) -> Mark {
        Mark { generation, audited: generation, seal: [7; 32] }
    }

    fn organisation(number: i64) -> Organisation {
        let created = Timestamp::from_millis(number);
        Organisation {
            id: OrganisationId::new(created, [0; 10]),
            version: 1,
            name: format!("organisation-{number}"),
            kind: OrganisationKind::Customer,
            standing: Standing::Active,
            created,
        }
    }

    /// A change that adds an organisation.
    fn delta(generation: i64) -> Delta {
        let changes = vec![Changed::Organisation(organisation(generation))];
        Delta { mark: mark(generation), changes }
    }

    fn whole(generation: i64) -> Page {
        Page::Whole(Holding { mark: mark(generation), ..Holding::default() }.to_bytes())
    }

    fn change(generation: i64) -> Page {
        Page::Changes(vec![delta(generation).to_bytes()])
    }

    /// The generation that is read, and how many changes it has seen.
    fn seen(folder: &Path) -> Option<(i64, usize)> {
        let held = Kept::in_folder(folder, &pepper()).read()?;
        Some((held.mark.generation, held.organisations.len()))
    }

    #[test]
    fn f18_a_damaged_generation_leads_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::in_folder(folder.path(), &pepper());
        assert!(kept.read().is_none() && kept.wants_all());
        for page in [whole(1), whole(2), change(3), whole(10), change(11)] {
            assert!(kept.keep(page));
        }
        drop(kept);
        assert_eq!(seen(folder.path()), Some((11, 1)));
        assert!(Kept::in_folder(folder.path(), &Pepper::new(&[4; 32])).read().is_none());
        let newest = folder.path().join(NEWEST);
        let mut bytes = fs::read(&newest).unwrap();
        bytes[HEAD + 30] ^= 1;
        fs::write(&newest, &bytes).unwrap();
        // With the change that followed it.
        assert_eq!(seen(folder.path()), Some((3, 1)));
        fs::remove_file(folder.path().join(BEFORE)).unwrap();
        assert_eq!(seen(folder.path()), None);
    }

    #[test]
    fn f23_a_file_cut_anywhere_loses_its_end_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::in_folder(folder.path(), &pepper());
        assert!(kept.keep(whole(1)));
        let mut ends = vec![];
        for generation in 2..6 {
            ends.push(kept.open.as_ref().unwrap().length as usize);
            assert!(kept.keep(change(generation)));
        }
        drop(kept);
        let newest = folder.path().join(NEWEST);
        let bytes = fs::read(&newest).unwrap();
        for cut in 0..bytes.len() {
            fs::write(&newest, &bytes[..cut]).unwrap();
            let changes = ends.iter().filter(|end| **end <= cut).count();
            let expected = (changes > 0).then(|| (changes as i64, changes - 1));
            assert_eq!(seen(folder.path()), expected, "cut at {cut}");
            if expected.is_none() {
                continue;
            }
            // And it goes on from there.
            fs::write(&newest, &bytes[..cut]).unwrap();
            let mut kept = Kept::in_folder(folder.path(), &pepper());
            kept.read().unwrap();
            assert!(!kept.wants_all() && kept.keep(change(77)));
            drop(kept);
            assert_eq!(seen(folder.path()), Some((77, changes)), "cut at {cut}");
        }
        // A bit that is not as it was ends it as well.
        for place in ends[1]..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0x10;
            fs::write(&newest, &bytes).unwrap();
            let changes = ends.iter().filter(|end| **end <= place).count();
            assert_eq!(seen(folder.path()), Some((changes as i64, changes - 1)), "bit at {place}");
        }
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::in_folder(folder.path(), &pepper());
        assert!(kept.keep(whole(1)));
        let mut generation = 1;
        while !kept.wants_all() {
            let many = (0..1_000).map(|_| delta(generation + 1).to_bytes()).collect();
            generation += 1;
            assert!(kept.keep(Page::Changes(many)) && generation < 1_000);
        }
        let length = fs::metadata(folder.path().join(NEWEST)).unwrap().len();
        assert!((CHANGES_BYTES..2 * CHANGES_BYTES).contains(&length), "{length} bytes");
        assert_eq!(seen(folder.path()), Some((generation, generation as usize - 1)));
        assert!(kept.keep(whole(5_000)) && !kept.wants_all());
    }

    #[test]
    fn a_successor_keeps_and_its_predecessor_leaves_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut old = Kept::in_folder(folder.path(), &pepper());
        assert!(old.keep(whole(1)) && old.keep(change(2)));
        let mut new = Kept::in_folder(folder.path(), &pepper());
        assert_eq!(new.read().unwrap().mark, mark(2));
        // What the other one has open is not written to.
        assert!(new.wants_all() && new.keep(whole(2)) && new.keep(change(3)));
        assert!(old.keep(change(99)) && !old.wants_all() && old.keep(whole(100)));
        assert!(new.keep(change(4)));
        assert_eq!(seen(folder.path()), Some((4, 2)));
    }
}
