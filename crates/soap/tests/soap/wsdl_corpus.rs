//! Every WSDL of the corpus loads, or is refused with a reason that somebody else confirms.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use pasarela_soap::{
    Limits, wsdl,
    xsd::{Document, Options},
};

use crate::{
    corpus::{Beside, files, folder},
    validators,
};

/// A reason without what is particular to one document.
fn kind_of(reason: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    for word in reason.split(' ') {
        let name = word.contains(['{', '/', ':', '"', '.']) || quoted;
        quoted = (word.matches('"').count() % 2 == 1) != quoted;
        write!(kind, "{} ", if name { "…" } else { word }).unwrap();
    }
    kind.trim_end().to_owned()
}

#[test]
fn every_wsdl_of_the_corpus_loads_or_is_refused_for_a_reason_that_others_confirm() {
    let Some(folder) = folder("wsdl") else { return };
    let limits = Limits { doctype: pasarela_soap::Doctype::StepOver, ..Limits::import() };
    let options = Options { limits, ..Options::default() };
    let (mut loaded, mut empty, mut operations) = (0, 0, 0);
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut report, mut reasons) = (String::new(), Vec::new());
    for path in files(&folder, &["wsdl"]) {
        let url = path.canonicalize().unwrap().to_string_lossy().into_owned();
        let root = Document { url, bytes: fs::read(&path).unwrap() };
        let (catalog, faults) = wsdl::import(root, &mut Beside, &options);
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        for fault in faults.iter().filter(|fault| !fault.is_error()) {
            *rules.entry(fault.rule.unwrap_or("-")).or_default() += 1;
        }
        if let Some(fault) = faults.iter().find(|fault| fault.is_error()) {
            let line = fault.place.line;
            writeln!(
                report,
                "{name}\trefused\t{}:{line}: {}",
                fault.rule.unwrap_or("-"),
                fault.message
            )
            .unwrap();
            let kind = format!("{} {}", fault.rule.unwrap_or("-"), kind_of(&fault.message));
            reasons.push((name.clone(), fault.message.replace(['\t', '\n'], " ")));
            refused.entry(kind).or_default().push(name);
        } else {
            loaded += 1;
            empty += usize::from(catalog.is_empty());
            let count: usize = catalog.bindings.iter().map(|b| b.operations.len()).sum();
            operations += count;
            writeln!(report, "{name}\tloaded\t{count}").unwrap();
        }
    }
    fs::write(folder.parent().unwrap().join("wsdl-report.tsv"), report).unwrap();
    let refusals: usize = refused.values().map(Vec::len).sum();
    println!(
        "{loaded} loaded ({empty} with nothing bound to SOAP), {operations} operations; {refusals} refused"
    );
    let mut kinds: Vec<_> = refused.iter().collect();
    kinds.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    for (kind, names) in kinds {
        println!("{:5} {kind}   e.g. {}", names.len(), names[0]);
    }
    println!("{rules:?}");
    assert!(loaded > 850, "{loaded}");
    let Some(confirmed) = validators::refusals(&folder, &reasons) else { return };
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    confirmed.iter().for_each(|(_, who, _)| *by.entry(who).or_default() += 1);
    println!("refused by others too: {by:?}");
    assert_eq!(confirmed.len(), reasons.len(), "the judge did not come to the end");
    let alone: Vec<_> = confirmed.iter().filter(|(_, who, _)| who == "nobody").collect();
    assert!(alone.is_empty(), "only we refuse {alone:#?}");
}
