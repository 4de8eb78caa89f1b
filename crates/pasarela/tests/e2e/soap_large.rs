//! Requests of the REST face that are too large to be held: they go up while they come in.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pasarela_testkit::{Gateway, RawClient, Response, Upstream};

use crate::gateway;

const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:bulk" targetNamespace="urn:bulk" name="Bulk"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:bulk" elementFormDefault="qualified">
    <xs:element name="Load"><xs:complexType><xs:sequence>
      <xs:element name="id" type="xs:int" minOccurs="0"/><xs:element name="row" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
        <xs:element name="n" type="xs:int"/><xs:element name="s" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="end" type="xs:boolean"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Loaded" type="xs:string"/>
  </xs:schema></types>
  <message name="Load"><part name="body" element="t:Load"/></message>
  <message name="Loaded"><part name="body" element="t:Loaded"/></message>
  <portType name="Bulk"><operation name="Load"><input message="t:Load"/><output message="t:Loaded"/></operation></portType>
  <binding name="Bulk" type="t:Bulk"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Load"><soap:operation soapAction="urn:load"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
  <service name="Bulk"><port name="Bulk" binding="t:Bulk"><soap:address location="http://10.0.0.1/"/></port></service>
</definitions>"#;

const LOADED: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><Loaded xmlns=\"urn:bulk\">all</Loaded></s:Body></s:Envelope>";

fn loaded() -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{LOADED}",
        LOADED.len()
    )
    .into_bytes()
}

fn bulk(upstreams: &[&str], more: &str) -> Gateway {
    let settings = format!("contract: bulk.wsdl\nbody_bytes: 256MiB\n{more}");
    gateway().file("bulk.wsdl", WSDL).api_with("b", upstreams, &settings).start()
}

/// What a service got as a whole: whether in chunks, and the envelope.
type Got = Arc<Mutex<Vec<(bool, String)>>>;

fn service() -> (Upstream, Got) {
    let got = Got::default();
    let kept = Arc::clone(&got);
    let upstream = Upstream::script(move |conn| {
        loop {
            let chunked = conn.head()?.chunked;
            let mut body = Vec::new();
            while let Some(piece) = conn.piece()? {
                body.extend(piece);
            }
            kept.lock().unwrap().push((chunked, String::from_utf8(body).unwrap()));
            conn.write(loaded())?;
        }
    });
    (upstream, got)
}

/// Sends a body in pieces, its length told, and awaits the answer.
fn load(client: &mut RawClient, media: &str, pieces: &[&[u8]]) -> Response {
    begin(client, media, pieces.iter().map(|piece| piece.len()).sum());
    for piece in pieces {
        client.send(piece);
    }
    client.response()
}

fn begin(client: &mut RawClient, media: &str, length: usize) {
    client.patience(Duration::from_secs(60));
    client.send(format!(
        "POST /b/Load HTTP/1.1\r\nHost: test\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n"
    ));
}

const JSON: &str = "application/json";

/// Rows of about so many bytes, a comma behind each.
fn rows(bytes: usize) -> Vec<u8> {
    let row = r#"{"n":1234567,"s":"0123456789 & 0123456789"},"#;
    row.repeat(bytes / row.len()).into_bytes()
}

