//! Questions to the component model: by name, about derivation, substitution and the order of particles.

use super::{
    AttributeDecl, AttributeId, ComplexDef, Compositor, Constraint, ConstraintId, Content,
    Derivation, DerivationSet, ElementDecl, ElementId, GroupId, ModelGroup, ModelId, Particle,
    ParticleId, Schemas, SimpleDef, Term, TypeDef, TypeId, UNBOUNDED, Wildcard, WildcardId,
};
use rustc_hash::FxHashMap;

use crate::name::{ExpandedName, Sym};
use crate::xsd::content::Model;

/// The most leaves below a particle that are told.
const SLOTS: usize = 20_000;

/// Indexing by the number of a component. Numbers are only made for components that exist.
macro_rules! index {
    ($($id:ident $field:ident $component:ty;)*) => {$(
        impl std::ops::Index<$id> for Schemas {
            type Output = $component;

            #[inline]
            fn index(&self, id: $id) -> &$component {
                &self.$field[id.index()]
            }
        }
    )*};
}

index! {
    ElementId elements ElementDecl;
    AttributeId attributes AttributeDecl;
    TypeId types TypeDef;
    ParticleId particles Particle;
    GroupId groups ModelGroup;
    WildcardId wildcards Wildcard;
    ModelId models Model;
    ConstraintId constraints Constraint;
}

/// A leaf of a tree of particles, with what the groups around it make of its occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The particle.
    pub particle: ParticleId,
    /// An element or a wildcard.
    pub term: Term,
    /// The least number of times it appears: 0 inside of a choice of several.
    pub min: u32,
    /// The most, or [`UNBOUNDED`].
    pub max: u32,
}

impl Schemas {
    /// A global element by its number in [`Schemas::symbols`].
    #[inline]
    #[must_use]
    pub fn element(&self, name: Sym) -> Option<ElementId> {
        lookup(&self.globals.elements, name).map(ElementId)
    }

    /// A global attribute.
    #[inline]
    #[must_use]
    pub fn attribute(&self, name: Sym) -> Option<AttributeId> {
        lookup(&self.globals.attributes, name).map(AttributeId)
    }

    /// A named type, built-in ones included.
    #[inline]
    #[must_use]
    pub fn type_(&self, name: Sym) -> Option<TypeId> {
        lookup(&self.globals.types, name).map(TypeId)
    }

    /// A named model group.
    #[must_use]
    pub fn group(&self, name: Sym) -> Option<GroupId> {
        lookup(&self.globals.groups, name).map(GroupId)
    }

    /// The number of a name given as text; [`Sym::UNKNOWN`] when no schema has it.
    #[must_use]
    pub fn sym(&self, namespace: &str, local: &str) -> Sym {
        self.symbols.namespace(namespace).map_or(Sym::UNKNOWN, |ns| self.symbols.sym(ns, local))
    }

    /// A global element by name.
    #[must_use]
    pub fn element_named(&self, name: &ExpandedName) -> Option<ElementId> {
        self.element(self.sym(&name.namespace, &name.local))
    }

    /// A type by name.
    #[must_use]
    pub fn type_named(&self, name: &ExpandedName) -> Option<TypeId> {
        self.type_(self.sym(&name.namespace, &name.local))
    }

    /// A name as text, `{namespace}local`.
    #[must_use]
    pub fn text_of(&self, name: Sym) -> String {
        self.symbols.expanded(name).to_string()
    }

    /// What to call a type when speaking of it: its name, or that it has none.
    #[must_use]
    pub fn type_text(&self, ty: TypeId) -> String {
        self[ty].name.map_or_else(|| "an anonymous type".to_owned(), |name| self.text_of(name))
    }

    /// Every global element, in order of reading.
    pub fn global_elements(&self) -> impl Iterator<Item = (ElementId, &ElementDecl)> {
        let all = self.elements.iter().enumerate();
        all.map(|(at, decl)| (ElementId::at(at), decl)).filter(|(_, decl)| decl.global)
    }

    /// Every element declaration, local ones included.
    pub fn all_elements(&self) -> impl Iterator<Item = (ElementId, &ElementDecl)> {
        self.elements.iter().enumerate().map(|(at, decl)| (ElementId::at(at), decl))
    }

