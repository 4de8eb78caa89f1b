//! The request path as a whole, on real sockets: what only shows when two connections meet.

mod h2_upstreams;
mod harness;

use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::mpsc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use harness::{
    KEY, api, api_for_partners, api_h2, connect, nowhere, read_message, read_to_end, read_until,
    send, serve, upstream,
};
use http::{Request, Response};
use pasarela_model::{Face, PassiveHealth};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An HTTP/2 connection to the gateway, driven beside the test.
async fn h2_client(gateway: std::net::SocketAddr) -> h2::client::SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(gateway).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

#[test]
fn t02_an_early_answer_over_http2_arrives_although_the_body_is_not_wanted() {
    let gateway = serve(vec![api("x", nowhere())]);
    runtime().block_on(async {
        let mut client = h2_client(gateway).await;
        let request = Request::post("http://h/nothing/here").body(()).unwrap();
        let (answer, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"the beginning"), false).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(10), answer).await.unwrap();
        let answer = answer.expect("an answer, not a reset");
        assert_eq!(answer.status(), 404);
        let mut told = Vec::new();
        let mut stream = answer.into_body();
        while let Some(data) = stream.data().await {
            told.extend_from_slice(&data.expect("a whole answer"));
        }
        assert!(String::from_utf8_lossy(&told).contains("\"status\":404"));
        // And then the rest of the request is called off, without blame.
        let reason = std::future::poll_fn(|cx| body.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, h2::Reason::NO_ERROR);
    });
}

#[test]
fn a_malformed_request_is_answered_whichever_of_its_connection_it_is() {
    let gateway = serve(vec![api("x", nowhere())]);
    let mut caller = connect(gateway);
    send(&mut caller, "GET /none HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(read_message(&mut caller).0.starts_with("HTTP/1.1 404 "));
    send(&mut caller, "GET /none HTTP/1.1\nHost: h\n\n");
    let (head, body) = read_message(&mut caller);
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(head.contains("Connection: close"), "{head}");
    assert!(body.contains("CRLF"), "{body}");
    assert_eq!(read_to_end(&mut caller), "");
}

/// Serves HTTP/2; each request is answered with this status and, behind it, this data.
fn h2_upstream(status: u16, data: &'static [u8]) -> std::net::SocketAddr {
    upstream(move |stream, _| {
        stream.set_nonblocking(true).unwrap();
        runtime().block_on(async move {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let answer = Response::builder().status(status).body(()).unwrap();
                let mut body = respond.send_response(answer, false).unwrap();
                let _ = body.send_data(Bytes::from_static(data), true);
            }
        });
    })
}

