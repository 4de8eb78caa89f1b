//! T55: a secret that stands in a configuration, or comes into it, is never printed.

use std::path::Path;

use pasarela::{
    commands::check::{Format, render},
    config::{Environment, read},
};

use super::good;

const CANARY: &str = "CANARY";

/// All that is ever printed about a file.
fn printed(text: &str, environment: Environment<'_>) -> String {
    let result = read(text.as_bytes(), &super::path(), environment, 1);
    let file = Path::new("pasarela.yaml");
    render(file, &result, Format::Text) + &render(file, &result, Format::Json)
}

fn silent(text: &str) {
    let result = read(text.as_bytes(), &super::path(), &super::environment, 1);
    let said = printed(text, &super::environment) + &format!("{result:?}");
    assert!(!said.contains(CANARY), "{text}\n==== said\n{said}");
}

const HEAD: &str = "version: 1\n";

#[test]
fn t55_a_secret_in_the_file_is_not_shown_whatever_is_wrong_with_it() {
    for wrong in [
        "storage: postgres://me:CANARY@db:99999/pasarela",
        "storage: postgres://me:CANARY@db/pasarela",
        "storage: { url: \"postgres://me:CANARY@db/pasarela\" }",
        "storage: mysql://me:CANARY, too@db/pasarela",
        "storage: \"postgres://me:CANARY\n  CANARY@db/pasarela\"",
        "shared_limits: redis://:CANARY@127.0.0.1:port",
        "shared_limits: [\"redis://:CANARY@127.0.0.1\"]",
        "traces: { otlp: \"https://user:CANARY@collector\", sample: 2 }",
        "traces: { otlp: \"ftp://user:CANARY@collector\" }",
        "traces: { otlp: \"https://CANARY@collector\", smaple: 2 }",
        "password: CANARY",
        "api_key: { deep: [CANARY, { deeper: CANARY }] }",
        "applications: [{ name: a, keys: [CANARY] }]",
        "applications: [{ name: a, keys: CANARY }]",
        "applications: [{ name: a, keys: [[CANARY]] }]",
        "applications: [{ name: a, keys: [{ value: CANARY }] }]",
        "applications: [{ name: a, keys: [{ sha256: CANARY }] }]",
        "applications: [{ name: a, keys: [{ sha256: CANARY, file: x }] }]",
        "applications: [{ name: a, keys: [{ env: not-CANARY }] }]",
        "applications: [{ name: a, key: CANARY }]",
        "applications:\n  - name: a\n    keys:\n      - |\n        CANARY\n        CANARY\n",
        "apis: [{ name: a, version: 1, upstreams: [\"http://me:CANARY@host\"] }]",
        "apis: [{ name: a, version: 1, upstreams: [{ url: \"http://me:CANARY@host\", weigth: 1 }] }]",
        "tls: { certificates: [{ cert: site.pem, private_key: CANARY }] }",
    ] {
        silent(&format!("{HEAD}{wrong}\n"));
        // The same, with another mistake on the same line or just above it.
        silent(&format!("{HEAD}wrong: [\n{wrong}\n"));
        silent(&format!("{HEAD}{wrong} }} ]\n"));
        silent(&format!("{HEAD}{wrong}: x: y\n"));
        silent(&format!("{HEAD}{wrong}\n{wrong}\n"));
    }
}

#[test]
fn t55_a_broken_file_hides_all_that_could_be_a_secret() {
    let text = good::BRIEF
        .replace("{ env: ACME_KEY }", "CANARY-in-keys")
        .replace("${DATABASE}", "postgres://me:CANARY@db/x");
    for (at, _) in text.char_indices().filter(|(_, c)| "[]{}:\"\n".contains(*c)) {
        let mut broken = text.clone();
        broken.remove(at);
        silent(&broken);
        broken.insert(at, '\t');
        silent(&broken);
        silent(&text[..at]);
    }
}

#[test]
fn t55_what_comes_from_the_environment_is_not_shown() {
    // Each scalar in turn becomes a variable that holds something hostile and secret.
    let environment = |name: &str| match name {
        "SECRET" => Some("CANARY \u{1b}[2J".to_owned()),
        other => super::environment(other),
    };
    for text in [good::DESIGN, good::BRIEF] {
        let mut tried = 0;
        for (at, value) in scalars(text) {
            let mut changed = text.to_owned();
            changed.replace_range(at..at + value.len(), "\"${SECRET}\"");
            let said = printed(&changed, &environment);
            assert!(!said.contains(CANARY), "at {value:?}:\n{said}");
            tried += 1;
        }
        assert!(tried > 40, "only {tried} scalars were found");
    }
}

/// Simple values of a sample: what follows `: `, `[` or `, ` up to the next sign.
fn scalars(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices([':', '[', ',']) {
        let rest = &text[at + 1..];
        let value = rest.trim_start_matches(' ');
        let start = at + 1 + rest.len() - value.len();
        let end = value.find(['\n', ',', ']', '}', ' ']).unwrap_or(value.len());
        let value = &value[..end];
        let plain = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
            && (rest.starts_with(' ') || text[at..].starts_with('['))
            && !value.ends_with(':');
        if plain && !text[..at].rsplit('\n').next().unwrap_or_default().contains('#') {
            found.push((start, value));
        }
    }
    found
}

#[test]
fn t55_a_bad_key_from_outside_is_refused_without_a_word_of_it() {
    silent(&format!(
        "{HEAD}applications: [{{ name: a, keys: [{{ env: BAD_KEY }}, {{ env: ACME_KEY }}] }}]\n"
    ));
    silent(&format!("{HEAD}storage: ${{DATABASE}}\n"));
    silent(&format!("{HEAD}shared_limits: ${{DATABASE}}\n"));
    silent(&format!("{HEAD}workers: ${{ACME_KEY}}\n"));
}

#[test]
fn t15_of_a_key_only_its_digest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("acme.key"), "CANARY-0123456789abcdef\n").unwrap();
    let text = "version: 1\napplications:\n  - { name: a, keys: [{ file: acme.key }] }\n";
    let path = folder.path().join("pasarela.yaml");
    let loaded = read(text.as_bytes(), &path, &super::environment, 1).unwrap();
    let [pasarela_model::Credential::ApiKey(digest)] =
        loaded.snapshot.applications[0].credentials[..]
    else {
        panic!("one key was given");
    };
    // SHA-256 of the file's content without its line end.
    let hex: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "3948427250b2901ee16267b2f3c066ffdba889f4ce0e5e627d16cb2544830fbe");
    assert!(!format!("{loaded:?}").contains(CANARY));
}

#[test]
fn t27_the_console_is_for_this_machine_unless_told_otherwise() {
    let listen = pasarela::config::empty(1).settings.listen;
    assert!(listen.console.ip().is_loopback());
    assert_eq!((listen.tls, listen.internal, listen.smtp), (None, None, None));
}
