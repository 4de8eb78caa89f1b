//! Finding the application of a key, by the digest of it.
//!
//! Keys are known only by their digests. An index is shared by all workers and never changed; the one that follows it shares
//! all of its parts in which nothing did ([`CredentialIndex::after`]), so that a key that is issued or revoked among a million costs
//! copying some hundred others.
//!
//! **Time tells nothing** (T16). A digest is looked up by its first bits in a directory of a
//! sorted list, and then the same number of entries is compared in constant time whether the key
//! is known, unknown, or shares a prefix with a known one. What remains visible is how long the
//! key is, which its sender knows, and which cache lines its digest leads to, which leads nobody
//! to a key: that would be to invert SHA-256.

use std::{collections::BTreeMap, mem::size_of, sync::Arc};

use pasarela_model::{Application, Credential, KeyDigest, Pepper};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use thiserror::Error;

/// Stands for "no application".
const NOBODY: u32 = u32::MAX;

/// Bits by which a part's directory tells its buckets apart: a part of a large index has 1,024, and 256 to 512 keys in them.
const PART_BITS: u32 = 10;

/// Two applications were given the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("applications {first} and {second} have the same key")]
pub struct SharedKey {
    /// Index of the application that comes first.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
}

/// Finds the application of a key. A million keys take 46 MiB.
#[derive(Debug, Clone)]
pub struct CredentialIndex {
    /// By the first bits of the digests, all of the same number of buckets.
    parts: Box<[Arc<Part>]>,
    /// A bucket is all digests that begin with the same `bits` bits.
    bits: u32,
    /// Entries compared for every look-up: at least as many as the fullest bucket has.
    compared: usize,
    len: usize,
    /// What SHA-256s are mixed with before they are looked up: all of them, so that whose key it could be does not show.
    pepper: Option<Pepper>,
}

#[derive(Debug)]
struct Part {
    /// Sorted by digest.
    entries: Box<[Entry]>,
    /// Position in `entries` of the first digest of each bucket.
    starts: Box<[u32]>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    digest: Words,
    application: u32,
}

/// What is compared where there are no entries any more: the time has to be the same.
const NO_ENTRY: Entry = Entry { digest: [0; 4], application: NOBODY };

/// A digest as four big-endian words: they sort like its bytes, and compare in a quarter of the
/// steps that `subtle` takes for 32 bytes.
type Words = [u64; 4];

fn words(digest: &[u8; 32]) -> Words {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

/// Whether two digests are the same, in constant time.
fn same(one: &Words, other: &Words) -> Choice {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    difference.ct_eq(&0)
}

/// The first `bits` bits of a digest, `1 ≤ bits ≤ 28`.
fn bucket_of(digest: &Words, bits: u32) -> usize {
    (digest[0] >> (64 - bits)) as usize
}

/// All the keys of an application, as the index knows them.
pub(crate) fn keys_of<'a>(
    application: &'a Application,
    pepper: Option<&'a Pepper>,
) -> impl Iterator<Item = KeyDigest> + 'a {
    let mixed = move |digest: &KeyDigest| pepper.map_or(*digest, |pepper| pepper.of(digest));
    let declared = application.credentials.iter().filter_map(move |credential| match credential {
        Credential::ApiKey(digest) => Some(mixed(digest)),
        Credential::User { .. }
        | Credential::Certificate(_)
        | Credential::Subject(_)
        | Credential::TlsCertificate(_)
        | Credential::Signature { .. }
        | Credential::Mailbox(_)
        | Credential::Token { .. }
        | Credential::Client { .. } => None,
    });
    declared.chain(application.keys.iter().map(|key| key.digest))
}

/// An application's keys, and its place in the list of all.
pub(crate) type Held = (KeyDigest, usize);

