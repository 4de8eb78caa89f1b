//! SOAP through the gateway: what a message is for is read off the message.

use pasarela_testkit::{Gateway, H2Client, Response, Upstream, eventually, seconds};

use crate::gateway;

const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const V12: &str = "http://www.w3.org/2003/05/soap-envelope";
const WSA: &str = "http://www.w3.org/2005/08/addressing";

pub(crate) const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t" name="Parcels"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:t"><xs:element name="Track" type="xs:string"/><xs:element name="Cancel" type="xs:string"/></xs:schema></types>
  <message name="Track"><part name="body" element="t:Track"/></message>
  <message name="Cancel"><part name="body" element="t:Cancel"/></message>
  <portType name="Parcels">
    <operation name="Track"><input message="t:Track"/><output message="t:Track"/></operation>
    <operation name="Cancel"><input message="t:Cancel"/><output message="t:Cancel"/></operation>
  </portType>
  <binding name="Parcels" type="t:Parcels">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Track"><soap:operation soapAction="urn:track"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
    <operation name="Cancel"><soap:operation soapAction="urn:cancel"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  </binding>
  <service name="Parcels"><port name="Parcels" binding="t:Parcels"><soap:address location="http://localhost/"/></port></service>
</definitions>"#;

fn parcels(upstream: &Upstream) -> Gateway {
    gateway()
        .file("parcels.wsdl", WSDL)
        .api_with("t", &[&upstream.url()], "contract: parcels.wsdl\nfaces: [soap]")
        .start()
}

