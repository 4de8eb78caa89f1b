//! Whole messages: from what a REST caller sends to an envelope, and from what a service answers to JSON or a fault.

use pasarela_soap::{
    Limits,
    exchange::{Answer, Form, Given, Messages, Outcome, Progress, tokens},
    openapi::face::{Face, Location, Mapping, Method, OperationMapping, ParameterMapping},
    transcode::{Options, Plan},
    wsdl,
    xsd::{Document, NoDocuments},
};

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:orders" targetNamespace="urn:orders" name="Orders"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:orders" elementFormDefault="qualified">
    <xs:element name="GetOrder"><xs:complexType><xs:sequence>
      <xs:element name="id" type="xs:int"/>
      <xs:element name="state" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
      <xs:element name="open" type="xs:boolean" minOccurs="0"/>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="Order"><xs:complexType><xs:sequence>
      <xs:element name="total" type="xs:decimal"/>
      <xs:element name="line" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="Unknown"><xs:complexType><xs:sequence><xs:element name="id" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Note" type="xs:string"/>
  </xs:schema></types>
  <message name="GetOrderIn"><part name="body" element="t:GetOrder"/></message>
  <message name="GetOrderOut"><part name="body" element="t:Order"/></message>
  <message name="Unknown"><part name="detail" element="t:Unknown"/></message>
  <message name="Note"><part name="body" element="t:Note"/></message>
  <portType name="Orders">
    <operation name="GetOrder"><input message="t:GetOrderIn"/><output message="t:GetOrderOut"/><fault name="UnknownOrder" message="t:Unknown"/></operation>
    <operation name="Tell"><input message="t:Note"/></operation>
  </portType>
  <binding name="Orders" type="t:Orders">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetOrder"><soap:operation soapAction="urn:get"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output>
      <fault name="UnknownOrder"><soap:fault name="UnknownOrder" use="literal"/></fault></operation>
    <operation name="Tell"><soap:operation soapAction="urn:tell"/><input><soap:body use="literal"/></input></operation>
  </binding>
  <service name="Orders"><port name="Orders" binding="t:Orders"><soap:address location="http://localhost/"/></port></service>
</definitions>"#;

struct Service {
    catalog: wsdl::Catalog,
    plan: Plan,
    messages: Vec<Messages>,
}

fn service() -> Service {
    let root = Document { url: "orders.wsdl".into(), bytes: WSDL.as_bytes().to_vec() };
    let (catalog, faults) = wsdl::import(root, &mut NoDocuments, &Default::default());
    assert!(!faults.iter().any(pasarela_soap::Fault::is_error), "{faults:?}");
    let plan = Plan::new(catalog.schemas.clone(), Options::default());
    let binding = &catalog.bindings[0];
    let messages = binding.operations.iter().map(|op| Messages::new(&plan, binding, op).unwrap());
    Service { messages: messages.collect(), plan, catalog }
}

impl Service {
    fn request(&self, operation: usize, form: Form, body: &str) -> Result<String, String> {
        let mut out = Vec::new();
        let messages = &self.messages[operation];
        messages
            .request(&self.plan, form, &[], body.as_bytes(), &Limits::default(), &mut out)
            .map(|()| String::from_utf8(out).unwrap())
            .map_err(|fault| format!("{} {}", fault.path, fault.message))
    }

    /// The answer in pieces of a size, with what it turned out to be.
    fn answer(
        &self,
        operation: usize,
        form: Form,
        text: &str,
        size: usize,
    ) -> Result<(String, Outcome), String> {
        let limits = Limits::default();
        let mut answer =
            Answer::new(&self.plan, &self.messages[operation], form, None, &limits).unwrap();
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            answer.feed(piece, &mut out).map_err(|fault| fault.to_string())?;
        }
        let outcome = answer.finish(&mut out).map_err(|fault| fault.to_string())?;
        Ok((String::from_utf8(out).unwrap(), outcome))
    }
}

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

fn envelope(body: &str) -> String {
    format!("<s:Envelope xmlns:s=\"{SOAP}\"><s:Body>{body}</s:Body></s:Envelope>")
}