    /// Every wildcard, for [`Model::step`].
    #[inline]
    #[must_use]
    pub fn wildcards(&self) -> &[Wildcard] {
        &self.wildcards
    }

    /// Every global attribute, in order of reading.
    pub fn global_attributes(&self) -> impl Iterator<Item = (AttributeId, &AttributeDecl)> {
        let all = self.attributes.iter().enumerate();
        all.map(|(at, decl)| (AttributeId::at(at), decl)).filter(|(_, decl)| decl.global)
    }

    /// Every type, built-in ones first, anonymous ones included.
    pub fn all_types(&self) -> impl Iterator<Item = (TypeId, &TypeDef)> {
        self.types.iter().enumerate().map(|(at, ty)| (TypeId::at(at), ty))
    }

    /// Whether a type is built in.
    #[must_use]
    pub fn is_builtin(&self, ty: TypeId) -> bool {
        ty.index() <= crate::xsd::values::Builtin::ALL.len()
    }

    /// How many elements, types and content models there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.elements.len(), self.types.len(), self.models.len())
    }

    /// A simple type: the type itself or the content of a complex one.
    #[inline]
    #[must_use]
    pub fn simple_content(&self, ty: TypeId) -> Option<&SimpleDef> {
        let def = &self[ty];
        match def.complex() {
            None => def.simple(),
            Some(ComplexDef { content: Content::Simple(simple), .. }) => self[*simple].simple(),
            Some(_) => None,
        }
    }

    /// The types derived from one directly.
    #[must_use]
    pub fn derived_from(&self, ty: TypeId) -> &[TypeId] {
        self.globals.derived.get(ty.index()).map_or(&[], Vec::as_slice)
    }

    /// Every type that an element declared with `ty` may have: itself and what is derived from it at any distance,
    /// abstract ones and what `block` shuts out left out. Anonymous types only when it is the type itself.
    #[must_use]
    pub fn concrete_types(&self, ty: TypeId, block: DerivationSet) -> Vec<TypeId> {
        let block = block.with(self[ty].block);
        let mut found = Vec::new();
        let mut pending = vec![ty];
        while let Some(at) = pending.pop() {
            let def = &self[at];
            if !def.is_abstract && (at == ty || def.name.is_some()) {
                found.push(at);
            }
            let derived = self.derived_from(at).iter().rev();
            pending.extend(derived.filter(|&&t| !block.forbids(self[t].derivation)));
        }
        found
    }

    /// Whether `ty` is `base` or derived from it by ways that are not in `block`
    /// (Type Derivation OK, cos-ct-derived-ok and cos-st-derived-ok).
    #[must_use]
    pub fn derives(&self, ty: TypeId, base: TypeId, block: DerivationSet) -> bool {
        let mut at = ty;
        loop {
            if at == base {
                return true;
            }
            let def = &self[at];
            if at == TypeId::ANY {
                return false;
            }
            if def.simple().is_some() {
                return self.simple_derives(at, base, block);
            }
            if block.forbids(def.derivation) {
                return false;
            }
            at = def.base;
        }
    }

    fn simple_derives(&self, ty: TypeId, base: TypeId, block: DerivationSet) -> bool {
        let mut at = ty;
        while at != base {
            if let Some(simple) = self[base].simple()
                && is_unrestricted(simple)
                && simple.members.iter().any(|&m| self.simple_derives(at, m, block))
            {
                return true;
            }
            let def = &self[at];
            // Lists and unions are derived from the ur-type by restriction as far as this question goes.
            if at == TypeId::ANY || block.has(DerivationSet::RESTRICTION) {
                return false;
            }
            at = def.base;
        }
        true
    }

    /// The first way to derive on the path from `ty` down to `base`, `None` when that is not its base.
    #[must_use]
    pub fn ways(&self, ty: TypeId, base: TypeId) -> Option<DerivationSet> {
        let (mut at, mut ways) = (ty, DerivationSet::NONE);
        while at != base {
            if at == TypeId::ANY {
                return None;
            }
            let def = &self[at];
            ways = ways.with(match def.derivation {
                Derivation::Restriction => DerivationSet::RESTRICTION,
                Derivation::Extension => DerivationSet::EXTENSION,
                Derivation::List => DerivationSet::LIST,
                Derivation::Union => DerivationSet::UNION,
            });
            at = def.base;
        }
        Some(ways)
    }

    /// The elements that may appear where `element` is declared: itself unless abstract, then its substitutes that
    /// are not abstract.
    pub fn substitutes(&self, element: ElementId) -> impl Iterator<Item = ElementId> {
        let members = self[element].members.iter().copied();
        std::iter::once(element).chain(members).filter(|&member| !self[member].is_abstract)
    }

    /// The leaves below a particle in schema order, with effective occurrence: not more than a content model may have.
    #[must_use]
    pub fn slots(&self, particle: ParticleId) -> Vec<Slot> {
        let mut slots = Vec::new();
        self.collect_slots(particle, 1, 1, &mut slots);
        slots
    }

    fn collect_slots(&self, at: ParticleId, min: u32, max: u32, slots: &mut Vec<Slot>) {
        let particle = &self[at];
        let (min, max) = (times(min, particle.min), times(max, particle.max));
        if slots.len() >= SLOTS {
            return;
        }
        let Term::Group(group) = particle.term else {
            slots.push(Slot { particle: at, term: particle.term, min, max });
            return;
        };
        let group = &self[group];
        let choice = group.compositor == Compositor::Choice && group.particles.len() > 1;
        for &inner in &group.particles {
            self.collect_slots(inner, if choice { 0 } else { min }, max, slots);
        }
    }

    /// The particle that its tags surround, of a complex type with element content.
    #[must_use]
    pub fn particle_of(&self, ty: TypeId) -> Option<ParticleId> {
        match self[ty].complex()?.content {
            Content::Elements { particle, .. } => particle,
            _ => None,
        }
    }

    /// How much is at least and at most below a particle, in elements.
    #[must_use]
    pub fn total_range(&self, at: ParticleId) -> (u32, u32) {
        self.range(at, &mut FxHashMap::default())
    }

    /// Each group once, however often it is referred to.
    fn range(&self, at: ParticleId, known: &mut FxHashMap<GroupId, (u32, u32)>) -> (u32, u32) {
        let particle = &self[at];
        let (min, max) = match particle.term {
            Term::Group(id) => match known.get(&id) {
                Some(&range) => range,
                None => {
                    let group = &self[id];
                    let inside = group.particles.iter().map(|&inner| self.range(inner, known));
                    let range = if group.compositor == Compositor::Choice {
                        let widest = inside.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
                        widest.unwrap_or((0, 0))
                    } else {
                        inside.fold((0, 0), |(a, b), (c, d)| (plus(a, c), plus(b, d)))
                    };
                    known.insert(id, range);
                    range
                }
            },
            _ => (1, 1),
        };
        (times(particle.min, min), times(particle.max, max))
    }

    /// Whether nothing at all satisfies a particle.
    #[must_use]
    pub fn is_emptiable(&self, at: ParticleId) -> bool {
        self.total_range(at).0 == 0
    }
}

/// A union that was not restricted by facets of its own.
fn is_unrestricted(simple: &SimpleDef) -> bool {
    simple.compiled.facets.patterns.is_empty() && simple.compiled.facets.enumeration.is_none()
}

fn lookup(table: &[u32], name: Sym) -> Option<u32> {
    table.get(name.index()).copied().filter(|&id| id != u32::MAX)
}

/// Occurrence inside of occurrence; unbounded times nothing is nothing.
pub(crate) fn times(a: u32, b: u32) -> u32 {
    match (a, b) {
        (0, _) | (_, 0) => 0,
        (UNBOUNDED, _) | (_, UNBOUNDED) => UNBOUNDED,
        // Stops below `UNBOUNDED`, which means something else.
        _ => a.saturating_mul(b).min(UNBOUNDED - 1),
    }
}

fn plus(a: u32, b: u32) -> u32 {
    match (a, b) {
        (UNBOUNDED, _) | (_, UNBOUNDED) => UNBOUNDED,
        _ => a.saturating_add(b).min(UNBOUNDED - 1),
    }
}
