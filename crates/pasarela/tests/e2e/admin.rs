//! Administration over HTTP, on both engines, and what the gateway makes of it.

use std::time::{Duration, Instant};

use pasarela_testkit::{
    Builder, Gateway, Outcome, RawClient, Response, Upstream, eventually, postgres_database,
    seconds,
};
use serde_json::{Value, json};

use crate::gateway;

/// Makes a test of each of these on each engine; each gets the line for `storage`.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                super::$name("storage: sqlite:./data");
            })*
        }
        mod postgres {
            $(#[test]
            fn $name() {
                if let Some(url) = pasarela_testkit::postgres_database() {
                    super::$name(&format!("storage: {url}"));
                }
            })*
        }
    };
}

pub(crate) use on_both;

on_both! {
    l36_a_key_works_moments_after_it_was_issued_and_no_longer_once_revoked,
    t27_nothing_is_answered_without_a_token,
    t29_a_body_is_what_the_document_says_or_refused,
    versions_repeats_and_pages_travel_in_headers,
    what_was_acknowledged_is_there_after_a_kill,
    f09_with_its_store_dead_a_gateway_serves_on_and_starts_again,
    a_file_that_changes_keeps_what_the_store_holds,
    the_store_is_looked_after_while_it_is_in_use,
}

/// Two APIs that ask for keys: `t` for everybody, `p` for partners.
pub(crate) fn administered(storage: &str, upstream: &Upstream) -> Builder {
    gateway()
        .top(storage)
        .top("plans:\n  - name: free\n  - name: carrier")
        .api_with("t", &[&upstream.url()], "plans: [free]")
        .api_with("p", &[&upstream.url()], "plans: [carrier]\nvisibility: partner")
}

/// One member who asks.
pub(crate) struct Person<'g> {
    pub(crate) gateway: &'g Gateway,
    pub(crate) token: String,
}

impl<'g> Person<'g> {
    /// The owner of a new gateway, by the invitation that it printed.
    pub(crate) fn first(gateway: &'g Gateway) -> Self {
        let log = gateway.await_log("psi_");
        let at = log.find("psi_").unwrap();
        let invitation = log[at..].split('\'').next().unwrap();
        Self::invited(gateway, invitation)
    }

    pub(crate) fn invited(gateway: &'g Gateway, invitation: &str) -> Self {
        let guest = Self { gateway, token: invitation.to_owned() };
        let welcome = guest.post("/invitations/accept", None);
        Self { gateway, token: text(&welcome, "secret") }
    }

    #[track_caller]
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: Option<&Value>,
    ) -> Response {
        let mut request = format!(
            "{method} /admin/v1{path} HTTP/1.1\r\nHost: console\r\nAuthorization: Bearer {}\r\n{headers}",
            self.token
        );
        if let Some(body) = body {
            let body = body.to_string();
            request += &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        } else {
            request += "Content-Length: 0\r\n\r\n";
        }
        // A statement may take ten seconds on a server that is busy with others' databases, after a wait for its turn.
        let mut client = RawClient::connect(self.gateway.address_of("console"));
        client.patience(seconds(30)).ask(request)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "", None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: impl Into<Option<Value>>) -> Value {
        let answer = self.ask("POST", path, "", body.into().as_ref());
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
        answer.json()
    }

    /// A partner's owner, with an application that may call `t`, and its key.
    pub(crate) fn partner(&self, name: &str) -> (Self, Value, String) {
        let organisation = self.post("/organisations", json!({ "name": name, "kind": "partner" }));
        let id = text(&organisation, "id");
        let invitation = self.post(
            &format!("/organisations/{id}/invitations"),
            json!({ "email": "ana@example.org", "role": "owner" }),
        );
        let owner = Self::invited(self.gateway, &text(&invitation, "secret"));
        let app =
            owner.post(&format!("/organisations/{id}/applications"), json!({ "name": "app" }));
        let app_id = text(&app, "id");
        owner.post(
            &format!("/applications/{app_id}/subscriptions"),
            json!({ "api": "t/v1", "plan": "free" }),
        );
        let key = owner.post(&format!("/applications/{app_id}/keys"), json!({ "label": "one" }));
        let secret = text(&key, "secret");
        (owner, json!({ "organisation": organisation, "app": app, "key": key }), secret)
    }
}

