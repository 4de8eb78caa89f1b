//! The gateway in front of every server of the zoo: what a client is told is what the server said,
//! connections are kept, and the log of each server tells nothing that no client asked for.

use std::{collections::BTreeSet, net::SocketAddr, thread, time::Duration};

use serde_json::Value;

use crate::{
    corpus::{Case, corpus},
    harness::Gateway,
    http1::{Answer, Connection, NoAnswer, show},
    zoo_servers::{Kind, Server},
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Shorter for a server alone: nginx waits for ever when its upstream gives hints.
const PATIENCE_DIRECT: Duration = Duration::from_secs(3);

type Answers = Vec<Result<Answer, NoAnswer>>;

fn ask(address: SocketAddr, case: &Case, patience: Duration) -> Answers {
    let mut connection = Connection::open(address, patience);
    connection.send(&case.bytes);
    let mut answers = Vec::new();
    for method in &case.methods {
        let answer = connection.answer(method);
        let over = answer.is_err();
        answers.push(answer);
        if over {
            break;
        }
    }
    answers
}

/// Header fields that belong to a connection (RFC 9110 §7.6.1), or that the gateway adds or makes new.
fn ours_or_hop(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || name.starts_with("x-pasarela-")
        || matches!(
            name,
            "connection"
                | "keep-alive"
                | "transfer-encoding"
                | "trailer"
                | "te"
                | "upgrade"
                | "proxy-connection"
                | "date"
                | "via"
                | "x-request-id"
                | "x-real-ip"
                | "forwarded"
                | "traceparent"
                | "tracestate"
                // The gateway answers this expectation itself (T4).
                | "expect"
        )
}

/// How two answers differ; empty when they do not.
fn differences(case: &Case, method: &str, direct: &Answer, through: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, a: String, b: String| {
        if a != b {
            found.push(format!("{what}: {a} → {b}"));
        }
    };
    compare("status", direct.status.to_string(), through.status.to_string());
    let fields = |answer: &Answer| {
        let mut list: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| !ours_or_hop(name) && name != "content-length")
            // lighttpd tells this to clients of HTTP/1.1 only, and the gateway is one.
            .filter(|(name, _)| !(name == "accept-ranges" && case.name.contains("HTTP/1.0")))
            .map(|(name, value)| format!("{name}: {}", show(value)))
            .collect();
        list.sort();
        list.join("\n")
    };
    compare("headers", fields(direct), fields(through));
    // A length may come and go with chunking; where both have one it is the same, and an answer
    // without a body keeps the length it tells of.
    let length = |answer: &Answer| answer.header("content-length").map(show);
    let (before, after) = (length(direct), length(through));
    let bodiless = method == "HEAD" || direct.status == 304;
    // What the origin tells of a request is longer for the fields that a gateway adds.
    let told = direct.header("content-type") == Some(b"application/json");
    if told {
        compare("has a length", before.is_some().to_string(), after.is_some().to_string());
    } else if (before.is_some() && after.is_some()) || (bodiless && before.is_some()) {
        compare("content-length", format!("{before:?}"), format!("{after:?}"));
    }
    match (echo(direct), echo(through)) {
        (Some(a), Some(b)) => compare("seen by the server", a, b),
        _ => compare("body", show(&direct.body), show(&through.body)),
    }
    if !case.name.contains("HTTP/1.0") {
        compare("interim", interim(direct), interim(through));
        let trailers = |answer: &Answer| format!("{:?}", answer.trailers);
        compare("trailers", trailers(direct), trailers(through));
    }
    found
}

/// Interim answers but 100, which is between neighbours.
fn interim(answer: &Answer) -> String {
    let others: Vec<_> = answer.interim.iter().filter(|status| **status != 100).collect();
    format!("{others:?}")
}

