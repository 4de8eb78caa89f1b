//! Contracts as files, and a storm of broken ones.
//!
//! A case is one file in `tests/cases/KIND/`: a document, a line of dashes, and what reading it
//! gives. Its name is the document's name with `.case` behind it. With `BLESS=1` in the
//! environment the expectations are rewritten; review them as prose.

mod faces;
mod joined;

use std::{fmt::Write as _, fs, path::PathBuf};

use pasarela_contract::{Contract, ContractFault, Subject, openapi, wsdl};
use pasarela_model::{PathSegment, RestFace, ServedContract};
use pasarela_soap::xsd::{Document, NoDocuments, Resolver};
use proptest::prelude::*;

const RULE: &str = "\n----------------------------------------\n";

struct Case {
    path: PathBuf,
    document: String,
    expected: String,
}

impl Case {
    /// The file's name without `.case`.
    fn document_name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }
}

fn cases() -> Vec<Case> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = Vec::new();
    for kind in fs::read_dir(root).unwrap() {
        for file in fs::read_dir(kind.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let is_case = path.extension().is_some_and(|extension| extension == "case");
            assert!(is_case, "{} is forgotten: cases end in .case", path.display());
            let text = fs::read_to_string(&path).unwrap();
            let (document, expected) =
                text.split_once(RULE).unwrap_or((text.trim_end_matches('\n'), ""));
            cases.push(Case { document: document.to_owned(), expected: expected.to_owned(), path });
        }
    }
    cases.sort_by(|a, b| a.path.cmp(&b.path));
    cases
}

fn shown(result: Result<Contract, Vec<ContractFault>>) -> String {
    let mut out = String::new();
    match result {
        Err(faults) => {
            for fault in faults {
                let ContractFault { subject, line, column, message, cure } = fault;
                let subject = match subject {
                    Subject::Contract => String::new(),
                    Subject::Document(name) => format!("{name}:"),
                    Subject::Rest(key) => format!("{key}:"),
                    Subject::Mapping(operation) => format!("mapping of {operation}:"),
                };
                writeln!(out, "{subject}{line}:{column} {message}\n    {cure}").unwrap();
            }
        }
        Ok(contract) => {
            let kind = if contract.soap { "SOAP" } else { "REST" };
            writeln!(out, "{} ({kind})", contract.title).unwrap();
            for (name, why) in contract.left_out {
                writeln!(out, "{name} is left out: {why}").unwrap();
            }
            for operation in contract.operations {
                if let Some(action) = operation.soap_action {
                    let body = operation.soap_body.unwrap_or_else(|| "nothing".to_owned());
                    writeln!(out, "{}: action {action:?}, body {body}", operation.name).unwrap();
                }
                if operation.method.is_empty() {
                    continue;
                }
                let segments = operation.path.0.iter().map(|segment| match segment {
                    PathSegment::Literal(text) => format!("/{text}"),
                    PathSegment::Parameter { prefix, suffix } => format!("/{prefix}*{suffix}"),
                });
                let path: String = segments.collect();
                let path = if path.is_empty() { "/" } else { &path };
                writeln!(out, "{}: {} {path}", operation.name, operation.method).unwrap();
            }
        }
    }
    out
}

/// Without documents beside it and without a choice.
fn read(bytes: &[u8], name: &str) -> Result<Contract, Vec<ContractFault>> {
    pasarela_contract::read(bytes, name, &mut NoDocuments, &RestFace::default())
}

/// As callers load it.
fn with_address(contract: &ServedContract, url: &str) -> String {
    match contract.wsdl {
        true => wsdl::served(contract, "", url).expect("the document itself"),
        false => openapi::with_server(&contract.document, url),
    }
}

#[test]
fn documents_read_as_their_cases_say() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let found = shown(read(case.document.as_bytes(), &case.document_name()));
        if found == case.expected {
            continue;
        }
        if bless {
            fs::write(&case.path, format!("{}{RULE}{found}", case.document)).unwrap();
        } else {
            wrong.push(format!("{}\n{found}", case.path.display()));
        }
    }
    assert!(wrong.is_empty(), "these read differently now:\n\n{}", wrong.join("\n"));
}

/// What is served is again a contract, with the same operations.
#[test]
fn a_served_document_reads_back() {
    for case in cases() {
        let Ok(contract) = read(case.document.as_bytes(), &case.document_name()) else { continue };
        let url = "https://api.example.com/a?b&c";
        let name = if contract.soap { "a.wsdl" } else { "a.json" };
        let served = with_address(&contract.served, url);
        let again = read(served.as_bytes(), name).unwrap();
        assert_eq!(again.operations, contract.operations, "{}", case.path.display());
    }
}

