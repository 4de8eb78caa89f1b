//! Element declarations.

use super::attributes::value_of;
use super::definitions::{Def, Kind, derivation_set};
use super::{At, Compiler};
use crate::xsd::model::{DerivationSet, ElementId, TypeId};

impl<'d> Compiler<'_, 'd> {
    pub(super) fn read_global_element(&mut self, def: &Def<'d>) {
        let (id, at) = (ElementId(def.id), def.at);
        let scope = &self.scopes[at.entry];
        let (block, final_) = (scope.block, scope.final_);
        let ways = DerivationSet::EXTENSION.with(DerivationSet::RESTRICTION);
        let element = &mut self.s.elements[id.index()];
        element.is_abstract = at.flag("abstract");
        element.final_ = at.attribute("final").map_or(final_.within(ways), derivation_set);
        self.read_element(id, at, block);
        if let Some(head) = at.attribute("substitutionGroup") {
            let found = self.resolve(at, Kind::Element, head);
            if let Some(found) = found {
                let head = ElementId(self.defs[found].id);
                self.s.elements[id.index()].head = Some(head);
                let name = self.defs[found].name;
                self.pending.heads.push((id, name, at));
            }
        }
    }

    /// A declaration inside a type or a group.
    pub(super) fn local_element(&mut self, at: At<'d>, name: &str) -> ElementId {
        let scope = &self.scopes[at.entry];
        let (qualified, block) = (scope.qualified_elements, scope.block);
        let name = self.local_name(at, name, qualified);
        let id = self.empty_element(name, at, false);
        self.read_element(id, at, block);
        id
    }

    fn read_element(&mut self, id: ElementId, at: At<'d>, default_block: DerivationSet) {
        let ways = DerivationSet::EXTENSION
            .with(DerivationSet::RESTRICTION)
            .with(DerivationSet::SUBSTITUTION);
        let element = &mut self.s.elements[id.index()];
        element.nillable = at.flag("nillable");
        element.block = at.attribute("block").map_or(default_block, derivation_set).within(ways);
        let inner = at.children().find(|child| child.is("complexType") || child.is("simpleType"));
        let ty = match (at.attribute("type"), inner) {
            (Some(name), _) => self.resolve_type(at, name).unwrap_or(TypeId::ANY),
            (None, Some(inner)) if inner.is("simpleType") => self.inner_simple(inner, 0),
            (None, Some(inner)) => {
                let ty = self.empty_type(None, inner, None, Some(id));
                self.queue.push(ty);
                ty
            }
            // Its head's type, if it has a head: that is known later.
            (None, None) => TypeId::ANY,
        };
        self.s.elements[id.index()].ty = ty;
        if self.s.types[ty.index()].simple().is_some() {
            self.s.types[ty.index()].owner.get_or_insert(id);
        }
        self.pending.declared.push((ty, at));
        if let Some(value) = value_of(at) {
            self.s.elements[id.index()].value = Some(value);
            self.pending.element_values.push((id, at));
        }
        for child in at.children().filter(|c| c.is("key") || c.is("unique") || c.is("keyref")) {
            if let Some(constraint) = self.read_constraint(child) {
                self.s.elements[id.index()].constraints.push(constraint);
            }
        }
    }
}
