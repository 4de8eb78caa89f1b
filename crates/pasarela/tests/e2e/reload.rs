//! P4, F1, F4: configuration and binary change under load, and nobody notices.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use pasarela_testkit::{Builder, Gateway, Load, Outcome, RawClient, Upstream, eventually, seconds};

use crate::{full, gateway};

const REQUEST: &str = "GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n";
const SOCKET: &str =
    "GET /ws/ HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn socket_service() -> Upstream {
    Upstream::script(|conn| {
        conn.request()?;
        conn.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )?;
        conn.echo()
    })
}

fn open_socket(gateway: &Gateway) -> RawClient {
    let mut socket = gateway.connect();
    socket.send(SOCKET);
    assert_eq!(socket.one_head().status, 101);
    socket
}

#[track_caller]
fn ping(socket: &mut RawClient) {
    socket.send("ping");
    assert_eq!(socket.exactly(4), b"ping");
}

#[test]
fn p04_a_good_file_is_served_at_once() {
    let (one, two) = (Upstream::ok("one"), Upstream::ok("two"));
    let gateway = gateway().api("t", &one).start();
    let mut kept = gateway.connect();
    assert_eq!(kept.get("/t/").text(), "one");
    let yaml = gateway.yaml().replace(&one.url(), &two.url());
    let outcome = gateway.reload(&yaml);
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    // Every worker has it a moment later, on connections of before, too.
    let mut says = |target: &str, text: &str| {
        let mut said =
            || kept.get(target).text().contains(text) && gateway.get(target).text().contains(text);
        assert!(eventually(seconds(1), &mut said), "{target}: {text}");
    };
    says("/t/", "two");
    let more = format!("{yaml}{}", Builder::api_yaml("u", &[&one.url()], ""));
    gateway.reload(&more);
    says("/u/", "one");
    gateway.reload(&yaml);
    says("/u/", "GW0001");
}

#[test]
fn p04_a_changed_file_is_noticed_without_a_signal() {
    let (one, two) = (Upstream::ok("one"), Upstream::ok("two"));
    let gateway = gateway().api("t", &one).start();
    let outcome = gateway.reload_by_change(&gateway.yaml().replace(&one.url(), &two.url()));
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    assert!(eventually(seconds(1), || gateway.get("/t/").text() == "two"));
}

#[test]
fn p04_a_broken_file_is_refused_whole_and_says_why() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let good = gateway.yaml();
    for (yaml, why) in [
        (format!("{good}\nunknown_key: 1\n"), "unknown_key"),
        (good.replace("workers: 2", "workers: two"), "workers"),
        (good.replace("upstreams:", "upstream:"), "upstream"),
        (good.replace("visibility: public", "visibility: everybody"), "visibility"),
        (good.replace("http://", "gopher://"), "gopher"),
        (format!("{good}{}", Builder::api_yaml("t", &[&upstream.url()], "")), "t"),
        (good.replace("path: /t", "path: /t\n    contract: missing.yaml"), "missing.yaml"),
        (good.replace("path: /t", "path: /t\n    plans: [none]"), "none"),
        (format!("{good}  - [\n"), ""),
        (String::new(), ""),
        ("\0\u{1}\u{2}".to_owned(), ""),
        ("version: 2\n".to_owned(), "version"),
        (good.replace("version: 1\nworkers", "version: 3\nworkers"), "version"),
        (
            good.replace("path: /t", "path: /t\n    new_key: ${NO_SUCH_VARIABLE_ANYWHERE}"),
            "new_key",
        ),
    ] {
        assert_ne!(yaml, good, "the file is broken for {why:?}");
        let outcome = gateway.reload(&yaml);
        let Outcome::Refused(line) = outcome else { panic!("{why:?}: {outcome:?}\n{yaml}") };
        assert_eq!(gateway.get("/t/").text(), "ok", "{why:?}");
        // The verdict or the lines around it quote what is wrong.
        assert!(line.contains(why) || gateway.log().contains(why), "{why:?}: {}", gateway.log());
    }
    // All of this was no reason to stop, and a good file is welcome afterwards.
    let outcome = gateway.reload(&format!("{good}\n# better\n"));
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    assert_eq!(gateway.console("/readyz").status, 200);
}

#[test]
fn p04_a_gateway_does_not_start_on_a_broken_file() {
    let log = gateway().config("version: 1\nlisten: { gateway: nonsense }\nfoo: 1\n").try_start();
    let log = log.err().expect("it must not serve");
    assert!(log.contains("foo") && log.contains("nonsense"), "all faults at once: {log}");
}

