//! A list in pages, which shares with the list it was made from what is the same.
//!
//! A snapshot follows another, and mostly one of its hundred thousand applications is different. Cloning such a list costs a counter a page,
//! writing to a clone copies one page, and comparing the two passes over the pages that they share. Reading an entry costs
//! one step more than in a `Vec`, through a table of pages that stays in the cache.

use std::{fmt, ops::Index, sync::Arc};

/// Entries of a page.
const PAGE: usize = 64;

/// A list whose clones share their pages.
#[derive(Clone)]
pub struct Pages<T> {
    /// All of them are full but the last one; none is empty.
    pages: Vec<Arc<[T]>>,
    len: usize,
}

impl<T> Pages<T> {
    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An entry by its place.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    /// The first one.
    pub fn first(&self) -> Option<&T> {
        self.get(0)
    }

    /// All of them, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// Whether nothing in it was written since one of the two was cloned from the other; entries that are only equal do not count.
    pub fn is_same(&self, other: &Self) -> bool {
        self.len == other.len && self.unshared(other).next().is_none()
    }

    /// Places at which this and another list may differ: those in pages that they do not share, of the longer one.
    pub fn unshared(&self, other: &Self) -> impl Iterator<Item = usize> {
        let most = self.pages.len().max(other.pages.len());
        let same = |page: &usize| match (self.pages.get(*page), other.pages.get(*page)) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            _ => false,
        };
        let end = self.len.max(other.len);
        let pages = (0..most).filter(move |page| !same(page));
        pages.flat_map(move |page| page * PAGE..(page * PAGE + PAGE).min(end))
    }
}

/// What [`Pages::iter`] gives.
type Iter<'a, T> = std::iter::FlatMap<
    std::slice::Iter<'a, Arc<[T]>>,
    std::slice::Iter<'a, T>,
    fn(&'a Arc<[T]>) -> std::slice::Iter<'a, T>,
>;

impl<T: Clone> Pages<T> {
    /// An entry to be written to; its page is copied first where it is shared.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        Arc::make_mut(self.pages.get_mut(index / PAGE)?).get_mut(index % PAGE)
    }

    /// Adds one at the end. Many at a time are better [extended](Extend::extend).
    pub fn push(&mut self, new: T) {
        self.extend([new]);
    }
}

impl<T: Clone> Extend<T> for Pages<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        let mut more = more.into_iter().peekable();
        let mut page = Vec::new();
        if !self.len.is_multiple_of(PAGE) && more.peek().is_some() {
            page.extend(self.pages.pop().into_iter().flat_map(|last| last.to_vec()));
        }
        for new in more {
            page.push(new);
            self.len += 1;
            if page.len() == PAGE {
                self.pages.push(std::mem::take(&mut page).into());
            }
        }
        if !page.is_empty() {
            self.pages.push(page.into());
        }
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T: Clone> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut pages = Self::default();
        pages.extend(all);
        pages
    }
}

impl<T: Clone> From<Vec<T>> for Pages<T> {
    fn from(all: Vec<T>) -> Self {
        all.into_iter().collect()
    }
}

impl<'a, T> IntoIterator for &'a Pages<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.pages[index / PAGE][index % PAGE]
    }
}

impl<T: PartialEq> PartialEq for Pages<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self.unshared(other).all(|place| self.get(place) == other.get(place))
    }
}

impl<T: Eq> Eq for Pages<T> {}

impl<T: fmt::Debug> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_pages_reads_like_any_list() {
        for length in [0, 1, 63, 64, 65, 128, 1_000] {
            let pages: Pages<_> = (0..length).collect();
            assert_eq!((pages.len(), pages.is_empty()), (length, length == 0));
            assert!(pages.iter().copied().eq(0..length));
            assert_eq!(pages.get(length), None);
            assert!((0..length).all(|place| pages[place] == place));
            let mut one_by_one = Pages::default();
            (0..length).for_each(|number| one_by_one.push(number));
            assert_eq!(one_by_one, pages);
        }
    }

    #[test]
    fn a_clone_shares_all_but_what_is_written() {
        let before: Pages<_> = (0..1_000).collect();
        let mut after = before.clone();
        assert!(after.is_same(&before));
        *after.get_mut(200).unwrap() = 7;
        assert_eq!((before[200], after[200]), (200, 7));
        assert!(after.unshared(&before).eq(192..256));
        assert!(!after.is_same(&before) && after != before);
        *after.get_mut(200).unwrap() = 200;
        assert!(!after.is_same(&before) && after == before);
        after.extend([1_000, 1_001]);
        assert!(after.unshared(&before).eq((192..256).chain(960..1_002)));
        assert!(before.unshared(&after).eq((192..256).chain(960..1_002)));
    }
}
