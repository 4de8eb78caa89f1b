//! References by QName: prefixes, chameleon documents, imports, and who is meant.

use roxmltree::Node;

use super::definitions::Kind;
use super::{At, Compiler};
use crate::name::{NsId, PrefixScope, Sym, XML};
use crate::xsd::model::TypeId;

/// The namespaces in scope at a node of a schema document.
pub(super) struct NodeScope<'d>(pub(super) Node<'d, 'd>);

impl PrefixScope for NodeScope<'_> {
    fn namespace_of(&self, prefix: &str) -> Option<&str> {
        match prefix {
            "" => Some(self.0.lookup_namespace_uri(None).unwrap_or_default()),
            "xml" => Some(XML),
            _ => self.0.lookup_namespace_uri(Some(prefix)),
        }
    }
}

impl<'d> Compiler<'_, 'd> {
    /// A QName as a name. `None`, with a fault, when its prefix is not declared.
    pub(super) fn name(&mut self, at: At<'d>, text: &str) -> Option<Sym> {
        let (prefix, local) = text.split_once(':').unwrap_or(("", text));
        let namespace =
            match (prefix, at.node.lookup_namespace_uri((!prefix.is_empty()).then_some(prefix))) {
                ("xml", _) => self.s.symbols.add_namespace(XML),
                (_, Some(uri)) if !uri.is_empty() => self.s.symbols.add_namespace(uri),
                ("", _) if self.scopes[at.entry].chameleon => self.target(at),
                ("", _) => NsId::NONE,
                _ => {
                    self.fault(at, "src-qname", format!("the prefix {prefix:?} is not declared"));
                    return None;
                }
            };
        Some(self.s.symbols.add(namespace, local))
    }

    /// Whether a document may refer to a namespace (src-resolve.4).
    fn check_visible(&mut self, at: At<'d>, name: Sym) {
        let (namespace, local) = self.s.symbols.name(name);
        let local = local.to_owned();
        let scope = &self.scopes[at.entry];
        if namespace == scope.target || namespace == NsId::XSD || scope.imports.contains(&namespace)
        {
            return;
        }
        let uri = self.s.symbols.uri(namespace).to_owned();
        let message = match uri.as_str() {
            "" => format!("{local} has no namespace, and the document imports none"),
            uri => format!("{local} is of the namespace {uri}, which the document does not import"),
        };
        self.tolerated(at, "src-resolve.4", message);
    }

    /// The definition that a QName refers to; a fault when there is none.
    pub(super) fn resolve(&mut self, at: At<'d>, kind: Kind, text: &str) -> Option<usize> {
        let name = self.name(at, text)?;
        self.check_visible(at, name);
        if let Some(&redefining) = self.redefining.last()
            && self.defs[redefining].kind == kind
            && self.defs[redefining].name == name
            && let Some(original) = self.defs[redefining].original
        {
            return Some(original);
        }
        let found = self.by_name.get(&(kind, name)).copied();
        if found.is_none() {
            let message = format!("there is no {} {}", kind.text(), self.s.text_of(name));
            self.fault(at, "src-resolve", message);
        }
        found
    }

    /// The type that a QName refers to; a fault when there is none.
    pub(super) fn resolve_type(&mut self, at: At<'d>, text: &str) -> Option<TypeId> {
        let name = self.name(at, text)?;
        let (namespace, _) = self.s.symbols.name(name);
        if namespace == NsId::XSD
            && let Some(builtin) = self.s.type_(name)
        {
            return Some(builtin);
        }
        let def = self.resolve(at, Kind::Type, text)?;
        Some(TypeId(self.defs[def].id))
    }

    /// The name of an identity constraint that is referred to.
    pub(super) fn constraint_name(&mut self, at: At<'d>, text: &str) -> Option<Sym> {
        let name = self.name(at, text)?;
        self.check_visible(at, name);
        Some(name)
    }

    /// The local name and namespace of something declared inside a type: qualified or not.
    pub(super) fn local_name(&mut self, at: At<'d>, name: &str, qualified: bool) -> Sym {
        let form = at.attribute("form").map_or(qualified, |form| form == "qualified");
        let namespace = if form { self.target(at) } else { NsId::NONE };
        self.s.symbols.add(namespace, name)
    }
}
