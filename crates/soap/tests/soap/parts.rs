//! Bytes beside the envelope: MTOM/XOP, SOAP with Attachments and swaRef, from and to JSON.

use pasarela_soap::{
    FaultKind, Limits,
    envelope::ContentType,
    exchange::{Answer, Form, Messages, Outcome, Package, Wanted},
    mime::{self, Boundary, PartHead, Related, Whole, Writer},
    transcode::{Given, Options, Parts, Plan, Sent},
    wsdl,
    xsd::{Document, NoDocuments},
};

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:store" targetNamespace="urn:store" name="Store"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns:wsp="http://www.w3.org/ns/ws-policy" xmlns:m="http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization">
  <types><xs:schema targetNamespace="urn:store" elementFormDefault="qualified" xmlns:r="http://ws-i.org/profiles/basic/1.1/xsd">
    <xs:import namespace="http://ws-i.org/profiles/basic/1.1/xsd"/>
    <xs:element name="File"><xs:complexType><xs:sequence>
      <xs:element name="name" type="xs:string" minOccurs="0"/>
      <xs:element name="data" minOccurs="0" maxOccurs="unbounded"><xs:simpleType><xs:restriction base="xs:base64Binary"><xs:maxLength value="64"/></xs:restriction></xs:simpleType></xs:element>
      <xs:element name="big" type="xs:base64Binary" minOccurs="0"/>
      <xs:element name="typed" minOccurs="0"><xs:complexType><xs:simpleContent><xs:extension base="xs:base64Binary"><xs:attribute name="kind"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
      <xs:element name="note" type="xs:string" minOccurs="0"/>
      <xs:element name="ref" type="r:swaRef" minOccurs="0"/>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="Blob" type="xs:base64Binary"/>
  </xs:schema></types>
  <message name="File"><part name="body" element="t:File"/></message>
  <message name="Blob"><part name="body" element="t:Blob"/></message>
  <message name="Photo"><part name="body" element="t:File"/><part name="photo" type="xs:base64Binary"/><part name="más" type="xs:string"/></message>
  <portType name="Store">
    <operation name="Put"><input message="t:File"/><output message="t:File"/></operation>
    <operation name="Blob"><input message="t:Blob"/><output message="t:Blob"/></operation>
    <operation name="Photo"><input message="t:Photo"/><output message="t:Photo"/></operation>
  </portType>
  <binding name="Store" type="t:Store">
    <wsp:Policy><m:OptimizedMimeSerialization/></wsp:Policy>
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Put"><soap:operation soapAction="urn:put"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
    <operation name="Blob"><soap:operation soapAction="urn:blob"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
    <operation name="Photo"><soap:operation soapAction="urn:photo"/>
      <input><mime:multipartRelated><mime:part><soap:body parts="body" use="literal"/></mime:part><mime:part><mime:content part="photo" type="image/png"/></mime:part><mime:part><mime:content part="más" type="text/plain"/></mime:part></mime:multipartRelated></input>
      <output><mime:multipartRelated><mime:part><soap:body parts="body" use="literal"/></mime:part><mime:part><mime:content part="photo" type="image/png"/></mime:part><mime:part><mime:content part="más" type="text/plain"/></mime:part></mime:multipartRelated></output></operation>
  </binding>
  <service name="Store"><port name="Store" binding="t:Store"><soap:address location="http://localhost/"/></port></service>
</definitions>"#;

const XOP: &str = "http://www.w3.org/2004/08/xop/include";

struct Service {
    plan: Plan,
    messages: Vec<Messages>,
}

fn service() -> Service {
    let root = Document { url: "store.wsdl".into(), bytes: WSDL.as_bytes().to_vec() };
    let (catalog, faults) = wsdl::import(root, &mut NoDocuments, &Default::default());
    assert!(!faults.iter().any(pasarela_soap::Fault::is_error), "{faults:?}");
    let plan = Plan::new(catalog.schemas.clone(), Options::default());
    let binding = &catalog.bindings[0];
    let messages = binding.operations.iter().map(|op| Messages::new(&plan, binding, op).unwrap());
    Service { messages: messages.collect(), plan }
}

/// What a request was made of: the envelope, and the parts as identifier, media type and text.
type Made = (String, Vec<(String, String, String)>);

