//! A browser through the gateway: a page that fetches, listens to server-sent events and talks over a
//! WebSocket.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Gateway, Running, WS, find, have, one_api, program, script, succeed};

/// Loads the page in headless Chromium and gives what it wrote into itself.
fn page(url: &str) -> Value {
    let profile = tempfile::tempdir().unwrap();
    let dom = succeed(
        program("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--disable-default-apps", "--disable-dev-shm-usage", "--metrics-recording-only"])
            .args(["--no-proxy-server", "--ignore-certificate-errors", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .env("HOME", profile.path()),
        Duration::from_secs(90),
    );
    let text = dom
        .split_once("id=\"result\">")
        .map_or("", |(_, rest)| rest.split("</pre>").next().unwrap_or(""));
    serde_json::from_str(&text.replace("&amp;", "&"))
        .unwrap_or_else(|_| panic!("the page says {text:?}: {dom}"))
}

fn check(result: &Value, protocol: &str) {
    assert_eq!(result["fetch"], serde_json::json!({ "url": "/json?from=browser", "page": "yes" }));
    assert_eq!(result["posted"], 100_000);
    assert_eq!(result["many"], true);
    assert_eq!(result["events"], serde_json::json!(["tick 0", "tick 1", "tick 2"]));
    assert_eq!(result["socket"], serde_json::json!(["hello", 70_000, 1000]));
    assert_eq!(result["protocol"], protocol);
}

#[test]
fn chromium_is_at_home_over_http_and_https() {
    if !have(&["chromium", "node", "openssl", WS]) {
        return;
    }
    let start =
        || Running::start(program("node").arg(script("browser_origin.js")).arg(find(WS).unwrap()));
    // Each page gets an origin of its own, which remembers that its page has reported.
    let directly = start();
    check(&page(&format!("http://127.0.0.1:{}/", directly.listening())), "http/1.1");

    let origin = start();
    let gateway = Gateway::start(&one_api(origin.listening(), "upgrade: true"));
    check(&page(&format!("http://{}/", gateway.address)), "http/1.1");

    let origin = start();
    let gateway = Gateway::start_tls(&one_api(origin.listening(), "upgrade: true"));
    check(&page(&format!("https://{}/", gateway.tls.unwrap())), "h2");
}
