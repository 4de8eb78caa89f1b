//! The command on a WSDL of its own, with mappings that fit and that do not.

use clap::Parser as _;

use super::*;

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">
  <types><xs:schema targetNamespace="urn:t" elementFormDefault="qualified">
    <xs:element name="GetPrice"><xs:complexType><xs:sequence><xs:element name="sku" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="GetPriceResponse"><xs:complexType><xs:sequence><xs:element name="price" type="xs:decimal"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Unknown" type="xs:string"/>
  </xs:schema></types>
  <message name="in"><part name="p" element="t:GetPrice"/></message>
  <message name="out"><part name="p" element="t:GetPriceResponse"/></message>
  <message name="unknown"><part name="p" element="t:Unknown"/></message>
  <portType name="P">
    <operation name="GetPrice"><input message="t:in"/><output message="t:out"/><fault name="unknown" message="t:unknown"/></operation>
  </portType>
  <binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>
    <operation name="GetPrice"><soap:operation soapAction="urn:get"/><input><soap:body use="literal"/></input>
      <output><soap:body use="literal"/></output><fault name="unknown"><soap:fault name="unknown" use="literal"/></fault></operation>
  </binding>
  <service name="Prices"><port name="Port" binding="t:B"><soap:address location="http://localhost/"/></port></service>
</definitions>"#;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// The document, what is said, and the exit code.
fn ran(wsdl: &str, mapping: Option<&str>, words: &[&str]) -> (Option<String>, String, ExitCode) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.wsdl");
    std::fs::write(&file, wsdl).unwrap();
    let mut line = vec!["convert".to_owned(), file.display().to_string()];
    line.extend(["--to".to_owned(), "openapi".to_owned()]);
    if let Some(text) = mapping {
        let file = folder.path().join("t.map.yaml");
        std::fs::write(&file, text).unwrap();
        line.extend(["--mapping".to_owned(), file.display().to_string()]);
    }
    line.extend(words.iter().map(|&word| word.to_owned()));
    let args = Line::parse_from(line).args;
    let outcome = convert(&args);
    let said = outcome.said(args.format).replace(&format!("{}/", folder.path().display()), "");
    (outcome.document.as_ref().map(|d| String::from_utf8(d.clone()).unwrap()), said, outcome.code())
}

