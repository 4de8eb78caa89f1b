//! Messages made from every WSDL of the corpus: valid by the validator, and through JSON without a loss.

use std::collections::{BTreeMap, HashSet};
use std::{fs, sync::Arc};

use pasarela_soap::{
    Limits,
    encoding::literal,
    exchange::{Form, Messages},
    sample::Sampler,
    transcode::{Body, Decoder, Message, Options as Transcoding, Plan},
    wsdl::{
        self,
        catalog::{Binding, Operation, Use},
    },
    xml::Reader,
    xsd::{Document, Mode, Options, Schemas, Start, model::ElementId, validate},
};

use crate::corpus::{Beside, files, folder};
use crate::transcode_samples::there_and_back;

/// So many messages an element.
const SEEDS: u64 = 3;

#[test]
fn messages_of_every_wsdl_of_the_corpus_come_back_as_they_were() {
    let Some(folder) = folder("wsdl") else { return };
    let limits = Limits { doctype: pasarela_soap::Doctype::StepOver, ..Limits::import() };
    let options = Options { limits, ..Options::default() };
    let mut seen = HashSet::new();
    let (mut elements, mut told, mut unmade) = (0, 0, 0);
    let mut wrong: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for path in files(&folder, &["wsdl"]) {
        let bytes = fs::read(&path).unwrap();
        if !seen.insert(bytes.clone()) {
            continue;
        }
        let url = path.canonicalize().unwrap().to_string_lossy().into_owned();
        let (catalog, faults) = wsdl::import(Document { url, bytes }, &mut Beside, &options);
        if faults.iter().any(|fault| fault.is_error()) {
            continue;
        }
        let plan = Plan::new(Arc::clone(&catalog.schemas), Transcoding::default());
        for (element, decl) in catalog.schemas.global_elements() {
            // An envelope in the place of a body would be opened.
            if catalog.schemas.symbols.name(decl.name).1 == "Envelope" {
                continue;
            }
            elements += 1;
            let mut made = 0;
            for seed in 0..SEEDS {
                let Some(xml) = Sampler::new(&catalog.schemas, seed).document(element) else {
                    continue;
                };
                made += 1;
                if let Err(why) = judge(&plan, &catalog.schemas, element, &xml) {
                    let name = path.strip_prefix(&folder).unwrap().display();
                    let kind: String =
                        why.lines().next().unwrap_or_default().chars().take(60).collect();
                    let story = format!(
                        "{name}: {}, seed {seed}: {why}",
                        catalog.schemas.text_of(decl.name)
                    );
                    wrong.entry(kind).or_insert((0, story)).0 += 1;
                }
            }
            told += made;
            unmade += usize::from(made == 0);
        }
    }
    println!("{elements} elements, {told} messages, {unmade} elements without a message");
    let failed: usize = wrong.values().map(|(times, _)| times).sum();
    for (times, story) in wrong.values() {
        println!("{times} times, e.g. {}", story.chars().take(3_000).collect::<String>());
    }
    assert!(failed == 0, "{failed} of {told} did not come back");
    assert!(told > 10_000, "{told}");
}

fn judge(plan: &Plan, schemas: &Schemas, element: ElementId, xml: &str) -> Result<(), String> {
    let limits = Limits::default();
    let mut reader = Reader::with(xml.as_bytes(), None, &schemas.symbols, &limits)
        .map_err(|fault| fault.to_string())?;
    let faults = validate(schemas, &mut reader, Start::Element(element), Mode::default());
    let invalid = faults.iter().find(|fault| fault.is_error());
    match (there_and_back(plan, element, xml), invalid) {
        (Ok(_), None) => Ok(()),
        // A sample knows nothing of keys and of identifiers.
        (_, Some(fault)) if fault.rule.is_some_and(|rule| rule.starts_with("cvc-id")) => Ok(()),
        (Ok(_), Some(fault)) => Err(format!("the validator alone: {fault}\n{xml}")),
        (Err(why), Some(fault)) => Err(format!("the sample is not valid: {fault}: {why}\n{xml}")),
        (Err(why), None) => Err(format!("{why}\n{xml}")),
    }
}

