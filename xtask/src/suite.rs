//! `cargo xtask test`: every test there is, in one command.
//!
//! Steps run one after another and a failed one does not stop the next (only a build that fails
//! does, for there is nothing left to run). The last lines say what passed, failed and was left
//! out, and why. With `CI=true` a step that was left out is a failure.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::{Cargo, find_program, in_ci};
use crate::{bench, check, peers, postgres, tidy};

/// What became of a step.
enum Outcome {
    Passed,
    /// Nothing to do; fine everywhere.
    Nothing(String),
    /// Not done, with reasons; fine on a laptop, not in CI.
    Skipped(Vec<String>),
    Failed(String),
}

#[derive(Default)]
struct Summary {
    steps: Vec<(&'static str, Outcome, Duration)>,
}

/// Everything.
pub(crate) fn everything() -> Result<ExitCode> {
    let mut summary = Summary::default();
    summary.step("formatting", || done(check::formatting()));
    summary.step("tidy", || done(tidy::run()));
    summary.step("clippy", || done(check::lints()));
    summary.step("licences and advisories", dependencies);
    summary.step("unused dependencies", unused);
    summary.step("peers", install_peers);
    if summary.step("build", build) {
        summary.step("tests", tests);
        summary.step("doc tests", || {
            done(Cargo::new(&["test", "--workspace", "--all-features", "--doc"]).run())
        });
        summary.step("documentation", || done(check::documentation()));
        summary.step("benchmark smoke", smoke);
    }
    Ok(summary.print())
}

/// Unit tests alone: no peers, no programs started.
pub(crate) fn fast() -> Result<ExitCode> {
    let mut summary = Summary::default();
    summary.step("unit tests", || {
        let arguments = ["--workspace", "--lib", "--bins"];
        let runner: &[&str] = if has_nextest() { &["nextest", "run"] } else { &["test"] };
        done(Cargo::new(runner).args(arguments).run())
    });
    Ok(summary.print())
}

/// The long forms of what `everything` runs in a short one: all of Autobahn, 1,000 reloads, 20
/// upgrades, bodies of a GiB. For a night, not for each change.
pub(crate) fn long() -> Result<ExitCode> {
    let mut summary = Summary::default();
    if !has_nextest() {
        bail!("the long forms need cargo-nextest: `cargo install cargo-nextest --locked`");
    }
    summary.step("peers", install_peers);
    summary.step("long forms", || {
        let runner = Cargo::new(&["nextest", "run", "--profile", "long"]);
        let tests = ["--package", "pasarela", "--test", "e2e", "--test", "peers"];
        done(runner.args(tests).args(["--all-features"]).env("PASARELA_FULL", "1").run())
    });
    Ok(summary.print())
}

impl Summary {
    /// Runs a step and keeps its outcome; whether it did not fail.
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Outcome) -> bool {
        println!("\n=== {name}");
        let from = Instant::now();
        let outcome = work();
        let failed = matches!(outcome, Outcome::Failed(_));
        self.steps.push((name, outcome, from.elapsed()));
        !failed
    }

    fn print(&self) -> ExitCode {
        println!("\n=== summary");
        let (mut failed, mut skipped) = (Vec::new(), Vec::new());
        for (name, outcome, took) in &self.steps {
            let seconds = took.as_secs_f32();
            match outcome {
                Outcome::Passed => println!("passed   {name} ({seconds:.0} s)"),
                Outcome::Nothing(why) => println!("nothing  {name}: {why}"),
                Outcome::Failed(why) => {
                    println!("FAILED   {name} ({seconds:.0} s): {why}");
                    failed.push(*name);
                }
                Outcome::Skipped(reasons) => {
                    reasons.iter().for_each(|why| println!("skipped  {name}: {why}"));
                    skipped.push(*name);
                }
            }
        }
        let all: Duration = self.steps.iter().map(|(_, _, took)| *took).sum();
        let strict = in_ci() && !skipped.is_empty();
        let verdict = match (failed.is_empty(), skipped.is_empty()) {
            (false, _) => format!("FAILED: {}", failed.join(", ")),
            (true, false) if strict => {
                format!("FAILED: in CI nothing may be skipped: {}", skipped.join(", "))
            }
            (true, false) => format!("passed, with something skipped: {}", skipped.join(", ")),
            (true, true) => "everything passed".to_owned(),
        };
        println!("\n{verdict} ({} min {} s)", all.as_secs() / 60, all.as_secs() % 60);
        let passed =
            self.steps.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Passed)).count();
        println!("{passed} passed, {} failed, {} skipped", failed.len(), skipped.len());
        if failed.is_empty() && !strict { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn done(result: Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

/// cargo-deny reads `deny.toml` where it is installed; it is a convenience, not a need.
fn dependencies() -> Outcome {
    if !Cargo::new(&["deny", "--version"]).works() {
        return Outcome::Nothing("cargo-deny is not installed".to_owned());
    }
    // Advisories need a network that a test run must not depend on.
    done(
        Cargo::new(&[
            "deny",
            "--all-features",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ])
        .run(),
    )
}

/// cargo-machete, where it is installed.
fn unused() -> Outcome {
    if !Cargo::new(&["machete", "--version"]).works() {
        return Outcome::Nothing("cargo-machete is not installed".to_owned());
    }
    done(Cargo::new(&["machete"]).run())
}

fn install_peers() -> Outcome {
    match peers::ensure(peers::Peer::ALL) {
        Err(error) => Outcome::Failed(format!("{error:#}")),
        Ok(report) => {
            println!("{report}");
            if report.is_complete() {
                return Outcome::Passed;
            }
            Outcome::Skipped(
                report.skipped.iter().map(|(peer, why)| format!("{peer}: {why}")).collect(),
            )
        }
    }
}

/// One build, in one profile, of all that the later steps run.
fn build() -> Outcome {
    done(Cargo::new(&["build", "--workspace", "--all-features", "--all-targets"]).run())
}

fn tests() -> Outcome {
    let arguments = ["--workspace", "--all-features"];
    let tests = match has_nextest() {
        true => Cargo::new(&["nextest", "run"]),
        false => {
            println!(
                "cargo-nextest is not installed; cargo test runs the same tests, a file at a time"
            );
            Cargo::new(&["test", "--all-targets", "--no-fail-fast"])
        }
    };
    let tests = tests.args(arguments);
    // One server for the whole run: each test makes a database of its own.
    match postgres::Server::start() {
        Ok(server) => done(server.known_to(tests).run()),
        Err(error) if in_ci() => Outcome::Failed(format!("PostgreSQL does not start: {error:#}")),
        Err(error) => {
            println!("tests on PostgreSQL are left out: {error:#}");
            done(tests.run())
        }
    }
}

fn smoke() -> Outcome {
    if let Err(error) = find_program("taskset") {
        return Outcome::Skipped(vec![format!("{error:#}")]);
    }
    match bench::smoke() {
        Ok(left_out) if left_out.is_empty() => Outcome::Passed,
        Ok(left_out) => Outcome::Skipped(left_out),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn has_nextest() -> bool {
    Cargo::new(&["nextest", "--version"]).works()
}
