//! Which operation a request is for: the body says so, and everything else that says something has to agree (T49).
//!
//! Whoever authorises, meters or forwards a request does it for the operation that is found here, never for the one that
//! a field of HTTP names.

use super::Refusal;
use crate::{
    ExpandedName, Fault, FaultKind,
    wsdl::catalog::{Binding, Operation},
};

/// What a request says about its operation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'r> {
    /// The name of the body's child.
    pub body: Option<&'r ExpandedName>,
    /// The action of HTTP: of `SOAPAction` in SOAP 1.1, of the media type in SOAP 1.2. Empty says nothing.
    pub action: &'r str,
    /// The action of WS-Addressing. Empty says nothing.
    pub wsa_action: &'r str,
}

/// Why a request is no operation's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stray {
    /// No operation is asked for by such a body.
    Unknown(String),
    /// What it says does not agree, or does not tell.
    Mismatch(String),
}

impl From<Stray> for Refusal {
    fn from(stray: Stray) -> Self {
        let (Stray::Unknown(message) | Stray::Mismatch(message)) = stray;
        Self::sender(Box::new(Fault::new(FaultKind::Message, message)))
    }
}

/// Finds the operation of a request: its index in the binding.
///
/// # Errors
/// When there is none for the body, when an action belongs to another, or when there are several and no action decides.
pub fn dispatch(binding: &Binding, request: Request<'_>) -> Result<usize, Stray> {
    let found = binding.signatures.get(&request.body.cloned());
    let found = found.map(Vec::as_slice).unwrap_or_default();
    let shown = request.body.map_or_else(|| "an empty body".to_owned(), ToString::to_string);
    if found.is_empty() {
        return Err(Stray::Unknown(format!("no operation is asked for by {shown}")));
    }
    let fits = |index: &&usize| agrees(binding, **index, request);
    let mut fitting = found.iter().filter(fits);
    let Some(&index) = fitting.next() else {
        return Err(Stray::Mismatch(format!("the action is not that of {shown}")));
    };
    if fitting.next().is_some() {
        return Err(Stray::Mismatch(format!(
            "several operations are asked for by {shown}, and no action tells which"
        )));
    }
    Ok(index)
}

/// Whether what is said about the action is said of this operation.
fn agrees(binding: &Binding, index: usize, request: Request<'_>) -> bool {
    let Some(operation) = binding.operations.get(index) else { return false };
    let fits = |said: &str| {
        said.is_empty()
            || said == operation.action
            // Where the binding gives no action, callers make some up.
            || (operation.action.is_empty() && is_nobodys(binding, said))
    };
    let wsa = request.wsa_action;
    fits(request.action)
        && (wsa == operation.input.wsa_action
            || fits(wsa)
            || is_by_default(binding, operation, wsa))
}

/// Whether an action is the one that WS-Addressing 1.0 Metadata, section 4.4.4, makes of the names; many senders use it
/// also where the binding gives another.
fn is_by_default(binding: &Binding, operation: &Operation, action: &str) -> bool {
    let namespace = &*binding.port_type.namespace;
    let delimiter = if namespace.starts_with("urn:") { ':' } else { '/' };
    let start = namespace.strip_suffix(delimiter).unwrap_or(namespace);
    let after =
        |text: &str| action.strip_prefix(text).and_then(|rest| rest.strip_prefix(delimiter));
    let Some(rest) = after(start) else { return false };
    let rest = rest.strip_prefix(&*binding.port_type.local);
    let Some(name) = rest.and_then(|rest| rest.strip_prefix(delimiter)) else { return false };
    name == operation.name || name.strip_suffix("Request") == Some(operation.name.as_str())
}

/// Whether a service, however lenient it is about case and space, takes this for none of its actions.
fn is_nobodys(binding: &Binding, action: &str) -> bool {
    let same = |known: &str| !known.is_empty() && known.trim().eq_ignore_ascii_case(action.trim());
    let is_its = |operation: &Operation| {
        same(&operation.action) || same(&operation.input.wsa_action) || same(&operation.name)
    };
    !binding.operations.iter().any(is_its)
}
