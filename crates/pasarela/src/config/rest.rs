//! Reads `rest`: how the REST face of an API with a WSDL is, the mapping file included.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pasarela_contract::Subject;
use pasarela_model::{Dates, Mtom, Numbers, RestFace, RestOperation, RestParameter};
use pasarela_soap::openapi::face::{Location, Mapping};

use super::{
    fault::{Code, Fault, Severity, Span},
    source::Source,
    tree::Node,
    walk::{Walk, capital, start_of},
};
use crate::mapping;

/// Bytes of a mapping file.
const MAPPING_BYTES_MAX: u64 = 4 << 20;

const KEYS: [&str; 14] = [
    "mapping",
    "numbers",
    "dates",
    "collapse_wrapped_arrays",
    "null_as_absent",
    "empty_as_null",
    "coerce_scalar",
    "ignore_unknown",
    "emit_empty_arrays",
    "grouped",
    "xml_string",
    "apply_defaults",
    "mask_faults",
    "mtom",
];

/// What is chosen, and where the choice for an operation stands.
#[derive(Default)]
pub(crate) struct Chosen {
    pub(crate) face: RestFace,
    file: PathBuf,
    places: BTreeMap<String, Span>,
    /// Where the configuration names types.
    xml_string: (PathBuf, Span),
}

impl Chosen {
    /// Where something is said that does not fit the contract.
    pub(crate) fn place(&self, subject: &Subject) -> (PathBuf, Span) {
        match subject {
            Subject::Mapping(operation) => {
                let start = Span::point(1, 1);
                (self.file.clone(), self.places.get(operation).copied().unwrap_or(start))
            }
            _ => self.xml_string.clone(),
        }
    }
}

pub(crate) fn read(walk: &Walk<'_>, node: &Node) -> Option<Chosen> {
    let fields = walk.fields(node, "`rest`", &KEYS)?;
    let numbers =
        [("auto", Numbers::Auto), ("number", Numbers::Number), ("string", Numbers::String)];
    let numbers = fields
        .get("numbers")
        .map_or(Some(Numbers::Auto), |node| walk.word(node, "`numbers`", &numbers));
    let dates = [("exact", Dates::Exact), ("rfc3339", Dates::Rfc3339)];
    let dates =
        fields.get("dates").map_or(Some(Dates::Exact), |node| walk.word(node, "`dates`", &dates));
    let mtom = [("auto", Mtom::Auto), ("on", Mtom::On), ("off", Mtom::Off)];
    let mtom = fields.get("mtom").map_or(Some(Mtom::Auto), |node| walk.word(node, "`mtom`", &mtom));
    let flag = |key: &str| {
        fields.get(key).map_or(Some(false), |node| walk.flag(node, &format!("`{key}`")))
    };
    let (collapse, absent, empty) =
        (flag("collapse_wrapped_arrays"), flag("null_as_absent"), flag("empty_as_null"));
    let (coerce, ignore, emit) =
        (flag("coerce_scalar"), flag("ignore_unknown"), flag("emit_empty_arrays"));
    let (grouped, defaults, mask) = (flag("grouped"), flag("apply_defaults"), flag("mask_faults"));
    let texts = fields.get("xml_string").map_or(Some(Vec::new()), |node| types(walk, node));
    let mut chosen = match fields.get("mapping") {
        Some(node) => mapping_file(walk, node)?,
        None => Chosen::default(),
    };
    chosen.face = RestFace {
        operations: chosen.face.operations,
        numbers: numbers?,
        dates: dates?,
        collapse_wrapped_arrays: collapse?,
        null_as_absent: absent?,
        empty_as_null: empty?,
        coerce_scalar: coerce?,
        ignore_unknown: ignore?,
        emit_empty_arrays: emit?,
        grouped: grouped?,
        xml_string: texts?,
        apply_defaults: defaults?,
        mask_faults: mask?,
        mtom: mtom?,
    };
    if let Some(node) = fields.get("xml_string") {
        chosen.xml_string = (walk.config().to_path_buf(), start_of(node));
    }
    Some(chosen)
}

/// A list of names.
fn types(walk: &Walk<'_>, node: &Node) -> Option<Vec<String>> {
    let names = walk.list(node, "`xml_string`")?.iter();
    names.map(|node| Some(walk.text(node, "a type of `xml_string`")?.value)).collect()
}

fn mapping_file(walk: &Walk<'_>, node: &Node) -> Option<Chosen> {
    let (text, bytes) = walk.file(node, "`mapping`", MAPPING_BYTES_MAX)?;
    let file = walk.resolve(&text.value);
    let source = String::from_utf8_lossy(&bytes).into_owned();
    match mapping::read(&source, Path::new(&file)) {
        Ok(said) => {
            let places = said.operations.iter();
            let places = places.map(|(name, at)| (name.clone(), Span::point(at.line, at.column)));
            let places = places.collect();
            let operations = operations(said.mapping);
            let face = RestFace { operations, ..RestFace::default() };
            Some(Chosen { face, file, places, ..Chosen::default() })
        }
        Err(faults) => {
            let source = Source::new(source);
            for fault in faults {
                let span = Span::point(fault.place.line, fault.place.column);
                walk.push(Fault {
                    code: Code::Mapping,
                    severity: Severity::Error,
                    file: file.clone(),
                    span,
                    excerpt: (span.line > 0).then(|| source.excerpt(span, &[])),
                    message: sentence(&fault.message),
                    cure: sentence(fault.cure.as_deref().unwrap_or("correct it here")),
                });
            }
            None
        }
    }
}

fn sentence(text: &str) -> String {
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    capital(text) + stop
}

fn operations(mapping: Mapping) -> BTreeMap<String, RestOperation> {
    let operations = mapping.operations.into_iter().map(|(name, said)| {
        let parameters = said.parameters.into_iter().map(|(name, parameter)| {
            let query = parameter.location == Location::Query;
            (name, RestParameter { query, field: parameter.field })
        });
        let operation = RestOperation {
            path: said.path,
            method: said.method.map(|method| method.name().to_ascii_uppercase()),
            status: said.status,
            parameters: parameters.collect(),
            faults: said.faults,
            hidden: said.hidden,
        };
        (name, operation)
    });
    operations.collect()
}
