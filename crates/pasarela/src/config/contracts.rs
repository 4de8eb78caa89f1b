//! Reads the contract an API names, by way of the contract room.

use std::path::Path;

use pasarela_contract::{Contract, ContractFault};

use super::{
    fault::{Code, Excerpt, Fault, Severity, Span},
    source::Source,
    tree::Node,
    walk::{Text, Walk, capital},
};
use crate::import::{LOCK_FILE, Lock, LockError};

/// Bytes of a contract file.
const CONTRACT_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn read(walk: &Walk<'_>, node: &Node) -> Option<Contract> {
    let (text, bytes) = walk.file(node, "`contract`", CONTRACT_BYTES_MAX)?;
    let path = walk.resolve(&text.value);
    if !is_as_locked(walk, &text, &path) {
        return None;
    }
    let name = path.to_string_lossy();
    match pasarela_contract::read(&bytes, &name) {
        Ok(contract) => Some(contract),
        Err(faults) => {
            let message = format!("{} is not a contract that can be used; see below.", text.shown);
            let cure = "Mend the contract, or leave `contract` away: then every operation passes.";
            walk.fault(Code::Contract, text.span, message, cure);
            let source = Source::new(String::from_utf8_lossy(&bytes).into_owned());
            for fault in faults {
                walk.push(Fault {
                    code: Code::Contract,
                    severity: Severity::Error,
                    file: path.clone(),
                    span: Span::point(fault.line, fault.column),
                    excerpt: excerpt(&source, &fault),
                    message: sentence(&fault.message),
                    cure: sentence(&fault.cure),
                });
            }
            None
        }
    }
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
            _ => {
                "Fetch it again with `pasarela publish URL --update`, or put back what was stored."
            }
        };
        walk.fault(Code::Lock, text.span, message, cure);
    }
    errors.is_empty()
}

/// The contract room words its faults as parts of a sentence.
fn sentence(text: &str) -> String {
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    capital(text) + stop
}

fn excerpt(source: &Source, fault: &ContractFault) -> Option<Excerpt> {
    let span = Span::point(fault.line, fault.column);
    (fault.line > 0).then(|| source.excerpt(span, &[]))
}
