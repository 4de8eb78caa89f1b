//! XML 1.0 (5th edition) with Namespaces 1.0: a strict pull reader, a writer, canonical form.
//!
//! The reader checks well-formedness in full, reads no document type and no entity beyond the predefined five, and holds
//! no more than the element it is in. It is its own tokenizer: see [`reader`] for why.

pub mod canonical;
pub mod reader;
pub mod writer;

pub(crate) mod again;
mod chars;
mod encoding;
mod scope;
mod trouble;

pub use canonical::Canonical;
pub use chars::{is_char, is_name, is_ncname, is_whitespace};
pub(crate) use chars::{is_name_char, is_name_start};
pub use reader::{Attribute, Event, Name, Reader};
pub use writer::{IllegalChar, Writer};
