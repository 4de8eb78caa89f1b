//! The command on a contract of its own: there, back, and what it says when something is wrong.

use clap::Parser as _;

use super::*;

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">
  <types><xs:schema targetNamespace="urn:t" elementFormDefault="qualified">
    <xs:element name="GetPrice"><xs:complexType><xs:sequence><xs:element name="sku" type="xs:string" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="GetPriceResponse"><xs:complexType><xs:sequence><xs:element name="price" type="xs:decimal"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Unknown"><xs:complexType><xs:sequence><xs:element name="sku" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Scan"><xs:complexType><xs:sequence><xs:element name="image" type="xs:base64Binary"/></xs:sequence></xs:complexType></xs:element>
  </xs:schema></types>
  <message name="in"><part name="p" element="t:GetPrice"/></message>
  <message name="scan"><part name="p" element="t:Scan"/></message>
  <message name="out"><part name="p" element="t:GetPriceResponse"/></message>
  <message name="unknown"><part name="p" element="t:Unknown"/></message>
  <message name="addIn"><part name="a" type="xs:int"/><part name="b" type="xs:int"/></message>
  <message name="addOut"><part name="sum" type="xs:long"/></message>
  <portType name="P">
    <operation name="GetPrice"><input message="t:in"/><output message="t:out"/><fault name="unknown" message="t:unknown"/></operation>
    <operation name="Scan"><input message="t:scan"/><output message="t:scan"/></operation>
    <operation name="Add"><input message="t:addIn"/><output message="t:addOut"/></operation>
  </portType>
  <binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>
    <operation name="GetPrice"><soap:operation soapAction="urn:get"/><input><soap:body use="literal"/></input>
      <output><soap:body use="literal"/></output><fault name="unknown"><soap:fault name="unknown" use="literal"/></fault></operation>
    <operation name="Scan"><soap:operation soapAction="urn:scan"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
    <operation name="Add"><soap:operation soapAction="urn:add" style="rpc"/><input><soap:body use="literal" namespace="urn:calc"/></input>
      <output><soap:body use="literal" namespace="urn:calc"/></output></operation>
  </binding>
  <service name="S"><port name="Port" binding="t:B"><soap:address location="http://localhost/"/></port></service>
</definitions>"#;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn ran(words: &str, input: &str) -> Result<String, (String, ExitCode)> {
    let folder = tempfile::tempdir().unwrap();
    let contract = folder.path().join("t.wsdl");
    std::fs::write(&contract, WSDL).unwrap();
    let words = ["transcode", "--contract", contract.to_str().unwrap()]
        .into_iter()
        .chain(words.split_whitespace());
    let args = Line::parse_from(words).args;
    match transcode(&args, input.as_bytes()) {
        Ok(output) => Ok(String::from_utf8(output).unwrap()),
        Err(trouble) => Err(complaint(args.format, &trouble)),
    }
}