#[track_caller]
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

pub(crate) fn call(gateway: &Gateway, target: &str, key: &str) -> u16 {
    let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\n\r\n");
    gateway.connect().ask(request).status
}

/// How long it takes until a call is answered like this; a second at most (L36).
#[track_caller]
pub(crate) fn until(gateway: &Gateway, target: &str, key: &str, status: u16) -> Duration {
    let from = Instant::now();
    let mut last = 0;
    let came = eventually(seconds(1), || {
        last = call(gateway, target, key);
        last == status
    });
    assert!(came, "{target} still answers {last} instead of {status}");
    from.elapsed()
}

fn l36_a_key_works_moments_after_it_was_issued_and_no_longer_once_revoked(storage: &str) {
    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    assert_eq!(call(&gateway, "/t/", "psk_nothing"), 401);
    let gate = Person::first(&gateway);
    let (owner, made, key) = gate.partner("acme");
    let took = until(&gateway, "/t/", &key, 200);
    eprintln!("served {took:?} after the answer");

    // The partner API is not there for it: first to ask for, then to call.
    let app = text(&made["app"], "id");
    let wanted = json!({ "api": "p/v1", "plan": "carrier" });
    let path = format!("/applications/{app}/subscriptions");
    owner.ask("POST", &path, "", Some(&wanted)).assert_problem(404, "ST0004");
    assert_eq!(call(&gateway, "/p/", &key), 404);
    let organisation = text(&made["organisation"], "id");
    let admission = format!("/organisations/{organisation}/admissions/p/v1");
    assert_eq!(gate.ask("PUT", &admission, "", None).status, 200);
    let asked = owner.post(&path, wanted);
    assert_eq!(text(&asked, "state"), "pending");
    let approve = format!("/subscriptions/{}/approve", text(&asked, "id"));
    owner.ask("POST", &approve, "", None).assert_problem(403, "ST0002");
    gate.post(&approve, None);
    until(&gateway, "/p/", &key, 200);

    // Suspended, everything of it is gone; active again, it is back.
    let path = format!("/organisations/{organisation}");
    let suspend = json!({ "standing": "suspended" });
    let suspended = gate.ask("PATCH", &path, "If-Match: \"1\"\r\n", Some(&suspend));
    assert_eq!(suspended.status, 200, "{}", suspended.text());
    until(&gateway, "/t/", &key, 401);
    gate.ask("PATCH", &path, "If-Match: \"2\"\r\n", Some(&json!({ "standing": "active" })));
    until(&gateway, "/t/", &key, 200);

    let revoked = owner.ask("DELETE", &format!("/keys/{}", text(&made["key"], "id")), "", None);
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    let took = until(&gateway, "/t/", &key, 401);
    eprintln!("revoked {took:?} after the answer");
    // Neither the key nor the token is in any log (T55).
    let said = format!("{}{:?}", gateway.log(), gateway.stdout());
    assert!(!said.contains(&key) && !said.contains(&owner.token));
}

fn t27_nothing_is_answered_without_a_token(storage: &str) {
    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    let document = gateway.console("/admin/v1/openapi.json").json();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace(['{', '}'], "");
            for token in ["", "pst_nobody", "psi_nobody"] {
                let nobody = Person { gateway: &gateway, token: token.to_owned() };
                let method = method.to_ascii_uppercase();
                // Whatever the body is, who has no token learns nothing about it.
                for body in [None, Some(json!({ "x": 1 }))] {
                    let answer = nobody.ask(&method, &path, "", body.as_ref());
                    let guest = path == "/invitations/accept" && !token.is_empty();
                    let expected = if guest && body.is_some() { 400 } else { 401 };
                    assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text());
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 200, "the document has hardly any paths: {asked}");
    let bare = "GET /admin/v1/me HTTP/1.1\r\nHost: c\r\n\r\n";
    let answer = RawClient::connect(gateway.address_of("console")).ask(bare);
    answer.assert_problem(401, "ST0001");
    assert_eq!(answer.get("www-authenticate"), Some("Bearer"));
}

