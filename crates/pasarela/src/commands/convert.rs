//! `pasarela convert`: an API's description in another language: OpenAPI from a WSDL, a WSDL from OpenAPI. Nothing is fetched.

mod wsdl;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use pasarela_soap::{
    Fault, FaultKind,
    openapi::{self, Face, Info, Mapping},
    transcode::{self, Plan},
    wsdl::import,
    xsd,
};

use super::{
    check::Format,
    transcode::{DateForm, NumberForm},
    validate::Verdict,
};
use crate::{
    import::{Beside, document},
    mapping,
};

/// Describe a SOAP service as a REST API, or a REST API as a SOAP service.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pasarela convert orders.wsdl --to openapi > orders.json\n  \
    pasarela convert orders.wsdl --to openapi --as yaml --mapping orders.map.yaml --server https://api.example.com/orders\n  \
    pasarela convert orders.openapi.yaml --to wsdl --server https://api.example.com/orders/v1/soap > orders.wsdl\n\n\
    Writes the document to standard output and what is wrong to standard error. The documents that it imports or\n\
    refers to are read from beside it; nothing is fetched. With --to wsdl only --server and --format have a meaning. The same input gives the same bytes.\n\
    Exit code 0: done (there may be warnings); 1: the document or the mapping is refused; 2: wrong use, or a file cannot be read.")]
pub struct Args {
    /// The WSDL, or the OpenAPI document.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to make of it.
    #[arg(long, value_enum)]
    pub to: Target,
    /// How to write it down.
    #[arg(long = "as", value_enum, default_value_t = Syntax::Json)]
    pub syntax: Syntax,
    /// Paths, verbs and status codes other than the default ones.
    #[arg(long, value_name = "FILE.yaml")]
    pub mapping: Option<PathBuf>,
    /// The title; by default the name of the service.
    #[arg(long)]
    pub title: Option<String>,
    /// The version of the API.
    #[arg(long, default_value = "1.0.0")]
    pub api_version: String,
    /// Where the API is served; may be given several times.
    #[arg(long = "server", value_name = "URL")]
    pub servers: Vec<String>,
    /// How numbers appear that a double may not hold.
    #[arg(long, value_enum, default_value_t = NumberForm::Auto)]
    pub numbers: NumberForm,
    /// How dates appear.
    #[arg(long, value_enum, default_value_t = DateForm::Exact)]
    pub dates: DateForm,
    /// Describe an element around one repeated element as the array itself.
    #[arg(long)]
    pub collapse_wrapped_arrays: bool,
    /// Describe the members of a repeated group as arrays by key.
    #[arg(long)]
    pub grouped: bool,
    /// A type whose mixed content is a text of XML, `*` for all; may be given several times.
    #[arg(long, value_name = "TYPE")]
    pub xml_string: Vec<String>,
    /// How to print what is wrong.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What to make of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// OpenAPI 3.1, from a WSDL.
    Openapi,
    /// WSDL 1.1, from OpenAPI.
    Wsdl,
}

/// How to write a document down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Syntax {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What came of it: the document, unless it was refused, and what is to be said about each file.
#[derive(Debug)]
pub struct Outcome {
    document: Option<Vec<u8>>,
    verdicts: Vec<Verdict>,
}

/// Runs the command.
pub fn run(args: &Args) -> ExitCode {
    let outcome = convert(args);
    let said = outcome.said(args.format);
    let _ = io::stderr().lock().write_all(said.as_bytes());
    if let Some(document) = &outcome.document {
        let _ = io::stdout().lock().write_all(document);
    }
    outcome.code()
}

impl Outcome {
    /// What is printed beside the document: nothing when all is well.
    pub fn said(&self, format: Format) -> String {
        let findings = self.verdicts.iter().any(Verdict::has_findings);
        match format {
            Format::Text if findings => self.verdicts.iter().map(Verdict::text).collect(),
            Format::Json if findings => {
                let all = self.verdicts.iter().map(Verdict::json).collect();
                format!("{:#}\n", serde_json::Value::Array(all))
            }
            _ => String::new(),
        }
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        if self.verdicts.iter().any(Verdict::is_unreadable) {
            ExitCode::from(2)
        } else if self.document.is_some() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Makes the document.
pub fn convert(args: &Args) -> Outcome {
    if args.to == Target::Wsdl {
        return wsdl::convert(args);
    }
    let mut verdicts = Vec::new();
    let mapping = args.mapping.as_deref().map(|path| (path, read_mapping(path, &mut verdicts)));
    let bytes = match std::fs::read(&args.file) {
        Ok(bytes) => bytes,
        Err(reason) => {
            verdicts.push(Verdict::unreadable(&args.file, &reason));
            return Outcome { document: None, verdicts };
        }
    };
    let options = xsd::Options::default();
    let (catalog, mut faults) =
        import(document(&args.file, bytes), &mut Beside::default(), &options);
    if catalog.is_empty() && !faults.iter().any(Fault::is_error) {
        let fault = Fault::new(FaultKind::Wsdl, "it binds nothing to SOAP");
        faults.push(fault.cure("give the document with the binding of the service"));
    }
    let verdict = Verdict::new(args.file.display().to_string(), faults);
    let usable = verdict.is_valid();
    verdicts.push(verdict);
    if !usable {
        return Outcome { document: None, verdicts };
    }
    let plan = Plan::new(catalog.schemas.clone(), shape_options(args));
    if !plan.unmixed().is_empty() {
        let fault = |name: &String| {
            let message = format!("--xml-string: it has no type {name:?} with mixed content");
            Fault::new(FaultKind::Reference, message).cure("name a component of the document")
        };
        let faults = plan.unmixed().iter().map(fault).collect();
        verdicts.push(Verdict::new(args.file.display().to_string(), faults));
        return Outcome { document: None, verdicts };
    }
    let said = match &mapping {
        Some((_, Some(mapping))) => Some(mapping),
        _ => None,
    };
    let none = Mapping::default();
    let (face, faults) = Face::new(&catalog, &plan, said.map_or(&none, |said| &said.mapping));
    if let (Some((path, _)), Some(said)) = (&mapping, said) {
        verdicts.push(Verdict::new(path.display().to_string(), said.placed(path, faults)));
    }
    let refused = verdicts.iter().any(|verdict| !verdict.is_valid());
    let document = (!refused).then(|| {
        let document = openapi::document(&catalog, &plan, &face, &document_options(args));
        match args.syntax {
            Syntax::Json => document.pretty(),
            Syntax::Yaml => document.yaml(),
        }
    });
    Outcome { document, verdicts }
}

fn read_mapping(path: &Path, verdicts: &mut Vec<Verdict>) -> Option<mapping::Said> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(reason) => {
            verdicts.push(Verdict::unreadable(path, &reason));
            return None;
        }
    };
    match mapping::read(&text, path) {
        Ok(said) => Some(said),
        Err(faults) => {
            verdicts.push(Verdict::new(path.display().to_string(), faults));
            None
        }
    }
}

fn shape_options(args: &Args) -> transcode::Options {
    transcode::Options {
        numbers: args.numbers.into(),
        dates: args.dates.into(),
        collapse_wrapped_arrays: args.collapse_wrapped_arrays,
        grouped: args.grouped,
        xml_string: args.xml_string.clone(),
        ..transcode::Options::default()
    }
}

fn document_options(args: &Args) -> openapi::Options {
    openapi::Options {
        info: Info {
            title: args.title.clone(),
            version: Some(args.api_version.clone()),
            servers: args.servers.clone(),
        },
    }
}

#[cfg(test)]
mod tests;
