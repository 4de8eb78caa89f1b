//! Tests of the configuration as its author meets it: files in, words out.

mod cases;
mod good;
mod secrets;
mod storms;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use pasarela::config::{self, Faults, Loaded};

/// The folder every tested configuration seems to lie in: the fixtures, and certificates made
/// afresh for this run, so that no private key lies in the repository.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(&fixtures(), folder.path());
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("a fixture");
        };
        for name in ["site", "other"] {
            let made = rcgen::generate_simple_self_signed(vec![format!("{name}.example")]).unwrap();
            write(&format!("{name}.pem"), made.cert.pem());
            write(&format!("{name}.key"), made.signing_key.serialize_pem());
        }
        write("locked.key", pem("ENCRYPTED PRIVATE KEY", "AAAA"));
        write("damaged.pem", pem("CERTIFICATE", "this is *not* Base64"));
        write("nonsense.pem", pem("CERTIFICATE", "AAAA"));
        folder
    });
    FOLDER.get().expect("made above").path()
}

fn pem(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/fixtures")
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn path() -> PathBuf {
    folder().join("pasarela.yaml")
}

/// The environment of every test.
fn environment(name: &str) -> Option<String> {
    let value = match name {
        "UPSTREAM" => "http://10.1.0.9:7000",
        "PORT" => "7000",
        "WORDS" => "not a number",
        "DATABASE" => "postgres://me:CANARY-hush@db/pasarela",
        "ACME_KEY" => "CANARY-key-of-acme",
        "BAD_KEY" => "CANARY key of acme",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(text: &str) -> Result<Loaded, Faults> {
    config::read(text.as_bytes(), &path(), &environment, 7)
}
