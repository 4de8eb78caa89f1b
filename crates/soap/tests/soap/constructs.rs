//! What other gateways' documentation lists as not working, each as a whole: from a WSDL to messages that are taken and refused.

use pasarela_soap::{
    Fault, Limits,
    exchange::{Answer, Form, Messages},
    openapi::{self, Face, Mapping},
    transcode::{Options, Plan},
    wsdl::{self, Catalog},
    xml::Reader,
    xsd::{Document, Mode, NoDocuments, Schemas, Start, validate},
};

/// A service with one operation whose request is the element `Ask`, and whose answer is `Told`.
fn wsdl(namespace: &str, schema: &str) -> String {
    format!(
        "<definitions xmlns=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:t=\"urn:port\" xmlns:d=\"{namespace}\" targetNamespace=\"urn:port\"\n\
         xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\"><types><xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:d=\"{namespace}\" targetNamespace=\"{namespace}\" elementFormDefault=\"qualified\">{schema}</xs:schema></types>\
         <message name=\"In\"><part name=\"b\" element=\"d:Ask\"/></message><message name=\"Out\"><part name=\"b\" element=\"d:Told\"/></message>\
         <portType name=\"P\"><operation name=\"Ask\"><input message=\"t:In\"/><output message=\"t:Out\"/></operation></portType>\
         <binding name=\"B\" type=\"t:P\"><soap:binding transport=\"http://schemas.xmlsoap.org/soap/http\"/><operation name=\"Ask\">\
         <soap:operation soapAction=\"\"/><input><soap:body use=\"literal\"/></input><output><soap:body use=\"literal\"/></output></operation></binding>\
         <service name=\"S\"><port name=\"P\" binding=\"t:B\"><soap:address location=\"http://localhost/\"/></port></service></definitions>"
    )
}

struct Service {
    catalog: Catalog,
    plan: Plan,
    messages: Messages,
}

impl Service {
    fn new(text: String) -> Self {
        let root = Document { url: "s.wsdl".into(), bytes: text.into_bytes() };
        let options =
            pasarela_soap::xsd::Options { limits: Limits::import(), ..Default::default() };
        let (catalog, faults) = wsdl::import(root, &mut NoDocuments, &options);
        assert!(!faults.iter().any(Fault::is_error), "{faults:?}");
        let plan = Plan::new(catalog.schemas.clone(), Options::default());
        let binding = &catalog.bindings[0];
        let messages = Messages::new(&plan, binding, &binding.operations[0]).unwrap();
        Self { plan, messages, catalog }
    }

    fn ask(&self, json: &str) -> Result<String, String> {
        let (mut out, limits) = (Vec::new(), Limits::default());
        let made =
            self.messages.request(&self.plan, Form::Json, &[], json.as_bytes(), &limits, &mut out);
        made.map(|()| String::from_utf8(out).unwrap()).map_err(|fault| fault.message)
    }

    fn told(&self, body: &str) -> Result<String, String> {
        let limits = Limits::default();
        let mut answer =
            Answer::new(&self.plan, &self.messages, Form::Json, None, &limits).unwrap();
        let envelope = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{body}</s:Body></s:Envelope>"
        );
        let mut out = Vec::new();
        answer.feed(envelope.as_bytes(), &mut out).map_err(|fault| fault.message)?;
        answer.finish(&mut out).map_err(|fault| fault.message)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn document(&self) -> String {
        let (face, _) = Face::new(&self.catalog, &self.plan, &Mapping::default());
        let document =
            openapi::document(&self.catalog, &self.plan, &face, &openapi::Options::default());
        String::from_utf8(document.compact()).unwrap()
    }
}

#[test]
fn a_wsdl_of_more_than_4_mib_is_read_and_used() {
    let mut schema = String::from(
        "<xs:element name='Ask' type='d:T0'/><xs:element name='Told' type='d:T14999'/>",
    );
    for number in 0..15_000 {
        schema.push_str(&format!(
            "<xs:complexType name='T{number}'><xs:annotation><xs:documentation>Type number {number}, which says a good deal about itself so \
             that the document grows to the size that somebody's enterprise service has.</xs:documentation></xs:annotation><xs:sequence>\
             <xs:element name='value' type='xs:int'/></xs:sequence></xs:complexType>"
        ));
    }
    let text = wsdl("urn:large", &schema);
    assert!(text.len() > 4 << 20, "{}", text.len());
    let service = Service::new(text);
    assert!(service.ask("{\"value\":7}").unwrap().contains(":value>7</"));
    let told = service.told("<Told xmlns='urn:large'><value>7</value></Told>");
    assert_eq!(told.as_deref(), Ok("{\"value\":7}"));
}

