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

/// Finds the operation of a request: its index in the binding.
///
/// # Errors
/// When there is none for the body, when an action belongs to another, or when there are several and no action decides.
pub fn dispatch(binding: &Binding, request: Request<'_>) -> Result<usize, Refusal> {
    let fault = |message| Err(Refusal::sender(Box::new(Fault::new(FaultKind::Message, message))));
    let found = binding.signatures.get(&request.body.cloned());
    let found = found.map(Vec::as_slice).unwrap_or_default();
    let shown = request.body.map_or_else(|| "an empty body".to_owned(), ToString::to_string);
    if found.is_empty() {
        return fault(format!("no operation is asked for by {shown}"));
    }
    let fits = |index: &&usize| {
        binding.operations.get(**index).is_some_and(|operation| agrees(operation, request))
    };
    let mut fitting = found.iter().filter(fits);
    let Some(&index) = fitting.next() else {
        return fault(format!("the action is of another operation than {shown}"));
    };
    if fitting.next().is_some() {
        return fault(format!(
            "several operations are asked for by {shown}, and no action tells which"
        ));
    }
    Ok(index)
}

/// Whether what is said about the action is said of this operation.
fn agrees(operation: &Operation, request: Request<'_>) -> bool {
    let http = request.action.is_empty() || request.action == operation.action;
    let wsa = request.wsa_action;
    http && (wsa.is_empty() || wsa == operation.input.wsa_action || wsa == operation.action)
}
