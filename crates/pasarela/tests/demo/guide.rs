//! The pages agree with the program: the guide's samples are accepted, each with the files it
//! names, and every problem's page says what the code says.
//!
//! A sample that begins with keys of an API is put under one; anything else is a file but for its
//! `version`.

use std::{fs, path::Path};

use pasarela::{commands::explain, config};
use pasarela_model::Code;
use pasarela_testkit::Authority;
use rcgen::{CertificateParams, KeyPair};

#[test]
fn every_sample_of_the_guide_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    let mut samples = 0;
    for page in [
        "getting-started.md",
        "configuration.md",
        "tls.md",
        "operating.md",
        "shares.md",
        "quotas.md",
    ] {
        let text = fs::read_to_string(guide.join(page)).unwrap();
        for sample in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            samples += 1;
            let file = folder.path().join("pasarela.yaml");
            let whole = whole(sample);
            fs::write(&file, &whole).unwrap();
            if let Err(faults) = config::load(&file, &|_| None, 1) {
                panic!("{page}:\n{whole}\n{faults}");
            }
        }
    }
    assert!(samples >= 11, "the samples were not found");
}

#[test]
fn every_problem_has_its_page_with_its_title_and_status() {
    for code in Code::ALL {
        let (_, page) = explain::page(code.code()).unwrap_or_else(|| panic!("{}", code.code()));
        let wanted = [
            format!("# {}: {}\n", code.code(), code.title()),
            format!("Status {}. In metrics and the access log: `{}`.", code.status(), code.slug()),
            "## What happened\n".to_owned(),
            "## Why we stop here\n".to_owned(),
            "## What to do\n\n- **Caller:** ".to_owned(),
            "\n- **API owner:** ".to_owned(),
            "\n- **Operator:** ".to_owned(),
            "## See also\n".to_owned(),
        ];
        let mut rest = page;
        for piece in wanted {
            let at = rest.find(&piece).unwrap_or_else(|| panic!("{piece} in:\n{page}"));
            rest = &rest[at + piece.len()..];
        }
    }
}

/// A sample with what its page leaves away.
fn whole(sample: &str) -> String {
    if sample.starts_with("version:") {
        return sample.to_owned();
    }
    // A digest that a page only hints at.
    let sample = sample.replace("…the 64 digits…", &"5e".repeat(32));
    if sample.starts_with("    keys:") {
        return format!("version: 1\napplications:\n  - name: shop\n{sample}");
    }
    if !sample.starts_with("    ") {
        let listens = sample.contains("listen:") || !sample.contains("certificates:");
        let listen = if listens { "" } else { "listen: { tls: 0.0.0.0:8443 }\n" };
        return format!("version: 1\n{listen}{sample}");
    }
    let mut text = String::from(
        "version: 1\napis:\n  - name: rates\n    version: 1\n    visibility: public\n",
    );
    if !sample.contains("upstreams:") {
        text.push_str("    upstreams: [http://127.0.0.1:9000]\n");
    }
    text + &sample
}

fn write_files(folder: &Path) {
    let authority = Authority::new("partners");
    for name in ["partners.pem", "inner-ca.pem"] {
        fs::write(folder.join(name), &authority.pem).unwrap();
    }
    fs::write(folder.join("revoked.pem"), authority.revokes(&[4711])).unwrap();
    for name in ["example", "other", "gateway"] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([format!("{name}.example")]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    fs::create_dir(folder.join("secrets")).unwrap();
    fs::write(folder.join("secrets/shop.key"), "a-key-for-the-shop\n").unwrap();
    let contract = "openapi: 3.1.0\ninfo: { title: Rates, version: \"1\" }\n\
                    paths: { /quote: { get: { operationId: getQuote, responses: { \"200\": { description: ok } } }, \
                    post: { operationId: makeQuote, responses: { \"200\": { description: ok } } } } }\n";
    fs::write(folder.join("rates.openapi.yaml"), contract).unwrap();
}
