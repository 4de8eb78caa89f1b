//! Whose key is this: reading a key out of a request, and finding its application.
//!
//! This module decides; it answers nobody. It knows keys only by their SHA-256 digests. It is
//! built once for a snapshot, shared by all workers, and never changed.
//!
//! **Time tells nothing** (T16). A digest is looked up by its first bits in a directory of a
//! sorted list, and then the same number of entries is compared in constant time whether the key
//! is known, unknown, or shares a prefix with a known one. What remains visible is how long the
//! key is, which its sender knows, and which cache lines its digest leads to, which leads nobody
//! to a key: that would be to invert SHA-256.

use std::mem::size_of;

use pasarela_model::{Application, Credential};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use thiserror::Error;

/// Longest key that is looked at, in bytes. Ours have 43 characters; other people's fit too.
pub const KEY_BYTES_MAX: usize = 512;

/// Stands for "no application".
const NOBODY: u32 = u32::MAX;

/// The header fields of a request, as far as this module wants to know them.
pub trait Headers {
    /// Value of the first field with this (lower-case) name.
    fn get(&self, lower_name: &str) -> Option<&[u8]>;
    /// How many fields have this (lower-case) name.
    fn count(&self, lower_name: &str) -> usize;
}

/// What a request shows as its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing, or nothing but white space.
    Missing,
    /// This key, at most [`KEY_BYTES_MAX`] bytes.
    Key(&'a [u8]),
    /// A bearer token that looks like a JSON Web Token; nothing of it was checked.
    Token(&'a [u8]),
    /// Two keys that differ; refused as an unknown one is, since which was meant is a guess.
    Conflict,
    /// A repeated field, a key that is too long, or white space or control characters in it.
    Malformed,
}

/// Reads the key of a request: `X-API-Key: k` or `Authorization: Bearer k` (RFC 6750 §2.1).
///
/// Other schemes of `Authorization` are none of ours and count as no key.
pub fn present(headers: &dyn Headers) -> Presented<'_> {
    let direct = match single(headers, "x-api-key") {
        Ok(value) => value.map(trim),
        Err(refused) => return refused,
    };
    let bearer = match single(headers, "authorization") {
        Ok(value) => value.and_then(bearer),
        Err(refused) => return refused,
    };
    let direct = direct.filter(|key| !key.is_empty());
    let bearer = bearer.filter(|key| !key.is_empty());
    match (direct, bearer) {
        (None, None) => Presented::Missing,
        (None, Some(token)) if is_token(token) => Presented::Token(token),
        (Some(key), None) | (None, Some(key)) => well_formed(key),
        (Some(one), Some(other)) if one == other => well_formed(one),
        (Some(_), Some(_)) => Presented::Conflict,
    }
}

fn single<'a>(headers: &'a dyn Headers, name: &str) -> Result<Option<&'a [u8]>, Presented<'a>> {
    match headers.count(name) {
        0 => Ok(None),
        1 => Ok(headers.get(name)),
        _ => Err(Presented::Malformed),
    }
}

/// The token of `Bearer token`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: usize = "bearer".len();
    let value = trim(value);
    let (scheme, rest) = value.split_at_checked(SCHEME)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    match rest.first() {
        None => Some(rest),
        Some(b' ' | b'\t') => Some(trim(rest)),
        Some(_) => None,
    }
}

/// Three parts in base64url, the first of which is the beginning of a JSON object (RFC 7515 §3.1).
fn is_token(text: &[u8]) -> bool {
    text.starts_with(b"eyJ") && text.iter().filter(|byte| **byte == b'.').count() == 2
}

