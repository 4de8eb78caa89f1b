//! Client libraries of others find the gateway by its metadata, get tokens, verify them by its keys and call with them.

use std::time::Duration;

use pasarela_testkit::{Gateway, Outcome, Upstream};

use crate::harness::{PYTHON, have, program, script, succeed, workspace};

const SECRET: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg";
const PATIENCE: Duration = Duration::from_secs(60);
const OAUTH4WEBAPI: &str = ".peers/node/node_modules/oauth4webapi/build/index.js";

/// A gateway whose issuer is its address, and that address.
fn start(upstream: &Upstream) -> (Gateway, String) {
    let gateway = Gateway::builder(env!("CARGO_BIN_EXE_pasarela"))
        .file("acme.secret", SECRET)
        .top("oauth: { issuer: \"http://127.0.0.1:1\", audience: rates }")
        .top(
            "plans: [{ name: free, scopes: [read] }]\n\
             applications:\n\
             \x20 - name: acme\n\
             \x20   subscriptions: [{ api: rates, plan: free }]\n\
             \x20   clients: [{ id: acme-client, secrets: [{ file: acme.secret }] }]\n",
        )
        .api_with("rates", &[&upstream.url()], "plans: [free]\nscopes: { \"*\": read }")
        .start();
    let issuer = format!("http://{}", gateway.address());
    let outcome =
        gateway.reload(&gateway.yaml().replace("http://127.0.0.1:1\"", &format!("{issuer}\"")));
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    (gateway, issuer)
}

#[test]
fn authlib_gets_tokens_that_joserfc_finds_good() {
    if !have(&[PYTHON]) {
        return;
    }
    let upstream = Upstream::ok("fine");
    let (_gateway, issuer) = start(&upstream);
    let mut python = program(PYTHON);
    python.arg(script("oauth_peers.py")).args([&issuer, "rates", "acme-client", SECRET]);
    let said = succeed(python.env("AUTHLIB_INSECURE_TRANSPORT", "1"), PATIENCE);
    let expected = "client_secret_basic invalid_client invalid_scope\n\
                    client_secret_post invalid_client invalid_scope";
    assert_eq!(said.trim_end(), expected);
}

#[test]
fn oauth4webapi_takes_the_gateway_for_the_server_that_its_metadata_describe() {
    if !have(&["node", OAUTH4WEBAPI]) {
        return;
    }
    let upstream = Upstream::ok("fine");
    let (_gateway, issuer) = start(&upstream);
    let mut node = program("node");
    node.arg(script("oauth_peers.mjs")).arg(workspace().join(OAUTH4WEBAPI));
    let said = succeed(node.args([&issuer, "rates", "acme-client", SECRET]), PATIENCE);
    // By Basic it looks at the challenge before the body.
    let expected = "bearer read acme-client 200 OAUTH_WWW_AUTHENTICATE_CHALLENGE invalid_scope\n\
                    bearer read acme-client 200 invalid_client invalid_scope";
    assert_eq!(said.trim_end(), expected);
}
