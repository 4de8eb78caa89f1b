//! What a WSDL becomes, what is wrong with one, and every rule of the linter.

use std::fmt::Write as _;

use pasarela_soap::{
    Fault, FaultKind, Severity,
    wsdl::{self, Catalog, catalog::PartContent},
    xsd::{Document, Options, Resolver},
};

/// Documents by name.
struct Given<'a>(&'a [(&'a str, &'a str)]);

impl Resolver for Given<'_> {
    fn resolve(
        &mut self,
        _: Option<&str>,
        location: Option<&str>,
        _: &str,
    ) -> Result<Option<Document>, String> {
        let location = location.unwrap_or_default();
        let found = self.0.iter().find(|(name, _)| *name == location);
        Ok(found
            .map(|(name, text)| Document { url: (*name).into(), bytes: text.as_bytes().into() }))
    }
}

fn import(documents: &[(&str, &str)]) -> (Catalog, Vec<Fault>) {
    let root = Document { url: documents[0].0.into(), bytes: documents[0].1.as_bytes().into() };
    wsdl::import(root, &mut Given(documents), &Options::default())
}

fn faults_of(document: &str) -> Vec<String> {
    import(&[("a.wsdl", document)]).1.iter().map(ToString::to_string).collect()
}

/// Document style, literal: an order with a header, a header's fault and a fault; a ping that nobody answers.
const SHOP: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions name="Shop" targetNamespace="urn:shop" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="urn:shop"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl">
  <documentation> A shop
    for tea. </documentation>
  <types>
    <xs:schema targetNamespace="urn:shop" elementFormDefault="qualified">
      <xs:element name="order"><xs:complexType><xs:sequence><xs:element name="item" type="xs:string" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="orderResponse"><xs:complexType><xs:sequence><xs:element name="total" type="xs:decimal"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="ping" type="xs:string"/>
      <xs:element name="session" type="xs:string"/>
      <xs:element name="expired" type="xs:string"/>
      <xs:element name="soldOut" type="xs:string"/>
    </xs:schema>
  </types>
  <message name="order"><part name="parameters" element="tns:order"/><part name="session" element="tns:session"/></message>
  <message name="orderResponse"><part name="parameters" element="tns:orderResponse"/></message>
  <message name="ping"><part name="ping" element="tns:ping"/></message>
  <message name="expired"><part name="fault" element="tns:expired"/></message>
  <message name="soldOut"><part name="fault" element="tns:soldOut"/></message>
  <portType name="Shop">
    <operation name="order">
      <documentation>Orders tea.</documentation>
      <input message="tns:order"/>
      <output message="tns:orderResponse" wsaw:Action="urn:ordered"/>
      <fault name="soldOut" message="tns:soldOut"/>
    </operation>
    <operation name="ping"><input message="tns:ping"/></operation>
  </portType>
  <binding name="ShopSoap" type="tns:Shop">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="order">
      <soap:operation soapAction="urn:order"/>
      <input>
        <soap:body use="literal" parts="parameters"/>
        <soap:header message="tns:order" part="session" use="literal"><soap:headerfault message="tns:expired" part="fault" use="literal"/></soap:header>
      </input>
      <output><soap:body use="literal"/></output>
      <fault name="soldOut"><soap:fault name="soldOut" use="literal"/></fault>
    </operation>
    <operation name="ping"><soap:operation/><input><soap:body use="literal"/></input></operation>
  </binding>
  <service name="ShopService">
    <port name="Shop" binding="tns:ShopSoap"><soap:address location="http://shop.example/soap"/></port>
  </service>
</definitions>
"#;

/// Rpc style: parts by type.
const SUM: &str = r#"<definitions targetNamespace="http://sum.example/" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:tns="http://sum.example/"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="http://sum.example/"><xs:element name="no" type="xs:string"/><xs:element name="h" type="xs:string"/></xs:schema></types>
  <message name="in"><part name="a" type="xs:int"/><part name="b" type="xs:int"/></message>
  <message name="out"><part name="sum" type="xs:long"/></message>
  <message name="no"><part name="no" element="tns:no"/></message>
  <message name="h"><part name="h" element="tns:h"/></message>
  <portType name="Sum">
    <operation name="add" parameterOrder="b a"><input message="tns:in"/><output message="tns:out"/><fault name="no" message="tns:no"/></operation>
  </portType>
  <binding name="SumSoap" type="tns:Sum">
    <soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="add">
      <soap:operation soapAction="add"/>
      <input><soap:body use="literal" namespace="urn:sum"/><soap:header message="tns:h" part="h" use="literal"/></input>
      <output><soap:body use="encoded" encodingStyle="http://www.w3.org/2003/05/soap-encoding" namespace="urn:sum"/></output>
      <fault name="no"><soap:fault name="no" use="literal"/></fault>
    </operation>
  </binding>
  <service name="SumService"><port name="Sum" binding="tns:SumSoap"><soap:address location="http://sum.example/"/></port></service>
