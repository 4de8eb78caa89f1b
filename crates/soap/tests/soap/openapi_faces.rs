//! Other paths and verbs than the default ones: what a mapping can say, and what it cannot.

use std::collections::BTreeMap;

use pasarela_soap::openapi::face::{
    Face, Location, Mapping, Method, OperationMapping, ParameterMapping,
};
use pasarela_soap::openapi::{self, Json};

use crate::openapi_documents::catalog;

fn mapping(operation: &str, said: OperationMapping) -> Mapping {
    Mapping { operations: BTreeMap::from([(operation.to_owned(), said)]) }
}

fn face(said: OperationMapping) -> (Face, Vec<String>) {
    let (catalog, plan) = catalog("orders.wsdl");
    let (face, faults) = Face::new(&catalog, &plan, &mapping("GetOrder", said));
    (face, faults.iter().map(ToString::to_string).collect())
}

fn get_order() -> OperationMapping {
    OperationMapping {
        path: Some("/orders/{id}".to_owned()),
        method: Some(Method::Get),
        faults: BTreeMap::from([("UnknownOrder".to_owned(), 404)]),
        ..OperationMapping::default()
    }
}

fn at<'j>(json: &'j Json, path: &[&str]) -> &'j Json {
    path.iter().fold(json, |at, key| match at {
        Json::Object(object) => object.get(key).unwrap_or_else(|| panic!("no {key}")),
        _ => panic!("no object around {key}"),
    })
}

#[test]
fn an_operation_is_post_and_its_name_unless_told_otherwise() {
    let (catalog, plan) = catalog("orders.wsdl");
    let (face, _) = Face::new(&catalog, &plan, &Mapping::default());
    let route = &face.routes[0];
    assert_eq!((route.method, &*route.path, route.status), (Method::Post, "/PlaceOrder", 200));
    let one_way = face.routes.iter().find(|route| route.id == "CancelOrder").unwrap();
    assert_eq!(one_way.status, 202);
}

#[test]
fn a_read_is_a_get_with_the_fields_in_path_and_query() {
    let (face, faults) = face(get_order());
    assert_eq!(faults, [""; 0]);
    let route = face.routes.iter().find(|route| route.id == "GetOrder").unwrap();
    let told: Vec<_> = route
        .parameters
        .iter()
        .map(|p| (&*p.name, p.location, &*p.key, p.array, p.required))
        .collect();
    assert_eq!(
        told,
        [
            ("id", Location::Path, "id", false, true),
            ("version", Location::Query, "@version", false, false),
            ("expand", Location::Query, "expand", true, false),
        ]
    );
}

#[test]
fn the_document_says_what_the_mapping_says() {
    let (catalog, plan) = catalog("orders.wsdl");
    let (face, _) = Face::new(&catalog, &plan, &mapping("GetOrder", get_order()));
    let document = openapi::document(&catalog, &plan, &face, &openapi::Options::default());
    let get = at(&document, &["paths", "/orders/{id}", "get"]);
    let Json::Object(operation) = get else { panic!("an operation") };
    assert!(operation.get("requestBody").is_none());
    let schema =
        at(get, &["responses", "404", "content", "application/problem+json", "schema", "$ref"]);
    assert_eq!(*schema, Json::from("#/components/schemas/GetOrder.404"));
    let Json::Array(parameters) = at(get, &["parameters"]) else { panic!("parameters") };
    assert_eq!(parameters.len(), 3);
}

#[test]
fn a_parameter_of_a_post_is_no_field_of_its_body() {
    let said = OperationMapping {
        path: Some("/orders/{id}/find".to_owned()),
        method: Some(Method::Post),
        ..OperationMapping::default()
    };
    let (catalog, plan) = catalog("orders.wsdl");
    let (face, faults) = Face::new(&catalog, &plan, &mapping("GetOrder", said));
    assert!(faults.is_empty(), "{faults:?}");
    let document = openapi::document(&catalog, &plan, &face, &openapi::Options::default());
    let body = at(
        &document,
        &[
            "paths",
            "/orders/{id}/find",
            "post",
            "requestBody",
            "content",
            "application/json",
            "schema",
        ],
    );
    let Json::Object(properties) = at(body, &["properties"]) else { panic!("properties") };
    let keys: Vec<&str> = properties.0.iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["@version", "expand"]);
}

#[test]
fn what_a_mapping_cannot_say_is_refused_with_its_reason() {
    let query =
        |field: &str| ParameterMapping { location: Location::Query, field: Some(field.to_owned()) };
    let with = |path: &str| OperationMapping {
        path: Some(path.to_owned()),
        method: Some(Method::Get),
        ..OperationMapping::default()
    };
    let cases = [
        (with("/orders/{number}"), r#"no field "number""#),
        (with("/soap"), "the address of the SOAP face"),
        (with("/openapi.json"), "the address of the description"),
        (with("orders/{id}"), "has to begin with '/'"),
        (with("/orders/x{id}"), "only a part of a segment"),
        (OperationMapping { status: Some(404), ..get_order() }, "no status of success"),
        (
            OperationMapping {
                faults: BTreeMap::from([("Nothing".to_owned(), 404)]),
                ..get_order()
            },
            r#"declares no fault "Nothing""#,
        ),
        (
            OperationMapping {
                parameters: BTreeMap::from([("other".to_owned(), query("id"))]),
                ..get_order()
            },
            "has two parameters",
        ),
    ];
    for (said, wanted) in cases {
        let (_, faults) = face(said);
        assert!(faults.iter().any(|fault| fault.contains(wanted)), "{wanted}: {faults:?}");
    }
    let (catalog, plan) = catalog("orders.wsdl");
    let (_, faults) = Face::new(&catalog, &plan, &mapping("GetOrders", get_order()));
    assert!(faults[0].to_string().contains("no operation of this name"), "{faults:?}");
    // PlaceOrder needs an order, which is no value.
    let said = OperationMapping { method: Some(Method::Get), ..OperationMapping::default() };
    let (_, faults) = Face::new(&catalog, &plan, &mapping("PlaceOrder", said));
    assert!(faults[0].to_string().contains("fits in no parameter"), "{faults:?}");
}
