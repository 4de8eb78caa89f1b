//! WSDL contracts: read by way of the SOAP room, with all the documents that belong to them.
//!
//! The caller gives documents by a [`Resolver`]; what was found is kept in the contract under names of its own
//! ([`documents`]), so that it can be compiled and served again without one. [`served()`] puts the gateway's address
//! into what callers load.

mod documents;
mod served;

use std::collections::BTreeSet;

use pasarela_model::{RestFace, ServedContract};
use pasarela_soap::{
    Fault, FaultKind,
    wsdl::{self, Catalog},
    xsd::{Document, Options, Resolver},
};

pub use served::served;

pub(crate) use documents::{Kept, ROOT};

use crate::{
    Contract, ContractFault, Subject,
    fault::Faults,
    soap::{SoapContract, XML_STRING},
};

/// Reads a WSDL and what it imports.
///
/// # Errors
/// All faults: of the document first, then of those it imports, then of what is said about its REST face.
pub fn read(
    bytes: &[u8],
    url: &str,
    documents: &mut dyn Resolver,
    rest: &RestFace,
) -> Result<Contract, Vec<ContractFault>> {
    let root = Document { url: url.to_owned(), bytes: bytes.to_vec() };
    let mut recorder = documents::Recorder::new(url, documents);
    let (catalog, found) = wsdl::import(root, &mut recorder, &Options::default());
    let mut faults = Faults::default();
    faults.extend(found.into_iter().filter(Fault::is_error).map(|fault| told(fault, url)));
    if catalog.is_empty() && faults.is_empty() {
        faults.extend([match catalog.documents.is_empty() {
            true => {
                ContractFault::start("this is a schema, and no WSDL", "name the WSDL that uses it")
            }
            false => ContractFault::start(
                "the document offers no operation over SOAP",
                "bind a port to SOAP 1.1 or 1.2; bindings to plain HTTP are not served",
            ),
        }]);
    }
    let title = title(&catalog);
    let wsdls: BTreeSet<&str> = catalog.documents.iter().map(|url| &**url).collect();
    let (references, imports) = recorder.finish(&wsdls);
    let served = ServedContract {
        wsdl: true,
        document: documents::text(bytes),
        references,
        imports,
        rest: rest.clone(),
    };
    faults.or(())?;
    let (soap, wrong) = SoapContract::new(catalog, rest);
    if !wrong.is_empty() {
        return Err(wrong.into_iter().map(|fault| told(fault, url)).collect());
    }
    let operations = soap.operations();
    let left_out = soap.left_out();
    let security = Ok(Vec::new());
    Ok(Contract { title, operations, served, soap: true, left_out, security })
}

/// The service's name; else that of the definitions.
fn title(catalog: &Catalog) -> String {
    let service = catalog.services.first().map(|service| service.name.local.to_string());
    let named = Some(catalog.name.clone()).filter(|name| !name.is_empty());
    service.or(named).unwrap_or_else(|| "SOAP service".to_owned())
}

/// A fault of the SOAP room as one of ours.
fn told(fault: Fault, root: &str) -> ContractFault {
    let subject = match (&fault.place.document, fault.path.strip_prefix("operations/")) {
        (None, _) if fault.path == XML_STRING => Subject::Rest(XML_STRING),
        (None, Some(operation)) => Subject::Mapping(operation.to_owned()),
        (Some(document), _) if **document != *root => Subject::Document(document.to_string()),
        _ => Subject::Contract,
    };
    let message = match fault.rule {
        Some(rule) => format!("{} ({rule})", fault.message),
        None => fault.message,
    };
    ContractFault {
        subject,
        line: fault.place.line.max(1),
        column: fault.place.column.max(1),
        message,
        cure: fault.cure.unwrap_or_else(|| cure(fault.kind).to_owned()),
    }
}

/// What to do about a fault that does not say so itself.
const fn cure(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Encoding => "save it as UTF-8",
        FaultKind::Syntax | FaultKind::Namespace => "correct the XML here",
        FaultKind::Limit => "make the document smaller, or split it",
        FaultKind::Refused => "take the DOCTYPE out and write out the entities it declares",
        FaultKind::Wsdl => "write it as WSDL 1.1 says",
        FaultKind::Schema => "write it as XML Schema 1.0 says",
        _ => "correct it here",
    }
}
