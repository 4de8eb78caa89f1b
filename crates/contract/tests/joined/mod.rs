//! OpenAPI documents that refer to others.

use std::collections::BTreeMap;

use pasarela_contract::{
    Subject,
    bridge::{self, NoFace},
};
use pasarela_model::RestFace;
use pasarela_soap::xsd::{Document, Resolver};

/// Documents by name.
struct Shelf(BTreeMap<&'static str, &'static str>);

impl Resolver for Shelf {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        _: &str,
    ) -> Result<Option<Document>, String> {
        let found = location.and_then(|location| self.0.get_key_value(location));
        let document =
            |(url, text): (&&str, &&str)| Document { url: (*url).into(), bytes: (*text).into() };
        Ok(found.map(document))
    }
}

const MAIN: &str = "openapi: 3.0.3
info: { title: Split, version: '1' }
paths:
  /orders/{id}: { $ref: 'paths.yaml#/order' }
components:
  schemas:
    Error: { type: string }
  examples:
    kept: { value: { $ref: nowhere.yaml } }
";

const PATHS: &str = "order:
  parameters: [{ $ref: 'types.json#/id' }]
  get:
    operationId: order
    responses:
      '200': { description: It., content: { application/json: { schema: { $ref: 'types.json#/Order' } } } }
      '404': { $ref: '#/none' }
none: { description: None., content: { application/json: { schema: { $ref: 'types.json#/Error' } } } }
";

const TYPES: &str = r##"{ "id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } },
  "Order": { "type": "object", "properties": { "parent": { "$ref": "#/Order" }, "text": { "$ref": "main.yaml#/components/schemas/Error" } } },
  "Error": { "type": "object", "properties": { "code": { "type": "string" } } } }"##;

fn shelf(changed: &[(&'static str, &'static str)]) -> Shelf {
    let mut all =
        BTreeMap::from([("main.yaml", MAIN), ("paths.yaml", PATHS), ("types.json", TYPES)]);
    all.extend(changed.iter().copied());
    Shelf(all)
}

#[test]
fn documents_that_refer_to_each_other_become_one_that_needs_no_other() {
    let mut shelf = shelf(&[]);
    let rest = RestFace::default();
    let read = pasarela_contract::read(MAIN.as_bytes(), "main.yaml", &mut shelf, &rest).unwrap();
    assert_eq!(read.operations.len(), 1);
    assert_eq!(read.operations[0].name, "order");
    let served: serde_json::Value = serde_json::from_str(&read.served.document).unwrap();
    let order = &served["paths"]["/orders/{id}"];
    assert_eq!(order["parameters"][0]["$ref"], "#/components/parameters/id");
    assert_eq!(order["get"]["responses"]["404"]["$ref"], "#/components/responses/none");
    let schemas = &served["components"]["schemas"];
    assert_eq!(schemas["Order"]["properties"]["parent"]["$ref"], "#/components/schemas/Order");
    assert_eq!(schemas["Order"]["properties"]["text"]["$ref"], "#/components/schemas/Error");
    // The name was taken.
    assert_eq!(schemas["Error"]["type"], "string");
    assert_eq!(schemas["Error_2"]["properties"]["code"]["type"], "string");
    // What stands in an example is no reference.
    assert_eq!(served["components"]["examples"]["kept"]["value"]["$ref"], "nowhere.yaml");
    // Nothing else leads outside.
    let text = read.served.document.replace("nowhere.yaml", "");
    assert!(!text.contains(".yaml") && !text.contains(".json"), "{text}");
    let wsdl = bridge::convert(MAIN.as_bytes(), "main.yaml", &mut shelf, "http://localhost/");
    assert!(wsdl.unwrap().document.contains("<xs:complexType name=\"Order\">"));
}

#[test]
fn what_is_wrong_in_another_document_is_told_with_its_place_there() {
    let told = |changed: &[(&'static str, &'static str)]| {
        let made = bridge::convert(MAIN.as_bytes(), "main.yaml", &mut shelf(changed), "http://l/");
        let Err(NoFace::Faults(faults)) = made else { panic!("nothing is wrong") };
        let place = |fault: &pasarela_contract::ContractFault| {
            let document = match &fault.subject {
                Subject::Document(url) => url.clone(),
                _ => "main.yaml".to_owned(),
            };
            format!("{document}:{}:{} {}", fault.line, fault.column, fault.message)
        };
        faults.iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&[("types.json", "{\n  \"id\": 1")]),
        ["types.json:2:10 expected `,` or `}`, found the end of the document"]
    );
    assert_eq!(
        told(&[("types.json", "{}")]).first().map(String::as_str),
        Some("paths.yaml:2:24 `#/id` does not exist in `types.json`")
    );
    assert_eq!(
        told(&[("paths.yaml", "order:\n  get: { operationId: '', responses: {} }\n")]),
        ["paths.yaml:2:23 `operationId` is empty"]
    );
    let circle = told(&[("paths.yaml", "order: { $ref: '#/order' }\n")]);
    assert!(circle.iter().any(|fault| fault.contains("in a circle")), "{circle:?}");
    let gone = bridge::convert(
        b"openapi: 3.0.0\ninfo: { title: t }\npaths: { /a: { $ref: 'b.yaml' } }\n",
        "main.yaml",
        &mut Shelf(BTreeMap::new()),
        "http://l/",
    );
    let Err(NoFace::Faults(faults)) = gone else { panic!("it is not there") };
    assert_eq!(faults[0].message, "the document `b.yaml` is not there");
}
