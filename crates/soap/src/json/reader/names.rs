//! The names of the objects that are open, so that none comes twice.

use std::collections::BTreeSet;

use crate::name::{NsId, hash, same};

/// Up to so many members an object's names are looked through; then they are sorted.
const FEW: usize = 24;

#[derive(Debug)]
pub(super) struct Names {
    /// The names one after the other, of all open objects.
    text: String,
    /// A hash of each, and where it ends in `text`.
    entries: Vec<(usize, usize)>,
    objects: Vec<Object>,
}

#[derive(Debug)]
struct Object {
    /// Its first entry, and where `text` ended before it.
    first: usize,
    begin: usize,
    /// All names, once there are many.
    many: Option<BTreeSet<Box<str>>>,
}

impl Names {
    /// Room for a message as most are, so that a small one does not pay for growing.
    pub(super) fn new() -> Self {
        Self {
            text: String::with_capacity(256),
            entries: Vec::with_capacity(32),
            objects: Vec::with_capacity(8),
        }
    }

    pub(super) fn enter(&mut self) {
        self.objects.push(Object { first: self.entries.len(), begin: self.text.len(), many: None });
    }

    pub(super) fn leave(&mut self) {
        if let Some(object) = self.objects.pop() {
            self.entries.truncate(object.first);
            self.text.truncate(object.begin);
        }
    }

    /// Adds a name to the innermost object; false when it has it already.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let Some(object) = self.objects.last_mut() else { return true };
        let hashed = hash(NsId::NONE, name.as_bytes());
        let here = self.entries.get(object.first..).unwrap_or_default();
        if let Some(many) = &mut object.many {
            if !many.insert(name.into()) {
                return false;
            }
            // The current name is all that the text has to hold then.
            self.entries.truncate(object.first);
            self.text.truncate(object.begin);
        } else {
            let mut start = object.begin;
            for &(other, end) in here {
                if other == hashed
                    && same(
                        self.text.as_bytes().get(start..end).unwrap_or_default(),
                        name.as_bytes(),
                    )
                {
                    return false;
                }
                start = end;
            }
            if here.len() >= FEW {
                let mut many = BTreeSet::from([name.into()]);
                let mut start = object.begin;
                for &(_, end) in here {
                    many.insert(self.text.get(start..end).unwrap_or_default().into());
                    start = end;
                }
                object.many = Some(many);
            }
        }
        self.text.push_str(name);
        self.entries.push((hashed, self.text.len()));
        true
    }

    /// The name that was added last to one of the open objects, counted from the outermost.
    pub(super) fn current(&self, object: usize) -> Option<&str> {
        let this = self.objects.get(object)?;
        let end = self.objects.get(object + 1).map_or(self.entries.len(), |next| next.first);
        let last = end.checked_sub(1).filter(|last| *last >= this.first)?;
        let before = last.checked_sub(1).filter(|before| *before >= this.first);
        let start = before.and_then(|b| self.entries.get(b)).map_or(this.begin, |(_, end)| *end);
        self.text.get(start..self.entries.get(last)?.1)
    }
}
