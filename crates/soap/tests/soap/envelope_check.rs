//! Whole messages held against what their operation declares.

use pasarela_soap::{
    Limits,
    envelope::{Checker, Expected},
    name::{SOAP11, SOAP12},
    wsdl::{Catalog, catalog::Operation, import},
    xml::{Event, Reader},
    xsd::{Document, NoDocuments},
};

const O: &str = "urn:example:orders";

fn catalog(name: &str) -> Catalog {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let root = Document { url: name.into(), bytes };
    let (catalog, faults) = import(root, &mut NoDocuments, &Default::default());
    assert!(!faults.iter().any(pasarela_soap::Fault::is_error), "{faults:?}");
    catalog
}

fn operation<'c>(catalog: &'c Catalog, name: &str) -> &'c Operation {
    let mut all = catalog.bindings.iter().flat_map(|binding| &binding.operations);
    all.find(|operation| operation.name == name).unwrap()
}

/// What is said of a message: the same whole, and in pieces cut everywhere.
fn said(catalog: &Catalog, expected: &Expected, message: &str) -> Result<(), String> {
    let limits = Limits::default();
    let symbols = &catalog.schemas.symbols;
    let mut reader = Reader::with(message.as_bytes(), None, symbols, &limits).unwrap();
    let whole = Checker::new(&catalog.schemas, expected).whole(&mut reader);
    let mut reader = Reader::streaming(None, symbols, &limits).unwrap();
    let mut checker = Checker::new(&catalog.schemas, expected);
    let mut pieces = message.as_bytes().chunks(1);
    let pieced = loop {
        let event = match reader.pull() {
            Ok(Event::NeedMore) => {
                match pieces.next() {
                    Some(piece) => reader.feed(piece).unwrap(),
                    None => reader.finish().unwrap(),
                }
                continue;
            }
            Ok(event) => event,
            Err(fault) => break Err(fault.into()),
        };
        match checker.step(&reader, event) {
            Ok(true) => break Ok(()),
            Ok(false) => (),
            Err(refusal) => break Err(refusal),
        }
    };
    assert_eq!(whole.is_ok(), pieced.is_ok(), "{message}");
    whole.map_err(|refusal| refusal.fault.message)
}

