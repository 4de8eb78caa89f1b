//! WS-Security among strangers: zeep (xmlsec), node-soap (xml-crypto), gSOAP, the JDK (Santuario) and signxml prove themselves to
//! the gateway, and spyne behind it gets messages without security headers.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pasarela_testkit::{RawClient, Upstream};

use super::services::{GSOAP, Kind, NODE_SOAP, Service, contract};
use crate::harness::{Gateway, PYTHON, finish, have, program, succeed, workspace};

const PATIENCE: Duration = Duration::from_secs(60);
/// What 1, 2 and 39 add up to.
const SUM: &str = "42";

/// A key with its certificate, in PEM files.
struct Identity {
    key: PathBuf,
    cert: PathBuf,
}

impl Identity {
    fn new(folder: &Path, name: &str, kind: &[&str]) -> Self {
        let (key, cert) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
        let mut command = program("openssl");
        command.args(["req", "-x509", "-nodes", "-days", "30", "-newkey"]).args(kind);
        command.args(["-subj", &format!("/O=ACME, S.A./CN={name}")]);
        command
            .args(["-addext", "keyUsage=digitalSignature", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&cert);
        succeed(&mut command, PATIENCE);
        Self { key, cert }
    }

    fn rsa(folder: &Path) -> Self {
        Self::new(folder, "rsa", &["rsa:2048"])
    }

    fn ec(folder: &Path) -> Self {
        Self::new(folder, "ec", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }
}

/// A gateway in front of a service of the contract `bare`; the one application has a user and certificates.
fn gateway(url: &str, folder: &Path, certificates: &[&Identity], legacy: bool) -> Gateway {
    let password = folder.join("alice.password");
    std::fs::write(&password, "open sesame").unwrap();
    let files: Vec<_> = certificates
        .iter()
        .map(|known| format!("{{ file: \"{}\" }}", known.cert.display()))
        .collect();
    Gateway::start(&format!(
        "workers: 1\nlogs: {{ access: off }}\napis:\n  - {{ name: bare, version: 1, visibility: public, faces: [soap], \
         contract: \"{}\", upstreams: [\"{url}\"], \
         ws_security: {{ terminate: {{ username: any, x509: {{}}, legacy: {legacy} }} }} }}\n\
         applications: [{{ name: caller, users: [{{ name: alice, password: {{ file: \"{}\" }} }}], certificates: [{}] }}]\n",
        contract("bare").display(),
        password.display(),
        files.join(", ")
    ))
}

/// A caller in each of its ways, through the gateway to spyne; and with somebody else's key.
fn proves_itself(ways: &[&str], caller: impl Fn() -> Command) {
    let Some(service) = Service::start(Kind::Spyne) else { return };
    let folder = tempfile::tempdir().unwrap();
    let known = Identity::rsa(folder.path());
    let gateway = gateway(
        &format!("http://127.0.0.1:{}/bare", service.port),
        folder.path(),
        &[&known],
        false,
    );
    let address = format!("http://{}/bare/v1/soap?wsdl", gateway.address);
    let call = |how: &str, who: &Identity| {
        // Some callers' times have no fractions and their ids are fixed: two calls of one second would be one message.
        let into = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_millis();
        std::thread::sleep(Duration::from_millis(u64::from(1_000 - into)));
        let output = finish(caller().args([&address, how]).arg(&who.key).arg(&who.cert), PATIENCE);
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (said, format!("{}\n{}", String::from_utf8_lossy(&output.stderr), gateway.log()))
    };
    for how in ways {
        let (said, log) = call(how, &known);
        assert_eq!(said, SUM, "{how}: {log}");
    }
    let stranger = tempfile::tempdir().unwrap();
    let stranger = Identity::rsa(stranger.path());
    let (said, log) = call("signed", &stranger);
    assert!(said.contains("GW0046") || said.contains("not accepted"), "{said} {log}");
}

fn client(interpreter: &str, name: &str) -> Command {
    let mut command = program(interpreter);
    command
        .arg(workspace().join("peers/soap/clients").join(name))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
fn soap_zeep_proves_itself_by_ws_security() {
    if have(&[PYTHON, "openssl"]) {
        proves_itself(&["digest", "text", "signed", "both"], || client(PYTHON, "zeep_secure.py"));
    }
}

#[test]
fn soap_node_proves_itself_by_ws_security() {
    if have(&["node", NODE_SOAP, "openssl", PYTHON]) {
        proves_itself(&["digest", "text", "signed", "wsu", "both"], || {
            client("node", "node_secure.js")
        });
    }
}

#[test]
fn soap_gsoap_proves_itself_by_ws_security() {
    if !have(&GSOAP) || !have(&["openssl", PYTHON]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let build = workspace().join("peers/soap/gsoap/build_secure.sh");
    succeed(program("sh").arg(build).arg(folder.path()), Duration::from_secs(180));
    let secure = folder.path().join("secure");
    proves_itself(&["digest", "text", "signed", "both"], || Command::new(&secure));
}

/// The service's answer to any message.
const SUMMED: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
                      <b:Sum xmlns:b=\"urn:pasarela:peers:bare\"><b:count>3</b:count><b:sum>42</b:sum></b:Sum></s:Body></s:Envelope>";

/// A service that keeps what it gets.
fn keeper() -> Upstream {
    Upstream::answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{SUMMED}",
        SUMMED.len()
    ))
}

/// Whether all that came has a Body and nothing of security.
fn is_clean(upstream: &Upstream, count: usize) {
    let requests = upstream.requests();
    assert_eq!(requests.len(), count);
    for request in requests {
        let body = String::from_utf8(request.body.clone()).unwrap();
        assert!(body.contains("Body") && body.contains("39"), "{body}");
        assert!(!body.contains(":Security") && !body.contains("Signature"), "{body}");
        assert_eq!(request.get("x-pasarela-application"), Some("caller"));
    }
}

#[test]
fn soap_java_proves_itself_by_ws_security() {
    if !have(&["java", "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let known = Identity::rsa(folder.path());
    let upstream = keeper();
    let gateway = gateway(&upstream.url(), folder.path(), &[&known], false);
    let sign = workspace().join("peers/soap/security/Sign.java");
    let mut command = program("java");
    command.arg(sign).arg(format!("http://{}/bare/v1/soap", gateway.address));
    let output = finish(command.arg(&known.key).arg(&known.cert), PATIENCE);
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(said, SUMMED, "{} {}", String::from_utf8_lossy(&output.stderr), gateway.log());
    is_clean(&upstream, 1);
}

#[test]
fn soap_signatures_of_xmlsec_and_signxml_are_verified_in_all_their_ways() {
    if !have(&[PYTHON, "openssl"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (rsa, ec) = (Identity::rsa(folder.path()), Identity::ec(folder.path()));
    let upstream = keeper();
    let gateway = gateway(&upstream.url(), folder.path(), &[&rsa, &ec], true);
    let body = "<b:Numbers xmlns:b=\"urn:pasarela:peers:bare\"><b:value>1</b:value><b:value>2</b:value><b:value>39</b:value></b:Numbers>";
    let ways = [
        "zeep-token",
        "zeep-token-sha512",
        "zeep-token-sha1",
        "zeep-x509data",
        "xmlsec-rsa384",
        "xmlsec-ecdsa",
        "xmlsec-ski",
        "xmlsec-thumbprint",
        "signxml-rsa",
        "signxml-pss",
        "signxml-ecdsa",
    ];
    for (number, way) in ways.into_iter().enumerate() {
        // The same call in the same second would be the same message.
        let body = body.replace(">1<", &format!(">{number}<"));
        let who = if way.ends_with("ecdsa") { &ec } else { &rsa };
        let mut child = program(PYTHON)
            .arg(workspace().join("peers/soap/security/sign.py"))
            .arg(way)
            .args([&who.key, &who.cert])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{way}");
        let message = String::from_utf8(output.stdout).unwrap();
        let answer = RawClient::connect(gateway.address).ask(format!(
            "POST /bare/v1/soap HTTP/1.1\r\nHost: test\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{message}",
            message.len()
        ));
        assert_eq!(answer.status, 200, "{way}: {}", answer.text());
    }
    is_clean(&upstream, ways.len());
}
