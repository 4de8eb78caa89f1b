//! Reads the contract an API names, with what it imports, by way of the contract room.

use std::path::{Path, PathBuf};

use pasarela_contract::{
    Contract, ContractFault, Subject,
    bridge::{NoFace, RestContract},
    described::LeftOut,
};
use pasarela_model::RestFace;

use super::{
    fault::{Code, Excerpt, Fault, Severity, Span},
    source::Source,
    tree::Node,
    walk::{Fields, Text, Walk, capital},
};
use crate::import::{Beside, LOCK_FILE, Lock, LockError, Piece};

/// Bytes of a contract file.
const CONTRACT_BYTES_MAX: u64 = 16 << 20;

/// `said` is where the face's own choices stand; faults of them are told there.
pub(crate) fn read(
    walk: &Walk<'_>,
    node: &Node,
    face: &RestFace,
    said: &dyn Fn(&Subject) -> (PathBuf, Span),
) -> Option<Contract> {
    let (text, bytes) = walk.file(node, "`contract`", CONTRACT_BYTES_MAX)?;
    let path = walk.resolve(&text.value);
    let result = match walk.sent() {
        Some(mut sent) => {
            let name = sent.piece(&text.value).map_or("", Piece::there);
            pasarela_contract::read(&bytes, name, &mut sent, face)
        }
        None => {
            if !is_as_locked(walk, &text, &path) {
                return None;
            }
            let mut beside = Beside::default();
            let result =
                pasarela_contract::read(&bytes, &path.to_string_lossy(), &mut beside, face);
            beside.looked_for.into_iter().for_each(|path| walk.note_file(path));
            result
        }
    };
    let faults = match result {
        Ok(contract) => return Some(contract),
        Err(faults) => faults,
    };
    let of_mapping =
        |fault: &ContractFault| matches!(fault.subject, Subject::Mapping(_) | Subject::Rest(_));
    if !faults.iter().all(of_mapping) {
        let message = format!("{} is not a contract that can be used; see below.", text.shown);
        let cure = "Mend the contract, or leave `contract` away: then every operation passes.";
        walk.fault(Code::Contract, text.span, message, cure);
    }
    let source = Source::new(String::from_utf8_lossy(&bytes).into_owned());
    for fault in faults {
        let (file, span, excerpt) = match &fault.subject {
            Subject::Contract => (path.clone(), point(&fault), excerpt(&source, &fault)),
            Subject::Document(url) => {
                let source = source_of(walk, url);
                (PathBuf::from(url), point(&fault), excerpt(&source, &fault))
            }
            // A line of the configuration itself is shown as all of its lines are.
            Subject::Rest(_) => {
                let (file, span) = said(&fault.subject);
                (file, span, None)
            }
            Subject::Mapping(_) => {
                let (file, span) = said(&fault.subject);
                let source = source_of(walk, &file.to_string_lossy());
                let excerpt = (span.line > 0).then(|| source.excerpt(span, &[]));
                (file, span, excerpt)
            }
        };
        let (message, cure) = (sentence(&fault.message), sentence(&fault.cure));
        let severity = Severity::Error;
        walk.push(Fault { code: Code::Contract, severity, file, span, excerpt, message, cure });
    }
    None
}

/// Whether a stored contract is what its lock file says, if it has one. The watcher looks at all of it.
fn is_as_locked(walk: &Walk<'_>, text: &Text, path: &Path) -> bool {
    let errors = match Lock::of(path) {
        Ok(None) => return true,
        Ok(Some(lock)) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            walk.note_file(folder.join(LOCK_FILE));
            lock.documents.iter().for_each(|locked| walk.note_file(folder.join(&locked.file)));
            lock.verify(path)
        }
        Err(error) => vec![error],
    };
    for error in &errors {
        let message = match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}."),
            None => format!("{error}."),
        };
        let cure = match error {
            LockError::Unknown(_) => {
                "Name the contract that the lock file is about, or move this one to another folder."
            }
            _ => "Put back what was stored, or fetch all of it again and write its lock file anew.",
        };
        walk.fault(Code::Lock, text.span, message, cure);
    }
    errors.is_empty()
}

/// A file that was read a moment ago, for the lines that are shown of it.
fn source_of(walk: &Walk<'_>, name: &str) -> Source {
    let bytes = match walk.sent() {
        Some(sent) => {
            let piece = sent.called_at(name).or_else(|| sent.piece(name));
            piece.map(|piece| piece.bytes.clone()).unwrap_or_default()
        }
        None => super::walk::read_file(Path::new(name), CONTRACT_BYTES_MAX).unwrap_or_default(),
    };
    Source::new(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is said of operations that the REST face has to do without.
pub(crate) fn warn_left_out(walk: &Walk<'_>, fields: &Fields<'_>, contract: &Contract) {
    for (operation, why) in &contract.left_out {
        walk.warn(
            Code::FaceUnused,
            fields.key_span("contract"),
            format!("The operation `{operation}` is not offered over REST: {why}."),
            "It answers over SOAP; write `faces: [soap]` to silence this.",
        );
    }
}

/// Whether an OpenAPI contract can be offered over SOAP, and what is said of operations that cannot.
pub(crate) fn soap_face(walk: &Walk<'_>, fields: &Fields<'_>, contract: &Contract) -> Option<()> {
    let span = fields.key_span("faces");
    let without = "Describe it in another way, or take `soap` out of `faces`.";
    let left = |one: &LeftOut| {
        let message =
            format!("The operation `{}` is not offered over SOAP: {}.", one.operation, one.why);
        let cure = "It answers over REST. `pasarela convert FILE --to wsdl` shows the place in the contract.";
        walk.warn(Code::OperationLeftOut, span, message, cure);
    };
    match RestContract::compile(&contract.served) {
        Ok(made) => {
            made.description.left_out.iter().for_each(left);
            Some(())
        }
        Err(why) => {
            if let NoFace::Nothing(left_out) = &why {
                left_out.iter().for_each(left);
            }
            let message = format!("The contract cannot be offered over SOAP: {why}.");
            walk.fault(Code::NoSoapFace, span, message, without);
            None
        }
    }
}

/// The room words its faults as parts of a sentence.
pub(super) fn sentence(text: &str) -> String {
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    capital(text) + stop
}

fn point(fault: &ContractFault) -> Span {
    Span::point(fault.line, fault.column)
}

fn excerpt(source: &Source, fault: &ContractFault) -> Option<Excerpt> {
    (fault.line > 0).then(|| source.excerpt(point(fault), &[]))
}
