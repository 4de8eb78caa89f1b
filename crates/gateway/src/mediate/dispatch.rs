//! Which operation a SOAP message is for: the one that its body names, if nothing else says otherwise.
//!
//! A service may go by the action in the HTTP header, by `wsa:Action` or by the body; whoever guards
//! it by one of them lets through what the service takes for something else (T49). So all that a
//! message says has to agree, and what counts is the body.

use pasarela_model::{Code, Operation};
use pasarela_soap::ExpandedName;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::respond::Refusal;

/// The SOAP operations of an API, by what a message can call them.
#[derive(Debug, Default)]
pub(crate) struct SoapOperations {
    by_body: FxHashMap<Box<str>, SmallVec<[usize; 1]>>,
    by_action: FxHashMap<Box<str>, SmallVec<[usize; 1]>>,
    /// The declared action of each operation, by its index; empty for none.
    actions: Vec<Box<str>>,
    /// Operations whose element the contract leaves to a document that was not read.
    untold: SmallVec<[usize; 1]>,
    pass_undeclared: bool,
}

impl SoapOperations {
    /// `None` for an API without SOAP operations: nothing can be said about its messages.
    pub(crate) fn build(operations: &[Operation], pass_undeclared: bool) -> Option<Self> {
        let mut table = Self { pass_undeclared, ..Self::default() };
        for (index, operation) in operations.iter().enumerate() {
            let action = operation.soap_action.as_deref().unwrap_or_default();
            table.actions.push(action.into());
            match &operation.soap_body {
                Some(body) => table.by_body.entry(body.as_str().into()).or_default().push(index),
                None if operation.soap_action.is_some() => table.untold.push(index),
                None => continue,
            }
            if !action.is_empty() {
                table.by_action.entry(action.into()).or_default().push(index);
            }
        }
        (!table.by_body.is_empty() || !table.untold.is_empty()).then_some(table)
    }

    /// The operation of a message with this body and these actions. `None`: it is let through
    /// without a name.
    ///
    /// # Errors
    /// There is none, or what the message says does not agree.
    pub(crate) fn find(
        &self,
        body: Option<&ExpandedName>,
        stated: [Option<&str>; 2],
        addressed: Option<&str>,
    ) -> Result<Option<usize>, Refusal> {
        let addressed = addressed.filter(|action| !action.is_empty());
        let mut all = stated.into_iter().flatten().chain(addressed);
        if let Some(first) = all.next()
            && all.any(|other| other != first)
        {
            return Err(mismatch("the message names two actions"));
        }
        let action = stated[0].or(stated[1]);
        let named = body.and_then(|name| self.by_body.get(name.to_string().as_str()));
        let candidates = match named {
            Some(candidates) => candidates,
            None if !self.untold.is_empty() => &self.untold,
            None if self.pass_undeclared => return Ok(None),
            None => return Err(unknown(body)),
        };
        // Where several operations share an element, the action tells them apart.
        let claimed = action.or(addressed);
        let agreeing = candidates.iter().copied().find(|&index| {
            let declared = self.actions.get(index).map_or("", |action| action);
            !declared.is_empty() && claimed == Some(declared)
        });
        if agreeing.is_some() {
            return Ok(agreeing);
        }
        let foreign = claimed.is_some_and(|claimed| self.by_action.contains_key(claimed));
        if foreign {
            return Err(mismatch("the action belongs to another operation than the body"));
        }
        if named.is_none() {
            // The element is not known and neither is the action: it may be any of these.
            return match candidates.as_slice() {
                _ if self.pass_undeclared => Ok(None),
                [only] if self.by_body.is_empty() => Ok(Some(*only)),
                _ => Err(unknown(body)),
            };
        }
        let open = candidates.iter().copied().find(|&index| {
            action.is_none() || self.actions.get(index).is_none_or(|declared| declared.is_empty())
        });
        match open {
            Some(index) => Ok(Some(index)),
            None => Err(mismatch("the action is not that of the operation in the body")),
        }
    }
}

fn mismatch(detail: &'static str) -> Refusal {
    Refusal::new(Code::SoapAction, detail)
}

