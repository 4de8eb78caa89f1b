//! Files that are fine: those of the design, and every sample a person may copy from the docs.

use std::time::Duration;

use pasarela::config::{self, AccessLog, Code, Settings};
use pasarela_model::{
    Balance, ClientAuth, Credential, Face, HashKey, Holder, HostPattern, HttpVersion, KeyDigest,
    Limits, OrganisationKind, QuotaOver, StoredKey, Subscription, TokenAlgorithm, TokenKeys,
    Visibility,
};

/// The file that shows everything at once.
pub(crate) const DESIGN: &str = include_str!("good/design.yaml");
pub(crate) const BRIEF: &str = include_str!("good/every-key.yaml");

#[test]
fn the_file_of_the_design_is_accepted() {
    let loaded = super::read(DESIGN).unwrap_or_else(|faults| panic!("{faults}"));
    let snapshot = &loaded.snapshot;
    assert_eq!(snapshot.generation, 7);
    assert_eq!(snapshot.apis.len(), 2);
    let (tracking, rates) = (&snapshot.apis[0], &snapshot.apis[1]);
    assert_eq!(
        (tracking.base_path.as_str(), rates.base_path.as_str()),
        ("/tracking/v1", "/rates/v2")
    );
    assert_eq!(tracking.visibility, Visibility::Partner);
    assert_eq!(tracking.faces, [Face::Rest, Face::Soap, Face::Mcp]);
    assert_eq!(tracking.upstream.targets[1].path, "/TrackingService");
    assert_eq!(snapshot.organisations[0].kind, OrganisationKind::Partner);
    assert_eq!(snapshot.applications[0].subscriptions, [Subscription { api: 0, plan: 2 }]);
    let Credential::ApiKey(digest) = snapshot.applications[0].credentials[0] else {
        panic!("a key was given");
    };
    assert_eq!(digest.0[..2], [0x5e, 0x88]);
    assert_eq!(snapshot.plans[1].rate.map(|rate| rate.burst), Some(200));
    assert_eq!(snapshot.plans[1].quota.map(|quota| quota.over), Some(QuotaOver::Charge));
    let pro = loaded.prices[1].as_ref().expect("a price");
    assert_eq!(pro.monthly.map(|amount| amount.picounits()), Some(29_000_000_000_000));
    assert_eq!(loaded.prices[2].as_ref().map(|price| price.share.clone()), Some(vec![(0, 3000)]));
    assert!(loaded.settings.listen.internal.is_some());

    let mut told: Vec<Code> = loaded.warnings.iter().map(|warning| warning.code).collect();
    told.dedup();
    for code in [Code::SharedLimitsUnused, Code::FaceUnused, Code::PriceUnused] {
        assert!(told.contains(&code), "{code:?}");
    }
    assert!(loaded.files.iter().any(|file| file.ends_with("contracts/tracking.wsdl")));
    assert!(loaded.files.contains(&super::path()));
}

