//! SOAP callers of a REST service that knows nothing of SOAP: each toolkit loads the WSDL that we make of the service's OpenAPI document,
//! and calls. What arrives at the service is looked at, and so is what the caller understood of its answers. The table of
//! `docs/reference/soap-callers.md` is what comes of it.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use pasarela_testkit::{Request, Upstream};
use serde_json::Value;

use super::services::{GSOAP, NODE_SOAP, PHP_SOAP, have_file};
use crate::harness::{Gateway, PYTHON, finish, have, program, succeed, workspace};

const ORDER: &str = r#"{"id":7,"total":10.10,"lines":[{"sku":"A","count":1}]}"#;

fn answer(status: u16, media: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Some\r\nContent-Type: {media}\r\nX-Version: 3\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The service: plain HTTP and JSON.
fn served(request: &Request) -> Vec<u8> {
    let json = |body: &[u8]| answer(200, "application/json", body);
    let path = request.target.split('?').next().unwrap();
    match (request.method.as_str(), path) {
        ("POST", "/echo" | "/pets") | ("PUT", "/orders/7") => json(&request.body),
        ("GET", "/orders/404") => {
            answer(404, "application/json", br#"{"code":"unknown","message":"no such order"}"#)
        }
        ("GET", "/orders/7") => json(ORDER.as_bytes()),
        ("GET", "/orders") => json(format!("[{ORDER}]").as_bytes()),
        ("DELETE", _) => {
            answer(500, "application/problem+json", br#"{"title":"Broken","status":500}"#)
        }
        ("GET", _) => answer(200, "application/octet-stream", b"\0\xffbytes"),
        ("PUT", _) => answer(200, "text/plain", format!("{} bytes", request.body.len()).as_bytes()),
        _ => answer(404, "text/plain", b"nothing here"),
    }
}

/// What each call has to give the caller, and what the service has to have got.
fn expected() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        (
            "scalars",
            r#"["ñ <&> \"x\"",true,"-5","9007199254740993","10.10","2.5","2026-02-28","2026-02-28T23:30:00Z","0001ff"]"#,
            r#"POST /echo {"text":"ñ <&> \"x\"","flag":true,"small":-5,"large":9007199254740993,"exact":10.10,"double":2.5,"day":"2026-02-28","moment":"2026-02-28T23:30:00Z","bytes":"AAH/"}"#,
        ),
        (
            "objects",
            r#"["2","B","2","Soria"]"#,
            r#"PUT /orders/7 {"id":7,"total":3.50,"lines":[{"sku":"A","count":1},{"sku":"B","count":2}],"customer":{"name":"Ana","address":{"city":"Soria"}}}"#,
        ),
        ("arrays", r#"["2","1"]"#, r#"POST /echo {"grid":[[1,2.5],[3]]}"#),
        ("lists", r#"["1","10.10"]"#, "GET /orders?limit=1 "),
        (
            "polymorphism",
            r#"["Dog","Rex","3"]"#,
            r#"POST /pets {"petType":"Dog","name":"Rex","packSize":3}"#,
        ),
        ("nulls", r#"["None"]"#, r#"POST /echo {"small":1,"maybe":null}"#),
        ("choice", r#"["Soria"]"#, r#"POST /echo {"either":{"city":"Soria"}}"#),
        ("maps", r#"["a b=1","ñ=2"]"#, r#"POST /echo {"map":{"a b":1,"ñ":2}}"#),
        ("free", r#"["{\"a\":[1,null]}"]"#, r#"POST /echo {"anything":{"a":[1,null]}}"#),
        ("parameters", r#"["3","10.10"]"#, "GET /orders/7?expand=a%26b&expand=c "),
        (
            "files",
            r#"["00ff6279746573","3 bytes"]"#,
            "GET /files/a%20b.bin \nPUT /files/x \u{0}\u{fffd}\n",
        ),
        ("fault", r#"["Error404","unknown"]"#, "GET /orders/404 "),
        ("undescribed", r#"["ProblemDetails","500"]"#, "DELETE /orders/500 "),
    ]
}

/// A caller, by its toolkit: its command but for the address of the WSDL, and which SOAP it is asked to speak.
fn callers() -> Vec<(&'static str, Command)> {
    let script = |name: &str| workspace().join("peers/soap/shop").join(name);
    let mut all = Vec::new();
    let mut add = |name, interpreter: &str, file: &str| {
        let mut command = program(interpreter);
        command.arg(script(file)).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("MODULES", workspace().join(".peers/node/node_modules"));
        all.push((name, command));
    };
    if have(&[PYTHON]) {
        add("zeep 1.1", PYTHON, "zeep_shop.py");
        add("zeep 1.2", PYTHON, "zeep_shop.py");
        add("suds 1.1", PYTHON, "suds_shop.py");
    }
    if have(&["php"]) && have_file(PHP_SOAP) {
        add("PHP 1.1", "php", "php_shop.php");
        add("PHP 1.2", "php", "php_shop.php");
    }
    if have(&["node", NODE_SOAP]) {
        add("node soap 1.1", "node", "node_shop.js");
        add("node soap 1.2", "node", "node_shop.js");
        add("strong-soap 1.1", "node", "strong_shop.js");
    }
    all
}

fn came(requests: &[Request]) -> String {
    let line = |request: &Request| {
        format!("{} {} {}", request.method, request.target, String::from_utf8_lossy(&request.body))
    };
    requests.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn soap_callers_are_served_by_a_rest_service() {
    let mut columns: Vec<(&str, BTreeMap<String, String>)> = Vec::new();
    let all = callers();
    if all.len() < 8 {
        return;
    }
    for (name, mut command) in all {
        let service = Upstream::handle(served);
        let gateway = in_front_of(&service.url());
        command.arg(format!("http://{}/shop/v1/soap?wsdl", gateway.address));
        if name.ends_with("1.2") {
            command.arg("12");
        }
        let output = finish(&mut command, Duration::from_secs(90));
        let said = String::from_utf8_lossy(&output.stdout);
        let told: Vec<Value> = said.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        assert_eq!(
            told.len(),
            expected().len(),
            "{name}: {said}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            gateway.log()
        );
        let requests = service.requests();
        let mut at = 0;
        let mut cells = BTreeMap::new();
        for ((call, understood, wanted), told) in expected().iter().zip(&told) {
            assert_eq!(told["call"], *call);
            let count = if *call == "files" { 2 } else { 1 };
            let here = requests.get(at..at + count).map(came).unwrap_or_default();
            // A call that never left the caller is found out by what comes next.
            let arrived = same(&here, wanted);
            if arrived || told["error"].is_null() {
                at += count;
            }
            let understood: Value = serde_json::from_str(understood).unwrap();
            let cell = match (arrived, told["error"].as_str()) {
                (false, None) => format!("sends {}", here.trim()),
                (_, Some(error)) => error.to_owned(),
                (true, None) if told["answer"] == understood => "yes".to_owned(),
                (true, None) => format!("understands {}", told["answer"]),
            };
            cells.insert((*call).to_owned(), cell);
        }
        columns.push((name, cells));
    }
    is_documented(&columns);
}

/// Whoever makes code of a WSDL reads ours to its end, and a compiler takes what is made of it.
#[test]
fn soap_compilers_take_the_wsdl_of_a_rest_service() {
    if !have(&GSOAP) || !have(&[PYTHON]) {
        return;
    }
    let gateway = in_front_of("http://127.0.0.1:9");
    let folder = gateway.folder().to_owned();
    let address = format!("http://{}/shop/v1/soap?wsdl", gateway.address);
    let patience = Duration::from_secs(60);
    succeed(
        program("wsdl2h").args(["-c", "-F", "-o", "shop.h", &address]).current_dir(&folder),
        patience,
    );
    let compile = ["-c", "-C", "-L", "-x", "-I/usr/share/gsoap/import", "shop.h"];
    succeed(program("soapcpp2").args(compile).current_dir(&folder), patience);
    for file in ["soapC.c", "soapClient.c"] {
        let code = ["-c", "-w", "-O0", "-I.", file];
        succeed(program("gcc").args(code).current_dir(&folder), patience);
    }
    // libxml2 has compiled the schema when it judges a message by it.
    let judge = "import sys, urllib.request\n\
        from lxml import etree\n\
        wsdl = etree.fromstring(urllib.request.urlopen(sys.argv[1]).read())\n\
        schema = etree.XMLSchema(wsdl.find('.//{http://www.w3.org/2001/XMLSchema}schema'))\n\
        ns = wsdl.get('targetNamespace')\n\
        good = f'<deleteOrder xmlns=\"{ns}\"><id>7</id></deleteOrder>'\n\
        bad = f'<deleteOrder xmlns=\"{ns}\"><id>x</id></deleteOrder>'\n\
        assert schema.validate(etree.fromstring(good)), schema.error_log\n\
        assert not schema.validate(etree.fromstring(bad))\n";
    succeed(program(PYTHON).args(["-c", judge, &address]), patience);
}

/// A gateway in front of the service.
fn in_front_of(service: &str) -> Gateway {
    let contract = workspace().join("crates/contract/tests/faces/shop.yaml");
    Gateway::start(&format!(
        "workers: 1\nlogs: {{ access: off }}\napis:\n  - {{ name: shop, version: 1, visibility: public, faces: [rest, soap], \
         contract: \"{}\", upstreams: [\"{service}\"] }}\n",
        contract.display()
    ))
}

/// Bodies are equal when their JSON is: some toolkits write members in another order.
fn same(here: &str, wanted: &str) -> bool {
    let split = |text: &str| {
        let at = text.find('{').unwrap_or(text.len());
        let (line, body) = text.split_at(at);
        // Digits count: 10.10 is not 10.1 here.
        let value: Option<Value> = serde_json::from_str(body).ok();
        (line.to_owned(), value.map_or_else(|| body.to_owned(), |value| value.to_string()))
    };
    split(here) == split(wanted)
}

/// Compares with the table in the documentation. With `UPDATE_KNOWN=1` writes it down instead.
fn is_documented(columns: &[(&str, BTreeMap<String, String>)]) {
    let mut notes: Vec<String> = Vec::new();
    let mut table = format!(
        "| call | {} |\n|---|{}\n",
        columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | "),
        "---|".repeat(columns.len())
    );
    for (call, ..) in expected() {
        table += &format!("| {call} |");
        for (_, cells) in columns {
            let cell = &cells[call];
            if cell == "yes" {
                table += " yes |";
                continue;
            }
            let note = cell.replace(['`', '\n'], " ");
            let number = notes.iter().position(|known| *known == note).unwrap_or_else(|| {
                notes.push(note);
                notes.len() - 1
            });
            table += &format!(" [{}] |", number + 1);
        }
        table += "\n";
    }
    for (number, note) in notes.iter().enumerate() {
        table += &format!("\n[{}]: `{note}`\n", number + 1);
    }
    let file = workspace().join("docs/reference/soap-callers.md");
    let page = fs::read_to_string(&file).unwrap_or_default();
    let mark = "<!-- what follows is written by the test -->\n\n";
    let (head, known) = page.split_once(mark).unwrap_or((&page, ""));
    if std::env::var_os("UPDATE_KNOWN").is_some() {
        fs::write(&file, format!("{head}{mark}{table}")).unwrap();
        return;
    }
    assert_eq!(known, table, "docs/reference/soap-callers.md is not what the run shows");
}
