//! Contracts: OpenAPI and WSDL documents, read into one list of operations.
//!
//! [`read`] takes the bytes of a document and answers with a [`Contract`] or with every fault it
//! found, each with its place, its cause and its cure. Nothing here opens a file, a socket or
//! reads a clock, and nothing here panics on what it is given.
//!
//! - [`tree`] reads JSON and YAML into values that know their position: the base for everything
//!   that looks deeper into OpenAPI documents.
//! - [`openapi`] and [`wsdl`] find the operations, and put the gateway's own address into the
//!   documents that are served to callers.

pub mod openapi;
pub mod tree;
pub mod wsdl;

mod fault;
mod template;
mod xml;

use pasarela_model::{Operation, ServedContract};

pub use fault::{ContractFault, Position};

use crate::{fault::Faults, tree::Syntax};

/// Largest document that is read, bytes (L39 of the reliability reference).
pub const DOCUMENT_BYTES_MAX: usize = 10 << 20;

/// What the gateway needs to know of a contract.
#[derive(Debug, PartialEq, Eq)]
pub struct Contract {
    /// The document's own name for the API.
    pub title: String,
    /// At least one.
    pub operations: Vec<Operation>,
    /// What callers get to see.
    pub served: ServedContract,
    /// `true` for WSDL.
    pub soap: bool,
}

/// Reads a contract. Only the extension of `file_name` matters, and only where the first
/// character of the document does not tell what it is.
///
/// # Errors
/// All faults of the document, in its order; at least one.
pub fn read(bytes: &[u8], file_name: &str) -> Result<Contract, Vec<ContractFault>> {
    let text = text_of(bytes).map_err(|fault| vec![fault])?;
    let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is = |wanted: &str| extension.eq_ignore_ascii_case(wanted);
    match text.trim_start().as_bytes().first() {
        Some(b'<') => wsdl::read(text),
        Some(_) if is("wsdl") || is("xml") => wsdl::read(text),
        Some(b'{') if !is("yaml") && !is("yml") => openapi::read(text, Syntax::Json),
        Some(_) if is("json") => openapi::read(text, Syntax::Json),
        Some(_) => openapi::read(text, Syntax::Yaml),
        None => Err(vec![ContractFault::new(
            Position::START,
            "the document is empty",
            "name a file that holds an OpenAPI or WSDL document",
        )]),
    }
}

/// The document as text, without a byte order mark.
fn text_of(bytes: &[u8]) -> Result<&str, ContractFault> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(ContractFault::new(
            Position::START,
            format!(
                "the document has {} bytes; at most {DOCUMENT_BYTES_MAX} are read",
                bytes.len()
            ),
            "split the API, or take examples and long descriptions out of its contract",
        ));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        ContractFault::new(
            Position::after(std::str::from_utf8(valid).unwrap_or_default()),
            "the document is not UTF-8 from here on",
            "save it as UTF-8",
        )
    })
}
