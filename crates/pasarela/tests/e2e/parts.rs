//! Bytes beside messages on the REST face: MTOM towards the service, base64 or parts towards the caller.

use pasarela_testkit::{Gateway, Response, Upstream};

use crate::gateway;

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t" name="Files"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns:wsp="http://www.w3.org/ns/ws-policy" xmlns:m="http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization">
  <types><xs:schema targetNamespace="urn:t" elementFormDefault="qualified"><xs:element name="Echo"><xs:complexType><xs:sequence>
    <xs:element name="data" type="xs:base64Binary" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element></xs:schema></types>
  <message name="Echo"><part name="body" element="t:Echo"/></message>
  <portType name="Files"><operation name="Echo"><input message="t:Echo"/><output message="t:Echo"/></operation></portType>
  <binding name="Files" type="t:Files"><wsp:Policy><m:OptimizedMimeSerialization/></wsp:Policy>
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Echo"><soap:operation soapAction="urn:echo"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  </binding>
  <service name="Files"><port name="Files" binding="t:Files"><soap:address location="http://localhost/"/></port></service>
</definitions>"#;

const RELATED: &str = "multipart/related; type=\"application/xop+xml\"; boundary=\"b\"";
const INCLUDE: &str = "<t:data><x:Include xmlns:x=\"http://www.w3.org/2004/08/xop/include\" href=\"cid:1%40x\"/></t:data>";

fn files(upstream: &Upstream, wsdl: &str, settings: &str) -> Gateway {
    gateway()
        .file("files.wsdl", wsdl)
        .api_with(
            "t",
            &[&upstream.url()],
            &format!("contract: files.wsdl\nfaces: [rest, soap]\n{settings}"),
        )
        .start()
}