impl CredentialIndex {
    /// Indexes the keys of all applications, by their position in the list.
    ///
    /// # Errors
    /// [`SharedKey`] if two applications have the same one. An application that has the same key
    /// twice has it once.
    pub fn build<'a>(
        applications: impl IntoIterator<Item = &'a Application>,
        pepper: Option<&'a Pepper>,
    ) -> Result<Self, SharedKey> {
        let all = applications.into_iter().enumerate();
        let keys = all.flat_map(|(index, one)| {
            keys_of(one, pepper).map(move |digest| Entry::new(&digest, index))
        });
        Ok(Self { pepper: pepper.cloned(), ..Self::of(keys.collect())? })
    }

    /// The index after this one, in which some keys are no longer there and others are new.
    ///
    /// # Errors
    /// As with [`Self::build`].
    pub fn after(&self, gone: &[Held], new: &[Held]) -> Result<Self, SharedKey> {
        let len = (self.len + new.len()).saturating_sub(gone.len());
        // With much fewer or more keys than it was made for, or after much of a change, a new one is as well made whole.
        if len / 4 > self.len || len < self.len / 4 || gone.len() + new.len() > 1_000 + len / 8 {
            let mut entries: Vec<_> = self.entries().copied().collect();
            let mut gone: Vec<_> = gone.iter().map(|(digest, _)| words(&digest.0)).collect();
            gone.sort_unstable();
            entries.retain(|entry| gone.binary_search(&entry.digest).is_err());
            entries.extend(new.iter().map(|(digest, index)| Entry::new(digest, *index)));
            return Ok(Self { pepper: self.pepper.clone(), ..Self::of(entries)? });
        }
        let mut touched: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        for (digest, _) in gone.iter().chain(new) {
            let part = self.part_of(&words(&digest.0));
            touched.entry(part).or_insert_with(|| self.parts[part].entries.to_vec());
        }
        for (digest, _) in gone {
            let digest = words(&digest.0);
            if let Some(entries) = touched.get_mut(&self.part_of(&digest)) {
                entries.retain(|entry| entry.digest != digest);
            }
        }
        for (digest, index) in new {
            let entry = Entry::new(digest, *index);
            if let Some(entries) = touched.get_mut(&self.part_of(&entry.digest)) {
                entries.push(entry);
            }
        }
        let mut after = self.clone();
        for (place, mut entries) in touched {
            sort(&mut entries)?;
            after.len = (after.len + entries.len()).saturating_sub(self.parts[place].entries.len());
            let (part, fullest) = Part::of(entries.into(), self.bits);
            after.parts[place] = Arc::new(part);
            after.compared = after.compared.max(fullest);
        }
        Ok(after)
    }

    fn of(mut entries: Vec<Entry>) -> Result<Self, SharedKey> {
        sort(&mut entries)?;
        // Two to four buckets an entry, so that the fullest holds few. At least one bit and at
        // most 28: the shift in `bucket_of` needs the one, memory the other.
        let bits = (entries.len().max(1).ilog2() + 2).min(28);
        let (mut parts, mut compared, mut rest) = (Vec::new(), 1, entries.as_slice());
        for place in 0..1usize << bits.saturating_sub(PART_BITS) {
            let its = |entry: &Entry| part_of(&entry.digest, bits) == place;
            let (here, behind) = rest.split_at(rest.partition_point(its));
            let (part, fullest) = Part::of(here.into(), bits);
            parts.push(Arc::new(part));
            (compared, rest) = (compared.max(fullest), behind);
        }
        Ok(Self { parts: parts.into(), bits, compared, len: entries.len(), pepper: None })
    }

    /// The application whose key this is, as its position in the list the index was built from.
    pub fn find(&self, presented: &[u8]) -> Option<usize> {
        let digest = Sha256::digest(presented).into();
        match &self.pepper {
            None => self.find_digest(&digest),
            Some(pepper) => self.find_digest(&pepper.of(&KeyDigest(digest)).0),
        }
    }

    /// As [`Self::find`], for what a key is known by.
    pub fn find_digest(&self, digest: &[u8; 32]) -> Option<usize> {
        let digest = words(digest);
        let part = self.parts.get(self.part_of(&digest))?;
        let start = part.starts.get(within(&digest, self.bits)).map_or(0, |start| *start as usize);
        let mut found = NOBODY;
        // Entries past the bucket are compared too: they differ, but the time does not.
        for place in start..start + self.compared {
            let entry = part.entries.get(place).unwrap_or(&NO_ENTRY);
            found.conditional_assign(&entry.application, same(&entry.digest, &digest));
        }
        (found != NOBODY).then_some(found as usize)
    }

    fn part_of(&self, digest: &Words) -> usize {
        part_of(digest, self.bits)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.parts.iter().flat_map(|part| part.entries.iter())
    }

    /// Number of keys.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no application has a key.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes it takes on the heap.
    pub fn memory_bytes(&self) -> usize {
        let part = |part: &Arc<Part>| {
            let counted = size_of::<Part>() + 2 * size_of::<usize>();
            counted + part.entries.len() * size_of::<Entry>() + part.starts.len() * size_of::<u32>()
        };
        self.parts.iter().map(part).sum::<usize>() + self.parts.len() * size_of::<Arc<Part>>()
    }
}

