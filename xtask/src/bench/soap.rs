//! `cargo xtask bench soap`: transcoding and validation beside zeep, node-soap, PHP, gSOAP, libxml2 and Xerces, in one run.
//!
//! Every contestant is a program that gets a folder of messages, a size and a time, and says what a message cost it
//! in CPU microseconds ([`contestants`]). One runs at a time, on one core; repetitions are interleaved (A B C A B C …), and a
//! ratio is taken within a repetition before medians are. Raw figures go to `target/bench/`, the table to standard
//! output and, with `--write`, into `docs/benchmarks-soap.md`.

mod contestants;
mod messages;
mod report;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::samples::{SMOKE, Sample, Samples};
use super::seconds_since_epoch;
use crate::command::{root, target_directory};
use contestants::{Contestant, Stand};
use messages::SIZES;

const USAGE: &str =
    "usage: cargo xtask bench soap [--smoke] [--reps N] [--milliseconds M] [--write] [--no-build]
       [--only pasarela,zeep,xmlschema,node,strong,php,gsoap,lxml,xerces] [--sizes 1k,10k,100k]
       [--table RAW.json…]   draw the table again from earlier runs, without measuring";

struct Options {
    smoke: bool,
    repetitions: u32,
    /// CPU time of one contestant for one figure.
    milliseconds: u32,
    only: Vec<Contestant>,
    sizes: Vec<&'static str>,
    write: bool,
    build: bool,
    tables: Vec<PathBuf>,
}

/// Measures, or draws earlier measurements. Returns what was left out, with reasons.
pub(super) fn run(words: &[String]) -> Result<Vec<String>> {
    let options = Options::parse(words)?;
    if !options.tables.is_empty() {
        let mut samples = Samples::default();
        for file in &options.tables {
            samples.merge(Samples::read(file)?);
        }
        publish(&options, &samples)?;
        return Ok(Vec::new());
    }
    let (stand, contestants, left_out) =
        Stand::prepare(&options.only, options.build, options.smoke)?;
    let mut about = stand.describe(&contestants);
    if options.smoke {
        about.push(SMOKE.to_owned());
    }
    let mut samples = Samples::new(&about);
    let raw = target_directory().join("bench").join(format!("soap-{}.json", seconds_since_epoch()));
    for repetition in 1..=options.repetitions {
        for size in &options.sizes {
            for &contestant in &contestants {
                let figures = stand
                    .measure(contestant, size, options.milliseconds)
                    .with_context(|| format!("{} with {size}", contestant.name()))?;
                for (work, microseconds) in figures {
                    samples.rows.push(Sample {
                        scenario: format!("{work} {size}"),
                        contestant: contestant.name().to_owned(),
                        repetition,
                        figures: [
                            ("cpu_us".to_owned(), microseconds),
                            ("bytes".to_owned(), stand.bytes(&work, size)),
                        ]
                        .into(),
                    });
                }
            }
            eprintln!("[{repetition}/{}] {size}", options.repetitions);
            samples.write(&raw)?;
        }
    }
    eprintln!("raw figures: {}", raw.strip_prefix(root()).unwrap_or(&raw).display());
    publish(&options, &samples)?;
    Ok(left_out)
}

fn publish(options: &Options, samples: &Samples) -> Result<()> {
    let table = report::markdown(samples);
    println!("{table}");
    if options.write { report::write(&table) } else { Ok(()) }
}

impl Options {
    fn parse(words: &[String]) -> Result<Self> {
        let smoke = words.iter().any(|word| word == "--smoke");
        let mut options = Self {
            smoke,
            repetitions: if smoke { 1 } else { 5 },
            milliseconds: if smoke { 20 } else { 300 },
            only: Contestant::ALL.to_vec(),
            sizes: SIZES.iter().map(|(name, _)| *name).collect(),
            write: false,
            build: true,
            tables: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--smoke" => (),
                "--write" => options.write = true,
                "--no-build" => options.build = false,
                "--reps" => options.repetitions = value()?.parse().context("--reps")?,
                "--milliseconds" => {
                    options.milliseconds = value()?.parse().context("--milliseconds")?
                }
                "--only" => {
                    options.only =
                        value()?.split(',').map(Contestant::parse).collect::<Result<_>>()?
                }
                "--sizes" => {
                    options.sizes =
                        value()?.split(',').map(messages::size).collect::<Result<_>>()?
                }
                "--table" => options.tables.push(value()?.into()),
                other => bail!("{other} is not an option\n{USAGE}"),
            }
        }
        Ok(options)
    }
}
