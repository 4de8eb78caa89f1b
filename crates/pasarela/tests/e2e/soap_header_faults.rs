//! Faults about a header: typed for callers of the REST face, untouched for those of the SOAP face.

use pasarela_testkit::{Gateway, Upstream};

use crate::gateway;

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:till" targetNamespace="urn:till" name="Till"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:till" elementFormDefault="qualified">
    <xs:element name="Sell" type="xs:string"/><xs:element name="Sold" type="xs:string"/>
    <xs:element name="Session" type="xs:string"/>
    <xs:element name="SessionExpired"><xs:complexType><xs:sequence><xs:element name="since" type="xs:dateTime"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Closed"><xs:complexType/></xs:element>
  </xs:schema></types>
  <message name="Sell"><part name="body" element="t:Sell"/><part name="session" element="t:Session"/></message>
  <message name="Sold"><part name="body" element="t:Sold"/></message>
  <message name="Expired"><part name="expired" element="t:SessionExpired"/></message>
  <message name="Closed"><part name="detail" element="t:Closed"/></message>
  <portType name="Till"><operation name="Sell"><input message="t:Sell"/><output message="t:Sold"/><fault name="Closed" message="t:Closed"/></operation></portType>
  <binding name="Till" type="t:Till"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Sell"><soap:operation soapAction="urn:sell"/>
      <input><soap:header message="t:Sell" part="session" use="literal"><soap:headerfault message="t:Expired" part="expired" use="literal"/></soap:header>
        <soap:body parts="body" use="literal"/></input><output><soap:body use="literal"/></output>
      <fault name="Closed"><soap:fault name="Closed" use="literal"/></fault></operation></binding>
  <service name="Till"><port name="Till" binding="t:Till"><soap:address location="http://10.0.0.1/"/></port></service>
</definitions>"#;

const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";

fn fault(header: &str, detail: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{V11}\" xmlns:t=\"urn:till\"><s:Header>{header}</s:Header><s:Body><s:Fault><faultcode>s:Client</faultcode>\
         <faultstring>no</faultstring>{detail}</s:Fault></s:Body></s:Envelope>"
    )
}

fn till(answer: &str, more: &str) -> (Upstream, Gateway) {
    let bytes = format!(
        "HTTP/1.1 500 Some\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let upstream = Upstream::answer(bytes.into_bytes());
    let gateway = gateway()
        .file("till.wsdl", WSDL)
        .file(
            "till.map.yaml",
            "version: 1\noperations: { Sell: { faults: { SessionExpired: 401 } } }\n",
        )
        .api_with("t", &[&upstream.url()], &format!("contract: till.wsdl\n{more}"))
        .start();
    (upstream, gateway)
}

fn sell(gateway: &Gateway) -> pasarela_testkit::Response {
    let body = r#"{"$value":"tea","$headers":{"Session":"s1"}}"#;
    gateway.connect().ask(format!(
        "POST /t/Sell HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

const EXPIRED: &str = "<t:SessionExpired><t:since>2026-01-01T24:00:00</t:since></t:SessionExpired>";

#[test]
fn a_fault_about_a_header_is_a_typed_problem() {
    let (_upstream, gateway) = till(&fault(EXPIRED, ""), "");
    let problem = sell(&gateway).assert_problem(400, "GW0037");
    assert_eq!(problem["type"], "urn:pasarela:fault:t:v1:Sell:SessionExpired", "{problem}");
    assert_eq!(problem["title"], "SessionExpired");
    assert_eq!(problem["$headers"]["SessionExpired"]["since"], "2026-01-01T24:00:00", "{problem}");
    assert!(problem.get("details").is_none(), "{problem}");
    let mapped = "rest: { mapping: till.map.yaml }";
    let (_upstream, gateway) = till(&fault(EXPIRED, ""), mapped);
    sell(&gateway).assert_problem(401, "GW0037");
}

#[test]
fn the_detail_names_the_fault_where_there_are_both() {
    let (_upstream, gateway) =
        till(&fault(EXPIRED, "<detail><t:Closed/></detail>"), "rest: { mapping: till.map.yaml }");
    let problem = sell(&gateway).assert_problem(400, "GW0037");
    assert_eq!(
        (&problem["title"], &problem["details"]["Closed"]),
        (&"Closed".into(), &serde_json::json!({}))
    );
    assert!(problem["$headers"]["SessionExpired"].is_object(), "{problem}");
}

#[test]
fn a_header_that_is_not_what_it_claims_to_be_does_not_hide_the_fault() {
    for header in ["<t:SessionExpired><t:since>never</t:since></t:SessionExpired>", "<t:Other/>"] {
        let (_upstream, gateway) = till(&fault(header, ""), "");
        let problem = sell(&gateway).assert_problem(400, "GW0037");
        assert_eq!(problem["title"], "The service answered with a fault", "{problem}");
        assert!(problem.get("$headers").is_none(), "{problem}");
    }
}

#[test]
fn callers_of_the_soap_face_get_it_as_it_is() {
    let sent = fault(EXPIRED, "");
    let (_upstream, gateway) = till(&sent, "");
    let body = format!(
        "<s:Envelope xmlns:s=\"{V11}\"><s:Body><Sell xmlns=\"urn:till\">tea</Sell></s:Body></s:Envelope>"
    );
    let answer = gateway.connect().ask(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!((answer.status, answer.text()), (500, sent));
}

#[test]
fn the_document_of_the_face_says_so() {
    let (_upstream, gateway) = till(&fault(EXPIRED, ""), "rest: { mapping: till.map.yaml }");
    let document = gateway.connect().get("/t/openapi.json");
    let document: serde_json::Value = serde_json::from_str(&document.text()).unwrap();
    let of = |status: &str| {
        let response = &document["paths"]["/Sell"]["post"]["responses"][status];
        let name = &response["content"]["application/problem+json"]["schema"]["$ref"];
        let name = name.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        document["components"]["schemas"][name]["allOf"][1]["properties"].clone()
    };
    assert!(of("401")["$headers"]["properties"]["SessionExpired"].is_object(), "{document:#}");
    assert!(of("401").get("details").is_none());
    assert!(of("500")["details"]["properties"]["Closed"].is_object());
    assert!(of("500").get("$headers").is_none());
}
