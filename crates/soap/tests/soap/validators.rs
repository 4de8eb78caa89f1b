//! Foreign judges, in Python, where they are installed: of the OpenAPI documents that we write (`openapi-spec-validator`,
//! `jsonschema`), and of the WSDLs that we refuse (lxml, libxml2, zeep, `xmlschema`).

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const OPENAPI: &str = "peers/scripts/openapi_judge.py";
const OPENAPI_NEEDS: &str = "openapi_spec_validator, jsonschema";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs a judges' script; nothing when what it imports is not installed.
fn judge(script: &str, imports: &str, what: impl AsRef<OsStr>, input: &str) -> Option<String> {
    let python = workspace().join(".peers/venv/bin/python");
    let installed = Command::new(&python)
        .args(["-c", &format!("import {imports}")])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        let required = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!required, "these are not installed: {imports}");
        eprintln!("skipped: these are not installed: {imports}");
        return None;
    }
    let mut child = Command::new(python)
        .arg(workspace().join(script))
        .arg(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the judge fell over");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What is wrong with OpenAPI documents: the file, and why.
pub(crate) fn documents<'f>(
    files: impl IntoIterator<Item = &'f PathBuf>,
) -> Option<Vec<(PathBuf, String)>> {
    let input: String = files.into_iter().map(|file| format!("{}\n", file.display())).collect();
    let output = judge(OPENAPI, OPENAPI_NEEDS, "documents", &input)?;
    let fault = |line: &str| {
        let (file, why) = line.split_once('\t')?;
        Some((PathBuf::from(file), why.to_owned()))
    };
    Some(output.lines().filter_map(fault).collect())
}

/// Judges instances: each line of `input` is `{"schema": …, "instance": …}`; each line of the answer is empty for an
/// instance that the schema takes, and says why for one that it does not.
pub(crate) fn instances(input: &str) -> Option<Vec<String>> {
    let output = judge(OPENAPI, OPENAPI_NEEDS, "instances", input)?;
    Some(output.lines().map(str::to_owned).collect())
}

/// Who else refuses files of a folder, each given with our reason: the file, who, and in what words.
pub(crate) fn refusals(
    folder: &Path,
    refused: &[(String, String)],
) -> Option<Vec<(String, String, String)>> {
    let input: String =
        refused.iter().map(|(file, reason)| format!("{file}\t{reason}\n")).collect();
    let script = "peers/soap/oracles/refused.py";
    let output = judge(script, "lxml, zeep, xmlschema", folder, &input)?;
    let confirmed = |line: &str| {
        let mut columns = line.split('\t').map(str::to_owned);
        Some((columns.next()?, columns.next()?, columns.next()?))
    };
    Some(output.lines().filter_map(confirmed).collect())
}

/// The exclusive canonical form of parts of documents. Each line of `input` is the document in Base64, the number of the element
/// and the prefixes that are listed; each line of the answer is the digest of the form in Base64, and the form.
pub(crate) fn canonical(input: &str) -> Option<Vec<String>> {
    let output = judge("peers/soap/oracles/canonical.py", "xmlsec, lxml", "parts", input)?;
    Some(output.lines().map(str::to_owned).collect())
}
