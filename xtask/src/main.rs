//! Our own tools. `cargo xtask` lists them.
#![expect(clippy::print_stdout, reason = "a command line tool talks to its terminal")]

mod bench;
mod check;
mod command;
mod fuzz;
mod peers;
mod postgres;
mod rows;
mod source;
mod suite;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;

/// What `cargo xtask` alone prints: a line for each command.
const COMMANDS: &[(&str, &str)] = &[
    ("check", "formatting, clippy, and the house rules (tidy)"),
    ("tidy", "the house rules alone: arrows, first lines, lengths, error pages, links, rows"),
    ("test", "everything: check, peers, tests, doc tests, corpus, benchmark smoke"),
    ("test fast", "unit tests alone, without peers"),
    ("test long", "the long forms: all of Autobahn, 1,000 reloads, 20 upgrades, bodies of a GiB"),
    ("rows", "each row of the reliability reference with the tests that carry it"),
    ("peers", "installs the foreign programs that tests and benchmark talk to"),
    (
        "postgres COMMAND…",
        "runs a command beside a PostgreSQL server that lives as long as it does",
    ),
    ("bench proxy", "ourselves beside nginx, HAProxy and Envoy (--smoke: does it still work?)"),
    (
        "bench soap",
        "transcoding and validation beside zeep, node-soap, PHP, gSOAP, libxml2, Xerces",
    ),
    ("fuzz TARGET", "one fuzz target for a minute (FUZZ_SECONDS), or `all`, one after another"),
    ("fuzz keep TARGET", "adds what fuzzing found to the seeds that every test run replays"),
    ("docs", "rustdoc with warnings denied"),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<ExitCode> {
    let text: Vec<&str> = words.iter().map(String::as_str).collect();
    match text.as_slice() {
        [] | ["help" | "--help"] => list(),
        ["check"] => check::run()?,
        ["tidy"] => tidy::run()?,
        ["rows"] => rows::print()?,
        ["test"] => return suite::everything(),
        ["test", "fast"] => return suite::fast(),
        ["test", "long"] => return suite::long(),
        ["peers"] => println!("{}", peers::ensure(peers::Peer::ALL)?),
        ["bench", ..] => {
            bench::run(&words[1..])?.iter().for_each(|line| println!("left out: {line}"))
        }
        ["postgres", command @ ..] if !command.is_empty() => return postgres::beside(command),
        ["fuzz"] => fuzz::list()?,
        ["fuzz", "keep", target] => fuzz::keep(target)?,
        ["fuzz", target] => fuzz::run(target)?,
        ["docs"] => check::documentation()?,
        other => {
            eprintln!("there is no command `{}`\n", other.join(" "));
            list();
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list() {
    for (name, what) in COMMANDS {
        println!("cargo xtask {name:16} {what}");
    }
}