#[test]
fn f04_reloads_under_load_cost_nothing() {
    let (one, sockets) = (Upstream::ok("same"), socket_service());
    let two = Upstream::ok("same");
    let gateway =
        gateway().api("t", &one).api_with("ws", &[&sockets.url()], "upgrade: true").start();
    let mut open: Vec<RawClient> = (0..3).map(|_| open_socket(&gateway)).collect();
    let mut h2 = gateway.connect_h2();
    let load = Load::start(gateway.address(), 4, REQUEST, "same");
    let yaml = gateway.yaml();
    let rounds = if full() { 1000 } else { 50 };
    let (before, fds) = (gateway.rss(), gateway.fds());
    for round in 0..rounds {
        let changed = match round % 3 {
            0 => yaml.replace(&one.url(), &two.url()),
            1 => format!("{yaml}{}", Builder::api_yaml("more", &[&two.url()], "")),
            _ => format!("{yaml}# {round}\n"),
        };
        let outcome = gateway.reload(&changed);
        assert!(matches!(outcome, Outcome::Reloaded(_)), "{round}: {outcome:?}");
        for socket in &mut open {
            ping(socket);
        }
        assert_eq!(h2.get("/t/").text(), "same", "round {round}");
    }
    let report = load.stop();
    assert!(
        report.failures.is_empty(),
        "{} failures: {:?}",
        report.failures.len(),
        report.failures
    );
    assert!(report.done > 200, "{} requests", report.done);
    println!("{rounds} reloads, {} requests, none failed", report.done);
    assert_eq!(one.violations(), Vec::<String>::new());
    let grown = gateway.rss().saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
    assert!(gateway.fds() < fds + 50, "{} descriptors, {fds} before", gateway.fds());
}

#[test]
fn f04_binary_upgrades_under_load_cost_nothing() {
    let (service, sockets) = (Upstream::ok("same"), socket_service());
    let mut gateway = gateway()
        .api("t", &service)
        .api_with("ws", &[&sockets.url()], "upgrade: true")
        .limit("drain: 5m")
        .start();
    let address = gateway.address();
    let mut open = VecDeque::new();
    let load = Load::start(address, 4, REQUEST, "same");
    // A client with pauses, whose idle connection meets the upgrade.
    let mut lazy = gateway.connect();
    let rounds = if full() { 20 } else { 3 };
    for round in 0..rounds {
        open.push_back(open_socket(&gateway));
        assert_eq!(lazy.get("/t/").text(), "same", "round {round}");
        gateway.upgrade();
        assert_eq!(gateway.address(), address, "the same socket");
        for socket in &mut open {
            ping(socket);
        }
        // The old process answers an idle connection once more, and says that it was the last time.
        let last = lazy.get("/t/");
        assert_eq!(last.text(), "same", "round {round}");
        assert!(last.closes(), "round {round}: {}", last.brief());
        lazy = gateway.connect();
        std::thread::sleep(Duration::from_millis(300));
    }
    let report = load.stop();
    assert!(
        report.failures.is_empty(),
        "{} failures: {:?}",
        report.failures.len(),
        report.failures
    );
    assert!(report.done > 100, "{} requests", report.done);
    println!("{rounds} upgrades, {} requests, none failed", report.done);
    for socket in &mut open {
        ping(socket);
    }
    // The old ones leave as soon as their last tunnel has.
    open.clear();
    for old in gateway.previous() {
        let status = old.wait(seconds(10));
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
    }
    assert_eq!(gateway.get("/t/").text(), "same");
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    held.map(|listener| listener.local_addr().expect("an address").port())
}

/// The configuration of one API, with these lines under `listen`.
fn listening(service: &Upstream, listen: &str) -> String {
    let api = pasarela_testkit::Builder::api_yaml("t", &[&service.url()], "");
    format!("version: 1\nworkers: 2\nlisten:\n{listen}apis:\n{api}")
}

#[test]
fn f04_an_upgrade_listens_where_the_file_says_now() {
    let service = Upstream::ok("same");
    let [leaves, stays, comes, console] = free_ports();
    let before = format!(
        "  gateway: 127.0.0.1:{leaves}\n  internal: 127.0.0.1:{stays}\n  console: 127.0.0.1:0\n"
    );
    let mut gateway = gateway().config(listening(&service, &before)).start();
    assert_eq!(gateway.get("/t/").text(), "same");
    let mut kept = gateway.connect();
    assert_eq!(kept.get("/t/").text(), "same");
    // What was internal is for everybody now, on a socket that is never closed.
    let load = Load::start(([127, 0, 0, 1], stays).into(), 2, REQUEST, "same");
    let after = format!(
        "  gateway: 127.0.0.1:{stays}\n  internal: 127.0.0.1:{comes}\n  console: 127.0.0.1:{console}\n"
    );
    gateway.write_config(&listening(&service, &after));
    gateway.upgrade();
    assert_eq!(gateway.address().port(), stays);
    assert_eq!(gateway.address_of("internal").port(), comes);
    assert_eq!(gateway.address_of("console").port(), console);
    assert_eq!(gateway.get("/t/").text(), "same");
    assert_eq!(RawClient::connect(gateway.address_of("internal")).get("/t/").text(), "same");
    assert_eq!(gateway.console("/readyz").status, 200);
    let last = kept.get("/t/");
    assert_eq!(last.text(), "same");
    assert!(last.closes(), "{}", last.brief());
    let closed = || RawClient::try_connect(([127, 0, 0, 1], leaves).into()).is_err();
    assert!(eventually(seconds(5), closed), "nobody asks for that address any more");
    gateway.await_log("no longer listening");
    let report = load.stop();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert!(report.done > 50, "{} requests", report.done);
}

