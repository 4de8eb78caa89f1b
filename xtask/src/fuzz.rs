//! `cargo xtask fuzz TARGET`: one target for a minute.
//!
//! Fuzzing needs the nightly toolchain and cargo-fuzz. What it has found is replayed without them,
//! among the other tests (`crates/pasarela/tests/corpus`).

use std::fs;

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
