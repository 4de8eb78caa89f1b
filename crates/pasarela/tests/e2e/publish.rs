//! `pasarela publish`, by the real binary: from a URL or a file to calls that are answered, and nothing changed where it refuses.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use pasarela_testkit::{Gateway, RawClient, Upstream, eventually, seconds};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    contracts::{TYPES, WSDL, said},
    gateway,
};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// What every order is.
const ORDER: &str = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><Order xmlns='urn:orders'>\
    <total>10.10</total></Order></e:Body></e:Envelope>";

/// A SOAP service that says what it is; its types have so many versions.
pub(crate) fn service(version: &Arc<AtomicUsize>) -> Upstream {
    let version = Arc::clone(version);
    Upstream::handle(move |request| {
        let host = request.get("host").unwrap_or_default();
        let page = match (&*request.method, &*request.target) {
            ("GET", "/orders?wsdl") => WSDL
                .replace("SCHEMA", "types/orders.xsd")
                .replace("ADDRESS", &format!("http://{host}/orders")),
            ("GET", "/types/orders.xsd") => match version.load(Ordering::SeqCst) {
                0 => TYPES.to_owned(),
                _ => TYPES.replace(
                    "<xs:element name=\"total\"",
                    "<xs:element name=\"state\" type=\"xs:string\" minOccurs=\"0\"/><xs:element name=\"total\"",
                ),
            },
            ("POST", "/orders") => ORDER.to_owned(),
            _ => return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
        };
        let length = page.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{page}"
        )
        .into()
    })
}

/// Runs the command in a folder; what it printed, and its exit code.
fn publish(folder: &Path, args: &[&str]) -> (String, String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
    said(&command.arg("publish").args(args).current_dir(folder).output().unwrap())
}

/// A command that has to go well.
#[track_caller]
fn published(folder: &Path, args: &[&str]) -> String {
    let (out, err, code) = publish(folder, args);
    assert_eq!(code, Some(0), "{out}{err}");
    out
}

/// A command that has to be refused, with this code, and to change nothing.
#[track_caller]
fn refused(folder: &Path, args: &[&str], code: &str) -> String {
    let before = files(folder);
    let (out, err, exit) = publish(folder, args);
    assert_eq!((&*out, exit), ("", Some(1)), "{out}{err}");
    assert!(err.contains(&format!("error[{code}]: ")), "{err}");
    assert_eq!(files(folder), before, "{err}");
    err
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "data" {
            all.insert(format!("{name}/"), Vec::new());
            all.extend(
                files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)),
            );
        } else if path.is_file() {
            all.insert(name, fs::read(&path).unwrap());
        }
    }
    all
}

fn check(folder: &Path) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
    let (out, _, code) =
        said(&command.args(["check", "pasarela.yaml"]).current_dir(folder).output().unwrap());
    (out, code)
}

pub(crate) fn soap_call(gateway: &Gateway, path: &str) -> String {
    let body = format!(
        "<e:Envelope xmlns:e='{ENVELOPE}'><e:Body><GetOrder xmlns='urn:orders'><id>7</id></GetOrder></e:Body></e:Envelope>"
    );
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: g\r\nContent-Type: text/xml\r\nSOAPAction: \"urn:get\"\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    gateway.connect().ask(request).text()
}

pub(crate) fn json_call(gateway: &Gateway, path: &str, body: &str) -> Value {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    gateway.connect().ask(request).json()
}

