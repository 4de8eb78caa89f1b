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
    let mut resolver = Plain { inner: resolver, encoded: files.encoded };
    let (schemas, schema_faults) = Schemas::load(roots, &mut resolver, options);
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

/// Finds schemas, and has the arrays of an encoding written as what they mean where something is encoded.
struct Plain<'r> {
    inner: &'r mut dyn Resolver,
    encoded: bool,
}

impl Resolver for Plain<'_> {
    fn resolve(
        &mut self,
        namespace: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let mut found = self.inner.resolve(namespace, location, base)?;
        if let Some(document) = found.as_mut().filter(|_| self.encoded)
            && let Some(plain) =
                std::str::from_utf8(&document.bytes).ok().and_then(crate::encoding::arrays::plain)
        {
            document.bytes = plain.into_bytes();
        }
        Ok(found)
    }
}
