//! The types that are always there: `xs:anyType` and the built-in simple ones.

use super::definitions::set;
use super::{Compiler, TypeState};
use crate::fault::Place;
use crate::name::NsId;
use crate::xsd::model::{
    ComplexDef, Compositor, Content, Derivation, DerivationSet, GroupId, IdKind, ModelGroup,
    ModelId, NamespaceSet, Notes, Particle, ParticleId, Process, SimpleDef, Term, TypeDef, TypeId,
    TypeKind, UNBOUNDED, Wildcard, WildcardId,
};
use crate::xsd::values::{Builtin, SimpleType};

impl Compiler<'_, '_> {
    pub(super) fn add_builtins(&mut self) {
        let any = self.any_type();
        self.add_builtin("anyType", TypeId::ANY, Derivation::Restriction, any);
        for &builtin in Builtin::ALL {
            let compiled = SimpleType::builtin(builtin);
            let (base, derivation) = match builtin {
                Builtin::AnySimpleType => (TypeId::ANY, Derivation::Restriction),
                _ if builtin.list_item().is_some() => (TypeId::ANY_SIMPLE, Derivation::List),
                _ => (builtin_id(builtin.base()), Derivation::Restriction),
            };
            let id = match builtin {
                Builtin::Id => IdKind::Id,
                Builtin::IdRef => IdKind::Reference,
                Builtin::IdRefs => IdKind::References,
                _ => IdKind::None,
            };
            let simple = SimpleDef {
                compiled,
                item: builtin.list_item().map(builtin_id),
                members: Vec::new(),
                id,
            };
            self.add_builtin(builtin.name(), base, derivation, TypeKind::Simple(simple));
        }
    }

    fn add_builtin(&mut self, name: &str, base: TypeId, derivation: Derivation, kind: TypeKind) {
        let name = self.s.symbols.add(NsId::XSD, name);
        let id = TypeId::at(self.s.types.len());
        self.s.types.push(TypeDef {
            name: Some(name),
            base,
            derivation,
            is_abstract: false,
            block: DerivationSet::NONE,
            final_: DerivationSet::NONE,
            kind,
            owner: None,
            place: Place::default(),
            notes: Notes::default(),
        });
        self.type_states.push(TypeState::Done);
        set(&mut self.s.globals.types, name, id.0);
    }

    /// Any attributes, any elements, any text.
    fn any_type(&mut self) -> TypeKind {
        let wildcard = || Wildcard {
            namespaces: NamespaceSet::Any,
            process: Process::Lax,
            place: Place::default(),
        };
        self.s.wildcards.extend([wildcard(), wildcard()]);
        let term = Term::Any(WildcardId(0));
        self.s.particles.push(Particle { min: 0, max: UNBOUNDED, term });
        self.s.groups.push(ModelGroup {
            compositor: Compositor::Sequence,
            particles: vec![ParticleId(0)],
            name: None,
            place: Place::default(),
        });
        let term = Term::Group(GroupId(0));
        self.s.particles.push(Particle { min: 1, max: 1, term });
        TypeKind::Complex(ComplexDef {
            content: Content::Elements {
                particle: Some(ParticleId(1)),
                mixed: true,
                model: ModelId(0),
            },
            attributes: Vec::new(),
            any_attribute: Some(WildcardId(1)),
            added: None,
        })
    }
}

/// The number of a built-in simple type.
pub(in crate::xsd) fn builtin_id(builtin: Builtin) -> TypeId {
    TypeId::at(builtin as usize + 1)
}
