//! The schemas that lie beside the WSDLs of the corpus: every one loads, or is on the list with its reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pasarela_soap::xsd::{Document, Options, Root, Schemas};
use pasarela_soap::{Fault, Limits};

use crate::xsts::{Files, unpacked};

const REFUSED: &str = include_str!("xsd-corpus-refused.txt");

#[test]
fn the_schemas_of_the_corpus() {
    let Some(corpus) = unpacked("wsdl") else {
        eprintln!("skipped: the corpus is not beside the workspace");
        return;
    };
    let mut expected: BTreeMap<&str, &str> = REFUSED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(" | "))
        .collect();
    let (mut loaded, mut wrong, mut report) = (0, Vec::new(), String::new());
    for path in schemas(&corpus) {
        let name = path.strip_prefix(&corpus).unwrap_or(&path).to_string_lossy().into_owned();
        let faults = load(&path);
        let errors: Vec<&Fault> = faults.iter().filter(|fault| fault.is_error()).collect();
        let text = errors.first().map(|fault| fault.to_string()).unwrap_or_default();
        report.push_str(&format!("{}\t{name}\t{text}\n", errors.len()));
        match (errors.is_empty(), expected.remove(name.as_str())) {
            (true, None) => loaded += 1,
            (false, Some(_)) => {}
            (true, Some(_)) => wrong.push(format!("{name} loads; take it off the list")),
            (false, None) => wrong.push(format!("{name}: {text}")),
        }
    }
    if let Some(file) = std::env::var_os("XSD_CORPUS_REPORT") {
        std::fs::write(file, report).expect("a report can be written");
    }
    eprintln!("{loaded} schemas load");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn load(path: &Path) -> Vec<Fault> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let document = Document { url: path.to_string_lossy().into_owned(), bytes };
    let options = Options { limits: Limits::import(), ..Options::default() };
    Schemas::load(vec![Root::Document(document)], &mut Files, &options).1
}

fn schemas(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "xsd") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
