//! XML, XML Schema, WSDL and SOAP: reading them strictly, and carrying messages between XML and JSON.
//!
//! This room knows nothing of Pasarela and does nothing by itself: it opens no file and no socket, reads no clock and
//! draws no random number. Bytes come in as arguments, answers go out as values.

pub mod encoding;
pub mod envelope;
pub mod exchange;
pub mod fault;
pub mod json;
pub mod limits;
pub mod mail;
pub mod mime;
pub mod name;
pub mod openapi;
pub mod sample;
pub mod security;
pub mod transcode;
pub mod wsdl;
pub mod xml;
pub mod xsd;

pub use fault::{Fault, FaultKind, Place, Severity};
pub use limits::{Doctype, Limits};
pub use name::{ExpandedName, NsId, PrefixScope, Sym, Symbols};