impl Service {
    fn request(&self, at: usize, json: &str, parts: Parts<'_>) -> Result<Made, String> {
        let mut out = Vec::new();
        let sent = self.messages[at]
            .request_with(&self.plan, &[], json.as_bytes(), &Limits::default(), parts, &mut out)
            .map_err(|fault| format!("{} {}", fault.rule.unwrap_or_default(), fault.message))?;
        let text = |sent: &Sent<'_>| {
            (sent.id.clone(), sent.media.clone(), String::from_utf8_lossy(&sent.bytes).into_owned())
        };
        Ok((String::from_utf8(out).unwrap(), sent.iter().map(text).collect()))
    }

    /// The JSON of an answer in parts, whole and cut at every byte.
    fn answer(&self, at: usize, text: &str, wanted: &Wanted) -> Result<String, String> {
        let read = |size: usize| {
            let mut answer =
                Answer::new(&self.plan, &self.messages[at], Form::Json, None, &Limits::default())
                    .unwrap()
                    .in_parts(&related("b", Some("root")), wanted.clone());
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                answer.feed(piece, &mut out).map_err(|fault| fault.message)?;
            }
            match answer.finish(&mut out).map_err(|fault| fault.message)? {
                Outcome::Content => Ok(String::from_utf8(out).unwrap()),
                other => Err(format!("{other:?}")),
            }
        };
        let whole = read(text.len());
        for size in [1, 2, 7, 64] {
            assert_eq!(read(size), whole, "in pieces of {size}");
        }
        whole
    }
}

fn related(boundary: &str, start: Option<&str>) -> Related {
    Related {
        boundary: boundary.to_owned(),
        start: start.map(str::to_owned),
        root_type: None,
        start_info: None,
    }
}

const PUT: usize = 0;
const BLOB: usize = 1;
const PHOTO: usize = 2;
const INLINE: Wanted = Wanted::Inline(1 << 20);

fn given<'g>(parts: &[(&str, &'g str)]) -> Vec<Given<'g>> {
    let part = |(id, text): &(&str, &'g str)| Given {
        id: (*id).to_owned(),
        media: Some("text/x".to_owned()),
        bytes: text.as_bytes(),
    };
    parts.iter().map(part).collect()
}

/// An answer whose root holds this in its `File`, and the parts beside it.
fn in_parts(content: &str, parts: &[(&str, &str)]) -> String {
    let mut all = vec![root(content)];
    all.extend(parts.iter().map(|part| part_of(*part)));
    joined(&all)
}

fn root(content: &str) -> String {
    format!(
        "Content-Type: application/xop+xml; type=\"text/xml\"\r\nContent-ID: <root>\r\n\r\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><File xmlns=\"urn:store\" xmlns:x=\"{XOP}\">{content}</File></s:Body></s:Envelope>"
    )
}

fn part_of((id, text): (&str, &str)) -> String {
    format!("Content-Type: a/b\r\nContent-ID: <{id}>\r\n\r\n{text}")
}

fn joined(parts: &[String]) -> String {
    format!("--b\r\n{}\r\n--b--", parts.join("\r\n--b\r\n"))
}

