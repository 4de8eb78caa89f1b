//! JSON as RFC 8259 has it, strictly: a pull reader that keeps numbers as they are written, and a writer.

pub mod reader;
pub mod writer;

pub use reader::{Event, Reader};
pub use writer::Writer;
