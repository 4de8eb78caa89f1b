//! `pasarela validate`: is a schema right, and are documents right by it? Nothing is fetched from the network.

use std::{
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use pasarela_soap::{
    Fault, FaultKind, Limits,
    xml::Reader,
    xsd::{Mode, Options, Root, Schemas, Start, validate as run_validator},
};
use serde_json::{Value, json};

use super::check::Format;
use crate::{
    finding::{Finding, code_list as codes, counted},
    import::{Beside, document},
};

/// Validate XML documents against schemas, or the schemas themselves.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pasarela validate --schema order.xsd order-1.xml order-2.xml\n  \
    pasarela validate --schema order.xsd\n\n\
    The documents that a schema includes or imports are read from beside it; nothing is fetched.\n\
    Exit code 0: all valid (there may be warnings); 1: something is not; 2: wrong use, or a file cannot be read."
)]
pub struct Args {
    /// A schema document; may be given several times.
    #[arg(long, required = true, value_name = "FILE.xsd")]
    pub schema: Vec<PathBuf>,
    /// The documents; `-` is standard input. Without any, the schemas themselves are checked.
    pub files: Vec<PathBuf>,
    /// Whether ambiguous content models and references without an import are errors.
    #[arg(long)]
    pub strict: bool,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

codes! {
    Unreadable = "XS0001", "A file cannot be read";
    Malformed = "XS0002", "A document is not well-formed XML";
    Schema = "XS0003", "A schema breaks a rule of XML Schema";
    Missing = "XS0004", "A schema names something that is not there";
    Invalid = "XS0005", "A document is not valid by its schema";
    Limit = "XS0006", "A document is too large, too deep or too wide";
    Refused = "XS0007", "A document has a DOCTYPE";
    Wsdl = "XS0008", "A WSDL breaks a rule";
}

impl Code {
    /// The code of a fault that the room for SOAP found.
    pub const fn of(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Limit => Self::Limit,
            FaultKind::Refused => Self::Refused,
            FaultKind::Reference => Self::Missing,
            FaultKind::Schema => Self::Schema,
            FaultKind::Wsdl => Self::Wsdl,
            FaultKind::Invalid | FaultKind::Message => Self::Invalid,
            _ => Self::Malformed,
        }
    }
}

/// What is said about one file, or about all schemas together.
#[derive(Debug)]
pub struct Verdict {
    file: String,
    /// Whether it could not even be read.
    unreadable: bool,
    findings: Vec<Finding>,
}

impl Verdict {
    pub(super) fn new(file: String, faults: Vec<Fault>) -> Self {
        let findings = faults.iter().map(finding).collect();
        Self { file, unreadable: false, findings }
    }

    pub(super) fn unreadable(path: &Path, reason: &io::Error) -> Self {
        let fault = Fault::new(FaultKind::Reference, reason.to_string());
        let file = path.display().to_string();
        let finding = Finding::of_soap(Code::Unreadable.code(), &fault);
        Self { file, unreadable: true, findings: vec![finding] }
    }

    pub(super) fn is_valid(&self) -> bool {
        !self.findings.iter().any(Finding::is_error)
    }

    pub(super) const fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    pub(super) const fn has_findings(&self) -> bool {
        !self.findings.is_empty()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        text(self)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json(self)
    }
}

/// Runs the command; the report goes to standard output.
pub fn run(args: &Args) -> ExitCode {
    let (report, code) = report(args);
    // Nobody may be listening any more (`pasarela validate … | head`): the exit code still counts.
    let _ = io::stdout().lock().write_all(report.as_bytes());
    code
}

/// What is printed, and the exit code.
pub fn report(args: &Args) -> (String, ExitCode) {
    let verdicts = judge(args);
    let report = match args.format {
        Format::Text => verdicts.iter().map(text).collect(),
        Format::Json => format!("{:#}\n", Value::Array(verdicts.iter().map(json).collect())),
    };
    let code = if verdicts.iter().any(|verdict| verdict.unreadable) {
        ExitCode::from(2)
    } else if verdicts.iter().all(Verdict::is_valid) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    (report, code)
}

fn judge(args: &Args) -> Vec<Verdict> {
    let mut roots = Vec::new();
    let mut unreadable = Vec::new();
    for path in &args.schema {
        match std::fs::read(path) {
            Ok(bytes) => roots.push(Root::Document(document(path, bytes))),
            Err(reason) => unreadable.push(Verdict::unreadable(path, &reason)),
        }
    }
    if !unreadable.is_empty() {
        return unreadable;
    }
    let options = Options { strict: args.strict, ..Options::default() };
    let (schemas, faults) = Schemas::load(roots, &mut Beside::default(), &options);
    let names: Vec<String> = args.schema.iter().map(|path| path.display().to_string()).collect();
    let of_schemas = Verdict::new(names.join(", "), faults);
    // By a schema that is wrong, no document can be judged.
    if args.files.is_empty() || !of_schemas.is_valid() {
        return vec![of_schemas];
    }
    args.files.iter().map(|path| judge_file(&schemas, path)).collect()
}

fn judge_file(schemas: &Schemas, path: &Path) -> Verdict {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(reason) => return Verdict::unreadable(path, &reason),
    };
    let faults = match Reader::with(&bytes, None, &schemas.symbols, &Limits::import()) {
        Ok(mut reader) => run_validator(schemas, &mut reader, Start::Global, Mode::default()),
        Err(fault) => vec![*fault],
    };
    let file = path.display().to_string();
    let name: std::sync::Arc<str> = file.as_str().into();
    let placed = |mut fault: Fault| {
        fault.place = fault.place.of(&name);
        fault
    };
    Verdict::new(file, faults.into_iter().map(placed).collect())
}

/// What was found, as it is printed.
pub(super) fn finding(fault: &Fault) -> Finding {
    Finding::of_soap(Code::of(fault.kind).code(), fault)
}

/// A line a finding, and the verdict in a line of its own.
fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    for finding in &verdict.findings {
        out.push_str(&finding.line());
        out.push('\n');
    }
    let errors = verdict.findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = verdict.findings.len() - errors;
    let with = match warnings {
        0 => String::new(),
        n => format!(", {}", counted(n, "warning")),
    };
    let said = match (verdict.unreadable, errors) {
        (true, _) => "cannot be read".to_owned(),
        (false, 0) => format!("valid{with}"),
        (false, n) => format!("not valid: {}{with}", counted(n, "error")),
    };
    out.push_str(&format!("{}: {said}\n", verdict.file));
    out
}

fn json(verdict: &Verdict) -> Value {
    json!({
        "file": verdict.file,
        "valid": verdict.is_valid(),
        "findings": verdict.findings.iter().map(Finding::json).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