/// A token as a key: where no tokens are taken it may well be one.
pub fn well_formed(key: &[u8]) -> Presented<'_> {
    let clean = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    match key.len() <= KEY_BYTES_MAX && key.iter().all(clean) {
        true => Presented::Key(key),
        false => Presented::Malformed,
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

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
#[derive(Debug)]
pub struct CredentialIndex {
    /// Sorted by digest; never empty.
    entries: Box<[Entry]>,
    /// Position in `entries` of the first digest of each bucket; a bucket is all digests that
    /// begin with the same `bits` bits.
    starts: Box<[u32]>,
    bits: u32,
    /// Entries compared for every look-up: as many as the fullest bucket has.
    compared: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    digest: Words,
    application: u32,
}

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

impl CredentialIndex {
    /// Indexes the keys of all applications, by their position in the list.
    ///
    /// # Errors
    /// [`SharedKey`] if two applications have the same one. An application that has the same key
    /// twice has it once.
    pub fn build(applications: &[Application]) -> Result<Self, SharedKey> {
        let mut entries = Vec::new();
        for (index, application) in applications.iter().enumerate() {
            let application_index = u32::try_from(index).unwrap_or(NOBODY);
            entries.extend(application.credentials.iter().filter_map(|credential| {
                let Credential::ApiKey(digest) = credential else { return None };
                Some(Entry { digest: words(&digest.0), application: application_index })
            }));
        }
        entries.sort_unstable_by_key(|entry| (entry.digest, entry.application));
        entries.dedup_by(|one, other| {
            one.digest == other.digest && one.application == other.application
        });
        for pair in entries.windows(2) {
            if let [one, other] = pair
                && one.digest == other.digest
            {
                let (first, second) = (one.application as usize, other.application as usize);
                return Err(SharedKey { first, second });
            }
        }
        if entries.is_empty() {
            // So that nobody's key takes the same path as somebody's.
            entries.push(Entry { digest: [0; 4], application: NOBODY });
        }
        Ok(Self::with_directory(entries.into()))
    }

    fn with_directory(entries: Box<[Entry]>) -> Self {
        // Two to four buckets an entry, so that the fullest holds few. At least one bit and at
        // most 28: the shift in `bucket_of` needs the one, memory the other.
        let bits = (entries.len().ilog2() + 2).min(28);
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let (mut position, mut compared) = (0, 1);
        for bucket in 0..1usize << bits {
            starts.push(position as u32);
            let here =
                entries[position..].iter().take_while(|e| bucket_of(&e.digest, bits) == bucket);
            let length = here.count();
            compared = compared.max(length);
            position += length;
        }
        Self { entries, starts: starts.into(), bits, compared }
    }

    /// The application whose key this is, as its position in the list the index was built from.
    pub fn find(&self, presented: &[u8]) -> Option<usize> {
        self.find_digest(&Sha256::digest(presented).into())
    }

    /// As [`Self::find`], for a key that is hashed already.
    pub fn find_digest(&self, digest: &[u8; 32]) -> Option<usize> {
        let digest = words(digest);
        let start =
            self.starts.get(bucket_of(&digest, self.bits)).map_or(0, |start| *start as usize);
        // Entries past the bucket are compared too: they differ, but the time does not.
        let start = start.min(self.entries.len() - self.compared);
        let mut found = NOBODY;
        for entry in self.entries.iter().skip(start).take(self.compared) {
            found.conditional_assign(&entry.application, same(&entry.digest, &digest));
        }
        (found != NOBODY).then_some(found as usize)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.iter().filter(|entry| entry.application != NOBODY).count()
    }

    /// Whether no application has a key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes it takes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.starts.len() * size_of::<u32>()
    }
}

