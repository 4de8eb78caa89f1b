//! `cargo xtask bench proxy` (and, in [`soap`], `bench soap`): ourselves beside nginx, HAProxy, Envoy and the floor, in one run.
//!
//! Every proxy has one core to itself; the load generator and the origin share another. Within a
//! scenario all contestants are up, and repetitions are interleaved (A B C D A B C D …), so that
//! a machine that changes its mood changes it for everybody; ratios are taken repetition by
//! repetition. Raw figures go to `target/bench/`, the table to standard output and, with `--write`,
//! into `docs/benchmarks.md`.

mod bars;
mod contestants;
mod measure;
mod report;
mod samples;
mod scenarios;
mod soap;
#[allow(dead_code, reason = "the bench tool, which shares the file, reads more of it")]
mod usage;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::command::{Cargo, root, target_directory};
use crate::peers::{self, Peer};
use contestants::{Kind, Lab};
use samples::Samples;
use scenarios::Scenario;

const USAGE: &str =
    "usage: cargo xtask bench proxy [--smoke] [--reps N] [--seconds S] [--rate PER_SECOND]
       [--only TEXT]… [--proxies pasarela,nginx,haproxy,envoy,floor] [--write] [--no-build]
       [--table RAW.json…]   draw the table again from earlier runs, without measuring";

/// What the command line asked for.
pub(crate) struct Options {
    /// One short repetition of a few scenarios with the dev build: does the benchmark still work?
    pub(crate) smoke: bool,
    pub(crate) repetitions: u32,
    /// Length of each closed-loop window; the open-loop window has the same.
    pub(crate) seconds: f64,
    /// Requests a second of the open loop.
    pub(crate) rate: u32,
    only: Vec<String>,
    proxies: Vec<Kind>,
    write: bool,
    build: bool,
    tables: Vec<PathBuf>,
}

/// `cargo xtask bench …`. Returns what was left out, with reasons.
pub(crate) fn run(words: &[String]) -> Result<Vec<String>> {
    match words.split_first() {
        Some((what, rest)) if what == "proxy" => proxy(&Options::parse(rest)?),
        Some((what, rest)) if what == "soap" => soap::run(rest),
        _ => bail!("{USAGE}\nand: cargo xtask bench soap"),
    }
}

/// The one short repetition of each that `cargo xtask test` makes of binaries that are already built.
pub(crate) fn smoke() -> Result<Vec<String>> {
    let mut left_out = proxy(&Options::parse(&["--smoke".to_owned(), "--no-build".to_owned()])?)?;
    left_out.extend(soap::run(&["--smoke", "--no-build", "--sizes", "1k"].map(str::to_owned))?);
    Ok(left_out)
}

fn proxy(options: &Options) -> Result<Vec<String>> {
    if !options.tables.is_empty() {
        let mut samples = Samples::default();
        for file in &options.tables {
            samples.merge(Samples::read(file)?);
        }
        publish(options, &samples)?;
        return Ok(Vec::new());
    }
    let scenarios: Vec<Scenario> = scenarios::all(options.smoke)
        .into_iter()
        .filter(|scenario| {
            options.only.is_empty() || options.only.iter().any(|text| scenario.name.contains(text))
        })
        .collect();
    if scenarios.is_empty() {
        bail!("no scenario is called so; there are:\n{}", scenarios::names());
    }
    if options.build {
        build(options.smoke)?;
    }
    let (proxies, left_out) = install(&options.proxies)?;
    let lab = Lab::new(options.smoke)?;
    let mut samples = Samples::new(&lab.describe(&proxies));
    let raw =
        target_directory().join("bench").join(format!("proxy-{}.json", seconds_since_epoch()));
    for (number, scenario) in scenarios.iter().enumerate() {
        eprintln!("[{}/{}] {}", number + 1, scenarios.len(), scenario.name);
        scenario
            .measure(&lab, options, &proxies, &mut samples)
            .with_context(|| scenario.name.clone())?;
        samples.write(&raw)?;
    }
    eprintln!("raw figures: {}", raw.strip_prefix(root()).unwrap_or(&raw).display());
    publish(options, &samples)?;
    Ok(left_out)
}

fn publish(options: &Options, samples: &Samples) -> Result<()> {
    let table = report::markdown(samples);
    println!("{table}");
    if options.write { report::write(&table) } else { Ok(()) }
}

fn build(smoke: bool) -> Result<()> {
    if smoke {
        return Cargo::new(&["build", "--workspace", "--all-features", "--bins"]).run();
    }
    Cargo::new(&["build", "--profile", "dist", "--package", "pasarela"]).run()?;
    Cargo::new(&[
        "build",
        "--release",
        "--package",
        "xtask",
        "--features",
        "bench",
        "--bin",
        "bench-tool",
    ])
    .run()
}

/// Installs the foreign proxies where that may be done; the others are left out, with a reason.
fn install(wanted: &[Kind]) -> Result<(Vec<Kind>, Vec<String>)> {
    let foreign: Vec<Peer> =
        wanted.iter().filter_map(|kind| kind.peer()).chain([Peer::Nghttp2]).collect();
    let mut left_out: Vec<String> = peers::ensure(&foreign)?
        .skipped
        .iter()
        .map(|(peer, why)| format!("{peer}: {why}"))
        .collect();
    let mut present = Vec::new();
    for kind in wanted {
        match kind.program() {
            Ok(_) => present.push(*kind),
            Err(error) => left_out.push(format!("{} is not measured: {error:#}", kind.name())),
        }
    }
    Ok((present, left_out))
}

fn seconds_since_epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Options {
    fn parse(words: &[String]) -> Result<Self> {
        let mut options = Self {
            smoke: words.iter().any(|word| word == "--smoke"),
            repetitions: 5,
            seconds: 3.0,
            rate: 5_000,
            only: Vec::new(),
            proxies: Kind::ALL.to_vec(),
            write: false,
            build: true,
            tables: Vec::new(),
        };
        if options.smoke {
            (options.repetitions, options.seconds, options.rate) = (1, 0.3, 500);
        }
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--smoke" => (),
                "--write" => options.write = true,
                "--no-build" => options.build = false,
                "--reps" => options.repetitions = value()?.parse().context("--reps")?,
                "--seconds" => options.seconds = value()?.parse().context("--seconds")?,
                "--rate" => options.rate = value()?.parse().context("--rate")?,
                "--only" => options.only.push(value()?.clone()),
                "--table" => options.tables.push(value()?.into()),
                "--proxies" => {
                    options.proxies = value()?.split(',').map(Kind::parse).collect::<Result<_>>()?
                }
                other => bail!("{other} is not an option\n{USAGE}"),
            }
        }
        Ok(options)
    }
}
