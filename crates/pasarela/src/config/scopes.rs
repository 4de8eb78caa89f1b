//! Reads `scopes`: what the operations of an API ask for, and what plans and applications are granted.

use std::collections::HashMap;

use pasarela_contract::Contract;
use pasarela_model::{ApiScopes, Asked, Operation, Scopes, scope_fault};

use super::{
    contracts,
    fault::Code,
    tree::{Entry, Kind, Node},
    walk::{Fields, Walk, nearest, shown_word, start_of},
};

/// Stands for every operation that is not named.
const OTHERS: &str = "*";

/// One scope, or a list of them.
pub(crate) fn list(walk: &Walk<'_>, node: &Node, what: &str) -> Option<Scopes> {
    let items = match &node.kind {
        Kind::List(items) => items,
        _ => std::slice::from_ref(node),
    };
    let read = |item: &Node| {
        let text = walk.text(item, what)?;
        let Some(why) = scope_fault(&text.value) else { return Some(text.value) };
        let message = format!("{} is not a scope: {why}.", text.shown);
        let cure = "Write a scope as `tracking:read`, and several as a list.";
        walk.fault(Code::Scope, text.span, message, cure);
        None
    };
    let read: Vec<Option<String>> = items.iter().map(read).collect();
    let scopes: Vec<String> = read.into_iter().collect::<Option<_>>()?;
    Some(scopes.iter().map(String::as_str).collect())
}

/// The scopes of a plan or an application.
pub(crate) fn granted(walk: &Walk<'_>, fields: &Fields<'_>) -> Option<Scopes> {
    let node = fields.get("scopes");
    node.map_or_else(|| Some(Scopes::default()), |node| list(walk, node, "a scope"))
}

/// What is known of an API when its scopes are read.
pub(crate) struct About<'a> {
    /// `None`: there is none. It may be one that could not be read.
    pub(crate) contract: Option<&'a Option<Contract>>,
    /// Calls pass that are of no operation.
    pub(crate) passes_others: bool,
}

/// `scopes` of an API: `contract`, or by operation.
pub(crate) fn of_api(walk: &Walk<'_>, node: &Node, about: &About<'_>) -> Option<Option<ApiScopes>> {
    // Of a contract that is at fault nothing can be said.
    let contract = match about.contract {
        Some(contract) => Some(contract.as_ref()?),
        None => None,
    };
    let scopes = match &node.kind {
        Kind::Map(entries) => by_operation(walk, entries, contract)?,
        _ => {
            walk.word(node, "`scopes`", &[("contract", ())])?;
            by_contract(walk, node, contract)?
        }
    };
    let asks =
        |scopes: &ApiScopes| !scopes.operations.iter().chain([&scopes.others]).all(Vec::is_empty);
    let others_free =
        matches!(&node.kind, Kind::Map(entries) if entries.iter().any(|e| e.key == OTHERS));
    if about.passes_others && asks(&scopes) && !others_free {
        let message = "Calls pass here that are of no operation (`undeclared: pass`), and nothing says what they ask for.";
        let cure = "Add `\"*\": [scope]` to `scopes`, or `\"*\": []` if they ask for nothing.";
        walk.fault(Code::Scope, start_of(node), message, cure);
        return None;
    }
    Some(Some(scopes).filter(asks))
}

fn by_contract(walk: &Walk<'_>, node: &Node, contract: Option<&Contract>) -> Option<ApiScopes> {
    let fault = |message: &str, cure: &str| {
        walk.fault(Code::Scope, node.span, message, cure);
        None
    };
    const CURE: &str = "Write the scopes by operation: `scopes: { track: [tracking:read] }`.";
    let Some(contract) = contract else {
        return fault("This API has no contract that could say its scopes.", CURE);
    };
    if contract.soap {
        return fault("A WSDL does not say which scopes its operations ask for.", CURE);
    }
    match &contract.security {
        Ok(operations) if operations.iter().all(Vec::is_empty) => fault(
            "No operation of the contract asks for scopes: none has `security` by OAuth 2 or OpenID Connect.",
            CURE,
        ),
        Ok(operations) => Some(ApiScopes { operations: operations.clone(), others: Asked::new() }),
        Err(faults) => {
            for found in faults {
                let message = format!(
                    "Line {} of the contract: {}",
                    found.line,
                    contracts::sentence(&found.message)
                );
                walk.fault(Code::Scope, node.span, message, contracts::sentence(&found.cure));
            }
            None
        }
    }
}

fn by_operation(
    walk: &Walk<'_>,
    entries: &[Entry],
    contract: Option<&Contract>,
) -> Option<ApiScopes> {
    let operations: &[Operation] = contract.map_or(&[], |contract| &contract.operations);
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, operation) in operations.iter().enumerate() {
        by_name.entry(&operation.name).or_default().push(index);
    }
    let mut fine = true;
    let mut others = Asked::new();
    let mut named = Vec::new();
    for entry in entries {
        let Some(scopes) = list(walk, &entry.value, "a scope") else {
            fine = false;
            continue;
        };
        let asked = if scopes.is_empty() { Asked::new() } else { vec![scopes] };
        if entry.key == OTHERS {
            others = asked;
        } else if let Some(indices) = by_name.get(entry.key.as_str()) {
            named.extend(indices.iter().map(|index| (*index, asked.clone())));
        } else {
            fine = false;
            unknown(walk, entry, operations);
        }
    }
    let mut all = vec![others.clone(); operations.len()];
    for (index, asked) in named {
        all.get_mut(index).into_iter().for_each(|place| *place = asked.clone());
    }
    fine.then_some(ApiScopes { operations: all, others })
}

fn unknown(walk: &Walk<'_>, entry: &Entry, operations: &[Operation]) {
    let shown = shown_word(&entry.key);
    if operations.is_empty() {
        let message =
            format!("{shown} is no operation: without a contract there are none by name.");
        let cure = "Add a `contract`, or write `\"*\": [scope]` for every call.";
        return walk.fault(Code::ScopeOperation, entry.key_span, message, cure);
    }
    let message = format!("{shown} is no operation of the API's contract.");
    let names = operations.iter().map(|operation| operation.name.as_str());
    let cure = match nearest(&entry.key, names) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => "Write its `operationId`, for a WSDL the name of the operation, or `\"*\"` for all others.".to_owned(),
    };
    walk.fault(Code::ScopeOperation, entry.key_span, message, cure);
}
