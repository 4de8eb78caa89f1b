//! Default and fixed values: whether they are values of their types.

use super::names::NodeScope;
use super::{At, Compiler};
use crate::xsd::model::{ComplexDef, Content, TypeId, TypeKind, ValueConstraint};

impl<'d> Compiler<'_, 'd> {
    pub(super) fn check_values(&mut self) {
        for (id, at) in std::mem::take(&mut self.pending.element_values) {
            let ty = self.s.elements[id.index()].ty;
            let value = self.s.elements[id.index()].value.clone();
            if self.is_id(ty) {
                self.fault(at, "e-props-correct.5", "an element of type xs:ID can have no default");
            }
            let checked = value.map(|value| self.checked(at, ty, value));
            self.s.elements[id.index()].value = checked;
        }
        for (id, at) in std::mem::take(&mut self.pending.attribute_values) {
            let ty = self.s.attributes[id.index()].ty;
            let value = self.s.attributes[id.index()].value.clone();
            if self.is_id(ty) {
                self.fault(
                    at,
                    "a-props-correct.3",
                    "an attribute of type xs:ID can have no default",
                );
            }
            let checked = value.map(|value| self.checked(at, ty, value));
            self.s.attributes[id.index()].value = checked;
        }
        for (ty, at) in self.pending.derived.clone() {
            self.check_use_values(ty, at);
        }
    }

    /// A use may give a value of its own, unless the declaration fixes another one (au-props-correct).
    fn check_use_values(&mut self, ty: TypeId, at: At<'d>) {
        let Some(complex) = self.s.types[ty.index()].complex() else { return };
        let mut uses = complex.attributes.clone();
        for used in &mut uses {
            let Some(value) = used.value.take() else { continue };
            let declared = self.s.attributes[used.attribute.index()].value.clone();
            if value.value.is_some()
                || declared
                    .as_ref()
                    .is_some_and(|d| d.lexical == value.lexical && d.fixed == value.fixed)
            {
                used.value = Some(declared.filter(|_| value.value.is_none()).unwrap_or(value));
                continue;
            }
            if self.is_id(used.ty) {
                self.fault(
                    at,
                    "au-props-correct",
                    "an attribute of type xs:ID can have no default",
                );
            }
            let value = self.checked(at, used.ty, value);
            if let Some(declared) = declared.filter(|declared| declared.fixed)
                && !(value.fixed && value.value == declared.value)
            {
                let message =
                    format!("the declaration of {} fixes another value", self.s.text_of(used.name));
                self.fault(at, "au-props-correct.2", message);
            }
            used.value = Some(value);
        }
        if let TypeKind::Complex(complex) = &mut self.s.types[ty.index()].kind {
            complex.attributes = uses;
        }
    }

    /// A value with what it means (cos-valid-default).
    fn checked(&mut self, at: At<'d>, ty: TypeId, mut value: ValueConstraint) -> ValueConstraint {
        let Some(simple) = self.s.simple_content(ty) else {
            let content = self.s.types[ty.index()].complex();
            let emptiable = match content.map(|c: &ComplexDef| &c.content) {
                Some(Content::Elements { particle, mixed: true, .. }) => {
                    particle.is_none_or(|particle| self.s.is_emptiable(particle))
                }
                _ => false,
            };
            if !emptiable {
                self.fault(
                    at,
                    "cos-valid-default.2",
                    "a default needs text, alone or among elements that may be left out",
                );
            }
            return value;
        };
        let compiled = std::sync::Arc::clone(&simple.compiled);
        let scope = NodeScope(at.node);
        let mut scratch = String::new();
        match compiled.check(&value.lexical, &scope, &mut scratch) {
            Ok(text) => {
                let text: std::sync::Arc<str> = text.into();
                value.value = compiled.parse(&value.lexical, &scope).ok();
                value.lexical = text;
            }
            Err(fault) => {
                self.fault(at, "cos-valid-default", format!("{:?} {fault}", value.lexical));
            }
        }
        value
    }
}
