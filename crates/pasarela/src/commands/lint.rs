//! `pasarela lint`: what is wrong with a contract, and what could be better.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use pasarela_contract::{ContractFault, lint, openapi_syntax};
use pasarela_model::RestFace;
use pasarela_soap::{
    Fault, FaultKind, wsdl,
    xsd::{Document, Options, Resolver},
};
use serde_json::json;

use super::{check::Format, fetching::Fetching, validate::finding};
use crate::{
    config::{self, read_file},
    finding::{Finding, Severity, code_list as codes, counted},
    import::{Beside, BringError, Source, bring, document},
};

/// Bytes of a contract.
const CONTRACT_BYTES_MAX: u64 = 16 << 20;

/// Say what is wrong with a contract, and what could be better.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pasarela lint orders.wsdl\n  pasarela lint rates.openapi.yaml --strict --format json\n  \
    pasarela lint 'https://orders.example.com/service?wsdl'\n\n\
    A WSDL is held against WSDL 1.1, XML Schema and the WS-I Basic Profile 1.1, an OpenAPI document against OpenAPI and the\n\
    constraints of REST that a description can break; all rules are in docs/reference/lint.md. What a WSDL imports is read from\n\
    beside a file, and fetched from the host of a URL.\n\
    Exit code 0: nothing is wrong (there may be warnings); 1: something is; 2: wrong use, or the contract cannot be had."
)]
pub struct Args {
    /// A WSDL or an OpenAPI document.
    #[arg(value_name = "FILE-OR-URL")]
    pub contract: OsString,
    /// Take warnings for errors.
    #[arg(long)]
    pub strict: bool,
    /// How documents are fetched.
    #[command(flatten)]
    pub fetching: Fetching,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

codes! {
    OpenApi = "LT0001", "An OpenAPI document breaks a rule";
}

/// Runs the command; the report goes to standard output.
pub fn run(args: &Args) -> ExitCode {
    let findings = match judge(args) {
        Ok(findings) => findings,
        Err(why) => {
            let shown = args.contract.to_string_lossy();
            let _ = writeln!(io::stderr().lock(), "{shown} cannot be read: {why}");
            return ExitCode::from(2);
        }
    };
    let _ = io::stdout().lock().write_all(report(args, &findings).as_bytes());
    let wrong = findings.iter().any(|finding| args.strict || finding.is_error());
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is printed.
pub fn report(args: &Args, findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len() - errors;
    let file = args.contract.to_string_lossy();
    if args.format == Format::Json {
        let findings: Vec<_> = findings.iter().map(Finding::json).collect();
        let told =
            json!({ "file": file, "errors": errors, "warnings": warnings, "findings": findings });
        return format!("{told:#}\n");
    }
    let mut out: String = findings.iter().map(|finding| finding.line() + "\n").collect();
    let said = match (errors, warnings) {
        (0, 0) => "nothing to say".to_owned(),
        (errors, 0) => counted(errors, "error"),
        (0, warnings) => counted(warnings, "warning"),
        (errors, warnings) => {
            format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))
        }
    };
    out.push_str(&format!("{file}: {said}\n"));
    out
}

/// Everything that is found.
///
/// # Errors
/// In words, when there is no contract to judge.
pub fn judge(args: &Args) -> Result<Vec<Finding>, String> {
    let source = Source::parse(&args.contract).map_err(|error| error.to_string())?;
    if let Source::File(path) = &source {
        let bytes = read_file(path, CONTRACT_BYTES_MAX)?;
        return Ok(judged(document(path, bytes), &mut Beside::default()));
    }
    match bring(&source, &args.fetching.rules()?) {
        Ok(bundle) => Ok(judged(bundle.root(), &mut &bundle)),
        Err(BringError::Documents(findings)) => Ok(findings),
        Err(BringError::Unreadable(why)) => Err(why),
    }
}

