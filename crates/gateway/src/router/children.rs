//! The children of a tree node, by path segment.

use rustc_hash::FxHashMap;

/// Most nodes have one or two children, for which comparing is quicker than hashing; the root of
/// an API's operations may have hundreds.
#[derive(Debug)]
pub(super) enum Children {
    Few(Vec<(Box<str>, usize)>),
    Many(FxHashMap<Box<str>, usize>),
}

/// Where a list becomes slower than a hash.
const FEW: usize = 6;

impl Default for Children {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Children {
    #[inline]
    pub(super) fn get(&self, segment: &str) -> Option<usize> {
        match self {
            Self::Few(few) => few.iter().find(|(text, _)| **text == *segment).map(|&(_, id)| id),
            Self::Many(many) => many.get(segment).copied(),
        }
    }

    pub(super) fn get_or_insert(&mut self, segment: &str, id: usize) -> usize {
        if let Some(known) = self.get(segment) {
            return known;
        }
        match self {
            Self::Few(few) if few.len() < FEW => few.push((segment.into(), id)),
            Self::Few(few) => {
                let mut many: FxHashMap<_, _> = few.drain(..).collect();
                many.insert(segment.into(), id);
                *self = Self::Many(many);
            }
            Self::Many(many) => {
                many.insert(segment.into(), id);
            }
        }
        id
    }
}

/// The first segment, and what follows its slash.
#[inline]
pub(super) fn split_segment(path: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'/', path.as_bytes()).and_then(|at| path.split_at_checked(at)) {
        Some((segment, tail)) => (segment, tail.get(1..)),
        None => (path, None),
    }
}
