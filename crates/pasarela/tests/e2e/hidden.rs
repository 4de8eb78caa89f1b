//! What is hidden is not told from what is missing by how it is asked, by when the answer comes, or by what the answer costs.

use std::time::Duration;

use pasarela_testkit::{Builder, Gateway, RawClient, Response, Upstream};

use crate::{
    KEY, gateway, soap,
    ws_security::signer::{message, text_user},
};

/// A private API, a partner's, and a partner's whose messages say who sends them; an application `other` that subscribes to
/// something else, and one, `user`, that subscribes to them.
fn hiding(upstream: &Upstream) -> Builder {
    let url = upstream.url();
    gateway()
        .file("other.key", KEY)
        .file("user.password", "open sesame")
        .file("parcels.wsdl", soap::WSDL)
        .top(
            "plans: [{ name: any, rate: 1_000_000/s }]\n\
             organisations: [{ name: us, kind: owner }, { name: them, kind: partner }]\n\
             applications:\n\
             \x20 - { name: other, organisation: them, keys: [{ file: other.key }], subscriptions: [{ api: else, plan: any }] }\n\
             \x20 - name: user\n\
             \x20   organisation: them\n\
             \x20   users: [{ name: user, password: { file: user.password } }]\n\
             \x20   subscriptions: [{ api: said, plan: any }, { api: wide, plan: any }]\n",
        )
        .api_with("else", &[&url], "plans: [any]")
        .api_with("priv", &[&url], "visibility: private\nnetworks: [10.0.0.0/8]\nplans: [any]")
        .api_with("part", &[&url], "visibility: partner\nplans: [any]")
        .api_with("said", &[&url], &format!("{SAID}body_bytes: 10KiB\n"))
        .api_with("wide", &[&url], &format!("{SAID}body_bytes: 20KiB\n"))
}

const SAID: &str = "visibility: partner\nplans: [any]\ncontract: parcels.wsdl\nfaces: [soap]\n\
    ws_security: { terminate: { username: any } }\n";

/// Addresses that are hidden, and of one length with them one that nobody has.
const HIDDEN: [&str; 4] = ["said", "wide", "part", "priv"];
const MISSING: &str = "none";

fn plain(answer: &Response) -> (u16, Vec<String>, String) {
    let id = answer.get("x-request-id").unwrap_or_default().to_owned();
    let names = answer.fields.0.iter().map(|(name, _)| name.clone()).collect();
    (answer.status, names, answer.text().replace(&id, "ID"))
}

fn post(name: &str, fields: &str) -> String {
    format!("POST /{name}/soap HTTP/1.1\r\nHost: test\r\nContent-Type: text/xml\r\n{fields}\r\n")
}

#[test]
fn t28_half_a_message_does_not_tell_a_partner_s_api_from_nothing() {
    let upstream = Upstream::ok("<done/>");
    let gateway = hiding(&upstream).start();
    let good = message(&text_user("user", "open sesame"));
    let bodies = [
        message(&text_user("nobody", "open sesame")),
        good.replace("urn:t", "urn:other"),
        "<no-message/>".to_owned(),
        "no XML".to_owned(),
    ];
    let key = format!("X-API-Key: {KEY}\r\n");
    for body in &bodies {
        for shown in ["", &*key] {
            let mut answers = Vec::new();
            for name in HIDDEN.iter().chain([&MISSING]) {
                let mut client = gateway.connect();
                let fields = format!("{shown}Content-Length: {}\r\n", body.len());
                client.send(post(name, &fields)).send(&body[..body.len() / 2]);
                client.assert_silent_for(Duration::from_millis(60));
                client.send(&body[body.len() / 2..]);
                answers.push((name, plain(&client.response_to("POST"))));
                // The connection goes on in the same way, too.
                answers.push((name, plain(&client.get("/none"))));
            }
            for (name, answer) in &answers {
                assert_eq!(answer, &answers[0].1, "{name} {body}");
            }
        }
    }
    assert!(upstream.requests().is_empty());
    for name in ["said", "wide"] {
        let sent = format!("{}{good}", post(name, &format!("Content-Length: {}\r\n", good.len())));
        assert_eq!(gateway.connect().ask(sent).status, 200, "who is known is served");
    }
}

#[test]
fn t28_bounds_and_expectations_do_not_tell_it_either() {
    let upstream = Upstream::ok("<done/>");
    let gateway = hiding(&upstream).start();
    let body = message(&text_user("nobody", "knows"));
    let long = format!("{}<!-- {} -->", body, "x".repeat(15_000));
    let longest = format!("{}<!-- {} -->", body, "x".repeat(25_000));
    let length = |body: &str| format!("Content-Length: {}\r\n", body.len());
    let cases = [
        ("Content-Length: 99999999999\r\n".to_owned(), String::new()),
        (length(&long), long),
        (length(&longest), String::new()),
        (format!("Expect: a-miracle\r\n{}", length(&body)), body.clone()),
        (format!("Expect: 100-continue\r\n{}", length(&body)), body.clone()),
        (format!("Connection: host\r\n{}", length(&body)), body.clone()),
        (format!("Connection: upgrade\r\nUpgrade: x\r\n{}", length(&body)), body.clone()),
        (format!("Content-Encoding: gzip\r\n{}", length(&body)), body.clone()),
        (format!("SOAPAction: \"urn:cancel\"\r\n{}", length(&body)), body.clone()),
        ("Transfer-Encoding: chunked\r\n".to_owned(), "5\r\nhello\r\n0\r\n\r\n".to_owned()),
    ];
    for (fields, body) in cases {
        let ask = |name: &str| {
            let mut client = gateway.connect();
            client.send(post(name, &fields)).send(&body);
            let answer = client.response_to("POST");
            let interim: Vec<u16> = answer.interim.iter().map(|one| one.status).collect();
            (plain(&answer), interim)
        };
        let missing = ask(MISSING);
        assert!(missing.0.2.contains("GW0001"), "{missing:?}");
        for name in HIDDEN {
            assert_eq!(ask(name), missing, "{name} {fields}");
        }
    }
}