#[test]
fn bytes_of_json_go_beside_the_envelope_from_a_threshold_on() {
    let service = service();
    let mtom = || Parts { mtom: Some(6), random: 0xabc, ..Parts::default() };
    let json = r#"{"name":"n","data":["aGVsbG8=","aGVsbG8h"],"typed":{"@kind":"k","$value":"aGVsbG8gIQ=="}}"#;
    let (envelope, sent) = service.request(PUT, json, mtom()).unwrap();
    let include = |number: u32| {
        format!(
            "<xop:Include xmlns:xop=\"{XOP}\" href=\"cid:{number}.0000000000000abc@pasarela\"/>"
        )
    };
    let data = format!("data>aGVsbG8=</ns1:data><ns1:data>{}</ns1:data>", include(1));
    let typed = format!(" kind=\"k\">{}</ns1:typed>", include(2));
    for piece in [&data, &typed] {
        let envelope = envelope.replace("store:", "ns1:").replace("tns:", "ns1:");
        assert!(envelope.contains(piece.as_str()), "{piece}\n{envelope}");
    }
    let texts: Vec<_> = sent.iter().map(|(_, _, text)| text.as_str()).collect();
    assert_eq!(texts, ["hello!", "hello !"]);
    let (envelope, sent) = service.request(PUT, json, Parts::default()).unwrap();
    assert!(envelope.contains("aGVsbG8h") && sent.is_empty(), "{envelope}");
    let (envelope, sent) = service.request(BLOB, r#"{"$value":"aGVsbG8h"}"#, mtom()).unwrap();
    assert!(envelope.contains("xop:Include") && sent.len() == 1, "{envelope}");
}

#[test]
fn parts_beside_the_json_go_beside_the_envelope_or_into_it() {
    let service = service();
    let json =
        r#"{"data":[{"$cid":"a"}],"big":{"$cid":"b"},"typed":{"@kind":"k","$value":{"$cid":"c"}}}"#;
    let all = given(&[("c", "three"), ("a", "one"), ("b", "two")]);
    let parts = Parts { mtom: Some(0), given: all.clone(), ..Parts::default() };
    let (envelope, sent) = service.request(PUT, json, parts).unwrap();
    assert_eq!(envelope.matches("xop:Include ").count(), 3, "{envelope}");
    let sent: Vec<_> =
        sent.iter().map(|(_, media, text)| (media.as_str(), text.as_str())).collect();
    assert_eq!(sent, [("text/x", "one"), ("text/x", "two"), ("text/x", "three")]);
    let parts = Parts { given: all, ..Parts::default() };
    let (envelope, sent) = service.request(PUT, json, parts).unwrap();
    for text in [">b25l<", ">dHdv<", " kind=\"k\">dGhyZWU=<"] {
        assert!(envelope.contains(text), "{text} {envelope}");
    }
    assert_eq!(sent, []);
    let parts = Parts { given: given(&[("a", "x")]), ..Parts::default() };
    let (envelope, _) = service.request(BLOB, r#"{"$value":{"$cid":"a"}}"#, parts).unwrap();
    assert!(envelope.contains(">eA==<"), "{envelope}");
}

#[test]
fn a_reference_means_one_part_and_every_part_is_meant() {
    let service = service();
    let refused = |json: &str, parts: &[(&str, &str)]| {
        let parts = Parts { given: given(parts), mtom: Some(0), ..Parts::default() };
        service.request(PUT, json, parts).unwrap_err()
    };
    assert!(refused(r#"{"big":{"$cid":"a"}}"#, &[]).starts_with("json.cid no part"));
    let twice = refused(r#"{"data":[{"$cid":"a"},{"$cid":"a"}]}"#, &[("a", "x")]);
    assert!(twice.starts_with("json.cid no part"), "{twice}");
    assert!(refused("{}", &[("a", "x")]).starts_with("json.cid nothing refers"));
    // Text is no bytes, and a reference has no other members.
    assert!(refused(r#"{"note":{"$cid":"a"}}"#, &[("a", "x")]).starts_with("json.kind"));
    assert!(refused(r#"{"big":{"$cid":"a","b":1}}"#, &[("a", "x")]).starts_with("json.unknown"));
    let long = "x".repeat(65);
    let facet = refused(r#"{"data":[{"$cid":"a"}]}"#, &[("a", &long)]);
    assert!(facet.starts_with("json.value") && facet.contains("maxLength"), "{facet}");
    // Without parts there is nothing to refer to.
    let mut out = Vec::new();
    let alone = br#"{"big":{"$cid":"a"}}"#;
    let put = &service.messages[PUT];
    assert!(
        put.request(&service.plan, Form::Json, &[], alone, &Limits::default(), &mut out).is_err()
    );
}

#[test]
fn included_parts_are_base64_in_the_json_in_whatever_order_they_come() {
    let service = service();
    let content = "<data> <x:Include href='cid:a%40x'/>\n</data><data><x:Include href='cid:b'></x:Include></data>\
                   <typed kind='k'><x:Include href='cid:c'/></typed><note>{\"$cid\":\"a@x\"}</note>";
    let parts = [("a@x", "one"), ("b", ""), ("c", "three!"), ("other", "nobody's")];
    let json = r#"{"data":["b25l",""],"typed":{"@kind":"k","$value":"dGhyZWUh"},"note":"{\"$cid\":\"a@x\"}"}"#;
    assert_eq!(service.answer(PUT, &in_parts(content, &parts), &INLINE).as_deref(), Ok(json));
    let turned: Vec<_> = parts.iter().rev().copied().collect();
    assert_eq!(service.answer(PUT, &in_parts(content, &turned), &INLINE).as_deref(), Ok(json));
    let mut all: Vec<_> = parts.iter().map(|part| part_of(*part)).collect();
    all.insert(2, root(content));
    assert_eq!(service.answer(PUT, &joined(&all), &INLINE).as_deref(), Ok(json));
    let encoded = in_parts("<big><x:Include href='cid:a'/></big>", &[]).replace(
        "\r\n--b--",
        "\r\n--b\r\nContent-ID: <a>\r\nContent-Transfer-Encoding: base64\r\n\r\nb25l\r\n--b--",
    );
    assert_eq!(service.answer(PUT, &encoded, &INLINE).as_deref(), Ok(r#"{"big":"b25l"}"#));
    assert_eq!(service.answer(PUT, &in_parts("", &[]), &INLINE).as_deref(), Ok("{}"));
}

#[test]
fn included_parts_stand_beside_the_json_for_whoever_asks() {
    let service = service();
    let content = "<data><x:Include href='cid:a'/></data><big><x:Include href='cid:b'/></big>";
    let text = in_parts(content, &[("nobody", "x"), ("a", "one"), ("b", "t\0o\r\n")]);
    let writer = Writer::new(Boundary::new(1));
    let media = writer.content_type("application/json", pasarela_soap::exchange::ROOT_ID, &[]);
    let out = service.answer(PUT, &text, &Wanted::Beside(writer)).unwrap();
    let related = Related::read(&ContentType::read(&media).unwrap()).unwrap().unwrap();
    let whole = Whole::read(&related, mime::Limits::default(), out.as_bytes()).unwrap();
    assert_eq!(whole.head.media.as_deref(), Some("application/json"));
    assert_eq!(whole.root, br#"{"data":[{"$cid":"a"}],"big":{"$cid":"b"}}"#);
    let parts: Vec<_> =
        whole.parts.iter().map(|(head, bytes)| (head.id.as_deref(), &bytes[..])).collect();
    assert_eq!(parts, [(Some("a"), &b"one"[..]), (Some("b"), b"t\0o\r\n")]);
}

#[test]
fn t50_an_include_that_is_not_the_content_of_bytes_or_has_no_part_is_refused() {
    let service = service();
    let include = "<x:Include href='cid:a'/>";
    let cases = [
        (format!("<note>{include}</note>"), "no element may stand in it"),
        (include.to_owned(), "may not stand here"),
        (format!("<big>{include}{include}</big>"), "all that is in its element"),
        (format!("<big>eA=={include}</big>"), "all that is in its element"),
        (format!("<big>{include}eA==</big>"), "all that is in its element"),
        ("<big><x:Include href='cid:a'><y/></x:Include></big>".to_owned(), "has to be empty"),
        ("<big><x:Include href='http://127.0.0.1/a'/></big>".to_owned(), "is no cid: URL"),
        ("<big><x:Include href='file:///etc/passwd'/></big>".to_owned(), "is no cid: URL"),
        ("<big><x:Include/></big>".to_owned(), "is no cid: URL"),
        ("<big><x:Include href='cid:other'/></big>".to_owned(), "which it has not"),
        (format!("<data>{include}</data><data>{include}</data>"), "is referred to twice"),
        (format!("<data>{include}</data>"), "maxLength"),
    ];
    let long = "x".repeat(65);
    for (content, why) in cases {
        let error = service.answer(PUT, &in_parts(&content, &[("a", &long)]), &INLINE).unwrap_err();
        assert!(error.contains(why), "{content}: {error}");
    }
    let content = format!("<big>{include}</big>");
    let twice = in_parts(&content, &[("a", "1"), ("a", "2")]);
    assert!(service.answer(PUT, &twice, &INLINE).unwrap_err().contains("two parts"));
    let roots = joined(&[root(&content), part_of(("a", "1")), root(&content)]);
    assert!(service.answer(PUT, &roots, &INLINE).unwrap_err().contains("two parts"));
    let cut = in_parts(&content, &[("a", "1")]).replace("\r\n--b--", "");
    assert!(service.answer(PUT, &cut, &INLINE).unwrap_err().contains("cut off"));
}

#[test]
fn l27_bytes_in_json_are_bounded_as_they_come() {
    let service = service();
    let text = in_parts("<big><x:Include href='cid:a'/></big>", &[("a", "123456789")]);
    assert!(service.answer(PUT, &text, &Wanted::Inline(9)).is_ok());
    let error = service.answer(PUT, &text, &Wanted::Inline(8)).unwrap_err();
    assert!(error.contains("more than 8 bytes"), "{error}");
}

#[test]
fn a_large_part_passes_through_in_pieces() {
    let service = service();
    let mut answer =
        Answer::new(&service.plan, &service.messages[PUT], Form::Json, None, &Limits::default())
            .unwrap()
            .in_parts(&related("b", None), Wanted::Inline(u64::MAX));
    let head = in_parts("<big><x:Include href='cid:a'/></big><note>end</note>", &[("a", "")]);
    let (head, tail) = head.split_at(head.len() - "\r\n--b--".len());
    let mut out = Vec::new();
    answer.feed(head.as_bytes(), &mut out).unwrap();
    let piece = vec![b'x'; 60_000];
    let (mut total, mut most) = (0, 0);
    for _ in 0..400 {
        answer.feed(&piece, &mut out).unwrap();
        most = most.max(out.len());
        total += out.len();
        out.clear();
    }
    answer.feed(tail.as_bytes(), &mut out).unwrap();
    answer.finish(&mut out).unwrap();
    assert!(out.ends_with(br#"","note":"end"}"#), "{}", String::from_utf8_lossy(&out));
    assert!(most < 100_000, "{most} bytes were held");
    assert!(total > 31_000_000, "{total}");
}

#[test]
fn attachments_of_the_wsdl_are_members_of_the_json() {
    let service = service();
    let json = r#"{"photo":"aGVsbG8=","name":"n","más":{"$cid":"t"}}"#;
    let parts = Parts { given: given(&[("t", "text")]), ..Parts::default() };
    let (envelope, sent) = service.request(PHOTO, json, parts).unwrap();
    assert!(!envelope.contains("photo") && envelope.contains(">n<"), "{envelope}");
    let sent: Vec<_> =
        sent.iter().map(|(id, _, text)| (id.split('@').next().unwrap(), &text[..])).collect();
    assert_eq!(
        sent,
        [("photo=1.0000000000000000", "hello"), ("m%C3%A1s=2.0000000000000000", "text")]
    );

    let found = r#"{"name":"n","photo":"aGk=","más":"dA=="}"#;
    let by_name = [("m%C3%A1s=7@x", "t"), ("photo=9@x", "hi")];
    let content = "<name>n</name>";
    assert_eq!(service.answer(PHOTO, &in_parts(content, &by_name), &INLINE).as_deref(), Ok(found));
    // Whoever does not name them sends them in order.
    let by_order = [("1", "hi"), ("2", "t")];
    assert_eq!(service.answer(PHOTO, &in_parts(content, &by_order), &INLINE).as_deref(), Ok(found));
    let empty = r#"{"photo":"aGk=","más":"dA=="}"#;
    assert_eq!(service.answer(PHOTO, &in_parts("", &by_order), &INLINE).as_deref(), Ok(empty));
    let missing = service.answer(PHOTO, &in_parts(content, &by_order[..1]), &INLINE).unwrap_err();
    assert!(missing.contains("\"más\""), "{missing}");
    let twice = r#"{"photo":"aGk=","photo":"aGk="}"#;
    assert!(service.request(PHOTO, twice, Parts::default()).is_err());
    assert!(service.request(PUT, json, Parts::default()).unwrap_err().starts_with("json.unknown"));
}

#[test]
fn a_swa_ref_is_the_part_that_it_names() {
    let service = service();
    let (envelope, sent) = service.request(PUT, r#"{"ref":"aGk="}"#, Parts::default()).unwrap();
    assert!(envelope.contains(&format!(">cid:{}<", sent[0].0)), "{envelope}");
    assert_eq!(sent[0].2, "hi");
    let parts = Parts { given: given(&[("a", "x")]), mtom: Some(0), ..Parts::default() };
    let (envelope, sent) = service.request(PUT, r#"{"ref":{"$cid":"a"}}"#, parts).unwrap();
    assert!(envelope.contains(&format!(">cid:{}<", sent[0].0)) && sent[0].2 == "x", "{envelope}");
    let text = in_parts("<ref> cid:a </ref>", &[("a", "hi")]);
    assert_eq!(service.answer(PUT, &text, &INLINE).as_deref(), Ok(r#"{"ref":"aGk="}"#));
    let elsewhere = in_parts("<ref>http://x/</ref>", &[("a", "hi")]);
    assert!(service.answer(PUT, &elsewhere, &INLINE).unwrap_err().contains("is no cid: URL"));
}

#[test]
fn what_is_enclosed_is_read_again() {
    let service = service();
    let put = &service.messages[PUT];
    assert!(put.mtom);
    let sent = [Sent { id: "a@x".to_owned(), media: "a/b".to_owned(), bytes: b"one"[..].into() }];
    for (package, root, kind) in [
        (
            Package::Xop,
            "application/xop+xml; charset=utf-8; type=\"text/xml\"",
            "application/xop+xml",
        ),
        (Package::Attachments, "text/xml; charset=utf-8", "text/xml"),
    ] {
        let mut out = Vec::new();
        let media = put.enclose(package, b"<e/>", &sent, 9, &mut out);
        let related = Related::read(&ContentType::read(&media).unwrap()).unwrap().unwrap();
        assert_eq!(related.root_type.as_deref(), Some(kind));
        let whole = Whole::read(&related, mime::Limits::default(), &out).unwrap();
        assert_eq!((whole.head.media.as_deref(), &whole.root[..]), (Some(root), &b"<e/>"[..]));
        let head = PartHead {
            id: Some("a@x".to_owned()),
            media: Some("a/b".to_owned()),
            encoding: mime::Encoding::Identity,
            location: None,
            ..PartHead::default()
        };
        assert_eq!(whole.parts, [(head, b"one".to_vec())]);
    }
}

#[test]
fn t01_a_whole_message_has_one_root_and_one_part_an_identifier() {
    let read = |start, parts: &[&str]| {
        let text = format!("--b\r\n{}\r\n--b--", parts.join("\r\n--b\r\n"));
        Whole::read(&related("b", start), mime::Limits::default(), text.as_bytes())
    };
    let (a, b) = ("Content-ID: <a>\r\n\r\n1", "Content-ID: <b>\r\n\r\n2");
    assert_eq!(read(None, &[a, b]).unwrap().root, b"1");
    assert_eq!(read(Some("b"), &[a, b]).unwrap().root, b"2");
    assert_eq!(read(Some("c"), &[a, b]).unwrap_err().kind, FaultKind::Message);
    assert!(read(None, &[a, b, b]).unwrap_err().message.contains("\"b\""));
}

#[test]
fn t50_a_message_in_parts_is_held_against_its_contract_with_its_parts() {
    use pasarela_soap::envelope::{Checker, Expected};
    let root = Document { url: "store.wsdl".into(), bytes: WSDL.as_bytes().to_vec() };
    let (catalog, _) = wsdl::import(root, &mut NoDocuments, &Default::default());
    let expected = Expected::request(&catalog.bindings[0].operations[PUT]);
    let check = |content: &str, parts: &[(&str, &str)]| {
        let text = in_parts(content, parts);
        let whole =
            Whole::read(&related("b", Some("root")), mime::Limits::default(), text.as_bytes());
        let whole = whole.unwrap();
        let symbols = &catalog.schemas.symbols;
        let limits = Limits::default();
        let mut reader =
            pasarela_soap::xml::Reader::with(&whole.root, None, symbols, &limits).unwrap();
        let checker = Checker::new(&catalog.schemas, &expected);
        checker.whole_in_parts(&mut reader, &whole).map_err(|refusal| refusal.fault.message)
    };
    let include = "<x:Include href='cid:a'/>";
    let good =
        format!("<data> {include}\n</data><typed kind='k'><x:Include href='cid:b'/></typed>");
    assert_eq!(check(&good, &[("a", "one"), ("b", "two")]), Ok(()));
    let long = "x".repeat(65);
    for (content, part, why) in [
        (format!("<data>{include}</data>"), ("a", &long[..]), "maxLength"),
        (format!("<data>{include}</data>"), ("b", "x"), "no part"),
        (format!("<big>{include}x</big>"), ("a", "x"), "text beside"),
        (format!("<big>eA=={include}</big>"), ("a", "x"), ""),
        (format!("<big>{include}{include}</big>"), ("a", "x"), ""),
        (format!("<data>{include}</data><big>{include}</big>"), ("a", "x"), "twice"),
        (format!("<note>{include}</note>"), ("a", "x"), ""),
        ("<big><x:Include href='http://x/'/></big>".to_owned(), ("a", "x"), "no cid: URL"),
        ("<big><x:Include href='cid:a'>x</x:Include></big>".to_owned(), ("a", "x"), "be empty"),
    ] {
        let said = check(&content, &[part]).unwrap_err();
        assert!(said.contains(why), "{content}: {said}");
    }
}