</definitions>"#;

/// A catalog as lines.
fn told(catalog: &Catalog) -> String {
    let mut text = String::new();
    for (service, port, binding) in catalog.ports() {
        writeln!(text, "{} {} {} {:?}", service.name, port.name, port.address, binding.version)
            .unwrap();
        for operation in &binding.operations {
            let o = operation;
            writeln!(
                text,
                "  {} {:?} {:?} action={:?} wrapped={}",
                o.name, o.style, o.exchange, o.action, o.wrapped
            )
            .unwrap();
            for (direction, message) in [("in", Some(&o.input)), ("out", o.output.as_ref())] {
                let Some(m) = message else { continue };
                let part = |part: &wsdl::catalog::Part| match &part.content {
                    PartContent::Element(_, name) => format!("{}=<{name}>", part.name),
                    PartContent::Type(_, name) => format!("{}:{name}", part.name),
                };
                let body: Vec<_> = m.body.iter().map(part).collect();
                let wire = m.wire.as_ref().map(ToString::to_string).unwrap_or_default();
                writeln!(
                    text,
                    "    {direction} <{wire}> {:?} [{}] {:?}",
                    m.use_,
                    body.join(" "),
                    m.wsa_action
                )
                .unwrap();
                for header in &m.headers {
                    let faults: Vec<_> = header.faults.iter().map(|h| part(&h.part)).collect();
                    writeln!(text, "      header {} faults {faults:?}", part(&header.part))
                        .unwrap();
                }
                for a in &m.attachments {
                    writeln!(text, "      attachment {} {:?}", part(&a.part), a.media_types)
                        .unwrap();
                }
            }
            for fault in &o.faults {
                writeln!(text, "    fault {} {:?}", fault.name, fault.wsa_action).unwrap();
            }
        }
    }
    text
}

#[test]
fn a_document_service_is_catalogued() {
    let (catalog, faults) = import(&[("shop.wsdl", SHOP)]);
    assert_eq!(faults, []);
    assert_eq!(
        (catalog.name.as_str(), catalog.documentation.as_str()),
        ("Shop", "A shop for tea.")
    );
    assert_eq!(catalog.bindings[0].operations[0].documentation, "Orders tea.");
    assert_eq!(
        told(&catalog),
        r#"{urn:shop}ShopService Shop http://shop.example/soap V11
  order Document RequestResponse action="urn:order" wrapped=true
    in <{urn:shop}order> Literal [parameters=<{urn:shop}order>] "urn:order"
      header session=<{urn:shop}session> faults ["fault=<{urn:shop}expired>"]
    out <{urn:shop}orderResponse> Literal [parameters=<{urn:shop}orderResponse>] "urn:ordered"
    fault soldOut "urn:shop:Shop:order:Fault:soldOut"
  ping Document OneWay action="" wrapped=false
    in <{urn:shop}ping> Literal [ping=<{urn:shop}ping>] "urn:shop:Shop:ping"
"#
    );
}

