//! WSDL 1.1: from documents to a [`Catalog`] of what can be called and how it looks on the wire.
//!
//! [`import`] reads a document and all that it names, to the end, and gives the catalog with everything that is wrong or
//! unwise. A fault that [is an error](crate::Fault::is_error) means that the catalog lacks something; the rules of the
//! WS-I Basic Profile come as warnings. The room opens nothing: documents come from a [`Resolver`].
//!
//! Reading order: [`catalog`] is what comes out; `documents` finds the files, `definitions` the names in them, `bind`
//! makes the catalog, `lint` has the rules.

pub mod catalog;

mod bind;
mod body;
mod definitions;
mod documents;
mod lint;
mod policy;

use std::sync::Arc;

pub use catalog::Catalog;

use crate::{
    Fault,
    xsd::{Document, Options, Resolver, Schemas},
};

/// The namespace of WSDL 1.1.
pub const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// The namespace of WSDL 2.0, which is not read.
const WSDL20: &str = "http://www.w3.org/ns/wsdl";
/// The namespace of bindings to SOAP 1.1.
pub const WSDL_SOAP11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
/// The namespace of bindings to SOAP 1.2.
pub const WSDL_SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
/// The namespace of multipart messages.
const WSDL_MIME: &str = "http://schemas.xmlsoap.org/wsdl/mime/";

/// Reads a WSDL and everything it names.
pub fn import(
    root: Document,
    resolver: &mut dyn Resolver,
    options: &Options,
) -> (Catalog, Vec<Fault>) {
    let mut faults = Vec::new();
    let files = documents::read(root, resolver, options, &mut faults);
    let trees = files.parse(options, &mut faults);
    let sources = trees.sources(&files);
    let roots = files.schemas(&sources);
    let (schemas, schema_faults) = Schemas::load(roots, resolver, options);
    faults.extend(schema_faults);
    let definitions = definitions::collect(&sources, &mut faults);
    let catalog = bind::catalog(&definitions, Arc::new(schemas), &mut faults);
    lint::check(&definitions, &files, &mut faults);
    faults.sort_by(|a, b| {
        let key =
            |fault: &Fault| (!fault.is_error(), fault.place.document.clone(), fault.place.offset);
        key(a).cmp(&key(b))
    });
    faults.dedup();
    faults.truncate(options.faults);
    (catalog, faults)
}
