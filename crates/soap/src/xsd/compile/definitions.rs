//! What the documents define, by kind and name; and which definition a redefinition stands on.

use roxmltree::Node;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{At, Compiler, Scope, TypeState};
use crate::name::{NsId, Sym};
use crate::xsd::load::{Entry, attribute, children};
use crate::xsd::model::{
    Compositor, Derivation, DerivationSet, ElementDecl, ElementId, GroupId, ModelGroup, TypeDef,
    TypeId, TypeKind,
};

/// The kinds of things that have names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Element,
    Attribute,
    Type,
    Group,
    AttributeGroup,
    Notation,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "element" => Self::Element,
            "attribute" => Self::Attribute,
            "simpleType" | "complexType" => Self::Type,
            "group" => Self::Group,
            "attributeGroup" => Self::AttributeGroup,
            "notation" => Self::Notation,
            _ => return None,
        })
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Element => "element",
            Self::Attribute => "attribute",
            Self::Type => "type",
            Self::Group => "group",
            Self::AttributeGroup => "attribute group",
            Self::Notation => "notation",
        }
    }
}

/// A definition at the top of a document.
#[derive(Debug, Clone)]
pub(super) struct Def<'d> {
    pub(super) kind: Kind,
    pub(super) name: Sym,
    pub(super) at: At<'d>,
    /// The entry that it redefines something of.
    over: Option<usize>,
    /// The definition that it redefines.
    pub(super) original: Option<usize>,
    /// Whether another one redefines it.
    taken: bool,
    /// The number of its component, for kinds that have one.
    pub(super) id: u32,
}