#[test]
fn t09_an_answer_that_has_no_body_brings_none_over_from_http2() {
    const FORGED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    for status in [204, 304] {
        let gateway = serve(vec![api_h2("x", h2_upstream(status, FORGED))]);
        let mut caller = connect(gateway);
        send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n");
        let seen = read_to_end(&mut caller);
        assert!(!seen.contains("forged"), "{status}: {seen}");
        assert!(!seen.contains("chunked"), "{status}: {seen}");
    }
    // An empty DATA frame at the end is nothing to complain about.
    let gateway = serve(vec![api_h2("x", h2_upstream(204, b""))]);
    let mut caller = connect(gateway);
    for _ in 0..2 {
        send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = read_until(&mut caller, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 204 No Content\r\n"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    }
}

#[test]
fn t28_an_api_for_partners_is_not_there_for_anybody_else() {
    let there = upstream(|mut stream, _| {
        read_until(&mut stream, "\r\n\r\n");
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    });
    let mut soap = api_for_partners("soap", there);
    soap.faces = vec![Face::Soap];
    let gateway = serve(vec![api_for_partners("there", there), soap]);
    let ask = |target: &str, more: &str| {
        let mut caller = connect(gateway);
        send(&mut caller, &format!("POST {target} HTTP/1.1\r\nHost: h\r\n{more}\r\n"));
        let (head, body) = read_message(&mut caller);
        let body = body.split("\"instance\"").next().unwrap().to_owned();
        (head.lines().next().unwrap().to_owned(), head.contains("problem+json"), body)
    };
    let nothing = ask("/nothing/v1/soap", "");
    assert_eq!(nothing.0, "HTTP/1.1 404 Not Found");
    for more in [
        "",
        "X-API-Key: wrong\r\n",
        "Authorization: Bearer wrong\r\n",
        "X-API-Key: a\r\nX-API-Key: b\r\n",
        "X-API-Key: a\r\nAuthorization: Bearer b\r\n",
    ] {
        assert_eq!(ask("/there/v1/a", more), nothing, "{more}");
        assert_eq!(ask("/soap/v1/soap", more), nothing, "{more}");
    }
    let key = format!("X-API-Key: {KEY}\r\n");
    assert_eq!(ask("/there/v1/a", &key).0, "HTTP/1.1 200 OK");
    assert_eq!(ask("/soap/v1/soap", &key).0, "HTTP/1.1 200 OK");
}

#[test]
fn t07_trailers_do_not_say_who_calls() {
    let (tell, told) = mpsc::channel();
    let there = upstream(move |mut stream, _| {
        let seen = read_until(&mut stream, "0\r\n") + &read_until(&mut stream, "\r\n\r\n");
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        tell.send(seen).unwrap();
    });
    let gateway = serve(vec![api("x", there)]);
    let mut caller = connect(gateway);
    send(
        &mut caller,
        "POST /x/v1/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\
         X-Consumer-Id: forged\r\nX-Forwarded-Prefix: /forged\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Pasarela-Application: forged\r\nX-Forwarded-Tlsclient: forged\r\n\
         Set-Cookie: forged\r\nX-Sum: 7\r\n\r\n",
    );
    assert!(read_message(&mut caller).0.starts_with("HTTP/1.1 200 "));
    let seen = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(seen.contains("X-Sum: 7"), "{seen}");
    assert!(!seen.contains("forged"), "{seen}");
}

#[test]
fn a_caller_that_leaves_is_noticed_although_the_answer_rests() {
    let (tell, told) = mpsc::channel();
    let there = upstream(move |mut stream, _| {
        read_until(&mut stream, "\r\n\r\n");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
            .unwrap();
        let _ = stream.read(&mut [0u8; 1]);
        tell.send(Instant::now()).unwrap();
    });
    let gateway = serve(vec![api("x", there)]);

    let mut caller = connect(gateway);
    send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n");
    read_until(&mut caller, "hi\r\n");
    let left = Instant::now();
    // A reset: who merely says that it sends no more may still be listening.
    rustix::net::sockopt::set_socket_linger(&caller, Some(Duration::ZERO)).unwrap();
    drop(caller);
    let noticed = told.recv_timeout(Duration::from_secs(10)).expect("over HTTP/1.1");
    assert!(noticed - left < Duration::from_secs(5));

    let left = runtime().block_on(async {
        let mut client = h2_client(gateway).await;
        let request = Request::get("http://h/x/v1/a").body(()).unwrap();
        let (answer, mut stream) = client.send_request(request, true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "hi");
        stream.send_reset(h2::Reason::CANCEL);
        // The connection lives on; only the stream is gone.
        tokio::time::sleep(Duration::from_millis(300)).await;
        Instant::now()
    });
    let noticed = told.recv_timeout(Duration::from_secs(10)).expect("over HTTP/2");
    assert!(noticed < left, "noticed only when the connection ended");
}

#[test]
fn a_slow_caller_takes_no_server_out_of_rotation() {
    let there = upstream(|mut stream, _| {
        let head = read_until(&mut stream, "\r\n\r\n");
        if head.starts_with("GET") {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
        } else {
            let _ = stream.read(&mut [0u8; 100]);
            let _ = stream.read(&mut [0u8; 100]);
        }
    });
    let mut hasty = api("x", there);
    hasty.upstream.timeouts.total = Some(Duration::from_millis(300));
    hasty.upstream.passive = PassiveHealth {
        failures: 1,
        eject: Duration::from_secs(30),
        eject_max: Duration::from_secs(30),
    };
    let gateway = serve(vec![hasty]);
    let mut caller = connect(gateway);
    send(&mut caller, "POST /x/v1/a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n1");
    let (head, _) = read_message(&mut caller);
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    let mut caller = connect(gateway);
    send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n");
    let (head, body) = read_message(&mut caller);
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "hi", "{head}");
}

#[test]
fn an_early_hint_arrives_before_the_answer() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let there = upstream(move |mut stream, _| {
        read_until(&mut stream, "\r\n\r\n");
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n").unwrap();
        let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(10));
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    let gateway = serve(vec![api("x", there)]);
    let mut caller = connect(gateway);
    caller.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n");
    let hint = read_until(&mut caller, "\r\n\r\n");
    assert!(hint.starts_with("HTTP/1.1 103 "), "{hint}");
    go.send(()).unwrap();
    assert!(read_message(&mut caller).0.starts_with("HTTP/1.1 200 "));
}

#[test]
fn l23_interim_answers_over_http2_are_passed_on_and_counted() {
    for (hints, status) in [(3, "200"), (50, "502")] {
        let there = upstream(move |stream, _| {
            stream.set_nonblocking(true).unwrap();
            runtime().block_on(async move {
                let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    for _ in 0..hints {
                        let hint = Response::builder().status(103).header("link", "</s>");
                        respond.send_informational(hint.body(()).unwrap()).unwrap();
                    }
                    let _ = respond.send_response(Response::new(()), true);
                }
            });
        });
        let gateway = serve(vec![api_h2("x", there)]);
        let mut caller = connect(gateway);
        send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let seen = read_to_end(&mut caller);
        let passed = seen.matches("HTTP/1.1 103 ").count();
        assert!(if status == "200" { passed == hints } else { passed <= 10 }, "{seen}");
        assert!(seen.contains(&format!("HTTP/1.1 {status} ")), "{seen}");
    }
}

