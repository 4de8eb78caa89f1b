//! L22, L23: how long a service may take and how much it may say.

use std::{
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use pasarela_testkit::{Fault, Upstream, eventually, seconds};

use crate::gateway;

/// An address whose handshakes are never completed: a listener whose queue is full.
struct BlackHole {
    address: SocketAddr,
    _listener: std::os::fd::OwnedFd,
    _queue: Vec<TcpStream>,
}

fn black_hole() -> BlackHole {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    listen(&listener, 0).expect("listening");
    let address = getsockname(&listener).expect("a name");
    let address = SocketAddr::try_from(address).expect("an internet address");
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
    }
    BlackHole { address, _listener: listener, _queue: queue }
}

#[test]
fn l23_an_answer_may_name_some_fields_in_connection_and_no_more() {
    let upstream = Upstream::handle(|request| {
        let count: usize = request.target.trim_start_matches('/').parse().unwrap_or(0);
        let names: Vec<_> = (0..count).map(|number| format!("X-{number}")).collect();
        // Two fields, as one could be read and the other forgotten.
        let (some, others) = names.split_at(count / 2);
        format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, {}\r\nConnection: {}\r\nX-1: a\r\nX-0: b\r\n\
             Kept: yes\r\nContent-Length: 2\r\n\r\nok",
            some.join(", "),
            others.join(",")
        )
        .into()
    });
    let gateway = gateway().api("t", &upstream).start();
    for count in [2, 31, 32] {
        let response = gateway.get(&format!("/t/{count}"));
        assert_eq!(response.status, 200, "{}", response.brief());
        assert_eq!((response.get("x-0"), response.get("x-1")), (None, None), "{count}");
        assert_eq!(response.get("kept"), Some("yes"));
    }
    for count in [33, 5_000] {
        gateway.get(&format!("/t/{count}")).assert_problem(502, "GW0023");
    }
}

#[test]
fn l22_connecting_has_a_time() {
    let hole = black_hole();
    let url = format!("http://{}", hole.address);
    let gateway = gateway()
        .api_with("t", &[&url], "timeouts: { connect: 400ms }\nretries: { attempts: 0 }")
        .start();
    let begin = Instant::now();
    let response = gateway.get("/t/");
    let took = begin.elapsed();
    assert!([502, 504].contains(&response.status), "{}", response.brief());
    response.problem();
    assert!((Duration::from_millis(350)..Duration::from_millis(1200)).contains(&took), "{took:?}");
}

#[test]
fn l22_the_first_byte_has_a_time() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.pause(seconds(10));
        Ok(())
    });
    let gateway =
        gateway().api_with("t", &[&upstream.url()], "timeouts: { first_byte: 300ms }").start();
    let begin = Instant::now();
    gateway.get("/t/").assert_problem(504, "GW0024");
    let took = begin.elapsed();
    assert!((Duration::from_millis(250)..Duration::from_millis(700)).contains(&took), "{took:?}");
    assert_eq!(upstream.requests().len(), 1, "a request that may be at work is not sent again");
    // Interim responses and single bytes of a head are no answer.
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        for byte in b"HTTP/1.1 200 OK\r\nX-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb".chunks(1) {
            conn.write(byte)?;
            conn.pause(Duration::from_millis(50));
        }
        Ok(())
    });
    let gateway = crate::gateway()
        .api_with("t", &[&upstream.url()], "timeouts: { first_byte: 300ms }")
        .start();
    let begin = Instant::now();
    gateway.get("/t/").assert_problem(504, "GW0024");
    assert!(begin.elapsed() < seconds(1), "{:?}", begin.elapsed());
}

#[test]
fn l22_a_body_that_stops_is_cut() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")?;
        conn.pause(seconds(10));
        Ok(())
    });
    let gateway = gateway().api_with("t", &[&upstream.url()], "timeouts: { idle: 400ms }").start();
    let mut client = gateway.connect();
    let begin = Instant::now();
    client.send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
    let got = client.try_response("GET");
    assert!(matches!(got, Err(Fault::Cut(_))), "{got:?}");
    let took = begin.elapsed();
    assert!((Duration::from_millis(350)..seconds(2)).contains(&took), "{took:?}");
}

#[test]
fn l22_a_whole_exchange_has_a_time_where_one_is_set() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            conn.write("2\r\nok\r\n")?;
            conn.pause(Duration::from_millis(50));
        }
    });
    let gateway = gateway()
        .api_with("t", &[&upstream.url()], "timeouts: { total: 500ms }")
        .api("forever", &upstream)
        .start();
    let mut client = gateway.connect();
    let begin = Instant::now();
    client.send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
    let got = client.try_response("GET");
    assert!(matches!(got, Err(Fault::Cut(_))), "{got:?}");
    let took = begin.elapsed();
    assert!((Duration::from_millis(450)..seconds(2)).contains(&took), "{took:?}");
    assert!(eventually(seconds(2), || upstream.open() == 0), "the service still sends");
    // Without one a stream may go on.
    let mut client = gateway.connect();
    client.send("GET /forever/ HTTP/1.1\r\nHost: test\r\n\r\n");
    client.head("GET");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(900) {
        assert!(client.piece().is_some());
    }
}

#[test]
fn l23_heads_have_a_size() {
    let upstream = Upstream::handle(|request| {
        let size: usize = request.target.trim_start_matches('/').parse().expect("a number");
        let mut answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n".to_owned();
        while answer.len() < size {
            let room = (size - answer.len()).clamp(12, 4000) - 9;
            answer.push_str(&format!("X-Pad: {}\r\n", "x".repeat(room)));
        }
        answer.push_str("\r\nok");
        answer.into()
    });
    let gateway = gateway()
        .api_with(
            "t",
            &[&upstream.url()],
            "retries: { attempts: 0 }\nhealth: { passive: { failures: 0 } }",
        )
        .start();
    assert_eq!(gateway.get("/t/30000").status, 200);
    for size in [66_000, 100_000, 1_000_000] {
        gateway.get(&format!("/t/{size}")).assert_problem(502, "GW0023");
    }
    assert_eq!(gateway.get("/t/200").status, 200);
}

#[test]
fn l23_interim_responses_have_a_number() {
    let upstream = Upstream::handle(|request| {
        let count: usize = request.target.trim_start_matches('/').parse().expect("a number");
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(count);
        format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").into()
    });
    let gateway = gateway()
        .api_with(
            "t",
            &[&upstream.url()],
            "retries: { attempts: 0 }\nhealth: { passive: { failures: 0 } }",
        )
        .start();
    for good in [0, 1, 10] {
        let response = gateway.get(&format!("/t/{good}"));
        assert_eq!((response.status, response.interim.len()), (200, good), "{}", response.brief());
    }
    for bad in [11, 12, 1000] {
        let response = gateway.get(&format!("/t/{bad}"));
        assert_eq!(response.status, 502, "{bad}: {}", response.brief());
    }
    assert_eq!(gateway.get("/t/0").status, 200);
}
