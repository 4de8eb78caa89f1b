//! Contracts: OpenAPI and WSDL documents, read into one list of operations.
//!
//! [`read`] takes the bytes of a document and answers with a [`Contract`] or with every fault it
//! found, each with its place, its cause and its cure. Nothing here opens a file, a socket or
//! reads a clock, and nothing here panics on what it is given.
//!
//! - [`tree`] reads JSON and YAML into values that know their position: the base for everything
//!   that looks deeper into OpenAPI documents.
//! - [`lint`] judges what reading does not need.
//! - [`openapi`] and [`wsdl`] find the operations, and put the gateway's own address into the
//!   documents that are served to callers.
//! - [`described`] reads an OpenAPI document down to its schemas ([`shapes`]), and [`bridge`] makes a SOAP face of that.
//! - [`soap`] is what a WSDL compiles to: messages both ways, and the routes of its REST face.

pub mod bridge;
pub mod described;
pub mod lint;
pub mod openapi;
pub mod shapes;
pub mod soap;
pub mod tree;
pub mod wsdl;

mod fault;
mod template;

use pasarela_model::{Asked, Operation, RestFace, ServedContract};
use pasarela_soap::xsd::Resolver;

pub use fault::{ContractFault, Position, Subject};

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
    /// What each operation asks for by OAuth 2, in their order, as the document's `security` says; or why that cannot be
    /// read. A WSDL says nothing of it.
    pub security: Result<Vec<Asked>, Vec<ContractFault>>,
    /// Operations of a WSDL that cannot be offered over REST, and why.
    pub left_out: Vec<(String, String)>,
}

/// Reads a contract. Of a `file_name` only the extension matters, and only where the first
/// character of the document does not tell what it is. What a document imports or refers to comes from
/// `documents`, relative to `file_name`; `rest` is what is chosen for its REST face.
///
/// # Errors
/// All faults of the document, in its order; at least one.
pub fn read(
    bytes: &[u8],
    file_name: &str,
    documents: &mut dyn Resolver,
    rest: &RestFace,
) -> Result<Contract, Vec<ContractFault>> {
    size_of(bytes).map_err(|fault| vec![fault])?;
    let Some(syntax) = openapi_syntax(bytes, file_name) else {
        return wsdl::read(bytes, file_name, documents, rest);
    };
    let text = text_of(bytes).map_err(|fault| vec![fault])?;
    if text.trim_start().is_empty() {
        return Err(vec![ContractFault::start(
            "the document is empty",
            "name a file that holds an OpenAPI or WSDL document",
        )]);
    }
    openapi::read(text, syntax, file_name, documents)
}

/// How a document is written if it is to be OpenAPI; `None`: it is to be a WSDL. The first character tells, and the extension
/// where that does not.
pub fn openapi_syntax(bytes: &[u8], file_name: &str) -> Option<Syntax> {
    let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is = |wanted: &str| extension.eq_ignore_ascii_case(wanted);
    if is_xml(bytes) || (!bytes.is_empty() && (is("wsdl") || is("xml"))) {
        return None;
    }
    let begin = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start().first();
    let json = is("json") || (begin == Some(&b'{') && !is("yaml") && !is("yml"));
    Some(if json { Syntax::Json } else { Syntax::Yaml })
}

/// Whether a document begins as XML does, in whatever encoding.
fn is_xml(bytes: &[u8]) -> bool {
    if matches!(bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [b'<', 0, ..] | [0, b'<', ..]) {
        return true;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

fn size_of(bytes: &[u8]) -> Result<(), ContractFault> {
    if bytes.len() <= DOCUMENT_BYTES_MAX {
        return Ok(());
    }
    Err(ContractFault::new(
        Position::START,
        format!("the document has {} bytes; at most {DOCUMENT_BYTES_MAX} are read", bytes.len()),
        "split the API, or take examples and long descriptions out of its contract",
    ))
}

/// The document as text, without a byte order mark.
fn text_of(bytes: &[u8]) -> Result<&str, ContractFault> {
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
