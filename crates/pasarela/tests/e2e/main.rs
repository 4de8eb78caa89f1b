//! Black-box stories: the real binary between clients and services that send any byte they like.
//!
//! A test that carries a row of the reliability reference begins with its id (`t08_…`, `l06_…`).
//! Each starts a gateway of its own on port 0; defaults hold unless a smaller number makes the
//! story quicker. `PASARELA_FULL=1` runs the long forms.

mod access;
mod admin;
mod admission;
mod balance;
mod bodies;
mod carry;
mod client_certificates;
mod clients;
mod command_line;
mod contracts;
mod drain;
mod early_answers;
mod errors;
mod expect;
mod floods;
mod forwarding;
mod framing;
mod h2_floods;
mod h2_frames;
mod hidden;
mod hosts;
mod limits;
mod logs;
mod mail;
mod matrix;
mod oauth;
mod overload;
mod parts;
mod paths;
mod ports;
mod publish;
mod quotas;
mod reload;
mod rest_soap;
mod scopes;
mod shares;
mod signatures;
mod slow;
mod soap;
mod soap_header_faults;
mod soap_large;
mod soap_rest;
mod store_apis;
mod store_dies;
mod tls;
mod tokens;
mod tunnels;
mod upstream_faults;
mod upstream_limits;
mod websockets;
mod ws_security;

use pasarela_testkit::{Builder, Gateway};

/// A gateway about to be configured.
fn gateway() -> Builder {
    Gateway::builder(env!("CARGO_BIN_EXE_pasarela"))
}

/// Whether the long forms were asked for.
fn full() -> bool {
    std::env::var_os("PASARELA_FULL").is_some()
}

/// A key as ours look: 43 characters.
const KEY: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg";

/// One application `app` that subscribes API `t` on plan `small` with this rate, key in `app.key`.
fn plan(rate: &str) -> String {
    format!(
        "plans:\n  - name: small\n    rate: {rate}\n\
         organisations:\n  - {{ name: acme, kind: customer }}\n\
         applications:\n  - name: app\n    organisation: acme\n    \
         subscriptions: [{{ api: t, plan: small }}]\n    keys: [{{ file: app.key }}]\n"
    )
}

/// A gateway whose API `t` asks for [`KEY`].
fn gateway_with_key(upstream: &pasarela_testkit::Upstream, rate: &str) -> Builder {
    gateway().file("app.key", KEY).top(&plan(rate)).api_with(
        "t",
        &[&upstream.url()],
        "plans: [small]",
    )
}
