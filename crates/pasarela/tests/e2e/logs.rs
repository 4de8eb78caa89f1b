//! T55, T56: what is told about requests: lines, metrics, health; never a secret, never a forged line.

use std::path::Path;

use pasarela_testkit::{Upstream, eventually, seconds};

use crate::{KEY, gateway, gateway_with_key};

#[test]
fn a_request_is_one_line_with_all_that_is_known() {
    let upstream = Upstream::ok("hello");
    let gateway = gateway_with_key(&upstream, "1000/s").start();
    let response = gateway.connect().ask(format!(
        "POST /t/a/b?q=1 HTTP/1.1\r\nHost: api.example:80\r\nX-API-Key: {KEY}\r\nContent-Length: 3\r\n\r\nabc"
    ));
    assert_eq!(response.status, 200);
    let lines = gateway.access_lines(1);
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    for (member, value) in [
        ("method", "POST"),
        ("host", "api.example"),
        ("path", "/t/a/b"),
        ("api", "t"),
        ("application", "app"),
        ("plan", "small"),
        ("listener", "gateway"),
    ] {
        let told = line[member].as_str().unwrap_or_default();
        assert!(told.starts_with(value), "{member}: {line}");
    }
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes_out"].as_u64().map(|bytes| bytes >= 5), Some(true), "{line}");
    assert!(line["client"].as_str().unwrap_or_default().starts_with("127.0.0.1"), "{line}");
    assert!(
        line["upstream"].as_str().unwrap_or_default().contains(&upstream.address().to_string())
    );
    assert!(line["time"].as_str().unwrap_or_default().ends_with('Z'), "{line}");
}

#[test]
fn t56_a_request_cannot_write_a_line_of_its_own() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let mut sent = 0;
    for target in [
        "/t/%0d%0a%7b%22forged%22:1%7d",
        "/t/a?x=%0a{\"forged\":1}",
        "/t/\u{1b}[31mred",
        "/t/%1b%5b31m",
        "/t/\"},{\"forged\":1}",
        "/t/a\\\"b",
        "/t/\u{202e}x",
        "/t/%E2%80%AEx",
        "/t/\u{85}x",
    ] {
        for fields in [
            "Host: test\r\n".to_owned(),
            "Host: te\"st\r\n".to_owned(),
            "Host: test\u{1b}[2J\r\n".to_owned(),
            "Host: test\r\nUser-Agent: \u{1b}]0;forged\u{7}\r\n".to_owned(),
            "Host: test\r\nUser-Agent: a\"b\\c\u{85}d\u{2028}e\r\n".to_owned(),
            "Host: test\r\nX-Request-Id: \"forged\"\r\nReferer: \"\\u000a\r\n".to_owned(),
        ] {
            let mut client = gateway.connect();
            client.send(format!("GET {target} HTTP/1.1\r\n{fields}\r\n"));
            client.response();
            sent += 1;
        }
    }
    let mut client = gateway.connect();
    client.send("G\"ET\u{1b} /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
    client.response();
    assert_eq!(gateway.get("/t/last").status, 200);
    let whole = || gateway.stdout().iter().any(|line| line.contains("/t/last"));
    assert!(eventually(seconds(5), whole));
    let lines = gateway.access_lines(1);
    assert!(lines.len() <= sent + 2, "{} lines of {} requests", lines.len(), sent + 2);
    for (line, raw) in lines.iter().zip(gateway.stdout()) {
        assert!(line.get("forged").is_none(), "{raw}");
        assert!(line["status"].is_u64(), "{raw}");
        let quiet = |c: char| !c.is_control() && c != '\u{202e}' && c != '\u{2028}';
        assert!(raw.chars().all(quiet), "{raw:?}");
    }
    let log = gateway.log();
    assert!(!log.contains('\u{1b}'), "{log:?}");
}

/// Every file below a folder, but for those a test has put there itself.
fn files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, into);
        } else if let Ok(bytes) = std::fs::read(&path) {
            into.push((path.display().to_string(), bytes));
        }
    }
}