#[test]
fn f04_an_upgrade_from_one_address_to_all_of_them_costs_nothing() {
    let service = Upstream::ok("same");
    let [port] = free_ports();
    let at = |address: &str| format!("  gateway: {address}:{port}\n  console: 127.0.0.1:0\n");
    let mut gateway = gateway().config(listening(&service, &at("127.0.0.1"))).start();
    let load = Load::start(gateway.address(), 4, REQUEST, "same");
    std::thread::sleep(Duration::from_millis(200));
    gateway.write_config(&listening(&service, &at("0.0.0.0")));
    gateway.upgrade();
    let old = &mut gateway.previous()[0];
    assert!(old.wait(seconds(10)).is_some(), "the old process stays");
    let served = load.done();
    assert!(eventually(seconds(3), || load.done() > served + 50));
    let report = load.stop();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(RawClient::connect(([127, 0, 0, 2], port).into()).get("/t/").text(), "same");
}

#[test]
fn a_reload_says_what_it_cannot_follow_and_what_to_do() {
    let service = Upstream::ok("ok");
    let gateway = gateway().api("t", &service).start();
    let yaml = gateway
        .yaml()
        .replace("workers: 2", "workers: 3")
        .replace("  gateway: 127.0.0.1:0", "  internal: 127.0.0.1:0\n  gateway: 127.0.0.1:0");
    let more = "logs: { access: off }\ntraces: { otlp: http://127.0.0.1:9 }\nstorage: sqlite:./elsewhere\n";
    assert!(matches!(gateway.reload(&format!("{yaml}{more}")), Outcome::Reloaded(_)));
    for key in ["listen", "workers", "logs", "traces", "storage"] {
        let line = gateway.await_log(&format!("\"key\":\"{key}\""));
        assert!(line.contains("WARN"), "{line}");
        let cure = if key == "storage" { "start it again" } else { "serve --upgrade" };
        assert!(line.contains(cure), "{line}");
    }
    assert_eq!(gateway.get("/t/").text(), "ok");
}

#[test]
fn f05_an_upgrade_that_cannot_start_leaves_the_old_one_serving() {
    let service = Upstream::ok("ok");
    let mut gateway = gateway().api("t", &service).start();
    let load = Load::start(gateway.address(), 2, REQUEST, "ok");
    gateway.write_config("version: 1\nnonsense: yes\n");
    let mut failed = std::process::Command::new(env!("CARGO_BIN_EXE_pasarela"))
        .args(["serve", "--upgrade", "--config"])
        .arg(gateway.folder().join("pasarela.yaml"))
        .arg("--data")
        .arg(gateway.folder().join("data"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("spawning");
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = failed.try_wait().expect("waiting") {
            break status;
        }
        if begin.elapsed() > seconds(15) {
            let _ = failed.kill();
            panic!("the bad upgrade neither serves nor gives up");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(!status.success());
    std::thread::sleep(Duration::from_millis(200));
    let report = load.stop();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert!(gateway.process().runs());
    assert_eq!(gateway.get("/t/").text(), "ok");
}

#[test]
fn f01_after_a_kill_it_is_back_at_once() {
    let service = Upstream::ok("ok");
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port()
    };
    let builder = gateway().api("t", &service);
    let yaml =
        builder.yaml().replace("gateway: 127.0.0.1:0", &format!("gateway: 127.0.0.1:{port}"));
    let mut gateway = builder.config(yaml).start();
    let rounds = if full() { 100 } else { 5 };
    for round in 0..rounds {
        let load = Load::start(gateway.address(), 2, REQUEST, "ok");
        std::thread::sleep(Duration::from_millis(30 + round * 7 % 50));
        let took = gateway.kill_and_restart();
        assert!(took < seconds(3), "round {round}: {took:?}");
        assert_eq!(gateway.address().port(), port);
        let again = load.done();
        assert!(eventually(seconds(3), || load.done() > again + 5), "round {round}");
        load.stop();
    }
}
