//! Command-line clients through the gateway: curl, h2load, nghttp.

use std::{fs, process::Command, time::Duration};

use crate::{
    harness::{Gateway, have, one_api, program, succeed},
    zoo_servers::{Kind, Server, static_file},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// nginx behind a gateway with both listeners.
fn start(programs: &[&str]) -> Option<(Server, Gateway)> {
    if !have(programs) || !have(&["openssl"]) {
        return None;
    }
    let server = Server::start(Kind::Nginx)?;
    let gateway = Gateway::start_tls(&one_api(server.port, ""));
    Some((server, gateway))
}

/// The three ways curl may come, with the version each has to end up with.
fn ways(gateway: &Gateway) -> [(Vec<String>, String, &'static str); 4] {
    let plain = format!("http://{}", gateway.address);
    let tls = format!("https://localhost:{}", gateway.tls.unwrap().port());
    let trust = |more: &str| {
        let mut arguments = vec!["--cacert".to_owned(), gateway.authority.display().to_string()];
        arguments.push(more.to_owned());
        arguments
    };
    [
        (vec!["--http1.1".into()], plain.clone(), "1.1"),
        (vec!["--http2-prior-knowledge".into()], plain, "2"),
        (trust("--http1.1"), tls.clone(), "1.1"),
        (trust("--http2"), tls, "2"),
    ]
}

fn curl(way: &[String]) -> Command {
    let mut command = program("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "-4"])
        .args(way);
    command
}

#[test]
fn curl_gets_posts_and_asks_for_heads() {
    let Some((_server, gateway)) = start(&["curl"]) else { return };
    for (way, base, version) in ways(&gateway) {
        let out = succeed(
            curl(&way)
                .args(["-w", "\n%{http_code} %{http_version}"])
                .arg(format!("{base}/echo/curl?a=b")),
            PATIENCE,
        );
        let (body, told) = out.rsplit_once('\n').unwrap();
        assert_eq!(told, format!("200 {version}"), "{out}");
        let seen: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (seen["method"].as_str(), seen["target"].as_str()),
            (Some("GET"), Some("/echo/curl?a=b"))
        );

        let out = succeed(
            curl(&way).args(["-d", "a=1&b=2", "-H", "X-One: 1"]).arg(format!("{base}/echo")),
            PATIENCE,
        );
        let seen: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((seen["method"].as_str(), seen["length"].as_u64()), (Some("POST"), Some(7)));

        let out = succeed(curl(&way).arg("--head").arg(format!("{base}/big/12345")), PATIENCE)
            .to_lowercase();
        assert!(out.contains("content-length: 12345"), "{out}");

        // A parallel batch shares connections, and over HTTP/2 streams. (With prior knowledge curl 7.88
        // sends its preface once a request.)
        if way.contains(&"--http2-prior-knowledge".to_owned()) {
            continue;
        }
        let urls: Vec<_> = (0..30).map(|i| format!("{base}/big/{}", i * 1_000)).collect();
        let mut batch = curl(&way);
        batch.args([
            "--parallel",
            "--parallel-max",
            "10",
            "--fail",
            "-w",
            "%{http_code} %{size_download}\\n",
        ]);
        for url in &urls {
            batch.args(["-o", "/dev/null"]).arg(url);
        }
        let out = succeed(&mut batch, PATIENCE);
        for i in 0..30 {
            assert!(
                out.contains(&format!("200 {}\n", i * 1_000))
                    || out.ends_with(&format!("200 {}", i * 1_000)),
                "{out}"
            );
        }
    }
}

#[test]
fn curl_uploads_with_expectation_and_without() {
    let Some((_server, gateway)) = start(&["curl"]) else { return };
    let file = gateway.folder().join("upload");
    fs::write(&file, vec![b'u'; 5 << 20]).unwrap();
    for (way, base, version) in ways(&gateway) {
        for more in [
            &["-H", "Expect: 100-continue", "--expect100-timeout", "20"][..],
            &["-H", "Expect:"],
            &["-H", "Transfer-Encoding: chunked"],
        ] {
            // The third is how curl is asked for chunks; over HTTP/2 it would be the forbidden field.
            if version == "2" && more[1].starts_with("Transfer") {
                continue;
            }
            let out = succeed(
                curl(&way).arg("-T").arg(&file).args(more).arg(format!("{base}/echo")),
                PATIENCE,
            );
            let seen: serde_json::Value =
                serde_json::from_str(&out).unwrap_or_else(|_| panic!("{way:?} {more:?}: {out}"));
            assert_eq!(
                (seen["method"].as_str(), seen["length"].as_u64()),
                (Some("PUT"), Some(5 << 20)),
                "{way:?} {more:?}"
            );
        }
    }
}

#[test]
fn curl_takes_ranges_and_revalidates() {
    let Some((_server, gateway)) = start(&["curl"]) else { return };
    let whole = String::from_utf8(static_file()).unwrap();
    for (way, base, _) in ways(&gateway) {
        let url = format!("{base}/static/file.txt");
        let range = |range: &str| succeed(curl(&way).args(["-r", range]).arg(&url), PATIENCE);
        // Lines are joined again by the harness, so ranges here hold no line end at their end.
        assert_eq!(range("0-3"), &whole[..4]);
        assert_eq!(range("10-13"), &whole[10..14]);
        let etag = gateway.folder().join("etag");
        let first = succeed(
            curl(&way)
                .arg("--etag-save")
                .arg(&etag)
                .args(["-o", "/dev/null", "-w", "%{http_code}"])
                .arg(&url),
            PATIENCE,
        );
        let second = succeed(
            curl(&way)
                .arg("--etag-compare")
                .arg(&etag)
                .args(["-o", "/dev/null", "-w", "%{http_code}"])
                .arg(&url),
            PATIENCE,
        );
        assert_eq!((first.as_str(), second.as_str()), ("200", "304"), "{way:?}");
    }
}

#[test]
fn h2load_sees_every_request_succeed() {
    let Some((_server, gateway)) = start(&["h2load"]) else { return };
    let plain = format!("http://{}", gateway.address);
    let tls = format!("https://{}", gateway.tls.unwrap());
    let body = gateway.folder().join("body");
    fs::write(&body, vec![b'b'; 20_000]).unwrap();
    let body = body.display().to_string();
    for (name, arguments) in [
        ("h2c", vec!["-m", "10", &plain]),
        ("h2 over TLS", vec!["-m", "10", &tls]),
        ("HTTP/1.1", vec!["--h1", &plain]),
        ("HTTP/1.1 over TLS", vec!["--h1", &tls]),
        ("h2c uploads", vec!["-m", "10", "-d", &body, &plain]),
    ] {
        let (url, flags) = arguments.split_last().unwrap();
        let out = succeed(
            program("h2load")
                .args(["-n", "2000", "-c", "10"])
                .args(flags)
                .arg(format!("{url}/echo")),
            PATIENCE,
        );
        assert!(
            out.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout")
                && out.contains("2000 2xx, 0 3xx, 0 4xx, 0 5xx"),
            "{name}: {out}\n{}",
            gateway.log()
        );
    }
}

#[test]
fn nghttp_speaks_to_both_listeners() {
    let Some((_server, gateway)) = start(&["nghttp"]) else { return };
    let plain = format!("http://{}/chunked/20", gateway.address);
    let tls = format!("https://{}/chunked/20", gateway.tls.unwrap());
    for url in [plain, tls] {
        // nghttp sends a priority tree, window updates and the settings of its own kind.
        let out =
            succeed(program("nghttp").args(["-v", "--no-verify-peer", "-m", "5", &url]), PATIENCE);
        assert_eq!(out.matches(":status: 200").count(), 5, "{out}");
        assert_eq!(out.matches("chunk 19").count(), 5, "{out}");
    }
}