/// A folder with two documents that name each other.
struct Folder;

impl Resolver for Folder {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        base: &str,
    ) -> Result<Option<Document>, String> {
        let found = match (location, base) {
            (Some("in/port.wsdl"), "/srv/c/main.wsdl") => ("/srv/c/in/port.wsdl", PORT),
            (Some("../a%20b/types.xsd"), "/srv/c/in/port.wsdl") => ("/srv/c/a b/types.xsd", TYPES),
            (Some("more/types.xsd"), "/srv/c/a b/types.xsd") => ("/srv/c/a b/more/types.xsd", MORE),
            (Some("../types.xsd"), "/srv/c/a b/more/types.xsd") => ("/srv/c/a b/types.xsd", TYPES),
            (location, base) => return Err(format!("{location:?} from {base}")),
        };
        Ok(Some(Document { url: found.0.to_owned(), bytes: found.1.as_bytes().to_vec() }))
    }
}

const MAIN: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:p="urn:port" targetNamespace="urn:main" xmlns:m="urn:main"><import namespace="urn:port" location="in/port.wsdl"/>
  <binding name="b" type="p:Port"><soap:binding/><operation name="Ask"><soap:operation soapAction="urn:ask"/><input><soap:body use="literal"/></input></operation></binding>
  <service name="s"><port name="p" binding="m:b"><soap:address location="http://10.0.0.1/"/></port></service></definitions>"#;
const PORT: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:port" xmlns:p="urn:port" xmlns:t="urn:types">
  <types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:import namespace="urn:types" schemaLocation="../a%20b/types.xsd"/></xs:schema></types>
  <message name="Ask"><part name="body" element="t:Ask"/></message>
  <portType name="Port"><operation name="Ask"><input message="p:Ask"/></operation></portType></definitions>"#;
const TYPES: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:types" xmlns:t="urn:types">
  <xs:include schemaLocation="more/types.xsd"/><xs:element name="Ask" type="t:Ask"/></xs:schema>"#;
const MORE: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:types">
  <xs:include schemaLocation="../types.xsd"/><xs:simpleType name="Ask"><xs:restriction base="xs:string"/></xs:simpleType></xs:schema>"#;

#[test]
fn a_wsdl_keeps_what_it_imports_and_compiles_without_its_folder() {
    let rest = RestFace::default();
    let read = pasarela_contract::read(MAIN.as_bytes(), "/srv/c/main.wsdl", &mut Folder, &rest);
    let contract = read.unwrap();
    let names: Vec<_> = contract.served.imports.iter().map(|d| (&*d.name, d.schema)).collect();
    assert_eq!(names, [("port.wsdl", false), ("types.xsd", true), ("types-2.xsd", true)]);
    assert_eq!(contract.operations[0].soap_body.as_deref(), Some("{urn:types}Ask"));
    let compiled = pasarela_contract::soap::SoapContract::compile(&contract.served).unwrap();
    assert_eq!(compiled.operations(), contract.operations);
    // Somebody who loads it all from us finds the same.
    struct Ours<'c>(&'c ServedContract);
    impl Resolver for Ours<'_> {
        fn resolve(
            &mut self,
            _: Option<&str>,
            location: Option<&str>,
            _: &str,
        ) -> Result<Option<Document>, String> {
            let location = location.ok_or("no location")?;
            let (_, name) = location.rsplit_once('=').ok_or(location)?;
            let text = wsdl::served(self.0, name, "http://g/soap").ok_or(location)?;
            assert!(
                !text.contains("/srv") && !text.contains("10.0.0.1") && !text.contains("a%20b"),
                "{text}"
            );
            Ok(Some(Document { url: location.to_owned(), bytes: text.into_bytes() }))
        }
    }
    let served = wsdl::served(&contract.served, "", "http://g/soap").unwrap();
    let mut ours = Ours(&contract.served);
    let again = pasarela_contract::read(served.as_bytes(), "http://g/soap?wsdl", &mut ours, &rest);
    assert_eq!(again.unwrap().operations, contract.operations);
}

