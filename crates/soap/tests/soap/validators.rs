//! Foreign judges of what we describe: `openapi-spec-validator` and `jsonschema`, in Python, where they are installed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs the judges' script; nothing when they are not installed.
fn judge(what: &str, input: &str) -> Option<String> {
    let python = workspace().join(".peers/venv/bin/python");
    let installed = Command::new(&python)
        .args(["-c", "import openapi_spec_validator, jsonschema"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "the OpenAPI validators are not installed"
        );
        eprintln!("skipped: openapi-spec-validator and jsonschema are not installed");
        return None;
    }
    let mut child = Command::new(python)
        .arg(workspace().join("peers/scripts/openapi_judge.py"))
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
    let output = judge("documents", &input)?;
    let fault = |line: &str| {
        let (file, why) = line.split_once('\t')?;
        Some((PathBuf::from(file), why.to_owned()))
    };
    Some(output.lines().filter_map(fault).collect())
}

/// Judges instances: each line of `input` is `{"schema": …, "instance": …}`; each line of the answer is empty for an
/// instance that the schema takes, and says why for one that it does not.
pub(crate) fn instances(input: &str) -> Option<Vec<String>> {
    Some(judge("instances", input)?.lines().map(str::to_owned).collect())
}