#[test]
fn t55_no_secret_is_told() {
    let upstream = Upstream::script(|conn| {
        loop {
            let request = conn.request()?;
            if request.target.contains("broken") {
                return conn.write("HTTP/1.1 canary-answer\r\n\r\n");
            }
            conn.write(
                "HTTP/1.1 200 OK\r\nSet-Cookie: s=canary-setcookie\r\nContent-Length: 0\r\n\r\n",
            )?;
        }
    });
    let gateway = gateway_with_key(&upstream, "100/s")
        .api("open", &upstream)
        .env("CANARY_ENVIRONMENT", "canary-environment")
        .top("traces: { otlp: \"http://127.0.0.1:1\", sample: 1.0, service: \"${CANARY_NAME:-pasarela}\" }")
        .start();
    let mut client = gateway.connect();
    let mut shown = Vec::new();
    for target in [
        "/t/?api_key=canary-query&access_token=canary-token",
        "/t/a",
        "/open/?key=canary-query",
        "/open/broken?key=canary-query",
        "/nowhere?password=canary-query",
        "/t/%2F?key=canary-query",
    ] {
        for fields in [
            format!("X-API-Key: {KEY}"),
            "X-API-Key: canary-wrong-key-canary-wrong-key-canary-wro".to_owned(),
            "Authorization: Bearer canary-bearer".to_owned(),
            "Authorization: Basic Y2FuYXJ5LWJhc2lj".to_owned(),
            "Cookie: session=canary-cookie".to_owned(),
            "Proxy-Authorization: Basic Y2FuYXJ5LWJhc2lj".to_owned(),
            "Cookie: canary-cookie\r\nConnection: cookie".to_owned(),
            "X-Api-Key : canary-header".to_owned(),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n");
            let _ = client.try_send(&request);
            match client.try_response("GET") {
                Ok(response) => {
                    if response.status >= 400 {
                        shown.push(response.brief());
                    }
                    if response.closes() || response.status == 400 {
                        client = gateway.connect();
                    }
                }
                Err(_) => client = gateway.connect(),
            }
        }
    }
    // A broken file that holds secrets is explained without them.
    let broken = gateway.yaml().replace(
        "traces:",
        "storage: postgres://user:canary-password@127.0.0.1/x\nnonsense: 1\ntraces:",
    );
    gateway.reload(&broken);
    gateway.access_lines(20);
    let mut artefacts = vec![
        ("access log".to_owned(), gateway.stdout().join("\n").into_bytes()),
        ("log".to_owned(), gateway.log().into_bytes()),
        ("metrics".to_owned(), gateway.console("/metrics").body),
        ("problems".to_owned(), shown.join("\n").into_bytes()),
    ];
    files(&gateway.folder().join("data"), &mut artefacts);
    for (name, bytes) in artefacts {
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["canary", KEY, "Y2FuYXJ5LWJhc2lj"] {
            let at = text.find(secret);
            let near =
                at.map(|at| text[at.saturating_sub(200)..].chars().take(400).collect::<String>());
            assert!(at.is_none(), "{secret} in the {name}: …{}…", near.unwrap_or_default());
        }
    }
}

#[test]
fn the_console_tells_health_and_numbers() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    assert_eq!(gateway.console("/healthz").status, 200);
    assert_eq!(gateway.console("/readyz").status, 200);
    for _ in 0..5 {
        gateway.get("/t/");
    }
    gateway.get("/nowhere");
    let metrics = gateway.console("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.get("content-type").unwrap_or_default().starts_with("text/plain"));
    let text = metrics.text();
    assert!(text.contains("# HELP") && text.contains("# TYPE"), "{text}");
    let counted = text
        .lines()
        .any(|line| line.contains("api=\"t\"") && line.contains("200") && line.ends_with(" 5"))
        || text
            .lines()
            .any(|line| line.contains("api=\"t\"") && line.contains("2xx") && line.ends_with(" 5"));
    assert!(counted, "five requests to t are counted: {text}");
    // T56: what is not managed is counted, under no name a caller can choose.
    assert!(!text.contains("nowhere"), "{text}");
    // The console is not reachable through the gateway.
    gateway.get("/metrics").assert_problem(404, "GW0001");
    gateway.get("/healthz").assert_problem(404, "GW0001");
}

#[test]
fn the_access_log_goes_where_it_is_told() {
    let upstream = Upstream::ok("ok");
    let off = gateway().api("t", &upstream).top("logs: { access: off }").start();
    assert_eq!(off.get("/t/").status, 200);
    let builder = gateway().api("t", &upstream);
    let path = builder.folder().join("access.log");
    let file = builder.top(&format!("logs: {{ access: {} }}", path.display())).start();
    assert_eq!(file.get("/t/to-a-file").status, 200);
    let written = || std::fs::read_to_string(&path).is_ok_and(|text| text.contains("/t/to-a-file"));
    assert!(eventually(seconds(5), written));
    assert!(file.stdout().is_empty());
    assert!(off.stdout().is_empty());
}
