//! The administration API as its document promises it: schemathesis asks for everything that is in it, in every wrong way too.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Gateway, PYTHON, finish, have, program, succeed, workspace};

const FILE: &str = "workers: 1
logs: { access: off }
storage: sqlite:./data
plans: [{ name: free }, { name: carrier }]
apis:
  - { name: rates, version: 2, visibility: public, plans: [free], upstreams: [\"http://127.0.0.1:9\"] }
  - { name: tracking, version: 1, visibility: partner, plans: [carrier], upstreams: [\"http://127.0.0.1:9\"] }
";

/// A token of the gateway's owner, by the invitation that it printed.
fn owner(gateway: &Gateway) -> String {
    let log = gateway.log();
    let at = log.find("psi_").expect("a new gateway prints an invitation");
    let invitation = log[at..].split('\'').next().unwrap();
    let answer = succeed(
        program("curl")
            .args(["-s", "-X", "POST", "-H", &format!("Authorization: Bearer {invitation}")])
            .arg(format!("http://{}/admin/v1/invitations/accept", gateway.console)),
        Duration::from_secs(10),
    );
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["secret"].as_str().unwrap().to_owned()
}

#[test]
fn t29_schemathesis_finds_no_answer_that_the_document_does_not_have() {
    if !have(&[PYTHON, ".peers/venv/bin/schemathesis", "curl"]) {
        return;
    }
    let gateway = Gateway::start(FILE);
    let token = owner(&gateway);
    let base = format!("http://{}/admin/v1", gateway.console);
    let output = finish(
        program(PYTHON)
            .args(["-m", "schemathesis.cli", "--config-file"])
            .arg(workspace().join("peers/schemathesis.toml"))
            .args(["run", &format!("{base}/openapi.json"), "--url", &base])
            .args(["-H", &format!("Authorization: Bearer {token}"), "--checks", "all"])
            // It would end the token that it asks with.
            .args(["--exclude-operation-id", "revokeToken"])
            .args(["--phases", "coverage,fuzzing,stateful", "-n", "15", "--no-color"])
            .current_dir(gateway.folder()),
        Duration::from_secs(240),
    );
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("Tested: 55"), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}");
}
