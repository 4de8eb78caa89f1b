//! `cargo xtask fuzz TARGET`: one target for a minute; `cargo xtask fuzz all`: each for a minute.
//!
//! cargo-fuzz asks the compiler for flags that a stable one refuses. `RUSTC_BOOTSTRAP=1` makes ours
//! take them, so that no second toolchain is needed and what is fuzzed is what is shipped.
//!
//! What libFuzzer finds new ways with gathers in `fuzz/target/corpus`, beside the seeds in
//! `fuzz/corpus`, which it only reads. `cargo xtask fuzz keep TARGET` moves over the few files that reach
//! what no seed does. The seeds are replayed without any of this, among the other tests
//! (`crates/pasarela/tests/corpus`).

use std::cmp::Reverse;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{Cargo, root};

/// How long one run takes unless told otherwise with `FUZZ_SECONDS`.
const SECONDS: &str = "60";
/// Longer inputs are not worth their time; one of the longest heads we take is shorter.
const INPUT_BYTES: &str = "4096";
/// A longer input than this does not become a seed.
const SEED_BYTES: u64 = 512;
/// Files that one call of `keep` adds at most.
const MOST_KEPT: usize = 12;

/// `cargo xtask fuzz` alone: the targets.
pub(crate) fn list() -> Result<()> {
    for target in targets()? {
        println!("{target}");
    }
    Ok(())
}

/// Fuzzes one target, or `all`.
pub(crate) fn run(target: &str) -> Result<()> {
    let chosen = chosen(target)?;
    let seconds = std::env::var("FUZZ_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    for target in &chosen {
        println!("=== {target}");
        let found = found(target);
        fs::create_dir_all(root().join(&found)).context("fuzz/target/corpus")?;
        cargo_fuzz(&["run", "--fuzz-dir", "fuzz", target])?
            .args([&found, &format!("fuzz/corpus/{target}")])
            .args(["--", "-print_final_stats=1", "-timeout=5"])
            .args([format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES}")])
            .run()?;
    }
    Ok(())
}

/// Adds to the seeds of a target the finds that reach something new.
pub(crate) fn keep(target: &str) -> Result<()> {
    for target in &chosen(target)? {
        let scratch = root().join(format!("fuzz/target/kept/{target}"));
        let seeds = root().join(format!("fuzz/corpus/{target}"));
        drop(fs::remove_dir_all(&scratch));
        fs::create_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
        for seed in fs::read_dir(&seeds).with_context(|| seeds.display().to_string())? {
            let seed = seed?;
            fs::copy(seed.path(), scratch.join(seed.file_name()))?;
        }
        cargo_fuzz(&["run", "--fuzz-dir", "fuzz", target])?
            .args([format!("fuzz/target/kept/{target}"), found(target)])
            .args(["--", "-set_cover_merge=1", "-timeout=5"])
            .run()?;
        println!("{target}: {} new seeds", adopt(&scratch, &seeds)?);
    }
    Ok(())
}

/// Copies a few of the new files over: the longest, which reach most.
fn adopt(from: &Path, to: &Path) -> Result<usize> {
    let mut fresh = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let length = entry.metadata()?.len();
        if length <= SEED_BYTES && !to.join(entry.file_name()).exists() {
            fresh.push((length, entry));
        }
    }
    fresh.sort_by_key(|(length, entry)| (Reverse(*length), entry.file_name()));
    fresh.truncate(MOST_KEPT);
    for (_, entry) in &fresh {
        let name = entry.file_name().to_string_lossy().into_owned();
        let short = name.get(..12).unwrap_or(&name);
        fs::copy(entry.path(), to.join(format!("found-{short}")))?;
    }
    Ok(fresh.len())
}

fn found(target: &str) -> String {
    format!("fuzz/target/corpus/{target}")
}

/// A command of cargo-fuzz with a compiler that takes its flags.
fn cargo_fuzz(arguments: &[&str]) -> Result<Cargo> {
    if !Cargo::new(&["fuzz", "--version"]).works() {
        bail!("fuzzing needs cargo-fuzz and a C++ compiler: `cargo install cargo-fuzz --locked`");
    }
    Ok(Cargo::new(&["fuzz"]).args(arguments).env("RUSTC_BOOTSTRAP", "1"))
}

fn chosen(target: &str) -> Result<Vec<String>> {
    let targets = targets()?;
    if target == "all" {
        return Ok(targets);
    }
    if !targets.iter().any(|name| name == target) {
        bail!("there is no target {target}; there are: {}", targets.join(", "));
    }
    Ok(vec![target.to_owned()])
}

/// The names of the targets: one file each in `fuzz/fuzz_targets`.
fn targets() -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(root().join("fuzz/fuzz_targets"))
        .context("fuzz/fuzz_targets")?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}