#[test]
fn where_no_message_can_say_who_sends_it_nobody_is_heard_out() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let mut client = gateway.connect();
    client.send("POST /none HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf");
    assert_eq!(client.response_to("POST").status, 404);
}

/// What two kinds of requests cost the worker, nanoseconds each: asked in turns, forwards and backwards, so that what drifts
/// is the same for both. Medians, because a busy machine has outliers: the cost of the first kind, by how much the second differs,
/// and how sure that is.
fn compare(
    gateway: &mut Gateway,
    client: &mut RawClient,
    kinds: [&str; 2],
    rounds: usize,
) -> (f64, f64, f64) {
    const BATCH: usize = 40;
    let mut cost = |gateway: &mut Gateway, kind: usize| {
        let requests = kinds[kind].repeat(BATCH);
        let before = gateway.process().cpu_of("worker");
        client.send(&requests);
        for _ in 0..BATCH {
            client.response();
        }
        let spent = gateway.process().cpu_of("worker").saturating_sub(before);
        spent.as_nanos() as f64 / BATCH as f64
    };
    let (mut costs, mut differences) = (Vec::new(), Vec::new());
    for round in 0..rounds + 5 {
        let [first, second, third, fourth] = [0, 1, 1, 0].map(|kind| cost(gateway, kind));
        // The first ones warm up.
        if round >= 5 {
            costs.push((first + fourth) / 2.0);
            differences.push((second + third - first - fourth) / 2.0);
        }
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let middle = median(&mut differences);
    let mut away: Vec<f64> = differences.iter().map(|value| (value - middle).abs()).collect();
    // The standard error of a median, from the median deviation.
    let error = 1.4826 * 1.2533 * median(&mut away) / (rounds as f64).sqrt();
    (median(&mut costs), middle, error)
}

#[test]
fn t28_what_is_hidden_costs_what_is_missing_costs_alone() {
    let upstream = Upstream::ok("<done/>");
    let mut gateway = hiding(&upstream).workers(1).start();
    let stranger = message(&text_user("nobody", "open sesame"));
    let subscriber_elsewhere = format!("X-API-Key: {KEY}\r\n");
    let get = |name: &str, fields: &str| {
        format!("GET /{name}/soap HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
    };
    let send = |name: &str, fields: &str| {
        let fields = format!("{fields}Content-Length: {}\r\n", stranger.len());
        format!("{}{stranger}", post(name, &fields))
    };
    let rounds = if crate::full() { 1_000 } else { 30 };
    let mut client = gateway.connect();
    let mut told = Vec::new();
    for shown in ["", &*subscriber_elsewhere] {
        for name in HIDDEN {
            for ask in [&get as &dyn Fn(&str, &str) -> String, &send] {
                let kinds = [ask(MISSING, shown), ask(name, shown)];
                let kinds = kinds.each_ref().map(String::as_str);
                let (cost, difference, error) = compare(&mut gateway, &mut client, kinds, rounds);
                told.push((
                    name,
                    kinds[1].lines().next().unwrap_or_default()[..4].to_owned(),
                    shown,
                    cost,
                    difference,
                    error,
                ));
            }
        }
    }
    // That something is seen at all: a hundred fields more.
    let more = "X: y\r\n".repeat(60);
    let (one, other) = (get(MISSING, ""), get(MISSING, &more));
    let (cost, difference, error) = compare(&mut gateway, &mut client, [&one, &other], rounds);
    eprintln!("control: {cost:.0} ns, {difference:+.0} ± {error:.0}");
    assert!(
        difference > 0.05 * cost + 3.0 * error,
        "what differs is seen: {cost} {difference} {error}"
    );
    for (name, method, shown, cost, difference, error) in &told {
        eprintln!("{method} {name} {shown:?}: {cost:.0} ns, {difference:+.0} ± {error:.0}");
    }
    for (name, method, shown, cost, difference, error) in &told {
        // A base path that is there is compared and looked behind: some dozens of nanoseconds in a release, a microsecond here.
        // A digest, a signature or a message that is read for one of them only costs several times that.
        assert!(
            difference.abs() <= 0.12 * cost + 4.0 * error,
            "{method} {name} {shown:?}: {cost:.0} {difference:+.0} ± {error:.0}"
        );
    }
}
