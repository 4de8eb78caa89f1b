//! gRPC of a real grpcio client and server through the gateway: HTTP/2 with prior knowledge on both
//! sides.

use std::time::Duration;

use crate::harness::{Gateway, PYTHON, Running, finish, have, program, script};

struct Peers {
    server: Running,
    port: u16,
    gateway: Gateway,
}

fn start() -> Option<Peers> {
    if !have(&[PYTHON]) {
        return None;
    }
    let server = Running::start(program(PYTHON).arg(script("grpc_peers.py")).arg("server"));
    let port = server.listening();
    let gateway = Gateway::in_front_of(port, "http: 2");
    Some(Peers { server, port, gateway })
}

impl Peers {
    /// Runs a check directly, so that a fault of the peers is not taken for ours, then through.
    fn check(&self, name: &str) {
        for (how, port) in [("directly", self.port), ("through", self.gateway.address.port())] {
            let output = finish(
                program(PYTHON).arg(script("grpc_peers.py")).args([
                    "client",
                    &port.to_string(),
                    name,
                ]),
                Duration::from_secs(60),
            );
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name} {how}: {said}\n{}", self.gateway.log());
        }
    }
}

#[test]
fn grpc_unary_calls_of_all_sizes() {
    if let Some(peers) = start() {
        peers.check("unary");
    }
}

#[test]
fn grpc_streams_in_all_directions() {
    if let Some(peers) = start() {
        peers.check("server_stream");
        peers.check("client_stream");
        peers.check("bidi");
    }
}

#[test]
fn grpc_errors_without_a_message_keep_their_code_and_text() {
    if let Some(peers) = start() {
        peers.check("trailers_only");
    }
}

#[test]
fn grpc_large_metadata_and_messages() {
    if let Some(peers) = start() {
        peers.check("metadata");
        peers.check("large");
    }
}

/// The server learns that nobody waits any more, once for each of the two calls of each way.
#[test]
fn grpc_deadline_and_cancellation_reach_the_server() {
    let Some(peers) = start() else { return };
    peers.check("deadline");
    peers.check("cancel");
    let cancelled = || peers.server.out.all().iter().filter(|line| *line == "cancelled").count();
    for _ in 0..300 {
        if cancelled() == 4 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the server noticed {} of 4 calls whose client left", cancelled());
}