#[test]
fn every_key_of_the_file_reaches_its_place() {
    let loaded = super::read(BRIEF).unwrap_or_else(|faults| panic!("{faults}"));
    let settings = &loaded.settings;
    assert_eq!(settings.workers.map(usize::from), Some(2));
    assert_eq!(settings.tls.certificates.len(), 2);
    assert_eq!(settings.tls.client, ClientAuth::Optional);
    assert!(settings.tls.client_ca_pem.is_some());
    assert_eq!(settings.access_log, AccessLog::File(super::folder().join("access.log")));
    let traces = settings.traces.as_ref().expect("traces");
    assert_eq!((traces.sample_per_million, traces.otlp.port), (250_000, Some(4318)));
    assert!(traces.tls.ca_pem.is_some());
    assert_eq!(loaded.snapshot.trusted_proxies.len(), 2);
    assert_eq!(loaded.snapshot.limits.header_time, Duration::from_secs(5));
    assert_eq!(loaded.snapshot.limits.body_bytes, 50 << 20);

    let api = &loaded.snapshot.apis[0];
    assert_eq!(api.host, Some(HostPattern::Wildcard("example.com".into())));
    assert_eq!(api.base_path, "/rates");
    assert_eq!(
        (api.headers[0].name.as_str(), api.headers[0].value.as_str()),
        ("accept-version", "2")
    );
    assert_eq!(api.upstream.targets[0].port, 7000);
    assert_eq!((api.upstream.targets[1].weight, api.upstream.targets[1].tls), (3, true));
    assert_eq!(api.upstream.balance, Balance::ConsistentHash(HashKey::Header("x-session".into())));
    assert_eq!(api.upstream.http, HttpVersion::Http2);
    assert_eq!(api.upstream.tls.server_name.as_deref(), Some("inner.example"));
    assert!(api.upstream.tls.client.is_some() && api.upstream.tls.ca_pem.is_some());
    assert_eq!(api.upstream.timeouts.total, Some(Duration::from_secs(60)));
    assert_eq!((api.upstream.retries.attempts, api.upstream.retries.budget_percent), (1, 20));
    assert_eq!(api.upstream.passive.failures, 3);
    assert_eq!(
        api.upstream.active.as_ref().map(|active| active.path.as_str()),
        Some("/health?deep=1")
    );
    assert!(api.upgrade && api.pass_undeclared && api.upstream.preserve_host);
    assert_eq!(api.upstream.concurrency, pasarela_model::Concurrency::Fixed(64));
    assert_eq!(loaded.snapshot.limits.memory_bytes, 512 << 20);
    assert_eq!(api.body_bytes, Some(10 << 20));
    assert_eq!(loaded.snapshot.applications[0].credentials.len(), 5);
    let file = sha(b"fixture-key-of-acme");
    let env = sha(b"CANARY-key-of-acme");
    let found: Vec<_> = loaded.snapshot.applications[0]
        .credentials
        .iter()
        .filter_map(|credential| match credential {
            Credential::ApiKey(digest) => Some(digest.0),
            _ => None,
        })
        .collect();
    assert_eq!(found[1..], [file, env]);

    let plans = &loaded.snapshot.plans;
    assert_eq!((plans[0].priority, plans[0].reserve), (1, 0));
    assert_eq!((plans[1].priority, plans[1].reserve), (4, 1_250));
    assert_eq!(plans[0].quota.map(|quota| quota.per), Some(Holder::Application));
    assert_eq!(plans[1].quota.map(|quota| quota.per), Some(Holder::Organisation));
    assert_eq!((plans[0].rate_per, plans[1].rate_per), (Holder::Application, Holder::Organisation));
    assert_eq!(plans[1].operations[0].1.count, 2);

    let scopes = api.scopes.as_ref().unwrap();
    let said: Vec<_> = (0..3).map(|index| scopes.asked(Some(index))[0].to_string()).collect();
    assert_eq!(said, ["rates:any", "rates:one rates:read", "rates:any"]);
    assert_eq!(scopes.asked(None)[0].to_string(), "rates:any");
    assert!(loaded.snapshot.applications[0].scopes.holds("rates:read"));
    assert!(loaded.snapshot.plans[0].scopes.holds("rates:any"));

    let issuing = loaded.snapshot.issuing.as_ref().expect("oauth");
    assert_eq!(
        (&*issuing.issuer, &*issuing.host),
        ("https://api.example.com:8443", "api.example.com")
    );
    assert_eq!((&*issuing.audience, issuing.lifetime), ("everything", Duration::from_secs(3600)));
    let secrets = [file, env].map(|digest| StoredKey::new(KeyDigest(digest), None)).to_vec();
    let client = Credential::Client { id: "acme-oauth".to_owned(), secrets };
    assert!(loaded.snapshot.applications[0].credentials.contains(&client));

    let issuer = &loaded.snapshot.issuers[0];
    assert_eq!((&*issuer.name, &*issuer.issuer), ("login", "https://login.example.com/"));
    assert_eq!(issuer.audiences, ["rates", "orders"]);
    assert_eq!(issuer.algorithms, [TokenAlgorithm::Es256, TokenAlgorithm::EdDsa]);
    assert_eq!(issuer.client_claims, ["appid"]);
    let TokenKeys::At { url, ca_pem: Some(_) } = &issuer.keys else { panic!("{:?}", issuer.keys) };
    assert_eq!(url, "https://login.example.com/jwks.json");
    let token = Credential::Token { issuer: 0, client: "acme-client".to_owned() };
    assert!(loaded.snapshot.applications[0].credentials.contains(&token));
}

fn sha(key: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(key).into()
}

#[test]
fn the_defaults_that_are_written_down_are_the_defaults() {
    let loaded = config::read(config::DEFAULTS.as_bytes(), "pasarela.yaml".as_ref(), &|_| None, 0)
        .unwrap_or_else(|faults| panic!("{faults}"));
    let default = Settings::default();
    assert_eq!(loaded.snapshot.limits, Limits::default());
    assert_eq!(loaded.settings, default);
    assert!(!default.administered, "a file that names no storage is all there is");
    assert!(loaded.snapshot.apis.is_empty() && loaded.warnings.is_empty());
    // Every limit is written down: its name is a field of the type.
    let fields = format!("{:?}", Limits::default());
    for name in fields.split([' ', '{', ',']).filter_map(|word| word.strip_suffix(':')) {
        assert!(config::DEFAULTS.contains(&format!("  {name}: ")), "{name} is not in default.yaml");
    }
}

#[test]
fn the_defaults_of_an_api_that_are_written_down_are_the_defaults() {
    // The commented part of the file, with its comment signs taken off, and an API that says nothing.
    let (_, commented) = config::DEFAULTS.split_once("# apis:\n").expect("the commented API");
    let written: String = commented
        .lines()
        .map_while(|line| line.strip_prefix("# "))
        .fold("version: 1\napis:\n".into(), |text, line| text + line + "\n");
    let silent = "version: 1\napis:\n  - name: rates\n    version: 1\n    upstreams: [http://10.1.0.9:7000]\n";
    let api = |text: &str| {
        let loaded = super::read(text).unwrap_or_else(|faults| panic!("{faults}"));
        format!("{:#?}", loaded.snapshot.apis[0])
    };
    assert_eq!(api(&written), api(silent));
}