#[test]
fn an_rpc_service_is_catalogued() {
    let (catalog, faults) = import(&[("sum.wsdl", SUM)]);
    assert_eq!(faults, []);
    assert_eq!(catalog.bindings[0].operations[0].parameter_order, ["b", "a"]);
    assert_eq!(
        told(&catalog),
        r#"{http://sum.example/}SumService Sum http://sum.example/ V12
  add Rpc RequestResponse action="add" wrapped=false
    in <{urn:sum}add> Literal [a:{http://www.w3.org/2001/XMLSchema}int b:{http://www.w3.org/2001/XMLSchema}int] "add"
      header h=<{http://sum.example/}h> faults []
    out <{urn:sum}addResponse> Encoded("http://www.w3.org/2003/05/soap-encoding") [sum:{http://www.w3.org/2001/XMLSchema}long] "http://sum.example/Sum/addResponse"
    fault no "http://sum.example/Sum/add/Fault/no"
"#
    );
}

#[test]
fn imports_are_followed_in_circles_and_schemas_are_found_beside() {
    let at = SHOP.find("  <service").unwrap();
    let head = &SHOP[..SHOP.find("  <documentation").unwrap()];
    let abstract_ =
        format!("{}</definitions>", SHOP[..at].replace("name=\"Shop\" target", "target"));
    let concrete = format!(
        "{head}<import namespace=\"urn:shop\" location=\"abstract.wsdl\"/><import namespace=\"urn:shop\" location=\"root.wsdl\"/>{}",
        &SHOP[at..]
    );
    let (catalog, faults) = import(&[("root.wsdl", &concrete), ("abstract.wsdl", &abstract_)]);
    assert_eq!(faults, []);
    assert_eq!(told(&catalog).lines().count(), 8);
    assert_eq!(catalog.documents.len(), 2);
    let (_, faults) = import(&[("root.wsdl", &concrete)]);
    assert!(
        faults
            .iter()
            .any(|f| f.is_error() && f.message == "there is no document \"abstract.wsdl\""),
        "{faults:?}"
    );
    assert!(
        faults
            .iter()
            .any(|f| f.is_error() && f.message == "there is no binding {urn:shop}ShopSoap"),
        "{faults:?}"
    );
}

#[test]
fn a_schema_imported_as_wsdl_is_read_all_the_same() {
    let (types, rest) = (SHOP.find("<xs:schema").unwrap(), SHOP.find("</types>").unwrap());
    let schema = SHOP[types..rest]
        .replace("<xs:schema ", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' ");
    let start = SHOP.find("  <types>").unwrap();
    let root = format!(
        "{}<import namespace='urn:shop' location='shop.xsd'/>{}",
        &SHOP[..start],
        &SHOP[rest + 8..]
    );
    let (catalog, faults) = import(&[("root.wsdl", &root), ("shop.xsd", &schema)]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].rule, faults[0].severity), (Some("R2001"), Severity::Warning));
    assert!(!catalog.is_empty());
}

#[test]
fn attachments_are_parts_beside_the_envelope() {
    let document = SHOP
        .replace("xmlns:xs=", "xmlns:mime=\"http://schemas.xmlsoap.org/wsdl/mime/\" xmlns:xs=")
        .replace("<message name=\"ping\"><part name=\"ping\" element=\"tns:ping\"/>", "<message name=\"ping\"><part name=\"ping\" element=\"tns:ping\"/><part name=\"photo\" type=\"xs:base64Binary\"/>")
        .replace(
            "<operation name=\"ping\"><soap:operation/><input><soap:body use=\"literal\"/></input>",
            "<operation name=\"ping\"><soap:operation/><input><mime:multipartRelated><mime:part><soap:body use=\"literal\" parts=\"ping\"/></mime:part>\
             <mime:part><mime:content part=\"photo\" type=\"image/png\"/><mime:content part=\"photo\" type=\"image/jpeg\"/></mime:part></mime:multipartRelated></input>",
        );
    let (catalog, faults) = import(&[("a.wsdl", &document)]);
    assert_eq!(faults, []);
    let line = "attachment photo:{http://www.w3.org/2001/XMLSchema}base64Binary [\"image/png\", \"image/jpeg\"]";
    assert!(told(&catalog).contains(line), "{}", told(&catalog));
}

#[test]
fn policies_are_noted_wherever_they_stand() {
    let document = SHOP
        .replace("<types>", "<wsp:Policy xmlns:wsp='http://www.w3.org/ns/ws-policy' xmlns:wsu='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd' wsu:Id='p'>\
            <wsp:ExactlyOne><wsp:All><wsoma:OptimizedMimeSerialization xmlns:wsoma='http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization'/></wsp:All></wsp:ExactlyOne></wsp:Policy><types>")
        .replace("<soap:binding t", "<wsp:PolicyReference xmlns:wsp='http://www.w3.org/ns/ws-policy' URI='#p'/><wsaw:UsingAddressing/><soap:binding t");
    let (catalog, faults) = import(&[("a.wsdl", &document)]);
    assert_eq!(faults, []);
    assert!(
        catalog.bindings[0].mtom && catalog.bindings[0].addressing,
        "{:?}",
        catalog.bindings[0].policies
    );
    let (plain, _) = import(&[("a.wsdl", SHOP)]);
    assert!(!plain.bindings[0].mtom && !plain.bindings[0].addressing);
}

/// A rule, the document it is broken in, and how: text, and what takes its place.
const RULES: &[(&str, &str, &str, &str)] = &[
    ("R2007", SHOP, "<types>", "<import namespace=\"urn:x\"/><types>"),
    (
        "R2201",
        SHOP,
        "<soap:body use=\"literal\" parts=\"parameters\"/>",
        "<soap:body use=\"literal\" parts=\"parameters session\"/>",
    ),
    ("R2203", SUM, "<part name=\"b\" type=\"xs:int\"/>", "<part name=\"b\" element=\"tns:h\"/>"),
    (
        "R2204",
        SHOP,
        "<part name=\"ping\" element=\"tns:ping\"/>",
        "<part name=\"ping\" type=\"xs:string\"/>",
    ),
    (
        "R2205",
        SHOP,
        "<message name=\"expired\"><part name=\"fault\" element=\"tns:expired\"/>",
        "<message name=\"expired\"><part name=\"fault\" type=\"xs:string\"/>",
    ),
    (
        "R2205",
        SHOP,
        "<message name=\"soldOut\"><part name=\"fault\" element=\"tns:soldOut\"/>",
        "<message name=\"soldOut\"><part name=\"fault\" type=\"xs:string\"/>",
    ),
    (
        "R2209",
        SUM,
        "<soap:body use=\"literal\" namespace=\"urn:sum\"/>",
        "<soap:body use=\"literal\" namespace=\"urn:sum\" parts=\"a\"/>",
    ),
    (
        "R2210",
        SHOP,
        "<message name=\"ping\"><part",
        "<message name=\"ping\"><part name=\"more\" element=\"tns:session\"/><part",
    ),
    (
        "R2303",
        SHOP,
        "<operation name=\"ping\"><input message=\"tns:ping\"/>",
        "<operation name=\"ping\"><output message=\"tns:ping\"/>",
    ),
    (
        "R2306",
        SHOP,
        "<part name=\"ping\" element=\"tns:ping\"/>",
        "<part name=\"ping\" element=\"tns:ping\" type=\"xs:string\"/>",
    ),
    (
        "R2705",
        SHOP,
        "<operation name=\"ping\"><soap:operation/>",
        "<operation name=\"ping\"><soap:operation style=\"rpc\"/>",
    ),
    (
        "R2710",
        SHOP,
        "<part name=\"ping\" element=\"tns:ping\"/>",
        "<part name=\"ping\" element=\"tns:order\"/>",
    ),
    (
        "R2716",
        SHOP,
        "<output><soap:body use=\"literal\"/>",
        "<output><soap:body use=\"literal\" namespace=\"urn:shop\"/>",
    ),
    (
        "R2716",
        SHOP,
        "<soap:fault name=\"soldOut\"",
        "<soap:fault name=\"soldOut\" namespace=\"urn:shop\"",
    ),
    (
        "R2717",
        SUM,
        "<soap:body use=\"literal\" namespace=\"urn:sum\"/>",
        "<soap:body use=\"literal\"/>",
    ),
    (
        "R2717",
        SUM,
        "<soap:body use=\"literal\" namespace=\"urn:sum\"/>",
        "<soap:body use=\"literal\" namespace=\"sum\"/>",
    ),
    (
        "R2718",
        SHOP,
        "<operation name=\"ping\"><soap:operation/><input><soap:body use=\"literal\"/></input></operation>",
        "",
    ),
    ("R2720", SHOP, "part=\"session\" use", "part=\"\" use"),
    ("R2726", SUM, "<soap:header message", "<soap:header namespace=\"urn:x\" message"),
    ("R2726", SUM, "<soap:fault name=\"no\"", "<soap:fault name=\"no\" namespace=\"urn:x\""),
    ("R2749", SHOP, "part=\"session\" use", "parts=\"session\" part=\"session\" use"),
    ("R4003", SHOP, "encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\""),
    ("R4004", SHOP, "<?xml version=\"1.0\"", "<?xml version=\"1.1\""),
    ("R4005", SHOP, "xmlns:tns=", "xmlns:xml=\"http://www.w3.org/XML/1998/namespace\" xmlns:tns="),
    // Dangling references, which leave something out.
    ("R2101", SHOP, "binding=\"tns:ShopSoap\"", "binding=\"tns:Other\""),
    ("R2101", SHOP, "type=\"tns:Shop\"", "type=\"tns:Other\""),
    ("R2101", SHOP, "<input message=\"tns:ping\"/>", "<input message=\"tns:pong\"/>"),
    (
        "R2101",
        SHOP,
        "<part name=\"ping\" element=\"tns:ping\"/>",
        "<part name=\"ping\" element=\"tns:pong\"/>",
    ),
    ("R2101", SUM, "<part name=\"b\" type=\"xs:int\"/>", "<part name=\"b\" type=\"xs:integr\"/>"),
    ("R2101", SHOP, "parts=\"parameters\"", "parts=\"parameter\""),
];

#[test]
fn every_rule_of_the_linter_finds_what_breaks_it_and_says_what_to_do() {
    for (rule, document, text, instead) in RULES {
        assert_eq!(document.matches(text).count(), 1, "{rule}: {text}");
        let (_, faults) = import(&[("a.wsdl", &document.replace(text, instead))]);
        let found = faults.iter().find(|fault| fault.rule == Some(rule));
        let Some(found) = found else { panic!("{rule} is not found among {faults:?}") };
        assert!(found.cure.is_some() || *rule == "R2101" || *rule == "R2303", "{found}");
        assert!(found.place.document.is_some(), "{found}");
        let is_error = *rule == "R2101";
        assert_eq!(found.is_error(), is_error, "{found}");
    }
}

#[test]
fn what_is_no_wsdl_is_refused_with_the_reason() {
    let cases = [
        ("<a/>", "a.wsdl: this is no WSDL 1.1: its root element is a"),
        (
            "<description xmlns='http://www.w3.org/ns/wsdl'/>",
            "a.wsdl: this is WSDL 2.0; only WSDL 1.1 is read",
        ),
        ("", "a.wsdl:1:1: there is no root element"),
        ("<a>\n<b></a>", "a.wsdl:2:4: b is open, and a is closed (in /a/b)"),
        ("<!DOCTYPE a><a/>", "a.wsdl:1:1: the document has a DOCTYPE, which is never read"),
    ];
    for (document, reason) in cases {
        assert_eq!(faults_of(document), [reason]);
    }
    let nothing = "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>";
    assert_eq!(
        faults_of(nothing),
        ["a.wsdl: nothing here is bound to SOAP: there is nothing to call"]
    );
}

#[test]
fn every_fault_of_a_document_is_told_with_its_place() {
    let broken = SHOP
        .replace(
            "<part name=\"ping\" element=\"tns:ping\"/>",
            "<part name=\"ping\" element=\"tns:pong\"/>",
        )
        .replace("message=\"tns:soldOut\"", "message=\"x:soldOut\"")
        .replace(
            "<soap:body use=\"literal\" parts=\"parameters\"/>",
            "<soap:body use=\"literal\" parts=\"nothing\"/>",
        );
    let (catalog, faults) = import(&[("a.wsdl", &broken)]);
    let errors: Vec<_> = faults.iter().filter(|f| f.is_error()).map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "a.wsdl:19:24: R2101: there is no element {urn:shop}pong; define or import it, or correct the reference",
            "a.wsdl:27:7: message: the prefix \"x\" is not declared; declare the prefix, or correct the name",
            "a.wsdl:36:9: R2101: the message order has no part nothing",
        ]
    );
    assert_eq!(faults[0].kind, FaultKind::Wsdl);
    assert_eq!(catalog.bindings[0].operations.len(), 1);
}

/// CVE-2026-58501 of another importer: what is not allowed is not allowed three documents away either. Here everything that is named, at any
/// distance and by any kind of import, is asked of the one resolver.
#[test]
fn t11_every_document_at_any_distance_is_asked_of_the_resolver() {
    struct Asked(Vec<String>);
    impl Resolver for Asked {
        fn resolve(
            &mut self,
            _: Option<&str>,
            location: Option<&str>,
            _: &str,
        ) -> Result<Option<Document>, String> {
            let location = location.unwrap_or_default().to_owned();
            self.0.push(location.clone());
            let text = match location.as_str() {
                "b.wsdl" => {
                    "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' targetNamespace='urn:b'><types><schema xmlns='http://www.w3.org/2001/XMLSchema'><import namespace='urn:c' schemaLocation='c.xsd'/></schema></types></definitions>"
                }
                "c.xsd" => {
                    "<schema xmlns='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:c'><include schemaLocation='d.xsd'/></schema>"
                }
                "d.xsd" => {
                    "<schema xmlns='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:c'><redefine schemaLocation='http://127.0.0.1/e.xsd'/></schema>"
                }
                _ => return Err(format!("{location} may not be read")),
            };
            Ok(Some(Document { url: location, bytes: text.into() }))
        }
    }
    let root = "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'><import namespace='urn:b' location='b.wsdl'/></definitions>";
    let mut asked = Asked(Vec::new());
    let root = Document { url: "a.wsdl".into(), bytes: root.into() };
    let (_, faults) = wsdl::import(root, &mut asked, &Options::default());
    assert_eq!(asked.0, ["b.wsdl", "c.xsd", "d.xsd", "http://127.0.0.1/e.xsd"]);
    assert!(faults.iter().any(|f| f.message.contains("e.xsd may not be read")), "{faults:?}");
}
