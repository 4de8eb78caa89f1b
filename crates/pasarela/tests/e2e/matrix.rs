//! The matrix: every visibility × identity × listener × network × face and path, asked of the real binary.
//!
//! What must come of each cell is said by [`rules`], which was written from the guide and knows nothing of the gateway. Where
//! somebody may not see an API, the answer is held against the one to an address that nobody has: status, fields and body, byte for
//! byte but for ids and dates.
//!
//! One more kind of identity is one more line in [`WHO`].

use std::{
    collections::{BTreeMap, HashMap},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64_simd::URL_SAFE_NO_PAD;
use pasarela_testkit::{Authority, Builder, ClientTls, Gateway, RawClient, Response, Upstream};
use serde_json::json;

use self::rules::{Api, Application, Cell, Contract, From, Probe, Who, cell};
use crate::{
    gateway,
    signatures::{self, Signing},
};

mod rules;
mod store;

/// Where the calls of these tests come from: nowhere special, a network of some APIs, the network of one application.
const FAR: &str = "192.0.2.7";
const NEAR: &str = "10.2.3.4";
const HOME: &str = "10.1.9.9";

/// What a request shows of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    /// Keys by these names, in `X-API-Key` and in `Authorization`.
    Keys(&'static str, &'static str),
    /// A token of the issuer's for this client, that is good for so many seconds.
    Token(&'static str, i64),
    /// On connections of TLS, a certificate for these names; by the first an application is known.
    Certificate(&'static [&'static str]),
    /// A signature with this key, by another one's secret perhaps.
    Signature(&'static str, &'static str),
    /// In SOAP messages, a user with this password; a key beside it.
    User(&'static str, &'static str, &'static str),
}

use Shown::{Certificate, Keys, Nothing, Signature, Token, User};

/// Who asks: a name, what is shown, and whose that is. `good`: what is shown is what it should be.
struct Identity {
    name: &'static str,
    shown: Shown,
    /// Whom the guide says the request names, by what stands before its body.
    who: Who,
    /// Whom a SOAP message names.
    sender: Who,
}

const fn by(name: &'static str, shown: Shown, who: Who) -> Identity {
    Identity { name, shown, who, sender: Who::Nobody }
}

const fn by_message(name: &'static str, shown: Shown, who: Who, sender: Who) -> Identity {
    Identity { name, shown, who, sender }
}

/// Everybody who asks where applications stand in the file. `Who::Application` names a line of [`APPLICATIONS`].
const WHO: &[Identity] = &[
    by("nobody", Nothing, Who::Nobody),
    by("a key that nobody has", Keys("unknown", ""), Who::Bad),
    by("two keys", Keys("acme", "ours"), Who::Bad),
    by("the owner's, subscribed", Keys("ours", ""), Who::Application("ours")),
    by("the owner's, by a bearer's key", Keys("", "ours"), Who::Application("ours")),
    by("the owner's, without subscriptions", Keys("idle", ""), Who::Application("idle")),
    by("a partner's", Keys("acme", ""), Who::Application("acme")),
    by("a partner's that is at home somewhere", Keys("homely", ""), Who::Application("homely")),
    by(
        "a partner's that subscribes to something else",
        Keys("other", ""),
        Who::Application("other"),
    ),
    by("a customer's", Keys("buyer", ""), Who::Application("buyer")),
    by("nobody's application", Keys("loose", ""), Who::Application("loose")),
    by("a partner's token", Token("acme", 300), Who::Application("acme")),
    by("the owner's token", Token("ours", 300), Who::Application("ours")),
    by("a token of one who is at home somewhere", Token("homely", 300), Who::Application("homely")),
    by("a token that ran out", Token("ours", -300), Who::Bad),
    by("a token for nobody", Token("stranger", 300), Who::Bad),
    by("a partner's signature", Signature("acme", "acme"), Who::Application("acme")),
    by("the owner's signature", Signature("ours", "ours"), Who::Application("ours")),
    by(
        "a signature of one who is at home somewhere",
        Signature("homely", "homely"),
        Who::Application("homely"),
    ),
    by("a signature with another's secret", Signature("ours", "acme"), Who::Forged),
    by("a signature with a key that nobody has", Signature("stranger", "acme"), Who::Forged),
    by("a partner's certificate", Certificate(&["acme.example"]), Who::Application("acme")),
    by("the owner's certificate", Certificate(&["ours.example"]), Who::Application("ours")),
    by(
        "a certificate of one who is at home somewhere",
        Certificate(&["homely.example"]),
        Who::Application("homely"),
    ),
    by("a certificate of nobody's", Certificate(&["else.example"]), Who::Nobody),
    by("a certificate of two", Certificate(&["acme.example", "ours.example"]), Who::Bad),
    by_message("a user", User("acme", "acme", ""), Who::Nobody, Who::Application("acme")),
    by_message(
        "a user of the owner's",
        User("ours", "ours", ""),
        Who::Nobody,
        Who::Application("ours"),
    ),
    by_message(
        "a user at home somewhere",
        User("homely", "homely", ""),
        Who::Nobody,
        Who::Application("homely"),
    ),
    by_message(
        "a user who subscribes to something else",
        User("other", "other", ""),
        Who::Nobody,
        Who::Application("other"),
    ),
    by_message("a user with another's password", User("buyer", "ours", ""), Who::Nobody, Who::Bad),
    by_message(
        "a user and a key of one",
        User("acme", "acme", "acme"),
        Who::Application("acme"),
        Who::Application("acme"),
    ),
    by_message(
        "a user and a key of two",
        User("acme", "acme", "loose"),
        Who::Application("loose"),
        Who::Application("acme"),
    ),
];

/// The applications: to what they belong, whether they subscribe to everything that has plans, and from where they call.
const APPLICATIONS: &[Application] = &[
    Application { name: "ours", kind: "owner", subscribes: true, at_home: false },
    Application { name: "idle", kind: "owner", subscribes: false, at_home: false },
    Application { name: "acme", kind: "partner", subscribes: true, at_home: false },
    Application { name: "homely", kind: "partner", subscribes: true, at_home: true },
    Application { name: "other", kind: "partner", subscribes: false, at_home: false },
    Application { name: "buyer", kind: "customer", subscribes: true, at_home: false },
    Application { name: "loose", kind: "", subscribes: true, at_home: false },
];

/// Listener × where the caller says, by a proxy that is trusted, that it is.
const FROM: &[From] = &[
    From { listener: "gateway", address: FAR },
    From { listener: "gateway", address: NEAR },
    From { listener: "gateway", address: HOME },
    From { listener: "internal", address: FAR },
    From { listener: "internal", address: HOME },
    From { listener: "tls", address: FAR },
    From { listener: "tls", address: NEAR },
];

/// Every API that there can be: visibility × networks × plans × contract.
fn apis() -> Vec<Api> {
    let mut apis = Vec::new();
    for visibility in ["private", "partner", "public"] {
        for (networks, plans) in [(false, false), (false, true), (true, false), (true, true)] {
            for contract in [Contract::OpenApi, Contract::Wsdl, Contract::Secured] {
                // A partner's API without plans answers nobody: one of them is enough.
                if visibility == "partner" && !plans && (networks || contract == Contract::Secured)
                {
                    continue;
                }
                apis.push(Api { visibility, networks, plans, contract });
            }
        }
    }
    apis
}

const OPENAPI: &str = r#"{"openapi": "3.1.0", "info": {"title": "Things", "version": "1"},
  "paths": {"/things": {"get": {"operationId": "list", "responses": {"200": {"description": "all"}}}}}}"#;