#[test]
fn a_fault_of_an_imported_document_says_of_which() {
    struct Broken;
    impl Resolver for Broken {
        fn resolve(
            &mut self,
            namespace: Option<&str>,
            location: Option<&str>,
            base: &str,
        ) -> Result<Option<Document>, String> {
            let found = Folder.resolve(namespace, location, base)?;
            Ok(found.map(|mut document| {
                if document.url.ends_with("types.xsd") {
                    document.bytes = b"<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'\n><xs:element/></xs:schema".to_vec();
                }
                document
            }))
        }
    }
    let rest = RestFace::default();
    let read = pasarela_contract::read(MAIN.as_bytes(), "/srv/c/main.wsdl", &mut Broken, &rest);
    let faults = read.unwrap_err();
    let of =
        |fault: &ContractFault| fault.subject == Subject::Document("/srv/c/a b/types.xsd".into());
    assert!(faults.iter().any(of), "{faults:?}");
}

#[test]
fn l39_a_document_has_a_size() {
    let faults =
        read(&vec![b' '; pasarela_contract::DOCUMENT_BYTES_MAX + 1], "a.yaml").unwrap_err();
    assert!(faults[0].message.contains("at most"), "{faults:?}");
}

#[test]
fn t47_nothing_outside_the_document_is_looked_at() {
    for text in [
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY x \"y\">]>\n<a>&x;</a>",
    ] {
        let faults = read(text.as_bytes(), "a.wsdl").unwrap_err();
        assert!(faults[0].message.contains("DOCTYPE"), "{faults:?}");
    }
    assert!(read(b"<a>&x;</a>", "a.wsdl").is_err());
}

#[test]
fn t47_the_depth_and_width_of_a_wsdl_are_bounded() {
    let deep = "<a>".repeat(200_000);
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
    for text in [deep, format!("<a{attributes}/>")] {
        let faults = read(text.as_bytes(), "a.wsdl").unwrap_err();
        assert!(faults[0].message.contains("more than"), "{faults:?}");
    }
}

#[test]
fn a_document_that_is_not_utf8_is_refused_where_it_stops_being_so() {
    let faults = read(b"openapi: 3.0.3\ninfo: caf\xe9\n", "a.yaml").unwrap_err();
    assert_eq!((faults[0].line, faults[0].column), (2, 10));
}

/// Pieces that mean something to one of the readers.
const PIECES: [&str; 32] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "- ",
    "\n",
    "  ",
    "\t",
    "<",
    "</",
    "/>",
    ">",
    "<!--",
    "]]>",
    "&#x0;",
    "&amp;",
    "|",
    "? ",
    "!!str ",
    "---",
    "%",
    "\u{0}",
    "é",
    "\u{feff}",
    "$ref",
    "xmlns=\"\"",
];

#[derive(Debug, Clone)]
enum Mutation {
    Cut(usize, usize),
    Insert(usize, usize),
    Copy(usize, usize, usize),
    Byte(usize, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<usize>(), 0..200usize).prop_map(|(at, length)| Mutation::Cut(at, length)),
        (any::<usize>(), 0..PIECES.len()).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (any::<usize>(), 0..200usize, any::<usize>()).prop_map(|(a, n, b)| Mutation::Copy(a, n, b)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let within = |at: usize| at % (bytes.len() + 1);
    let span = |at: usize, length: usize| within(at)..(within(at) + length).min(bytes.len());
    match *mutation {
        Mutation::Cut(at, length) => drop(bytes.drain(span(at, length))),
        Mutation::Insert(at, piece) => {
            let at = within(at);
            bytes.splice(at..at, PIECES[piece].bytes());
        }
        Mutation::Copy(from, length, to) => {
            let (copy, to) = (bytes[span(from, length)].to_vec(), within(to));
            bytes.splice(to..to, copy);
        }
        Mutation::Byte(at, byte) => {
            let at = within(at);
            bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    /// Nothing panics, every refusal says where and what to do, and what is served stays readable.
    #[test]
    fn a_broken_document_is_answered_in_words(
        which in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..8),
    ) {
        thread_local! { static CASES: Vec<Case> = cases(); }
        let (mut bytes, name) = CASES.with(|cases| {
            let case = which.get(cases);
            (case.document.clone().into_bytes(), case.document_name())
        });
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        match read(&bytes, &name) {
            Ok(contract) => {
                prop_assert!(!contract.operations.is_empty());
                let served = with_address(&contract.served, "https://x/?a&b");
                let name = if contract.soap { "a.wsdl" } else { "a.json" };
                prop_assert!(read(served.as_bytes(), name).is_ok(), "{}", served);
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    prop_assert!(fault.line > 0 && fault.column > 0);
                    prop_assert!(!fault.message.is_empty() && !fault.cure.is_empty());
                }
            }
        }
    }
}