#[test]
fn messages_are_in_the_namespace_of_their_elements_and_not_of_the_wsdl() {
    let service = Service::new(wsdl(
        "urn:data",
        "<xs:element name='Ask'><xs:complexType><xs:sequence><xs:element name='a' type='xs:string' form='unqualified'/>\
         <xs:element name='b' type='xs:string'/></xs:sequence></xs:complexType></xs:element><xs:element name='Told' type='xs:string'/>",
    ));
    let text = service.ask("{\"a\":\"1\",\"b\":\"2\"}").unwrap();
    assert!(!text.contains("urn:port"), "{text}");
    assert!(text.contains("<a>1</a>") && text.contains(":b>2</"), "{text}");
}

#[test]
fn children_of_a_base_are_kept_behind_several_extensions() {
    let service = Service::new(wsdl(
        "urn:data",
        "<xs:complexType name='A'><xs:sequence><xs:element name='a' type='xs:int'/></xs:sequence></xs:complexType>\
         <xs:complexType name='B'><xs:complexContent><xs:extension base='d:A'><xs:sequence><xs:element name='b' type='xs:int'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>\
         <xs:complexType name='C'><xs:complexContent><xs:extension base='d:B'><xs:sequence><xs:element name='c' type='xs:int'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>\
         <xs:complexType name='D'><xs:complexContent><xs:extension base='d:C'><xs:sequence><xs:element name='e' type='xs:int' minOccurs='2' maxOccurs='3'/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>\
         <xs:element name='Ask' type='d:D'/><xs:element name='Told' type='d:D'/>",
    ));
    let json = "{\"e\":[4,5],\"c\":3,\"b\":2,\"a\":1}";
    let text = service.ask(json).unwrap();
    let order: Vec<_> =
        ["a>1", "b>2", "c>3", "e>4", "e>5"].iter().map(|part| text.find(part).unwrap()).collect();
    assert!(order.is_sorted(), "{text}");
    // minItems and maxItems go to XML as well.
    for wrong in [
        "{\"e\":[4],\"c\":3,\"b\":2,\"a\":1}",
        "{\"e\":[1,2,3,4],\"c\":3,\"b\":2,\"a\":1}",
        "{\"e\":[4,5],\"c\":3,\"b\":2,\"a\":1,\"more\":0}",
    ] {
        assert!(service.ask(wrong).is_err(), "{wrong}");
    }
    let document = service.document();
    assert!(
        document.contains("\"minItems\":2") && document.contains("\"maxItems\":3"),
        "{document}"
    );
    assert!(document.contains("\"unevaluatedProperties\":false"), "{document}");
}

#[test]
fn final_types_are_not_derived_from() {
    let schema = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:complexType name='A' final='extension'><xs:sequence/></xs:complexType>\
                  <xs:complexType name='B'><xs:complexContent><xs:extension base='A'><xs:sequence/></xs:extension></xs:complexContent></xs:complexType></xs:schema>";
    let (_, faults) = Schemas::from_bytes("s.xsd", schema.as_bytes());
    assert!(faults.iter().any(Fault::is_error), "{faults:?}");
}

#[test]
fn keys_are_unique_and_references_lead_to_keys() {
    let schema = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='r'><xs:complexType><xs:sequence>\
                  <xs:element name='k' maxOccurs='unbounded'><xs:complexType><xs:attribute name='id' type='xs:int'/></xs:complexType></xs:element>\
                  <xs:element name='f' minOccurs='0' maxOccurs='unbounded' type='xs:int'/></xs:sequence></xs:complexType>\
                  <xs:key name='K'><xs:selector xpath='k'/><xs:field xpath='@id'/></xs:key>\
                  <xs:keyref name='F' refer='K'><xs:selector xpath='f'/><xs:field xpath='.'/></xs:keyref></xs:element></xs:schema>";
    let (schemas, faults) = Schemas::from_bytes("s.xsd", schema.as_bytes());
    assert!(faults.is_empty(), "{faults:?}");
    for (document, valid) in [
        ("<r><k id='1'/><k id='2'/><f>2</f></r>", true),
        ("<r><k id='1'/><k id='01'/></r>", false),
        ("<r><k/></r>", false),
        ("<r><k id='1'/><f>2</f></r>", false),
    ] {
        let limits = Limits::default();
        let mut reader =
            Reader::with(document.as_bytes(), None, &schemas.symbols, &limits).unwrap();
        let faults = validate(&schemas, &mut reader, Start::Global, Mode::default());
        assert_eq!(faults.is_empty(), valid, "{document}: {faults:?}");
    }
}
