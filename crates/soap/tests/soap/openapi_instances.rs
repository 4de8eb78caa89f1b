//! What the transcoder writes is valid by the schema that we publish, and what it may not write is not.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use pasarela_soap::openapi::{Json, schema_of};
use pasarela_soap::sample::Sampler;
use pasarela_soap::transcode::{Body, Plan};
use pasarela_soap::xsd::Schemas;
use pasarela_soap::{ExpandedName, wsdl, xsd};

use crate::transcode_samples::{EACH, there_and_again, there_and_back};
use crate::{corpus, transcode, validators};

/// Instances with the schema that they are to be judged by.
#[derive(Default)]
struct Docket {
    input: String,
    names: Vec<String>,
}

impl Docket {
    fn add(&mut self, name: String, schema: &str, instance: &str) {
        writeln!(self.input, r#"{{"schema": {schema}, "instance": {instance}}}"#).unwrap();
        self.names.push(name);
    }

    /// The judges' word on each, if there are judges.
    fn judge(self) -> Option<Vec<(String, String)>> {
        let verdicts = validators::instances(&self.input)?;
        assert_eq!(verdicts.len(), self.names.len());
        Some(self.names.into_iter().zip(verdicts).collect())
    }
}

fn schema(plan: &Plan, body: &Body) -> String {
    let schema: Json = schema_of(plan, body);
    String::from_utf8(schema.compact()).unwrap()
}

#[test]
fn what_every_case_says_is_valid_by_the_published_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/transcode");
    let mut docket = Docket::default();
    for path in corpus::files(&folder, &["case"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let parts: Vec<&str> = text.split("\n-----\n").collect();
        let &[head, xsd, _, json] = parts.as_slice() else { panic!("four parts") };
        let line = |key: &str| head.lines().find_map(|l| l.strip_prefix(key)).map(str::trim);
        // Only what the transcoder writes, and only without options that bend it.
        let written = line("way:") != Some("xml") && !json.trim().starts_with("error:");
        let options = line("options:").unwrap_or("");
        if !written || options.contains("empty_as_null") {
            continue;
        }
        let (schemas, _) = Schemas::from_bytes("case.xsd", transcode::whole(xsd.trim()).as_bytes());
        let name = ExpandedName::new("urn:t", line("element:").unwrap_or("root"));
        let element = schemas.element_named(&name).unwrap();
        let plan = Plan::new(Arc::new(schemas), transcode::options(options));
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        docket.add(file, &schema(&plan, &Body::Element(element)), &json.trim().replace('\n', " "));
    }
    assert!(docket.names.len() > 30, "{}", docket.names.len());
    let Some(verdicts) = docket.judge() else { return };
    let wrong: Vec<_> = verdicts.iter().filter(|(_, why)| !why.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn samples_of_every_case_are_valid_by_the_published_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/transcode");
    let mut docket = Docket::default();
    for path in corpus::files(&folder, &["case"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let xsd = transcode::whole(text.split("\n-----\n").nth(1).unwrap().trim());
        let (schemas, _) = Schemas::from_bytes("case.xsd", xsd.as_bytes());
        let schemas = Arc::new(schemas);
        // Null for what is empty is no value of the type that is published.
        for (options, _) in EACH.into_iter().filter(|(options, _)| *options != "empty_as_null") {
            let plan = Plan::new(Arc::clone(&schemas), transcode::options(options));
            let file = format!("{} {options}", path.file_name().unwrap().to_string_lossy());
            add_samples(&plan, &file, &mut docket);
        }
    }
    let Some(verdicts) = docket.judge() else { return };
    let wrong: Vec<_> = verdicts.iter().filter(|(_, why)| !why.is_empty()).collect();
    println!("{} samples", verdicts.len());
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), verdicts.len());
}

fn add_samples(plan: &Plan, file: &str, docket: &mut Docket) {
    let schemas = plan.schemas();
    for (element, decl) in schemas.global_elements() {
        let schema = schema(plan, &Body::Element(element));
        for seed in 0..12 {
            let Some(xml) = Sampler::new(schemas, seed).document(element) else { continue };
            let Ok(json) = there_and_again(plan, element, &xml) else { continue };
            let name = schemas.text_of(decl.name);
            docket.add(format!("{file}: {name}, seed {seed}: {json}"), &schema, &json);
        }
    }
}

#[test]
fn samples_of_the_corpus_are_valid_by_the_published_schema() {
    let Some(folder) = corpus::folder("wsdl") else { return };
    let limits = pasarela_soap::Limits {
        doctype: pasarela_soap::Doctype::StepOver,
        ..pasarela_soap::Limits::import()
    };
    let options = xsd::Options { limits, ..xsd::Options::default() };
    let mut docket = Docket::default();
    // A message of each fourth document: the judges take their time.
    for path in corpus::files(&folder, &["wsdl"]).iter().step_by(4) {
        let url = path.canonicalize().unwrap().to_string_lossy().into_owned();
        let root = xsd::Document { url, bytes: std::fs::read(path).unwrap() };
        let (catalog, faults) = wsdl::import(root, &mut corpus::Beside, &options);
        if faults.iter().any(pasarela_soap::Fault::is_error) {
            continue;
        }
        let plan = Plan::new(Arc::clone(&catalog.schemas), Default::default());
        let operations = catalog.bindings.iter().flat_map(|binding| &binding.operations);
        for operation in operations.take(2) {
            for body in [Body::of_request(operation), Body::of_response(operation)] {
                let Ok(Body::Element(element)) = body else { continue };
                let text = schema(&plan, &Body::Element(element));
                if text.len() > 200_000 {
                    continue;
                }
                for seed in 0..3 {
                    let sample = Sampler::new(&catalog.schemas, seed).document(element);
                    let Some(xml) = sample.filter(|xml| xml.len() < 20_000) else { continue };
                    let Ok(json) = there_and_back(&plan, element, &xml) else { continue };
                    let name = format!("{}: {}", path.display(), operation.name);
                    docket.add(format!("{name}, seed {seed}"), &text, &json);
                }
            }
        }
    }
    let Some(verdicts) = docket.judge() else { return };
    // An `xs:string` is published as a string: that `xsi:type` could make an object of it is left unsaid, or every
    // string of a service with one type derived from it would be described as either.
    let unsaid = |why: &str| why.contains("'$type'") && why.contains("is not of type 'string'");
    let wrong: Vec<_> =
        verdicts.iter().filter(|(_, why)| !why.is_empty() && !unsaid(why)).collect();
    println!("{} instances of the corpus, {} not valid", verdicts.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_the_schema_forbids_is_not_valid() {
    // Type, element content, an instance that has to be refused, one that has to be taken.
    let cases = [
        (
            "<xs:choice><xs:element name='a' type='xs:int'/><xs:element name='b' type='xs:int'/></xs:choice>",
            r#"{"a": 1, "b": 2}"#,
            r#"{"b": 2}"#,
        ),
        (
            "<xs:sequence><xs:choice minOccurs='0'><xs:sequence><xs:element name='a' type='xs:int'/><xs:element name='b' \
             type='xs:int' minOccurs='0'/></xs:sequence><xs:element name='c' type='xs:int'/></xs:choice></xs:sequence>",
            r#"{"b": 1}"#,
            r#"{"a": 1, "b": 1}"#,
        ),
        (
            "<xs:sequence minOccurs='0'><xs:element name='a' type='xs:int'/><xs:element name='b' type='xs:int'/></xs:sequence>",
            r#"{"a": 1}"#,
            "{}",
        ),
        (
            "<xs:sequence><xs:element name='a' type='xs:int' minOccurs='2' maxOccurs='3'/></xs:sequence>",
            r#"{"a": [1]}"#,
            r#"{"a": [1, 2]}"#,
        ),
        (
            "<xs:choice maxOccurs='unbounded'><xs:element name='a' type='xs:int'/><xs:element name='b' type='xs:int'/></xs:choice>",
            r#"{"$items": [{"a": 1, "b": 2}]}"#,
            r#"{"$items": [{"b": 1}, {"a": 2}, {"b": 3}]}"#,
        ),
        (
            "<xs:sequence><xs:element name='n' type='xs:unsignedLong'/></xs:sequence>",
            r#"{"n": "007"}"#,
            r#"{"n": "18446744073709551615"}"#,
        ),
        (
            "<xs:sequence><xs:element name='n' type='xs:byte'/></xs:sequence>",
            r#"{"n": 128}"#,
            r#"{"n": 127}"#,
        ),
        (
            "<xs:sequence><xs:element name='n' type='xs:date'/></xs:sequence>",
            r#"{"n": "2024-13-01"}"#,
            r#"{"n": "2024-02-29+02:00"}"#,
        ),
        (
            "<xs:sequence><xs:element name='n' type='xs:duration'/></xs:sequence>",
            r#"{"n": "P1YT"}"#,
            r#"{"n": "-P1Y2M3DT4H5M6.7S"}"#,
        ),
        (
            "<xs:sequence><xs:element name='n' type='xs:double'/></xs:sequence>",
            r#"{"n": "inf"}"#,
            r#"{"n": "INF"}"#,
        ),
        (
            "<xs:sequence><xs:element name='n' type='xs:string'/></xs:sequence>",
            r#"{"n": "", "m": 1}"#,
            r#"{"n": ""}"#,
        ),
    ];
    let mut docket = Docket::default();
    for (content, refused, taken) in cases {
        let text =
            format!("<xs:element name='o'><xs:complexType>{content}</xs:complexType></xs:element>");
        let (schemas, faults) = Schemas::from_bytes("case.xsd", transcode::whole(&text).as_bytes());
        assert!(faults.is_empty(), "{faults:?}");
        let element = schemas.element_named(&ExpandedName::new("urn:t", "o")).unwrap();
        let plan = Plan::new(Arc::new(schemas), Default::default());
        let schema = schema(&plan, &Body::Element(element));
        docket.add(format!("refused {refused}"), &schema, refused);
        docket.add(format!("taken {taken}"), &schema, taken);
    }
    let Some(verdicts) = docket.judge() else { return };
    for (name, why) in verdicts {
        assert_eq!(name.starts_with("taken"), why.is_empty(), "{name}: {why}");
    }
}
