//! The SOAP face of a REST service: its OpenAPI document as a WSDL, and calls between the two.
//!
//! [`RestContract`] is compiled once. A message that a caller sends becomes JSON by the transcoders of the generated schema, then
//! what the document says of the call ([`call`](RestContract::call)): path, query, header fields, body. What the service answers
//! becomes the JSON of a message ([`reply`](RestContract::reply)), and XML by the same transcoders. What differs between the two
//! forms of JSON (maps, branches, keys that are no names) is the affair of `values`.

mod reply;
mod request;
mod schema;
mod values;
mod wsdl;

use pasarela_model::{Numbers, RestFace, ServedContract};
use pasarela_soap::xsd::Resolver;

pub use reply::{Outcome, Received};
pub use request::Call;
pub use values::Mismatch;

pub(crate) use crate::described::PROBLEM;

use crate::{
    ContractFault, Faults, Position,
    described::{self, Described, Description, LeftOut},
    openapi::{self, joined::Joined},
    soap::{Bound, SoapContract},
    tree::{self, Node, Syntax, TreeLimits},
};

/// Stands for our address while there is none.
const NOWHERE: &str = "http://localhost/";

/// An OpenAPI document compiled for its SOAP face.
#[derive(Debug)]
pub struct RestContract {
    /// What the document describes.
    pub description: Description,
    /// The WSDL of it, compiled.
    pub soap: SoapContract,
    /// By the number of an operation of the WSDL, its place among those described.
    calls: Vec<usize>,
}

/// Why a document has no SOAP face.
#[derive(Debug, thiserror::Error)]
pub enum NoFace {
    /// The document is no contract.
    #[error("the contract cannot be read: {}", .0.first().map_or("", |fault| &fault.message))]
    Faults(Vec<ContractFault>),
    /// None of its operations can be said in SOAP.
    #[error("none of its operations can be called over SOAP; the first: {}", .0.first().map_or("", |one| &one.why))]
    Nothing(Vec<LeftOut>),
    /// What was made of it is no WSDL: a fault of ours.
    #[error("what was made of the contract is no WSDL: {0}")]
    Ours(String),
}

/// A WSDL made of an OpenAPI document, and what it has to do without.
#[derive(Debug)]
pub struct Converted {
    /// The WSDL.
    pub document: String,
    /// Operations that are not in it.
    pub left_out: Vec<LeftOut>,
}

/// Makes the WSDL of an OpenAPI document and what it refers to relative to `url`, for callers that send to this address.
///
/// # Errors
/// Why there is none.
pub fn convert(
    bytes: &[u8],
    url: &str,
    documents: &mut dyn Resolver,
    address: &str,
) -> Result<Converted, NoFace> {
    let Joined { root, urls, faults } =
        openapi::whole(bytes, url, documents).map_err(NoFace::Faults)?;
    let named = |at: Position| urls.get(usize::from(at.document).wrapping_sub(1)).cloned();
    let placed = |left_out: Vec<LeftOut>| {
        let placed = |one: LeftOut| LeftOut { document: named(one.at), ..one };
        left_out.into_iter().map(placed).collect()
    };
    let description = described(&root, faults).map_err(|why| match why {
        NoFace::Faults(faults) => NoFace::Faults(Joined::named(&urls, faults)),
        NoFace::Nothing(left_out) => NoFace::Nothing(placed(left_out)),
        ours @ NoFace::Ours(_) => ours,
    })?;
    let document = wsdl::document(&description, address);
    Ok(Converted { document, left_out: placed(description.left_out) })
}

fn described(root: &Node, faults: Faults) -> Result<Description, NoFace> {
    let description = described::read(root, faults).map_err(NoFace::Faults)?;
    match description.operations.is_empty() {
        true => Err(NoFace::Nothing(description.left_out)),
        false => Ok(description),
    }
}

impl RestContract {
    /// Compiles the OpenAPI document that a contract keeps.
    ///
    /// # Errors
    /// Why it has no SOAP face.
    pub fn compile(contract: &ServedContract) -> Result<Self, NoFace> {
        let root = tree::parse(&contract.document, Syntax::Json, TreeLimits::default());
        let description = described(&root.map_err(NoFace::Faults)?, Faults::default())?;
        let generated = ServedContract {
            wsdl: true,
            document: wsdl::document(&description, NOWHERE),
            rest: RestFace { numbers: Numbers::Number, ..RestFace::default() },
            ..ServedContract::default()
        };
        let soap = SoapContract::compile(&generated).map_err(|faults| {
            NoFace::Ours(faults.first().map_or_else(String::new, ToString::to_string))
        })?;
        let place = |bound: &Bound| {
            description.operations.iter().position(|operation| operation.name == bound.name)
        };
        let calls: Option<Vec<usize>> = soap.bound.iter().map(place).collect();
        let calls = calls.ok_or_else(|| NoFace::Ours("an operation has two names".to_owned()))?;
        Ok(Self { description, soap, calls })
    }

    /// The WSDL, for callers that send to this address.
    pub fn wsdl(&self, address: &str) -> String {
        wsdl::document(&self.description, address)
    }

    /// An operation, by its number in the WSDL.
    pub fn operation(&self, number: usize) -> Option<(&Described, &Bound)> {
        let described = self.description.operations.get(*self.calls.get(number)?)?;
        Some((described, self.soap.bound.get(number)?))
    }
}
