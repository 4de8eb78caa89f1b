//! A library of others signs requests: they are taken as it signs them, and no longer once something of them is changed.

use std::time::Duration;

use pasarela_testkit::{Gateway, Upstream};

use crate::harness::{PYTHON, have, program, script, succeed};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn http_message_signatures_signs_what_is_taken_and_whatever_is_changed_afterwards_is_refused() {
    if !have(&[PYTHON]) {
        return;
    }
    let upstream = Upstream::ok("fine");
    let builder = Gateway::builder(env!("CARGO_BIN_EXE_pasarela"));
    let folder = builder.folder().to_owned();
    let ask = |arguments: &[&std::ffi::OsStr]| {
        let mut python = program(PYTHON);
        succeed(python.arg(script("signature_peers.py")).args(arguments), PATIENCE)
    };
    ask(&["keys".as_ref(), folder.as_os_str()]);
    let gateway = builder
        .top(
            "plans: [{ name: free }]\n\
             applications:\n\
             \x20 - name: acme\n\
             \x20   subscriptions: [{ api: t, plan: free }]\n\
             \x20   signatures:\n\
             \x20     - { keyid: hmac-sha256, hmac: { file: hmac-sha256.key }, covers: [x-order] }\n\
             \x20     - { keyid: ed25519, public_key: ed25519.pem, covers: [x-order] }\n\
             \x20     - { keyid: ecdsa-p256-sha256, public_key: ecdsa-p256-sha256.pem, covers: [x-order] }\n",
        )
        .api_with("t", &[&upstream.url()], "plans: [free]")
        .start();
    let url = format!("http://{}", gateway.address());
    let said = ask(&["call".as_ref(), folder.as_os_str(), url.as_ref()]);
    let expected: Vec<String> = ["hmac-sha256", "ed25519", "ecdsa-p256-sha256"]
        .map(|name| format!("{name} 200 200 changed 401 again 200 401"))
        .into();
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    assert_eq!(upstream.requests().len(), 9, "nothing that was changed reached the service");
}
