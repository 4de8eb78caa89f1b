//! What can only be done when every definition has been read.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{At, CHAIN, Compiler};
use crate::fault::{Fault, FaultKind};
use crate::name::Sym;
use crate::xsd::content::{self, Source};
use crate::xsd::model::{
    ComplexDef, Content, DerivationSet, ElementId, ModelId, ParticleId, Term, TypeDef, TypeId,
    TypeKind,
};
use crate::xsd::values::Builtin;

/// The most pairs of an element and one that may stand for it.
const MEMBERS: usize = 1_000_000;

/// The most steps of all content models together.
const STEPS: usize = 8_000_000;

impl<'d> Compiler<'_, 'd> {
    pub(super) fn finish(&mut self) {
        self.check_all_groups();
        self.types_from_heads();
        self.complete_uses();
        self.note_derived();
        self.join_substitutes();
        self.join_keyrefs();
        self.check_values();
        self.check_declared();
        self.check_derivations();
        self.build_models();
    }

    /// A group that contains itself has no end.
    pub(super) fn break_group_cycles(&mut self) {
        // 0: not seen, 1: around what is looked at, 2: done.
        let mut colours = vec![0u8; self.s.groups.len()];
        // Groups inside each other, below each.
        let mut heights = vec![0usize; self.s.groups.len()];
        let places: FxHashMap<ParticleId, At<'d>> =
            self.pending.group_refs.iter().copied().collect();
        for start in 0..self.s.groups.len() {
            if colours[start] != 0 {
                continue;
            }
            let mut stack = vec![(start, 0usize)];
            colours[start] = 1;
            while let Some(&mut (group, ref mut next)) = stack.last_mut() {
                let Some(&particle) = self.s.groups[group].particles.get(*next) else {
                    colours[group] = 2;
                    stack.pop();
                    continue;
                };
                let Term::Group(inner) = self.s.particles[particle.index()].term else {
                    *next += 1;
                    continue;
                };
                if colours[inner.index()] == 2 {
                    *next += 1;
                    heights[group] = heights[group].max(heights[inner.index()] + 1);
                    if heights[group] > CHAIN {
                        // Cut here, so that whoever goes down into it comes back.
                        self.s.groups[group].particles.truncate(*next - 1);
                        heights[group] = 0;
                        let at = places.get(&particle).copied();
                        self.too_deep(at);
                    }
                    continue;
                }
                *next += 1;
                // Come back to it when it is done.
                *next -= 1;
                if colours[inner.index()] == 0 {
                    colours[inner.index()] = 1;
                    stack.push((inner.index(), 0));
                } else {
                    let at = *next;
                    self.s.groups[group].particles.remove(at);
                    if let Some(&at) = places.get(&particle) {
                        self.fault(at, "mg-props-correct.2", "a group that contains itself");
                    }
                }
            }
        }
    }

    fn too_deep(&mut self, at: Option<At<'d>>) {
        let message = format!("groups inside each other: more than {CHAIN}");
        match at.or_else(|| self.pending.group_refs.first().map(|(_, at)| *at)) {
            Some(at) => self.fault(at, "limit", message),
            None => self.faults.push(Fault::new(FaultKind::Limit, message)),
        }
    }

    /// An `all` group may only be the whole of a content, and only once (cos-all-limited).
    fn check_all_groups(&mut self) {
        let places: FxHashMap<ParticleId, At<'d>> =
            self.pending.group_refs.iter().copied().collect();
        let mut nested: Vec<ParticleId> = Vec::new();
        for group in &self.s.groups {
            let inner = group.particles.iter().copied().filter(|&p| self.is_all(p));
            // The sequences that we put around bases have been looked at.
            nested.extend(inner.filter(|particle| places.contains_key(particle)));
        }
        nested.sort();
        nested.dedup();
        for particle in nested {
            self.fault(
                places[&particle],
                "cos-all-limited.1.2",
                "an all group has to be the whole of a content",
            );
        }
        for (particle, at) in self.pending.group_refs.clone() {
            if self.is_all(particle) && self.s.particles[particle.index()].max > 1 {
                self.fault(at, "cos-all-limited.1.2", "an all group may occur once");
            }
        }
    }

    /// An element without a type has that of the head of its substitution group.
    fn types_from_heads(&mut self) {
        let untyped: FxHashSet<ElementId> = self
            .pending
            .heads
            .iter()
            .filter(|(.., at)| {
                let inside = at.named("simpleType").or_else(|| at.named("complexType"));
                at.attribute("type").is_none() && inside.is_none()
            })
            .map(|(id, ..)| *id)
            .collect();
        for (id, _, at) in self.pending.heads.clone() {
            let (mut above, mut hops) = (id, 0);
            while untyped.contains(&above) && hops <= CHAIN {
                let Some(head) = self.s.elements[above.index()].head else { break };
                above = head;
                hops += 1;
            }
            if above != id && hops <= CHAIN {
                self.s.elements[id.index()].ty = self.s.elements[above.index()].ty;
            } else if hops > CHAIN {
                let message =
                    "a substitution group that goes round in a circle, or on for too long";
                self.fault(at, "e-props-correct.6", message);
                self.s.elements[id.index()].head = None;
            }
        }
    }

    fn note_derived(&mut self) {
        let mut derived = vec![Vec::new(); self.s.types.len()];
        for (at, ty) in self.s.types.iter().enumerate() {
            if ty.base.index() != at {
                derived[ty.base.index()].push(TypeId::at(at));
            }
        }
        self.s.globals.derived = derived;
    }

    /// Who may stand for whom.
    fn join_substitutes(&mut self) {
        let mut members = 0;
        for (id, head_name, at) in self.pending.heads.clone() {
            let Some(head) = self.s.elements[id.index()].head else { continue };
            let (ty, head_ty) = (self.s.elements[id.index()].ty, self.s.elements[head.index()].ty);
            let final_ = self.s.elements[head.index()].final_;
            if !self.s.derives(ty, head_ty, final_) {
                let message = format!(
                    "its type {} is not derived from that of {} in a way that this allows",
                    self.s.type_text(ty),
                    self.s.text_of(head_name)
                );
                self.fault(at, "e-props-correct.4", message);
            }
            let (mut above, mut seen) = (Some(head), FxHashSet::default());
            while let Some(head) = above {
                if head == id || !seen.insert(head) {
                    self.fault(
                        at,
                        "e-props-correct.6",
                        "a substitution group that goes round in a circle",
                    );
                    break;
                }
                if self.may_substitute(id, head) {
                    self.s.elements[head.index()].members.push(id);
                    members += 1;
                }
                if members > MEMBERS {
                    self.fault(
                        at,
                        "limit",
                        format!("elements that stand for others: more than {MEMBERS}"),
                    );
                    return;
                }
                above = self.s.elements[head.index()].head;
            }
        }
    }

    /// Substitution Group OK (Transitive), cos-equiv-derived-ok-rec.
    fn may_substitute(&self, member: ElementId, head: ElementId) -> bool {
        let head = &self.s.elements[head.index()];
        if head.block.has(DerivationSet::SUBSTITUTION) {
            return false;
        }
        let (mut at, mut ways) = (self.s.elements[member.index()].ty, DerivationSet::NONE);
        let mut block = head.block.with(self.s.types[head.ty.index()].block);
        while at != head.ty && at != TypeId::ANY {
            let ty = &self.s.types[at.index()];
            if ty.simple().is_some() {
                ways = ways.with(DerivationSet::RESTRICTION);
                break;
            }
            ways = ways.with(match ty.derivation {
                crate::xsd::model::Derivation::Extension => DerivationSet::EXTENSION,
                _ => DerivationSet::RESTRICTION,
            });
            at = ty.base;
            if at != head.ty {
                block = block.with(self.s.types[at.index()].block);
            }
        }
        ways.within(block).is_empty()
    }

    /// What a use of an attribute takes over from its declaration.
    fn complete_uses(&mut self) {
        for at in 0..self.s.types.len() {
            let TypeKind::Complex(complex) = &mut self.s.types[at].kind else { continue };
            for used in &mut complex.attributes {
                let declaration = &self.s.attributes[used.attribute.index()];
                used.ty = declaration.ty;
                if used.value.is_none() {
                    used.value.clone_from(&declaration.value);
                }
            }
        }
    }

    /// What may not be said of a type where it is used.
    fn check_declared(&mut self) {
        for (ty, at) in std::mem::take(&mut self.pending.declared) {
            self.check_usable(at, ty);
        }
        for (ty, at) in self.pending.derived.clone() {
            let Some(complex) = self.s.types[ty.index()].complex() else { continue };
            let ids = complex.attributes.iter().filter(|used| self.is_id(used.ty)).count();
            if ids > 1 {
                self.fault(at, "ct-props-correct.5", "more than one attribute of type xs:ID");
            }
        }
    }

    pub(super) fn is_id(&self, ty: TypeId) -> bool {
        let simple = self.s.simple_content(ty);
        simple.is_some_and(|simple| simple.compiled.builtin == Builtin::Id)
    }

    /// Compiles the content of every complex type, each tree of particles once.
    fn build_models(&mut self) {
        let places: FxHashMap<TypeId, At<'d>> = self.pending.derived.iter().copied().collect();
        let mut known: FxHashMap<Option<ParticleId>, ModelId> = FxHashMap::default();
        for at in 0..self.s.types.len() {
            let TypeDef {
                kind:
                    TypeKind::Complex(ComplexDef {
                        content: Content::Elements { particle, .. }, ..
                    }),
                ..
            } = &self.s.types[at]
            else {
                continue;
            };
            let particle = *particle;
            let id = known.get(&particle).copied().unwrap_or_else(|| {
                let place = places.get(&TypeId::at(at)).copied();
                self.build_model(particle, place)
            });
            known.insert(particle, id);
            if let TypeKind::Complex(ComplexDef {
                content: Content::Elements { model, .. }, ..
            }) = &mut self.s.types[at].kind
            {
                *model = id;
            }
        }
    }

    fn build_model(&mut self, particle: Option<ParticleId>, at: Option<At<'d>>) -> ModelId {
        let source = Source {
            particles: &self.s.particles,
            groups: &self.s.groups,
            elements: &self.s.elements,
            wildcards: &self.s.wildcards,
        };
        let built = content::build(source, particle);
        let (model, conflicts) = match built {
            Ok(built) => built,
            Err(reason) => {
                if let Some(at) = at {
                    self.fault(at, "limit", reason);
                }
                content::Model::anything()
            }
        };
        self.steps += model.steps();
        let model = if self.steps > STEPS {
            if let Some(at) = at {
                self.fault(at, "limit", format!("steps of all content models: more than {STEPS}"));
            }
            content::Model::anything().0
        } else {
            model
        };
        self.s.models.push(model);
        let id = ModelId::at(self.s.models.len() - 1);
        if let Some(at) = at {
            if let Some(conflict) = conflicts.first() {
                let text = |p: ParticleId| self.particle_text(p);
                let message = format!(
                    "an element could belong to {} or to {}",
                    text(conflict.one),
                    text(conflict.other)
                );
                self.tolerated(at, "cos-nonambig", message);
            }
            if let Some(particle) = particle {
                self.check_consistent(particle, at);
            }
        }
        id
    }

    fn particle_text(&self, particle: ParticleId) -> String {
        match self.s.particles[particle.index()].term {
            Term::Element(element) => self.s.text_of(self.s.elements[element.index()].name),
            Term::Any(_) => "a wildcard".to_owned(),
            Term::Group(_) => "a group".to_owned(),
        }
    }

    /// Elements of one name in one content have one type (cos-element-consistent).
    fn check_consistent(&mut self, particle: ParticleId, at: At<'d>) {
        let mut types: FxHashMap<Sym, (TypeId, bool)> = FxHashMap::default();
        let (mut pending, mut seen) = (vec![particle], FxHashSet::default());
        let mut elements = Vec::new();
        while let Some(particle) = pending.pop() {
            match self.s.particles[particle.index()].term {
                Term::Element(id) => {
                    elements.push(id);
                    elements.extend(self.s.elements[id.index()].members.iter().copied());
                }
                Term::Group(group) if seen.insert(group) => {
                    pending.extend(&self.s.groups[group.index()].particles);
                }
                _ => {}
            }
        }
        for id in elements {
            let element = &self.s.elements[id.index()];
            let (name, ty) = (element.name, element.ty);
            let (known, said) = types.entry(name).or_insert((ty, false));
            if *known != ty && !*said {
                *said = true;
                let message = format!("two elements {} of different types", self.s.text_of(name));
                self.fault(at, "cos-element-consistent", message);
            }
        }
    }
}
