//! Short names for namespaces and types: what stands before the colon in a key, and after `$type`.

use rustc_hash::FxHashMap;

use crate::name::{NsId, Sym, Symbols};
use crate::xsd::model::{Schemas, TypeId};

/// The aliases of a set of schemas. They depend on nothing but the schemas and their order.
#[derive(Debug)]
pub struct Names {
    /// By namespace; empty for no namespace.
    aliases: Vec<Box<str>>,
    namespaces: FxHashMap<Box<str>, NsId>,
    /// By type; empty for one without a name.
    type_names: Vec<Box<str>>,
    types: FxHashMap<Box<str>, TypeId>,
}

impl Names {
    pub(super) fn new(schemas: &Schemas) -> Self {
        let symbols = &schemas.symbols;
        let mut names = Self {
            aliases: vec!["".into(); symbols.namespaces()],
            namespaces: FxHashMap::default(),
            type_names: Vec::new(),
            types: FxHashMap::default(),
        };
        for (namespace, alias) in [
            (NsId::XML, "xml"),
            (NsId::XSD, "xs"),
            (NsId::XSI, "xsi"),
            (NsId::SOAP11, "soap"),
            (NsId::SOAP12, "soap12"),
        ] {
            names.alias(namespace, alias.into());
        }
        let mut next = 1;
        let others = (0..symbols.namespaces()).map(NsId::from_index);
        for namespace in schemas.namespaces.iter().copied().chain(others) {
            let taken = names.aliases.get(namespace.index()).is_none_or(|alias| !alias.is_empty());
            if taken || symbols.uri(namespace).is_empty() || namespace == NsId::XMLNS {
                continue;
            }
            names.alias(namespace, format!("ns{next}").into());
            next += 1;
        }
        names.name_types(schemas);
        names
    }

    fn alias(&mut self, namespace: NsId, alias: Box<str>) {
        if let Some(slot) = self.aliases.get_mut(namespace.index()) {
            slot.clone_from(&alias);
            self.namespaces.insert(alias, namespace);
        }
    }

    /// A type goes by its local name where that says which it is, else with the alias of its namespace.
    fn name_types(&mut self, schemas: &Schemas) {
        let mut seen: FxHashMap<&str, u32> = FxHashMap::default();
        let named = || schemas.all_types().filter_map(|(id, def)| Some((id, def.name?)));
        for (id, name) in named() {
            if !schemas.is_builtin(id) {
                *seen.entry(schemas.symbols.name(name).1).or_default() += 1;
            }
        }
        self.type_names = vec!["".into(); schemas.all_types().count()];
        for (id, name) in named() {
            let (namespace, local) = schemas.symbols.name(name);
            let clear = !schemas.is_builtin(id) && seen.get(local).is_some_and(|&times| times == 1);
            let short: Box<str> =
                if clear { local.into() } else { self.qualified(namespace, local).into() };
            if let Some(slot) = self.type_names.get_mut(id.index()) {
                slot.clone_from(&short);
            }
            self.types.insert(short, id);
            self.types.insert(self.qualified(namespace, local).into(), id);
            self.types.insert(schemas.text_of(name).into(), id);
        }
    }

    /// The alias of a namespace; empty for none.
    #[must_use]
    pub fn alias_of(&self, namespace: NsId) -> &str {
        self.aliases.get(namespace.index()).map_or("", |alias| alias)
    }

    /// The namespace of an alias.
    #[must_use]
    pub fn namespace_of(&self, alias: &str) -> Option<NsId> {
        self.namespaces.get(alias).copied()
    }

    /// Every alias with its namespace, in order of the namespaces' numbers.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, NsId)> {
        let all = self.aliases.iter().enumerate();
        all.filter(|(_, alias)| !alias.is_empty())
            .map(|(at, alias)| (&**alias, NsId::from_index(at)))
    }

    /// `alias:local`; the local name alone where there is no namespace.
    #[must_use]
    pub fn qualified(&self, namespace: NsId, local: &str) -> String {
        match self.alias_of(namespace) {
            "" => local.to_owned(),
            alias => format!("{alias}:{local}"),
        }
    }

    /// What `$type` says for a type; empty for one without a name.
    #[must_use]
    pub fn type_name(&self, ty: TypeId) -> &str {
        self.type_names.get(ty.index()).map_or("", |name| name)
    }

    /// The type that `$type` names: short, with an alias, or as `{namespace}local`.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        self.types.get(name).copied()
    }

    /// The parts of a key `alias:local`, `{namespace}local` or `local`: a namespace in full, its number if it has one,
    /// and the local name.
    pub(super) fn split<'k>(
        &'k self,
        symbols: &'k Symbols,
        key: &'k str,
    ) -> Option<(&'k str, Option<NsId>, &'k str)> {
        if let Some(local) = key.strip_prefix("_:") {
            return Some(("", Some(NsId::NONE), local));
        }
        if let Some(rest) = key.strip_prefix('{') {
            let (uri, local) = rest.rsplit_once('}')?;
            return Some((uri, symbols.namespace(uri), local));
        }
        match key.split_once(':') {
            Some((alias, local)) => {
                let namespace = self.namespace_of(alias)?;
                Some((symbols.uri(namespace), Some(namespace), local))
            }
            None => Some(("", Some(NsId::NONE), key)),
        }
    }

    /// The symbol of such a key.
    pub(super) fn sym(&self, symbols: &Symbols, key: &str) -> Sym {
        match self.split(symbols, key) {
            Some((_, Some(namespace), local)) => symbols.sym(namespace, local),
            _ => Sym::UNKNOWN,
        }
    }
}
