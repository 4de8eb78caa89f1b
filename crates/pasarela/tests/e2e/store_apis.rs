//! APIs that live in the store: made, changed and retired over the administration API, on both engines.

use std::sync::{Arc, atomic::AtomicUsize};

use pasarela_testkit::{Gateway, Outcome, Upstream, eventually, seconds};
use serde_json::{Value, json};

use crate::{
    admin::{Patient, Person, administered, call, on_both, text, until},
    contracts::{TYPES, WSDL},
    publish::{json_call, service, soap_call},
};

on_both! {
    an_api_answers_from_its_publication_to_its_retirement,
    a_wsdl_comes_with_what_it_imports_and_has_both_faces,
    a_contract_is_fetched_again_and_an_earlier_one_comes_back,
    t28_a_partner_api_of_the_store_is_for_who_was_admitted_and_subscribes,
    f09_with_the_store_dead_its_apis_are_served_contracts_and_all,
    what_the_file_declares_too_is_the_files,
}

#[track_caller]
fn patch(gate: &Person<'_>, api: &Value, body: &Value) -> Value {
    let path = format!("/apis/{}", text(api, "id"));
    let version = gate.get(&path)["version"].as_i64().unwrap();
    let answer = gate.ask("PATCH", &path, &format!("If-Match: \"{version}\"\r\n"), Some(body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn plain(name: &str, upstream: &Upstream) -> Value {
    json!({
        "name": name, "version": 1, "visibility": "public", "upstreams": [upstream.url()],
        "timeouts": { "first_byte": "5s" }, "retries": { "attempts": 1 },
    })
}

fn body_of(gateway: &Gateway, target: &str) -> String {
    gateway.get(target).text()
}

fn an_api_answers_from_its_publication_to_its_retirement(storage: &str) {
    let (one, two) = (Upstream::ok("one"), Upstream::ok("two"));
    let gateway = administered(storage, &one).start();
    let gate = Person::first(&gateway);
    let draft = json!({ "definition": plain("orders", &one), "state": "draft" });
    let made = gate.post("/apis", draft);
    assert_eq!(text(&made, "api"), "orders/v1");
    assert_eq!(call(&gateway, "/orders/v1/x", ""), 404);
    patch(&gate, &made, &json!({ "state": "published" }));
    until(&gateway, "/orders/v1/x", "", 200);
    assert_eq!(body_of(&gateway, "/orders/v1/x"), "one");

    // Another service behind it, at another path.
    let mut definition = plain("orders", &two);
    definition["path"] = "/o".into();
    patch(&gate, &made, &json!({ "definition": definition }));
    until(&gateway, "/o/x", "", 200);
    assert_eq!(body_of(&gateway, "/o/x"), "two");
    assert_eq!(call(&gateway, "/orders/v1/x", ""), 404);

    // The others do not see what is no draft of theirs, and nobody but us may write.
    let (owner, _, key) = gate.partner("acme");
    until(&gateway, "/t/", &key, 200);
    gate.post("/apis", json!({ "definition": plain("later", &one), "state": "draft" }));
    let names = |who: &Person<'_>| -> Vec<String> {
        let seen = who.get("/apis");
        seen["items"].as_array().unwrap().iter().map(|api| text(api, "api")).collect()
    };
    assert_eq!(names(&gate), ["t/v1", "p/v1", "orders/v1", "later/v1"]);
    assert_eq!(names(&owner), ["t/v1", "orders/v1"]);
    let new = json!({ "definition": plain("mine", &one) });
    owner.ask("POST", "/apis", "", Some(&new)).assert_problem(403, "ST0002");
    let path = format!("/apis/{}", text(&made, "id"));
    owner.ask("GET", &path, "", None).assert_problem(403, "ST0002");

    patch(&gate, &made, &json!({ "state": "deprecated" }));
    until(&gateway, "/o/x", "", 200);
    patch(&gate, &made, &json!({ "state": "retired" }));
    until(&gateway, "/o/x", "", 404);
    let version = gate.get(&path)["version"].as_i64().unwrap();
    let gone = gate.ask("DELETE", &path, &format!("If-Match: \"{version}\"\r\n"), None);
    assert_eq!(gone.status, 200, "{}", gone.text());
    gate.ask("GET", &path, "", None).assert_problem(404, "ST0004");
    let log = gate.get("/audit?limit=2");
    assert_eq!(log["items"][0]["verb"], "api.delete");
    assert_eq!(log["items"][1]["after"]["state"], "retired");
}

/// The contract and what it imports, as they are sent.
fn documents(schema: &str) -> Value {
    json!([
        { "name": "orders.wsdl", "text": WSDL.replace("SCHEMA", "types/orders.xsd").replace("ADDRESS", "http://inner/orders") },
        { "name": "types/orders.xsd", "text": schema },
    ])
}

fn soap_api(name: &str, upstream: &Upstream) -> Value {
    json!({
        "name": name, "version": 1, "visibility": "public", "contract": "orders.wsdl",
        "upstreams": [format!("{}/orders", upstream.url())],
    })
}

fn a_wsdl_comes_with_what_it_imports_and_has_both_faces(storage: &str) {
    let upstream = service(&Arc::new(AtomicUsize::new(0)));
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    // Without the schema, or with a broken one, nothing of it is on the air; each fault has its place.
    let mut alone = documents(TYPES);
    alone.as_array_mut().unwrap().pop();
    for (sent, place) in [(alone, "orders.wsdl"), (documents("<xs:schema"), "types/orders.xsd")] {
        let new = json!({ "definition": soap_api("orders", &upstream), "documents": sent });
        let refused = gate.ask("POST", "/apis", "", Some(&new));
        let problem = refused.assert_problem(422, "ST0018");
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["pointer"] == "/definition/contract"), "{problem}");
        let placed = errors.iter().find(|error| error["document"] == place);
        let placed = placed.unwrap_or_else(|| panic!("nothing about {place}: {problem}"));
        assert_eq!(placed["code"], "CF0054");
        assert!(placed["line"].as_u64().unwrap() > 0, "{problem}");
    }
    assert_eq!(call(&gateway, "/orders/v1/soap", ""), 404);

    let new = json!({ "definition": soap_api("orders", &upstream), "documents": documents(TYPES) });
    gate.post("/apis", new);
    until(&gateway, "/orders/v1/openapi.json", "", 200);
    assert!(soap_call(&gateway, "/orders/v1/soap").contains("<total>10.10</total>"));
    let answer = json_call(&gateway, "/orders/v1/GetOrder", "{\"id\":7}");
    assert_eq!(answer["total"], "10.10");
    assert!(body_of(&gateway, "/orders/v1/soap?wsdl").contains("GetOrder"));
}