/// An answer of `Track` that both faces can take.
const TRACKED: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><t:Track xmlns:t=\"urn:t\">42</t:Track></s:Body></s:Envelope>";

const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

fn service() -> Upstream {
    Upstream::answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{TRACKED}",
        TRACKED.len()
    ))
}

fn key(name: &str) -> String {
    format!("pk_{name}_{}", "x".repeat(30))
}

/// A gateway with all the APIs, that believes this machine about who calls.
fn with_apis(builder: Builder, upstream: &Upstream, authority: &Authority) -> Builder {
    authority.issue(&["api.example"]).write(builder.folder(), "one");
    std::fs::write(builder.folder().join("ca.pem"), &authority.pem).expect("writing a certificate");
    let mut builder = builder
        .listen("internal: 127.0.0.1:0")
        .listen("tls: 127.0.0.1:0")
        .limit("keep_alive_idle: 2m")
        .file("things.json", OPENAPI)
        .file("parcels.wsdl", crate::soap::WSDL)
        .top("trusted_proxies: [127.0.0.1]\ntls: { certificates: [{ cert: one.pem, key: one.key }], client: optional, client_ca: ca.pem }");
    for api in apis() {
        let mut more = format!("visibility: {}\n", api.visibility);
        if api.networks {
            more += "networks: [10.2.0.0/16]\n";
        }
        if api.plans {
            more += "plans: [any]\n";
        }
        more += match api.contract {
            Contract::OpenApi => "contract: things.json\n",
            Contract::Wsdl => "contract: parcels.wsdl\nfaces: [rest, soap]\n",
            Contract::Secured => {
                "contract: parcels.wsdl\nfaces: [soap]\nws_security: { terminate: { username: any } }\n"
            }
        };
        builder = builder.api_with(&api.name(), &[&upstream.url()], &more);
    }
    builder
}

