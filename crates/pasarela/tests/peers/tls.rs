//! TLS as others judge it (T57): sslyze against Mozilla's intermediate profile, and OpenSSL by hand.

use std::time::Duration;

use crate::{
    harness::{Gateway, PYTHON, finish, have, one_api, program, succeed},
    zoo_servers::{Kind, Server},
};

fn start() -> Option<(Server, Gateway)> {
    if !have(&["openssl"]) {
        return None;
    }
    let server = Server::start(Kind::Node)?;
    let gateway = Gateway::start_tls(&one_api(server.port, ""));
    Some((server, gateway))
}

#[test]
fn t57_sslyze_finds_the_intermediate_profile() {
    if !have(&[PYTHON, ".peers/venv/bin/sslyze"]) {
        return;
    }
    let Some((_server, gateway)) = start() else { return };
    let output = finish(
        program(PYTHON)
            .args(["-m", "sslyze", "--mozilla_config", "intermediate", "--certinfo_ca_file"])
            .arg(&gateway.authority)
            .arg(format!("localhost:{}", gateway.tls.unwrap().port())),
        Duration::from_secs(120),
    );
    let out = String::from_utf8_lossy(&output.stdout);
    let (_, verdict) = out.split_once("COMPLIANCE").unwrap_or(("", &out));
    assert!(verdict.contains("OK - Compliant"), "{verdict}\n{out}");
}

/// What `openssl s_client` says to these arguments, whether it got a connection or not.
fn s_client(gateway: &Gateway, arguments: &[&str]) -> (bool, String) {
    let output = finish(
        program("openssl")
            .args([
                "s_client",
                "-connect",
                &gateway.tls.unwrap().to_string(),
                "-servername",
                "localhost",
            ])
            .arg("-CAfile")
            .arg(&gateway.authority)
            .args(arguments),
        Duration::from_secs(20),
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success() && !said.contains("Cipher is (NONE)"), said)
}

#[test]
fn t57_openssl_gets_modern_protocols_only() {
    let Some((_server, gateway)) = start() else { return };
    for (arguments, wanted) in [
        (&["-tls1_3"][..], true),
        (&["-tls1_2"], true),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], false),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], false),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], true),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], true),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], false),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"], false),
        (&["-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"], false),
        (&["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"], false),
        (&["-tls1_2", "-cipher", "NULL:aNULL:@SECLEVEL=0"], false),
    ] {
        let (connected, said) = s_client(&gateway, arguments);
        assert_eq!(connected, wanted, "{arguments:?}: {said}");
    }
    let (_, said) = s_client(&gateway, &["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    let (_, said) = s_client(&gateway, &["-alpn", "http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    assert!(said.contains("Verify return code: 0"), "{said}");
    // No renegotiation, no early data, no compression.
    let (_, said) = s_client(&gateway, &["-tls1_2"]);
    assert!(said.contains("Compression: NONE"), "{said}");
    let (_, said) = s_client(&gateway, &["-tls1_3"]);
    assert!(!said.contains("Max Early Data: ") || said.contains("Max Early Data: 0"), "{said}");
}

/// A session taken on one connection is good for the next (tickets, L1), and the answer is the same.
#[test]
fn l01_openssl_resumes_a_session() {
    let Some((_server, gateway)) = start() else { return };
    let ticket = gateway.folder().join("session.pem");
    let ticket = ticket.display().to_string();
    let request = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let with_input = |arguments: &str| {
        succeed(
            program("sh").arg("-c").arg(format!(
                "printf '{}' | openssl s_client -connect {} -servername localhost -CAfile {} -ign_eof {arguments} 2>&1",
                request.replace('\r', "\\r").replace('\n', "\\n"),
                gateway.tls.unwrap(),
                gateway.authority.display()
            )),
            Duration::from_secs(20),
        )
    };
    let first = with_input(&format!("-sess_out {ticket}"));
    assert!(first.contains("HTTP/1.1 200") && first.contains("New, TLSv1.3"), "{first}");
    let second = with_input(&format!("-sess_in {ticket}"));
    assert!(second.contains("HTTP/1.1 200") && second.contains("Reused, TLSv1.3"), "{second}");
}
