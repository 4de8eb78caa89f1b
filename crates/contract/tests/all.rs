//! Contracts as files, and a storm of broken ones.
//!
//! A case is one file in `tests/cases/KIND/`: a document, a line of dashes, and what reading it
//! gives. Its name is the document's name with `.case` behind it. With `BLESS=1` in the
//! environment the expectations are rewritten; review them as prose.

use std::{fmt::Write as _, fs, path::PathBuf};

use pasarela_contract::{Contract, ContractFault, openapi, read, wsdl};
use pasarela_model::PathSegment;
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
                let ContractFault { line, column, message, cure } = fault;
                writeln!(out, "{line}:{column} {message}\n    {cure}").unwrap();
            }
        }
        Ok(contract) => {
            let kind = if contract.soap { "SOAP" } else { "REST" };
            writeln!(out, "{} ({kind})", contract.title).unwrap();
            for operation in contract.operations {
                if let Some(action) = operation.soap_action {
                    let body = operation.soap_body.unwrap_or_else(|| "?".to_owned());
                    writeln!(out, "{}: action {action:?}, body {body}", operation.name).unwrap();
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
        let document = &contract.served.document;
        let (name, served) = if contract.soap {
            ("a.wsdl", wsdl::with_address(document, url))
        } else {
            ("a.json", openapi::with_server(document, url))
        };
        let again = read(served.as_bytes(), name).unwrap();
        assert_eq!(again.operations, contract.operations, "{}", case.path.display());
    }
}

#[test]
fn l39_a_document_has_a_size() {
    let faults =
        read(&vec![b' '; pasarela_contract::DOCUMENT_BYTES_MAX + 1], "a.yaml").unwrap_err();
    assert!(faults[0].message.contains("at most"), "{faults:?}");
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
                let document = &contract.served.document;
                let served = if contract.soap {
                    wsdl::with_address(document, "https://x/?a&b")
                } else {
                    openapi::with_server(document, "https://x/?a&b")
                };
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