/// The nouns of [`APPLICATIONS`], for the file.
fn with_applications(mut builder: Builder, issuer: &Ed25519KeyPair) -> Builder {
    let x = URL_SAFE_NO_PAD.encode_to_string(issuer.public_key());
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]});
    let mut top = "plans: [{ name: any, rate: 1_000_000/s }]\n\
        organisations: [{ name: owner, kind: owner }, { name: partner, kind: partner }, { name: customer, kind: customer }]\n\
        issuers: [{ name: login, issuer: \"https://login.example/\", audience: here, keys: { file: jwks.json } }]\n\
        applications:\n"
        .to_owned();
    for application in APPLICATIONS {
        let name = application.name;
        top += &format!(
            "  - name: {name}\n    keys: [{{ file: {name}.key }}]\n    tokens: [{{ issuer: login, client: {name} }}]\n    \
             users: [{{ name: {name}, password: {{ file: {name}.key }} }}]\n    \
             signatures: [{{ keyid: {name}, hmac: {{ file: {name}.key }} }}]\n    \
             client_certificates: [{{ dns: {name}.example }}]\n"
        );
        if !application.kind.is_empty() {
            top += &format!("    organisation: {}\n", application.kind);
        }
        if application.at_home {
            top += "    networks: [10.1.0.0/16]\n";
        }
        if application.subscribes {
            top += "    subscriptions:\n";
            for api in apis().iter().filter(|api| api.plans) {
                top += &format!("      - {{ api: {}, plan: any }}\n", api.name());
            }
        }
        builder = builder.file(&format!("{name}.key"), key(name));
    }
    builder.file("jwks.json", keys.to_string()).top(&top)
}