fn t29_a_body_is_what_the_document_says_or_refused(storage: &str) {
    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    let post = |body: &str, media: &str| {
        let request = format!(
            "POST /admin/v1/organisations HTTP/1.1\r\nHost: c\r\nAuthorization: Bearer {}\r\n{media}Content-Length: {}\r\n\r\n{body}",
            gate.token,
            body.len()
        );
        RawClient::connect(gateway.address_of("console")).ask(request)
    };
    let media = "Content-Type: application/json\r\n";
    let answer = post("{\"name\":\"acme\",\"kind\":\"partner\",\"standing\":\"suspended\"}", media);
    let problem = answer.assert_problem(400, "ST0005");
    assert!(text(&problem, "detail").contains("standing: there is no such member"), "{problem}");
    for (body, status, code) in [
        ("{\"name\":\"a\",\"name\":\"b\",\"kind\":\"partner\"}", 400, "ST0005"),
        ("{\"name\":\"acme\",\"kind\":\"owner\"}", 400, "ST0005"),
        ("[]", 400, "ST0005"),
        ("", 400, "ST0005"),
        ("{\"name\":\"A b\",\"kind\":\"partner\"}", 422, "ST0006"),
    ] {
        post(body, media).assert_problem(status, code);
    }
    post("{}", "").assert_problem(415, "ST0015");
    post(&format!("{{\"name\":\"{}\"}}", "a".repeat(70_000)), media).assert_problem(413, "ST0014");
    gate.ask("GET", "/organisations?limit=0", "", None).assert_problem(400, "ST0005");
    gate.ask("GET", "/organisations?role=owner", "", None).assert_problem(400, "ST0005");
    gate.ask("GET", "/organisations/org_nothing", "", None).assert_problem(404, "ST0004");
    gate.ask("GET", "/me", "Content-Type: x\r\nIf-Match: 3\r\n", None)
        .assert_problem(400, "ST0005");
}

fn versions_repeats_and_pages_travel_in_headers(storage: &str) {
    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    let new = json!({ "name": "acme", "kind": "customer" });
    let once = "Idempotency-Key: k-1\r\n";
    let made = gate.ask("POST", "/organisations", once, Some(&new));
    assert_eq!(made.status, 201);
    let id = text(&made.json(), "id");
    assert_eq!(made.get("location"), Some(&*format!("/admin/v1/organisations/{id}")));
    assert_eq!(made.get("etag"), Some("\"1\""));
    let again = gate.ask("POST", "/organisations", once, Some(&new));
    assert_eq!((again.status, again.json()), (201, made.json()));
    assert_eq!(again.get("idempotency-replayed"), Some("true"));
    let other = json!({ "name": "bolt", "kind": "customer" });
    gate.ask("POST", "/organisations", once, Some(&other)).assert_problem(422, "ST0011");
    gate.ask("POST", "/organisations", "", Some(&new)).assert_problem(409, "ST0008");

    let path = format!("/organisations/{id}");
    let rename = json!({ "name": "acme-2" });
    gate.ask("PATCH", &path, "", Some(&rename)).assert_problem(428, "ST0010");
    let renamed = gate.ask("PATCH", &path, "If-Match: \"1\"\r\n", Some(&rename));
    assert_eq!(renamed.get("etag"), Some("\"2\""));
    gate.ask("PATCH", &path, "If-Match: \"1\"\r\n", Some(&rename)).assert_problem(412, "ST0009");

    for number in 0..5 {
        gate.post("/organisations", json!({ "name": format!("o{number}"), "kind": "customer" }));
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = gate.get(&format!("/organisations?limit=2{after}"));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        names.extend(items.iter().map(|item| text(item, "name")));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["owner", "acme-2", "o0", "o1", "o2", "o3", "o4"]);
    let log = gate.get("/audit?limit=3");
    assert_eq!(log["items"][0]["verb"], "organisation.create");
    assert_eq!(log["items"][0]["after"]["name"], "o4");
}

fn what_was_acknowledged_is_there_after_a_kill(storage: &str) {
    let upstream = Upstream::ok("ok");
    let mut gateway = administered(storage, &upstream).start();
    let (token, key) = {
        let gate = Person::first(&gateway);
        let (_, _, key) = gate.partner("acme");
        (gate.token, key)
    };
    gateway.kill_and_restart();
    // From the first call on: the store was read before the first socket was opened.
    assert_eq!(call(&gateway, "/t/", &key), 200);
    let gate = Person { gateway: &gateway, token };
    assert_eq!(gate.get("/organisations")["items"].as_array().unwrap().len(), 2);
    // Who has an owner invites nobody again.
    assert_eq!(gateway.log().matches("psi_").count(), 1);
}