fn envelope(version: &str, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{version}\"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn post(gateway: &Gateway, fields: &str, body: &str) -> Response {
    gateway.connect().ask(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

const TEXT: &str = "Content-Type: text/xml; charset=utf-8";
const TRACK: &str = "<t:Track xmlns:t=\"urn:t\">42</t:Track>";

#[test]
fn a_call_is_named_by_its_body_and_goes_on_as_it_came() {
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let body = envelope(V11, "", &format!("{TRACK}<!-- {} -->", "x".repeat(200_000)));
    for fields in [TEXT.to_owned(), format!("{TEXT}\r\nSOAPAction: \"urn:track\"")] {
        assert_eq!(post(&gateway, &fields, &body).status, 200);
    }
    let mut client = gateway.connect();
    client.send(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\n{TEXT}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    for piece in body.as_bytes().chunks(7_000) {
        client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    assert_eq!(client.send("0\r\n\r\n").response().status, 200);
    for request in upstream.requests() {
        assert_eq!(request.length, body.len() as u64, "{}", request.text());
    }
    let lines = gateway.access_lines(3);
    assert!(lines.iter().all(|line| line["operation"] == "Track"), "{lines:?}");
}

#[test]
fn t49_what_contradicts_the_body_is_refused_before_the_service_sees_it() {
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let wsa = |action: &str| format!("<a:Action xmlns:a=\"{WSA}\">{action}</a:Action>");
    let soap12 = |action: &str| format!("Content-Type: application/soap+xml; action=\"{action}\"");
    let cases = [
        (format!("{TEXT}\r\nSOAPAction: \"urn:cancel\""), envelope(V11, "", TRACK)),
        (format!("{TEXT}\r\nSOAPAction: urn:cancel"), envelope(V11, "", TRACK)),
        (format!("{TEXT}\r\nSOAPAction: \"urn:nothing\""), envelope(V11, "", TRACK)),
        (TEXT.to_owned(), envelope(V11, &wsa("urn:cancel"), TRACK)),
        (format!("{TEXT}\r\nSOAPAction: \"urn:track\""), envelope(V11, &wsa("urn:cancel"), TRACK)),
        (soap12("urn:cancel"), envelope(V12, "", TRACK)),
        (
            format!("{}\r\nSOAPAction: \"urn:cancel\"", soap12("urn:track")),
            envelope(V12, "", TRACK),
        ),
        (
            format!("{TEXT}\r\nSOAPAction: \"urn:track\"\r\nSOAPAction: \"urn:cancel\""),
            envelope(V11, "", TRACK),
        ),
    ];
    for (fields, body) in cases {
        let answer = post(&gateway, &fields, &body);
        assert!(answer.text().contains("GW0032"), "{fields}: {}", answer.brief());
        assert!(answer.text().contains("Fault"), "{}", answer.brief());
    }
    let unknown = post(&gateway, TEXT, &envelope(V11, "", "<Track/>"));
    assert!(unknown.text().contains("GW0002"), "{}", unknown.brief());
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_message_may_not_have_its_answer_sent_elsewhere() {
    const WSA2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let anonymous = [format!("{WSA}/anonymous"), format!("{WSA2004}/role/anonymous")];
    let mut passed = 0;
    for (namespace, own) in [(WSA, &anonymous[0]), (WSA2004, &anonymous[1])] {
        for block in ["ReplyTo", "FaultTo", "From"] {
            for (address, status) in [
                (own.as_str(), 200),
                ("http://www.w3.org/2005/08/addressing/none", 200),
                ("http://169.254.169.254/latest", 500),
                ("mailto:somebody@example.org", 500),
            ] {
                let header = format!(
                    "<a:{block} xmlns:a=\"{namespace}\"><a:Address> {address}\n</a:Address></a:{block}>"
                );
                let answer = post(&gateway, TEXT, &envelope(V11, &header, TRACK));
                assert_eq!(answer.status, status, "{header}");
                assert_eq!(answer.text().contains("GW0040"), status == 500, "{}", answer.text());
                passed += usize::from(status == 200);
            }
        }
    }
    assert_eq!(upstream.requests().len(), passed, "the service saw none of the others");
}

#[test]
fn an_answer_may_go_where_the_owner_lets_it() {
    let upstream = Upstream::ok("<done/>");
    let allowed = "[\"https://partner.example/replies/\", \"mailto:soap@partner.example\"]";
    let settings = format!("contract: parcels.wsdl\nreply_to: {allowed}");
    let gateway =
        gateway().file("parcels.wsdl", WSDL).api_with("t", &[&upstream.url()], &settings).start();
    for (address, status) in [
        ("https://partner.example/replies/7", 200),
        ("mailto:soap@partner.example", 200),
        ("https://partner.example/replies/../admin", 500),
        ("https://partner.example.evil.example/replies/7", 500),
        ("https://partner.example/other", 500),
        ("mailto:soap@partner.example.evil.example", 500),
    ] {
        let header =
            format!("<a:ReplyTo xmlns:a=\"{WSA}\"><a:Address>{address}</a:Address></a:ReplyTo>");
        let answer = post(&gateway, TEXT, &envelope(V11, &header, TRACK));
        assert_eq!(answer.status, status, "{address}");
    }
}

#[test]
fn what_is_not_soap_is_answered_in_the_version_it_speaks() {
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let refused = |fields: &str, body: &str, code: &str, holds: &str| {
        let answer = post(&gateway, fields, body);
        let text = answer.text();
        assert!(text.contains(code) && text.contains(holds), "{body}: {}", answer.brief());
        answer.status
    };
    let doctype = format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{}", envelope(V11, "", TRACK));
    assert_eq!(refused(TEXT, &doctype, "GW0031", "soap:Client"), 500);
    refused(TEXT, "{\"json\": true}", "GW0031", V11);
    refused(TEXT, "", "GW0031", V11);
    refused(TEXT, &envelope(V11, "", "")[..60], "GW0031", V11);
    // The envelope's own version counts, whatever the media type says.
    assert_eq!(refused(TEXT, &envelope(V12, "", "<No/>"), "GW0002", V12), 400);
    let version = envelope("http://www.w3.org/2099/soap", "", TRACK);
    assert_eq!(refused(TEXT, &version, "GW0033", "VersionMismatch"), 500);
    let gzip = format!("{TEXT}\r\nContent-Encoding: gzip");
    refused(&gzip, &envelope(V11, "", TRACK), "GW0030", V11);
    refused("Content-Type: text/xml; charset=utf-7", &envelope(V11, "", TRACK), "GW0030", V11);
    assert_eq!(upstream.requests().len(), 0);
}

/// A message in parts, its root a call of `Track`; the head of the root says more.
fn in_parts(boundary: &str, root_first: bool, more: &str, root: &str) -> String {
    let root =
        format!("Content-Type: application/xop+xml\r\nContent-ID: <root@x>\r\n{more}\r\n{root}");
    let other = "Content-Type: image/png\r\nContent-ID: <1@x>\r\n\r\n\u{0}<not/>".to_owned();
    let parts = if root_first { [root, other] } else { [other, root] };
    format!("--{boundary}\r\n{}\r\n--{boundary} \r\n{}\r\n--{boundary}--\r\n", parts[0], parts[1])
}

#[test]
fn a_message_with_attachments_is_read_in_its_root_part_and_goes_on_as_it_came() {
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let envelope = envelope(V11, "", TRACK);
    let encoded = base64(envelope.as_bytes());
    let related = "Content-Type: multipart/related; type=\"application/xop+xml\"";
    let senders = [
        (format!("{related}; boundary=b; start=\"<root@x>\""), in_parts("b", true, "", &envelope)),
        (format!("{related}; boundary=\"b\""), in_parts("b", true, "", &envelope)),
        // The boundaries of Java, gSOAP and Python.
        (
            format!("{related}; boundary=----=_Part_0_1.2"),
            in_parts("----=_Part_0_1.2", true, "", &envelope),
        ),
        (
            format!("{related}; boundary=\"==a/b:c+d==\"; start=root@x"),
            in_parts("==a/b:c+d==", true, "", &envelope),
        ),
        // The root need not be first, nor plain.
        (format!("{related}; boundary=b; start=\"<root@x>\""), in_parts("b", false, "", &envelope)),
        (
            format!("{related}; boundary=b"),
            in_parts("b", true, "Content-Transfer-Encoding: base64\r\n", &encoded),
        ),
    ];
    for (fields, body) in &senders {
        let answer = post(&gateway, fields, body);
        assert_eq!(answer.status, 200, "{fields}: {}", answer.brief());
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), senders.len());
    for (request, (_, body)) in requests.iter().zip(&senders) {
        assert!(request.body == body.as_bytes(), "byte for byte: {}", request.text());
    }
    let lines = gateway.access_lines(senders.len());
    assert!(lines.iter().all(|line| line["operation"] == "Track"), "{lines:?}");
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().enumerate().fold(0, |all, (at, b)| all | u32::from(*b) << (16 - 8 * at));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) as usize & 63;
            out.push(if at <= three.len() { ALPHABET[index] as char } else { '=' });
        }
    }
    out
}

#[test]
fn t49_a_message_in_parts_whose_root_can_be_read_in_two_ways_is_refused() {
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let related = |rest: &str| format!("Content-Type: multipart/related; type=\"text/xml\"{rest}");
    let envelope = envelope(V11, "", TRACK);
    let good = in_parts("b", true, "", &envelope);
    let cases = [
        (related(""), good.clone(), "GW0030"),
        (related("; boundary=\"b \""), good.clone(), "GW0030"),
        (related("; boundary=b; boundary=c"), good.clone(), "GW0032"),
        (related("; boundary=c"), good.clone(), "GW0031"),
        // The part that start names is an image.
        (related("; boundary=b; start=\"<1@x>\""), good.clone(), "GW0030"),
        (related("; boundary=b; start=\"<2@x>\""), good.clone(), "GW0031"),
        (
            related("; boundary=b; start=\"<root@x>\""),
            in_parts("b", false, "", &envelope).replace("--b \r\n", "--bb\r\n"),
            "GW0031",
        ),
        (related("; boundary=b"), good.replace("\r\n", "\n"), "GW0031"),
        (
            related("; boundary=b"),
            in_parts("b", true, "Content-ID: <2@x>\r\n", &envelope),
            "GW0031",
        ),
        (
            related("; boundary=b"),
            in_parts("b", true, "Content-Transfer-Encoding: x-uuencode\r\n", &envelope),
            "GW0031",
        ),
        (
            related("; boundary=b"),
            in_parts("b", true, "", &envelope[..envelope.len() / 4]),
            "GW0031",
        ),
    ];
    for (fields, body, code) in cases {
        let answer = post(&gateway, &fields, &body);
        assert!(answer.text().contains(code), "{fields}\n{body}: {}", answer.brief());
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn t49_a_second_root_does_not_go_by_unread() {
    let upstream = Upstream::script(|conn| {
        loop {
            conn.request()?;
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        }
    });
    let gateway = parcels(&upstream);
    let cancel = envelope(V11, "", "<t:Cancel xmlns:t=\"urn:t\">42</t:Cancel>");
    let root = |envelope: &str| format!("Content-ID: <root@x>\r\n\r\n{envelope}");
    for (start, size) in [("", 10), ("; start=\"<root@x>\"", 10), ("", 3 << 20)] {
        let between = format!("Content-ID: <1@x>\r\n\r\n{}", "x".repeat(size));
        let with = |last: &str| {
            let first = root(&envelope(V11, "", TRACK));
            format!("--b\r\n{first}\r\n--b\r\n{between}\r\n--b\r\n{last}\r\n--b--\r\n")
        };
        let fields =
            format!("Content-Type: multipart/related; type=\"text/xml\"; boundary=b{start}");
        let answer = post(&gateway, &fields, &with(&root(&cancel)));
        assert!(answer.text().contains("GW0031"), "{size}: {}", answer.brief());
        assert!(answer.text().contains("the identifier of its root"), "{}", answer.brief());
        assert_eq!(upstream.requests().len(), 0, "no service got it as a whole");
        assert_eq!(gateway.access_lines(1)[0]["problem"], "soap_invalid");
    }
    let fields = "Content-Type: multipart/related; type=\"text/xml\"; boundary=b";
    let others = "Content-ID: <2@x>\r\n\r\ny";
    let first = root(&envelope(V11, "", TRACK));
    let body = format!("--b\r\n{first}\r\n--b\r\n{others}\r\n--b\r\n{others}\r\n--b--\r\n");
    assert_eq!(post(&gateway, fields, &body).status, 200);
}

#[test]
fn t04_a_caller_that_waits_is_told_to_go_on_before_its_message_is_read() {
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let body = envelope(V11, "", TRACK);
    let mut client = gateway.connect();
    client.send(format!(
        "POST /t/soap HTTP/1.1\r\nHost: test\r\n{TEXT}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(client.one_head().status, 100);
    assert_eq!(client.send(&body).response().status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_call_over_http2_is_told_by_its_body_too() {
    let upstream = Upstream::ok("<done/>");
    let gateway = parcels(&upstream);
    let body = envelope(V11, &format!("<!-- {} -->", "x".repeat(80_000)), TRACK);
    let mut h2 = gateway.connect_h2();
    let stream = h2.next_stream();
    let block = H2Client::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/t/soap"),
        ("content-type", "text/xml"),
    ]);
    h2.headers(stream, &block, false).expect("a request");
    // What fits the stream's first window in one go; the rest as the gateway reads.
    for (index, piece) in body.as_bytes().chunks(16_000).enumerate() {
        h2.pump(seconds(1), |_| index < 4);
        h2.data(stream, piece, false).expect("a piece");
    }
    h2.data(stream, b"", true).expect("the end");
    let answer = h2.outcome(stream, seconds(10));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.requests()[0].length, body.len() as u64);
    assert_eq!(gateway.access_lines(1)[0]["operation"], "Track");
}

/// A gateway that holds messages against the contract.
fn judging(upstream: &Upstream, validate: &str) -> Gateway {
    let settings = format!("contract: parcels.wsdl\nfaces: [soap]\nvalidate: {validate}");
    gateway().file("parcels.wsdl", WSDL).api_with("t", &[&upstream.url()], &settings).start()
}

/// What is counted of messages that are not what the contract says: a moment later than the caller has its answer.
fn invalid_messages(gateway: &Gateway, expected: usize) -> Vec<String> {
    let mut counted = Vec::new();
    eventually(seconds(5), || {
        let metrics = gateway.console("/metrics").text();
        counted = metrics
            .lines()
            .filter(|line| line.starts_with("pasarela_messages_invalid_total{"))
            .map(str::to_owned)
            .collect();
        counted.len() >= expected
    });
    counted
}

fn answering(status: u16, body: &str) -> Upstream {
    let length = body.len();
    Upstream::answer(format!(
        "HTTP/1.1 {status} Told\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

const WRONG: &str = "<t:Track xmlns:t=\"urn:t\"><more/></t:Track>";

#[test]
fn a_request_that_is_not_what_the_contract_says_is_stopped_where_that_is_enforced() {
    let upstream = Upstream::ok("<done/>");
    for (validate, passes) in [("{ requests: enforce }", false), ("{ requests: report }", true)] {
        let gateway = judging(&upstream, validate);
        let before = upstream.requests().len();
        let good = envelope(V11, "", TRACK);
        assert_eq!(post(&gateway, TEXT, &good).status, 200);
        let answer = post(&gateway, TEXT, &envelope(V11, "", WRONG));
        assert_eq!(answer.status, if passes { 200 } else { 500 });
        if !passes {
            let text = answer.text();
            for part in ["soap:Client", "GW0034", "cvc-type.3.1.2", "/s:Envelope/s:Body/t:Track"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
        assert_eq!(upstream.requests().len() - before, if passes { 2 } else { 1 });
        let counted = invalid_messages(&gateway, 1);
        assert!(
            counted.len() == 1 && counted[0].ends_with("direction=\"request\"} 1"),
            "{counted:?}"
        );
    }
}

#[test]
fn an_attachment_changes_nothing_about_what_is_looked_at() {
    let upstream = Upstream::ok("<done/>");
    let gateway = judging(&upstream, "{ requests: enforce }");
    let parts = |body: &str| {
        format!(
            "--b\r\nContent-Id: <root>\r\nContent-Type: text/xml\r\n\r\n{}\r\n--b\r\nContent-Id: <x>\r\n\r\n\u{0}\r\n--b--\r\n",
            envelope(V11, "", body)
        )
    };
    let fields = "Content-Type: multipart/related; boundary=b; type=\"text/xml\"; start=\"<root>\"";
    assert_eq!(post(&gateway, fields, &parts(TRACK)).status, 200);
    let refused = post(&gateway, fields, &parts(WRONG));
    assert!(refused.status == 500 && refused.text().contains("GW0034"), "{}", refused.text());
}

#[test]
fn an_answer_that_is_not_what_the_contract_says_is_replaced_where_that_is_enforced() {
    let good = envelope(V11, "", TRACK);
    let fault = envelope(
        V11,
        "",
        "<s:Fault><faultcode>s:Server</faultcode><faultstring>no</faultstring></s:Fault>",
    );
    let cases = [
        (200, good.clone(), true),
        (500, fault, true),
        (200, envelope(V11, "", WRONG), false),
        (200, "<html>it works</html>".to_owned(), false),
        (500, "java.lang.NullPointerException".to_owned(), false),
        (200, String::new(), false),
        (200, good[..good.len() - 3].to_owned(), false),
        // What no SOAP is due in is not ours to judge.
        (503, "try later".to_owned(), true),
    ];
    for (status, body, fine) in cases {
        let upstream = answering(status, &body);
        let enforcing = judging(&upstream, "{ answers: enforce }");
        let answer = post(&enforcing, TEXT, &envelope(V11, "", TRACK));
        if fine {
            assert_eq!((answer.status, answer.text()), (status, body.clone()));
        } else {
            let text = answer.text();
            assert!(answer.status == 500 && text.contains("GW0036"), "{body}: {text}");
            assert!(!text.contains("cvc") && !text.contains("Null"), "{text}");
            let line = &enforcing.access_lines(1)[0];
            assert_eq!(
                (&line["status"], &line["problem"]),
                (&500.into(), &"service_broken".into())
            );
        }
        let reporting = judging(&upstream, "{ answers: report }");
        let answer = post(&reporting, TEXT, &envelope(V11, "", TRACK));
        assert_eq!((answer.status, answer.text()), (status, body));
        let expected = usize::from(!fine);
        assert_eq!(invalid_messages(&reporting, expected).len(), expected);
    }
}

#[test]
fn a_long_answer_that_goes_wrong_is_never_made_whole() {
    let filler = "x".repeat(300_000);
    for (end, fine) in [("</t:Track>", true), ("<more/></t:Track>", false)] {
        let body = envelope(V11, "", &format!("<t:Track xmlns:t=\"urn:t\">{filler}{end}"));
        let upstream = answering(200, &body);
        let gateway = judging(&upstream, "enforce");
        let question = envelope(V11, "", TRACK);
        let mut client = gateway.connect();
        client.send(format!(
            "POST /t/soap HTTP/1.1\r\nHost: test\r\n{TEXT}\r\nContent-Length: {}\r\n\r\n{question}",
            question.len()
        ));
        match fine {
            true => assert_eq!(client.response().text(), body),
            false => assert!(client.try_response("POST").is_err(), "a broken answer came whole"),
        }
    }
}

#[test]
fn messages_with_mtom_are_held_against_the_contract_as_what_they_stand_for() {
    let wsdl = WSDL.replace(
        "<xs:element name=\"Track\" type=\"xs:string\"/>",
        "<xs:element name=\"Track\"><xs:simpleType><xs:restriction base=\"xs:base64Binary\"><xs:maxLength value=\"8\"/></xs:restriction></xs:simpleType></xs:element>",
    );
    let track = |href: &str| {
        let include = "<x:Include xmlns:x=\"http://www.w3.org/2004/08/xop/include\" href=";
        envelope(V11, "", &format!("<t:Track xmlns:t=\"urn:t\">{include}\"{href}\"/></t:Track>"))
    };
    let related = "Content-Type: multipart/related; type=\"application/xop+xml\"; boundary=b; start=\"<root@x>\"";
    let good = in_parts("b", false, "", &track("cid:1@x"));
    let upstream = Upstream::answer(format!(
        "HTTP/1.1 200 OK\r\n{related}\r\nContent-Length: {}\r\n\r\n{good}",
        good.len()
    ));
    let settings = "contract: parcels.wsdl\nfaces: [soap]\nvalidate: enforce";
    let gateway =
        crate::gateway().file("parcels.wsdl", &wsdl).api_with("t", &[&upstream.url()], settings);
    let gateway = gateway.start();
    let answer = post(&gateway, related, &good);
    assert_eq!((answer.status, answer.text()), (200, good.clone()), "{}", answer.brief());
    assert_eq!(upstream.requests()[0].body, good.as_bytes());
    for (body, why) in [
        (good.replace("<not/>", "<not at all/>"), "maxLength"),
        (in_parts("b", true, "", &track("cid:2@x")), "no part has"),
        (in_parts("b", true, "", &track("http://127.0.0.1/1")), "no cid: URL"),
        (good.replace("\r\n--b--", ""), "final boundary"),
        (good.replace("<1@x>", "<root@x>"), ""),
    ] {
        let answer = post(&gateway, related, &body);
        let text = answer.text();
        assert!(answer.status == 500 && text.contains(why), "{why}: {}", answer.brief());
    }
    assert_eq!(upstream.requests().len(), 1);
}