#[test]
fn every_sample_of_the_reference_is_accepted() {
    let page = include_str!("../../../../docs/reference/configuration.md");
    let mut samples = 0;
    for sample in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        samples += 1;
        let text = if sample.contains("version: 1") {
            sample.to_owned()
        } else {
            format!("version: 1\n{sample}")
        };
        super::read(&text).unwrap_or_else(|faults| panic!("{text}\n{faults}"));
    }
    assert!(samples >= 7, "the samples were not found");
}

#[test]
fn variables_are_looked_up_where_they_stand() {
    let text = "version: 1\nworkers: ${WORKERS:-3}\napis:\n  - name: rates\n    version: 1\n    visibility: public\n    upstreams: [\"${UPSTREAM}/base\", \"http://10.1.0.1:${PORT}\"]\n";
    let loaded = super::read(text).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.settings.workers.map(usize::from), Some(3));
    assert_eq!(loaded.snapshot.apis[0].upstream.targets[0].path, "/base");
    assert_eq!(loaded.snapshot.apis[0].upstream.targets[1].port, 7000);
}

#[test]
fn a_subscription_means_every_version_that_offers_the_plan() {
    let api = |version, plans| {
        format!(
            "  - {{ name: rates, version: {version}, visibility: public, upstreams: [\"http://10.1.0.9\"], plans: [{plans}] }}\n"
        )
    };
    let text = format!(
        "version: 1\nplans: [{{ name: free, rate: 5/s }}, {{ name: pro }}]\napis:\n{}{}{}applications:\n  - {{ name: a, subscriptions: [{{ api: rates, plan: free }}] }}\n  - {{ name: b, subscriptions: [{{ api: rates, version: 3, plan: free }}] }}\n",
        api(1, "free"),
        api(2, "pro"),
        api(3, "free, pro")
    );
    let loaded = super::read(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let of = |index: usize| -> Vec<usize> {
        loaded.snapshot.applications[index].subscriptions.iter().map(|s| s.api).collect()
    };
    assert_eq!((of(0), of(1)), (vec![0, 2], vec![2]));
}

#[test]
fn ten_thousand_apis_are_read() {
    let mut text = String::from(
        "version: 1\nlisten: { internal: 127.0.0.1:1 }\nplans: [{ name: free, rate: 5/s }]\napis:\n",
    );
    for n in 0..10_000 {
        text += &format!(
            "  - {{ name: api-{n}, version: 1, upstreams: [\"http://10.1.0.9:7000\"], plans: [free] }}\n"
        );
    }
    let loaded = super::read(&text).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.snapshot.apis.len(), 10_000);
}

#[test]
fn what_messages_prove_themselves_with_reaches_its_place() {
    use pasarela_model::{Password, UserPasswords};
    let text = "version: 1
apis:
  - name: tracking
    version: 1
    visibility: public
    contract: contracts/tracking.wsdl
    faces: [soap]
    upstreams: [http://10.1.0.7:9001]
    ws_security: { terminate: { username: digest, x509: { trust: other.pem, require: [body] }, timestamp: required, legacy: true } }
applications:
  - name: acme
    users:
      - { name: Alice B., password: { file: secrets/acme.key } }
      - { name: bob, password: { sha256: \"5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8\" } }
    certificates: [{ file: site.pem }, { subject: \"CN=tracker,O=ACME\" }]
";
    let snapshot = super::read(text).expect("a good file").snapshot;
    let security = snapshot.apis[0].ws_security.as_ref().expect("it ends here");
    assert_eq!(security.username, Some(UserPasswords::Digest));
    assert!(security.timestamp && security.legacy);
    let x509 = security.x509.as_ref().expect("signatures");
    assert_eq!((x509.body, x509.timestamp, x509.addressing), (true, false, false));
    assert_eq!(x509.trust.len(), 1);
    let [alice, bob, file, subject] = &snapshot.applications[0].credentials[..] else {
        panic!("four were given");
    };
    let text = Password::Text(pasarela_model::Secret::new("fixture-key-of-acme"));
    assert_eq!(*alice, Credential::User { name: "Alice B.".into(), password: text });
    assert!(
        matches!(bob, Credential::User { password: Password::Sha256(digest), .. } if digest.0[..2] == [0x5e, 0x88])
    );
    assert!(matches!(file, Credential::Certificate(der) if der.starts_with(&[0x30, 0x82])));
    assert_eq!(*subject, Credential::Subject("CN=tracker,O=ACME".into()));
    assert!(!format!("{snapshot:?}").contains("fixture-key-of-acme"));
}