fn a_contract_is_fetched_again_and_an_earlier_one_comes_back(storage: &str) {
    let version = Arc::new(AtomicUsize::new(0));
    let upstream = service(&version);
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    let new = json!({ "definition": soap_api("orders", &upstream), "documents": documents(TYPES) });
    let made = gate.post("/apis", new);
    until(&gateway, "/orders/v1/openapi.json", "", 200);
    let has_state = || body_of(&gateway, "/orders/v1/openapi.json").contains("\"state\"");
    assert!(!has_state());

    version.store(1, std::sync::atomic::Ordering::SeqCst);
    let path = format!("/apis/{}", text(&made, "id"));
    let import = format!("{path}/import");
    let from = json!({ "url": format!("{}/orders?wsdl", upstream.url()) });
    gate.ask("POST", &import, "", Some(&from)).assert_problem(428, "ST0010");
    gate.ask("POST", &import, "If-Match: \"9\"\r\n", Some(&from)).assert_problem(412, "ST0009");
    let done = gate.ask("POST", &import, "If-Match: \"1\"\r\n", Some(&from));
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(eventually(seconds(1), has_state), "the new contract is not served");
    // What a contract names elsewhere is not fetched, and nothing changes.
    let away = json!({ "url": "http://169.254.169.254/latest?wsdl" });
    let refused = gate.ask("POST", &import, "If-Match: \"2\"\r\n", Some(&away));
    let problem = refused.assert_problem(422, "ST0018");
    assert_eq!(problem["errors"][0]["code"], "CF0072");

    let revisions = gate.get(&format!("{path}/revisions"));
    let numbers = revisions["items"].as_array().unwrap().iter().map(|one| one["number"].as_i64());
    assert_eq!(numbers.collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(revisions["items"][1]["source"], from["url"]);
    let second = gate.get(&format!("{path}/revisions/2"));
    let texts = second["documents"].as_array().unwrap();
    assert!(texts.iter().any(|one| text(one, "text").contains("name=\"state\"")), "{second}");
    patch(&gate, &made, &json!({ "revision": 1 }));
    assert!(eventually(seconds(1), || !has_state()), "the earlier contract is not served");
}

fn t28_a_partner_api_of_the_store_is_for_who_was_admitted_and_subscribes(storage: &str) {
    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    let (owner, partner, key) = gate.partner("acme");
    let plan = gate.post("/plans", json!({ "name": "gold", "apis": [] }));
    let mut definition = plain("deals", &upstream);
    definition["visibility"] = "partner".into();
    definition["plans"] = json!(["gold", "carrier"]);
    gate.post("/apis", json!({ "definition": definition }));
    until(&gateway, "/t/", &key, 200);

    let app = format!("/applications/{}/subscriptions", text(&partner["app"], "id"));
    let wanted = json!({ "api": "deals/v1", "plan": text(&plan, "id") });
    owner.ask("POST", &app, "", Some(&wanted)).assert_problem(404, "ST0004");
    let organisation = text(&partner["organisation"], "id");
    let admission = format!("/organisations/{organisation}/admissions/deals/v1");
    assert_eq!(gate.ask("PUT", &admission, "", None).status, 200);
    let asked = owner.post(&app, wanted);
    assert_eq!(call(&gateway, "/deals/v1/", &key), 404);
    gate.post(&format!("/subscriptions/{}/approve", text(&asked, "id")), None);
    until(&gateway, "/deals/v1/", &key, 200);
    // To who is not admitted it looks like one that is missing.
    let (_, _, other) = gate.partner("bolt");
    until(&gateway, "/t/", &other, 200);
    assert_eq!(call(&gateway, "/deals/v1/", &other), 404);
    assert_eq!(call(&gateway, "/deals/v1/", ""), 404);

    // Somebody subscribes: it can be retired, and not removed.
    let all = gate.get("/apis");
    let made = all["items"].as_array().unwrap().iter().find(|api| api["api"] == "deals/v1");
    let path = format!("/apis/{}", text(made.unwrap(), "id"));
    let refused = gate.ask("DELETE", &path, "If-Match: \"1\"\r\n", None);
    refused.assert_problem(409, "ST0008");
}

fn f09_with_the_store_dead_its_apis_are_served_contracts_and_all(storage: &str) {
    let upstream = service(&Arc::new(AtomicUsize::new(0)));
    let mut gateway = administered(storage, &upstream).start();
    {
        let gate = Person::first(&gateway);
        let definition = soap_api("orders", &upstream);
        gate.post("/apis", json!({ "definition": definition, "documents": documents(TYPES) }));
        until(&gateway, "/orders/v1/openapi.json", "", 200);
    }
    let kept = gateway.folder().join("data/held.1");
    assert!(eventually(seconds(2), || kept.exists()));
    // What was kept has the last change too: nothing else is being written any more.
    std::thread::sleep(std::time::Duration::from_millis(700));
    Patient::new(storage, &gateway).dies();
    gateway.kill_and_restart();
    assert!(soap_call(&gateway, "/orders/v1/soap").contains("<total>10.10</total>"));
    assert_eq!(call(&gateway, "/orders/v1/openapi.json", ""), 200);
}

fn what_the_file_declares_too_is_the_files(storage: &str) {
    let (file, store) = (Upstream::ok("file"), Upstream::ok("store"));
    let gateway = administered(storage, &file).start();
    let gate = Person::first(&gateway);
    // Taken by the file, name or place, it is refused with both at once where both are wrong.
    let refused = gate.ask("POST", "/apis", "", Some(&json!({ "definition": plain("t", &store) })));
    assert_eq!(refused.assert_problem(422, "ST0018")["errors"][0]["code"], "CF0040");
    let mut definition = plain("u", &store);
    definition["path"] = "/t".into();
    let refused = gate.ask("POST", "/apis", "", Some(&json!({ "definition": definition })));
    assert_eq!(refused.assert_problem(422, "ST0018")["errors"][0]["code"], "CF0041");

    gate.post("/apis", json!({ "definition": plain("u", &store) }));
    until(&gateway, "/u/v1/", "", 200);
    assert_eq!(body_of(&gateway, "/u/v1/"), "store");
    let more = pasarela_testkit::Builder::api_yaml("u", &[&file.url()], "path: /u/v1");
    let outcome = gateway.reload(&format!("{}{more}", gateway.yaml()));
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    assert!(eventually(seconds(1), || body_of(&gateway, "/u/v1/") == "file"));
    gateway.await_log("API u/v1: the configuration file has one");
    gateway.reload(&gateway.yaml());
    assert!(eventually(seconds(1), || body_of(&gateway, "/u/v1/") == "store"));
}

/// What is sent is read as the file is, and reaches nothing of this machine.
#[test]
fn t12_all_that_is_wrong_is_told_at_once_and_no_file_of_the_machine_is_read() {
    let upstream = Upstream::ok("ok");
    let gateway = administered("storage: sqlite:./data", &upstream).env("SECRET_HOST", "x").start();
    let gate = Person::first(&gateway);
    let definition = json!({
        "name": "Orders", "version": 0, "upstreams": ["http://${SECRET_HOST}:1"], "contract": "/etc/passwd",
        "tls": { "ca": "/etc/ssl/certs/ca-certificates.crt" }, "plans": ["fre"], "colour": "red",
        "timeouts": { "idle": "soon" },
    });
    let refused = gate.ask("POST", "/apis", "", Some(&json!({ "definition": definition })));
    let problem = refused.assert_problem(422, "ST0018");
    let mut found: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (text(error, "pointer"), text(error, "code")))
        .collect();
    found.sort();
    let expected = [
        ("/definition/colour", "CF0010"),
        ("/definition/contract", "CF0050"),
        ("/definition/name", "CF0027"),
        ("/definition/plans/0", "CF0042"),
        ("/definition/timeouts/idle", "CF0020"),
        ("/definition/tls/ca", "CF0050"),
        ("/definition/upstreams/0", "CF0029"),
        ("/definition/version", "CF0013"),
    ];
    let expected = expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(found, expected, "{problem:#}");
    let cures = problem.to_string();
    assert!(cures.contains("Did you mean `free`?"), "{problem:#}");
    assert!(!cures.contains("root:") && !cures.contains("BEGIN CERTIFICATE"), "{problem:#}");

    // A key that came along is used and never shown again.
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["gateway".to_owned()]).unwrap();
    let cert = cert.self_signed(&key).unwrap();
    let definition = json!({
        "name": "inner", "version": 1, "visibility": "public", "upstreams": ["https://127.0.0.1:1"],
        "tls": { "cert": "client.pem", "key": "client.key" },
    });
    let secret = key.serialize_pem();
    let documents = json!([
        { "name": "client.pem", "text": cert.pem() },
        { "name": "client.key", "text": secret },
    ]);
    let made = gate.post("/apis", json!({ "definition": definition, "documents": documents }));
    let shown = gate.get(&format!("/apis/{}/revisions/1", text(&made, "id")));
    let line = secret.lines().nth(1).unwrap();
    for said in [&made, &shown, &gate.get("/audit")] {
        assert!(!said.to_string().contains(line), "{said:#}");
    }
    assert_eq!(shown["documents"][1]["secret"], true);
}
