//! `pasarela transcode`: one message from XML to JSON or from JSON to XML, by a contract. Nothing is fetched.

use std::{
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use pasarela_soap::{
    Fault, Limits, json,
    transcode::{Body, Decoder, Encoder, Numbers, Options, Plan},
    wsdl::{self, catalog::Binding, catalog::Operation, catalog::SoapVersion},
    xml,
};
use serde_json::json;

use super::check::Format;
use crate::import::{Beside, document};

/// Transcode one message between XML and JSON.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pasarela transcode --contract orders.wsdl --operation GetOrder --message response < reply.xml\n  \
    echo '{\"id\": 7}' | pasarela transcode --contract orders.wsdl --operation GetOrder --message request\n\n\
    Reads standard input, writes standard output. XML may be an envelope or what is in its body; an envelope is what\n\
    is written. The documents that a contract imports are read from beside it; nothing is fetched.\n\
    Exit code 0: done; 1: the message is not what the contract says; 2: wrong use, or the contract cannot be used."
)]
pub struct Args {
    /// The contract: a WSDL.
    #[arg(long, value_name = "FILE")]
    pub contract: PathBuf,
    /// The operation's name; `binding.operation` where several bindings have it and differ.
    #[arg(long, value_name = "OP")]
    pub operation: String,
    /// Which of its messages.
    #[arg(long, value_enum)]
    pub message: Which,
    /// What to write. Without it: JSON when XML comes, XML when JSON comes.
    #[arg(long, value_enum)]
    pub to: Option<To>,
    /// How numbers appear that a double may not hold.
    #[arg(long, value_enum, default_value_t = NumberForm::Auto)]
    pub numbers: NumberForm,
    /// Write `[]` for arrays without items.
    #[arg(long)]
    pub emit_empty_arrays: bool,
    /// Take a single value where an array is due.
    #[arg(long)]
    pub coerce_scalar: bool,
    /// Take `null` for an optional element that is not nillable.
    #[arg(long)]
    pub null_as_absent: bool,
    /// Write `null` for an empty element whose type has no empty value.
    #[arg(long)]
    pub empty_as_null: bool,
    /// Pass over members that the contract does not know.
    #[arg(long)]
    pub ignore_unknown: bool,
    /// Write an element around one repeated element as the array itself.
    #[arg(long)]
    pub collapse_wrapped_arrays: bool,
    /// Write attributes that are absent and have a default.
    #[arg(long)]
    pub apply_defaults: bool,
    /// How to print what is wrong.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// One of an operation's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// What is sent.
    Request,
    /// What is answered.
    Response,
    /// The detail of a declared fault.
    Fault,
}

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum To {
    /// JSON from XML.
    Json,
    /// XML from JSON.
    Xml,
}

/// How numbers appear in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum NumberForm {
    /// As strings where a double could lose a digit.
    Auto,
    /// Always as numbers.
    Number,
    /// Always as strings.
    String,
}

impl From<NumberForm> for Numbers {
    fn from(form: NumberForm) -> Self {
        match form {
            NumberForm::Auto => Self::Auto,
            NumberForm::Number => Self::Number,
            NumberForm::String => Self::String,
        }
    }
}

/// Why there is nothing to write.
#[derive(Debug)]
pub enum Trouble {
    /// The command was used wrongly, or the contract cannot be used.
    Use(String),
    /// The message is not what the contract says.
    Message(Box<Fault>),
}

/// Runs the command on standard input and output.
pub fn run(args: &Args) -> ExitCode {
    let mut input = Vec::new();
    if let Err(reason) = io::stdin().lock().read_to_end(&mut input) {
        return say(args, &Trouble::Use(format!("standard input cannot be read: {reason}")));
    }
    match transcode(args, &input) {
        Ok(output) => {
            let _ = io::stdout().lock().write_all(&output);
            ExitCode::SUCCESS
        }
        Err(trouble) => say(args, &trouble),
    }
}

fn say(args: &Args, trouble: &Trouble) -> ExitCode {
    let (text, code) = complaint(args.format, trouble);
    let _ = io::stderr().lock().write_all(text.as_bytes());
    code
}

/// What is said about a trouble, and the exit code.
pub fn complaint(format: Format, trouble: &Trouble) -> (String, ExitCode) {
    match (trouble, format) {
        (Trouble::Use(why), Format::Text) => (format!("{why}\n"), ExitCode::from(2)),
        (Trouble::Use(why), Format::Json) => {
            (format!("{:#}\n", json!({ "message": why })), ExitCode::from(2))
        }
        (Trouble::Message(fault), Format::Text) => (format!("{fault}\n"), ExitCode::FAILURE),
        (Trouble::Message(fault), Format::Json) => {
            let place = json!({ "line": fault.place.line, "column": fault.place.column, "offset": fault.place.offset });
            let told = json!({
                "code": fault.rule, "path": fault.path, "place": place, "message": fault.message, "cure": fault.cure,
            });
            (format!("{told:#}\n"), ExitCode::FAILURE)
        }
    }
}

