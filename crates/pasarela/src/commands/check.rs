//! `pasarela check`: reads a configuration as `serve` would and says what is wrong with it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{
    config::{self, Environment, Fault, Faults, Loaded, Severity},
    finding::counted,
};

/// Validate a configuration file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pasarela check pasarela.yaml\n\n\
    Exit code 0: fine (there may be warnings); 1: refused; 2: wrong use.")]
pub struct Args {
    /// The configuration file.
    pub file: PathBuf,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
}

/// Runs the command; the report goes to standard output.
pub fn run(args: &Args) -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok();
    let (report, accepted) = report(&args.file, &environment, args.format);
    // Nobody may be listening any more (`pasarela check F | head`): the exit code still counts.
    let _ = io::stdout().lock().write_all(report.as_bytes());
    if accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is printed about a file, and whether it is accepted.
pub fn report(file: &Path, environment: Environment<'_>, format: Format) -> (String, bool) {
    let result = config::load(file, environment, 1);
    (render(file, &result, format), result.is_ok())
}

/// What is printed about the outcome of reading `file`.
pub fn render(file: &Path, result: &Result<Loaded, Faults>, format: Format) -> String {
    match (format, result) {
        (Format::Text, Ok(loaded)) => accepted_text(file, loaded),
        (Format::Text, Err(faults)) => refused_text(file, faults),
        (Format::Json, result) => json_text(file, result),
    }
}

fn accepted_text(file: &Path, loaded: &Loaded) -> String {
    let mut out = String::new();
    for warning in &loaded.warnings {
        out.push_str(&warning.text());
        out.push('\n');
    }
    let snapshot = &loaded.snapshot;
    let held = [
        counted(snapshot.apis.len(), "API"),
        counted(snapshot.plans.len(), "plan"),
        counted(snapshot.applications.len(), "application"),
    ];
    let warnings = match loaded.warnings.len() {
        0 => String::new(),
        n => format!(", {}", counted(n, "warning")),
    };
    out.push_str(&format!("{} is fine: {}{warnings}.\n", file.display(), held.join(", ")));
    out
}

fn refused_text(file: &Path, faults: &Faults) -> String {
    let errors = faults.errors();
    let warnings = faults.list.len() + faults.dropped - errors;
    let mut counts = counted(errors, "error");
    if warnings > 0 {
        counts = format!("{counts}, {}", counted(warnings, "warning"));
    }
    let first = faults.list.iter().find(|fault| fault.severity == Severity::Error);
    let code = first.map_or("CODE", |fault| fault.code.code());
    format!(
        "{faults}\n{} is refused: {counts}. More about an error: pasarela explain {code}\n",
        file.display()
    )
}

fn json_text(file: &Path, result: &Result<Loaded, Faults>) -> String {
    let list: &[Fault] = match result {
        Ok(loaded) => &loaded.warnings,
        Err(faults) => &faults.list,
    };
    let of = |severity| -> Vec<Value> {
        list.iter().filter(|fault| fault.severity == severity).map(Fault::json).collect()
    };
    let mut report = json!({
        "file": file.display().to_string(),
        "accepted": result.is_ok(),
        "errors": of(Severity::Error),
        "errors_left_out": result.as_ref().err().map_or(0, |faults| faults.dropped),
        "warnings": of(Severity::Warning),
    });
    if let (Ok(loaded), Some(report)) = (result, report.as_object_mut()) {
        report.insert("apis".into(), loaded.snapshot.apis.len().into());
        report.insert("plans".into(), loaded.snapshot.plans.len().into());
        report.insert("applications".into(), loaded.snapshot.applications.len().into());
    }
    format!("{report:#}\n")
}
