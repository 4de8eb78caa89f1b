//! REST callers of foreign SOAP services: JSON to the gateway, whatever toolkit stands behind it. Every service has to give the
//! same JSON as `pasarela transcode` makes of its answers, a typed problem for its faults, and nothing for a message
//! without an answer; and all of it has to be what the OpenAPI document at the same address says.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    KEY, in_front_of,
    services::{Kind, Service},
    verdict,
};
use crate::{
    harness::{Gateway, PYTHON, have, program, script, workspace},
    http1::{Answer, Connection, show},
};

fn ask(gateway: &Gateway, method: &str, path: &str, body: &str) -> Answer {
    let address: SocketAddr = gateway.address;
    let mut connection = Connection::open(address, Duration::from_secs(20));
    connection.send(
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    connection.answer(method).unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
}

/// The schema of an operation's answer of this status, with what it refers to.
fn schema(document: &Value, operation: &str, status: &str) -> Option<Value> {
    let answer = &document["paths"][format!("/{operation}")]["post"]["responses"][status];
    let content = answer["content"].as_object()?.values().next()?;
    let mut schema = content["schema"].clone();
    schema.as_object_mut()?.insert("components".to_owned(), document["components"].clone());
    Some(schema)
}

/// Every call that a service can answer, as lines of what was lost; instances of the published schemas go to `judged`.
fn losses(service: &Service, judged: &mut Vec<Value>) -> String {
    losses_of(&in_front_of(service), service, judged)
}

/// The same through a gateway that has an API for each of its contracts.
pub(super) fn losses_of(gateway: &Gateway, service: &Service, judged: &mut Vec<Value>) -> String {
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
        let document = ask(gateway, "GET", &format!("/{name}/v1/openapi.json"), "");
        let document: Value = serde_json::from_slice(&document.body).unwrap();
        let path = format!("/{name}/v1/{operation}");
        // Headers of SOAP are a member beside the body's own.
        let with = |message: &str| {
            let mut value = case[message].clone();
            if let (Some(headers), Some(object)) =
                (case["headers"].get(message), value.as_object_mut())
            {
                object.insert("$headers".to_owned(), headers.clone());
            }
            value
        };
        let answer = ask(gateway, "POST", &path, &with("request").to_string());
        let said =
            format!("{call} of {:?}: {} {}", service.kind, answer.status, show(&answer.body));
        let found: Value =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{said}"));
        let fault = case.get("fault");
        let status = answer.status.to_string();
        let response = with("response");
        let (wanted, told) = match fault {
            Some(fault) => {
                assert!((400..=500).contains(&answer.status), "{said}");
                assert_eq!(answer.header("content-type"), Some(&b"application/problem+json"[..]));
                (fault, &found["details"])
            }
            None if answer.status == 200 => (&response, &found),
            // What is refused is not what the contract says; who is right was looked at once.
            None => {
                assert_eq!(found["code"], "GW0036", "{said}");
                losses.push(format!("  {call}: refused\n"));
                continue;
            }
        };
        if let Some(schema) = schema(&document, operation, &status) {
            judged.push(json!({ "schema": schema, "instance": found, "said": said }));
        } else {
            losses.push(format!("  {call}: the status {status} is not in the document\n"));
        }
        verdict::differences("", wanted, told, &mut |place, what| {
            losses.push(format!("  {call}{place}: {what}\n"));
        });
    }
    if service.kind.contracts().contains(&"orders") {
        calls += 1;
        let before = service.notices();
        let told = ask(gateway, "POST", "/orders/v1/Notify", "{\"id\": 7, \"status\": \"paid\"}");
        assert_eq!((told.status, told.body.len()), (202, 0), "{:?}", service.kind);
        // What a service prints comes through a pipe.
        let patience = Instant::now() + Duration::from_secs(5);
        while service.notices() == before && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(service.notices(), before + 1, "{:?}", service.kind);
    }
    losses.sort();
    let kind = format!("{:?}", service.kind).to_lowercase();
    format!("{kind}: {calls} calls\n{}", losses.concat())
}

/// What the published schemas do not take.
fn misfits(judged: &[Value]) -> Vec<String> {
    let mut judge = program(PYTHON)
        .arg(script("openapi_judge.py"))
        .arg("instances")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = judged.iter().map(|one| format!("{one}\n")).collect();
    judge.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "the judge fell over");
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().count(), judged.len());
    let wrong = verdicts.lines().zip(judged).filter(|(verdict, _)| !verdict.is_empty());
    wrong.map(|(verdict, one)| format!("{}: {verdict}", one["said"])).collect()
}

#[test]
fn rest_callers_are_served_by_every_soap_service() {
    let all = [Kind::Spyne, Kind::Php, Kind::Node, Kind::Gsoap, Kind::Lite];
    let services: Vec<_> = all.into_iter().filter_map(Service::start).collect();
    if services.len() < all.len() || !have(&[PYTHON]) {
        return;
    }
    let mut judged = Vec::new();
    let lines: String = services.iter().map(|service| losses(service, &mut judged)).collect();
    let misfits = misfits(&judged);
    assert!(misfits.is_empty(), "{misfits:#?}");
    verdict::is_known("rest", &lines);
}