/// Transcodes a message.
///
/// # Errors
/// When the contract cannot be used, or the message is not what it says.
pub fn transcode(args: &Args, input: &[u8]) -> Result<Vec<u8>, Trouble> {
    let catalog = contract(&args.contract)?;
    let (binding, operation) = find(&catalog, &args.operation)?;
    let body = match args.message {
        Which::Request => Body::of_request(operation),
        Which::Response => Body::of_response(operation),
        Which::Fault => Body::of_fault(operation),
    };
    let body = body.map_err(|why| Trouble::Use(format!("{}: {why}", args.operation)))?;
    let plan = Plan::new(catalog.schemas.clone(), options(args));
    let message = plan.message(body);
    let first = input.iter().find(|byte| !byte.is_ascii_whitespace());
    // XML begins with `<` or a byte order mark, JSON with neither.
    let is_xml = matches!(first, Some(b'<' | 0xEF | 0xFE | 0xFF));
    match args.to.unwrap_or(if is_xml { To::Json } else { To::Xml }) {
        To::Json => {
            let limits = Limits::default();
            let symbols = &plan.schemas().symbols;
            let mut reader =
                xml::Reader::with(input, None, symbols, &limits).map_err(Trouble::Message)?;
            let mut decoder = Decoder::new(&plan, &message);
            let json = decoder.document(&mut reader).map_err(Trouble::Message)?;
            Ok([json, b"\n"].concat())
        }
        To::Xml => {
            let mut reader =
                json::Reader::new(input, &Limits::default()).map_err(Trouble::Message)?;
            let mut encoder = Encoder::new(&plan, &message);
            let xml = encoder.document(&mut reader).map_err(Trouble::Message)?;
            Ok(envelope(binding.version, args.message, xml))
        }
    }
}

fn contract(path: &Path) -> Result<wsdl::Catalog, Trouble> {
    let bytes = std::fs::read(path)
        .map_err(|reason| Trouble::Use(format!("{} cannot be read: {reason}", path.display())))?;
    let (catalog, faults) = wsdl::import(
        document(path, bytes),
        &mut Beside::default(),
        &pasarela_soap::xsd::Options::default(),
    );
    match faults.iter().find(|fault| fault.is_error()) {
        Some(fault) => Err(Trouble::Use(fault.to_string())),
        None => Ok(catalog),
    }
}

/// The operation of a name. Several bindings may have it: the first counts, unless one is named.
fn find<'c>(
    catalog: &'c wsdl::Catalog,
    name: &str,
) -> Result<(&'c Binding, &'c Operation), Trouble> {
    let all = || {
        catalog
            .bindings
            .iter()
            .flat_map(|b| b.operations.iter().map(move |operation| (b, operation)))
    };
    let found = all().find(|(binding, operation)| {
        operation.name == name
            || name.strip_prefix(&*binding.name.local).and_then(|n| n.strip_prefix('.'))
                == Some(operation.name.as_str())
    });
    found.ok_or_else(|| {
        let mut known: Vec<_> = all().map(|(_, operation)| operation.name.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        Trouble::Use(format!("the contract has no operation {name:?}; it has {}", known.join(", ")))
    })
}

fn options(args: &Args) -> Options {
    Options {
        numbers: args.numbers.into(),
        emit_empty_arrays: args.emit_empty_arrays,
        coerce_scalar: args.coerce_scalar,
        null_as_absent: args.null_as_absent,
        empty_as_null: args.empty_as_null,
        ignore_unknown: args.ignore_unknown,
        collapse_wrapped_arrays: args.collapse_wrapped_arrays,
        apply_defaults: args.apply_defaults,
    }
}

/// The body in its envelope; a detail in a fault, whose code and reason the caller knows better.
fn envelope(version: SoapVersion, which: Which, body: &[u8]) -> Vec<u8> {
    let (before, after) = match (which, version) {
        (Which::Request | Which::Response, _) => ("", ""),
        (Which::Fault, SoapVersion::V11) => (
            "<soap:Fault><faultcode>soap:Server</faultcode><faultstring>fault</faultstring><detail>",
            "</detail></soap:Fault>",
        ),
        (Which::Fault, SoapVersion::V12) => (
            "<soap:Fault><soap:Code><soap:Value>soap:Receiver</soap:Value></soap:Code><soap:Reason>\
             <soap:Text xml:lang=\"en\">fault</soap:Text></soap:Reason><soap:Detail>",
            "</soap:Detail></soap:Fault>",
        ),
    };
    let namespace = version.namespace();
    let mut out =
        format!("<soap:Envelope xmlns:soap=\"{namespace}\"><soap:Body>{before}").into_bytes();
    out.extend_from_slice(body);
    out.extend_from_slice(after.as_bytes());
    out.extend_from_slice(b"</soap:Body></soap:Envelope>\n");
    out
}

#[cfg(test)]
mod tests;