/// What the origin told of the request, without what a hop may change.
fn echo(answer: &Answer) -> Option<String> {
    if answer.header("content-type") != Some(b"application/json") {
        return None;
    }
    let mut seen: Value = serde_json::from_str(&String::from_utf8_lossy(&answer.body)).ok()?;
    let seen_mut = seen.as_object_mut()?;
    seen_mut.remove("version");
    let headers = seen_mut.get_mut("headers")?.as_array_mut()?;
    headers.retain(|pair| {
        pair[0].as_str().is_some_and(|name| !ours_or_hop(name) && name != "content-length")
    });
    headers.sort_by_key(ToString::to_string);
    Some(seen.to_string())
}

/// Every case of the corpus, directly and through the gateway.
fn same_answers(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let gateway = Gateway::in_front_of(server.port, "");
    let server_address = SocketAddr::from(([127, 0, 0, 1], server.port));
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in corpus() {
        let direct = ask(server_address, &case, PATIENCE_DIRECT);
        // What the server itself does not take, or not to its end, says nothing about the gateway.
        let refused = |answer: &Answer| answer.status == 400 && !case.name.contains("400");
        if direct.len() < case.methods.len()
            || direct.iter().any(|answer| answer.as_ref().map_or(true, refused))
        {
            continue;
        }
        compared += 1;
        let through = ask(gateway.address, &case, PATIENCE);
        for (index, method) in case.methods.iter().enumerate() {
            let (Some(Ok(before)), after) = (direct.get(index), through.get(index)) else {
                continue;
            };
            match after {
                Some(Ok(after)) => {
                    for difference in differences(&case, method, before, after) {
                        wrong.push(format!("{} [{index}] {difference}", case.name));
                    }
                }
                other => {
                    wrong.push(format!("{} [{index}] no answer: {other:?}", case.name));
                    break;
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{kind:?}: {} differences:\n{}\n{}",
        wrong.len(),
        wrong.join("\n"),
        gateway.log()
    );
    assert!(compared >= 250, "{kind:?}: only {compared} cases could be compared");
}

/// Connections to the server are kept: far fewer than requests, also when several clients come.
fn few_connections(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    if !server.logs_connections() {
        return;
    }
    let gateway = Gateway::in_front_of(server.port, "");
    let address = gateway.address;
    let before = server.requests().len();
    let clients: Vec<_> = (0..4)
        .map(|client| {
            thread::spawn(move || {
                for round in 0..50 {
                    // A new connection of the client's each time must not mean a new one upstream.
                    let mut connection = Connection::open(address, PATIENCE);
                    let target = format!("/echo/client{client}/{round}");
                    connection.send(format!("POST {target} HTTP/1.1\r\nHost: zoo.example\r\nContent-Length: 3\r\n\r\nabc").as_bytes());
                    let answer = connection.answer("POST");
                    assert!(matches!(&answer, Ok(answer) if answer.status == 200), "{answer:?}");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    thread::sleep(Duration::from_millis(200));
    let requests = server.requests().split_off(before);
    let connections: BTreeSet<_> =
        requests.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(requests.len(), 200, "{kind:?} saw other requests than were sent");
    assert!(connections.len() <= 8, "{kind:?}: {} connections for 200 requests", connections.len());
}

macro_rules! zoo {
    ($($kind:ident: $same:ident, $few:ident;)*) => {
        $(
            #[test]
            fn $same() { same_answers(Kind::$kind); }

            #[test]
            fn $few() { few_connections(Kind::$kind); }
        )*
    };
}

zoo! {
    Apache: t01_zoo_apache_same_answers, zoo_apache_connections_are_kept;
    Gunicorn: t01_zoo_gunicorn_same_answers, zoo_gunicorn_connections_are_kept;
    Haproxy: t01_zoo_haproxy_same_answers, zoo_haproxy_connections_are_kept;
    Lighttpd: t01_zoo_lighttpd_same_answers, zoo_lighttpd_connections_are_kept;
    Nginx: t01_zoo_nginx_same_answers, zoo_nginx_connections_are_kept;
    Node: t01_zoo_node_same_answers, zoo_node_connections_are_kept;
    Uvicorn: t01_zoo_uvicorn_same_answers, zoo_uvicorn_connections_are_kept;
}
