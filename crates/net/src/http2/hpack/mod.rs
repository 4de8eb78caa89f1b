//! HPACK (RFC 7541): header blocks to fields and back.
//!
//! - [`Decoder`]: a block to fields, with the dynamic table that the other side fills (`decode.rs`, `table.rs`)
//! - [`put_status`], [`put_field`]: fields to a block (`encode.rs`)
//! - Huffman codes (`huffman.rs`), whole numbers (`integer.rs`), the fixed entries (`fixed.rs`)

mod decode;
mod encode;
mod fixed;
mod huffman;
mod integer;
mod table;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, HpackError};
pub use encode::put_field;
pub(super) use encode::{put_empty_table, put_length, put_status};
