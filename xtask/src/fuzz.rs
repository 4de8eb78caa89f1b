//! `cargo xtask fuzz TARGET`, and the replay of what fuzzing has found.
//!
//! Fuzzing needs the nightly toolchain and cargo-fuzz. The replay does not: a target built by the
//! stable compiler runs each file of its corpus once, so it is part of every `cargo xtask test`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::command::{Cargo, root};

/// How long one run takes unless told otherwise with `FUZZ_SECONDS`.
const SECONDS: &str = "60";

/// `cargo xtask fuzz` alone: the targets.
pub(crate) fn list() -> Result<()> {
    for target in targets()? {
        println!("{target}");
    }
    Ok(())
}

/// Fuzzes one target.
pub(crate) fn run(target: &str) -> Result<()> {
    let targets = targets()?;
    if !targets.iter().any(|name| name == target) {
        bail!("there is no target {target}; there are: {}", targets.join(", "));
    }
    if !Cargo::of_toolchain("nightly", &["fuzz", "--version"]).works() {
        bail!(
            "fuzzing needs nightly Rust and cargo-fuzz: `rustup toolchain install nightly`, `cargo install cargo-fuzz`"
        );
    }
    let seconds = std::env::var("FUZZ_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    Cargo::of_toolchain("nightly", &["fuzz", "run", target, "--"])
        .args([format!("-max_total_time={seconds}")])
        .run()
}

/// Runs every file of every corpus once. `None` when there is nothing to replay.
pub(crate) fn replay() -> Result<Option<String>> {
    let mut replayed = Vec::new();
    for target in targets()? {
        let corpus = files(&target);
        if corpus.is_empty() {
            continue;
        }
        let manifest = root().join("fuzz/Cargo.toml");
        Cargo::new(&["run", "--quiet", "--bin", &target, "--manifest-path"])
            .args([manifest.as_os_str()])
            .args(["--"])
            .args(&corpus)
            .run()?;
        replayed.push(format!("{target}: {} files", corpus.len()));
    }
    Ok((!replayed.is_empty()).then(|| replayed.join(", ")))
}

/// The names of the targets: one file each in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = fs::read_dir(&folder)
        .context("fuzz/fuzz_targets")?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn files(target: &str) -> Vec<PathBuf> {
    let folder = root().join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files
}
