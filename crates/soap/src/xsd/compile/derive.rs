//! Whether derived types are what they may be: extension and restriction, attributes and content.

use super::{At, Compiler};
use crate::xsd::model::{
    AttributeUse, ComplexDef, Content, Derivation, DerivationSet, Particle, Term, TypeId, Wildcard,
};

impl<'d> Compiler<'_, 'd> {
    pub(super) fn check_derivations(&mut self) {
        for (id, at) in self.pending.derived.clone() {
            let ty = &self.s.types[id.index()];
            let (base, derivation) = (ty.base, ty.derivation);
            if base != TypeId::ANY || derivation == Derivation::Extension {
                self.check_complex_final(at, base, derivation);
            }
            if derivation == Derivation::Restriction && base != TypeId::ANY {
                self.check_restriction(id, base, at);
            }
        }
        for (group, original, at) in std::mem::take(&mut self.pending.narrowed) {
            let particle = |group| Particle { min: 1, max: 1, term: Term::Group(group) };
            if let Err(reason) = self.restricts(&particle(group), &particle(original)) {
                self.fault(at, "src-redefine.6.2.2", reason);
            }
        }
        for (def, original, at) in std::mem::take(&mut self.pending.narrowed_attributes) {
            let set = |def| self.attribute_groups.get(&def).cloned().flatten().unwrap_or_default();
            let (mut own, mut base) = (set(def), set(original));
            for used in own.uses.iter_mut().chain(&mut base.uses) {
                let declaration = &self.s.attributes[used.attribute.index()];
                used.ty = declaration.ty;
                if used.value.is_none() {
                    used.value.clone_from(&declaration.value);
                }
            }
            self.check_attributes(
                at,
                (&own.uses, own.wildcard.as_ref()),
                (&base.uses, base.wildcard.as_ref()),
            );
        }
    }

    fn check_complex_final(&mut self, at: At<'d>, base: TypeId, derivation: Derivation) {
        let def = &self.s.types[base.index()];
        if def.complex().is_some() && def.final_.forbids(derivation)
            || def.simple().is_some() && def.final_.forbids(derivation)
        {
            let message = format!("{} is final and forbids this", self.s.type_text(base));
            self.fault(at, "derivation-final", message);
        }
    }

    /// Derivation Valid (Restriction, Complex).
    fn check_restriction(&mut self, id: TypeId, base: TypeId, at: At<'d>) {
        let (Some(own), Some(theirs)) = (
            self.s.types[id.index()].complex().cloned(),
            self.s.types[base.index()].complex().cloned(),
        ) else {
            return;
        };
        let wildcard =
            |def: &ComplexDef| def.any_attribute.map(|w| self.s.wildcards[w.index()].clone());
        let (own_any, their_any) = (wildcard(&own), wildcard(&theirs));
        self.check_attributes(
            at,
            (&own.attributes, own_any.as_ref()),
            (&theirs.attributes, their_any.as_ref()),
        );
        if let Err((rule, reason)) = self.check_content(&own.content, &theirs.content) {
            self.fault(at, rule, reason);
        }
    }

    fn check_content(&self, own: &Content, base: &Content) -> Result<(), (&'static str, String)> {
        let fault = |rule, text: &str| Err((rule, text.to_owned()));
        match (own, base) {
            (Content::Simple(own), Content::Simple(base)) => {
                if self.s.derives(*own, *base, DerivationSet::NONE) {
                    return Ok(());
                }
                fault(
                    "derivation-ok-restriction.5.2",
                    "the simple content is not derived from that of the base",
                )
            }
            // Whether the base may be empty was looked at when the type was read.
            (Content::Simple(_), Content::Elements { mixed: true, .. }) => Ok(()),
            (Content::Simple(_), _) => {
                fault("derivation-ok-restriction.5.2", "simple content, and the base has none")
            }
            (Content::Empty, Content::Empty) => Ok(()),
            (Content::Empty, Content::Elements { particle, .. }) => {
                if particle.is_none_or(|particle| self.s.is_emptiable(particle)) {
                    return Ok(());
                }
                fault(
                    "derivation-ok-restriction.5.3",
                    "no content, and that of the base may not be empty",
                )
            }
            (Content::Empty, Content::Simple(_)) => {
                fault("derivation-ok-restriction.5.3", "no content, and the base has text")
            }
            (
                Content::Elements { particle: own, mixed, .. },
                Content::Elements { particle: base, mixed: base_mixed, .. },
            ) => {
                if *mixed && !*base_mixed {
                    return fault(
                        "derivation-ok-restriction.5.4.1",
                        "mixed content, and that of the base is not",
                    );
                }
                let result = match (own, base) {
                    (None, None) => Ok(()),
                    (None, Some(base)) if self.s.is_emptiable(*base) => Ok(()),
                    (None, Some(_)) => Err("the content of the base may not be empty".to_owned()),
                    (Some(_), None) => Err("the base has no elements".to_owned()),
                    (Some(own), Some(base)) => self
                        .restricts(&self.s.particles[own.index()], &self.s.particles[base.index()]),
                };
                result.map_err(|reason| ("derivation-ok-restriction.5.4.2", reason))
            }
            (Content::Elements { .. }, _) => {
                fault("derivation-ok-restriction.5.4", "elements, and the base has none")
            }
        }
    }

    /// Clauses 2 to 4: attributes are those of the base, narrowed.
    fn check_attributes(
        &mut self,
        at: At<'d>,
        (own, own_any): (&[AttributeUse], Option<&Wildcard>),
        (base, base_any): (&[AttributeUse], Option<&Wildcard>),
    ) {
        for used in own {
            let name = self.s.text_of(used.name);
            let Some(theirs) = base.iter().find(|theirs| theirs.name == used.name) else {
                let (namespace, _) = self.s.symbols.name(used.name);
                if !base_any.is_some_and(|any| any.namespaces.allows(namespace)) {
                    self.fault(
                        at,
                        "derivation-ok-restriction.2.2",
                        format!("the base has no attribute {name}"),
                    );
                }
                continue;
            };
            if theirs.required && !used.required {
                self.fault(
                    at,
                    "derivation-ok-restriction.2.1.1",
                    format!("the base requires the attribute {name}"),
                );
            }
            if !self.s.derives(used.ty, theirs.ty, DerivationSet::NONE) {
                let message = format!(
                    "the type of the attribute {name} is not derived from that in the base"
                );
                self.fault(at, "derivation-ok-restriction.2.1.2", message);
            }
            if let Some(fixed) = theirs.value.as_ref().filter(|value| value.fixed) {
                let same = used
                    .value
                    .as_ref()
                    .is_some_and(|value| value.fixed && value.value == fixed.value);
                if !same {
                    self.fault(
                        at,
                        "derivation-ok-restriction.2.1.3",
                        format!("the base fixes another value of {name}"),
                    );
                }
            }
        }
        for theirs in base.iter().filter(|theirs| theirs.required) {
            if !own.iter().any(|used| used.name == theirs.name) {
                let name = self.s.text_of(theirs.name);
                self.fault(
                    at,
                    "derivation-ok-restriction.3",
                    format!("the base requires the attribute {name}"),
                );
            }
        }
        let Some(own_any) = own_any else { return };
        let allowed = base_any.is_some_and(|base| {
            own_any.namespaces.is_subset(&base.namespaces) && own_any.process >= base.process
        });
        if !allowed {
            let message = "the wildcard for attributes lets in more than that of the base";
            self.fault(at, "derivation-ok-restriction.4", message);
        }
    }
}
