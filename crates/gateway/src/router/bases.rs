//! Base paths, whole, and which APIs have them.
//!
//! A tree with a node a segment would be two or three cold memory accesses a segment where there
//! are ten thousand APIs; this is one for each number of segments that occurs. The paths themselves
//! are with the entries, which are read anyway; the table holds four bytes an API, so that with
//! ten thousand it stays in the processor's caches.

use std::hash::Hasher as _;

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use super::{Entry, LAST};
use crate::texts::Texts;

/// The base paths of the APIs of one host.
#[derive(Debug, Default)]
pub(super) struct Bases {
    /// The APIs, in the order of the file.
    all: Vec<u32>,
    /// The numbers of segments that there are, the largest first.
    depths: SmallVec<[usize; 6]>,
    /// Of the APIs that have a base path the best, by its hash: open addressing, at most three
    /// quarters full, its length a power of two. A place holds eight bits of the hash and, below
    /// them, one more than the API's number; or [`FREE`].
    places: Box<[u32]>,
}

const FREE: u32 = 0;
/// Bits of a place that are a number.
const NUMBER: u32 = (1 << 24) - 1;
/// Most APIs that are routed to, 16 million: a file has no room for so many.
pub(super) const MOST: u32 = NUMBER - 1;

impl Bases {
    /// Adds an API whose base path has so many segments.
    pub(super) fn add(&mut self, api: u32, depth: usize) {
        self.all.push(api);
        if !self.depths.contains(&depth) {
            self.depths.push(depth);
            self.depths.sort_unstable_by(|one, other| other.cmp(one));
        }
    }

    /// Makes the table, and of the APIs with one base path a list, best first: who demands more
    /// header fields, then who stands first in the file.
    pub(super) fn compile(&mut self, entries: &mut [Entry], texts: &Texts) {
        let mut same: FxHashMap<&str, Vec<u32>> = FxHashMap::default();
        for api in &self.all {
            same.entry(texts.get(entries[*api as usize].base)).or_default().push(*api);
        }
        self.places = vec![FREE; (same.len() * 4 / 3 + 1).next_power_of_two()].into();
        for (base, mut apis) in same {
            // Stable: file order decides among equals.
            apis.sort_by_key(|api| std::cmp::Reverse(entries[*api as usize].headers.len()));
            for (one, next) in apis.iter().zip(apis.iter().skip(1).chain([&LAST])) {
                entries[*one as usize].next = *next;
            }
            self.put(hash(base.as_bytes()), apis[0]);
        }
    }

    fn put(&mut self, hash: u32, api: u32) {
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        while self.places[at] != FREE {
            at = (at + 1) & mask;
        }
        self.places[at] = (hash & !NUMBER) | ((api + 1) & NUMBER);
    }

    /// For each part of a path that may be a base path, the longest first, the APIs that may have
    /// it: nearly always one that does, or none. `path` ends where its last segment does.
    #[inline]
    pub(super) fn candidates<'a>(
        &'a self,
        path: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], usize)> {
        // `/a` and `/a/` both lie below `/a`, and no base path ends with a slash.
        let mut ends: SmallVec<[usize; 8]> = SmallVec::from_slice(&[0]);
        if let Some(below) = path.strip_prefix(b"/") {
            let deepest = self.depths.first().copied().unwrap_or(0);
            let slashes = memchr::memchr_iter(b'/', below).map(|at| at + 1).chain([path.len()]);
            ends.extend(slashes.take(deepest));
        } else {
            ends.clear();
        }
        let bases = self.depths.iter().filter_map(move |depth| path.get(..*ends.get(*depth)?));
        bases.flat_map(|base| {
            #[cfg(test)]
            super::tests::count_look_up();
            self.with_hash(hash(base)).map(move |api| (base, api))
        })
    }

    #[inline]
    fn with_hash(&self, hash: u32) -> impl Iterator<Item = usize> {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        std::iter::from_fn(move || {
            // No longer than the table is: three quarters of it are taken at most.
            loop {
                let place = *self.places.get(at)?;
                if place == FREE {
                    return None;
                }
                at = (at + 1) & mask;
                if (place ^ hash) & !NUMBER == 0 {
                    return Some((place & NUMBER) as usize - 1);
                }
            }
        })
    }
}

/// A base path as paths are compared with it, and the number of its segments.
pub(super) fn normal(path: &str) -> (String, usize) {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.fold((String::new(), 0), |(base, depth), segment| (base + "/" + segment, depth + 1))
}

/// Scatters base paths over a table. They come from the configuration: nobody looks for collisions.
#[inline]
fn hash(base: &[u8]) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(base);
    let hash = hasher.finish();
    (hash ^ (hash >> 32)) as u32
}
