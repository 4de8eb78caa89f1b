//! A header block to fields (RFC 7541 §6).

use std::ops::Range;

use super::{
    fixed::FIXED,
    huffman, integer,
    table::{NewName, Table},
};

/// Why a block is not HPACK. The connection cannot be used further: both sides' tables differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// A number or a string goes on behind the block's end.
    #[error("a header block ends within a field")]
    CutShort,
    /// A number that is larger than anything we allow.
    #[error("a number in a header block is too large")]
    Number,
    /// An index that no table has.
    #[error("a header block refers to an entry that is not there")]
    Index,
    /// A string that is no Huffman code.
    #[error("a string in a header block is not Huffman-coded as it says")]
    Huffman,
    /// A change of the table's size that is too large or comes too late.
    #[error("a header block changes the size of the table where it may not")]
    TableSize,
}

/// Reads the blocks of one connection, in order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What the table may be made to hold: what our settings say.
    most: usize,
    text: Vec<u8>,
}

/// Where a string is.
enum Text {
    Block(Range<usize>),
    Decoded(Range<usize>),
}

/// Where a name is.
enum Name {
    Text(Text),
    Fixed(&'static str),
    Entry(usize),
}

impl Decoder {
    /// A decoder whose table holds at most `most` bytes (L16).
    pub fn new(most: usize) -> Self {
        Self { table: Table::new(most), most, text: Vec::new() }
    }

    /// Reads a whole block and tells of each field.
    ///
    /// # Errors
    /// The first fault. Fields before it have been told.
    pub fn decode(
        &mut self,
        block: &[u8],
        each: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), HpackError> {
        let (mut at, mut begun) = (0, false);
        while let Some(&first) = block.get(at) {
            match first {
                0x80.. => {
                    let index = integer::read(block, &mut at, 7)?;
                    let (name, value) = self.entry(index)?;
                    each(name, value);
                }
                // §6.3, and §4.2: at the beginning of a block only.
                0x20..0x40 => {
                    let most = integer::read(block, &mut at, 5)?;
                    if begun || most > self.most {
                        return Err(HpackError::TableSize);
                    }
                    self.table.resize(most);
                    continue;
                }
                _ => {
                    let kept = first & 0x40 != 0;
                    self.literal(block, &mut at, kept, each)?;
                }
            }
            begun = true;
        }
        Ok(())
    }

    /// §6.2.
    #[inline]
    fn literal(
        &mut self,
        block: &[u8],
        at: &mut usize,
        kept: bool,
        each: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), HpackError> {
        self.text.clear();
        let name = match integer::read(block, at, if kept { 6 } else { 4 })? {
            0 => Name::Text(self.text(block, at)?),
            index => match FIXED.get(index - 1) {
                Some((name, _)) => Name::Fixed(name),
                None if self.table.get(index - 1 - FIXED.len()).is_some() => {
                    Name::Entry(index - 1 - FIXED.len())
                }
                None => return Err(HpackError::Index),
            },
        };
        let value = self.text(block, at)?;
        let Self { table, text, .. } = self;
        let value = value.of(block, text);
        let bytes = match &name {
            Name::Text(name) => name.of(block, text),
            Name::Fixed(name) => name.as_bytes(),
            Name::Entry(index) => table.get(*index).ok_or(HpackError::Index)?.0,
        };
        each(bytes, value);
        if kept {
            let name = match &name {
                Name::Text(name) => NewName::Bytes(name.of(block, text)),
                Name::Fixed(name) => NewName::Bytes(name.as_bytes()),
                Name::Entry(index) => NewName::Entry(*index),
            };
            table.insert(name, value);
        }
        Ok(())
    }

    #[inline]
    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
        let index = index.checked_sub(1).ok_or(HpackError::Index)?;
        match FIXED.get(index) {
            Some((name, value)) => Ok((name.as_bytes(), value.as_bytes())),
            None => self.table.get(index - FIXED.len()).ok_or(HpackError::Index),
        }
    }

    /// §5.2.
    #[inline]
    fn text(&mut self, block: &[u8], at: &mut usize) -> Result<Text, HpackError> {
        let coded = block.get(*at).is_some_and(|byte| byte & 0x80 != 0);
        let length = integer::read(block, at, 7)?;
        let range = *at..*at + length;
        let bytes = block.get(range.clone()).ok_or(HpackError::CutShort)?;
        *at = range.end;
        if !coded {
            return Ok(Text::Block(range));
        }
        let start = self.text.len();
        huffman::decode(bytes, &mut self.text)?;
        Ok(Text::Decoded(start..self.text.len()))
    }

    /// Gives memory back, for a connection that goes idle.
    pub fn shrink(&mut self) {
        self.text = Vec::new();
        self.table.shrink();
    }

    #[cfg(test)]
    pub(super) fn table_size(&self) -> usize {
        self.table.size()
    }
}

impl Text {
    #[inline]
    fn of<'a>(&self, block: &'a [u8], decoded: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Block(range) => block.get(range.clone()).unwrap_or(&[]),
            Self::Decoded(range) => decoded.get(range.clone()).unwrap_or(&[]),
        }
    }
}
