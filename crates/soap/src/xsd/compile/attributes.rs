//! Attributes: declarations, uses, groups of them, and the wildcard for those that are not named.

use super::definitions::{Def, Kind};
use super::{At, CHAIN, Compiler};
use crate::name::{ExpandedName, NsId, Sym};
use crate::xsd::model::{
    AttributeDecl, AttributeId, AttributeUse, NamespaceSet, Process, TypeId, ValueConstraint,
    Wildcard, WildcardId,
};

/// The attributes that a type or a group names.
#[derive(Debug, Clone, Default)]
pub(super) struct AttributeSet {
    pub(super) uses: Vec<AttributeUse>,
    /// Names that a restriction takes away.
    pub(super) prohibited: Vec<Sym>,
    pub(super) wildcard: Option<Wildcard>,
}

impl<'d> Compiler<'_, 'd> {
    pub(super) fn empty_attribute(&mut self, name: Sym, at: At<'d>, global: bool) -> AttributeId {
        let (place, notes) = (self.place(at), self.notes(at));
        let ty = TypeId::ANY_SIMPLE;
        self.s.attributes.push(AttributeDecl { name, global, ty, value: None, place, notes });
        AttributeId::at(self.s.attributes.len() - 1)
    }

    pub(super) fn read_global_attribute(&mut self, def: &Def<'d>) {
        self.read_attribute(AttributeId(def.id), def.at);
    }

    fn read_attribute(&mut self, id: AttributeId, at: At<'d>) {
        let ty = match (at.attribute("type"), at.named("simpleType")) {
            (Some(name), _) => self.attribute_type(at, name),
            (None, Some(inner)) => Some(self.inner_simple(inner, 0)),
            (None, None) => None,
        };
        let ty = ty.unwrap_or(TypeId::ANY_SIMPLE);
        self.s.attributes[id.index()].ty = ty;
        self.pending.declared.push((ty, at));
        let name = self.s.attributes[id.index()].name;
        if self.s.symbols.name(name).0 == NsId::XSI {
            self.fault(at, "no-xsi", "no attribute of the namespace of xsi:type may be declared");
        }
        if at.attribute("default").is_some() || at.attribute("fixed").is_some() {
            self.s.attributes[id.index()].value = value_of(at);
            self.pending.attribute_values.push((id, at));
        }
    }

    fn attribute_type(&mut self, at: At<'d>, name: &str) -> Option<TypeId> {
        let id = self.resolve_type(at, name)?;
        if self.s.types[id.index()].simple().is_none() {
            let message = format!("{} is no simple type", self.s.type_text(id));
            self.fault(at, "src-resolve", message);
            return None;
        }
        Some(id)
    }

    /// The attributes among the children of a node.
    pub(super) fn attributes(&mut self, at: At<'d>, depth: usize) -> AttributeSet {
        let mut set = AttributeSet::default();
        let mut from_groups: Vec<Wildcard> = Vec::new();
        for child in at.children() {
            match child.node.tag_name().name() {
                "attribute" => self.attribute_use(child, &mut set),
                "attributeGroup" => {
                    let name = child.attribute("ref").unwrap_or_default();
                    let Some(def) = self.resolve(child, Kind::AttributeGroup, name) else {
                        continue;
                    };
                    let Some(group) = self.attribute_group(def, depth + 1) else {
                        self.fault(
                            child,
                            "src-attribute_group.3",
                            format!("the attribute group {name} contains itself"),
                        );
                        continue;
                    };
                    for used in group.uses {
                        self.add_use(child, used, &mut set);
                    }
                    from_groups.extend(group.wildcard);
                }
                "anyAttribute" => set.wildcard = Some(self.read_wildcard(child)),
                _ => {}
            }
        }
        for other in from_groups {
            let Some(own) = set.wildcard.take() else {
                set.wildcard = Some(other);
                continue;
            };
            match own.namespaces.intersect(&other.namespaces) {
                Some(namespaces) => set.wildcard = Some(Wildcard { namespaces, ..own }),
                None => self.fault(
                    at,
                    "src-ct.4",
                    "what both wildcards for attributes let in cannot be expressed",
                ),
            }
        }
        set
    }

    fn attribute_use(&mut self, at: At<'d>, set: &mut AttributeSet) {
        let id = match (at.attribute("ref"), at.attribute("name")) {
            (Some(name), _) => match self.resolve(at, Kind::Attribute, name) {
                Some(def) => AttributeId(self.defs[def].id),
                None => return,
            },
            (None, Some(name)) => {
                let qualified = self.scopes[at.entry].qualified_attributes;
                let name = self.local_name(at, name, qualified);
                let id = self.empty_attribute(name, at, false);
                self.read_attribute(id, at);
                id
            }
            (None, None) => return,
        };
        let name = self.s.attributes[id.index()].name;
        let used = at.attribute("use").unwrap_or("optional");
        if used == "prohibited" {
            set.prohibited.push(name);
            return;
        }
        let by_ref = at.attribute("ref").is_some();
        let own = by_ref.then(|| value_of(at)).flatten();
        let array_type = self.array_type(at);
        let used = AttributeUse {
            name,
            attribute: id,
            ty: TypeId::ANY_SIMPLE,
            required: used == "required",
            value: own,
            array_type,
        };
        self.add_use(at, used, set);
    }

    fn add_use(&mut self, at: At<'d>, used: AttributeUse, set: &mut AttributeSet) {
        if set.uses.iter().any(|other| other.name == used.name) {
            let message = format!("a second attribute {}", self.s.text_of(used.name));
            self.fault(at, "ct-props-correct.4", message);
            return;
        }
        set.uses.push(used);
    }

    /// `wsdl:arrayType`, which restrictions of `soapenc:Array` carry.
    fn array_type(&self, at: At<'d>) -> Option<(ExpandedName, Box<str>)> {
        let text = at.node.attribute(("http://schemas.xmlsoap.org/wsdl/", "arrayType"))?;
        let (name, dimensions) = text.trim().split_at(text.trim().find('[')?);
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let uri = at.node.lookup_namespace_uri((!prefix.is_empty()).then_some(prefix));
        Some((ExpandedName::new(uri.unwrap_or_default(), local), dimensions.into()))
    }

    /// The attributes of a group. `None`: it is being read, that is, it contains itself.
    pub(super) fn attribute_group(&mut self, def: usize, depth: usize) -> Option<AttributeSet> {
        if let Some(known) = self.attribute_groups.get(&def) {
            return known.clone();
        }
        if depth > CHAIN {
            return None;
        }
        self.attribute_groups.insert(def, None);
        let at = self.defs[def].at;
        let original = self.defs[def].original;
        self.redefining.extend(original.map(|_| def));
        let set = self.attributes(at, depth);
        if let Some(original) = original {
            self.redefining.pop();
            let name = self.defs[def].name;
            let selves = at.children().filter(|c| c.is("attributeGroup"));
            let names: Vec<_> = selves.filter_map(|c| Some((c, c.attribute("ref")?))).collect();
            let own = names.iter().filter(|(c, n)| self.name(*c, n) == Some(name)).count();
            match own {
                0 => self.pending.narrowed_attributes.push((def, original, at)),
                1 => {}
                _ => self.fault(
                    at,
                    "src-redefine.7.1",
                    "a redefined attribute group refers to itself twice",
                ),
            }
        }
        self.uses += set.uses.len();
        self.attribute_groups.insert(def, Some(set.clone()));
        Some(set)
    }

    /// `any` or `anyAttribute`.
    pub(super) fn read_wildcard(&mut self, at: At<'d>) -> Wildcard {
        let target = self.target(at);
        let namespaces = match at.attribute("namespace").unwrap_or("##any") {
            "##any" => NamespaceSet::Any,
            "##other" => NamespaceSet::Not(target),
            list => {
                let mut only: Vec<NsId> = Vec::new();
                for word in list.split_ascii_whitespace() {
                    let namespace = match word {
                        "##targetNamespace" => target,
                        "##local" => NsId::NONE,
                        uri => self.s.symbols.add_namespace(uri),
                    };
                    if !only.contains(&namespace) {
                        only.push(namespace);
                    }
                }
                NamespaceSet::Only(only)
            }
        };
        let process = match at.attribute("processContents") {
            Some("skip") => Process::Skip,
            Some("lax") => Process::Lax,
            _ => Process::Strict,
        };
        Wildcard { namespaces, process, place: self.place(at) }
    }

    pub(super) fn keep_wildcard(&mut self, wildcard: Wildcard) -> WildcardId {
        self.s.wildcards.push(wildcard);
        WildcardId::at(self.s.wildcards.len() - 1)
    }
}

/// The default or fixed value that a node gives, as written.
pub(super) fn value_of(at: At<'_>) -> Option<ValueConstraint> {
    let (fixed, text) = match (at.node.attribute("fixed"), at.node.attribute("default")) {
        (Some(text), _) => (true, text),
        (None, Some(text)) => (false, text),
        (None, None) => return None,
    };
    Some(ValueConstraint { fixed, lexical: text.into(), value: None })
}