/// Who asks, and the connections that they share.
struct Asking<'g> {
    gateway: &'g Gateway,
    authority: &'g Authority,
    issuer: &'g Ed25519KeyPair,
    /// What the names in [`Shown::Keys`] stand for.
    keys: &'g BTreeMap<String, String>,
    applications: &'static [Application],
    /// By listener, and by the names on the certificate that they were made with.
    connections: HashMap<(&'static str, &'static [&'static str]), RawClient>,
    /// Answers where nothing is.
    missing: HashMap<(&'static str, From, Probe), Plain>,
    cells: usize,
    hidden: usize,
}

/// An answer without what differs from one to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plain {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Plain {
    fn of(answer: &Response) -> Self {
        let mut fields = answer.fields.0.clone();
        let id = answer.get("x-request-id").unwrap_or_default();
        for (name, value) in &mut fields {
            if ["date", "x-request-id"].contains(&name.to_lowercase().as_str()) {
                value.clear();
            }
        }
        let body = match id {
            "" => answer.text(),
            id => answer.text().replace(id, "ID"),
        };
        Self { status: answer.status, fields, body }
    }
}

impl<'g> Asking<'g> {
    fn new(
        gateway: &'g Gateway,
        authority: &'g Authority,
        issuer: &'g Ed25519KeyPair,
        keys: &'g BTreeMap<String, String>,
        applications: &'static [Application],
    ) -> Self {
        Self {
            gateway,
            authority,
            issuer,
            keys,
            applications,
            connections: HashMap::new(),
            missing: HashMap::new(),
            cells: 0,
            hidden: 0,
        }
    }

    /// Asks for everything in every way and holds it against the rules; what does not agree.
    fn all(&mut self, whos: &[Identity]) -> Vec<String> {
        let mut wrong = Vec::new();
        for from in FROM {
            for who in whos {
                for api in apis() {
                    for probe in Probe::ALL {
                        wrong.extend(self.one(who, *from, &api, *probe));
                    }
                }
            }
        }
        wrong
    }

    fn one(&mut self, who: &Identity, from: From, api: &Api, probe: Probe) -> Option<String> {
        let known = |name: &str| self.applications.iter().find(|one| one.name == name);
        let (named, sender) = match who.shown {
            Certificate(_) if from.listener != "tls" => (Who::Nobody, Who::Nobody),
            _ => (who.who, who.sender),
        };
        let expected = cell(api, probe, from, (named, sender), &known);
        let answer = self.ask(who, from, &api.name(), probe);
        self.cells += 1;
        let what = || format!("{} asks {probe:?} of {} from {from:?}", who.name, api.name());
        let text = answer.text();
        let code = text.find("GW0").and_then(|at| text.get(at..at + 6));
        match expected {
            Cell::Hidden => {
                self.hidden += 1;
                let missing = match self.missing.get(&(who.name, from, probe)) {
                    Some(known) => known.clone(),
                    None => {
                        let asked = Plain::of(&self.ask(who, from, "nobody-has-this", probe));
                        self.missing.insert((who.name, from, probe), asked.clone());
                        asked
                    }
                };
                let answer = Plain::of(&answer);
                (answer != missing)
                    .then(|| format!("{}: a leak\n  {answer:?}\n  {missing:?}", what()))
            }
            Cell::Refused(wanted) => (code != Some(wanted) && probe.has_a_body())
                .then(|| format!("{}: {wanted} expected, {}", what(), answer.brief())),
            Cell::Served => (answer.status != 200)
                .then(|| format!("{}: 200 expected, {}", what(), answer.brief())),
        }
    }

    fn ask(&mut self, who: &Identity, from: From, name: &str, probe: Probe) -> Response {
        let (method, path, mut fields) = probe.request(name);
        let envelope = |header: &str| match header {
            "" => TRACKED.to_owned(),
            header => crate::ws_security::signer::message(header),
        };
        let name = |name: &str| self.keys.get(name).cloned().unwrap_or_else(|| key(name));
        let mut message = envelope("");
        match who.shown {
            Shown::Nothing | Shown::Certificate(_) | Shown::Signature(..) => (),
            Shown::Keys(direct, bearer) => {
                if !direct.is_empty() {
                    fields += &format!("X-API-Key: {}\r\n", name(direct));
                }
                if !bearer.is_empty() {
                    fields += &format!("Authorization: Bearer {}\r\n", name(bearer));
                }
            }
            Shown::Token(client, seconds) => {
                fields += &format!("Authorization: Bearer {}\r\n", self.token(client, seconds));
            }
            Shown::User(user, password, beside) => {
                message = envelope(&crate::ws_security::signer::text_user(user, &key(password)));
                if !beside.is_empty() {
                    fields += &format!("X-API-Key: {}\r\n", name(beside));
                }
            }
        }
        let body = match probe {
            Probe::Message => message,
            Probe::MessageOfSoap12 => message.replace(crate::ws_security::signer::SOAP, SOAP12),
            Probe::Json => "{\"$value\":\"42\"}".to_owned(),
            _ => String::new(),
        };
        if let Signature(keyid, secret) = who.shown {
            let mut signing = Signing::new(keyid, method, &path, body.as_bytes());
            signing.scheme = if from.listener == "tls" { "https" } else { "http" };
            fields += &signing.fields(&signatures::Key::Hmac(key(secret).into()));
        }
        if !body.is_empty() {
            fields += &format!("Content-Length: {}\r\n", body.len());
        }
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: api.example\r\nX-Forwarded-For: {}\r\n{fields}\r\n{body}",
            from.address
        );
        let names = match who.shown {
            Certificate(names) if from.listener == "tls" => names,
            _ => &[],
        };
        let place = (from.listener, names);
        let mut client =
            self.connections.remove(&place).unwrap_or_else(|| self.connect(from, names));
        let answer = client.ask(request);
        if !answer.closes() {
            self.connections.insert(place, client);
        }
        answer
    }

    fn connect(&self, from: From, names: &[&str]) -> RawClient {
        let tls = ClientTls::new("api.example", self.authority);
        match from.listener {
            "tls" if names.is_empty() => self.gateway.connect_tls(&tls),
            "tls" => self.gateway.connect_tls(&tls.identity(self.authority.issue(names))),
            listener => RawClient::connect(self.gateway.address_of(listener)),
        }
    }

    fn token(&self, client: &str, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let expires = now.saturating_add_signed(seconds);
        let claims = json!({"iss": "https://login.example/", "aud": "here", "exp": expires, "client_id": client});
        let signed = format!("{}.{}", part(json!({"alg": "EdDSA", "kid": "one"})), part(claims));
        let signature = URL_SAFE_NO_PAD.encode_to_string(self.issuer.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Asks everything of a gateway; at least so many cells, of which so many are hidden.
#[track_caller]
fn hold(asking: &mut Asking<'_>, whos: &[Identity], least: (usize, usize)) {
    let wrong = asking.all(whos);
    assert!(
        wrong.is_empty(),
        "{} of {} cells are wrong:\n{}",
        wrong.len(),
        asking.cells,
        wrong[..wrong.len().min(30)].join("\n")
    );
    let counts = (asking.cells, asking.hidden);
    assert!(counts.0 >= least.0 && counts.1 >= least.1, "too little was asked: {counts:?}");
}

#[test]
fn t28_every_cell_of_the_matrix_is_as_the_guide_says_and_what_is_hidden_is_missing() {
    let (upstream, authority) = (service(), Authority::new("test"));
    let issuer = Ed25519KeyPair::generate().expect("a key");
    let gateway = with_applications(with_apis(gateway(), &upstream, &authority), &issuer).start();
    let keys = BTreeMap::new();
    let mut asking = Asking::new(&gateway, &authority, &issuer, &keys, APPLICATIONS);
    hold(&mut asking, WHO, (20_000, 8_000));
}
