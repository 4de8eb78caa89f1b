//! Simple types: restriction, list and union; facets are checked by [`SimpleType`] itself.

use std::sync::Arc;

use super::builtins::builtin_id;
use super::definitions::{Kind, derivation_set};
use super::names::NodeScope;
use super::{At, CHAIN, Compiler, TypeState};
use crate::xsd::model::{Derivation, IdKind, SimpleDef, TypeId, TypeKind};
use crate::xsd::values::{Builtin, FacetKind, RawFacet, SimpleType, Value, Variety};

impl<'d> Compiler<'_, 'd> {
    /// Reads a simple type, after those that it is made of.
    pub(super) fn ensure_simple(&mut self, id: TypeId, depth: usize) {
        let TypeState::Raw(at, def) = self.type_states[id.index()] else { return };
        if depth > CHAIN {
            self.fault(
                at,
                "st-props-correct",
                format!("simple types made of each other: more than {CHAIN}"),
            );
            self.type_states[id.index()] = TypeState::Done;
            return;
        }
        self.type_states[id.index()] = TypeState::Busy;
        let redefines = def.filter(|&def| self.defs[def].original.is_some());
        self.redefining.extend(redefines);
        let scope_final = self.scopes[at.entry].final_;
        let final_ = at.attribute("final").map_or(scope_final, derivation_set);
        self.s.types[id.index()].final_ = final_;
        if let Some(child) = at.children().next() {
            let made = match child.node.tag_name().name() {
                "list" => self.list(child, depth),
                "union" => self.union(child, depth),
                _ => self.simple_restriction(id, child, depth),
            };
            if let Some((base, derivation, simple)) = made
                && self.built_on(
                    at,
                    id,
                    &[&[base][..], simple.item.as_slice(), &simple.members].concat(),
                )
            {
                let ty = &mut self.s.types[id.index()];
                (ty.base, ty.derivation) = (base, derivation);
                ty.kind = TypeKind::Simple(simple);
                self.check_final(child, base, derivation);
            }
        }
        if redefines.is_some() {
            self.redefining.pop();
            self.check_redefined_base(id, at, def);
        }
        self.type_states[id.index()] = TypeState::Done;
    }

    /// An anonymous simple type inside an element, an attribute or another simple type.
    pub(super) fn inner_simple(&mut self, at: At<'d>, depth: usize) -> TypeId {
        let id = self.empty_type(None, at, None, None);
        self.ensure_simple(id, depth);
        id
    }

    /// A simple type by name, read.
    pub(super) fn simple_by_name(
        &mut self,
        at: At<'d>,
        text: &str,
        depth: usize,
    ) -> Option<TypeId> {
        let id = self.resolve_type(at, text)?;
        if self.s.types[id.index()].simple().is_none() {
            let message = format!("{} is no simple type", self.s.type_text(id));
            self.fault(at, "st-props-correct.1", message);
            return None;
        }
        if matches!(self.type_states[id.index()], TypeState::Busy) {
            let message = format!("{} is made of itself", self.s.type_text(id));
            self.fault(at, "st-props-correct.2", message);
            return None;
        }
        self.ensure_simple(id, depth);
        Some(id)
    }

    fn compiled(&self, id: TypeId) -> Arc<SimpleType> {
        let simple = self.s.types[id.index()].simple();
        simple.map_or_else(
            || SimpleType::builtin(Builtin::AnySimpleType),
            |s| Arc::clone(&s.compiled),
        )
    }

    fn id_kind(&self, id: TypeId) -> IdKind {
        self.s.types[id.index()].simple().map_or(IdKind::None, |simple| simple.id)
    }

    fn list(&mut self, at: At<'d>, depth: usize) -> Option<(TypeId, Derivation, SimpleDef)> {
        let item = match (at.attribute("itemType"), at.named("simpleType")) {
            (Some(name), _) => self.simple_by_name(at, name, depth + 1)?,
            (None, Some(inner)) => self.inner_simple(inner, depth + 1),
            (None, None) => return None,
        };
        let compiled = self.compiled(item);
        if item == TypeId::ANY_SIMPLE || holds_list(&compiled) {
            self.fault(at, "cos-st-restricts.2.1", "the items of a list have to be atomic");
            return None;
        }
        self.check_final(at, item, Derivation::List);
        let id = match self.id_kind(item) {
            IdKind::Reference => IdKind::References,
            IdKind::None => IdKind::None,
            _ => IdKind::Mixed,
        };
        let compiled = Arc::new(SimpleType::list(&compiled));
        let simple = SimpleDef { compiled, item: Some(item), members: Vec::new(), id };
        Some((TypeId::ANY_SIMPLE, Derivation::List, simple))
    }

    fn union(&mut self, at: At<'d>, depth: usize) -> Option<(TypeId, Derivation, SimpleDef)> {
        let mut members = Vec::new();
        for name in at.attribute("memberTypes").unwrap_or_default().split_ascii_whitespace() {
            members.extend(self.simple_by_name(at, name, depth + 1));
        }
        for inner in at.children().filter(|child| child.is("simpleType")) {
            members.push(self.inner_simple(inner, depth + 1));
        }
        for &member in &members {
            self.check_final(at, member, Derivation::Union);
        }
        let compiled = members.iter().map(|&member| self.compiled(member)).collect();
        let mixed = members.iter().any(|&member| self.id_kind(member) != IdKind::None);
        let simple = SimpleDef {
            compiled: Arc::new(SimpleType::union(compiled)),
            item: None,
            members,
            id: if mixed { IdKind::Mixed } else { IdKind::None },
        };
        Some((TypeId::ANY_SIMPLE, Derivation::Union, simple))
    }

    fn simple_restriction(
        &mut self,
        id: TypeId,
        at: At<'d>,
        depth: usize,
    ) -> Option<(TypeId, Derivation, SimpleDef)> {
        let base = match (at.attribute("base"), at.named("simpleType")) {
            (Some(name), _) => self.simple_by_name(at, name, depth + 1)?,
            (None, Some(inner)) => self.inner_simple(inner, depth + 1),
            (None, None) => return None,
        };
        if base == TypeId::ANY_SIMPLE {
            self.fault(
                at,
                "st-props-correct.1",
                "nothing of our own may be derived from xs:anySimpleType by restriction",
            );
            return None;
        }
        debug_assert_ne!(id, base);
        let simple = self.restricted(at, base);
        Some((base, Derivation::Restriction, simple))
    }

    /// A simple type with the facets below a node.
    pub(super) fn restricted(&mut self, at: At<'d>, base: TypeId) -> SimpleDef {
        let nodes: Vec<(At<'d>, FacetKind)> = at
            .children()
            .filter_map(|child| Some((child, FacetKind::by_name(child.node.tag_name().name())?)))
            .collect();
        let scopes: Vec<NodeScope<'d>> = nodes.iter().map(|(at, _)| NodeScope(at.node)).collect();
        let raw: Vec<RawFacet<'_>> = nodes
            .iter()
            .zip(&scopes)
            .map(|((facet, kind), scope)| RawFacet {
                kind: *kind,
                value: facet.node.attribute("value").unwrap_or_default(),
                fixed: facet.flag("fixed"),
                scope,
            })
            .collect();
        let (compiled, faults) = SimpleType::restrict(&self.compiled(base), &raw);
        for fault in faults {
            let at = fault.index.and_then(|index| nodes.get(index)).map_or(at, |(at, _)| *at);
            self.fault(at, "st-restrict-facets", fault.to_string());
        }
        if compiled.builtin == Builtin::Notation {
            self.check_notations(at, &compiled);
        }
        let from = self.s.types[base.index()].simple();
        SimpleDef {
            compiled: Arc::new(compiled),
            item: from.and_then(|simple| simple.item),
            members: from.map(|simple| simple.members.clone()).unwrap_or_default(),
            id: self.id_kind(base),
        }
    }

    /// Every notation that an enumeration names has to be declared.
    fn check_notations(&mut self, at: At<'d>, compiled: &SimpleType) {
        let Some(enumeration) = compiled.facets.enumeration.clone() else { return };
        for value in &enumeration.values {
            if let Value::Name(_, namespace, local) = value {
                let known = self.s.sym(namespace, local);
                if !self.by_name.contains_key(&(Kind::Notation, known)) {
                    self.fault(
                        at,
                        "enumeration-valid-restriction",
                        format!("there is no notation {local}"),
                    );
                }
            }
        }
    }

    /// What a base says may not be derived from it.
    pub(super) fn check_final(&mut self, at: At<'d>, base: TypeId, derivation: Derivation) {
        if self.s.types[base.index()].final_.forbids(derivation) {
            let way = match derivation {
                Derivation::Restriction => "restriction",
                Derivation::Extension => "extension",
                Derivation::List => "list",
                Derivation::Union => "union",
            };
            let message = format!("{} is final: it forbids {way}", self.s.type_text(base));
            self.fault(at, "st-props-correct.3", message);
        }
    }

    /// A redefined type has to be derived from what it redefines.
    pub(super) fn check_redefined_base(&mut self, id: TypeId, at: At<'d>, def: Option<usize>) {
        let original = def.and_then(|def| self.defs[def].original);
        let original = original.map(|original| TypeId(self.defs[original].id));
        if original.is_some_and(|original| self.s.types[id.index()].base != original) {
            self.fault(at, "src-redefine.5", "a redefined type has to be derived from itself");
        }
    }

    /// A type as an attribute or an element uses it directly.
    pub(super) fn check_usable(&mut self, at: At<'d>, ty: TypeId) {
        let bare = self.s.types[ty.index()].simple().is_some_and(|simple| {
            simple.compiled.builtin == Builtin::Notation
                && matches!(simple.compiled.variety, Variety::Atomic)
                && simple.compiled.facets.enumeration.is_none()
        });
        if bare || ty == builtin_id(Builtin::Notation) {
            self.fault(
                at,
                "enumeration-required-notation",
                "a NOTATION has to be restricted by an enumeration",
            );
        }
    }
}

/// Whether a list is among what a type takes.
fn holds_list(ty: &SimpleType) -> bool {
    match &ty.variety {
        Variety::Atomic => false,
        Variety::List(_) => true,
        Variety::Union(members) => members.iter().any(|member| holds_list(member)),
    }
}