#[test]
fn a_wsdl_becomes_openapi_and_nothing_else_is_said() {
    let (document, said, code) = ran(WSDL, None, &["--server", "https://api.example.com"]);
    assert_eq!((said.as_str(), code), ("", ExitCode::SUCCESS));
    let document: serde_json::Value = serde_json::from_str(&document.unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Prices");
    assert_eq!(document["servers"][0]["url"], "https://api.example.com");
    assert!(document["paths"]["/GetPrice"]["post"]["requestBody"].is_object());
}

#[test]
fn yaml_says_the_same_as_json() {
    use pasarela_contract::tree::{Syntax, TreeLimits, parse};
    let (json, ..) = ran(WSDL, None, &[]);
    let (yaml, ..) = ran(WSDL, None, &["--as", "yaml"]);
    let json = parse(&json.unwrap(), Syntax::Json, TreeLimits::default()).unwrap();
    let yaml = parse(&yaml.unwrap(), Syntax::Yaml, TreeLimits::default()).unwrap();
    assert_eq!(json.to_json(), yaml.to_json());
}

#[test]
fn a_mapping_moves_an_operation() {
    let mapping = "version: 1\noperations:\n  GetPrice:\n    method: get\n    path: /prices/{sku}\n    faults: {unknown: 404}\n";
    let (document, said, _) = ran(WSDL, Some(mapping), &[]);
    assert_eq!(said, "");
    let document: serde_json::Value = serde_json::from_str(&document.unwrap()).unwrap();
    let get = &document["paths"]["/prices/{sku}"]["get"];
    assert_eq!(get["parameters"][0]["name"], "sku");
    assert!(get["responses"]["404"].is_object());
}

#[test]
fn a_mapping_is_read_to_its_end_and_refused_with_places() {
    let mapping = "operations:\n  GetPrice:\n    method: fetch\n    status: often\n    where: /x\n";
    let (document, said, code) = ran(WSDL, Some(mapping), &[]);
    assert_eq!((document, code), (None, ExitCode::FAILURE));
    for wanted in ["t.map.yaml:3:13", "t.map.yaml:4:13", "t.map.yaml:5:5", "\"where\"", "XS0004"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let mapping = "operations:\n  GetPrices: {method: get}\n";
    let (_, said, code) = ran(WSDL, Some(mapping), &[]);
    assert_eq!(code, ExitCode::FAILURE);
    assert!(said.contains("t.map.yaml:2:3") && said.contains("it has GetPrice"), "{said}");
}

#[test]
fn what_is_no_service_is_refused_and_what_is_not_there_is_wrong_use() {
    let (document, said, code) = ran("<definitions/>", None, &[]);
    assert_eq!((document, code), (None, ExitCode::FAILURE));
    assert!(said.contains("error XS"), "{said}");
    let args = Line::parse_from(["convert", "not-there.wsdl", "--to", "openapi"]).args;
    let outcome = convert(&args);
    assert_eq!(outcome.code(), ExitCode::from(2));
    assert!(outcome.said(Format::Json).contains("XS0001"));
}

/// A WSDL of an OpenAPI document: what is printed, what is said of it and the exit code.
fn to_wsdl(files: &[(&str, &str)]) -> (Option<String>, String, ExitCode) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("api.yaml").display().to_string();
    let line = ["convert", &file, "--to", "wsdl", "--server", "https://api.example.com/soap"];
    let outcome = convert(&Line::parse_from(line).args);
    let said = outcome.said(Format::Text).replace(&format!("{}/", folder.path().display()), "");
    (outcome.document.as_ref().map(|d| String::from_utf8(d.clone()).unwrap()), said, outcome.code())
}

const OPENAPI: &str = "openapi: 3.0.3\ninfo: { title: Rates, version: '1' }\npaths:\n  /rates/{id}:\n    get:\n      operationId: rate\n      \
     parameters: [{ name: id, in: path, required: true, schema: { $ref: 'types.yaml#/id' } }]\n      \
     responses: { '200': { description: It. } }\n  /ticks:\n    get:\n      operationId: ticks\n      \
     responses: { '200': { description: On and on., content: { text/event-stream: {} } } }\n";

#[test]
fn openapi_becomes_a_wsdl_and_what_is_left_out_is_said() {
    let types = ("types.yaml", "id: { type: string, maxLength: 5 }\n");
    let (document, said, code) = to_wsdl(&[("api.yaml", OPENAPI), types]);
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(
        said,
        "warning XS0008: api.yaml:12:65: the operation ticks is left out: a body of the type `text/event-stream` is a stream \
         without an end; describe it in another way, or do without it over SOAP\napi.yaml: valid, 1 warning\n"
    );
    let document = document.unwrap();
    assert!(document.contains("<xs:maxLength value=\"5\"/>"), "{document}");
    assert!(document.contains("location=\"https://api.example.com/soap\""), "{document}");
    assert!(!document.contains("ticks"), "{document}");
}

#[test]
fn openapi_that_cannot_be_read_is_refused_where_it_is_wrong() {
    let (document, said, code) = to_wsdl(&[("api.yaml", OPENAPI), ("types.yaml", "id: [")]);
    assert_eq!((document, code), (None, ExitCode::FAILURE));
    assert!(said.starts_with("error XS"), "{said}");
    assert!(said.contains(": types.yaml:2:1: "), "{said}");
    let (document, said, _) = to_wsdl(&[("api.yaml", &OPENAPI.replace("string", "stream"))]);
    assert_eq!(document, None);
    assert!(said.contains("the document `types.yaml` "), "{said}");
}
