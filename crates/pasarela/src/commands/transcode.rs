//! `pasarela transcode`: one message from XML to JSON or from JSON to XML, by a contract. Nothing is fetched.

use std::{
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use pasarela_soap::{
    Fault, Limits, encoding,
    envelope::ContentType,
    exchange::{Messages, Package, json_of_parts},
    json,
    mime::{PartHead, Related, Whole},
    transcode::{
        Body, Dates, Decoder, Encoder, Given, Message, Numbers, Options, Parts, Plan, Sent,
    },
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
    is written. Either may be the root of a multipart/related message that begins with its Content-Type; bytes beside an\n\
    envelope are base64 in JSON, and go beside the envelope when they came beside the JSON as {\"$cid\": \"…\"}. The documents that a contract imports are read from beside it; nothing is fetched.\n\
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
    /// How dates appear.
    #[arg(long, value_enum, default_value_t = DateForm::Exact)]
    pub dates: DateForm,
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
    /// Write the members of a repeated group as arrays by key, without their order among each other.
    #[arg(long)]
    pub grouped: bool,
    /// A type whose mixed content is a text of XML, `*` for all; may be given several times.
    #[arg(long, value_name = "TYPE")]
    pub xml_string: Vec<String>,
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

/// How dates appear in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DateForm {
    /// As they are in XML.
    Exact,
    /// By RFC 3339, for clients that give them a type of their own; what that cannot say is refused.
    Rfc3339,
}

impl From<DateForm> for Dates {
    fn from(form: DateForm) -> Self {
        match form {
            DateForm::Exact => Self::Exact,
            DateForm::Rfc3339 => Self::Rfc3339,
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
    if let Some(name) = plan.unmixed().first() {
        return Err(Trouble::Use(format!("the contract has no type {name:?} with mixed content")));
    }
    let beside = match args.message {
        Which::Request => &operation.input.attachments[..],
        Which::Response => operation.output.as_ref().map_or(&[][..], |m| &m.attachments),
        Which::Fault => &[],
    };
    let message = plan.message(body).beside(beside);
    let message = match args.message {
        Which::Request => message.written(&operation.input.use_),
        Which::Response => match &operation.output {
            Some(output) => message.written(&output.use_),
            None => message,
        },
        Which::Fault => message,
    };
    let job = Job { args, plan: &plan, message: &message, binding, operation };
    if let Some((related, bytes)) = in_parts(input)? {
        return job.parts(&related, bytes);
    }
    let first = input.iter().find(|byte| !byte.is_ascii_whitespace());
    // XML begins with `<` or a byte order mark, JSON with neither.
    let is_xml = matches!(first, Some(b'<' | 0xEF | 0xFE | 0xFF));
    match args.to.unwrap_or(if is_xml { To::Json } else { To::Xml }) {
        To::Json => {
            let limits = Limits::default();
            let symbols = &plan.schemas().symbols;
            let plain = match message.is_encoded() {
                true => encoding::literal(plan.schemas(), input, None, &message, &limits).map(Some),
                false => Ok(None),
            };
            let plain = plain.map_err(Trouble::Message)?;
            let input = plain.as_deref().unwrap_or(input);
            let mut reader =
                xml::Reader::with(input, None, symbols, &limits).map_err(Trouble::Message)?;
            let mut decoder = Decoder::new(&plan, &message);
            let json = decoder.document(&mut reader).map_err(Trouble::Message)?;
            Ok([json, b"\n"].concat())
        }
        To::Xml => job.xml(input, Parts { random: random(), ..Parts::default() }),
    }
}

/// A message of an operation that is to be transcoded.
struct Job<'j> {
    args: &'j Args,
    plan: &'j Plan,
    message: &'j Message,
    binding: &'j Binding,
    operation: &'j Operation,
}

impl Job<'_> {
    /// A message in parts: its root says which way it goes.
    fn parts(&self, related: &Related, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
        let whole = Whole::read(related, Default::default(), bytes).map_err(Trouble::Message)?;
        if whole.root.trim_ascii_start().first() != Some(&b'{') {
            let mut json = Vec::new();
            let limits = Limits::default();
            json_of_parts(self.plan, self.message, related, bytes, &limits, &mut json)
                .map_err(Trouble::Message)?;
            json.push(b'\n');
            return Ok(json);
        }
        let given = whole.parts.iter().filter_map(|(head, bytes)| {
            Some(Given { id: head.id.clone()?, media: head.media.clone(), bytes })
        });
        let parts =
            Parts { mtom: Some(0), random: random(), given: given.collect(), sent: Vec::new() };
        self.xml(&whole.root, parts)
    }

    /// JSON as an envelope; in parts when bytes travel beside it.
    fn xml(&self, text: &[u8], parts: Parts<'_>) -> Result<Vec<u8>, Trouble> {
        let package = if parts.mtom.is_some() { Package::Xop } else { Package::Attachments };
        let mut reader = json::Reader::new(text, &Limits::default()).map_err(Trouble::Message)?;
        let mut encoder = Encoder::new(self.plan, self.message);
        encoder.set_parts(parts);
        let mut xml = encoder.document(&mut reader).map_err(Trouble::Message)?;
        let mut encoded = Vec::new();
        if self.message.is_encoded() {
            let (schemas, limits) = (self.plan.schemas(), Limits::default());
            let version = self.binding.version;
            encoding::encoded(schemas, self.message, version, xml, &limits, &mut encoded)
                .map_err(Trouble::Message)?;
            xml = &encoded;
        }
        let envelope = envelope(self.binding.version, self.args.message, xml);
        let sent = encoder.take_parts().map_err(Trouble::Message)?;
        if sent.is_empty() {
            return Ok(envelope);
        }
        self.enclose(package, &envelope, &sent)
    }

    fn enclose(
        &self,
        package: Package,
        envelope: &[u8],
        sent: &[Sent<'_>],
    ) -> Result<Vec<u8>, Trouble> {
        let messages = Messages::new(self.plan, self.binding, self.operation)
            .map_err(|why| Trouble::Use(format!("{}: {why}", self.args.operation)))?;
        let boundary = u128::from(random()) << 64 | u128::from(random());
        let mut body = Vec::new();
        let media = messages.enclose(package, envelope, sent, boundary, &mut body);
        Ok([format!("Content-Type: {media}\r\n\r\n").as_bytes(), &body].concat())
    }
}

/// Whether the input is a message in parts: with its `Content-Type` and an empty line before it, or beginning with its
/// boundary.
fn in_parts(input: &[u8]) -> Result<Option<(Related, &[u8])>, Trouble> {
    if input.starts_with(b"--") {
        let line = input.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let boundary = String::from_utf8_lossy(line.get(2..).unwrap_or_default()).into_owned();
        let related = Related { boundary, start: None, root_type: None, start_info: None };
        return Ok(Some((related, input)));
    }
    let named = |name: &str| {
        input.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    if !named("content-type:") && !named("mime-version:") {
        return Ok(None);
    }
    let Some((head, bytes)) = PartHead::split(input).map_err(Trouble::Message)? else {
        return Ok(None);
    };
    let media = ContentType::read(head.media.as_deref().unwrap_or_default());
    let related = media.and_then(|media| Related::read(&media));
    match related.map_err(Trouble::Use)? {
        Some(related) => Ok(Some((related, bytes))),
        None => Err(Trouble::Use("only multipart/related messages are taken apart".to_owned())),
    }
}

/// Bits that nobody who chose the message can have known.
fn random() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
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
        dates: args.dates.into(),
        emit_empty_arrays: args.emit_empty_arrays,
        grouped: args.grouped,
        xml_string: args.xml_string.clone(),
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