fn unknown(body: Option<&ExpandedName>) -> Refusal {
    let detail = match body {
        Some(name) => format!("the contract has no operation for {name}"),
        None => "the body is empty, and no operation is called so".to_owned(),
    };
    Refusal::new(Code::NoSuchOperation, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str, action: &str, body: Option<&str>) -> Operation {
        Operation {
            name: name.to_owned(),
            method: "POST".to_owned(),
            path: Default::default(),
            soap_action: Some(action.to_owned()),
            soap_body: body.map(|local| format!("{{urn:t}}{local}")),
        }
    }

    type Said<'a> = (&'a str, [Option<&'a str>; 2], Option<&'a str>);

    fn find(
        table: &SoapOperations,
        (body, stated, addressed): Said<'_>,
    ) -> Result<Option<usize>, Code> {
        let body = (!body.is_empty()).then(|| ExpandedName::new("urn:t", body));
        table.find(body.as_ref(), stated, addressed).map_err(|refusal| refusal.code)
    }

    #[test]
    fn t49_the_body_names_the_operation_and_nothing_may_contradict_it() {
        let operations = [
            operation("track", "urn:track", Some("Track")),
            operation("cancel", "urn:cancel", Some("Cancel")),
            operation("quiet", "", Some("Quiet")),
            operation("first", "urn:first", Some("Shared")),
            operation("second", "urn:second", Some("Shared")),
        ];
        let table = SoapOperations::build(&operations, false).unwrap();
        let mismatch = Err(Code::SoapAction);
        let cases: &[(Said<'_>, Result<Option<usize>, Code>)] = &[
            (("Track", [None, None], None), Ok(Some(0))),
            (("Track", [Some("urn:track"), None], None), Ok(Some(0))),
            (("Track", [None, Some("urn:track")], Some("urn:track")), Ok(Some(0))),
            (("Track", [None, None], Some("urn:track")), Ok(Some(0))),
            // The spoofs: the service may go by what is said first, second or third.
            (("Track", [Some("urn:cancel"), None], None), mismatch),
            (("Track", [None, Some("urn:cancel")], None), mismatch),
            (("Track", [None, None], Some("urn:cancel")), mismatch),
            (("Track", [Some("urn:track"), None], Some("urn:cancel")), mismatch),
            (("Track", [Some("urn:track"), Some("urn:cancel")], None), mismatch),
            (("Track", [Some("urn:elsewhere"), None], None), mismatch),
            // WS-Addressing gives actions that no soapAction declares (WS-Addressing 1.0 Metadata §4.4.4).
            (("Track", [None, None], Some("urn:t:Port:TrackRequest")), Ok(Some(0))),
            (("Track", [Some("urn:track"), None], Some("urn:t:Port:TrackRequest")), mismatch),
            (("Quiet", [Some("urn:whatever"), None], None), Ok(Some(2))),
            (("Quiet", [Some("urn:track"), None], None), mismatch),
            (("Shared", [Some("urn:second"), None], None), Ok(Some(4))),
            (("Shared", [None, None], Some("urn:first")), Ok(Some(3))),
            (("Nothing", [None, None], None), Err(Code::NoSuchOperation)),
            (("Nothing", [Some("urn:track"), None], None), Err(Code::NoSuchOperation)),
            (("", [None, None], None), Err(Code::NoSuchOperation)),
        ];
        for (said, expected) in cases {
            assert_eq!(find(&table, *said), *expected, "{said:?}");
        }
    }

    #[test]
    fn where_the_contract_does_not_tell_the_element_the_action_does() {
        let operations = [operation("a", "urn:a", None), operation("b", "urn:b", Some("B"))];
        let table = SoapOperations::build(&operations, false).unwrap();
        assert_eq!(find(&table, ("X", [Some("urn:a"), None], None)), Ok(Some(0)));
        assert_eq!(find(&table, ("X", [Some("urn:b"), None], None)), Err(Code::SoapAction));
        assert_eq!(find(&table, ("X", [None, None], None)), Err(Code::NoSuchOperation));
        assert_eq!(find(&table, ("B", [Some("urn:a"), None], None)), Err(Code::SoapAction));
        let open = SoapOperations::build(&operations, true).unwrap();
        assert_eq!(find(&open, ("X", [None, None], None)), Ok(None));
        assert!(SoapOperations::build(&[], true).is_none());
    }
}