/// The first `bits` bits of a digest, `1 ≤ bits ≤ 28`.
fn bucket_of(digest: &Words, bits: u32) -> usize {
    (digest[0] >> (64 - bits)) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use pasarela_model::KeyDigest;

    use super::*;

    struct Fields(Vec<(&'static str, Vec<u8>)>);

    impl Headers for Fields {
        fn get(&self, lower_name: &str) -> Option<&[u8]> {
            self.0.iter().find(|(name, _)| *name == lower_name).map(|(_, value)| &**value)
        }
        fn count(&self, lower_name: &str) -> usize {
            self.0.iter().filter(|(name, _)| *name == lower_name).count()
        }
    }

    fn fields(list: &[(&'static str, &str)]) -> Fields {
        Fields(list.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_key_is_read_wherever_it_may_stand_and_nowhere_else() {
        use Presented::{Conflict, Key, Malformed, Missing};
        const KEY: &str = "x-api-key";
        const AUTH: &str = "authorization";
        let cases: &[(&[(&'static str, &str)], Presented<'_>)] = &[
            (&[], Missing),
            (&[(KEY, "k1")], Key(b"k1")),
            (&[(KEY, "  k1\t")], Key(b"k1")),
            (&[(KEY, "")], Missing),
            (&[(KEY, " \t ")], Missing),
            (&[(AUTH, "Bearer k1")], Key(b"k1")),
            (&[(AUTH, "bEARER   k1 ")], Key(b"k1")),
            (&[(AUTH, "Bearer")], Missing),
            (&[(AUTH, "Bearer  ")], Missing),
            (&[(AUTH, "Bearerk1")], Missing),
            (&[(AUTH, "Basic azE6")], Missing),
            (&[(AUTH, "Basic azE6"), (KEY, "k1")], Key(b"k1")),
            (&[(AUTH, "Bearer k1"), (KEY, "k1")], Key(b"k1")),
            (&[(AUTH, "Bearer"), (KEY, "k1")], Key(b"k1")),
            (&[(AUTH, "Bearer k1"), (KEY, "")], Key(b"k1")),
            (&[(AUTH, "Bearer k1"), (KEY, "k2")], Conflict),
            (&[(KEY, "k1"), (KEY, "k1")], Malformed),
            (&[(KEY, "k1"), (AUTH, "Bearer k1"), (AUTH, "Basic azE6")], Malformed),
            (&[(KEY, "k1, k2")], Malformed),
            (&[(AUTH, "Bearer k1 k2")], Malformed),
            (&[(KEY, "k\u{1}1")], Malformed),
            (&[(KEY, "k\u{7f}")], Malformed),
            (&[(KEY, "clé")], Key("clé".as_bytes())),
            (&[(AUTH, "é")], Missing),
        ];
        for (list, expected) in cases {
            assert_eq!(present(&fields(list)), *expected, "{list:?}");
        }
        let longest = "k".repeat(KEY_BYTES_MAX);
        assert_eq!(present(&fields(&[(KEY, &longest)])), Key(longest.as_bytes()));
        assert_eq!(present(&fields(&[(KEY, &format!("{longest}k"))])), Malformed);
    }

    fn digest(key: &str) -> KeyDigest {
        KeyDigest(Sha256::digest(key.as_bytes()).into())
    }

    fn application(keys: &[KeyDigest]) -> Application {
        Application {
            name: "a".to_owned(),
            organisation: None,
            subscriptions: Vec::new(),
            credentials: keys.iter().copied().map(Credential::ApiKey).collect(),
            networks: Vec::new(),
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
        let index = CredentialIndex::build(&[application(&[KeyDigest(abc)])]).unwrap();
        assert_eq!(index.find(b"abc"), Some(0));
        assert_eq!(index.find(b"abd"), None);
    }

    #[test]
    fn every_key_leads_to_its_application_and_no_other_key_to_any() {
        for size in [0usize, 1, 2, 3, 17, 1_000] {
            let applications: Vec<_> = (0..size)
                .map(|i| application(&[digest(&format!("key {i}")), digest(&format!("spare {i}"))]))
                .collect();
            let index = CredentialIndex::build(&applications).unwrap();
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
        let refused = CredentialIndex::build(&shared).unwrap_err();
        assert_eq!(refused, SharedKey { first: 0, second: 2 });
        assert_eq!(refused.to_string(), "applications 0 and 2 have the same key");
        assert!(CredentialIndex::build(&[application(&[one, one])]).is_ok_and(|i| i.len() == 1));
    }

    #[test]
    fn t16_digests_that_differ_in_one_bit_are_told_apart() {
        let base = digest("base").0;
        let index = CredentialIndex::build(&[application(&[KeyDigest(base)])]).unwrap();
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
            let index = CredentialIndex::build(&crowd).unwrap();
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
        let index = CredentialIndex::build(&applications).unwrap();
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
        let index = CredentialIndex::build(&[application(&keys)]).unwrap();
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
            let index = CredentialIndex::build(&[application(&keys)]).unwrap();
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
            let hash = best(&|key| _ = std::hint::black_box(Sha256::digest(key)));
            println!("{size} keys, {} compared: {find:?}, hashing {hash:?}", index.compared);
        }
    }
}
