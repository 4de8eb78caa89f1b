//! The dynamic table (RFC 7541 §2.3.2, §4): what the other side has put there, newest first.
//!
//! Names and values lie one behind the other in one buffer, so that a client that changes its
//! fields with each request costs no allocation.

use std::collections::VecDeque;

/// What an entry counts beyond its bytes (§4.1).
const OVERHEAD: usize = 32;

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: u32,
    name: u32,
    value: u32,
}

impl Entry {
    fn size(self) -> usize {
        (self.name + self.value) as usize + OVERHEAD
    }
}

/// The name of an entry to be added.
pub(super) enum NewName<'a> {
    Bytes(&'a [u8]),
    /// That of an entry of this table.
    Entry(usize),
}

#[derive(Debug)]
pub(super) struct Table {
    bytes: Vec<u8>,
    entries: VecDeque<Entry>,
    size: usize,
    most: usize,
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), entries: VecDeque::new(), size: 0, most }
    }

    /// Name and value of an entry; 0 is the newest.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let entry = self.entries.get(index)?;
        let at = entry.at as usize;
        let value = at + entry.name as usize;
        let end = value + entry.value as usize;
        Some((self.bytes.get(at..value)?, self.bytes.get(value..end)?))
    }

    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.evict(most);
        self.tidy();
    }

    /// Adds an entry, whatever has to go for it. One that is too large empties the table (§4.4).
    pub(super) fn insert(&mut self, name: NewName<'_>, value: &[u8]) {
        // Copied before anything goes: the name may be that of the entry that has to.
        let at = self.bytes.len();
        match name {
            NewName::Bytes(name) => self.bytes.extend_from_slice(name),
            NewName::Entry(index) => {
                if let Some(entry) = self.entries.get(index).copied() {
                    let from = entry.at as usize;
                    self.bytes.extend_from_within(from..from + entry.name as usize);
                }
            }
        }
        let name = self.bytes.len() - at;
        let size = name + value.len() + OVERHEAD;
        if size > self.most {
            self.entries.clear();
            self.size = 0;
        } else {
            self.evict(self.most - size);
            self.bytes.extend_from_slice(value);
            // Blocks and tables are bounded far below 4 GiB.
            let entry = Entry { at: at as u32, name: name as u32, value: value.len() as u32 };
            self.entries.push_front(entry);
            self.size += size;
        }
        self.tidy();
    }

    fn evict(&mut self, most: usize) {
        while self.size > most {
            let Some(oldest) = self.entries.pop_back() else { break };
            self.size -= oldest.size();
        }
    }

    /// Drops the bytes of entries that are gone, once they are as many as the table may have.
    fn tidy(&mut self) {
        let Some(oldest) = self.entries.back() else {
            self.bytes.clear();
            return;
        };
        let gone = oldest.at;
        if gone as usize > self.most {
            self.bytes.drain(..gone as usize);
            self.entries.iter_mut().for_each(|entry| entry.at -= gone);
        }
    }

    /// Gives memory back that is not needed now.
    pub(super) fn shrink(&mut self) {
        if self.entries.is_empty() {
            (self.bytes, self.entries) = Default::default();
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }
}
