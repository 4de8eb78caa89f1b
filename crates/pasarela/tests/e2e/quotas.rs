//! T32: quotas are exact, whatever happens to the process; rates that several share, and those of single operations.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use pasarela_testkit::{Builder, Gateway, RawClient, Response, Upstream, eventually, seconds};

use crate::gateway;

fn key(name: &str) -> String {
    format!("{name:-<43}")
}

/// Two applications of one organisation and one without any, on a plan with these lines, for API `t`.
fn on_plan(upstream: &Upstream, plan: &str, api: &str) -> Builder {
    let application = |name: &str, organisation: &str| {
        format!(
            "  - name: {name}\n{organisation}    keys: [{{ file: {name}.key }}]\n    \
             subscriptions: [{{ api: t, plan: small }}]\n"
        )
    };
    let acme = "    organisation: acme\n";
    let top = format!(
        "plans: [{{ name: small, {plan} }}]\norganisations: [{{ name: acme, kind: customer }}]\n\
         applications:\n{}{}{}",
        application("one", acme),
        application("two", acme),
        application("alone", "")
    );
    ["one", "two", "alone"]
        .iter()
        .fold(gateway(), |builder, name| builder.file(&format!("{name}.key"), key(name)))
        .top(&top)
        .api_with("t", &[&upstream.url()], &format!("plans: [small]\n{api}"))
}

fn get(name: &str) -> String {
    format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\n\r\n", key(name))
}

fn ask(gateway: &Gateway, name: &str) -> Response {
    gateway.connect().ask(get(name))
}

/// Calls until the quota is used up; how many were served.
fn use_up(gateway: &Gateway, name: &str) -> usize {
    let mut client = gateway.connect();
    let mut served = 0;
    loop {
        let answer = client.ask(get(name));
        match answer.status {
            200 => served += 1,
            _ => {
                answer.assert_problem(429, "GW0029");
                return served;
            }
        }
    }
}

#[test]
fn t32_of_a_thousand_calls_for_the_last_one_of_a_quota_one_is_served() {
    let upstream = Upstream::ok("ok");
    for calls in [1, 3] {
        let gateway = on_plan(&upstream, &format!("quota: {calls}/month"), "").start();
        const CLIENTS: usize = 50;
        let (start, won, lost) = (Barrier::new(CLIENTS), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = gateway.connect();
                    start.wait();
                    client.send(get("one").repeat(20));
                    for _ in 0..20 {
                        match client.response().status {
                            200 => won.fetch_add(1, Ordering::Relaxed),
                            429 => lost.fetch_add(1, Ordering::Relaxed),
                            other => panic!("{other}"),
                        };
                    }
                });
            }
        });
        assert_eq!((won.into_inner(), lost.into_inner()), (calls, CLIENTS * 20 - calls));
    }
}

#[test]
fn answers_tell_what_is_left_and_refusals_when_there_is_more() {
    let upstream = Upstream::ok("ok");
    let gateway = on_plan(&upstream, "rate: 100/s, quota: 2/month", "").start();
    let first = ask(&gateway, "one");
    assert_eq!(first.status, 200);
    let policy = first.get("RateLimit-Policy").unwrap_or_default().to_owned();
    assert!(policy.starts_with("\"small\";q=100;w=1, \"small-month\";q=2;w="), "{policy}");
    let limit = first.get("RateLimit").unwrap_or_default();
    assert!(limit.contains(", \"small-month\";r=1;t="), "{limit}");
    assert_eq!(ask(&gateway, "one").status, 200);
    let refused = ask(&gateway, "one");
    refused.assert_problem(429, "GW0029");
    let wait: u64 = refused.get("Retry-After").and_then(|text| text.parse().ok()).unwrap();
    let limit = refused.get("RateLimit").unwrap_or_default();
    assert!((1..=31 * 86_400).contains(&wait));
    assert!(limit.contains(&format!("\"small-month\";r=0;t={wait}")), "{limit} {wait}");
    assert_eq!(upstream.requests().len(), 2);
    // The others have quotas of their own.
    assert_eq!(use_up(&gateway, "two") + use_up(&gateway, "alone"), 4);
    let left = gateway.metric("pasarela_quota_left_calls{quota=\"small month application one\"}");
    assert_eq!(left, 0.0);
}