/// A service that always answers with this content and this part.
fn answering(content: &str, part: &str) -> Upstream {
    let body = format!(
        "--b\r\nContent-Type: application/xop+xml; charset=utf-8; type=\"text/xml\"\r\n\r\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><t:Echo xmlns:t=\"urn:t\">{content}</t:Echo></s:Body></s:Envelope>\r\n\
         --b\r\nContent-ID: <1@x>\r\n\r\n{part}\r\n--b--"
    );
    Upstream::answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {RELATED}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn post(gateway: &Gateway, fields: &str, body: &str) -> Response {
    gateway.connect().ask(format!(
        "POST /t/Echo HTTP/1.1\r\nHost: test\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

const JSON: &str = "Content-Type: application/json";

#[test]
fn base64_in_json_is_a_part_where_the_service_asks_for_mtom() {
    let upstream = answering(&format!("{INCLUDE}<t:data>eA==</t:data>"), "hello");
    let gateway = files(&upstream, WSDL, "");
    let large = "QUJD".repeat(1000);
    let answer = post(&gateway, JSON, &format!("{{\"data\": [\"eA==\", \"{large}\"]}}"));
    assert_eq!(answer.text(), "{\"data\":[\"aGVsbG8=\",\"eA==\"]}", "{}", answer.brief());
    assert_eq!((answer.status, answer.get("content-type")), (200, Some("application/json")));
    let request = upstream.requests().remove(0);
    let media = request.get("content-type").unwrap().to_owned();
    assert!(media.starts_with("multipart/related; type=\"application/xop+xml\""), "{media}");
    assert!(media.contains("start-info=\"text/xml\""), "{media}");
    assert!(request.get("accept").unwrap().contains("multipart/related"));
    let text = String::from_utf8(request.body).unwrap();
    assert!(text.contains(">eA==<") && text.contains("xop:Include"), "{text}");
    assert!(text.contains(&format!("\r\n\r\n{}\r\n--", "ABC".repeat(1000))), "{text}");
}

#[test]
fn parts_beside_json_reach_the_service_and_come_back_beside_json() {
    let upstream = answering(INCLUDE, "h\0\r\n--x");
    let gateway = files(&upstream, WSDL, "");
    let bytes = "\u{1}".repeat(2000);
    let body = format!(
        "--j\r\nContent-Type: application/json\r\n\r\n{{\"data\": [{{\"$cid\": \"i\"}}]}}\r\n--j\r\nContent-ID: <i>\r\nContent-Type: image/png\r\n\r\n{bytes}\r\n--j--"
    );
    let fields = "Content-Type: multipart/related; boundary=j; type=\"application/json\"\r\n\
                  Accept: multipart/related; type=\"application/json\"";
    let answer = post(&gateway, fields, &body);
    assert_eq!(answer.status, 200, "{}", answer.brief());
    let media = answer.get("content-type").unwrap();
    assert!(media.starts_with("multipart/related; type=\"application/json\""), "{media}");
    let text = answer.text();
    assert!(text.contains("{\"data\":[{\"$cid\":\"1@x\"}]}"), "{text}");
    assert!(text.contains("Content-ID: <1@x>\r\n\r\nh\0\r\n--x\r\n--"), "{text}");
    let text = String::from_utf8(upstream.requests().remove(0).body).unwrap();
    assert!(text.contains("Content-Type: image/png") && text.contains(&bytes), "{text}");
    // Bytes that nobody wants beside the JSON stand in it.
    let answer = post(&gateway, fields.split_once("\r\n").unwrap().0, &body);
    assert_eq!(answer.text(), "{\"data\":[\"aAANCi0teA==\"]}", "{}", answer.brief());
}

#[test]
fn a_service_without_mtom_gets_the_bytes_in_its_envelope() {
    let upstream = answering("<t:data>eA==</t:data>", "");
    let wsdl = WSDL.replace("<wsp:Policy><m:OptimizedMimeSerialization/></wsp:Policy>", "");
    let gateway = files(&upstream, &wsdl, "");
    let body = "--j\r\n\r\n{\"data\": [{\"$cid\": \"i\"}]}\r\n--j\r\nContent-ID: <i>\r\n\r\nhello\r\n--j--";
    let answer = post(&gateway, "Content-Type: multipart/related; boundary=j", body);
    assert_eq!(answer.text(), "{\"data\":[\"eA==\"]}", "{}", answer.brief());
    let request = upstream.requests().remove(0);
    assert_eq!(request.get("content-type"), Some("text/xml; charset=utf-8"));
    assert!(String::from_utf8(request.body).unwrap().contains(">aGVsbG8=<"));
    // What the WSDL does not say the owner of the API may.
    for (wsdl, mtom, media) in
        [(wsdl.as_str(), "on", "multipart/related"), (WSDL, "off", "text/xml")]
    {
        let upstream = answering("<t:data>eA==</t:data>", "");
        let gateway = files(&upstream, wsdl, &format!("rest: {{ mtom: {mtom} }}"));
        assert_eq!(post(&gateway, JSON, "{\"data\": [\"eA==\"]}").status, 200);
        let sent = upstream.requests().remove(0);
        assert!(sent.get("content-type").unwrap().starts_with(media), "{mtom}");
    }
}

#[test]
fn t50_parts_that_are_not_what_is_referred_to_are_refused() {
    let upstream = answering("<t:data>eA==</t:data>", "");
    let gateway = files(&upstream, WSDL, "");
    let related = "Content-Type: multipart/related; boundary=j; type=\"application/json\"";
    let json = "--j\r\n\r\n{\"data\": [{\"$cid\": \"i\"}]}\r\n--j\r\nContent-ID: <i>\r\n\r\nhello\r\n--j--";
    for (fields, body, status) in [
        (related, json.replace("<i>", "<k>"), 400),
        (related, json.replace("\r\n--j--", ""), 400),
        (related, json.replace("[{", "[\"eA==\"], \"x\": [{"), 400),
        ("Content-Type: multipart/related; type=\"application/json\"", json.to_owned(), 415),
        ("Content-Type: multipart/related; boundary=j; type=\"text/xml\"", json.to_owned(), 415),
        (JSON, "{\"data\": [{\"$cid\": \"i\"}]}".to_owned(), 400),
    ] {
        let answer = post(&gateway, fields, &body);
        assert_eq!(answer.status, status, "{fields} {body}: {}", answer.brief());
    }
    assert_eq!(upstream.requests().len(), 0);
    for broken in [INCLUDE.replace("1%40x", "other"), INCLUDE.replace("cid:1%40x", "http://x/")] {
        let upstream = answering(&broken, "hello");
        let answer = post(&files(&upstream, WSDL, ""), JSON, "{\"data\": [\"eA==\"]}");
        assert!(answer.status == 502 && answer.text().contains("GW0036"), "{}", answer.brief());
    }
}

#[test]
fn xml_has_the_bytes_in_it() {
    let upstream = answering(&format!("{INCLUDE}<t:data>eA==</t:data>"), "h\0\r\n--x");
    let gateway = files(&upstream, WSDL, "");
    let fields = format!("{JSON}\r\nAccept: application/xml");
    let answer = post(&gateway, &fields, ONE);
    assert_eq!(answer.status, 200, "{}", answer.brief());
    assert_eq!(answer.get("content-type"), Some("application/xml; charset=utf-8"));
    let text = answer.text();
    assert!(text.contains("<t:data>aAANCi0teA==</t:data><t:data>eA==</t:data>"), "{text}");
    assert!(!text.contains("Include") && !text.contains("$cid"), "{text}");
    // What is referred to and is not there, or twice, is no answer in this form either.
    for broken in [INCLUDE.replace("1%40x", "other"), INCLUDE.repeat(2)] {
        let upstream = answering(&broken, "hello");
        let answer = post(&files(&upstream, WSDL, ""), &fields, ONE);
        answer.assert_problem(502, "GW0036");
    }
}

const ONE: &str = "{\"data\": [\"eA==\"]}";

#[test]
fn a_part_that_has_no_place_in_xml_is_told_of() {
    const REF: &str = "http://ws-i.org/profiles/basic/1.1/xsd";
    let types = format!(
        "<types><xs:schema targetNamespace=\"{REF}\"><xs:simpleType name=\"swaRef\"><xs:restriction base=\"xs:anyURI\"/>\
         </xs:simpleType></xs:schema>"
    );
    let wsdl = WSDL
        .replace("name=\"Files\"\n", &format!("name=\"Files\" xmlns:w=\"{REF}\"\n"))
        .replace("<types>", &types)
        .replace("xs:base64Binary", "w:swaRef");
    let upstream = answering("<t:data>cid:1%40x</t:data>", "hello");
    let gateway = files(&upstream, &wsdl, "rest: { mtom: off }");
    let fields = format!("{JSON}\r\nAccept: application/xml");
    let problem = post(&gateway, &fields, ONE).assert_problem(502, "GW0036");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("ask for application/json"), "{problem}");
    let json = post(&gateway, JSON, ONE);
    assert_eq!(json.text(), "{\"data\":[\"aGVsbG8=\"]}", "{}", json.brief());
}

#[test]
fn parts_are_answered_to_whoever_likes_nothing_better() {
    let upstream = answering(INCLUDE, "hello");
    let gateway = files(&upstream, WSDL, "");
    let related = "multipart/related;type=\"application/json\"";
    for (accept, media) in [
        (related.to_owned(), "multipart/related"),
        (format!("application/json, {related}"), "multipart/related"),
        (format!("*/*;q=0.1, {related};q=0.2"), "multipart/related"),
        (format!("application/json, {related};q=0.9"), "application/json"),
        (format!("application/xml, {related};q=0.9, */*;q=0.1"), "application/xml"),
        (format!("application/json;q=0.5, {related};q=0"), "application/json"),
        ("application/json;q=0.5, multipart/related;type=text/xml".to_owned(), "application/json"),
        ("*/*".to_owned(), "application/json"),
    ] {
        let answer = post(&gateway, &format!("{JSON}\r\nAccept: {accept}"), ONE);
        let given = answer.get("content-type").unwrap_or_default();
        assert!(answer.status == 200 && given.starts_with(media), "{accept}: {}", answer.brief());
    }
    for accept in ["multipart/related;type=text/xml", "multipart/related;q=0"] {
        let answer = post(&gateway, &format!("{JSON}\r\nAccept: {accept}"), ONE);
        answer.assert_problem(406, "GW0035");
    }
}

#[test]
fn what_comes_in_its_turn_is_not_held_however_much_it_is() {
    let part = "x".repeat(40 << 20);
    let upstream = answering(INCLUDE, &part);
    let gateway = files(&upstream, WSDL, "");
    assert_eq!(post(&gateway, JSON, ONE).status, 200, "everything is warm");
    let before = gateway.rss();
    let mut client = gateway.connect();
    client.send(format!(
        "POST /t/Echo HTTP/1.1\r\nHost: test\r\n{JSON}\r\nContent-Length: {}\r\n\r\n{ONE}",
        ONE.len()
    ));
    assert_eq!(client.head("POST").status, 200);
    let (mut length, mut most) = (0, 0);
    while let Some(piece) = client.piece() {
        length += piece.len();
        most = most.max(gateway.rss());
    }
    let base64 = (40 << 20) / 3 * 4 + 4;
    assert!(length >= base64 && length < base64 + 100, "{length} of {base64}");
    assert!(most < before + (16 << 20), "{} KiB more", (most - before) >> 10);
}

#[test]
fn a_bound_on_what_is_held_says_what_to_do() {
    let part = "x".repeat(11 << 20);
    let body = format!(
        "--b\r\nContent-ID: <1@x>\r\n\r\n{part}\r\n--b\r\nContent-ID: <r>\r\n\r\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><t:Echo xmlns:t=\"urn:t\">{INCLUDE}</t:Echo>\
         </s:Body></s:Envelope>\r\n--b--"
    );
    let upstream = Upstream::answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {RELATED}; start=\"<r>\"\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let gateway = files(&upstream, WSDL, "");
    let problem = post(&gateway, JSON, ONE).assert_problem(502, "GW0036");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("10485760") && detail.contains("its envelope first"), "{problem}");
}

#[test]
fn an_operation_named_as_a_face_is_has_a_path_of_its_own() {
    let upstream = answering("<t:data>eA==</t:data>", "");
    let wsdl = WSDL.replace("operation name=\"Echo\"", "operation name=\"soap\"");
    let gateway = files(&upstream, &wsdl, "");
    let mut client = gateway.connect();
    let asked = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\n{JSON}\r\nContent-Length: {}\r\n\r\n{ONE}",
            ONE.len()
        )
    };
    assert_eq!(client.ask(asked("/t/Files.soap")).status, 200);
    assert_eq!(client.ask(asked("/t/soap")).status, 500, "a fault of the SOAP face");
    let document = client.get("/t/openapi.json").json();
    assert!(document["paths"]["/Files.soap"]["post"].is_object(), "{document}");
}