#[test]
fn l11_what_an_early_answer_leaves_behind_is_awaited_for_a_second() {
    let there = upstream(|mut stream, _| {
        read_until(&mut stream, "\r\n\r\n");
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
        let _ = stream.read(&mut [0u8; 1]);
        std::thread::sleep(Duration::from_secs(20));
    });
    let gateway = serve(vec![api("x", there)]);
    let mut caller = connect(gateway);
    send(&mut caller, "POST /x/v1/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n1");
    assert!(read_message(&mut caller).0.starts_with("HTTP/1.1 200 "));
    let answered = Instant::now();
    assert_eq!(read_to_end(&mut caller), "");
    assert!(answered.elapsed() < Duration::from_secs(6), "{:?}", answered.elapsed());
}

#[test]
fn t14_only_http_1_0_may_leave_its_host_away() {
    let there = upstream(|mut stream, _| {
        read_until(&mut stream, "\r\n\r\n");
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
    });
    let gateway = serve(vec![api("x", there)]);
    for (request, status) in [
        ("GET /x/v1/a HTTP/1.1\r\n\r\n", "400"),
        ("GET http://h/x/v1/a HTTP/1.1\r\n\r\n", "400"),
        ("GET http://h/x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n", "200"),
        ("GET /x/v1/a HTTP/1.0\r\n\r\n", "200"),
        ("GET http://h/x/v1/a HTTP/1.0\r\n\r\n", "200"),
    ] {
        let mut caller = connect(gateway);
        send(&mut caller, request);
        let (head, _) = read_message(&mut caller);
        assert_eq!(head.split(' ').nth(1), Some(status), "{request}{head}");
    }
}

#[test]
fn t06_connection_cannot_name_fields_without_end() {
    let gateway = serve(vec![api("x", nowhere())]);
    let mut caller = connect(gateway);
    let names = "a,".repeat(3000);
    send(&mut caller, &format!("GET /x/v1/a HTTP/1.1\r\nHost: h\r\nConnection: {names}\r\n\r\n"));
    assert!(read_message(&mut caller).0.starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_tunnel_ends_when_both_sides_have_said_all() {
    let there = upstream(|mut stream, _| {
        read_until(&mut stream, "\r\n\r\n");
        let switch =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
        stream.write_all(switch.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        stream.write_all(format!("you said {said}").as_bytes()).unwrap();
    });
    let gateway = serve(vec![pasarela_model::Api { upgrade: true, ..api("x", there) }]);
    let mut caller = connect(gateway);
    send(
        &mut caller,
        "GET /x/v1/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    assert!(read_until(&mut caller, "\r\n\r\n").starts_with("HTTP/1.1 101 "));
    send(&mut caller, "all");
    caller.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut caller), "you said all");
}