#[test]
fn encoded_calls_of_the_corpus_come_back_as_they_were() {
    let Some(folder) = folder("wsdl") else { return };
    let limits = Limits { doctype: pasarela_soap::Doctype::StepOver, ..Limits::import() };
    let options = Options { limits, ..Options::default() };
    let mut seen = HashSet::new();
    let (mut calls, mut told) = (0, 0);
    let mut wrong: Vec<String> = Vec::new();
    for path in files(&folder, &["wsdl"]) {
        let bytes = fs::read(&path).unwrap();
        if !seen.insert(bytes.clone()) {
            continue;
        }
        let url = path.canonicalize().unwrap().to_string_lossy().into_owned();
        let (catalog, faults) = wsdl::import(Document { url, bytes }, &mut Beside, &options);
        if faults.iter().any(|fault| fault.is_error()) {
            continue;
        }
        let plan = Plan::new(Arc::clone(&catalog.schemas), Transcoding::default());
        for binding in &catalog.bindings {
            let encoded = |o: &&Operation| matches!(o.input.use_, Use::Encoded(_));
            for operation in binding.operations.iter().filter(encoded) {
                let Ok(Body::Rpc { wrapper, parts }) = Body::of_request(operation) else {
                    continue;
                };
                calls += 1;
                for seed in 0..4 * SEEDS {
                    let sample = Sampler::new(&catalog.schemas, seed).call(&wrapper, &parts);
                    let Some(xml) = sample else { continue };
                    let back = match encoded_and_back(&plan, binding, operation, &xml) {
                        Ok(false) => continue,
                        back => back,
                    };
                    told += 1;
                    if let Err(why) = back {
                        let name = path.strip_prefix(&folder).unwrap().display();
                        wrong.push(format!("{name}: {}, seed {seed}: {why}", operation.name));
                    }
                }
            }
        }
    }
    println!("{calls} encoded operations, {told} calls");
    let shown: Vec<String> =
        wrong.iter().take(20).map(|why| why.chars().take(2_000).collect()).collect();
    assert!(wrong.is_empty(), "{} of {told}: {}", wrong.len(), shown.join("\n"));
    assert!(told > 100, "{told}");
}

/// A literal call as JSON, as the encoded envelope of that, and as JSON again. False where it holds a value with attributes: they are the
/// encoding's own there, and what type a value names for itself does not count.
fn encoded_and_back(
    plan: &Plan,
    binding: &Binding,
    operation: &Operation,
    xml: &str,
) -> Result<bool, String> {
    let (limits, symbols) = (Limits::default(), &plan.schemas().symbols);
    let decode = |message: &Message, xml: &[u8]| {
        let mut reader = Reader::with(xml, None, symbols, &limits).map_err(|f| f.to_string())?;
        let json = Decoder::new(plan, message).document(&mut reader).map(<[u8]>::to_vec);
        json.map_err(|fault| format!("{fault}\n  {}", String::from_utf8_lossy(xml)))
    };
    let body = || Body::of_request(operation).unwrap();
    let json = decode(&plan.message(body()), xml.as_bytes())?;
    let text = String::from_utf8_lossy(&json);
    if text.contains("\"$value\"") || text.contains("\"$nil\"") {
        return Ok(false);
    }
    let messages = Messages::new(plan, binding, operation).map_err(|why| why.to_string())?;
    let mut envelope = Vec::new();
    messages
        .request(plan, Form::Json, &[], &json, &limits, &mut envelope)
        .map_err(|fault| format!("{fault}\n  {}", String::from_utf8_lossy(&json)))?;
    let message = plan.message(body()).written(&operation.input.use_);
    let plain = literal(plan.schemas(), &envelope, None, &message, &limits)
        .map_err(|fault| format!("{fault}\n  {}", String::from_utf8_lossy(&envelope)))?;
    let again = decode(&message, &plain)?;
    match json == again {
        true => Ok(true),
        false => Err(format!(
            "\n  json  {}\n  xml   {}\n  again {}",
            String::from_utf8_lossy(&json),
            String::from_utf8_lossy(&envelope),
            String::from_utf8_lossy(&again)
        )),
    }
}
