//! What other gateways' documentation lists as not working, each as a whole: from a WSDL to messages that are taken and refused.

use std::collections::BTreeMap;

use pasarela_soap::{
    Fault, Limits,
    envelope::Code,
    exchange::{Answer, Form, Given, Messages, Outcome, tokens},
    openapi::{
        self, Face, Mapping,
        face::{Location, Method, OperationMapping, ParameterMapping},
    },
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
        self.told_by(&format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{body}</s:Body></s:Envelope>"
        ))
    }

    fn told_by(&self, envelope: &str) -> Result<String, String> {
        let limits = Limits::default();
        let mut answer =
            Answer::new(&self.plan, &self.messages, Form::Json, None, &limits).unwrap();
        let mut out = Vec::new();
        answer.feed(envelope.as_bytes(), &mut out).map_err(|fault| fault.message)?;
        answer.finish(&mut out).map_err(|fault| fault.message)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// The code of a fault that is answered.
    fn thrown(&self, soap: &str, fault: &str) -> Code {
        let limits = Limits::default();
        let mut answer =
            Answer::new(&self.plan, &self.messages, Form::Json, None, &limits).unwrap();
        let envelope =
            format!("<s:Envelope xmlns:s=\"{soap}\"><s:Body>{fault}</s:Body></s:Envelope>");
        let mut out = Vec::new();
        answer.feed(envelope.as_bytes(), &mut out).unwrap();
        match answer.finish(&mut out).unwrap() {
            Outcome::Thrown(thrown) => thrown.fault.code,
            other => panic!("{other:?}"),
        }
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

/// The schema of a service with a question of two fields and an answer of a text.
const PAIR: &str = "<xs:element name='Ask'><xs:complexType><xs:sequence><xs:element name='a' type='xs:string'/>\
    <xs:element name='b' type='xs:string' minOccurs='0'/></xs:sequence></xs:complexType></xs:element><xs:element name='Told' type='xs:string'/>";

#[test]
fn prefixes_of_a_wsdl_and_where_it_declares_them_say_nothing() {
    let plain = wsdl("urn:data", PAIR);
    let prefixed = plain
        .replace(
            "xmlns=\"http://schemas.xmlsoap.org/wsdl/\"",
            "xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/\"",
        )
        .replace(
            "xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\"",
            "xmlns:xs=\"http://schemas.xmlsoap.org/wsdl/soap/\"",
        )
        .replace("<soap:", "<xs:")
        .replace("xs:schema xmlns:xs=", "q.1:schema xmlns:q.1=")
        .replace("</xs:schema", "</q.1:schema")
        .replace("<xs:element", "<q.1:element")
        .replace("</xs:element", "</q.1:element")
        .replace("<xs:complexType", "<q.1:complexType")
        .replace("</xs:complexType", "</q.1:complexType")
        .replace("<xs:sequence", "<q.1:sequence")
        .replace("</xs:sequence", "</q.1:sequence")
        .replace("xs:string", "q.1:string");
    let prefixed = [
        "definitions",
        "types",
        "message",
        "part",
        "portType",
        "operation",
        "input",
        "output",
        "binding",
        "service",
        "port",
    ]
    .iter()
    .fold(prefixed, |text, name| {
        text.replace(&format!("<{name} "), &format!("<soap:{name} "))
            .replace(&format!("<{name}>"), &format!("<soap:{name}>"))
            .replace(&format!("</{name}>"), &format!("</soap:{name}>"))
    });
    assert!(prefixed.contains("<soap:portType") && prefixed.contains("<xs:binding"), "{prefixed}");
    let (plain, prefixed) = (Service::new(plain), Service::new(prefixed));
    assert_eq!(plain.document(), prefixed.document());
    let json = "{\"a\":\"1\",\"b\":\"2\"}";
    assert_eq!(plain.ask(json), prefixed.ask(json));
}

#[test]
fn a_wsdl_may_have_several_schemas_of_one_namespace_and_of_others() {
    let text = wsdl(
        "urn:data",
        "<xs:element name='Ask' type='d:Pair'/><xs:element name='Told' type='xs:string'/>",
    );
    let more = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' xmlns:m='urn:more' targetNamespace='urn:data'>\
        <xs:import namespace='urn:more'/><xs:complexType name='Pair'><xs:sequence><xs:element name='a' type='m:Code'/></xs:sequence></xs:complexType></xs:schema>\
        <xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:more'><xs:simpleType name='Code'><xs:restriction base='xs:string'>\
        <xs:length value='2'/></xs:restriction></xs:simpleType></xs:schema></types>";
    let service = Service::new(text.replace("</types>", more));
    // The second schema leaves its elements without a namespace.
    assert!(service.ask("{\"a\":\"xy\"}").unwrap().contains("<a>xy</a>"));
    assert!(service.ask("{\"a\":\"xyz\"}").is_err());
}

#[test]
fn every_fault_code_of_both_versions_is_understood() {
    let service = Service::new(wsdl("urn:data", PAIR));
    let soap = "http://schemas.xmlsoap.org/soap/envelope/";
    for (text, code) in [
        ("s:Client", Code::Sender),
        ("s:Server", Code::Receiver),
        ("Server", Code::Receiver),
        ("s:Client.Authentication", Code::Sender),
        ("s:MustUnderstand", Code::MustUnderstand),
        ("s:VersionMismatch", Code::VersionMismatch),
        ("o:Own", Code::Other(pasarela_soap::ExpandedName::new("urn:own", "Own"))),
    ] {
        let fault = format!(
            "<s:Fault xmlns:s='{soap}'><faultcode xmlns:o='urn:own'>{text}</faultcode><faultstring>no</faultstring></s:Fault>"
        );
        assert_eq!(service.thrown(soap, &fault), code, "{text}");
    }
    let soap = "http://www.w3.org/2003/05/soap-envelope";
    let twelve = wsdl("urn:data", PAIR).replace("/wsdl/soap/", "/wsdl/soap12/");
    let service = Service::new(twelve);
    for (text, code) in [
        ("s:Sender", Code::Sender),
        ("s:Receiver", Code::Receiver),
        ("s:DataEncodingUnknown", Code::DataEncodingUnknown),
        ("s:MustUnderstand", Code::MustUnderstand),
        ("s:VersionMismatch", Code::VersionMismatch),
    ] {
        let fault = format!(
            "<s:Fault xmlns:s='{soap}'><s:Code><s:Value>{text}</s:Value></s:Code><s:Reason><s:Text xml:lang='en'>no</s:Text></s:Reason></s:Fault>"
        );
        assert_eq!(service.thrown(soap, &fault), code, "{text}");
    }
}

#[test]
fn a_parameter_of_the_path_and_members_of_the_body_make_one_request() {
    let service = Service::new(wsdl("urn:data", PAIR));
    let parameter = ParameterMapping { location: Location::Path, field: None };
    let said = OperationMapping {
        method: Some(Method::Put),
        path: Some("/things/{b}".to_owned()),
        parameters: BTreeMap::from([("b".to_owned(), parameter)]),
        ..OperationMapping::default()
    };
    let mapping = Mapping { operations: BTreeMap::from([("Ask".to_owned(), said)]) };
    let (face, faults) = Face::new(&service.catalog, &service.plan, &mapping);
    assert!(faults.is_empty(), "{faults:?}");
    let route = &face.routes[0];
    let operation = &service.catalog.bindings[0].operations[0];
    let texts = ["2".to_owned()];
    let token = tokens(&service.plan, operation, &route.parameters)[0];
    let given = [Given { parameter: &route.parameters[0], token, texts: &texts }];
    let (mut out, limits) = (Vec::new(), Limits::default());
    let body = br#"{"a":"1"}"#;
    let messages = &service.messages;
    messages.request(&service.plan, Form::Json, &given, body, &limits, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.find(":a>1<").unwrap() < text.find(":b>2<").unwrap(), "{text}");
    // Twice the same field is no request.
    let body = br#"{"a":"1","b":"3"}"#;
    assert!(
        messages
            .request(&service.plan, Form::Json, &given, body, &limits, &mut Vec::new())
            .is_err()
    );
}

#[test]
fn a_wsdl_that_breaks_the_basic_profile_is_used_all_the_same() {
    let text = wsdl("urn:data", PAIR).replace(
        "<input><soap:body use=\"literal\"/>",
        "<input><soap:body use=\"literal\" parts=\"b\"/>",
    );
    for (from, to, rule) in [
        (
            "<soap:body use=\"literal\"",
            "<soap:body use=\"literal\" namespace=\"urn:none\"",
            Some("R2716"),
        ),
        (
            "element=\"d:Ask\"/>",
            "element=\"d:Ask\"/><part name=\"c\" element=\"d:Told\"/>",
            Some("R2209"),
        ),
        ("<soap:operation soapAction=\"\"/>", "<soap:operation/>", None),
    ] {
        let broken = text.replace(from, to);
        assert_ne!(broken, text, "{rule:?}");
        let root = Document { url: "s.wsdl".into(), bytes: broken.clone().into_bytes() };
        let (_, said) = wsdl::import(root, &mut NoDocuments, &Default::default());
        let is_said = |rule| said.iter().any(|fault| fault.rule == Some(rule));
        assert!(rule.is_none_or(is_said), "{rule:?}: {said:?}");
        assert!(Service::new(broken).ask("{\"a\":\"1\"}").unwrap().contains(":a>1<"), "{rule:?}");
    }
}

#[test]
fn what_a_schema_does_not_know_is_a_fault_and_no_string() {
    for schema in [
        "<xs:element name='Ask' type='d:Missing'/><xs:element name='Told' type='xs:string'/>",
        "<xs:element name='Ask' type='xs:Text'/><xs:element name='Told' type='xs:string'/>",
        "<xs:element name='Ask'><xs:complexType><xs:sequence><xs:element ref='d:Missing'/></xs:sequence></xs:complexType></xs:element><xs:element name='Told' type='xs:string'/>",
    ] {
        let root = Document { url: "s.wsdl".into(), bytes: wsdl("urn:data", schema).into_bytes() };
        let (_, faults) = wsdl::import(root, &mut NoDocuments, &Default::default());
        assert!(faults.iter().any(Fault::is_error), "{schema}");
    }
}

#[test]
fn a_header_of_ws_security_is_no_affair_of_the_json() {
    let service = Service::new(wsdl("urn:data", PAIR));
    let secured = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><w:Security s:mustUnderstand=\"1\" \
        xmlns:w=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\"><w:UsernameToken><w:Username>x</w:Username>\
        </w:UsernameToken></w:Security></s:Header><s:Body><Told xmlns='urn:data'>yes</Told></s:Body></s:Envelope>";
    assert_eq!(service.told_by(secured).as_deref(), Ok("{\"$value\":\"yes\"}"));
    assert!(!service.document().contains("Security"));
}
