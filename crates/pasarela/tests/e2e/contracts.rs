//! Commands about contracts that come from a service, by the real binary: `lint`.

use std::process::{Command, Output};

use pasarela_testkit::{Authority, Upstream};
use serde_json::Value;

use crate::gateway;

pub(crate) const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:orders" targetNamespace="urn:orders" name="Orders"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema><xs:import namespace="urn:orders" schemaLocation="SCHEMA"/></xs:schema></types>
  <message name="GetOrder"><part name="body" element="t:GetOrder"/></message>
  <message name="Order"><part name="body" element="t:Order"/></message>
  <portType name="Orders"><operation name="GetOrder"><input message="t:GetOrder"/><output message="t:Order"/></operation></portType>
  <binding name="Orders" type="t:Orders"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetOrder"><soap:operation soapAction="urn:get"/><input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  </binding>
  <service name="OrderService"><port name="Orders" binding="t:Orders"><soap:address location="ADDRESS"/></port></service>
</definitions>"#;

pub(crate) const TYPES: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:orders" elementFormDefault="qualified">
  <xs:element name="GetOrder"><xs:complexType><xs:sequence><xs:element name="id" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="Order"><xs:complexType><xs:sequence><xs:element name="total" type="xs:decimal"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"#;

/// What a command printed, and its exit code.
pub(crate) fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn pasarela(args: &[&str]) -> (String, String, Option<i32>) {
    said(&Command::new(env!("CARGO_BIN_EXE_pasarela")).args(args).output().unwrap())
}

/// A service that says what it is: `/orders?wsdl` and what it imports.
fn service(schema: &'static str) -> Upstream {
    Upstream::handle(move |request| {
        let host = request.get("host").unwrap_or_default();
        let page = match &*request.target {
            "/orders?wsdl" => {
                let wsdl = WSDL.replace("SCHEMA", schema);
                wsdl.replace("ADDRESS", &format!("http://{host}/orders"))
            }
            "/types/orders.xsd" => TYPES.to_owned(),
            _ => return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
        };
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()).into()
    })
}

#[test]
fn a_contract_is_judged_in_a_file_and_at_its_url() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.wsdl");
    std::fs::write(&file, WSDL.replace("SCHEMA", "orders.xsd")).unwrap();
    let file = file.to_str().unwrap();
    let (out, _, code) = pasarela(&["lint", file]);
    assert!(out.contains("orders.xsd cannot be read"), "{out}");
    assert_eq!(code, Some(1), "{out}");

    std::fs::write(folder.path().join("orders.xsd"), TYPES).unwrap();
    assert_eq!(pasarela(&["lint", file]).2, Some(0));

    let service = service("types/orders.xsd");
    let url = format!("{}/orders?wsdl", service.url());
    let (out, _, code) = pasarela(&["lint", &url]);
    assert_eq!((&*out, code), (&*format!("{url}: nothing to say\n"), Some(0)));
    assert!(service.violations().is_empty());
}

#[test]
fn what_is_wrong_at_a_url_is_told_in_json_and_by_the_exit_code() {
    let service = service("http://127.0.0.2:1/types.xsd");
    let url = format!("{}/orders?wsdl", service.url());
    let (out, _, code) = pasarela(&["lint", &url, "--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((told["errors"].as_u64(), code), (Some(1), Some(1)));
    let finding = &told["findings"][0];
    assert_eq!(finding["code"], "CF0072");
    assert_eq!(finding["cure"], "Add `--allow-host 127.0.0.2:1` if that is as it should be.");
    // Allowed, it is tried; nobody is there.
    let (out, _, code) = pasarela(&["lint", &url, "--allow-host", "127.0.0.2:1"]);
    assert!(out.contains("error CF0071: "), "{out}");
    assert_eq!(code, Some(1));
}

#[test]
fn strict_takes_warnings_for_errors_and_wrong_use_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rates.yaml");
    std::fs::write(
        &file,
        "openapi: 3.1.0\ninfo: { title: R, version: '1' }\npaths:\n  /rates:\n    get: { responses: { '200': { description: All. } } }\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let (out, _, code) = pasarela(&["lint", file]);
    assert!(out.contains(": OA1: "), "{out}");
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(pasarela(&["lint", "--strict", file]).2, Some(1));
    for wrong in ["/nowhere/at/all.wsdl", "ftp://a.example/x.wsdl", "http://a.example:99999/"] {
        let (out, err, code) = pasarela(&["lint", wrong]);
        assert_eq!((&*out, code), ("", Some(2)), "{wrong}: {err}");
        assert!(err.starts_with(&format!("{wrong} cannot be read: ")), "{err}");
    }
}

#[test]
fn over_https_the_authority_is_the_systems_or_the_one_that_is_given() {
    let authority = Authority::new("of this test");
    let service = service("types/orders.xsd");
    let builder = gateway()
        .listen("tls: 127.0.0.1:0")
        .top("tls:\n  certificates:\n    - { cert: localhost.pem, key: localhost.key }\n");
    authority.issue(&["localhost"]).write(builder.folder(), "localhost");
    let gateway = builder.file("ca.pem", &authority.pem).api("t", &service).start();
    let url = format!("https://localhost:{}/t/orders?wsdl", gateway.address_of("tls").port());
    let (out, _, code) = pasarela(&["lint", &url]);
    assert!(out.contains("error CF0071: ") && code == Some(1), "{out}");
    let ca = gateway.folder().join("ca.pem");
    let (out, _, code) = pasarela(&["lint", &url, "--ca", ca.to_str().unwrap()]);
    assert_eq!((&*out, code), (&*format!("{url}: nothing to say\n"), Some(0)));
    let (_, err, code) = pasarela(&["lint", &url, "--ca", "/nowhere/ca.pem"]);
    assert!(err.contains("/nowhere/ca.pem cannot be read") && code == Some(2), "{err}");
}