#[test]
fn t32_a_quota_is_one_over_reloads_upgrades_and_restarts() {
    let upstream = Upstream::ok("ok");
    let mut gateway = on_plan(&upstream, "quota: 250/month", "").start();
    let served = |gateway: &Gateway, count: usize| {
        for _ in 0..count {
            assert_eq!(ask(gateway, "one").status, 200);
        }
    };
    served(&gateway, 23);
    gateway.reload(&format!("{}\n# again\n", gateway.yaml()));
    served(&gateway, 14);
    gateway.upgrade();
    served(&gateway, 5);
    // What the old process had leased comes back when it has drained.
    assert!(eventually(seconds(10), || !gateway.previous()[0].runs()));
    gateway.sigterm();
    assert!(gateway.process().wait(seconds(10)).is_some());
    gateway.kill_and_restart();
    served(&gateway, 3);
    assert_eq!(use_up(&gateway, "one"), 250 - 23 - 14 - 5 - 3, "not one more and not one less");
}

#[test]
fn t32_a_kill_hands_nothing_out_twice_and_loses_a_chunk_at_most() {
    let upstream = Upstream::ok("ok");
    let mut gateway = on_plan(&upstream, "quota: 200/month", "").start();
    let mut served = 0;
    for calls in [25, 1, 17] {
        let mut client = gateway.connect();
        served += (0..calls).filter(|_| client.ask(get("one")).status == 200).count();
        gateway.kill_and_restart();
    }
    served += use_up(&gateway, "one");
    // L40: ten at a time, and the next ten are fetched when five are left.
    assert!((200 - 3 * 15..=200).contains(&served), "{served} of 200");
    assert_eq!(upstream.requests().len(), served);
}

#[test]
fn an_organisation_may_have_one_quota_and_one_rate_for_all_its_applications() {
    let upstream = Upstream::ok("ok");
    let plan = "quota: { calls: 5/month, per: organisation }, rate: { calls: 4/h burst 4, per: organisation }";
    let gateway = on_plan(&upstream, plan, "").start();
    let statuses = |name: &str, count| -> Vec<u16> {
        (0..count).map(|_| ask(&gateway, name).status).collect()
    };
    assert_eq!(statuses("one", 3), [200, 200, 200]);
    assert_eq!(statuses("two", 2), [200, 429]);
    assert_eq!(statuses("alone", 1), [200], "it has no organisation, and so its own");
    let refused = ask(&gateway, "one");
    refused.assert_problem(429, "GW0007");
    // With a rate that is no bound any more the quota is; neither begins anew with a reload.
    let faster = gateway.yaml().replace("calls: 4/h burst 4", "calls: 1000/s");
    gateway.reload(&faster);
    assert_eq!(served_in_all(&gateway, ["two", "one"]), 1);
    gateway.reload(&faster.replace("calls: 5/month", "calls: 7/month"));
    assert_eq!(served_in_all(&gateway, ["one", "two"]), 2, "5 of 7 are used");
    assert_eq!(use_up(&gateway, "alone"), 7 - 1);
}

/// Calls by turns until the quota is used up, however often the rate is met; how many were served.
fn served_in_all(gateway: &Gateway, names: [&str; 2]) -> usize {
    let (mut served, mut asked) = (0, 0);
    loop {
        let answer = ask(gateway, names[asked % 2]);
        asked += 1;
        match answer.status {
            200 => served += 1,
            429 if answer.problem()["code"] == "GW0007" => {}
            _ => {
                answer.assert_problem(429, "GW0029");
                return served;
            }
        }
    }
}