/// Everything that is found in a contract and in what it names.
pub(super) fn judged(root: Document, documents: &mut dyn Resolver) -> Vec<Finding> {
    let name = root.url.clone();
    let Some(syntax) = openapi_syntax(&root.bytes, &name) else {
        let (catalog, mut faults) = wsdl::import(root, documents, &Options::default());
        if catalog.is_empty() && !faults.iter().any(Fault::is_error) {
            let fault = Fault::warning(FaultKind::Wsdl, "it binds nothing to SOAP");
            faults.push(fault.cure("give the document with the binding of the service"));
        }
        return faults.iter().map(finding).collect();
    };
    let read = pasarela_contract::read(&root.bytes, &name, documents, &RestFace::default());
    let faults = read.err().unwrap_or_default();
    let text = String::from_utf8_lossy(&root.bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let of_reading = faults.iter().map(|fault| of_contract(&name, fault));
    let rules = lint::openapi(text, syntax);
    of_reading.chain(rules.iter().map(|lint| of_rule(&name, lint))).collect()
}

pub(super) fn of_contract(name: &str, fault: &ContractFault) -> Finding {
    Finding {
        severity: Severity::Error,
        code: config::Code::Contract.code(),
        rule: None,
        file: Some(name.to_owned()),
        line: fault.line,
        column: fault.column,
        path: String::new(),
        excerpt: None,
        message: fault.message.clone(),
        cure: Some(fault.cure.clone()),
    }
}

fn of_rule(name: &str, lint: &lint::Lint) -> Finding {
    Finding {
        severity: if lint.rule.is_must() { Severity::Error } else { Severity::Warning },
        code: Code::OpenApi.code(),
        rule: Some(lint.rule.name()),
        file: Some(name.to_owned()),
        line: lint.at.line,
        column: lint.at.column,
        path: String::new(),
        excerpt: None,
        message: lint.message.clone(),
        cure: Some(lint.cure.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn judged(name: &str, text: &str) -> Vec<(String, bool)> {
        let root = document(Path::new(name), text.as_bytes().to_vec());
        let findings = super::judged(root, &mut Beside::default());
        let named = |finding: &Finding| finding.rule.unwrap_or(finding.code).to_owned();
        findings.iter().map(|finding| (named(finding), finding.is_error())).collect()
    }

    #[test]
    fn a_good_document_has_nothing_said_of_it() {
        let good = "openapi: 3.1.0\ninfo: { title: Rates, version: '1' }\npaths:\n  /rates/{id}:\n    get:\n      operationId: rate\n      \
                    summary: One rate.\n      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]\n      \
                    responses: { '200': { description: It. }, '404': { description: None. } }\n";
        assert_eq!(judged("rates.yaml", good), []);
    }

    #[test]
    fn each_rule_of_openapi_and_rest_is_told_where_it_is_broken() {
        let text = "openapi: 3.1.0\ninfo: { title: Rates, version: '1' }\ntags: [{ name: known }]\n\
                    components: { securitySchemes: { session: { type: apiKey, in: cookie, name: s } } }\npaths:\n  /getRates/{id}/old_ones.json/:\n    get:\n      \
                    tags: [unknown]\n      parameters:\n        - { name: other, in: path, schema: {} }\n        - { name: action, in: query, schema: {} }\n        \
                    - { name: action, in: query, schema: {} }\n      requestBody: { content: { application/json: {} } }\n      \
                    responses: { '200': { content: { text/html: {} } }, '400': { $ref: '#/components/responses/None' } }\n    \
                    post:\n      responses: { '201': { description: Made. } }\n    patch:\n      requestBody: { content: { application/json: {} } }\n      responses: { '400': { description: No. } }\n    put: { responses: {} }\n";
        let found: std::collections::BTreeSet<String> =
            judged("rates.yaml", text).into_iter().map(|(rule, _)| rule).collect();
        for rule in lint::Rule::ALL {
            // What names a format has no slash behind it.
            let elsewhere = matches!(rule, lint::Rule::Extension);
            assert_eq!(found.contains(rule.name()), !elsewhere, "{} {found:?}", rule.name());
        }
        let extension = "openapi: 3.1.0\ninfo: { title: Rates, version: '1' }\npaths:\n  /rates.json:\n    get: { responses: { '200': {} } }\n";
        assert!(judged("rates.yaml", extension).iter().any(|(rule, _)| rule == "I3"));
    }

    #[test]
    fn a_wsdl_is_held_against_the_basic_profile() {
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../soap/tests/fixtures/tracking.wsdl");
        let text = std::fs::read_to_string(&fixture).unwrap();
        let broken = text.replace("style=\"rpc\"", "style=\"document\"");
        let found = judged("tracking.wsdl", &broken);
        assert!(found.iter().any(|(rule, error)| rule == "R2204" && !error), "{found:?}");
        let unknown = text.replace("type=\"t:Tracking\"", "type=\"t:Nobody\"");
        assert!(judged("tracking.wsdl", &unknown).iter().any(|(_, error)| *error));
    }

    #[test]
    fn each_rule_has_its_line_in_the_reference() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/lint.md");
        let page = std::fs::read_to_string(page).unwrap();
        for rule in lint::Rule::ALL {
            let level = if rule.is_must() { "error" } else { "warning" };
            assert!(page.contains(&format!("| {} | {level} |", rule.name())), "{}", rule.name());
        }
    }
}
