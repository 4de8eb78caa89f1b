//! SOAP among strangers: seven callers and five services that others wrote, each caller with each service,
//! directly and through the gateway.
//!
//! Everybody reads the contracts of `peers/soap/wsdl`, which are ours, and holds values that toolkits are known to
//! lose. Directly is the baseline: what a pair loses without us stands in `peers/soap/known`, a file a service.
//! Through the gateway, with its key, its `?wsdl` and the address in it, nothing may be worse.

mod callers;
mod parts;
mod published;
mod rest;
mod secure;
mod services;
mod shop;
mod transcoded;
mod verdict;

use std::{collections::BTreeSet, thread, time::Duration};

use pasarela_testkit::eventually;
use sha2::{Digest as _, Sha256};

use crate::harness::{Gateway, program, succeed};
use callers::{Caller, Route, VERSIONS};
use services::{Kind, Service, contract};

const KEY: &str = "a-key-of-the-soap-peers";

/// How many callers at a time: each is a process, and the machine runs other tests too.
const AT_ONCE: usize = 3;

/// A gateway in front of a service: an API for each of its contracts, open to those who hold [`KEY`].
fn in_front_of(service: &Service) -> Gateway {
    let mut text =
        "workers: 1\nlogs: { access: off }\nplans:\n  - { name: peers, rate: 100000/s }\napis:\n"
            .to_owned();
    let mut subscriptions = Vec::new();
    for name in service.kind.contracts() {
        text += &format!(
            "  - {{ name: {name}, version: 1, visibility: public, plans: [peers], contract: \"{}\", \
             upstreams: [\"http://127.0.0.1:{}/{name}\"] }}\n",
            contract(name).display(),
            service.port
        );
        subscriptions.push(format!("{{ api: {name}, plan: peers }}"));
    }
    let digest: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
    text += &format!(
        "applications:\n  - name: caller\n    subscriptions: [{}]\n    keys: [{{ sha256: \"{digest}\" }}]\n",
        subscriptions.join(", ")
    );
    Gateway::start(&text)
}

/// Every caller with one service: what is lost directly is known, and no more is lost through the gateway.
fn with_everybody(kind: Kind) {
    let Some(service) = Service::start(kind) else { return };
    let gateway = in_front_of(&service);
    let pairs: Vec<(Caller, u8)> = Caller::all_there()
        .into_iter()
        .flat_map(|caller| VERSIONS.map(|version| (caller, version)))
        .filter(|(caller, version)| !caller.contracts(kind, *version).is_empty())
        .collect();
    let routes = [Route::Direct(service.port), Route::Through(gateway.address)];
    let call =
        |(caller, version): &(Caller, u8)| routes.map(|route| caller.call(kind, *version, route));
    let mut said = Vec::new();
    for some in pairs.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|pair| scope.spawn(move || call(pair))).collect();
            said.extend(running.into_iter().map(|caller| caller.join().unwrap()));
        });
    }
    let mut known = String::new();
    for ((caller, version), [directly, through]) in pairs.iter().zip(&said) {
        let name = format!("{caller:?} over SOAP 1.{}", version - 10).to_lowercase();
        let worse = verdict::worse(through, directly);
        assert!(
            worse.is_empty(),
            "{name} and {kind:?} through the gateway:\n{worse}{}",
            gateway.log()
        );
        known += &verdict::section(&name, directly);
    }
    verdict::is_known(&format!("{kind:?}").to_lowercase(), &known);
    let expected = 2 * pairs
        .iter()
        .filter(|(caller, version)| caller.contracts(kind, *version).contains(&"orders"))
        .count();
    // Nobody answers a one-way message: the last ones may still be on their way.
    eventually(Duration::from_secs(5), || service.notices() >= expected);
    assert_eq!(service.notices(), expected, "one-way messages that reached {kind:?}");
}

#[test]
fn soap_spyne_serves_everybody_as_without_us() {
    with_everybody(Kind::Spyne);
}

#[test]
fn soap_php_serves_everybody_as_without_us() {
    with_everybody(Kind::Php);
}

#[test]
fn soap_node_serves_everybody_as_without_us() {
    with_everybody(Kind::Node);
}

#[test]
fn soap_gsoap_serves_everybody_as_without_us() {
    with_everybody(Kind::Gsoap);
}

#[test]
fn soap_lite_serves_everybody_as_without_us() {
    with_everybody(Kind::Lite);
}

/// A caller without the key learns so in its own language: each of its calls fails, none reaches the service.
#[test]
fn soap_callers_without_a_key_are_refused() {
    let Some(service) = Service::start(Kind::Php) else { return };
    let gateway = in_front_of(&service);
    for caller in Caller::all_there() {
        let calls = caller.call_with_key("-", Kind::Php, 11, Route::Refused(gateway.address));
        let answered: BTreeSet<_> =
            calls.iter().filter(|call| call.answer.is_ok()).map(|call| &call.name).collect();
        // One-way callers do not look at what comes back; a fault is what `orders.fault` waits for.
        let deaf = BTreeSet::from(["orders.notify".to_owned(), "orders.fault".to_owned()]);
        assert!(
            answered.iter().all(|name| deaf.contains(*name)),
            "{caller:?} without a key: {answered:?}"
        );
        assert!(calls.len() >= 3, "{caller:?} made {} calls", calls.len());
    }
    assert_eq!(service.notices(), 0, "a notice came through without a key");
}

/// gSOAP's compiler reads the contract as we serve it and makes the same of it.
#[test]
fn soap_gsoap_compiles_the_contract_that_we_serve() {
    let Some(service) = Service::start(Kind::Gsoap) else { return };
    let gateway = in_front_of(&service);
    let folder = gateway.folder();
    let compiled = |source: &str| {
        let made = folder.join("made.h");
        succeed(
            program("wsdl2h").args(["-c", "-F", "-o"]).arg(&made).arg(source),
            Duration::from_secs(30),
        );
        let code = std::fs::read_to_string(&made).unwrap();
        // Where it came from and where the service is may differ, and no more.
        let about_it = |line: &&str| !line.contains("://127.0.0.1") && !line.contains(source);
        let lines: Vec<String> = code.lines().filter(about_it).map(str::to_owned).collect();
        // The first lines tell of the command and the time.
        lines
            .into_iter()
            .skip_while(|line| !line.contains("#import") && !line.contains("Definitions"))
            .collect::<Vec<_>>()
    };
    for name in service.kind.contracts() {
        let served = compiled(&format!("http://{}/{name}/v1/soap?wsdl", gateway.address));
        assert_eq!(served, compiled(&contract(name).to_string_lossy()), "{name}");
        assert!(served.len() > 100, "{name}: {} lines", served.len());
    }
}
