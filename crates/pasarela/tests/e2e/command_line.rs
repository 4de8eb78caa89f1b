//! The command line as a client of the administration API, by the real binary: from an invitation to calls that are answered.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::{Arc, atomic::AtomicUsize},
};

use pasarela_testkit::{Gateway, eventually, seconds};
use serde_json::Value;

use crate::{
    contracts::{TYPES, WSDL, said},
    gateway,
    publish::{json_call, service, soap_call},
};

/// Somebody at a terminal, in a folder of their own.
struct Terminal<'f> {
    folder: &'f Path,
}

impl Terminal<'_> {
    fn run(&self, words: &[&str]) -> (String, String, Option<i32>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
        command.args(words).current_dir(self.folder);
        command.env("PASARELA_LOGIN", self.folder.join("who/login.json"));
        command.env_remove("PASARELA_ADMIN").env_remove("PASARELA_TOKEN");
        said(&command.output().unwrap())
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> String {
        let (out, err, code) = self.run(words);
        assert_eq!(code, Some(0), "{words:?}: {out}{err}");
        out
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        let out = self.done(&[words, &["--format", "json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    #[track_caller]
    fn refused(&self, words: &[&str], exit: i32, text: &str) -> String {
        let (out, err, code) = self.run(words);
        assert_eq!((&*out, code), ("", Some(exit)), "{words:?}: {out}{err}");
        assert!(err.contains(text), "{words:?}: {err}");
        err
    }
}

fn invitation(gateway: &Gateway) -> String {
    let log = gateway.await_log("psi_");
    let at = log.find("psi_").unwrap();
    log[at..].split('\'').next().unwrap().to_owned()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

#[test]
fn from_an_empty_machine_to_a_call_of_a_published_wsdl() {
    let upstream = service(&Arc::new(AtomicUsize::new(0)));
    // Nothing is declared; a file only says where to listen.
    let gateway = gateway().top("storage: sqlite:./data").start();
    let folder = tempfile::tempdir().unwrap();
    let me = Terminal { folder: folder.path() };
    me.refused(&["org", "list"], 2, "pasarela login");

    let admin = format!("http://{}", gateway.address_of("console"));
    let secret = invitation(&gateway);
    let out = me.done(&["login", &secret, "--admin", &admin]);
    assert!(out.starts_with("You are ") && out.contains("owner of owner"), "{out}");
    let file = folder.path().join("who/login.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // It was good for once; what it became stays.
    me.refused(&["login", &secret, "--admin", &admin], 1, "error[ST0001]");
    assert!(me.done(&["org", "list"]).contains("owner"));

    fs::create_dir(folder.path().join("types")).unwrap();
    let wsdl = WSDL.replace("SCHEMA", "types/orders.xsd").replace("ADDRESS", "http://inner/orders");
    fs::write(folder.path().join("orders.wsdl"), wsdl).unwrap();
    let types = folder.path().join("types/orders.xsd");
    fs::write(&types, TYPES).unwrap();
    let to = format!("{}/orders", upstream.url());
    let publish = ["publish", "orders.wsdl", "--upstream", &to];
    me.refused(&publish, 1, "error[CF0079]");
    let public = [&publish[..], &["--visibility", "public"]].concat();
    let out = me.done(&public);
    assert!(out.contains("order, version 1, is on the air: api_"), "{out}");
    assert!(!folder.path().join("pasarela.yaml").exists());
    let served = || gateway.get("/order/v1/openapi.json").status == 200;
    assert!(eventually(seconds(1), served));
    assert!(soap_call(&gateway, "/order/v1/soap").contains("<total>10.10</total>"));
    assert_eq!(json_call(&gateway, "/order/v1/GetOrder", "{\"id\":7}")["total"], "10.10");

    // Once more it is taken; what is wrong with it has code, place and cure.
    let told = me.refused(&public, 1, "error[ST0018]");
    assert!(told.contains("error[CF0040]: order/v1 is there already"), "{told}");
    assert!(
        told.contains("--> /definition/name") && told.contains("  = Change that one"),
        "{told}"
    );

    let more =
        "<xs:element name=\"state\" type=\"xs:string\" minOccurs=\"0\"/><xs:element name=\"total\"";
    fs::write(&types, TYPES.replace("<xs:element name=\"total\"", more)).unwrap();
    let out = me.done(&["publish", "orders.wsdl", "--update"]);
    assert!(out.contains("its revision 2"), "{out}");
    let out = me.done(&["publish", "orders.wsdl", "--update"]);
    assert!(out.contains("the contract is as it was"), "{out}");
    let listed = me.json(&["api", "list"]);
    let id = text(&listed["items"][0], "id");
    let back = me.json(&["api", "change", &id, "--revision", "1"]);
    assert_eq!(back["revision"], 1);
    me.refused(&["api", "delete", &id, "--if-match", "1"], 1, "error[ST0009]");
    me.done(&["api", "delete", &id]);
    assert!(eventually(seconds(1), || !served()));
}

#[test]
fn the_nouns_of_the_store_are_commands() {
    let gateway = gateway().top("storage: sqlite:./data").start();
    let folder = tempfile::tempdir().unwrap();
    let me = Terminal { folder: folder.path() };
    let admin = format!("http://{}", gateway.address_of("console"));
    me.done(&["login", &invitation(&gateway), "--admin", &admin]);

    let acme = text(&me.json(&["org", "create", "--name", "acme", "--kind", "partner"]), "id");
    me.refused(&["org", "create", "--name", "acme", "--kind", "duke"], 2, "duke");
    let told =
        me.refused(&["org", "create", "--name", "acme", "--kind", "partner"], 1, "error[ST0008]");
    assert!(told.contains("\n  = ") && told.contains("pasarela explain ST0008"), "{told}");
    let plan = me.json(&["plan", "create", "--name", "gold", "--rate", "100/s burst 200"]);
    assert_eq!(plan["rate"]["burst"], 200);
    // A list is read to its end, however many pages it has.
    for number in 0..55 {
        me.json(&["org", "create", "--name", &format!("o-{number}"), "--kind", "customer"]);
    }
    assert_eq!(me.json(&["org", "list"])["items"].as_array().unwrap().len(), 57);
    assert_eq!(me.json(&["org", "list", "--limit", "3"])["items"].as_array().unwrap().len(), 3);

    // A partner's owner takes up what they were sent, and does their own.
    let invited =
        me.json(&["member", "invite", &acme, "--email", "ana@example.org", "--role", "owner"]);
    let hers = tempfile::tempdir().unwrap();
    let her = Terminal { folder: hers.path() };
    her.done(&["login", &text(&invited, "secret"), "--admin", &admin]);
    let app = text(&her.json(&["app", "create", &acme, "--name", "tracker"]), "id");
    let key = her.done(&["key", "create", &app, "--label", "one"]);
    assert!(key.contains("secret: psk_"), "{key}");
    her.refused(&["plan", "create", "--name", "mine"], 1, "error[ST0002]");
    assert_eq!(her.json(&["admin", "whoAmI"])["member"]["email"], "ana@example.org");

    // The token may be said otherwise, and the body as it is.
    let login = fs::read_to_string(hers.path().join("who/login.json")).unwrap();
    let login: Value = serde_json::from_str(&login).unwrap();
    fs::write(hers.path().join("token"), text(&login, "token")).unwrap();
    fs::remove_file(hers.path().join("who/login.json")).unwrap();
    fs::write(hers.path().join("app.json"), "{\"name\": \"second\"}").unwrap();
    let by_hand = ["--token-file", "token", "--admin", &admin];
    let made = her.json(
        &[&["admin", "createApplication", &acme, "--json", "app.json"][..], &by_hand].concat(),
    );
    assert_eq!(made["name"], "second");
    her.refused(
        &["org", "list", "--admin", "http://10.0.0.1", "--token-file", "token"],
        2,
        "clear",
    );
    her.refused(
        &["org", "list", "--admin", "http://127.0.0.1:1", "--token-file", "token"],
        1,
        "does not answer",
    );
}
