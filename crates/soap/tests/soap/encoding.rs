//! rpc/encoded: what SOAP::Lite, PHP and Axis 1 write becomes the JSON of a literal message, and back.

use pasarela_soap::{
    Fault, Limits,
    encoding::literal,
    exchange::{Answer, Form, Messages, Outcome},
    transcode::{Body, Decoder, Options, Plan},
    wsdl,
    xml::Reader,
    xsd::{Document, NoDocuments},
};

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:stock" targetNamespace="urn:stock" name="Stock"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/SOAP/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns:e="http://schemas.xmlsoap.org/soap/encoding/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/">
  <types><xs:schema targetNamespace="urn:stock">
    <xs:import namespace="http://schemas.xmlsoap.org/soap/encoding/"/>
    <xs:complexType name="Line"><xs:sequence>
      <xs:element name="sku" type="xs:string"/><xs:element name="quantity" type="e:int"/>
      <xs:element name="next" type="t:Line" minOccurs="0" nillable="true"/>
    </xs:sequence></xs:complexType>
    <xs:complexType name="ArrayOfLine"><xs:complexContent><xs:restriction base="e:Array">
      <xs:attribute ref="e:arrayType" wsdl:arrayType="t:Line[]"/></xs:restriction></xs:complexContent></xs:complexType>
    <xs:complexType name="Grid"><xs:complexContent><xs:restriction base="e:Array">
      <xs:attribute ref="e:arrayType" wsdl:arrayType="xs:int[,]"/></xs:restriction></xs:complexContent></xs:complexType>
  </xs:schema></types>
  <message name="ListIn"><part name="count" type="xs:int"/><part name="like" type="t:Line"/><part name="tags" type="t:Grid"/></message>
  <message name="ListOut"><part name="lines" type="t:ArrayOfLine"/></message>
  <message name="SumIn"><part name="grid" type="t:Grid"/></message>
  <message name="SumOut"><part name="sum" type="xs:string"/></message>
  <message name="GridOut"><part name="grid" type="t:Grid"/></message>
  <portType name="Stock">
    <operation name="List"><input message="t:ListIn"/><output message="t:ListOut"/></operation>
    <operation name="Sum"><input message="t:SumIn"/><output message="t:SumOut"/></operation>
    <operation name="Turn"><input message="t:SumIn"/><output message="t:GridOut"/></operation>
  </portType>
  <binding name="Stock" type="t:Stock"><SOAP:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>OPERATIONS</binding>
  <service name="Stock"><port name="Stock" binding="t:Stock"><SOAP:address location="http://localhost/"/></port></service>
</definitions>"#;

struct Service {
    catalog: wsdl::Catalog,
    plan: Plan,
    messages: Vec<Messages>,
}

fn service(soap: &str) -> Service {
    let (ns, encoding) = match soap {
        "soap" => ("soap", "http://schemas.xmlsoap.org/soap/encoding/"),
        _ => ("soap12", "http://www.w3.org/2003/05/soap-encoding"),
    };
    let body = format!(
        "<SOAP:body use=\"encoded\" namespace=\"urn:stock\" encodingStyle=\"{encoding}\"/>"
    );
    let operation = |name: &str| {
        format!(
            "<operation name=\"{name}\"><SOAP:operation soapAction=\"\"/><input>{body}</input><output>{body}</output></operation>"
        )
    };
    let operations: String = ["List", "Sum", "Turn"].map(operation).concat();
    let text = WSDL
        .replace(
            "http://schemas.xmlsoap.org/wsdl/SOAP/",
            &format!("http://schemas.xmlsoap.org/wsdl/{ns}/"),
        )
        .replace("xmlns:soap=", "xmlns:SOAP=")
        .replace("OPERATIONS", &operations);
    let root = Document { url: "stock.wsdl".into(), bytes: text.into_bytes() };
    let (catalog, faults) = wsdl::import(root, &mut NoDocuments, &Default::default());
    assert!(!faults.iter().any(Fault::is_error), "{faults:?}");
    let plan = Plan::new(catalog.schemas.clone(), Options::default());
    let binding = &catalog.bindings[0];
    let messages = binding.operations.iter().map(|op| Messages::new(&plan, binding, op).unwrap());
    Service { messages: messages.collect(), plan, catalog }
}

impl Service {
    fn request(&self, operation: usize, json: &str) -> String {
        let mut out = Vec::new();
        let limits = Limits::default();
        let made = self.messages[operation].request(
            &self.plan,
            Form::Json,
            &[],
            json.as_bytes(),
            &limits,
            &mut out,
        );
        made.unwrap();
        String::from_utf8(out).unwrap()
    }