fn body_of(envelope: &str) -> &str {
    let (_, rest) = envelope.split_once("<soap:Body>").unwrap();
    rest.split_once("</soap:Body>").unwrap().0
}

#[test]
fn a_request_is_a_whole_envelope() {
    let service = service();
    let envelope = service.request(0, Form::Json, r#"{"state": ["a", "b"], "id": 7}"#).unwrap();
    assert!(
        envelope
            .starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope xmlns:soap="),
        "{envelope}"
    );
    assert!(envelope.contains(SOAP) && envelope.ends_with("</soap:Envelope>\n"), "{envelope}");
    let body = body_of(&envelope);
    assert!(body.find(">7<").unwrap() < body.find(">a<").unwrap(), "the schema's order: {body}");
    let wrong = service.request(0, Form::Json, r#"{"id": "seven"}"#).unwrap_err();
    assert!(wrong.starts_with("/id "), "{wrong}");
    assert!(service.request(0, Form::Json, "").unwrap_err().contains("id"));
    assert!(service.request(0, Form::Json, "[").is_err());
}

#[test]
fn parameters_are_members_that_stood_elsewhere() {
    let service = service();
    let parameter = |field: Option<&str>| ParameterMapping {
        location: Location::Query,
        field: field.map(str::to_owned),
    };
    let mapping = OperationMapping {
        path: Some("/orders/{id}".into()),
        method: Some(Method::Post),
        parameters: [
            ("s".to_owned(), parameter(Some("state"))),
            ("open".to_owned(), parameter(None)),
        ]
        .into(),
        ..OperationMapping::default()
    };
    let mapping = Mapping { operations: [("GetOrder".to_owned(), mapping)].into() };
    let (face, faults) = Face::new(&service.catalog, &service.plan, &mapping);
    assert!(faults.is_empty(), "{faults:?}");
    let parameters = &face.routes[0].parameters;
    let tokens = tokens(&service.plan, &service.catalog.bindings[0].operations[0], parameters);
    let ask = |texts: &[(&str, &[&str])], body: &str| {
        let owned: Vec<Vec<String>> = texts
            .iter()
            .map(|(_, texts)| texts.iter().map(|&text| text.to_owned()).collect())
            .collect();
        let given: Vec<Given<'_>> = texts
            .iter()
            .zip(&owned)
            .map(|((name, _), texts)| {
                let at = parameters.iter().position(|p| p.name == *name).unwrap();
                Given { parameter: &parameters[at], token: tokens[at], texts }
            })
            .collect();
        let mut out = Vec::new();
        service.messages[0]
            .request(
                &service.plan,
                Form::Json,
                &given,
                body.as_bytes(),
                &Limits::default(),
                &mut out,
            )
            .map(|()| body_of(&String::from_utf8(out).unwrap()).to_owned())
            .map_err(|fault| fault.path.clone())
    };
    let whole = ask(&[("id", &["7"])], r#" {"state": ["x"]} "#).unwrap();
    assert_eq!(ask(&[("id", &["7"]), ("s", &["x"])], "").unwrap(), whole);
    assert_eq!(ask(&[("id", &["7"]), ("s", &["x"])], "{ }").unwrap(), whole);
    assert!(ask(&[("id", &["7"]), ("open", &["1"])], "").unwrap().contains(">true<"));
    assert_eq!(ask(&[("id", &["7\",\"open\":true,\"x\":\""])], ""), Err("/id".to_owned()));
    assert_eq!(ask(&[("id", &["7"])], r#"{"id": 8}"#), Err("/id".to_owned()), "given twice");
}

#[test]
fn an_answer_is_the_same_wherever_it_is_cut() {
    let service = service();
    let order = "<o:Order xmlns:o=\"urn:orders\"><o:total>10.10</o:total><o:line>a&amp;\u{1F600}</o:line></o:Order>";
    let text = envelope(order);
    for size in [1, 2, 3, 7, 64, text.len()] {
        let (json, outcome) = service.answer(0, Form::Json, &text, size).unwrap();
        assert!(matches!(outcome, Outcome::Content));
        assert_eq!(json, "{\"total\":\"10.10\",\"line\":[\"a&\u{1F600}\"]}");
        let (xml, _) = service.answer(0, Form::Xml, &text, size).unwrap();
        assert!(
            xml.contains("<o:total>10.10</o:total>") && xml.contains("xmlns:o=\"urn:orders\""),
            "{xml}"
        );
        // It is a document that says the same without what was around it.
        let again = service.answer(0, Form::Json, &envelope(&xml), size).unwrap().0;
        assert_eq!(again, json);
    }
}

#[test]
fn a_fault_is_told_by_the_body_and_typed_by_the_contract() {
    let service = service();
    let fault = |detail: &str| {
        envelope(&format!(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>none such</faultstring><detail>{detail}</detail></s:Fault>"
        ))
    };
    let text = fault("<u:Unknown xmlns:u=\"urn:orders\"><u:id>7</u:id></u:Unknown>");
    for size in [1, 5, text.len()] {
        let (written, outcome) = service.answer(0, Form::Json, &text, size).unwrap();
        let Outcome::Thrown(thrown) = outcome else { panic!("{outcome:?}") };
        assert!(written.is_empty());
        assert_eq!(thrown.fault.reason("en"), "none such");
        assert_eq!(thrown.declared.as_deref(), Some("UnknownOrder"));
        assert_eq!(thrown.details.as_deref(), Some(&br#"{"Unknown":{"id":7}}"#[..]));
    }
    for detail in ["<x/>", "<u:Unknown xmlns:u=\"urn:orders\"><u:id>x</u:id></u:Unknown>", ""] {
        let Outcome::Thrown(thrown) = service.answer(0, Form::Json, &fault(detail), 9).unwrap().1
        else {
            panic!("{detail}")
        };
        assert_eq!(thrown.details, None, "{detail}");
    }
}

#[test]
fn what_is_no_answer_of_the_operation_is_refused() {
    let service = service();
    let order = |inner: &str| envelope(&format!("<Order xmlns=\"urn:orders\">{inner}</Order>"));
    let good = order("<total>1</total>");
    for size in [1, 17, 4096] {
        for text in [
            "",
            "<html/>",
            "{}",
            "<!DOCTYPE x><x/>",
            &good[..good.len() - 1],
            &good[..good.len() - 20],
            &good.replace("urn:orders", "urn:other"),
            &good.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope"),
            &envelope(""),
            &order("<total>x</total>"),
            &order("<total>1</total><?go on?>"),
            &order("<total>1</total>&nbsp;"),
            &good.replace("</s:Body>", "<more/></s:Body>"),
            &good.replace("</s:Body>", "text</s:Body>"),
            &format!("{good}<x/>"),
        ] {
            assert!(service.answer(0, Form::Json, text, size).is_err(), "{text}");
        }
    }
}

#[test]
fn what_is_one_way_has_no_answer() {
    let service = service();
    for text in ["", &envelope(""), &envelope("<done/>")] {
        let (json, outcome) = service.answer(1, Form::Json, text, 5).unwrap();
        assert!(matches!(outcome, Outcome::Nothing) && json.is_empty(), "{text}");
    }
    assert!(service.answer(1, Form::Json, "<html>", 5).is_err());
}

#[test]
fn xml_goes_on_as_it_came_once_it_is_seen_to_be_right() {
    let service = service();
    let element = "<?xml version='1.0'?><!-- x --><g:GetOrder xmlns:g=\"urn:orders\"><g:id>7</g:id></g:GetOrder>";
    let envelope = service.request(0, Form::Xml, element).unwrap();
    assert_eq!(
        body_of(&envelope),
        "<g:GetOrder xmlns:g=\"urn:orders\"><g:id>7</g:id></g:GetOrder>"
    );
    for wrong in
        ["<GetOrder/>", "<g:GetOrder xmlns:g=\"urn:orders\"/>", "", "x", "<!DOCTYPE g><g/>"]
    {
        assert!(service.request(0, Form::Xml, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_long_answer_is_passed_on_while_it_comes() {
    let service = service();
    let (limits, mut out) = (Limits::default(), Vec::new());
    let mut answer =
        Answer::new(&service.plan, &service.messages[0], Form::Json, None, &limits).unwrap();
    let start = format!(
        "<s:Envelope xmlns:s=\"{SOAP}\"><s:Body><Order xmlns=\"urn:orders\"><total>1</total>"
    );
    assert_eq!(answer.feed(start.as_bytes(), &mut out), Ok(Progress::Content));
    let lines = "<line>0123456789</line>".repeat(100);
    let mut written = 0;
    for _ in 0..5_000 {
        answer.feed(lines.as_bytes(), &mut out).unwrap();
        written += out.len();
        assert!(!out.is_empty() && out.len() < 4 * lines.len(), "{}", out.len());
        out.clear();
    }
    answer.feed(b"</Order></s:Body></s:Envelope>", &mut out).unwrap();
    assert!(matches!(answer.finish(&mut out), Ok(Outcome::Content)));
    assert!(written > 5_000 * 100 * 12, "{written}");
}

#[test]
fn the_answer_of_a_call_is_the_same_however_it_is_cut() {
    let path = format!("{}/tests/fixtures/tracking.wsdl", env!("CARGO_MANIFEST_DIR"));
    let root = Document { url: "tracking.wsdl".into(), bytes: std::fs::read(path).unwrap() };
    let (catalog, _) = wsdl::import(root, &mut NoDocuments, &Default::default());
    let plan = Plan::new(catalog.schemas.clone(), Options::default());
    let binding = &catalog.bindings[0];
    let messages = Messages::new(&plan, binding, &binding.operations[0]).unwrap();
    // As SOAP::Lite has it: what is in a structure has the namespace of the operation.
    for open in ["", " xmlns=\"http://example.com/tracking/v2\""] {
        let answer = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><t:TrackResponse \
             xmlns:t=\"http://example.com/tracking/v2\"{open}><parcel><number>7</number><weight>1.5</weight></parcel>\
             </t:TrackResponse></s:Body></s:Envelope>"
        );
        for size in [1, 7, 10_000] {
            let limits = Limits::default();
            let mut reader = Answer::new(&plan, &messages, Form::Json, None, &limits).unwrap();
            let mut out = Vec::new();
            for piece in answer.as_bytes().chunks(size) {
                reader.feed(piece, &mut out).unwrap();
            }
            assert!(matches!(reader.finish(&mut out), Ok(Outcome::Content)));
            let json = r#"{"parcel":{"number":"7","weight":1.5}}"#;
            assert_eq!(String::from_utf8(out).unwrap(), json, "{open} {size}");
        }
    }
}

/// A service whose requests and answers have a header block each.
fn with_headers() -> (Plan, Messages) {
    let text = WSDL
        .replace(
            "<xs:element name=\"Note\" type=\"xs:string\"/>",
            "<xs:element name=\"Note\" type=\"xs:string\"/><xs:element name=\"Tenant\" type=\"xs:token\"/>\
             <xs:element name=\"Receipt\"><xs:complexType><xs:sequence><xs:element name=\"token\" type=\"xs:int\"/></xs:sequence></xs:complexType></xs:element>",
        )
        .replace(
            "<message name=\"Unknown\">",
            "<message name=\"Blocks\"><part name=\"tenant\" element=\"t:Tenant\"/><part name=\"receipt\" element=\"t:Receipt\"/></message><message name=\"Unknown\">",
        )
        .replacen("<soap:body use=\"literal\"/></input>", "<soap:header message=\"t:Blocks\" part=\"tenant\" use=\"literal\"/><soap:header message=\"t:Blocks\" part=\"receipt\" use=\"literal\"/><soap:body use=\"literal\"/></input>", 1)
        .replacen("<soap:body use=\"literal\"/></output>", "<soap:header message=\"t:Blocks\" part=\"receipt\" use=\"literal\"/><soap:body use=\"literal\"/></output>", 1);
    let root = Document { url: "orders.wsdl".into(), bytes: text.into_bytes() };
    let (catalog, faults) = wsdl::import(root, &mut NoDocuments, &Default::default());
    assert!(!faults.iter().any(pasarela_soap::Fault::is_error), "{faults:?}");
    let plan = Plan::new(catalog.schemas.clone(), Options::default());
    let messages = Messages::new(&plan, &catalog.bindings[0], &catalog.bindings[0].operations[0]);
    (plan, messages.unwrap())
}

#[test]
fn declared_headers_are_a_member_of_the_request_wherever_it_stands() {
    let (plan, messages) = with_headers();
    let request = |json: &str| {
        let mut out = Vec::new();
        let limits = Limits::default();
        messages
            .request(&plan, Form::Json, &[], json.as_bytes(), &limits, &mut out)
            .map(|()| String::from_utf8(out).unwrap())
            .map_err(|fault| (fault.path.clone(), fault.message.clone()))
    };
    let header = |text: &str| {
        let (_, rest) = text.split_once("<soap:Header>").unwrap();
        rest.split_once("</soap:Header>").unwrap().0.to_owned()
    };
    let plain = request("{\"id\":7}").unwrap();
    assert!(!plain.contains("Header"), "{plain}");
    let headers = "\"$headers\": {\"Receipt\": {\"token\": 5}, \"Tenant\": \"acme\"}";
    for json in [
        format!("{{{headers}, \"id\": 7}}"),
        format!("{{\"id\": 7, {headers}}}"),
        format!("{{\"id\": 7 ,{headers} , \"state\": [\"$headers\"]}}"),
    ] {
        let text = request(&json).unwrap();
        let blocks = header(&text);
        assert!(blocks.contains(">5</") && blocks.contains(">acme</"), "{text}");
        assert!(text.contains("7</"), "{text}");
    }
    assert!(!request("{\"id\":7,\"$headers\":{}}").unwrap().contains("Header"));
    for (json, path) in [
        ("{\"id\":7,\"$headers\":{\"Receipt\":{\"token\":\"x\"}}}", "/$headers/Receipt/token"),
        ("{\"id\":7,\"$headers\":{\"Other\":1}}", "/$headers/Other"),
        ("{\"id\":7,\"$headers\":[]}", "/$headers"),
    ] {
        let (found, message) = request(json).unwrap_err();
        assert_eq!(found, path, "{message}");
    }
}

#[test]
fn declared_headers_are_the_first_member_of_an_answer_however_it_is_cut() {
    let (plan, messages) = with_headers();
    let envelope = |blocks: &str, body: &str| {
        format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:t=\"urn:orders\"><s:Header>{blocks}</s:Header>\
             <s:Body>{body}</s:Body></s:Envelope>"
        )
    };
    let order = "<t:Order><t:total>1.50</t:total></t:Order>";
    let receipt = "<x:other xmlns:x=\"urn:x\"><t:Receipt/></x:other><t:Receipt><t:token>5</t:token></t:Receipt>";
    for size in [1, 2, 5, 10_000] {
        let read = |text: &str| {
            let limits = Limits::default();
            let mut answer = Answer::new(&plan, &messages, Form::Json, None, &limits).unwrap();
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                answer.feed(piece, &mut out).map_err(|fault| fault.message.clone())?;
            }
            answer.finish(&mut out).map_err(|fault| fault.message.clone())?;
            Ok::<_, String>(String::from_utf8(out).unwrap())
        };
        let expected = "{\"$headers\":{\"Receipt\":{\"token\":5}},\"total\":1.50}";
        let found = read(&envelope(receipt, order)).unwrap();
        assert_eq!(found.replace("\"1.50\"", "1.50"), expected);
        assert!(read(&envelope("", order)).unwrap().starts_with("{\"total\""));
        assert!(read(&envelope("<t:Receipt><t:token>x</t:token></t:Receipt>", order)).is_err());
    }
}
