//! Instances made from schemas, by seed: XML to JSON to XML comes back as it was.

use std::fmt::Write as _;
use std::sync::Arc;

use pasarela_soap::sample::Sampler;
use pasarela_soap::transcode::{Body, Decoder, Encoder, Options, Plan};
use pasarela_soap::xsd::Schemas;
use pasarela_soap::xsd::model::ElementId;
use pasarela_soap::{Limits, json, xml};

use crate::transcode::canonical;

/// The options of a face, one by one, and whether XML comes back as it was. Where it does not, the JSON does.
pub(crate) const EACH: [(&str, bool); 10] = [
    ("", true),
    ("numbers=number", true),
    ("numbers=string", true),
    ("collapse_wrapped_arrays", true),
    ("emit_empty_arrays", true),
    ("empty_as_null", true),
    ("xml_string", true),
    ("dates=rfc3339", false),
    ("apply_defaults", false),
    ("grouped", false),
];

/// There and back; the reason if it does not come back.
pub(crate) fn there_and_back(plan: &Plan, element: ElementId, xml: &str) -> Result<String, String> {
    let (text, back) = round(plan, element, xml)?;
    let (before, after) = (canonical(xml), canonical(&back));
    if before == after {
        Ok(text)
    } else {
        Err(format!("\n  before {before}\n  json   {text}\n  after  {after}"))
    }
}

/// There, back and there again: the JSON is the same.
pub(crate) fn there_and_again(
    plan: &Plan,
    element: ElementId,
    xml: &str,
) -> Result<String, String> {
    let (text, back) = round(plan, element, xml)?;
    let (again, _) = round(plan, element, &back)?;
    if text == again {
        Ok(text)
    } else {
        Err(format!("\n  json   {text}\n  xml    {back}\n  again  {again}"))
    }
}

/// The JSON of a document, and the XML of that.
fn round(plan: &Plan, element: ElementId, xml: &str) -> Result<(String, String), String> {
    let message = plan.message(Body::Element(element));
    let limits = Limits::default();
    let mut reader = xml::Reader::with(xml.as_bytes(), None, &plan.schemas().symbols, &limits)
        .map_err(|f| f.to_string())?;
    let mut decoder = Decoder::new(plan, &message);
    let json =
        decoder.document(&mut reader).map_err(|fault| format!("XML to JSON: {fault}"))?.to_vec();
    let text = String::from_utf8(json).map_err(|e| e.to_string())?;
    let mut encoder = Encoder::new(plan, &message);
    let mut reader =
        json::Reader::new(text.as_bytes(), &limits).map_err(|fault| format!("{fault}: {text}"))?;
    let back =
        encoder.document(&mut reader).map_err(|fault| format!("JSON to XML: {fault}\n  {text}"))?;
    let back = String::from_utf8(back.to_vec()).map_err(|e| e.to_string())?;
    Ok((text, back))
}

#[test]
fn samples_of_every_case_come_back_as_they_were_whatever_the_options() {
    for (options, exact) in EACH {
        samples_come_back(options, exact);
    }
}

fn samples_come_back(options: &str, exact: bool) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/transcode");
    let (mut wrong, mut told) = (String::new(), 0);
    let seeds = if options.is_empty() { 64 } else { 16 };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let schema = crate::transcode::whole(text.split("\n-----\n").nth(1).unwrap().trim());
        let (schemas, _) = Schemas::from_bytes("case.xsd", schema.as_bytes());
        let plan = Plan::new(Arc::new(schemas), crate::transcode::options(options));
        let schemas = Arc::clone(plan.schemas());
        for (element, decl) in schemas.global_elements() {
            for seed in 0..seeds {
                let Some(xml) = Sampler::new(&schemas, seed).document(element) else { continue };
                told += 1;
                let came =
                    if exact { there_and_back } else { there_and_again }(&plan, element, &xml);
                if let Err(why) = came {
                    // Dates that RFC 3339 cannot say are refused, and samples have some.
                    if options == "dates=rfc3339" && why.contains("RFC 3339") {
                        continue;
                    }
                    let name = schemas.text_of(decl.name);
                    let _ = writeln!(
                        wrong,
                        "{options} {}: {name}, seed {seed}: {why}",
                        path.file_name().unwrap().to_string_lossy()
                    );
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(told > 15 * seeds, "samples were made: {told}");
}

#[test]
fn members_in_any_order_give_the_same_xml() {
    // The members of every object are turned round; rounds, arrays and mixed content keep their order.
    let schema = crate::transcode::whole(
        "<xs:complexType name='T'><xs:sequence><xs:element name='a' type='xs:int'/><xs:choice><xs:element name='b' \
         type='xs:string'/><xs:sequence><xs:element name='c' type='xs:int' maxOccurs='3'/><xs:element name='t' type='T' \
         minOccurs='0'/></xs:sequence></xs:choice><xs:sequence minOccurs='0' maxOccurs='3'><xs:element name='x' \
         type='xs:int'/><xs:element name='y' type='T' minOccurs='0'/></xs:sequence></xs:sequence><xs:attribute name='k' \
         type='xs:int'/><xs:attribute name='l' type='xs:string'/></xs:complexType><xs:element name='o' type='T'/>",
    );
    let (schemas, faults) = Schemas::from_bytes("case.xsd", schema.as_bytes());
    assert!(faults.is_empty(), "{faults:?}");
    let plan = Plan::new(Arc::new(schemas), Options::default());
    let (element, _) = plan.schemas().global_elements().next().unwrap();
    let message = plan.message(Body::Element(element));
    for seed in 0..200 {
        let Some(xml) = Sampler::new(plan.schemas(), seed).document(element) else { continue };
        let json =
            there_and_back(&plan, element, &xml).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        let mut turned = String::new();
        turn_round(&json, &mut turned);
        let mut encoder = Encoder::new(&plan, &message);
        let mut reader = json::Reader::new(turned.as_bytes(), &Limits::default()).unwrap();
        let back = encoder
            .document(&mut reader)
            .unwrap_or_else(|fault| panic!("seed {seed}: {fault}: {turned}"));
        assert_eq!(
            canonical(std::str::from_utf8(back).unwrap()),
            canonical(&xml),
            "seed {seed}: {turned}"
        );
    }
}

/// Writes a JSON value with the members of its objects in the opposite order.
fn turn_round(json: &str, out: &mut String) {
    let mut parts: Vec<&str> = Vec::new();
    let inner = match json.chars().next() {
        Some('{' | '[') => &json[1..json.len() - 1],
        _ => return out.push_str(json),
    };
    let (mut depth, mut in_string, mut escaped, mut start) = (0, false, false, 0);
    for (at, c) in inner.char_indices() {
        match c {
            _ if in_string => {
                in_string = c != '"' || escaped;
                escaped = c == '\\' && !escaped;
                continue;
            }
            '"' => in_string = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = false;
    }
    if start < inner.len() {
        parts.push(&inner[start..]);
    }
    let is_object = json.starts_with('{');
    if is_object {
        parts.reverse();
    }
    out.push_str(&json[..1]);
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match part.split_once("\":").filter(|_| is_object) {
            Some((key, value)) => {
                out.push_str(key);
                out.push_str("\":");
                turn_round(value, out);
            }
            None => turn_round(part, out),
        }
    }
    out.push_str(&json[json.len() - 1..]);
}