#[test]
fn a_large_request_goes_up_while_it_comes_in() {
    let (upstream, got) = service();
    let gateway = bulk(&[&upstream.url()], "");
    let mut client = gateway.connect();
    let rows = rows(12 << 20);
    let count = rows.iter().filter(|&&b| b == b'}').count();
    let answer =
        load(&mut client, JSON, &[br#"{"id":7,"row":["#, &rows, br#"{"n":1}],"end":true}"#]);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"$value":"all"}"#));
    let (chunked, text) = got.lock().unwrap().remove(0);
    assert!(chunked, "its length is not known beforehand");
    assert_eq!(text.matches("<ns1:row>").count(), count + 1);
    assert!(text.contains(">0123456789 &amp; 0123456789<"));
    assert!(text.ends_with("<ns1:end>true</ns1:end></ns1:Load></soap:Body></soap:Envelope>\n"));
    // The connection is in step.
    assert_eq!(load(&mut client, JSON, &[br#"{"end":true}"#]).status, 200);
}

#[test]
fn what_can_be_held_has_a_length_and_its_members_in_any_order() {
    let (upstream, got) = service();
    let gateway = bulk(&[&upstream.url()], "");
    for bytes in [100 << 10, 2 << 20] {
        let rows = rows(bytes);
        let parts: [&[u8]; 3] = [br#"{"end":true,"row":["#, &rows, br#"{"n":1}],"id":7}"#];
        let answer = load(&mut gateway.connect(), JSON, &parts);
        assert_eq!(answer.status, 200, "{bytes}: {}", answer.brief());
    }
    for (chunked, text) in got.lock().unwrap().iter() {
        assert!(!chunked);
        assert!(text.contains("<ns1:id>7</ns1:id><ns1:row>"), "the order of the schema");
    }
}

#[test]
fn what_turns_out_wrong_is_told_and_never_whole_at_the_service() {
    for (end, status, code, pointer) in [
        (&br#"{"n":"x"}],"end":true}"#[..], 400, "GW0034", Some("/n")),
        (br#"{"n":1}]}"#, 400, "GW0034", None),
        (br#"{"n":1}],"end":true,"id":7}"#, 400, "GW0034", None),
        (br#"{"n":1}],"end":true}}"#, 400, "GW0034", None),
    ] {
        let (upstream, got) = service();
        let gateway = bulk(&[&upstream.url()], "");
        let rows = rows(8 << 20);
        let mut client = gateway.connect();
        let answer = load(&mut client, JSON, &[br#"{"row":["#, &rows, end]);
        let problem = answer.assert_problem(status, code);
        if let Some(pointer) = pointer {
            assert!(problem["pointer"].as_str().unwrap().ends_with(pointer), "{problem}");
        }
        assert_eq!(upstream.connections(), 1, "the service was asked");
        assert!(got.lock().unwrap().is_empty(), "and never got a whole request");
        let line = &gateway.access_lines(1)[0];
        assert_eq!(
            (&line["status"], &line["problem"]),
            (&status.into(), &"contract_broken".into())
        );
    }
}

#[test]
fn l12_the_bound_on_the_body_holds_while_it_flows() {
    let (upstream, got) = service();
    let settings = "contract: bulk.wsdl\nbody_bytes: 6MiB\n";
    let gateway =
        gateway().file("bulk.wsdl", WSDL).api_with("b", &[&upstream.url()], settings).start();
    let mut client = gateway.connect();
    client.patience(Duration::from_secs(30));
    client.send(format!(
        "POST /b/Load HTTP/1.1\r\nHost: test\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    let rows = rows(8 << 20);
    for piece in [&br#"{"row":["#[..], &rows, br#"{"n":1}],"end":true}"#] {
        // It may be refused before all of it was taken.
        let _ =
            client.try_send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    client.response().assert_problem(413, "GW0013");
    assert!(got.lock().unwrap().is_empty());
}

#[test]
fn f03_a_request_of_which_nothing_went_up_finds_another_server() {
    let (upstream, got) = service();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = bulk(&[&format!("http://{gone}"), &upstream.url()], "");
    let rows = rows(6 << 20);
    for _ in 0..4 {
        let parts: [&[u8]; 3] = [br#"{"row":["#, &rows, br#"{"n":1}],"end":true}"#];
        let answer = load(&mut gateway.connect(), JSON, &parts);
        assert_eq!(answer.status, 200, "{}", answer.brief());
    }
    assert_eq!(got.lock().unwrap().len(), 4);
}

#[test]
fn xml_flows_as_json_does() {
    let (upstream, got) = service();
    let gateway = bulk(&[&upstream.url()], "");
    let rows = "<row><n>1</n><s>0123456789</s></row>".repeat(200_000);
    let open = "<Load xmlns=\"urn:bulk\"><id>7</id>";
    let parts: [&[u8]; 3] = [open.as_bytes(), rows.as_bytes(), b"<end>1</end></Load>"];
    let answer = load(&mut gateway.connect(), "application/xml", &parts);
    assert_eq!(answer.status, 200, "{}", answer.brief());
    let (chunked, text) = got.lock().unwrap().remove(0);
    assert!(chunked && text.contains(&rows) && text.contains(open));
    let wrong: [&[u8]; 3] = [open.as_bytes(), rows.as_bytes(), b"<end>no</end></Load>"];
    let answer = load(&mut gateway.connect(), "application/xml", &wrong);
    answer.assert_problem(400, "GW0034");
}

#[test]
fn a_hundred_megabytes_cost_no_more_than_a_few() {
    let upstream = Upstream::script(|conn| {
        loop {
            conn.head()?;
            while conn.piece()?.is_some() {}
            conn.write(loaded())?;
        }
    });
    let gateway = bulk(&[&upstream.url()], "");
    // Unoptimised, a third of it takes as long as a test may.
    let (piece, count) = (rows(1 << 20), if cfg!(debug_assertions) { 32 } else { 100 });
    let mut client = gateway.connect();
    assert_eq!(load(&mut client, JSON, &[br#"{"end":true}"#]).status, 200);
    let before = gateway.rss();
    let (open, end) = (br#"{"row":["#, br#"{"n":1}],"end":true}"#);
    begin(&mut client, JSON, open.len() + piece.len() * count + end.len());
    client.send(open);
    let mut most = 0;
    for _ in 0..count {
        client.send(&piece);
        most = most.max(gateway.rss().saturating_sub(before));
    }
    client.send(end);
    let answer = client.response();
    assert_eq!(answer.status, 200, "{}", answer.brief());
    println!("{count} MiB of JSON cost {} KiB", most >> 10);
    assert!(most <= 16 << 20, "{count} MiB of JSON cost {most} bytes");
}
