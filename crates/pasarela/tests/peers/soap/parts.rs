//! Bytes beside the envelope among strangers: gSOAP's MTOM, client and service, and Python's email package.

use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};

use super::{
    services::{GSOAP, contract},
    transcoded::transcode,
};
use crate::{
    harness::{Gateway, PYTHON, Running, free_port, have, program, script, succeed, workspace},
    http1::Connection,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// gSOAP's program, compiled.
fn compiled(folder: &std::path::Path) -> PathBuf {
    let build = workspace().join("peers/soap/gsoap/build_files.sh");
    succeed(program("sh").arg(build).arg(folder), Duration::from_secs(120));
    folder.join("files")
}

/// gSOAP's service, and its port.
fn service(files: &std::path::Path) -> (Running, u16) {
    let port = free_port();
    let mut running =
        Running::start(std::process::Command::new(files).args(["server", &port.to_string()]));
    running.accepting(port);
    (running, port)
}

fn large() -> Vec<u8> {
    (0..200_000u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
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

/// What both files are in JSON.
fn files(name: &str) -> Value {
    json!({ "name": name, "data": [base64(b"\0\r\n--=\xff"), base64(&large())] })
}

#[test]
fn soap_gsoap_sends_and_gets_mtom_through_the_gateway() {
    if !have(&GSOAP) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program_of = compiled(folder.path());
    let (_service, port) = service(&program_of);
    let gateway = Gateway::start(&format!(
        "workers: 1\napis:\n  - {{ name: files, version: 1, visibility: public, faces: [soap], contract: \"{}\", \
         upstreams: [\"http://127.0.0.1:{port}/files\"] }}\n",
        contract("files").display()
    ));
    let call = |url: String| {
        succeed(std::process::Command::new(&program_of).args(["client", &url]), PATIENCE)
    };
    let direct = call(format!("http://127.0.0.1:{port}/files"));
    let sum: u64 = large().iter().map(|byte| u64::from(*byte)).sum();
    let expected = format!("Ñandú\n7 429 image/png\n200000 {sum} application/octet-stream");
    assert_eq!(direct, expected);
    assert_eq!(call(format!("http://{}/files/v1/soap", gateway.address)), expected);
}

#[test]
fn soap_gsoap_reads_the_parts_that_we_write_and_we_read_its() {
    if !have(&GSOAP) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_service, port) = service(&compiled(folder.path()));
    let mut message = b"--b\r\nContent-Type: application/json\r\n\r\n\
        {\"data\": [{\"$cid\": \"one\"}, {\"$cid\": \"two\"}], \"name\": \"\xc3\x91and\xc3\xba\"}\r\n\
        --b\r\nContent-ID: <two>\r\n\r\n"
        .to_vec();
    message.extend(large());
    message.extend(b"\r\n--b\r\nContent-ID: <one>\r\n\r\n\0\r\n--=\xff\r\n--b--");
    let request = transcode("files", "Echo", "request", &message).unwrap();
    let split = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = request.split_at(split + 4);
    let mut text = format!(
        "POST /files HTTP/1.1\r\nHost: x\r\nSOAPAction: \"urn:pasarela:peers:files#Echo\"\r\nConnection: close\r\n\
         Content-Length: {}\r\n",
        body.len()
    )
    .into_bytes();
    text.extend_from_slice(head);
    text.extend_from_slice(body);
    let mut connection = Connection::open(SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE);
    connection.send(&text);
    let answer = connection.answer("POST").unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    // It begins with its boundary, and its root is first.
    let json = transcode("files", "Echo", "response", answer.body.trim_ascii_start()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), files("Ñandú"));
}

#[test]
fn soap_pythons_email_package_writes_and_reads_the_same_parts() {
    if !have(&[PYTHON]) {
        return;
    }
    let mail = |words: &[&str], input: &[u8]| {
        let mut running = program(PYTHON)
            .arg(script("mime_mail.py"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        running.stdin.take().unwrap().write_all(input).unwrap();
        let output = running.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}");
        output.stdout
    };
    for kind in ["plain", "base64", "printable", "last"] {
        let json = transcode("files", "Echo", "request", &mail(&["write", kind], b"")).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json, files("Ñandú = 1"), "{kind}");
    }
    let message = b"--b\r\n\r\n{\"name\": \"n\", \"data\": [{\"$cid\": \"i\"}]}\r\n\
        --b\r\nContent-ID: <i>\r\nContent-Type: image/png\r\n\r\nbytes\r\n--b--";
    let written = transcode("files", "Echo", "request", message).unwrap();
    let read: Value = serde_json::from_slice(&mail(&["read"], &written)).unwrap();
    assert_eq!(read[0]["type"], "application/xop+xml");
    assert_eq!(read[1]["type"], "image/png");
    assert_eq!(read[1]["bytes"], base64(b"bytes"));
    assert_eq!(read.as_array().unwrap().len(), 2, "{read}");
}