#[test]
fn a_service_is_on_the_air_with_one_command_while_the_gateway_runs() {
    let service = service(&Arc::default());
    let other = Upstream::ok("ok");
    let gateway = gateway().api("t", &other).start();
    let url = format!("{}/orders?wsdl", service.url());
    let out = published(gateway.folder(), &[&url, "--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["name"], "order");
    assert_eq!(told["upstreams"], json!([format!("{}/orders", service.url())]));
    assert_eq!(told["addresses"].as_object().unwrap().len(), 4);
    assert_eq!(told["try"].as_str().unwrap().split(' ').nth(2), Some("--json"));

    let serves = || gateway.get("/order/v1/openapi.json").status == 200;
    assert!(eventually(seconds(10), serves));
    // The body of the line to try.
    let (_, rest) = told["try"].as_str().unwrap().split_once('\'').unwrap();
    let (body, rest) = rest.split_once('\'').unwrap();
    let path = rest.split_once("/order/").map(|(_, path)| format!("/order/{path}")).unwrap();
    assert_eq!(json_call(&gateway, &path, body), json!({ "total": "10.10" }));
    assert!(soap_call(&gateway, "/order/v1/soap").contains("<total>10.10</total>"));
    let wsdl = gateway.get("/order/v1/soap?wsdl").text();
    assert!(!wsdl.contains(&service.url()) && wsdl.contains("/order/v1/soap"), "{wsdl}");
    assert_eq!(gateway.get("/t/").text(), "ok");

    let again = refused(gateway.folder(), &[&url], "CF0074");
    assert!(again.contains("--update") && again.contains("--version 2"), "{again}");
    published(gateway.folder(), &[&url, "--version", "2"]);
    assert!(eventually(seconds(10), || gateway.get("/order/v2/openapi.json").status == 200));
}

#[test]
fn an_api_with_a_plan_asks_for_a_key_from_the_first_call_on() {
    let service = service(&Arc::default());
    let plans = "plans:\n  - { name: gold, rate: 5/s }\n";
    let gateway = gateway().top(plans).start();
    let out =
        published(gateway.folder(), &[&format!("{}/orders?wsdl", service.url()), "--plan", "gold"]);
    assert!(out.contains("curl -s -H \"X-API-Key: $KEY\" --json "), "{out}");
    let call = "POST /order/v1/GetOrder HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"id\":7}";
    let called = || gateway.connect().ask(call);
    assert!(eventually(seconds(10), || called().status == 401));
    assert!(service.requests().iter().all(|request| request.method == "GET"));
}

/// Some services are at an address with a slash at its end, and nowhere else.
#[test]
fn a_service_is_called_at_its_address_to_the_last_slash() {
    let service = Upstream::handle(|request| {
        let host = request.get("host").unwrap_or_default();
        let types = TYPES.split_once("urn:orders\"").unwrap().1;
        let import = "<xs:schema><xs:import namespace=\"urn:orders\" schemaLocation=\"SCHEMA\"/></xs:schema>";
        let page = match (&*request.method, &*request.target) {
            ("GET", _) => WSDL
                .replace(import, &format!("<xs:schema targetNamespace=\"urn:orders\"{types}"))
                .replace("ADDRESS", &format!("http://{host}/soap/orders/")),
            ("POST", "/soap/orders/") => ORDER.to_owned(),
            _ => {
                return "HTTP/1.1 301 Moved\r\nLocation: /soap/orders/\r\nContent-Length: 0\r\n\r\n"
                    .into();
            }
        };
        let length = page.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{page}"
        )
        .into()
    });
    let gateway = gateway().start();
    published(gateway.folder(), &[&format!("{}/soap/orders/?wsdl", service.url())]);
    assert!(eventually(seconds(10), || gateway.get("/order/v1/openapi.json").status == 200));
    assert!(soap_call(&gateway, "/order/v1/soap").contains("<total>10.10</total>"));
    assert_eq!(
        json_call(&gateway, "/order/v1/GetOrder", "{\"id\":7}"),
        json!({ "total": "10.10" })
    );
}

#[test]
fn a_contract_that_changes_does_so_by_somebodys_decision_only() {
    let version = Arc::default();
    let service = service(&version);
    let gateway = gateway().start();
    let folder = gateway.folder();
    let url = format!("{}/orders?wsdl", service.url());
    published(folder, &[&url, "--name", "orders"]);
    let stored = folder.join("contracts/orders-v1");
    let config = fs::read_to_string(folder.join("pasarela.yaml")).unwrap();
    assert!(config.contains("contract: contracts/orders-v1/orders.wsdl\n"), "{config}");
    fs::write(stored.join("orders.map.yaml"), "version: 1\n").unwrap();
    let config = format!("{config}    rest: {{ mapping: contracts/orders-v1/orders.map.yaml }}\n");
    gateway.reload_by_change(&config);

    // What the service says now is nobody's business here until it is asked.
    version.store(1, Ordering::SeqCst);
    let out = published(folder, &[&url, "--name", "orders", "--update"]);
    assert!(out.contains(&format!("changed  {}/types/orders.xsd", service.url())), "{out}");
    assert!(!out.contains("orders?wsdl"), "{out}");
    assert!(fs::read_to_string(stored.join("orders.xsd")).unwrap().contains("state"));
    assert_eq!(fs::read_to_string(folder.join("pasarela.yaml")).unwrap(), config);
    assert_eq!(fs::read_to_string(stored.join("orders.map.yaml")).unwrap(), "version: 1\n");
    assert_eq!(fs::read_dir(folder.join("contracts")).unwrap().count(), 1);
    let described = || gateway.get("/orders/v1/openapi.json").text().contains("\"state\"");
    assert!(eventually(seconds(10), described));
    let out = published(folder, &[&url, "--name", "orders", "--update"]);
    assert!(out.contains("is as it was"), "{out}");

    // Somebody edits what was stored: that is told, and mended by asking the service again.
    let xsd = stored.join("orders.xsd");
    fs::write(&xsd, fs::read_to_string(&xsd).unwrap() + "<!-- mine -->").unwrap();
    let (out, code) = check(folder);
    assert!(out.contains("error[CF0070]: ") && code == Some(1), "{out}");
    published(folder, &[&url, "--name", "orders", "--update"]);
    assert_eq!(check(folder).1, Some(0));

    refused(folder, &[&url, "--name", "nobody", "--update"], "CF0077");
}

/// What a running gateway reads is whole: an update that would be refused changes nothing.
#[test]
fn an_update_that_the_file_does_not_bear_is_refused() {
    let version: Arc<AtomicUsize> = Arc::default();
    let service = service(&version);
    let folder = TempDir::new().unwrap();
    let url = format!("{}/orders?wsdl", service.url());
    published(folder.path(), &[&url]);
    let file = folder.path().join("pasarela.yaml");
    fs::write(
        folder.path().join("map.yaml"),
        "version: 1\noperations:\n  GetOrder:\n    method: get\n    path: /orders/{id}\n",
    )
    .unwrap();
    let config = fs::read_to_string(&file).unwrap() + "    rest: { mapping: map.yaml }\n";
    fs::write(&file, config).unwrap();
    assert_eq!(check(folder.path()).1, Some(0));
    let other = Upstream::answer({
        let wsdl =
            WSDL.replace("\"GetOrder\"", "\"FindOrder\"").replace("t:GetOrder", "t:FindOrder");
        let types = TYPES
            .replace("\"GetOrder\"", "\"FindOrder\"")
            .replace("<xs:schema ", "<xs:schema xmlns=\"urn:orders\" ");
        let wsdl = wsdl.replace("<xs:schema><xs:import namespace=\"urn:orders\" schemaLocation=\"SCHEMA\"/></xs:schema>", &types);
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{wsdl}", wsdl.len())
    });
    let other = format!("{}/orders?wsdl", other.url());
    let err = refused(folder.path(), &[&other, "--name", "order", "--update"], "CF0054");
    assert!(err.contains("GetOrder") && err.contains("Nothing was changed."), "{err}");
}

#[test]
fn the_file_keeps_its_comments_its_mode_and_its_link() {
    let service = service(&Arc::default());
    let folder = TempDir::new().unwrap();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    let text = "# ours\nversion: 1 # one\nlisten: { gateway: 127.0.0.1:8088, internal: 127.0.0.1:8089 }\n\
                apis:\n  # the first\n  - name: a\n    version: 1\n    upstreams: [http://127.0.0.1:1]\n\n# the end\n";
    fs::write(real.join("p.yaml"), text).unwrap();
    fs::set_permissions(real.join("p.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("pasarela.yaml");
    symlink("real/p.yaml", &link).unwrap();
    let out = published(folder.path(), &[&format!("{}/orders?wsdl", service.url())]);
    // With a listener for private APIs an API is private unless it is said to be more.
    assert!(out.contains("REST      http://127.0.0.1:8089/order/v1\n"), "{out}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let about = fs::metadata(&link).unwrap();
    assert_eq!(about.mode() & 0o777, 0o640);
    let now = fs::read_to_string(&link).unwrap();
    let (before, after) = text.split_once("\n# the end").unwrap();
    let api =
        now.strip_prefix(before).and_then(|rest| rest.strip_suffix(&format!("\n# the end{after}")));
    let api = api.unwrap_or_else(|| panic!("{now}"));
    assert!(
        api.starts_with("  - name: order\n    version: 1\n")
            && api.contains("visibility: private\n"),
        "{now}"
    );
    // Its contracts are where the path that was given leads, for the reader goes by that.
    assert!(folder.path().join("contracts/order-v1/contract.lock").exists());
    assert_eq!(check(folder.path()).1, Some(0));
}

#[test]
fn a_contract_below_the_files_folder_stays_where_it_is() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    let document = json!({
        "openapi": "3.1.0", "info": { "title": "Rates API", "version": "3.2.0" },
        "servers": [{ "url": "http://{where}:7000/base/", "variables": { "where": { "default": "10.1.0.9" } } }],
        "paths": { "/rates/{to}": { "get": {
            "parameters": [{ "name": "to", "in": "path", "required": true, "schema": { "type": "string", "enum": ["MX"] } }],
            "responses": { "200": { "description": "It." } },
        } } },
    });
    fs::write(folder.path().join("mine/rates.json"), document.to_string()).unwrap();
    let out = published(folder.path(), &["mine/rates.json"]);
    assert!(out.contains("curl -s http://127.0.0.1:8080/rates/v3/rates/MX\n"), "{out}");
    let config = fs::read_to_string(folder.path().join("pasarela.yaml")).unwrap();
    assert_eq!(
        config,
        "version: 1\nlisten: { gateway: 127.0.0.1:8080 }   # this machine only; 0.0.0.0:8080 lets others in\n\
         apis:\n  - name: rates\n    version: 3\n    contract: mine/rates.json\n    \
         upstreams: [http://10.1.0.9:7000/base]\n    visibility: public\n"
    );
    assert_eq!(check(folder.path()).1, Some(0));
    let err = refused(folder.path(), &["mine/rates.json", "--update"], "CF0077");
    assert!(err.contains("no lock file"), "{err}");
}

#[test]
fn an_openapi_document_at_a_url_brings_its_server_with_it() {
    let upstream = Upstream::handle(|request| {
        let body = match &*request.target {
            "/openapi.yaml" => "openapi: 3.0.3\ninfo: { title: Parcels, version: '1' }\npaths:\n  /parcels:\n    get:\n      responses: { '200': { description: All. } }\n".to_owned(),
            target => format!("at {target}"),
        };
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
    });
    let gateway = gateway().start();
    let url = format!("{}/openapi.yaml", upstream.url());
    let out = published(gateway.folder(), &[&url]);
    assert!(out.contains("parcels, version 1, is in pasarela.yaml"), "{out}");
    assert!(!out.contains("SOAP"), "{out}");
    assert!(
        out.contains(&format!("`pasarela lint '{url}'` has 3 things to say of the contract.\n")),
        "{out}"
    );
    assert!(eventually(seconds(10), || gateway.get("/parcels/v1/parcels").text() == "at /parcels"));
}

#[test]
fn what_cannot_be_published_says_why_and_changes_nothing() {
    let service = service(&Arc::default());
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let url = format!("{}/orders?wsdl", service.url());
    let config = folder.join("pasarela.yaml");

    // Where the contract wants its requests to go is another matter than where it came from.
    let elsewhere = Upstream::handle(move |_| {
        let types = format!(
            "<xs:schema targetNamespace=\"urn:orders\"{}",
            TYPES.split_once("urn:orders\"").unwrap().1
        );
        let wsdl = WSDL
            .replace("<xs:schema><xs:import namespace=\"urn:orders\" schemaLocation=\"SCHEMA\"/></xs:schema>", &types)
            .replace("ADDRESS", "http://10.0.0.1:9001/orders");
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{wsdl}", wsdl.len()).into()
    });
    let err = refused(folder, &[&format!("{}/?wsdl", elsewhere.url())], "CF0076");
    assert!(
        err.contains("If that is right, say it: --upstream http://10.0.0.1:9001/orders\n"),
        "{err}"
    );

    // Of several ports the first one of the web counts.
    let file = folder.join("two.wsdl");
    let port = |address: &str| {
        format!(
            "<port name=\"P{}\" binding=\"t:Orders\"><soap:address location=\"{address}\"/></port>",
            address.len()
        )
    };
    let wsdl = |ports: &str| {
        let (before, after) = WSDL.split_once("<port ").unwrap();
        let after = after.split_once("</port>").unwrap().1;
        format!("{before}{ports}{after}").replace("SCHEMA", "orders.xsd")
    };
    fs::write(folder.join("orders.xsd"), TYPES).unwrap();
    fs::write(&file, wsdl(&port("jms:queue:orders"))).unwrap();
    let err = refused(folder, &["two.wsdl"], "CF0076");
    assert!(err.contains("\"jms:queue:orders\": its scheme is `jms`"), "{err}");
    let ports =
        port("jms:queue:orders") + &port("http://10.1.0.7/a") + &port("http://10.1.0.7/second");
    fs::write(&file, wsdl(&ports)).unwrap();
    let out = published(folder, &["two.wsdl"]);
    assert!(out.contains("1 operation at http://10.1.0.7/a\n"), "{out}");
    assert!(
        out.contains("The contract also names http://10.1.0.7/second; requests do not go there.\n"),
        "{out}"
    );
    for name in ["two.wsdl", "orders.xsd", "pasarela.yaml"] {
        fs::remove_file(folder.join(name)).unwrap();
    }

    let page = Upstream::ok("<!DOCTYPE html><html><body>Orders</body></html>");
    let err = publish(folder, &[&format!("{}/orders", page.url())]).1;
    assert!(
        err.contains(&format!("Services often have it at {}/orders?wsdl", page.url())),
        "{err}"
    );

    fs::write(&config, "{ version: 1, listen: { gateway: 127.0.0.1:1 } }\n").unwrap();
    let err = refused(folder, &[&url], "CF0075");
    assert!(err.contains("Add it yourself: { name: order, version: 1, contract: "), "{err}");
    fs::write(&config, "version: 1\nnonsense: 1\n").unwrap();
    refused(folder, &[&url], "CF0010");
    // Nobody's API answers everybody because nothing was said.
    fs::write(&config, "version: 1\n").unwrap();
    let err = refused(folder, &[&url], "CF0079");
    assert!(err.contains("`--visibility public` for everybody"), "{err}");
    fs::write(&config, "version: 1\nlisten: { gateway: \"[::1]:8080\" }\n").unwrap();
    refused(folder, &[&url, "--plan", "gold"], "CF0042");
    refused(folder, &[&url, "--upstream", "not a url"], "CF0029");
    refused(folder, &[&url, "--config", "elsewhere.yaml"], "CF0073");
    refused(folder, &[&format!("{}/gone", service.url())], "CF0071");
    fs::create_dir_all(folder.join("contracts/order-v1")).unwrap();
    refused(folder, &[&url], "CF0074");
    fs::remove_dir_all(folder.join("contracts")).unwrap();
    fs::write(folder.join("contracts"), "a file").unwrap();
    refused(folder, &[&url], "CF0078");

    for (args, why) in [
        (&[&*url, "--name", "Not A Name"][..], "--name: "),
        (&["/nowhere/orders.wsdl"], "/nowhere/orders.wsdl cannot be read: "),
        (&["ftp://a.example/orders.wsdl"], "its scheme is `ftp`"),
        (&[&url, "--update", "--plan", "gold"], "cannot be used with"),
        (&[&url, "--version", "0"], "invalid value"),
    ] {
        let (out, err, code) = publish(folder, args);
        assert_eq!((&*out, code), ("", Some(2)), "{err}");
        assert!(err.contains(why), "{err}");
    }
    fs::remove_file(folder.join("contracts")).unwrap();
    let (out, _, code) = publish(folder, &[&url, "--plan", "gold", "--format", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&told["published"], &told["findings"][0]["code"], code),
        (&json!(false), &json!("CF0042"), Some(1))
    );
}

/// What the guide shows is what is printed.
#[test]
fn the_guide_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = fs::read_to_string(root.join("docs/guide/soap.md")).unwrap();
    let shown = guide.split("```\n").find(|block| block.starts_with("order, version 1, ")).unwrap();
    let folder = TempDir::new().unwrap();
    let config = "version: 1\nlisten: { gateway: 127.0.0.1:8080 }\n";
    fs::write(folder.path().join("pasarela.yaml"), config).unwrap();
    let wsdl = root.join("peers/soap/wsdl/orders.wsdl");
    let upstream = ["--upstream", "http://10.1.0.7:9001/orders"];
    let out = published(folder.path(), &[wsdl.to_str().unwrap(), upstream[0], upstream[1]]);
    assert!(out.starts_with(shown), "{out}");
}

/// Two commands at a time are one after the other: neither loses the other's API.
#[test]
fn several_at_a_time_do_not_lose_each_other() {
    let service = service(&Arc::default());
    let folder = TempDir::new().unwrap();
    let config = "version: 1\nlisten: { gateway: 127.0.0.1:8080 }\n";
    fs::write(folder.path().join("pasarela.yaml"), config).unwrap();
    let url = format!("{}/orders?wsdl", service.url());
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d", "e", "f"] {
            let (url, folder) = (&url, folder.path());
            scope.spawn(move || published(folder, &[url, "--name", name]));
        }
    });
    let (out, code) = check(folder.path());
    assert!(out.contains("6 APIs") && code == Some(0), "{out}");
}