#[test]
fn a_request_becomes_an_envelope_and_an_answer_json() {
    assert_eq!(
        ran("--operation GetPrice --message request", r#"{"sku": ["AB-1", "x < y"]}"#).unwrap(),
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body><ns1:GetPrice xmlns:ns1=\"urn:t\">\
         <ns1:sku>AB-1</ns1:sku><ns1:sku>x &lt; y</ns1:sku></ns1:GetPrice></soap:Body></soap:Envelope>\n"
    );
    let reply = "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Body><GetPriceResponse xmlns='urn:t'>\
                 <price>10.10</price></GetPriceResponse></e:Body></e:Envelope>";
    assert_eq!(
        ran("--operation GetPrice --message response", reply).unwrap(),
        "{\"price\":\"10.10\"}\n"
    );
    assert_eq!(
        ran("--operation GetPrice --message response --numbers number", reply).unwrap(),
        "{\"price\":10.10}\n"
    );
}

#[test]
fn rpc_has_its_wrapper_and_its_parts() {
    let xml = ran("--operation Add --message request", r#"{"b": 2, "a": 1}"#).unwrap();
    let body = xml.split("<soap:Body>").nth(1).unwrap();
    assert!(body.contains("Add xmlns:"), "{body}");
    assert!(body.contains("=\"urn:calc\"><a>1</a><b>2</b></"), "{body}");
    let reply = "<r:AddResponse xmlns:r='urn:calc'><sum>3</sum></r:AddResponse>";
    assert_eq!(ran("--operation B.Add --message response", reply).unwrap(), "{\"sum\":\"3\"}\n");
}

#[test]
fn the_detail_of_a_fault_goes_both_ways() {
    let xml = ran("--operation GetPrice --message fault", r#"{"Unknown": {"sku": "Q"}}"#).unwrap();
    assert!(
        xml.contains(
            "<detail><ns1:Unknown xmlns:ns1=\"urn:t\"><ns1:sku>Q</ns1:sku></ns1:Unknown></detail>"
        ),
        "{xml}"
    );
    assert_eq!(
        ran("--operation GetPrice --message fault", &xml).unwrap(),
        "{\"Unknown\":{\"sku\":\"Q\"}}\n"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_its_cure() {
    let (said, code) =
        ran("--operation GetPrice --message request", "{\n  \"sku\": [1]}").unwrap_err();
    assert_eq!(
        said,
        "2:11: json.kind: a string is due here (in /sku/0); see the operation's JSON Schema\n"
    );
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    let (said, _) =
        ran("--operation GetPrice --message request --format json", r#"{"skus": []}"#).unwrap_err();
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told["code"], "json.unknown");
    assert_eq!(told["path"], "/skus");
    assert_eq!(told["cure"], "known here: sku");
}

#[test]
fn wrong_use_is_told_apart() {
    let (said, code) = ran("--operation GetPrices --message request", "{}").unwrap_err();
    assert_eq!(said, "the contract has no operation \"GetPrices\"; it has Add, GetPrice, Scan\n");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
    assert!(
        ran("--operation Add --message fault", "{}").unwrap_err().0.contains("no such message")
    );
}

#[test]
fn a_message_in_parts_becomes_json_and_json_in_parts_an_envelope_in_parts() {
    let root = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><t:Scan xmlns:t=\"urn:t\">\
                <t:image><x:Include xmlns:x=\"http://www.w3.org/2004/08/xop/include\" href=\"cid:i%40x\"/></t:image></t:Scan></s:Body></s:Envelope>";
    let body = format!(
        "--=_1\r\nContent-Type: application/xop+xml; charset=utf-8; type=\"text/xml\"\r\n\r\n{root}\r\n\
         --=_1\r\nContent-ID: <i@x>\r\n\r\nbytes\r\n--=_1--\r\n"
    );
    let headed = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n boundary=\"=_1\"; type=\"application/xop+xml\"\r\n\r\n{body}"
    );
    let words = "--operation Scan --message request";
    for input in [&body, &headed] {
        assert_eq!(ran(words, input).unwrap(), "{\"image\":\"Ynl0ZXM=\"}\n");
    }
    let json = "--b\r\nContent-Type: application/json\r\n\r\n{\"image\": {\"$cid\": \"i\"}}\r\n\
                --b\r\nContent-ID: <i>\r\nContent-Type: image/png\r\n\r\nbytes\r\n--b--";
    let xop = ran(words, json).unwrap();
    assert!(
        xop.starts_with("Content-Type: multipart/related; type=\"application/xop+xml\""),
        "{xop}"
    );
    assert!(xop.contains("xop:Include") && xop.contains("image/png"), "{xop}");
    assert_eq!(ran(words, &xop).unwrap(), "{\"image\":\"Ynl0ZXM=\"}\n");
    let alone = ran(words, "{\"image\": \"Ynl0ZXM=\"}").unwrap();
    assert!(alone.contains(">Ynl0ZXM=<") && !alone.contains("Content-Type"), "{alone}");

    let (said, code) = ran(words, &body.replace("cid:i", "cid:j")).unwrap_err();
    assert!(said.contains("j@x") && code == ExitCode::FAILURE, "{said}");
    let (said, _) = ran(words, "Content-Type: multipart/mixed; boundary=b\r\n\r\n").unwrap_err();
    assert!(said.contains("multipart/related"), "{said}");
}

#[test]
fn a_type_whose_content_is_to_be_a_text_has_to_have_such_content() {
    let (said, code) =
        ran("--operation GetPrice --message request --xml-string Price", "{}").unwrap_err();
    assert!(said.contains("no type \"Price\" with mixed content"), "{said}");
    assert_eq!(code, ExitCode::from(2));
}
