//! Complex types: what they inherit, what they add or narrow.

use rustc_hash::FxHashSet;

use super::attributes::AttributeSet;
use super::definitions::derivation_set;
use super::{At, Compiler, TypeState};
use crate::xsd::model::{
    AttributeUse, ComplexDef, Content, Derivation, DerivationSet, ModelId, ParticleId, Process,
    TypeId, TypeKind, Wildcard,
};

/// The most attributes of all types together, inherited ones counted again.
const USES: usize = 2_000_000;

/// The content that a type spells out itself.
struct Explicit {
    particle: Option<ParticleId>,
    mixed: bool,
}

impl<'d> Compiler<'_, 'd> {
    /// Reads a type, after all its bases.
    pub(super) fn ensure_type(&mut self, id: TypeId) {
        let (mut chain, mut seen) = (Vec::new(), FxHashSet::default());
        let mut next = Some(id);
        while let Some(at) = next {
            let TypeState::Raw(node, def) = self.type_states[at.index()] else { break };
            if !seen.insert(at) {
                let message = format!("{} is derived from itself", self.s.type_text(at));
                self.fault(node, "ct-props-correct.3", message);
                for ty in chain {
                    self.type_states[TypeId::index(ty)] = TypeState::Done;
                }
                return;
            }
            chain.push(at);
            let complex = self.s.types[at.index()].complex().is_some();
            next = if complex { self.peek_base(node, def) } else { None };
        }
        while let Some(at) = chain.pop() {
            if self.s.types[at.index()].simple().is_some() {
                self.ensure_simple(at, 0);
            } else if let TypeState::Raw(node, def) = self.type_states[at.index()] {
                self.type_states[at.index()] = TypeState::Busy;
                self.read_complex(at, node, def);
                self.type_states[at.index()] = TypeState::Done;
            }
        }
    }

    /// The base that a type names, without any complaint.
    fn peek_base(&mut self, at: At<'d>, def: Option<usize>) -> Option<TypeId> {
        let content = at.named("simpleContent").or_else(|| at.named("complexContent"))?;
        let derivation = content.children().next()?;
        let faults = self.faults.len();
        let redefines = def.filter(|&def| self.defs[def].original.is_some());
        self.redefining.extend(redefines);
        let base = self.resolve_type(derivation, derivation.attribute("base")?);
        if redefines.is_some() {
            self.redefining.pop();
        }
        self.faults.truncate(faults);
        base
    }

    fn read_complex(&mut self, id: TypeId, at: At<'d>, def: Option<usize>) {
        let scope = &self.scopes[at.entry];
        let ways = DerivationSet::EXTENSION.with(DerivationSet::RESTRICTION);
        let block = at.attribute("block").map_or(scope.block, derivation_set).within(ways);
        let final_ = at.attribute("final").map_or(scope.final_, derivation_set).within(ways);
        let ty = &mut self.s.types[id.index()];
        (ty.is_abstract, ty.block, ty.final_) = (at.flag("abstract"), block, final_);
        let redefines = def.filter(|&def| self.defs[def].original.is_some());
        self.redefining.extend(redefines);
        let made = if let Some(content) = at.named("simpleContent") {
            self.simple_content(id, content)
        } else if let Some(content) = at.named("complexContent") {
            let mixed =
                content.attribute("mixed").map_or(at.flag("mixed"), |_| content.flag("mixed"));
            self.complex_content(id, content, mixed)
        } else {
            let explicit = self.explicit(at, at.flag("mixed"));
            let set = self.attributes(at, 0);
            let def = self.assemble(at, content_of(explicit), set, Vec::new(), None, None);
            Some((TypeId::ANY, Derivation::Restriction, def))
        };
        if redefines.is_some() {
            self.redefining.pop();
        }
        if let Some((base, derivation, complex)) = made
            && self.built_on(at, id, &[base])
        {
            let ty = &mut self.s.types[id.index()];
            (ty.base, ty.derivation) = (base, derivation);
            ty.kind = TypeKind::Complex(complex);
            self.pending.derived.push((id, at));
        }
        if redefines.is_some() {
            self.check_redefined_base(id, at, def);
        }
    }

    /// The base of a derivation, read; a fault when there is none.
    fn base(&mut self, id: TypeId, at: At<'d>) -> Option<TypeId> {
        let base = self.resolve_type(at, at.attribute("base")?)?;
        if base == id || matches!(self.type_states[base.index()], TypeState::Busy) {
            // Said already by whoever followed the chain.
            return None;
        }
        self.ensure_type(base);
        Some(base)
    }

    fn simple_content(
        &mut self,
        id: TypeId,
        at: At<'d>,
    ) -> Option<(TypeId, Derivation, ComplexDef)> {
        let inner = at.children().find(|c| c.is("restriction") || c.is("extension"))?;
        let base = self.base(id, inner)?;
        let ty = &self.s.types[base.index()];
        let extension = inner.is("extension");
        let content = match &ty.kind {
            TypeKind::Simple(_) if extension => base,
            TypeKind::Complex(ComplexDef { content: Content::Simple(simple), .. }) => *simple,
            TypeKind::Complex(ComplexDef {
                content: Content::Elements { particle, mixed: true, .. },
                ..
            }) if !extension && inner.named("simpleType").is_some() => {
                let particle = *particle;
                if particle.is_some_and(|particle| !self.s.is_emptiable(particle)) {
                    self.fault(inner, "src-ct.2", "the mixed content of the base may not be empty");
                    return None;
                }
                TypeId::ANY_SIMPLE
            }
            _ => {
                let message = format!("{} has no simple content", self.s.type_text(base));
                self.fault(inner, "src-ct.2", message);
                return None;
            }
        };
        let content = if extension { content } else { self.narrowed_content(inner, content) };
        let set = self.attributes(inner, 0);
        let derivation = if extension { Derivation::Extension } else { Derivation::Restriction };
        let (uses, wildcard) = self.inherited(inner, base, derivation, &set);
        let def = self.assemble(inner, Content::Simple(content), set, uses, wildcard, None);
        Some((base, derivation, def))
    }

    /// The simple type of a restriction's content: of its own or the base's, narrowed by its facets.
    fn narrowed_content(&mut self, at: At<'d>, base: TypeId) -> TypeId {
        let own = at.named("simpleType").map(|inner| self.inner_simple(inner, 0));
        if let Some(own) = own
            && base != TypeId::ANY_SIMPLE
            && !self.s.derives(own, base, DerivationSet::NONE)
        {
            self.fault(
                at,
                "derivation-ok-restriction.5.2",
                "the simple type is not derived from that of the base",
            );
        }
        let from = own.unwrap_or(base);
        let simple = self.restricted(at, from);
        let (place, notes) = (self.place(at), self.notes(at));
        let mut ty = self.s.types[from.index()].clone();
        (ty.name, ty.base, ty.derivation) = (None, from, Derivation::Restriction);
        (ty.place, ty.notes, ty.owner) = (place, notes, None);
        ty.kind = TypeKind::Simple(simple);
        self.s.types.push(ty);
        self.type_states.push(TypeState::Done);
        TypeId::at(self.s.types.len() - 1)
    }

    fn complex_content(
        &mut self,
        id: TypeId,
        at: At<'d>,
        mixed: bool,
    ) -> Option<(TypeId, Derivation, ComplexDef)> {
        let inner = at.children().find(|c| c.is("restriction") || c.is("extension"))?;
        let base = self.base(id, inner)?;
        let Some(base_def) = self.s.types[base.index()].complex().cloned() else {
            let message = format!("{} is no complex type", self.s.type_text(base));
            self.fault(inner, "src-ct.1", message);
            return None;
        };
        let redefining = std::mem::take(&mut self.redefining);
        let explicit = self.explicit(inner, mixed);
        let set = self.attributes(inner, 0);
        self.redefining = redefining;
        let extension = inner.is("extension");
        let derivation = if extension { Derivation::Extension } else { Derivation::Restriction };
        let added = explicit.particle.filter(|_| extension);
        let content = if extension {
            self.extended(inner, &base_def.content, explicit)
        } else {
            content_of(explicit)
        };
        let (uses, wildcard) = self.inherited(inner, base, derivation, &set);
        let def = self.assemble(inner, content, set, uses, wildcard, added);
        Some((base, derivation, def))
    }

    /// What a type adds, behind what its base has (cos-ct-extends.1.4).
    fn extended(&mut self, at: At<'d>, base: &Content, own: Explicit) -> Content {
        let (base_particle, base_mixed) = match base {
            Content::Empty => return content_of(own),
            Content::Simple(_) => {
                if own.particle.is_some() || own.mixed {
                    self.fault(
                        at,
                        "cos-ct-extends.1.4",
                        "a type with simple content cannot be extended by elements",
                    );
                }
                return base.clone();
            }
            Content::Elements { particle, mixed, .. } => (*particle, *mixed),
        };
        if own.particle.is_none() && !own.mixed {
            return base.clone();
        }
        if own.mixed != base_mixed {
            let message = "an extension has to be mixed exactly if its base is";
            self.fault(at, "cos-ct-extends.1.4.3.2.2.1", message);
        }
        let particle = match (base_particle, own.particle) {
            (Some(base), Some(own)) => {
                if self.is_all(base) || self.is_all(own) {
                    self.fault(
                        at,
                        "cos-all-limited.1.2",
                        "an all group has to be the whole of a content",
                    );
                }
                Some(self.sequence_of(at, vec![base, own]))
            }
            (base, own) => base.or(own),
        };
        Content::Elements { particle, mixed: base_mixed, model: ModelId(0) }
    }

    /// The group that a type spells out (3.4.2, explicit and effective content).
    fn explicit(&mut self, at: At<'d>, mixed: bool) -> Explicit {
        let group = at
            .children()
            .find(|c| matches!(c.node.tag_name().name(), "group" | "all" | "choice" | "sequence"));
        let Some(group) = group else { return Explicit { particle: None, mixed } };
        let childless = group.children().next().is_none();
        let nothing = match group.node.tag_name().name() {
            "all" | "sequence" => childless,
            "choice" => childless && matches!(group.attribute("minOccurs"), Some("0")),
            _ => false,
        };
        let particle = self.particle(group);
        Explicit { particle: particle.filter(|_| !nothing), mixed }
    }

    /// What comes from the base: its uses that are not replaced, and the wildcard.
    fn inherited(
        &mut self,
        at: At<'d>,
        base: TypeId,
        derivation: Derivation,
        own: &AttributeSet,
    ) -> (Vec<AttributeUse>, Option<Wildcard>) {
        let Some(base) = self.s.types[base.index()].complex() else {
            return (Vec::new(), own.wildcard.clone());
        };
        let theirs = base.any_attribute.map(|id| self.s.wildcards[id.index()].clone());
        let mut uses = base.attributes.clone();
        if derivation == Derivation::Restriction {
            uses.retain(|used| {
                !own.prohibited.contains(&used.name) && own.uses.iter().all(|o| o.name != used.name)
            });
            return (uses, own.wildcard.clone());
        }
        for own in &own.uses {
            if uses.iter().any(|used| used.name == own.name) {
                let message =
                    format!("the base has an attribute {} already", self.s.text_of(own.name));
                self.fault(at, "ct-props-correct.4", message);
            }
        }
        uses.retain(|used| own.uses.iter().all(|o| o.name != used.name));
        let wildcard = match (&own.wildcard, theirs) {
            (Some(own), Some(theirs)) => match own.namespaces.union(&theirs.namespaces) {
                Some(namespaces) => Some(Wildcard { namespaces, ..own.clone() }),
                None => {
                    self.fault(
                        at,
                        "src-ct.5",
                        "what the wildcards for attributes let in together cannot be expressed",
                    );
                    Some(own.clone())
                }
            },
            (Some(own), None) => Some(own.clone()),
            (None, theirs) => theirs,
        };
        (uses, wildcard)
    }

    fn assemble(
        &mut self,
        at: At<'d>,
        content: Content,
        own: AttributeSet,
        mut uses: Vec<AttributeUse>,
        inherited: Option<Wildcard>,
        added: Option<ParticleId>,
    ) -> ComplexDef {
        uses.extend(own.uses);
        self.uses += uses.len();
        if self.uses > USES {
            self.fault(at, "limit", format!("attributes of all types: more than {USES}"));
            uses.clear();
        }
        let wildcard = inherited.or(own.wildcard);
        debug_assert!(wildcard.as_ref().is_none_or(|w| w.process >= Process::Skip));
        let any_attribute = wildcard.map(|wildcard| self.keep_wildcard(wildcard));
        ComplexDef { content, attributes: uses, any_attribute, added }
    }

    /// Whether a particle is an `all` group, by name or not.
    pub(super) fn is_all(&self, particle: ParticleId) -> bool {
        use crate::xsd::model::{Compositor, Term};
        match self.s.particles[particle.index()].term {
            Term::Group(group) => self.s.groups[group.index()].compositor == Compositor::All,
            _ => false,
        }
    }
}

fn content_of(explicit: Explicit) -> Content {
    match explicit {
        Explicit { particle: None, mixed: false } => Content::Empty,
        Explicit { particle, mixed } => Content::Elements { particle, mixed, model: ModelId(0) },
    }
}