#[test]
fn beyond_a_quota_calls_may_go_on_to_be_charged() {
    let upstream = Upstream::ok("ok");
    let plan = "quota: { calls: 3/month, over: charge }";
    let gateway = on_plan(&upstream, plan, "").start();
    for _ in 0..8 {
        assert_eq!(ask(&gateway, "one").status, 200);
    }
    let counted = || gateway.metric("pasarela_requests_beyond_quota_total{api=\"t\"");
    assert!(eventually(seconds(5), || counted() == 5.0), "{}", counted());
}

#[test]
fn where_the_ledger_cannot_be_had_no_call_is_given_away() {
    let upstream = Upstream::ok("ok");
    let builder = on_plan(&upstream, "quota: 100/month", "");
    let data = builder.folder().join("data");
    std::fs::create_dir_all(&data).unwrap();
    // A file is where the ledger's folder should be.
    std::fs::write(data.join("quotas"), "in the way").unwrap();
    let gateway = builder.start();
    let refused = ask(&gateway, "one");
    refused.assert_problem(503, "GW0061");
    assert_eq!(refused.get("Retry-After"), Some("1"));
    assert!(upstream.requests().is_empty());
    std::fs::remove_file(data.join("quotas")).unwrap();
    assert!(
        eventually(seconds(10), || ask(&gateway, "one").status == 200),
        "it recovers by itself"
    );
}

#[test]
fn with_a_store_its_database_is_the_ledger() {
    let upstream = Upstream::ok("ok");
    let mut gateway =
        on_plan(&upstream, "quota: 12/month", "").top("storage: sqlite:./data").start();
    assert_eq!(use_up(&gateway, "one"), 12);
    gateway.kill_and_restart();
    assert_eq!(use_up(&gateway, "one"), 0);
    assert!(gateway.folder().join("data/store.db").exists());
    assert!(!gateway.folder().join("data/quotas").exists());
}

const CONTRACT: &str = "openapi: 3.1.0\ninfo: { title: Quotes, version: \"1\" }\npaths:\n  /quotes/{id}:\n    \
    get: { operationId: getQuote, responses: { \"200\": { description: ok } } }\n  /quotes:\n    \
    post: { operationId: makeQuote, responses: { \"200\": { description: ok } } }\n";

#[test]
fn t31_an_operation_may_have_a_rate_of_its_own() {
    let upstream = Upstream::ok("ok");
    let plan = "rate: 100/s, operations: { makeQuote: 1/h burst 2 }";
    let gateway =
        on_plan(&upstream, plan, "contract: quotes.yaml").file("quotes.yaml", CONTRACT).start();
    let mut client = gateway.connect();
    let mut ask = |name: &str, method: &str, path: &str| {
        client.ask(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\nContent-Length: 0\r\n\r\n",
            key(name)
        ))
    };
    for path in ["/t/quotes", "/t/./quotes?x=1"] {
        let made = ask("one", "POST", path);
        assert_eq!(made.status, 200, "{}", made.brief());
        let policy = made.get("RateLimit-Policy").unwrap_or_default();
        assert_eq!(policy, "\"small\";q=100;w=1, \"small-makeQuote\";q=1;w=3600");
    }
    let refused = ask("one", "POST", "/t/quotes");
    let problem = refused.assert_problem(429, "GW0007");
    assert!(problem["detail"].as_str().unwrap().contains("operation"), "{problem}");
    for _ in 0..5 {
        assert_eq!(ask("one", "GET", "/t/quotes/7").status, 200, "others have no bound");
    }
    assert_eq!(ask("two", "POST", "/t/quotes").status, 200, "nor has it for others");
    gateway.reload(&format!("{}\n# again\n", gateway.yaml()));
    assert_eq!(RawClient::connect(gateway.address()).ask(post("one")).status, 429);
}

fn post(name: &str) -> String {
    let key = key(name);
    format!(
        "POST /t/quotes HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\nContent-Length: 0\r\n\r\n"
    )
}
