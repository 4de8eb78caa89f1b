//! JSON in, JSON out, a foreign service in between: what `pasarela transcode` makes of a request is sent as it is, and what
//! comes back is transcoded. Every service has to give the same JSON, but for what it is known to lose.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    services::{Kind, Service, contract},
    verdict,
};
use crate::{
    harness::workspace,
    http1::{Connection, show},
};

/// Runs the command on one message.
pub(super) fn transcode(
    name: &str,
    operation: &str,
    message: &str,
    input: &[u8],
) -> Result<Vec<u8>, String> {
    let mut running = Command::new(env!("CARGO_BIN_EXE_pasarela"))
        .arg("transcode")
        .arg("--contract")
        .arg(contract(name))
        .args(["--operation", operation, "--message", message])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Dropped at once: the command reads to the end.
    running.stdin.take().unwrap().write_all(input).unwrap();
    let output = running.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(show(&output.stderr)),
    }
}

/// Sends a request of SOAP 1.1; the status and the envelope that comes back.
fn post(port: u16, name: &str, operation: &str, envelope: &[u8]) -> (u16, Vec<u8>) {
    let mut connection =
        Connection::open(SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(20));
    let mut request = format!(
        "POST /{name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: text/xml; charset=utf-8\r\n\
         SOAPAction: \"urn:pasarela:peers:{name}#{operation}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        envelope.len()
    )
    .into_bytes();
    request.extend_from_slice(envelope);
    connection.send(&request);
    let answer =
        connection.answer("POST").unwrap_or_else(|error| panic!("{name}.{operation}: {error:?}"));
    (answer.status, answer.body)
}

/// Every call that a service can answer, as lines of what was lost.
fn losses(service: &Service) -> String {
    let text = std::fs::read_to_string(workspace().join("peers/soap/transcoded.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let (mut calls, mut losses) = (0, Vec::new());
    for case in &cases {
        let (call, operation) =
            (case["call"].as_str().unwrap(), case["operation"].as_str().unwrap());
        let name = call.split('.').next().unwrap();
        if !service.kind.contracts().contains(&name) {
            continue;
        }
        calls += 1;
        let request = transcode(name, operation, "request", case["request"].to_string().as_bytes());
        let request = request.unwrap_or_else(|said| panic!("{call}: the request: {said}"));
        let (status, answer) = post(service.port, name, operation, &request);
        let (message, wanted) = match case.get("fault") {
            Some(fault) => ("fault", fault),
            None => ("response", &case["response"]),
        };
        let said = || format!("{call} of {:?}: {status} {}", service.kind, show(&answer));
        // Nothing is inferred from the status: node-soap sends its faults with 200.
        assert!(status == 200 || message == "fault" && status == 500, "{}", said());
        match transcode(name, operation, message, &answer) {
            Ok(json) => {
                let json = serde_json::from_slice(&json).unwrap();
                verdict::differences("", wanted, &json, &mut |place, what| {
                    losses.push(format!("  {call}{place}: {what}\n"));
                });
            }
            // What is refused is not what the contract says; who is right has to be looked at once.
            Err(refused) => {
                losses.push(format!("  {call}: refused: {}\n", refused.trim_end_matches("\\n")))
            }
        }
    }
    losses.sort();
    let kind = format!("{:?}", service.kind).to_lowercase();
    format!("{kind}: {calls} calls\n{}", losses.concat())
}

#[test]
fn soap_services_give_equal_json() {
    let all = [Kind::Spyne, Kind::Php, Kind::Node, Kind::Gsoap, Kind::Lite];
    let services: Vec<_> = all.into_iter().filter_map(Service::start).collect();
    if services.len() < all.len() {
        return;
    }
    let lines: String = services.iter().map(losses).collect();
    verdict::is_known("transcoded", &lines);
}