impl<'d> Compiler<'_, 'd> {
    /// Takes stock of all documents.
    pub(super) fn collect(&mut self, entries: &[Entry<'d>]) {
        for entry in entries {
            let scope = self.scope(entry);
            if !self.s.namespaces.contains(&scope.target) {
                self.s.namespaces.push(scope.target);
            }
            self.scopes.push(scope);
        }
        let mut groups: FxHashMap<(Kind, Sym), Vec<usize>> = FxHashMap::default();
        for (index, entry) in entries.iter().enumerate() {
            let mut redefine = 0;
            for child in children(entry.root) {
                if child.tag_name().name() == "redefine" {
                    let of = entry.redefines.iter().find(|r| r.index == redefine).map(|r| r.of);
                    redefine += 1;
                    for inner in children(child) {
                        // Without the document there is nothing to redefine, and that has been said.
                        self.define(index, inner, of.or(Some(usize::MAX)), &mut groups);
                    }
                } else {
                    self.define(index, child, None, &mut groups);
                }
            }
        }
        let mut names: Vec<_> = groups.into_iter().collect();
        names.sort_by_key(|(_, defs)| defs.first().copied());
        for ((kind, name), defs) in names {
            self.settle(kind, name, &defs, entries);
        }
        for index in 0..self.defs.len() {
            self.give_number(index);
        }
    }

    fn scope(&mut self, entry: &Entry<'d>) -> Scope {
        let target = self.s.symbols.add_namespace(entry.target.as_deref().unwrap_or_default());
        let root = entry.root;
        let imports = children(root)
            .filter(|child| child.tag_name().name() == "import")
            .map(|import| attribute(import, "namespace").unwrap_or_default())
            .map(|namespace| self.s.symbols.add_namespace(namespace))
            .collect();
        let qualified = |name| attribute(root, name) == Some("qualified");
        Scope {
            doc: entry.doc,
            target,
            chameleon: entry.chameleon,
            imports,
            qualified_elements: qualified("elementFormDefault"),
            qualified_attributes: qualified("attributeFormDefault"),
            block: derivation_set(attribute(root, "blockDefault").unwrap_or_default()),
            final_: derivation_set(attribute(root, "finalDefault").unwrap_or_default()),
        }
    }

    fn define(
        &mut self,
        entry: usize,
        node: Node<'d, 'd>,
        over: Option<usize>,
        groups: &mut FxHashMap<(Kind, Sym), Vec<usize>>,
    ) {
        let Some(kind) = Kind::of(node.tag_name().name()) else { return };
        let Some(name) = attribute(node, "name") else { return };
        let name = self.s.symbols.add(self.scopes[entry].target, name);
        let at = At { entry, node };
        groups.entry((kind, name)).or_default().push(self.defs.len());
        let def = Def { kind, name, at, over, original: None, taken: false, id: u32::MAX };
        self.defs.push(def);
    }

    /// Finds the one definition in force among those of one name.
    fn settle(&mut self, kind: Kind, name: Sym, defs: &[usize], entries: &[Entry<'d>]) {
        let mut redefining: Vec<(usize, FxHashSet<usize>)> = defs
            .iter()
            .filter_map(|&def| Some((def, reach(entries, self.defs[def].over?))))
            .collect();
        // Innermost first: a redefinition of a redefinition stands on that.
        redefining.sort_by_key(|(_, reach)| reach.len());
        for (def, reach) in redefining {
            let original = defs.iter().copied().find(|&other| {
                other != def
                    && !self.defs[other].taken
                    && reach.contains(&self.defs[other].at.entry)
            });
            match original {
                Some(original) => {
                    self.defs[original].taken = true;
                    self.defs[def].original = Some(original);
                }
                None => {
                    let at = self.defs[def].at;
                    let text = self.s.text_of(name);
                    self.fault(
                        at,
                        "src-redefine.5",
                        format!("there is no {} {text} to redefine", kind.text()),
                    );
                }
            }
        }
        let mut in_force = defs.iter().copied().filter(|&def| !self.defs[def].taken);
        let Some(first) = in_force.next() else { return };
        let others: Vec<usize> = in_force.collect();
        for other in others {
            let at = self.defs[other].at;
            let place = self.place(self.defs[first].at);
            let text = self.s.text_of(name);
            let message = format!("a second {} {text}; the first one is at {place}", kind.text());
            // Word for word the same, in a copy of the document: nobody can tell the difference.
            if self.is_copy(self.defs[first].at, at) {
                self.tolerated(at, "sch-props-correct.2", message);
            } else {
                self.fault(at, "sch-props-correct.2", message);
            }
        }
        self.by_name.insert((kind, name), first);
    }

    /// Whether two definitions of different documents are the same text.
    fn is_copy(&self, one: At<'d>, other: At<'d>) -> bool {
        let text = |at: At<'d>| at.node.document().input_text().get(at.node.range());
        self.scopes[one.entry].doc != self.scopes[other.entry].doc && text(one) == text(other)
    }

    /// Makes an empty component for a definition, so that others can refer to it.
    fn give_number(&mut self, index: usize) {
        let Def { kind, name, at, .. } = self.defs[index].clone();
        let in_force = self.by_name.get(&(kind, name)) == Some(&index);
        let id = match kind {
            Kind::Element => {
                let id = self.empty_element(name, at, true);
                if in_force {
                    set(&mut self.s.globals.elements, name, id.0);
                }
                id.0
            }
            // The schema for schemas may be given; its built-in types are ours.
            Kind::Type if self.builtin_named(name).is_some() => {
                self.builtin_named(name).map_or(u32::MAX, |id| id.0)
            }
            Kind::Type => {
                let id = self.empty_type(Some(name), at, Some(index), None);
                if in_force {
                    set(&mut self.s.globals.types, name, id.0);
                }
                id.0
            }
            Kind::Group => {
                let place = self.place(at);
                self.s.groups.push(ModelGroup {
                    compositor: Compositor::Sequence,
                    particles: Vec::new(),
                    name: Some(name),
                    place,
                });
                let id = GroupId::at(self.s.groups.len() - 1);
                if in_force {
                    set(&mut self.s.globals.groups, name, id.0);
                }
                id.0
            }
            Kind::Attribute => {
                let id = self.empty_attribute(name, at, true);
                if in_force {
                    set(&mut self.s.globals.attributes, name, id.0);
                }
                id.0
            }
            Kind::AttributeGroup | Kind::Notation => u32::MAX,
        };
        self.defs[index].id = id;
    }

    fn builtin_named(&self, name: Sym) -> Option<TypeId> {
        self.s.type_(name).filter(|&known| self.s.is_builtin(known))
    }

    /// A type that is to be read.
    pub(super) fn empty_type(
        &mut self,
        name: Option<Sym>,
        at: At<'d>,
        def: Option<usize>,
        owner: Option<ElementId>,
    ) -> TypeId {
        let simple = at.is("simpleType");
        let any = &self.s.types[if simple { TypeId::ANY_SIMPLE } else { TypeId::ANY }.index()];
        let kind = any.kind.clone();
        debug_assert_eq!(simple, matches!(kind, TypeKind::Simple(_)));
        let (place, notes) = (self.place(at), self.notes(at));
        self.s.types.push(TypeDef {
            name,
            base: if simple { TypeId::ANY_SIMPLE } else { TypeId::ANY },
            derivation: Derivation::Restriction,
            is_abstract: false,
            block: DerivationSet::NONE,
            final_: DerivationSet::NONE,
            kind,
            owner,
            place,
            notes,
        });
        self.type_states.push(TypeState::Raw(at, def));
        TypeId::at(self.s.types.len() - 1)
    }

    pub(super) fn empty_element(&mut self, name: Sym, at: At<'d>, global: bool) -> ElementId {
        let (place, notes) = (self.place(at), self.notes(at));
        self.s.elements.push(ElementDecl {
            name,
            namespace: self.s.symbols.name(name).0,
            global,
            ty: TypeId::ANY,
            nillable: false,
            is_abstract: false,
            block: DerivationSet::NONE,
            final_: DerivationSet::NONE,
            value: None,
            head: None,
            members: Vec::new(),
            constraints: Vec::new(),
            place,
            notes,
        });
        ElementId::at(self.s.elements.len() - 1)
    }

    /// The target namespace of what stands somewhere.
    pub(super) fn target(&self, at: At<'_>) -> NsId {
        self.scopes[at.entry].target
    }
}

/// An entry and all that it includes or redefines, at any distance.
fn reach(entries: &[Entry<'_>], from: usize) -> FxHashSet<usize> {
    let (mut found, mut pending) = (FxHashSet::default(), vec![from]);
    while let Some(at) = pending.pop() {
        if let Some(entry) = entries.get(at)
            && found.insert(at)
        {
            pending.extend(&entry.below);
        }
    }
    found
}

/// Sets a name's number in a table by name.
pub(super) fn set(table: &mut Vec<u32>, name: Sym, id: u32) {
    if table.len() <= name.index() {
        table.resize(name.index() + 1, u32::MAX);
    }
    table[name.index()] = id;
}

/// Reads `block`, `final` and their defaults.
pub(super) fn derivation_set(text: &str) -> DerivationSet {
    let word = |word| match word {
        "#all" => DerivationSet::EXTENSION
            .with(DerivationSet::RESTRICTION)
            .with(DerivationSet::SUBSTITUTION)
            .with(DerivationSet::LIST)
            .with(DerivationSet::UNION),
        "extension" => DerivationSet::EXTENSION,
        "restriction" => DerivationSet::RESTRICTION,
        "substitution" => DerivationSet::SUBSTITUTION,
        "list" => DerivationSet::LIST,
        "union" => DerivationSet::UNION,
        _ => DerivationSet::NONE,
    };
    text.split_ascii_whitespace().map(word).fold(DerivationSet::NONE, DerivationSet::with)
}