fn f09_with_its_store_dead_a_gateway_serves_on_and_starts_again(storage: &str) {
    let upstream = Upstream::ok("ok");
    let mut gateway = administered(storage, &upstream).start();
    let (token, key) = {
        let gate = Person::first(&gateway);
        let (_, _, key) = gate.partner("acme");
        until(&gateway, "/t/", &key, 200);
        (gate.token, key)
    };
    let kept = gateway.folder().join("data/held.1");
    assert!(eventually(seconds(2), || kept.exists()));
    // What was kept has the last change too: nothing else is being written any more.
    std::thread::sleep(Duration::from_millis(700));
    assert!(gateway.metric("pasarela_store_commits_total") > 0.0);
    let store = Patient::new(storage, &gateway);
    // How it dies while it is in use is told in `store_dies`.
    store.dies();
    let new = json!({ "name": "late", "kind": "customer" });
    for _ in 0..50 {
        assert_eq!(call(&gateway, "/t/", &key), 200);
    }
    gateway.kill_and_restart();
    assert_eq!(call(&gateway, "/t/", &key), 200);
    let gate = Person { gateway: &gateway, token };
    gate.ask("POST", "/organisations", "", Some(&new)).assert_problem(503, "ST0012");
    assert_eq!(gateway.metric("pasarela_store_up") as u8, 0);
    store.is_well_again();
    assert!(eventually(seconds(10), || gate.ask("POST", "/organisations", "", Some(&new)).status
        == 201));
    assert_eq!(call(&gateway, "/t/", &key), 200);
    assert!(eventually(seconds(2), || gateway.metric("pasarela_store_up") as u8 == 1));
}

/// The store of a gateway, that can die and come back.
pub(crate) struct Patient {
    pub(crate) file: std::path::PathBuf,
    pub(crate) database: Option<(String, String)>,
}

impl Patient {
    pub(crate) fn new(storage: &str, gateway: &Gateway) -> Self {
        let url = storage.strip_prefix("storage: ").unwrap();
        let database = url.rsplit_once('/').filter(|_| url.starts_with("postgres:"));
        Self {
            file: gateway.folder().join("data/store.db"),
            database: database.map(|(server, name)| (server.to_owned(), name.to_owned())),
        }
    }

    /// The file is full of something else, or the server lets nobody in.
    pub(crate) fn dies(&self) {
        match &self.database {
            None => {
                let moved = self.file.with_extension("well");
                std::fs::copy(&self.file, moved).unwrap();
                std::fs::copy(self.wal(), self.file.with_extension("wal-well")).unwrap();
                // In place: the process has the file open.
                let length = std::fs::metadata(&self.file).unwrap().len() as usize;
                std::fs::write(self.wal(), b"").unwrap();
                std::fs::write(&self.file, vec![b'x'; length]).unwrap();
            }
            Some((_, name)) => {
                self.say(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
                self.say(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                ));
            }
        }
    }

