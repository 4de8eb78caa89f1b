//! A list in which everybody keeps their place, and is found by id.

/// What has an id.
pub trait Placed {
    /// Its id.
    fn id(&self) -> &str;
}

/// Things by place. A place that was left is given to who comes next.
#[derive(Debug, Clone)]
pub struct Places<T> {
    places: Vec<Option<T>>,
    /// Places that are taken, by the ids of those there.
    order: Vec<u32>,
    left: Vec<u32>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { places: Vec::new(), order: Vec::new(), left: Vec::new() }
    }
}

/// Places do not count: the same ones are there.
impl<T: Placed + PartialEq> PartialEq for Places<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(|(_, one)| one).eq(other.iter().map(|(_, one)| one))
    }
}

impl<T: Placed + Eq> Eq for Places<T> {}

impl<T: Placed> Places<T> {
    /// These, which are in the order of their ids, in that order.
    pub fn of_sorted(all: Vec<T>) -> Self {
        // Past four thousand million there would be no memory.
        let order = (0..u32::try_from(all.len()).unwrap_or(u32::MAX)).collect();
        Self { places: all.into_iter().map(Some).collect(), order, left: Vec::new() }
    }

    /// The place of an id.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.search(id).ok().and_then(|at| self.order.get(at)).map(|place| *place as usize)
    }

    /// Who is at a place.
    pub fn at(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    /// All that are there with their places, in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, &T)> {
        struct Taken<'p, T>(&'p Places<T>, std::slice::Iter<'p, u32>);
        impl<'p, T> Iterator for Taken<'p, T> {
            type Item = (usize, &'p T);

            fn next(&mut self) -> Option<Self::Item> {
                let place = *self.1.next()? as usize;
                self.0.places.get(place)?.as_ref().map(|one| (place, one))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.1.size_hint()
            }
        }
        impl<T> ExactSizeIterator for Taken<'_, T> {}
        Taken(self, self.order.iter())
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many places there are, those included that were left.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    /// Puts one in the place of the one with its id, or in one of its own.
    pub(super) fn put(&mut self, new: T) -> usize {
        match self.search(new.id()) {
            Ok(at) => {
                let place = self.order.get(at).map_or(0, |place| *place as usize);
                if let Some(there) = self.places.get_mut(place) {
                    *there = Some(new);
                }
                place
            }
            Err(at) => {
                let place = self.left.pop().map_or(self.places.len(), |place| place as usize);
                self.order.insert(at, u32::try_from(place).unwrap_or(u32::MAX));
                match self.places.get_mut(place) {
                    Some(there) => *there = Some(new),
                    None => self.places.push(Some(new)),
                }
                place
            }
        }
    }

    /// Takes one away; where it was.
    pub(super) fn remove(&mut self, id: &str) -> Option<usize> {
        let place = self.order.remove(self.search(id).ok()?);
        self.left.push(place);
        self.places.get_mut(place as usize)?.take();
        Some(place as usize)
    }

    fn search(&self, id: &str) -> Result<usize, usize> {
        self.order.binary_search_by(|place| {
            let there = self.places.get(*place as usize).and_then(Option::as_ref);
            there.map_or("", Placed::id).cmp(id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Placed for &'static str {
        fn id(&self) -> &str {
            self
        }
    }

    #[test]
    fn everybody_keeps_their_place() {
        let mut places = Places::of_sorted(vec!["b", "d", "f"]);
        assert_eq!((places.put("c"), places.put("a"), places.put("d")), (3, 4, 1));
        assert!(places.iter().map(|(_, one)| *one).eq(["a", "b", "c", "d", "f"]));
        assert_eq!(
            (places.remove("d"), places.remove("d"), places.find("d")),
            (Some(1), None, None)
        );
        assert_eq!((places.find("f"), places.at(1), places.len()), (Some(2), None, 4));
        assert_eq!((places.put("e"), places.at(1), places.places()), (1, Some(&"e"), 5));
        assert!(places.iter().eq([(4, &"a"), (0, &"b"), (3, &"c"), (1, &"e"), (2, &"f")]));
    }
}
