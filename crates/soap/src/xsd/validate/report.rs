//! What is said of a document that is not valid.

use super::{Frame, Inside, Outcome, Tag, Validator};
use crate::fault::{Fault, FaultKind};
use crate::xml::Name;
use crate::xsd::content::{Expected, Model, Run};
use crate::xsd::model::Schemas;

impl<'s> Validator<'s> {
    #[cold]
    pub(super) fn unexpected<T: Tag>(&mut self, tag: &T, name: Name<'_>) -> Outcome {
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        if std::mem::replace(&mut frame.broken, true) {
            return Ok(());
        }
        let (rule, message) = match frame.inside {
            Inside::Elements { model, .. } => {
                let expected = expected(self.schemas, model, &frame.run);
                (
                    "cvc-complex-type.2.4",
                    format!("{} may not stand here; {expected}", shown(tag, name)),
                )
            }
            Inside::Text(_) => {
                let simple = self.schemas[frame.ty].simple().is_some();
                let rule = if simple { "cvc-type.3.1.2" } else { "cvc-complex-type.2.2" };
                (rule, format!("{} inside of a value", shown(tag, name)))
            }
            Inside::Nothing => {
                let rule = if frame.nil { "cvc-elt.3.2.1" } else { "cvc-complex-type.2.1" };
                (rule, format!("{} in an element that has to be empty", shown(tag, name)))
            }
        };
        self.fault(tag, rule, message)
    }

    #[cold]
    pub(super) fn unfinished<T: Tag>(
        &mut self,
        at: &T,
        frame: &Frame<'s>,
        model: &Model,
    ) -> Outcome {
        let expected = expected(self.schemas, model, &frame.run);
        self.fault(at, "cvc-complex-type.2.4", format!("the content is not complete; {expected}"))
    }

    /// Notes a fault. `Err`: it was the last one that is wanted.
    #[cold]
    pub(super) fn fault<T: Tag>(&mut self, at: &T, rule: &'static str, message: String) -> Outcome {
        let fault = Fault::new(FaultKind::Invalid, message).rule(rule);
        let fault = fault.at(at.place()).inside(at.path());
        self.faults.push(fault.clone());
        if self.faults.len() >= self.mode.faults { Err(Box::new(fault)) } else { Ok(()) }
    }
}

pub(super) fn shown<T: Tag>(tag: &T, name: Name<'_>) -> String {
    match tag.uri(name.namespace) {
        "" => name.local.to_owned(),
        uri => format!("{{{uri}}}{}", name.local),
    }
}

/// A value in a message: not more than somebody reads.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

fn expected(schemas: &Schemas, model: &Model, run: &Run) -> String {
    const SHOWN: usize = 8;
    let all = model.expected(run);
    let mut texts: Vec<String> = all
        .iter()
        .take(SHOWN)
        .map(|one| match one {
            Expected::Name(name) => schemas.text_of(*name),
            Expected::Any(_) => "what a wildcard lets in".to_owned(),
        })
        .collect();
    if all.len() > SHOWN {
        texts.push(format!("{} others", all.len() - SHOWN));
    }
    let end = if model.may_end(run) { "the end" } else { "" };
    match (texts.is_empty(), end) {
        (true, "") => "nothing more may stand here".to_owned(),
        (true, end) => format!("expected {end}"),
        (false, "") => format!("expected {}", texts.join(", ")),
        (false, end) => format!("expected {} or {end}", texts.join(", ")),
    }
}
