//! `ID` and `IDREF`: one name for one element, and no reference to nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Outcome, Tag, Validator, quoted};
use crate::fault::Place;
use crate::xsd::model::{IdKind, SimpleDef};
use crate::xsd::values::{Builtin, SimpleType, Variety};

/// The names of a document. Ordered sets, which nobody can flood.
#[derive(Debug, Default)]
pub(super) struct Ids {
    known: BTreeSet<Box<str>>,
    /// References to names that have not come yet, with the place of the first.
    awaited: BTreeMap<Box<str>, Place>,
    /// How many places were asked for: finding one takes time, so only the first references have theirs.
    places: usize,
}

/// So many references have a place.
const PLACES: usize = 100;

impl Validator<'_> {
    /// Takes note of the names in a value.
    #[cold]
    pub(super) fn note_ids<T: Tag>(&mut self, tag: &T, simple: &SimpleDef, text: &str) -> Outcome {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        match simple.id {
            IdKind::None => Ok(()),
            IdKind::Id => self.note_id(tag, text),
            IdKind::Reference => {
                self.note_reference(tag, text);
                Ok(())
            }
            IdKind::References => {
                for word in words(text) {
                    self.note_reference(tag, word);
                }
                Ok(())
            }
            IdKind::Mixed => self.note_mixed(tag, &simple.compiled, text),
        }
    }

    fn note_mixed<T: Tag>(&mut self, tag: &T, ty: &SimpleType, text: &str) -> Outcome {
        let Ok(member) = ty.member(text, tag) else { return Ok(()) };
        if let Variety::List(item) = &member.variety {
            for word in words(text) {
                if let Ok(member) = item.member(word, tag) {
                    self.note_kind(tag, member.builtin, word)?;
                }
            }
            return Ok(());
        }
        self.note_kind(tag, member.builtin, text)
    }

    fn note_kind<T: Tag>(&mut self, tag: &T, builtin: Builtin, text: &str) -> Outcome {
        match builtin {
            Builtin::Id => self.note_id(tag, text),
            Builtin::IdRef => {
                self.note_reference(tag, text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn note_id<T: Tag>(&mut self, tag: &T, id: &str) -> Outcome {
        self.ids.awaited.remove(id);
        if !self.ids.known.insert(id.into()) {
            return self.fault(
                tag,
                "cvc-id.2",
                format!("a second element with the ID {}", quoted(id)),
            );
        }
        Ok(())
    }

    fn note_reference<T: Tag>(&mut self, tag: &T, id: &str) {
        if !self.ids.known.contains(id) && !self.ids.awaited.contains_key(id) {
            self.ids.places += 1;
            let place = if self.ids.places <= PLACES { tag.place() } else { Place::default() };
            self.ids.awaited.insert(id.into(), place);
        }
    }

    /// At the end of the document: what was referred to and did not come.
    pub(super) fn dangling<T: Tag>(&mut self, at: &T) -> Outcome {
        for (id, place) in std::mem::take(&mut self.ids.awaited) {
            let before = self.faults.len();
            let outcome =
                self.fault(at, "cvc-id.1", format!("no element has the ID {}", quoted(&id)));
            if let Some(fault) = self.faults.get_mut(before) {
                fault.place = place;
            }
            outcome?;
        }
        Ok(())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty())
}