    fn answer(&self, operation: usize, envelope: &str) -> Result<String, String> {
        let limits = Limits::default();
        let mut answer =
            Answer::new(&self.plan, &self.messages[operation], Form::Json, None, &limits).unwrap();
        let mut out = Vec::new();
        for piece in envelope.as_bytes().chunks(7) {
            answer.feed(piece, &mut out).map_err(|fault| fault.message)?;
        }
        match answer.finish(&mut out).map_err(|fault| fault.message)? {
            Outcome::Content => Ok(String::from_utf8(out).unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

const SPACES: &str = "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:e=\"http://schemas.xmlsoap.org/soap/encoding/\" \
    xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:d=\"http://www.w3.org/2001/XMLSchema\" xmlns:t=\"urn:stock\"";

fn envelope(body: &str) -> String {
    format!(
        "<s:Envelope {SPACES} s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn lines(array: &str) -> String {
    envelope(&format!("<t:ListResponse>{array}</t:ListResponse>"))
}

const ONE: &str = "<sku x:type=\"d:string\">A-1</sku><quantity x:type=\"d:int\">7</quantity>";
const JSON: &str = r#"{"lines":[{"sku":"A-1","quantity":7},{"sku":"A-1","quantity":7}]}"#;

#[test]
fn the_same_array_in_every_manner_of_writing_it_is_the_same_json() {
    let service = service("soap");
    let ways = [
        // As SOAP::Lite does.
        format!("<lines e:arrayType=\"t:Line[2]\" x:type=\"e:Array\"><item x:type=\"t:Line\">{ONE}</item><item x:type=\"t:Line\">{ONE}</item></lines>"),
        // As PHP does.
        format!("<lines e:arrayType=\"t:Line[2]\" x:type=\"t:ArrayOfLine\"><item>{ONE}</item><item>{ONE}</item></lines>"),
        // As Axis 1 does: everything beside, and what is shared once.
        "<lines e:arrayType=\"t:Line[2]\" x:type=\"e:Array\"><lines href=\"#id0\"/><lines href=\"#id0\"/></lines>".to_owned(),
        // Without a name for the result, without a size, with types that nobody knows.
        format!("<s-gensym3 e:arrayType=\"t:Line[]\"><a x:type=\"t:Unknown\">{ONE}</a><b>{ONE}</b></s-gensym3>"),
    ];
    for way in ways {
        let body = lines(&way).replace("</t:ListResponse>", &format!("</t:ListResponse><multiRef id=\"id0\" e:root=\"0\" x:type=\"t:Line\">{ONE}</multiRef>"));
        assert_eq!(service.answer(0, &body).as_deref(), Ok(JSON), "{way}");
    }
    let referred = envelope(
        "<t:ListResponse><lines href=\"#a\"/></t:ListResponse><x id=\"a\" e:arrayType=\"t:Line[0]\"/>",
    );
    assert_eq!(service.answer(0, &referred).as_deref(), Ok(r#"{"lines":[]}"#));
}

#[test]
fn arrays_may_begin_late_have_holes_and_rows() {
    let service = service("soap");
    let grid = |array: &str| {
        service
            .answer(2, &envelope(&format!("<t:TurnResponse><grid {array}</grid></t:TurnResponse>")))
    };
    let rows = r#"{"grid":[[1,2],[3,4]]}"#;
    assert_eq!(
        grid("e:arrayType=\"d:int[2,2]\"><i>1</i><i>2</i><i>3</i><i>4</i>").as_deref(),
        Ok(rows)
    );
    let nested = "e:arrayType=\"d:int[][2]\"><i e:arrayType=\"d:int[2]\"><i>1</i><i>2</i></i><i e:arrayType=\"d:int[2]\"><i>3</i><i>4</i></i>";
    assert_eq!(grid(nested).as_deref(), Ok(rows));
    let holes =
        "e:arrayType=\"d:int[2,2]\"><i e:position=\"[1,1]\">4</i><i e:position=\"[0,1]\">2</i>";
    assert_eq!(grid(holes).as_deref(), Ok(r#"{"grid":[[null,2],[null,4]]}"#));
    assert_eq!(
        grid("e:arrayType=\"d:int[2,2]\" e:offset=\"[1,0]\"><i>3</i><i>4</i>").as_deref(),
        Ok(r#"{"grid":[[null,null],[3,4]]}"#)
    );
}

#[test]
fn a_number_where_a_text_is_due_is_a_text() {
    let service = service("soap");
    let sum = service
        .answer(1, &envelope("<t:SumResponse><sum x:type=\"d:int\">007</sum></t:SumResponse>"));
    assert_eq!(sum.as_deref(), Ok(r#"{"sum":"007"}"#));
}

#[test]
fn t48_what_an_array_claims_costs_nothing_and_references_cannot_multiply() {
    let service = service("soap");
    let claimed =
        lines(&format!("<lines e:arrayType=\"t:Line[2000000000]\"><item>{ONE}</item></lines>"));
    assert_eq!(
        service.answer(0, &claimed).as_deref(),
        Ok(r#"{"lines":[{"sku":"A-1","quantity":7}]}"#)
    );
    let far = lines(&format!(
        "<lines e:arrayType=\"t:Line[9]\"><item e:position=\"[4000000000]\">{ONE}</item></lines>"
    ));
    assert!(service.answer(0, &far).unwrap_err().contains("more than"));
    let wide = envelope(
        "<t:TurnResponse><grid e:arrayType=\"d:int[1,4000000000]\"><i>1</i></grid></t:TurnResponse>",
    );
    assert!(service.answer(2, &wide).unwrap_err().contains("more than"));
    // Ten levels of ten references each to the next.
    let mut laughs = String::new();
    for level in 0..10 {
        let inside = format!("<i href=\"#n{}\"/>", level + 1).repeat(10);
        laughs.push_str(&format!("<x id=\"n{level}\" e:arrayType=\"d:int[10]\">{inside}</x>"));
    }
    laughs.push_str("<x id=\"n10\">1</x>");
    let laughs =
        envelope(&format!("<t:TurnResponse><grid href=\"#n0\"/></t:TurnResponse>{laughs}"));
    assert!(service.answer(2, &laughs).unwrap_err().contains("more than"));
}

#[test]
fn a_reference_leads_to_something_else_in_the_message() {
    let service = service("soap");
    let looped = format!(
        "<lines e:arrayType=\"t:Line[1]\"><item id=\"a\">{ONE}<next href=\"#a\"/></item></lines>"
    );
    for (array, why) in [
        (looped, "refers to itself"),
        ("<lines href=\"#nothing\"/>".to_owned(), "has the identifier"),
        ("<lines href=\"http://10.0.0.1/lines.xml\"/>".to_owned(), "out of the message"),
        ("<lines id=\"a\" href=\"#a\"/>".to_owned(), "refers to itself"),
        ("<lines id=\"a\"/><b id=\"a\"/>".to_owned(), "twice"),
    ] {
        let fault = service.answer(0, &lines(&array)).expect_err(&array);
        assert!(fault.contains(why), "{array}: {fault}");
    }
}

#[test]
fn a_request_says_the_type_of_every_value_and_what_its_arrays_hold() {
    let json = r#"{"tags":[[1,2],[3]],"count":5,"like":{"quantity":1,"sku":"<&>","next":null}}"#;
    let v11 = service("soap").request(0, json);
    for part in [
        "encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"",
        "<count xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xsd:int\">5</count>",
        "xsi:type=\"m:Line\"",
        ">&lt;&amp;&gt;</sku>",
        "xsi:nil=\"true\"",
        ":arrayType=\"xsd:int[][2]\"",
        ":arrayType=\"xsd:int[1]\"",
    ] {
        assert!(v11.contains(part), "{part}: {v11}");
    }
    assert!(!v11.contains("soapenc.item"), "{v11}");
    let v12 = service("soap12").request(0, json);
    assert!(v12.contains("encodingStyle=\"http://www.w3.org/2003/05/soap-encoding\""), "{v12}");
    assert!(v12.contains("itemType=\"xsd:int\"") && v12.contains("arraySize=\"2\""), "{v12}");
}

#[test]
fn what_was_encoded_is_read_again_as_it_was() {
    for soap in ["soap", "soap12"] {
        let service = service(soap);
        for json in [
            r#"{"count":5,"like":{"sku":"a","quantity":1,"next":{"sku":"b","quantity":2,"next":null}},"tags":[]}"#,
            r#"{"count":5,"like":{"sku":"","quantity":-1},"tags":[[],[1,null],[2]]}"#,
        ] {
            let envelope = service.request(0, json);
            let limits = Limits::default();
            let operation = &service.catalog.bindings[0].operations[0];
            let message = service.plan.message(Body::of_request(operation).unwrap());
            let message = &message.written(&operation.input.use_);
            let plain =
                literal(service.plan.schemas(), envelope.as_bytes(), None, message, &limits)
                    .unwrap();
            let symbols = &service.plan.schemas().symbols;
            let mut reader = Reader::with(&plain, None, symbols, &limits).unwrap();
            let back = Decoder::new(&service.plan, message).document(&mut reader).unwrap().to_vec();
            assert_eq!(String::from_utf8_lossy(&back), json, "{envelope}");
            assert_eq!(
                service.request(0, json),
                service.request(0, &String::from_utf8(back).unwrap())
            );
        }
    }
}

#[test]
fn members_come_in_any_order_and_an_array_need_not_say_that_it_is_one() {
    let service = service("soap");
    let turned = "<quantity>7</quantity><sku>A-1</sku>";
    let plain = lines(&format!("<lines><x>{ONE}</x><y x:type=\"t:Line\">{turned}</y></lines>"));
    assert_eq!(service.answer(0, &plain).as_deref(), Ok(JSON));
    let unknown = lines(&format!("<lines><x>{turned}<other/></x></lines>"));
    assert!(service.answer(0, &unknown).is_err());
}

#[test]
fn what_names_the_result_in_soap_12_is_not_a_part() {
    let service = service("soap12");
    let answer = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:t=\"urn:stock\"><s:Body><t:SumResponse \
                  xmlns:r=\"http://www.w3.org/2003/05/soap-rpc\"><r:result>sum</r:result><sum>12</sum></t:SumResponse></s:Body></s:Envelope>";
    assert_eq!(service.answer(1, answer).as_deref(), Ok(r#"{"sum":"12"}"#));
}
