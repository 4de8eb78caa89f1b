//! Schemas and documents: whatever is in them, loading and validating end, and say the same each time.

use pasarela_soap::{
    Fault, Limits,
    xml::Reader,
    xsd::{Document, Mode, NoDocuments, Options, Root, Schemas, Start, validate},
};

/// A schema, a line of four dashes, a document.
pub(super) fn xsd(bytes: &[u8]) {
    let parted = bytes.windows(6).position(|window| window == b"\n----\n");
    let (schema, document) = match parted {
        Some(at) => (&bytes[..at], &bytes[at + 6..]),
        None => (bytes, &b"<a/>"[..]),
    };
    let (schemas, faults) = load(schema, false);
    assert_eq!(faults, load(schema, false).1, "the same schema has the same faults");
    let errors = |faults: &[Fault]| faults.iter().filter(|fault| fault.is_error()).count();
    assert!(errors(&load(schema, true).1) >= errors(&faults).min(1), "strict is not laxer");
    let all = judged(&schemas, document, Mode::default());
    let first = judged(&schemas, document, Mode::FIRST);
    assert_eq!(all.first(), first.first(), "the first fault is the first of all");
}

fn load(schema: &[u8], strict: bool) -> (Schemas, Vec<Fault>) {
    let root = Root::Document(Document { url: "fuzz.xsd".into(), bytes: schema.to_vec() });
    Schemas::load(vec![root], &mut NoDocuments, &Options { strict, ..Options::default() })
}

fn judged(schemas: &Schemas, document: &[u8], mode: Mode) -> Vec<Fault> {
    match Reader::with(document, None, &schemas.symbols, &Limits::default()) {
        Ok(mut reader) => validate(schemas, &mut reader, Start::Global, mode),
        Err(fault) => vec![*fault],
    }
}