impl Entry {
    fn new(digest: &KeyDigest, application: usize) -> Self {
        let application = u32::try_from(application).unwrap_or(NOBODY);
        Self { digest: words(&digest.0), application }
    }
}

impl Part {
    /// With the number of entries in its fullest bucket.
    fn of(entries: Box<[Entry]>, bits: u32) -> (Self, usize) {
        let buckets = 1 << bits.min(PART_BITS);
        let (mut starts, mut position, mut fullest) = (Vec::with_capacity(buckets), 0, 0);
        for bucket in 0..buckets {
            // A part that 32 bits cannot count has more keys than memory.
            starts.push(position as u32);
            let behind = entries.get(position..).unwrap_or_default();
            let here = behind.iter().take_while(|e| within(&e.digest, bits) == bucket).count();
            fullest = fullest.max(here);
            position += here;
        }
        (Self { entries, starts: starts.into() }, fullest)
    }
}

/// The part that a digest belongs to…
fn part_of(digest: &Words, bits: u32) -> usize {
    bucket_of(digest, bits) >> bits.min(PART_BITS)
}

/// …and its bucket there.
fn within(digest: &Words, bits: u32) -> usize {
    bucket_of(digest, bits) & ((1 << bits.min(PART_BITS)) - 1)
}

/// Sorts entries, and takes out what is there twice.
fn sort(entries: &mut Vec<Entry>) -> Result<(), SharedKey> {
    entries.sort_unstable_by_key(|entry| (entry.digest, entry.application));
    entries
        .dedup_by(|one, other| one.digest == other.digest && one.application == other.application);
    for pair in entries.windows(2) {
        if let [one, other] = pair
            && one.digest == other.digest
        {
            let (first, second) = (one.application as usize, other.application as usize);
            return Err(SharedKey { first, second });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn digest(key: &str) -> KeyDigest {
        KeyDigest(Sha256::digest(key.as_bytes()).into())
    }

    fn application(keys: &[KeyDigest]) -> Application {
        Application {
            name: "a".to_owned(),
            credentials: keys.iter().copied().map(Credential::ApiKey).collect(),
            ..Application::default()
        }
    }

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-4, the example "abc".
        let mut abc = [0; 32];
        for (i, byte) in abc.iter_mut().enumerate() {
            let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
        }
        let index = CredentialIndex::build(&[application(&[KeyDigest(abc)])], None).unwrap();
        assert_eq!(index.find(b"abc"), Some(0));
        assert_eq!(index.find(b"abd"), None);
    }

    #[test]
    fn every_key_leads_to_its_application_and_no_other_key_to_any() {
        for size in [0usize, 1, 2, 3, 17, 1_000] {
            let applications: Vec<_> = (0..size)
                .map(|i| application(&[digest(&format!("key {i}")), digest(&format!("spare {i}"))]))
                .collect();
            let index = CredentialIndex::build(&applications, None).unwrap();
            assert_eq!(index.len(), 2 * size);
            assert_eq!(index.is_empty(), size == 0);
            for i in 0..size {
                assert_eq!(index.find(format!("key {i}").as_bytes()), Some(i));
                assert_eq!(index.find(format!("spare {i}").as_bytes()), Some(i));
                assert_eq!(index.find(format!("other {i}").as_bytes()), None);
            }
            assert_eq!(index.find(b""), None);
            assert_eq!(index.find_digest(&[0; 32]), None);
        }
    }

    #[test]
    fn two_applications_may_not_share_a_key() {
        let (one, two) = (digest("one"), digest("two"));
        let shared = [application(&[one]), application(&[]), application(&[two, one])];
        let refused = CredentialIndex::build(&shared, None).unwrap_err();
        assert_eq!(refused, SharedKey { first: 0, second: 2 });
        assert_eq!(refused.to_string(), "applications 0 and 2 have the same key");
        assert!(
            CredentialIndex::build(&[application(&[one, one])], None).is_ok_and(|i| i.len() == 1)
        );
    }

    #[test]
    fn t16_digests_that_differ_in_one_bit_are_told_apart() {
        let base = digest("base").0;
        let index = CredentialIndex::build(&[application(&[KeyDigest(base)])], None).unwrap();
        for bit in 0..256 {
            let mut close = base;
            close[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(index.find_digest(&close), None);
        }
        // A whole bucket of them, at either end of the list: all are found, none mistaken.
        for edge in [0x00, 0xff] {
            let crowd: Vec<_> = (0..100u8)
                .map(|i| {
                    let mut digest = [edge; 32];
                    digest[31] = i;
                    application(&[KeyDigest(digest)])
                })
                .collect();
            let index = CredentialIndex::build(&crowd, None).unwrap();
            assert_eq!(index.compared, 100);
            for i in 0..100u8 {
                let mut digest = [edge; 32];
                digest[31] = i;
                assert_eq!(index.find_digest(&digest), Some(usize::from(i)));
                digest[16] ^= 1;
                assert_eq!(index.find_digest(&digest), None);
            }
        }
    }

    #[test]
    fn t16_an_unknown_key_takes_as_long_as_a_known_one() {
        let applications: Vec<_> =
            (0..4_096).map(|i| application(&[digest(&format!("known {i:04}"))])).collect();
        let index = CredentialIndex::build(&applications, None).unwrap();
        let ask = |kind: &str, i: u32| {
            let key = format!("{kind} {:04}", i.wrapping_mul(2_654_435_761) % 4_096);
            let start = Instant::now();
            let found = std::hint::black_box(index.find(std::hint::black_box(key.as_bytes())));
            (start.elapsed().as_nanos() as f64, found.is_some())
        };
        let (mut known, mut wrong) = (Vec::new(), Vec::new());
        for i in 0..40_000 {
            let (time, found) = ask("known", i);
            assert!(found);
            known.push(time);
            let (time, found) = ask("wrong", i);
            assert!(!found);
            wrong.push(time);
        }
        // The machine's noise lies above the median; an early exit would lie below it.
        let low_quartile = |times: &mut Vec<f64>| {
            times.sort_unstable_by(f64::total_cmp);
            times[times.len() / 4]
        };
        let (known, wrong) = (low_quartile(&mut known), low_quartile(&mut wrong));
        assert!((known - wrong).abs() <= 0.1 * known + 20.0, "known {known} ns, wrong {wrong} ns");
    }

    proptest! {
        #[test]
        fn a_change_at_a_time_leads_to_the_index_of_all(
            few in 0usize..40,
            steps in prop::collection::vec((0u16..600, 0usize..4), 1..60),
        ) {
            let mut held: BTreeMap<u16, usize> = (0..few as u16).map(|key| (key, 0)).collect();
            let name = |key: &u16| digest(&format!("key {key}"));
            let all = |held: &BTreeMap<u16, usize>| {
                let keys = |whose| held.iter().filter(move |(_, its)| **its == whose);
                let mine = |whose| keys(whose).map(|(key, _)| name(key)).collect::<Vec<_>>();
                let applications: Vec<_> = (0..4).map(|whose| application(&mine(whose))).collect();
                CredentialIndex::build(&applications, None).unwrap()
            };
            let mut index = all(&held);
            for (key, whose) in steps {
                // Half of the steps take a range of keys away, the others give one.
                let (mut gone, mut new) = (Vec::new(), Vec::new());
                if key % 2 == 0 {
                    let range: Vec<_> = held.range(key..key + 20).map(|(key, its)| (*key, *its)).collect();
                    for (key, its) in range {
                        held.remove(&key);
                        gone.push((name(&key), its));
                    }
                } else {
                    if let Some(before) = held.insert(key, whose) {
                        gone.push((name(&key), before));
                    }
                    new.push((name(&key), whose));
                }
                index = index.after(&gone, &new).unwrap();
                let whole = all(&held);
                prop_assert_eq!(index.len(), whole.len());
                for key in 0..620 {
                    let digest = name(&key).0;
                    prop_assert_eq!(index.find_digest(&digest), held.get(&key).copied());
                    prop_assert_eq!(index.find_digest(&digest), whole.find_digest(&digest));
                }
            }
        }
    }

    #[test]
    fn what_did_not_change_is_shared_and_a_taken_key_is_refused() {
        let keys: Vec<_> = (0..40_000).map(|i| digest(&format!("key {i}"))).collect();
        let index = CredentialIndex::build(&[application(&keys)], None).unwrap();
        assert!(index.parts.len() > 50);
        let after = index.after(&[(keys[7], 0)], &[(digest("new"), 3)]).unwrap();
        let shared = index.parts.iter().zip(&after.parts).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert!(shared.count() >= index.parts.len() - 2);
        assert_eq!((after.find(b"key 7"), after.find(b"new")), (None, Some(3)));
        assert_eq!((index.find(b"key 7"), index.find(b"new")), (Some(0), None));
        let refused = after.after(&[], &[(digest("key 9"), 2)]).unwrap_err();
        assert_eq!(refused, SharedKey { first: 0, second: 2 });
    }

    #[test]
    fn l31_with_a_pepper_the_files_keys_and_the_stores_are_found_alike() {
        let pepper = Pepper::new(&[5; 32]);
        let stored = |key: &str| pasarela_model::StoredKey::new(pepper.of(&digest(key)), None);
        let held = Application { keys: [stored("held")].into(), ..Application::default() };
        let all = [application(&[digest("declared")]), held];
        let index = CredentialIndex::build(&all, Some(&pepper)).unwrap();
        let index = index.after(&[], &[(pepper.of(&digest("new")), 7)]).unwrap();
        let found = ["declared", "held", "new", "nobody"].map(|key| index.find(key.as_bytes()));
        assert_eq!(found, [Some(0), Some(1), Some(7), None]);
        // Who has what the store knows has no key.
        assert_eq!(index.find_digest(&digest("held").0), None);
        assert_eq!(index.find(&pepper.of(&digest("held")).0), None);
    }

    #[test]
    fn a_million_keys_fit_in_sixty_mebibytes() {
        let keys: Vec<_> = (0..1_000_000u64)
            .map(|i| {
                // Spread like digests; a million real ones take a debug build too long.
                let mut digest = [0; 32];
                let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                digest[..8].copy_from_slice(&mixed.to_be_bytes());
                KeyDigest(digest)
            })
            .collect();
        let index = CredentialIndex::build(&[application(&keys)], None).unwrap();
        assert_eq!(index.len(), 1_000_000);
        assert!(index.memory_bytes() <= 60 << 20, "{} bytes", index.memory_bytes());
        assert!(index.compared <= 8, "{} compared", index.compared);
        assert_eq!(index.find_digest(&keys[765_432].0), Some(0));
    }

    /// `cargo test --release -- --ignored --nocapture cost` prints what a look-up costs.
    #[test]
    #[ignore = "a measurement, not a test"]
    #[allow(clippy::print_stdout)]
    fn cost_of_a_look_up() {
        for size in [1u64, 1_000, 1_000_000] {
            let names: Vec<_> = (0..size).map(|i| format!("key-{i:040}")).collect();
            let keys: Vec<_> = names.iter().map(|name| digest(name)).collect();
            let index = CredentialIndex::build(&[application(&keys)], None).unwrap();
            let best = |ask: &dyn Fn(&[u8])| {
                let batch = |batch: u64| {
                    let start = Instant::now();
                    (0..1_000u64).for_each(|i| {
                        ask(names[((batch * 1_000 + i) * 7_919 % size) as usize].as_bytes());
                    });
                    start.elapsed() / 1_000
                };
                (0..1_000).map(batch).min()
            };
            let find = best(&|key| assert!(std::hint::black_box(index.find(key)).is_some()));
            let mixed = Pepper::new(&[5; 32]);
            let all: Vec<_> = names.iter().map(|name| mixed.of(&digest(name))).collect();
            let mut peppered = CredentialIndex::build(&[application(&all)], None).unwrap();
            peppered.pepper = Some(mixed);
            let mixed = best(&|key| assert!(std::hint::black_box(peppered.find(key)).is_some()));
            let hash = best(&|key| _ = std::hint::black_box(Sha256::digest(key)));
            println!(
                "{size} keys, {} compared: {find:?}, with a pepper {mixed:?}, hashing {hash:?}",
                index.compared
            );
        }
    }
}