#[test]
fn what_is_published_in_a_folder_is_served_from_there_without_naming_the_file() {
    let folder = TempDir::new().unwrap();
    let version = Arc::new(AtomicUsize::new(0));
    let service = service(&version);
    let (_, told, code) = publish(folder.path(), &[&format!("{}/orders?wsdl", service.url())]);
    assert_eq!(code, Some(0), "{told}");
    let file = folder.path().join("pasarela.yaml");
    let yaml = fs::read_to_string(&file).unwrap();
    // Any port will do here.
    let line = yaml.lines().find(|line| line.starts_with("listen:")).unwrap();
    let listen = "listen: { gateway: \"127.0.0.1:0\", console: \"127.0.0.1:0\" }";
    fs::write(&file, yaml.replacen(line, listen, 1)).unwrap();

    let mut serving = Command::new(env!("CARGO_BIN_EXE_pasarela"))
        .args(["serve", "--log-format", "json"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    let mut address = None;
    for line in lines.map_while(Result::ok) {
        assert!(!line.contains("nothing is on the air"), "{line}");
        // The token of the first start stands there too.
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let said = |name| line.get(name).or_else(|| line["fields"].get(name));
        if said("listener").is_some_and(|listener| listener == "gateway") {
            address = said("address").and_then(Value::as_str).map(str::to_owned);
        }
        if said("message").is_some_and(|message| message == "serving") {
            break;
        }
    }
    let mut client = RawClient::connect(address.unwrap().parse().unwrap());
    client.send("GET /order/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.response();
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert_eq!(answer.status, 200, "{yaml}");
}
