//! A WSDL from an OpenAPI document, with a warning for each operation that is not in it.

use std::path::Path;

use pasarela_contract::{
    ContractFault, Subject,
    bridge::{Converted, NoFace, convert as converted},
    described::LeftOut,
};
use pasarela_soap::{Fault, FaultKind, Place};

use super::{Args, Outcome};
use crate::{commands::validate::Verdict, import::Beside};

/// Where callers send to, if nobody says.
const NOWHERE: &str = "http://localhost:8080/soap";

pub(super) fn convert(args: &Args) -> Outcome {
    let file = args.file.display().to_string();
    let bytes = match std::fs::read(&args.file) {
        Ok(bytes) => bytes,
        Err(reason) => {
            let verdicts = vec![Verdict::unreadable(&args.file, &reason)];
            return Outcome { document: None, verdicts };
        }
    };
    let address = args.servers.first().map_or(NOWHERE, String::as_str);
    let (document, faults) = match converted(&bytes, &file, &mut Beside::default(), address) {
        Ok(Converted { document, left_out }) => {
            let warnings = left_out.iter().map(|one| left(one, &args.file)).collect();
            (Some(document.into_bytes()), warnings)
        }
        Err(NoFace::Faults(faults)) => (None, faults.iter().map(|f| told(f, &args.file)).collect()),
        Err(NoFace::Nothing(left_out)) => {
            let mut faults: Vec<Fault> = left_out.iter().map(|one| left(one, &args.file)).collect();
            let fault =
                Fault::new(FaultKind::Wsdl, "none of its operations can be called over SOAP");
            faults.push(fault.cure("see why for each of them"));
            (None, faults)
        }
        Err(NoFace::Ours(why)) => {
            let why = format!("what was made of it is no WSDL: {why}");
            (None, vec![Fault::new(FaultKind::Wsdl, why).cure("please report this document")])
        }
    };
    Outcome { document, verdicts: vec![Verdict::new(file, faults)] }
}

fn left(one: &LeftOut, file: &Path) -> Fault {
    let message = format!("the operation {} is left out: {}", one.operation, one.why);
    let mut fault = Fault::warning(FaultKind::Wsdl, message);
    let document = one.document.clone().unwrap_or_else(|| file.display().to_string());
    fault.place = place(document, one.at.line, one.at.column);
    fault.cure("describe it in another way, or do without it over SOAP")
}

fn told(fault: &ContractFault, file: &Path) -> Fault {
    let document = match &fault.subject {
        Subject::Document(url) => url.clone(),
        _ => file.display().to_string(),
    };
    let mut told = Fault::new(FaultKind::Wsdl, fault.message.clone()).cure(fault.cure.clone());
    told.place = place(document, fault.line, fault.column);
    told
}

fn place(document: String, line: u32, column: u32) -> Place {
    Place { line, column, ..Place::document(document) }
}