fn in_envelope(namespace: &str, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{namespace}\" xmlns:o=\"{O}\"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

#[test]
fn a_message_is_what_its_operation_declares_or_it_is_said_what_is_not() {
    let catalog = catalog("orders.wsdl");
    let request = Expected::request(operation(&catalog, "GetOrder"));
    let id = "<o:id>7</o:id>";
    let cases = [
        (format!("<o:GetOrder version='2'>{id}<o:expand>a</o:expand></o:GetOrder>"), None),
        (format!("<o:GetOrder version='two'>{id}</o:GetOrder>"), Some("version")),
        ("<o:GetOrder/>".into(), Some("")),
        (format!("<o:GetOrder>{id}{id}</o:GetOrder>"), Some("")),
        (format!("<o:CancelOrder>{id}</o:CancelOrder>"), Some("")),
        (format!("<o:GetOrder>{id}</o:GetOrder><o:GetOrder>{id}</o:GetOrder>"), Some("second")),
        (format!("text<o:GetOrder>{id}</o:GetOrder>"), Some("text")),
        (String::new(), Some("lacks")),
        ("<s:Fault><faultcode>s:Client</faultcode></s:Fault>".into(), Some("no fault")),
    ];
    for (body, wrong) in cases {
        for namespace in [SOAP11, SOAP12] {
            let found = said(&catalog, &request, &in_envelope(namespace, "", &body));
            match (&found, wrong) {
                (Ok(()), None) => (),
                (Err(message), Some(part)) if message.contains(part) => (),
                _ => panic!("{body}: {found:?}"),
            }
        }
    }
}

#[test]
fn a_declared_header_block_is_looked_at_and_any_other_may_be_what_it_likes() {
    let catalog = catalog("orders.wsdl");
    let request = Expected::request(operation(&catalog, "PlaceOrder"));
    let body = "<o:PlaceOrder><o:order><o:customer xmlns:x='http://www.w3.org/2001/XMLSchema-instance' x:type='o:Person'>\
                <o:name>Ana</o:name></o:customer><o:placed>2026-11-25T00:00:00</o:placed><o:line><o:sku>a</o:sku>\
                <o:quantity>1</o:quantity><o:price>1.50</o:price></o:line></o:order></o:PlaceOrder>";
    let with = |header: &str| said(&catalog, &request, &in_envelope(SOAP12, header, body));
    assert_eq!(with("<o:Tenant>acme</o:Tenant><x:y xmlns:x='urn:x'><z/>1</x:y>"), Ok(()));
    assert_eq!(with(""), Ok(()));
    assert!(with("<o:Tenant>acme<o:more/></o:Tenant>").is_err());
    assert!(with("<x:y xmlns:x='urn:x'/><o:Tenant><o:more/></o:Tenant>").is_err());
}

#[test]
fn the_detail_of_a_declared_fault_is_looked_at_in_both_versions() {
    let catalog = catalog("orders.wsdl");
    let answer = Expected::answer(operation(&catalog, "GetOrder"));
    let v11 = |entry: &str| {
        let fault = format!(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>no</faultstring><detail>{entry}</detail></s:Fault>"
        );
        said(&catalog, &answer, &in_envelope(SOAP11, "", &fault))
    };
    let v12 = |entry: &str| {
        let fault = format!(
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang='en'>no</s:Text></s:Reason>\
             <s:Detail>{entry}</s:Detail></s:Fault>"
        );
        said(&catalog, &answer, &in_envelope(SOAP12, "", &fault))
    };
    for said in [&v11 as &dyn Fn(&str) -> Result<(), String>, &v12] {
        assert_eq!(said("<o:UnknownOrder><o:id>7</o:id></o:UnknownOrder>"), Ok(()));
        assert!(said("<o:UnknownOrder><o:id>seven</o:id></o:UnknownOrder>").is_err());
        // What a service adds of its own is nobody's contract.
        assert_eq!(said("<trace xmlns='urn:stack'><at/></trace>"), Ok(()));
        assert_eq!(said(""), Ok(()));
    }
    let other = "<o:GetOrderResponse><o:order/></o:GetOrderResponse>";
    assert!(said(&catalog, &answer, &in_envelope(SOAP11, "", other)).is_err());
}

#[test]
fn the_parts_of_rpc_are_all_there_once_in_any_order() {
    let catalog = catalog("tracking.wsdl");
    let request = Expected::request(operation(&catalog, "Track"));
    let track = |inside: &str| {
        let body = format!("<t:Track xmlns:t='http://example.com/tracking/v2'>{inside}</t:Track>");
        said(&catalog, &request, &in_envelope(SOAP11, "", &body))
    };
    let (number, since) = ("<number>1</number>", "<since>2026-11-25T00:00:00Z</since>");
    assert_eq!(track(&format!("{number}{since}")), Ok(()));
    assert_eq!(track(&format!("{since}\n{number}")), Ok(()));
    for (inside, part) in [
        (number.to_owned(), "lacks the part \"since\""),
        (format!("{number}{number}{since}"), "second time"),
        (format!("{number}{since}<more/>"), "no part"),
        (format!("{number}{since}text"), "text"),
        (format!("{number}<since>yesterday</since>"), "yesterday"),
    ] {
        let message = track(&inside).expect_err(&inside);
        assert!(message.contains(part), "{inside}: {message}");
    }
    let other = "<t:Find xmlns:t='http://example.com/tracking/v2'/>";
    assert!(said(&catalog, &request, &in_envelope(SOAP11, "", other)).is_err());
}