    pub(crate) fn is_well_again(&self) {
        match &self.database {
            None => {
                let _ = std::fs::remove_file(self.file.with_extension("db-shm"));
                std::fs::copy(self.file.with_extension("wal-well"), self.wal()).unwrap();
                std::fs::copy(self.file.with_extension("well"), &self.file).unwrap();
            }
            Some((_, name)) => self.say(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")),
        }
    }

    fn wal(&self) -> std::path::PathBuf {
        self.file.with_extension("db-wal")
    }

    fn say(&self, sql: &str) {
        let (server, _) = self.database.as_ref().unwrap();
        let programs = std::env::var("PASARELA_POSTGRES_BIN").unwrap();
        let mut psql = std::process::Command::new(format!("{programs}/psql"));
        let said = psql.args(["-q", "-c", sql, &format!("{server}/postgres")]).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
}

fn a_file_that_changes_keeps_what_the_store_holds(storage: &str) {
    let (upstream, other) = (Upstream::ok("one"), Upstream::ok("two"));
    let gateway = administered(storage, &upstream).start();
    let gate = Person::first(&gateway);
    let (owner, made, key) = gate.partner("acme");
    until(&gateway, "/t/", &key, 200);
    let more = Builder::api_yaml("u", &[&other.url()], "plans: [free]");
    let outcome = gateway.reload(&format!("{}{more}", gateway.yaml()));
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    until(&gateway, "/t/", &key, 200);
    until(&gateway, "/u/", &key, 403);
    // What the file offers now can be asked for.
    let app = text(&made["app"], "id");
    let path = format!("/applications/{app}/subscriptions");
    owner.post(&path, json!({ "api": "u/v1", "plan": "free" }));
    until(&gateway, "/u/", &key, 200);
    // And what it no longer offers is left out, and told.
    gateway.reload(&gateway.yaml());
    until(&gateway, "/u/", &key, 404);
    gateway.await_log("no API u/v1 any more");
    until(&gateway, "/t/", &key, 200);
}

/// What `pasarela store …` says about this gateway's store, and whether it is content.
fn store(gateway: &Gateway, words: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pasarela"))
        .arg("store")
        .args(words)
        .arg("--config")
        .arg(gateway.folder().join("pasarela.yaml"))
        .arg("--data")
        .arg(gateway.folder().join("data"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

fn the_store_is_looked_after_while_it_is_in_use(storage: &str) {
    let upstream = Upstream::ok("ok");
    let gateway = administered(storage, &upstream).start();
    Person::first(&gateway).partner("acme");
    let (fine, said) = store(&gateway, &["check"]);
    // Invited, accepted; and of the partner: itself, its invitation, that accepted, application,
    // subscription, key.
    assert!(fine && said.contains("The audit log is whole: 8 entries"), "{said}");
    let (fine, said) = store(&gateway, &["migrate", "--format", "json"]);
    assert!(fine && said.contains("\"form\": "), "{said}");

    // Every token is lost: whoever may read the store makes a new owner.
    let (fine, invitation) = store(&gateway, &["invite"]);
    assert!(fine, "{invitation}");
    let me = Person::invited(&gateway, invitation.trim()).get("/me");
    assert_eq!(me["member"]["role"], "owner");
    assert_eq!(me["organisation"]["kind"], "owner");

    let copy = gateway.folder().join("copy/store.db");
    std::fs::create_dir(copy.parent().unwrap()).unwrap();
    let (fine, said) = store(&gateway, &["backup", &copy.to_string_lossy()]);
    if storage.contains("postgres:") {
        assert!(!fine && said.contains("pg_dump"), "{said}");
        return;
    }
    assert!(fine && said.contains("The pepper is not in it"), "{said}");
    let (again, said) = store(&gateway, &["backup", &copy.to_string_lossy()]);
    assert!(!again, "a copy is written over: {said}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pasarela"))
        .args(["store", "check", "--data"])
        .arg(copy.parent().unwrap())
        // Which is not in the copy.
        .env("PASARELA_PEPPER_FILE", gateway.folder().join("data/pepper"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("10 entries"), "{said}");
}

#[test]
fn a_file_without_storage_is_all_there_is() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    assert_eq!(gateway.get("/t/").status, 200);
    assert_eq!(gateway.console("/admin/v1/me").status, 404);
    assert!(!gateway.folder().join("data/store.db").exists());
    assert!(!gateway.log().contains("psi_"));
}

#[test]
fn two_nodes_on_one_database_know_within_a_second_what_the_other_did() {
    let Some(url) = postgres_database() else { return };
    let upstream = Upstream::ok("ok");
    let storage = format!("storage: {url}");
    let one = administered(&storage, &upstream).start();
    let pepper = one.folder().join("data/pepper");
    let two = administered(&storage, &upstream)
        .env("PASARELA_PEPPER_FILE", pepper.to_str().unwrap())
        .start();
    let (owner, made, key) = Person::first(&one).partner("acme");
    until(&one, "/t/", &key, 200);
    until(&two, "/t/", &key, 200);
    // Said to the other node.
    let there = Person { gateway: &two, token: owner.token };
    there.ask("DELETE", &format!("/keys/{}", text(&made["key"], "id")), "", None);
    until(&two, "/t/", &key, 401);
    until(&one, "/t/", &key, 401);
}
