//! Foreign SOAP services published by their URL, as somebody who meets them for the first time would do it: what they say of
//! themselves is fetched, and then REST and SOAP callers are served.

use std::{path::Path, process::Command, time::Duration};

use super::{
    callers::{Caller, Route},
    rest,
    services::{Kind, Service, contract},
    verdict,
};
use crate::harness::{Gateway, PYTHON, finish, program};

/// A gateway that runs already, and then gets every contract of the service from where it is served.
fn publishing(service: &Service) -> Gateway {
    let gateway = Gateway::start("workers: 1\nlogs: { access: off }\n");
    for name in service.kind.contracts() {
        let at = format!("http://127.0.0.1:{}/{name}", service.port);
        let url = format!("{at}?wsdl");
        let (told, why) = match (service.kind, *name) {
            // spyne names messages in the headers of a one-way operation that it does not define; zeep and PHP refuse that, too.
            (Kind::Spyne, "orders") => {
                let (_, why) = publish(&gateway, &[&url, "--name", name]);
                assert!(why.contains("there is no message") && why.contains("R2101"), "{why}");
                let file = contract(name);
                publish(&gateway, &[&file.to_string_lossy(), "--name", name, "--upstream", &at])
            }
            (Kind::Spyne, _) => publish(&gateway, &[&url, "--name", name]),
            // What PHP and node serve is a file, whose address was never one.
            _ => publish(&gateway, &[&url, "--name", name, "--upstream", &at]),
        };
        assert_eq!(why, "", "{told}");
        try_it(&gateway, &told);
    }
    gateway
}

/// What the command printed on standard output and on standard error.
fn publish(gateway: &Gateway, args: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
    command.arg("publish").args(args).current_dir(gateway.folder());
    let output = finish(&mut command, Duration::from_secs(60));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The line that is printed to try is run by a shell, on the port that the gateway has. Its answer is one of the service:
/// the made-up order need not be there.
fn try_it(gateway: &Gateway, told: &str) {
    let line = told.lines().find(|line| line.starts_with("  curl ")).expect("a line to try");
    // The file lets the kernel choose the port.
    let line = line.replace("127.0.0.1:0/", &format!("{}/", gateway.address));
    let ran = || {
        let mut shell = Command::new("sh");
        let output = finish(shell.arg("-c").arg(line.trim()), Duration::from_secs(20));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let begin = std::time::Instant::now();
    let mut answer = ran();
    // Until it is on the air nothing is at the address.
    while answer.contains("\"GW0001\"") && begin.elapsed() < Duration::from_secs(15) {
        std::thread::sleep(Duration::from_millis(100));
        answer = ran();
    }
    let refused = ["GW0001", "GW0034", "GW0036"].iter().any(|code| answer.contains(code));
    assert!(!answer.is_empty() && !refused, "{line}\n{answer}");
}

/// Callers of both kinds, after it was published by its URL.
fn serves_when_published(kind: Kind) {
    let Some(service) = Service::start(kind) else { return };
    if !Path::new("/usr/bin/curl").exists() {
        return;
    }
    let gateway = publishing(&service);
    for caller in Caller::all_there() {
        if kind == Kind::Spyne {
            // The callers know our ports by their names, and not what spyne calls its own.
            continue;
        }
        let directly = caller.call(kind, 11, Route::Direct(service.port));
        let through = caller.call(kind, 11, Route::Through(gateway.address));
        let worse = verdict::worse(&through, &directly);
        assert!(worse.is_empty(), "{caller:?} and {kind:?}:\n{worse}{}", gateway.log());
    }
    let lines = rest::losses_of(&gateway, &service, &mut Vec::new());
    verdict::is_known(&format!("published-{kind:?}").to_lowercase(), &lines);
}

#[test]
fn soap_spyne_is_published_by_its_url_and_serves_rest_callers() {
    serves_when_published(Kind::Spyne);
}

/// A caller that knows nothing but the address: it reads the contract from the gateway, which had it from spyne.
#[test]
fn soap_callers_read_the_contract_of_a_published_service_from_the_gateway() {
    let Some(service) = Service::start(Kind::Spyne) else { return };
    let gateway = Gateway::start("workers: 1\nlogs: { access: off }\n");
    let url = format!("http://127.0.0.1:{}/bare?wsdl", service.port);
    let (told, why) = publish(&gateway, &[&url, "--name", "bare"]);
    assert_eq!(why, "", "{told}");
    try_it(&gateway, &told);
    let call = format!(
        "import requests, zeep\nsession = requests.Session()\nsession.trust_env = False\n\
         client = zeep.Client('http://{}/bare/v1/soap?wsdl', transport=zeep.Transport(session=session))\n\
         print(client.service.AddUp(value=[1, 9007199254740993]).sum)",
        gateway.address
    );
    let output = finish(program(PYTHON).args(["-c", &call]), Duration::from_secs(30));
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "9007199254740994", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn soap_php_is_published_by_its_url_and_serves_everybody() {
    serves_when_published(Kind::Php);
}

#[test]
fn soap_node_is_published_by_its_url_and_serves_everybody() {
    serves_when_published(Kind::Node);
}
